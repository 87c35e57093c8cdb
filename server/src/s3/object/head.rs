//! [HeadObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html): GET's headers without its body.

use super::get;
use super::open;
use crate::access::authorize::Authorized;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::Response;
use crate::state::State;

/// Describes an object.
pub async fn run(state: &State, head: Authorized<op::HeadObject>) -> S3Result<Response> {
    let object = open::open(state, &head).await?;
    let signed = !head.caller.is_anonymous();
    Ok(get::describe(&head.request, &object.info, head.bucket()?.versioning, signed)?.response)
}
