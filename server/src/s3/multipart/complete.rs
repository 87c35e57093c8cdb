//! [CompleteMultipartUpload](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html): one record makes the parts an object; repeated, it answers the same again.

use engine::{Checksum, ChecksumKind, CompleteUpload, ETag, Part, UploadId};

use super::part_checksum;
use crate::access::authorize::Authorized;
use crate::access::context::RequestContext;
use crate::protocol::checksum::{self, ALGORITHMS};
use crate::protocol::conditional;
use crate::protocol::error::{Code, S3Error, S3Result};
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_read::{self, Element};
use crate::protocol::xml_write::Xml;
use crate::s3::object::open;
use crate::s3::receive::{Payload, blocking};
use crate::state::State;

/// Least size of every part but the last, in bytes.
const PART_BYTES_MIN: u64 = 5 << 20;
/// Most parts of an upload.
const PARTS_MAX: usize = engine::PART_NUMBER_MAX as usize;
/// Ten thousand parts with checksums take more than other documents.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;

/// Makes an object of the parts that the body names.
pub async fn run(
    state: &State,
    complete: Authorized<op::CompleteMultipartUpload>,
    payload: &mut Payload,
) -> S3Result<Response> {
    let request = &complete.request;
    let id = super::upload_id(request)?;
    let precondition = conditional::write_precondition(request)?;
    let body = payload.body_only(DOCUMENT_BYTES_MAX, Code::MalformedXML).await?;
    let named = parse(&xml_read::parse_up_to(&body, "CompleteMultipartUpload", DOCUMENT_BYTES_MAX)?)?;
    let (bucket, key) = (complete.bucket()?, complete.key()?);
    let etag = etag_of(&named);
    let (mut checksums, repeated) = match stored_parts(state, &complete, id).await {
        Ok(stored) => (judge_parts(state, &complete, id, &named, &stored)?, false),
        // The upload may have been completed already: then the engine knows the object that it made.
        Err(error) if error.code == Code::NoSuchUpload => (Vec::new(), true),
        Err(error) => return Err(error),
    };
    let parts = named.iter().map(|part| (part.number, part.etag)).collect();
    let completed = CompleteUpload {
        bucket: bucket.id,
        key: key.clone(),
        upload: id,
        parts,
        etag,
        checksums: checksums.clone(),
        precondition,
    };
    let stored = state.store.complete_upload(completed).await?;
    if repeated && let Ok(made) = open::open(state, &complete).await {
        checksums = made.info.attributes.checksums;
    }
    let mut xml = Xml::root("CompleteMultipartUploadResult");
    let host = request.header("host").unwrap_or("localhost");
    let scheme = if request.peer.secure { "https" } else { "http" };
    let key_in_url = crate::protocol::name::encode_url(key);
    xml.text("Location", &format!("{scheme}://{host}/{}/{key_in_url}", bucket.name));
    xml.text("Bucket", &bucket.name);
    xml.text("Key", key);
    xml.text("ETag", &respond::quoted(&stored.etag));
    for sum in &checksums {
        xml.value(checksum::element(sum.algorithm), checksum::encode(sum, named.len()));
        xml.value("ChecksumType", checksum::kind_name(sum.kind));
    }
    xml.close("CompleteMultipartUploadResult");
    let mut response = respond::xml(xml.finish());
    respond::stored_version_header(response.headers_mut(), &stored);
    Ok(response)
}

/// A part as the body names it.
struct Named {
    number: u16,
    etag: ETag,
    checksum: Option<Checksum>,
}

fn parse(document: &Element) -> S3Result<Vec<Named>> {
    let malformed = || Code::MalformedXML.error();
    let mut parts: Vec<Named> = Vec::new();
    for part in document.all("Part") {
        let number = part.child_text("PartNumber").and_then(|n| n.trim().parse::<u16>().ok()).ok_or_else(malformed)?;
        if !(1..=engine::PART_NUMBER_MAX).contains(&number) {
            return Err(Code::InvalidArgument.with("PartNumber must be between 1 and 10000."));
        }
        if parts.last().is_some_and(|last| last.number >= number) {
            return Err(Code::InvalidPartOrder.error());
        }
        let text = part.child_text("ETag").ok_or_else(malformed)?.trim();
        let etag = text
            .parse()
            .map_err(|_| Code::InvalidPart.error().field("PartNumber", number.to_string()).field("ETag", text))?;
        let mut sums = ALGORITHMS
            .iter()
            .filter_map(|(algorithm, ..)| Some((*algorithm, part.child_text(checksum::element(*algorithm))?)));
        let checksum = match sums.next() {
            None => None,
            Some((algorithm, text)) => Some(Checksum {
                algorithm,
                kind: ChecksumKind::FullObject,
                value: checksum::decode(algorithm, text.trim())?,
            }),
        };
        parts.push(Named { number, etag, checksum });
    }
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(malformed());
    }
    Ok(parts)
}

