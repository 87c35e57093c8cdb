//! What a client says of an object beside its bytes: content headers, metadata, tags, storage class; and what it may not ask for here.

use engine::Attributes;
use http::HeaderMap;

use crate::protocol::error::{Code, S3Result};
use crate::protocol::name::decode_query;
use crate::protocol::request::Request;

/// Headers that are stored with an object and given back with it.
const CONTENT_HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];

/// Most user metadata in bytes, names and values together.
const METADATA_BYTES_MAX: usize = 2 << 10;
/// Most tags of an object.
pub const TAGS_MAX: usize = 10;

/// Reads the attributes of a new object from a request's headers.
pub fn of_request(request: &Request) -> S3Result<Attributes> {
    refuse_unsupported(&request.headers)?;
    let mut attributes = Attributes::default();
    for name in CONTENT_HEADERS {
        let Some(value) = joined(&request.headers, name) else { continue };
        // aws-chunked is how the body came, not how it is stored.
        let value = if name == "content-encoding" { without_aws_chunked(&value) } else { value };
        if !value.is_empty() || name != "content-encoding" {
            attributes.headers.push((name.to_owned(), value));
        }
    }
    let mut metadata_bytes = 0;
    for name in request.headers.keys() {
        let Some(suffix) = name.as_str().strip_prefix("x-amz-meta-") else { continue };
        let value = joined(&request.headers, name.as_str()).unwrap_or_default();
        metadata_bytes += suffix.len() + value.len();
        if metadata_bytes > METADATA_BYTES_MAX {
            return Err(Code::MetadataTooLarge.error().field("MaxSizeAllowed", METADATA_BYTES_MAX.to_string()));
        }
        attributes.user_metadata.push((suffix.to_owned(), value));
    }
    if let Some(class) = request.header("x-amz-storage-class") {
        attributes.storage_class =
            class.parse().map_err(|_| Code::InvalidStorageClass.error().field("StorageClassRequested", class))?;
    }
    if let Some(tagging) = request.header("x-amz-tagging") {
        attributes.tags = parse_tagging(tagging)?;
    }
    Ok(attributes)
}

/// Refuses what would be ignored silently: encryption that doesn't happen, locks that don't hold, grants that don't grant.
pub fn refuse_unsupported(headers: &HeaderMap) -> S3Result<()> {
    for name in headers.keys().map(http::HeaderName::as_str) {
        if name.starts_with("x-amz-server-side-encryption") || name.starts_with("x-amz-copy-source-server-side") {
            return Err(Code::NotImplemented.with("Server-side encryption is not implemented.").field("Header", name));
        }
        // Of directory buckets: where it isn't known, the end of an object would be stored as all of it.
        if name == "x-amz-write-offset-bytes" {
            return Err(Code::NotImplemented.with("Appending to objects is not implemented.").field("Header", name));
        }
        if name.starts_with("x-amz-object-lock-") {
            return Err(Code::InvalidRequest.with("Bucket is missing Object Lock Configuration"));
        }
        if name.starts_with("x-amz-grant-") {
            return Err(Code::AccessControlListNotSupported.error());
        }
    }
    match headers.get("x-amz-acl").map(|v| v.as_bytes()) {
        // With ACLs switched off AWS still takes these two, which say what holds anyway.
        None | Some(b"bucket-owner-full-control" | b"private") => Ok(()),
        Some(_) => Err(Code::AccessControlListNotSupported.error()),
    }
}

/// Reads tags in the form of a query: `a=1&b=2`.
fn parse_tagging(text: &str) -> S3Result<Vec<(String, String)>> {
    let invalid = || {
        Code::InvalidArgument.with("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
    };
    let mut tags = Vec::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        tags.push((decode_query(name).ok_or_else(invalid)?, decode_query(value).ok_or_else(invalid)?));
    }
    check_tags(&tags)?;
    tags.sort_unstable();
    Ok(tags)
}

/// Judges an object's tags by [S3's limits](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html).
pub fn check_tags(tags: &[(String, String)]) -> S3Result<()> {
    if tags.len() > TAGS_MAX {
        return Err(Code::BadRequest.with("Object tags cannot be greater than 10"));
    }
    for (index, (name, value)) in tags.iter().enumerate() {
        if name.is_empty() || name.chars().count() > 128 {
            return Err(Code::InvalidTag.with("The TagKey you have provided is invalid").field("TagKey", name));
        }
        if value.chars().count() > 256 {
            return Err(Code::InvalidTag.with("The TagValue you have provided is invalid").field("TagValue", value));
        }
        if tags[..index].iter().any(|(other, _)| other == name) {
            return Err(Code::InvalidTag.with("Cannot provide multiple Tags with the same key").field("TagKey", name));
        }
    }
    Ok(())
}

/// All values of a header, joined as HTTP joins them. Headers are bytes: each is kept as the character of its number (Latin-1), so that they leave as they came ([`respond::set_kept`](crate::protocol::respond::set_kept)).
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = |value: &http::HeaderValue| -> String { value.as_bytes().iter().map(|b| char::from(*b)).collect() };
    let mut values = headers.get_all(name).iter().map(|value| text(value).trim_ascii().to_owned());
    let first = values.next()?;
    Some(values.fold(first, |all, value| all + "," + &value))
}

fn without_aws_chunked(value: &str) -> String {
    if !value.contains("aws-chunked") {
        return value.to_owned();
    }
    let kept: Vec<&str> = value.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked").collect();
    kept.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_and_bounded() {
        let tags = parse_tagging("a=1&b%20c=x+y&empty").unwrap();
        assert_eq!(tags, [("a", "1"), ("b c", "x y"), ("empty", "")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!(parse_tagging("a=1&a=2").is_err());
        assert!(parse_tagging("%ff=1").is_err());
        assert!(parse_tagging(&(0..11).map(|i| format!("k{i}=v&")).collect::<String>()).is_err());
    }

    #[test]
    fn what_cannot_be_kept_is_refused_not_ignored() {
        for (name, value) in [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "x"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-grant-read", "id=x"),
            ("x-amz-acl", "public-read"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert!(refuse_unsupported(&headers).is_err(), "{name}");
        }
    }

    #[test]
    fn the_transfer_coding_of_chunked_uploads_is_not_stored() {
        assert_eq!(without_aws_chunked("aws-chunked"), "");
        assert_eq!(without_aws_chunked("gzip, aws-chunked"), "gzip");
        assert_eq!(without_aws_chunked("deflate,gzip"), "deflate,gzip");
    }
}
