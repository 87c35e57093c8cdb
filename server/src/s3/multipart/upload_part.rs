//! [UploadPart](https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html): every part becomes a bulk segment, so that completing the upload copies nothing.

use engine::{Checksum, ChecksumAlgorithm, ChecksumKind, ETag, PutPart};
use http::StatusCode;

use crate::access::authorize::Authorized;
use crate::protocol::checksum;
use crate::protocol::error::{Code, S3Result};
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::s3::receive::{self, Expected, Payload};
use crate::state::State;

/// Stores a part.
pub async fn run(state: &State, put: Authorized<op::UploadPart>, payload: &mut Payload) -> S3Result<Response> {
    let request = &put.request;
    let (id, number) = (super::upload_id(request)?, super::part_number(request)?);
    let (bucket, key) = (put.bucket()?.id, put.key()?);
    let upload = state.store.upload(bucket, key, id)?;
    state.quotas.require(&state.store, bucket, payload.length()?)?;
    let expected = Expected::of(request)?;
    let wanted = upload.checksum.map(|(algorithm, _)| algorithm);
    if let (Some(wanted), Some(sent)) = (wanted, expected.algorithm())
        && wanted != sent
    {
        return Err(Code::InvalidRequest.with(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            checksum::name(wanted).to_ascii_lowercase(),
            checksum::name(sent).to_ascii_lowercase()
        )));
    }
    let sent = expected.algorithm();
    let expected = expected.or_algorithm(Some(wanted.unwrap_or(ChecksumAlgorithm::Crc64Nvme)));
    let (body, digested) = receive::part(state, payload, expected).await?;
    let checksum =
        digested.checksum.map(|(algorithm, value)| Checksum { algorithm, kind: ChecksumKind::FullObject, value });
    let etag = ETag::of_body(digested.md5);
    let part = PutPart { bucket, key: key.clone(), upload: id, number, body, etag, checksum: checksum.clone() };
    let stored = state.store.put_part(part).await?;
    let mut response = respond::empty(StatusCode::OK);
    let headers = response.headers_mut();
    respond::set_static(headers, "etag", &respond::quoted(&stored.etag));
    if sent.is_some() || wanted.is_some() {
        respond::stored_checksum(headers, checksum.as_ref(), 0, false);
    }
    Ok(response)
}
