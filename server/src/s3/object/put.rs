//! [PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html): takes in the body, checks what the client said of it, and answers once the record is durable.

use engine::{ChecksumAlgorithm, ETag, Put};
use http::StatusCode;

use super::attributes;
use crate::access::authorize::Authorized;
use crate::protocol::conditional;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::s3::receive::{self, Expected, Payload};
use crate::state::State;

/// Stores an object.
pub async fn run(state: &State, put: Authorized<op::PutObject>, payload: &mut Payload) -> S3Result<Response> {
    let request = &put.request;
    let mut attributes = attributes::of_request(request)?;
    let precondition = conditional::write_precondition(request)?;
    let (bucket, key) = (put.bucket()?, put.key()?);
    let expected = Expected::of(request)?.or_algorithm(Some(ChecksumAlgorithm::Crc64Nvme));
    state.quotas.require(&state.store, bucket.id, payload.length()?)?;
    let received = receive::object(state, payload, expected).await?;
    let checksum = received.checksum();
    attributes.checksums.extend(checksum.clone());
    let stored = state
        .store
        .put(Put {
            bucket: bucket.id,
            key: key.clone(),
            etag: ETag::of_body(received.digested.md5),
            body: received.body,
            attributes,
            precondition,
        })
        .await?;
    let mut response = respond::empty(StatusCode::OK);
    let headers = response.headers_mut();
    respond::stored_etag(headers, &stored);
    respond::stored_version_header(headers, &stored);
    respond::stored_checksum(headers, checksum.as_ref(), 0, true);
    Ok(response)
}
