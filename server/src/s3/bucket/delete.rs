//! [DeleteBucket](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html): its configuration goes with it.

use http::StatusCode;

use crate::auth::authorize::Authorized;
use crate::s3::error::S3Result;
use crate::s3::operation::op;
use crate::s3::respond::{self, Response};
use crate::state::State;

/// Deletes an empty bucket.
pub async fn run(state: &State, delete: Authorized<op::DeleteBucket>) -> S3Result<Response> {
    let bucket = delete.bucket()?;
    state.store.delete_bucket(bucket.id).await?;
    state.bucket_policies.forget(bucket.id);
    Ok(respond::empty(StatusCode::NO_CONTENT))
}