/// The MD5 of the parts' MD5s, and their number.
fn etag_of(parts: &[Named]) -> ETag {
    use md5::Digest;
    let mut digest = md5::Md5::new();
    for part in parts {
        digest.update(part.etag.md5);
    }
    ETag { md5: digest.finalize().into(), parts: u16::try_from(parts.len()).unwrap_or(u16::MAX) }
}

async fn stored_parts(state: &State, context: &RequestContext, id: UploadId) -> S3Result<Vec<Part>> {
    let (store, bucket, key) = (state.store.clone(), context.bucket()?.id, context.key()?.clone());
    let parts = blocking(move || {
        let mut parts: Vec<Part> = Vec::new();
        loop {
            let after = parts.last().map_or(0, |part| part.number);
            let page = store.list_parts(bucket, &key, id, after, PARTS_MAX)?;
            parts.extend(page.parts);
            if !page.truncated {
                return Ok::<_, engine::Error>(parts);
            }
        }
    });
    Ok(parts.await??)
}

/// Judges what the engine leaves to its caller: least sizes and checksums. Gives the object's checksums.
fn judge_parts(
    state: &State,
    context: &RequestContext,
    id: UploadId,
    named: &[Named],
    stored: &[Part],
) -> S3Result<Vec<Checksum>> {
    let invalid = |number: u16| -> S3Error {
        Code::InvalidPart.error().field("UploadId", id.to_string()).field("PartNumber", number.to_string())
    };
    let mut parts: Vec<&Part> = Vec::with_capacity(named.len());
    for wanted in named {
        let found = stored.binary_search_by_key(&wanted.number, |part| part.number).map(|at| &stored[at]);
        let part = found.ok().filter(|part| part.etag == wanted.etag).ok_or_else(|| invalid(wanted.number))?;
        let checksum_differs = match (&wanted.checksum, &part.checksum) {
            (Some(said), Some(kept)) => said.algorithm == kept.algorithm && said.value != kept.value,
            _ => false,
        };
        if checksum_differs {
            return Err(invalid(wanted.number));
        }
        parts.push(part);
    }
    state.quotas.require(&state.store, context.bucket()?.id, parts.iter().map(|part| part.size).sum())?;
    let all_but_last = &parts[..parts.len() - 1];
    if let Some(small) = all_but_last.iter().find(|part| part.size < PART_BYTES_MIN) {
        return Err(Code::EntityTooSmall
            .error()
            .field("ProposedSize", small.size.to_string())
            .field("MinSizeAllowed", PART_BYTES_MIN.to_string())
            .field("PartNumber", small.number.to_string())
            .field("ETag", small.etag.to_string()));
    }
    let size: u64 = parts.iter().map(|part| part.size).sum();
    let said_size = context.request.header("x-amz-mp-object-size").map(str::parse::<u64>);
    if said_size.is_some_and(|said| said != Ok(size)) {
        return Err(Code::InvalidRequest.with(format!(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed: {size}"
        )));
    }
    let upload = state.store.upload(context.bucket()?.id, context.key()?, id)?;
    let (algorithm, kind) = upload.checksum.unwrap_or((engine::ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject));
    let Some(checksum) = part_checksum::of_parts(algorithm, kind, &parts) else {
        return match upload.checksum {
            None => Ok(Vec::new()),
            Some(_) => Err(Code::InvalidRequest
                .with("The upload was created with a checksum algorithm, but a part has no checksum of it.")),
        };
    };
    judge_said(context, &checksum, parts.len())?;
    Ok(vec![checksum])
}

/// Compares the object's checksum with the one that the request's header tells, if any.
fn judge_said(context: &RequestContext, checksum: &Checksum, parts: usize) -> S3Result<()> {
    let Some(said) = context.request.header(checksum::header(checksum.algorithm)) else { return Ok(()) };
    let computed = checksum::encode(checksum, parts);
    let bare = computed.split('-').next().unwrap_or_default();
    if said == computed || said == bare {
        return Ok(());
    }
    Err(Code::BadDigest.with(format!(
        "The {} you specified did not match the calculated checksum.",
        checksum::name(checksum.algorithm)
    )))
}
