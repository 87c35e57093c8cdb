//! [DeleteBucket](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html): its configuration goes with it.

use http::StatusCode;

use crate::access::authorize::Authorized;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::state::State;

/// Deletes an empty bucket.
pub async fn run(state: &State, delete: Authorized<op::DeleteBucket>) -> S3Result<Response> {
    let bucket = delete.bucket()?;
    state.store.delete_bucket(bucket.id).await?;
    state.bucket_policies.forget(bucket.id);
    state.quotas.forget(bucket.id);
    Ok(respond::empty(StatusCode::NO_CONTENT))
}
