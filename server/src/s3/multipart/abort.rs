//! [AbortMultipartUpload](https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html).

use http::StatusCode;

use crate::access::authorize::Authorized;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::state::State;

/// Ends an upload and frees its parts.
pub async fn run(state: &State, abort: Authorized<op::AbortMultipartUpload>) -> S3Result<Response> {
    let id = super::upload_id(&abort.request)?;
    state.store.abort_upload(abort.bucket()?.id, abort.key()?, id).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}
