//! [GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html): whole objects, ranges and parts, verified before a byte leaves, streamed in constant memory.

use std::sync::Arc;

use bytes::Bytes;
use engine::{Object, ObjectInfo, Wait};
use http::{HeaderMap, StatusCode};

use super::open;
use crate::access::authorize::Authorized;
use crate::http::body::{Body, Source};
use crate::maintenance::Maintenance;
use crate::protocol::checksum;
use crate::protocol::conditional;
use crate::protocol::error::{Code, S3Result, invalid_argument};
use crate::protocol::operation::op;
use crate::protocol::range::{self, ByteRange};
use crate::protocol::request::Request;
use crate::protocol::respond::{self, Response};
use crate::s3::receive::blocking;
use crate::state::State;

/// Bytes that are read from the engine at a time when an object is streamed.
const PIECE_BYTES: u64 = 512 << 10;
/// Reads of up to this size are tried on the calling thread.
const READ_HERE_BYTES_MAX: u64 = 64 << 10;

/// Serves an object.
pub async fn run(state: &State, get: Authorized<op::GetObject>) -> S3Result<Response> {
    let object = open::open(state, &get).await?;
    let request = &get.request;
    let mut response = describe(request, &object.info, get.bucket()?.versioning, !get.caller.is_anonymous())?;
    if let Some(span) = response.span {
        *response.response.body_mut() = body(state, object, span).await?;
    }
    Ok(response.response)
}

/// An answer that describes an object, and which of its bytes belong to it.
pub struct Described {
    /// Status and headers.
    pub response: Response,
    /// The bytes that GET sends; none for an empty object.
    pub span: Option<ByteRange>,
}

/// Judges conditions, range and part number and sets all headers: what GET and HEAD have in common.
pub fn describe(
    request: &Request,
    info: &ObjectInfo,
    versioning: engine::Versioning,
    signed: bool,
) -> S3Result<Described> {
    if let Err(error) = conditional::judge_read(request, info, "") {
        let version = (versioning != engine::Versioning::Unversioned).then(|| info.version_id.to_string());
        let error = error
            .header("ETag", respond::quoted(&info.etag))
            .header("Last-Modified", respond::http_date_of(info.modified_ms));
        return Err(match version {
            Some(version) => error.header("x-amz-version-id", version),
            None => error,
        });
    }
    let part = part_of(request, info)?;
    let range = request.header("range").filter(|_| conditional::range_applies(request, info));
    let wanted = match (part, range) {
        (Some(_), Some(_)) => {
            return Err(Code::InvalidRequest.with("Cannot specify both Range header and partNumber query parameter"));
        }
        (Some(span), None) => span,
        (None, Some(header)) => range::parse(header, info.size)?,
        (None, None) => None,
    };
    let partial = wanted.is_some() || part.is_some();
    let mut response = respond::empty(if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
    let headers = response.headers_mut();
    // AWS leaves the checksum out of a ranged answer: it belongs to the whole object.
    let with_checksums = request.header("x-amz-checksum-mode").is_some_and(|m| m.eq_ignore_ascii_case("enabled"));
    respond::object_headers(headers, info, versioning, with_checksums && !partial);
    if with_checksums && part.is_some() {
        part_checksum(request, info, headers);
    }
    if let Some(range) = wanted {
        respond::set_static(headers, "content-range", &range.content_range(info.size));
    }
    if request.query.has("partNumber") && !info.parts.is_empty() {
        respond::set_static(headers, "x-amz-mp-parts-count", &info.parts.len().to_string());
    }
    overrides(request, headers, signed)?;
    let whole = (info.size > 0 && part.is_none()).then_some(ByteRange { offset: 0, length: info.size });
    let span = wanted.or(whole);
    let length = span.map_or(0, |span| span.length);
    headers.insert(http::header::CONTENT_LENGTH, length.into());
    Ok(Described { response, span })
}

/// The bytes of the part that `partNumber` asks for. The outer `None`: no part was asked for; the inner one: the part is empty.
fn part_of(request: &Request, info: &ObjectInfo) -> S3Result<Option<Option<ByteRange>>> {
    let Some(text) = request.query.value("partNumber") else { return Ok(None) };
    let number = text.parse::<usize>().ok().filter(|n| (1..=usize::from(engine::PART_NUMBER_MAX)).contains(n));
    let number = number.ok_or_else(|| {
        invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", text)
    })?;
    let parts: Vec<u64> =
        if info.parts.is_empty() { vec![info.size] } else { info.parts.iter().map(|part| part.size).collect() };
    let Some(length) = parts.get(number - 1).copied() else {
        return Err(Code::InvalidPartNumber
            .error()
            .field("PartNumberRequested", text)
            .field("ActualPartCount", parts.len().to_string()));
    };
    let offset = parts[..number - 1].iter().sum();
    Ok(Some((length > 0).then_some(ByteRange { offset, length })))
}

/// The checksum of the part that was asked for; the whole object's for one that was put whole.
fn part_checksum(request: &Request, info: &ObjectInfo, headers: &mut HeaderMap) {
    let number = request.query.value("partNumber").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1);
    match info.parts.get(number - 1) {
        Some(part) => {
            respond::stored_checksum(headers, part.checksum.as_ref(), 0, false);
            if let Some(whole) = info.attributes.checksums.first() {
                respond::set_static(headers, "x-amz-checksum-type", checksum::kind_name(whole.kind));
            }
        }
        None => respond::checksum_headers(headers, info),
    }
}

