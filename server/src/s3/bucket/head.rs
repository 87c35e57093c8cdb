//! [HeadBucket](https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html).

use http::StatusCode;

use crate::access::authorize::Authorized;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::state::State;

/// Says that the bucket is there.
pub fn run(state: &State, head: &Authorized<op::HeadBucket>) -> S3Result<Response> {
    head.bucket()?;
    let mut response = respond::empty(StatusCode::OK);
    respond::set_static(response.headers_mut(), "x-amz-bucket-region", &state.config.region);
    Ok(response)
}
