//! [DeleteObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html): deleting what isn't there succeeds.

use engine::Delete;
use http::StatusCode;

use super::open;
use crate::access::authorize::Authorized;
use crate::protocol::conditional;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::state::State;

/// Deletes an object or a version.
pub async fn run(state: &State, delete: Authorized<op::DeleteObject>) -> S3Result<Response> {
    let request = &delete.request;
    let deleted = state.store.delete(Delete {
        bucket: delete.bucket()?.id,
        key: delete.key()?.clone(),
        version: open::version_id(request.version_id()?)?,
        precondition: conditional::delete_precondition(request)?,
    });
    let deleted = match deleted.await {
        // What a condition was set on is gone already, which is what was wanted.
        Err(engine::Error::NoSuchKey) => return Ok(respond::empty(StatusCode::NO_CONTENT)),
        deleted => deleted?,
    };
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    if deleted.delete_marker {
        respond::set_static(headers, "x-amz-delete-marker", "true");
    }
    if let Some(version) = deleted.version_id {
        respond::set_static(headers, "x-amz-version-id", &version.to_string());
    }
    Ok(response)
}
