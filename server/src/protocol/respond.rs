//! Answers: status, headers and body, with the headers that every object answer shares.

use engine::{ChecksumKind, ObjectInfo, StorageClass, Versioning};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::checksum;
use crate::clock;
use crate::http::body::Body;

/// An answer to a client.
pub type Response = hyper::Response<Body>;

/// About as many headers as an answer about an object has.
const HEADERS_USUAL: usize = 14;

/// An answer with a body.
pub fn with_body(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    // Room for what an object's answer has, so that the table isn't grown several times.
    response.headers_mut().reserve(HEADERS_USUAL);
    *response.status_mut() = status;
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    with_body(status, Body::empty())
}

/// `200 OK` with an XML document.
pub fn xml(document: String) -> Response {
    let mut response = with_body(StatusCode::OK, Body::from(document));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Sets a header; a value that HTTP can't carry is left out, since it never came from HTTP.
pub fn set(headers: &mut HeaderMap, name: impl AsRef<str>, value: impl AsRef<[u8]>) {
    let name = HeaderName::from_bytes(name.as_ref().as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_ref())) {
        headers.insert(name, value);
    }
}

/// Sets a header that was kept with an object: its characters are the bytes that it came as.
pub fn set_kept(headers: &mut HeaderMap, name: impl AsRef<str>, value: &str) {
    let bytes: Vec<u8> = value.chars().filter_map(|character| u8::try_from(character).ok()).collect();
    set(headers, name, bytes);
}

/// Sets a header whose name is known.
pub fn set_static(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// The headers that describe an object, for GET and HEAD.
pub fn object_headers(headers: &mut HeaderMap, info: &ObjectInfo, versioning: Versioning, with_checksums: bool) {
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set_etag(headers, &info.etag);
    set_static(headers, "last-modified", &http_date_of(info.modified_ms));
    let attributes = &info.attributes;
    if !attributes.headers.iter().any(|(name, _)| name == "content-type") {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("binary/octet-stream"));
    }
    for (name, value) in &attributes.headers {
        set_kept(headers, name, value);
    }
    for (name, value) in &attributes.user_metadata {
        set_kept(headers, format!("x-amz-meta-{name}"), value);
    }
    if !attributes.tags.is_empty() {
        set_static(headers, "x-amz-tagging-count", &attributes.tags.len().to_string());
    }
    if attributes.storage_class != StorageClass::Standard {
        set_static(headers, "x-amz-storage-class", attributes.storage_class.as_str());
    }
    version_header(headers, info.version_id, versioning);
    if with_checksums {
        checksum_headers(headers, info);
    }
}

/// Sets the ETag of what was just stored.
pub fn stored_etag(headers: &mut HeaderMap, stored: &engine::Stored) {
    set_etag(headers, &stored.etag);
}

/// `x-amz-version-id`, for buckets that have or had versions.
pub fn version_header(headers: &mut HeaderMap, version_id: engine::VersionId, versioning: Versioning) {
    if versioning != Versioning::Unversioned {
        set_static(headers, "x-amz-version-id", &version_id.to_string());
    }
}

/// `x-amz-version-id` of what was just stored: only where each put makes a version.
pub fn stored_version_header(headers: &mut HeaderMap, stored: &engine::Stored) {
    if stored.versioning == Versioning::Enabled {
        set_static(headers, "x-amz-version-id", &stored.version_id.to_string());
    }
}

/// `x-amz-checksum-*` and their type.
pub fn checksum_headers(headers: &mut HeaderMap, info: &ObjectInfo) {
    for sum in &info.attributes.checksums {
        set_static(headers, checksum::header(sum.algorithm), &checksum::encode(sum, info.parts.len()));
        set_static(headers, "x-amz-checksum-type", checksum::kind_name(sum.kind));
    }
}

/// The headers of a checksum that was just stored.
pub fn stored_checksum(headers: &mut HeaderMap, sum: Option<&engine::Checksum>, parts: usize, with_kind: bool) {
    if let Some(sum) = sum {
        set_static(headers, checksum::header(sum.algorithm), &checksum::encode(sum, parts));
        if with_kind {
            set_static(headers, "x-amz-checksum-type", checksum::kind_name(sum.kind));
        }
    }
    debug_assert!(sum.is_none_or(|s| s.kind == ChecksumKind::FullObject || parts > 0));
}

/// Sets `ETag`, written digit by digit: it is on every answer about an object.
fn set_etag(headers: &mut HeaderMap, etag: &engine::ETag) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if etag.parts > 0 {
        return set_static(headers, "etag", &quoted(etag));
    }
    let mut text = [b'"'; 34];
    for (place, byte) in text[1..33].chunks_exact_mut(2).zip(etag.md5) {
        place.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        headers.insert(header::ETAG, value);
    }
}

/// An ETag in the quotes that HTTP and S3's XML want.
pub fn quoted(etag: &engine::ETag) -> String {
    format!("\"{etag}\"")
}

/// A date of the engine's in XML's form.
pub fn iso_8601_of(milliseconds: u64) -> String {
    clock::iso_8601(i64::try_from(milliseconds).unwrap_or(i64::MAX).saturating_mul(1_000_000))
}

/// A date of the engine's in HTTP's form.
pub fn http_date_of(milliseconds: u64) -> String {
    clock::http_date(i64::try_from(milliseconds).unwrap_or(i64::MAX).saturating_mul(1_000_000))
}