/// `response-content-type` and its kin, which only a signed request may ask for.
fn overrides(request: &Request, headers: &mut HeaderMap, signed: bool) -> S3Result<()> {
    for name in
        ["content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding"]
    {
        let Some(value) = request.query.value(&format!("response-{name}")) else { continue };
        if !signed {
            return Err(Code::InvalidRequest
                .with("Request specific response headers cannot be used for anonymous GET requests."));
        }
        respond::set(headers, name, value);
    }
    Ok(())
}

/// The body of a span: at once when it is small, else streamed. The first piece is read before the answer begins, so that damage there is an error and not a cut connection.
async fn body(state: &State, object: Object, span: ByteRange) -> S3Result<Body> {
    let first = read_piece(&object, span.offset, span.length).await?;
    if first.len() as u64 == span.length {
        return Ok(Body::Full(first));
    }
    let (offset, left) = (span.offset + first.len() as u64, span.length - first.len() as u64);
    let rest = pieces(state.maintenance.clone(), object, offset, left);
    Ok(Body::stream(span.length, Source::new(move || async move { Ok(Some((first, rest))) })))
}

/// Pieces from `offset` on; each next one is read ahead while the one before it is sent.
fn pieces(maintenance: Arc<Maintenance>, object: Object, offset: u64, left: u64) -> Source {
    let length = left.min(PIECE_BYTES);
    let reading = (left > 0).then(|| {
        let object = object.clone();
        tokio::task::spawn_blocking(move || read_exactly(&object, offset, length, Wait::Allowed))
    });
    Source::new(move || async move {
        let Some(reading) = reading else { return Ok(None) };
        let piece = reading.await?.inspect_err(|error| {
            // The answer has begun, so that the cut connection is all that the client sees of it.
            if matches!(error, engine::Error::Damaged { .. }) {
                maintenance.read_was_damaged();
            }
            tracing::error!("an answer was cut off at byte {offset} of its object: {error}");
        })?;
        Ok(Some((piece, pieces(maintenance, object, offset + length, left - length))))
    })
}

async fn read_piece(object: &Object, offset: u64, length: u64) -> S3Result<Bytes> {
    let length = length.min(PIECE_BYTES);
    if length <= READ_HERE_BYTES_MAX || object.info.size <= engine::INLINE_BYTES_MAX as u64 {
        match read_exactly(object, offset, length, Wait::Never) {
            Err(engine::Error::WouldBlock) => {}
            read => return Ok(read?),
        }
    }
    let object = object.clone();
    Ok(blocking(move || read_exactly(&object, offset, length, Wait::Allowed)).await??)
}

/// Reads exactly `length` bytes: less is damage, since the caller stays within the object.
pub fn read_exactly(object: &Object, offset: u64, length: u64, wait: Wait) -> Result<Bytes, engine::Error> {
    let wanted = usize::try_from(length).map_err(|_| engine::Error::TooLarge { what: "read" })?;
    let bytes = object.read(offset, wanted, wait)?;
    if bytes.len() == wanted {
        return Ok(bytes);
    }
    Err(engine::Error::Damaged {
        what: "an object is shorter than its record says".into(),
        place: format!("offset {offset}").into(),
    })
}
