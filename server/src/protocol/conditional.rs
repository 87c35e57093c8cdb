//! Conditional requests: `If-Match` and its kin for reads ([RFC 9110 13](https://www.rfc-editor.org/rfc/rfc9110#section-13)) and for writes
//! ([conditional requests](https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html)).

use engine::{ETag, Match, ObjectInfo, Precondition};

use super::error::{Code, S3Result};
use super::request::Request;
use crate::clock;

/// The entity tags of a header: `*`, or a list. What isn't an entity tag of ours matches nothing.
fn parse_match(header: &str) -> Match {
    if header.trim() == "*" {
        return Match::Any;
    }
    let tag = |text: &str| text.trim().trim_start_matches("W/").parse::<ETag>().ok();
    Match::ETags(header.split(',').filter_map(tag).collect())
}

/// Judges a read's conditions against the object: `NotModified` or `PreconditionFailed`, in RFC 9110's order.
/// `prefix` is empty, or `x-amz-copy-source-` for the source of a copy, where a failed condition is always `PreconditionFailed`.
pub fn judge_read(request: &Request, object: &ObjectInfo, prefix: &str) -> S3Result<()> {
    let header = |name: &str| {
        if prefix.is_empty() { request.header(name) } else { request.header(&format!("{prefix}{name}")) }
    };
    let modified_seconds = i64::try_from(object.modified_ms / 1000).unwrap_or(i64::MAX);
    let since = |name: &str| header(name).and_then(clock::parse_http_date);
    let failed = || Err(Code::PreconditionFailed.error().field("Condition", "If-Match"));
    match header("if-match").map(parse_match) {
        Some(matching) if !matching.matches(&object.etag) => return failed(),
        Some(_) => {}
        None if since("if-unmodified-since").is_some_and(|at| modified_seconds > at) => {
            return Err(Code::PreconditionFailed.error().field("Condition", "If-Unmodified-Since"));
        }
        None => {}
    }
    let unchanged = match header("if-none-match").map(parse_match) {
        Some(matching) => matching.matches(&object.etag),
        None => since("if-modified-since").is_some_and(|at| modified_seconds <= at),
    };
    if unchanged {
        let code = if prefix.is_empty() { Code::NotModified } else { Code::PreconditionFailed };
        return Err(code.error());
    }
    Ok(())
}

/// Whether `Range` counts: with `If-Range` only when the object is still the one that it names ([RFC 9110 13.1.5](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5)).
pub fn range_applies(request: &Request, object: &ObjectInfo) -> bool {
    let Some(validator) = request.header("if-range").map(str::trim) else { return true };
    if validator.starts_with("W/") {
        return false;
    }
    match clock::parse_http_date(validator) {
        Some(at) => i64::try_from(object.modified_ms / 1000) == Ok(at),
        None => validator.parse::<ETag>() == Ok(object.etag),
    }
}

/// A write's conditions, to be judged by the engine under the key's lock. AWS takes `If-None-Match: *` and `If-Match: ETAG` and nothing else.
pub fn write_precondition(request: &Request) -> S3Result<Precondition> {
    let unsupported = |what: &str| {
        Code::NotImplemented
            .with("A header you provided implies functionality that is not implemented")
            .field("Header", what)
    };
    let if_match = request.header("if-match").map(parse_match);
    let if_none_match = request.header("if-none-match").map(parse_match);
    if if_match.is_some() && if_none_match.is_some() {
        return Err(unsupported("If-Match with If-None-Match"));
    }
    if matches!(if_none_match, Some(Match::ETags(_))) {
        return Err(unsupported("If-None-Match"));
    }
    if matches!(if_match, Some(Match::Any)) {
        return Err(unsupported("If-Match"));
    }
    Ok(Precondition { if_match, if_none_match, ..Precondition::default() })
}

/// A delete's conditions: `If-Match`, `x-amz-if-match-size` and `x-amz-if-match-last-modified-time`.
pub fn delete_precondition(request: &Request) -> S3Result<Precondition> {
    let number = |name: &str| match request.header(name) {
        None => Ok(None),
        Some(text) => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| super::error::invalid_argument("The value is not a number.", name, text)),
    };
    let modified = match request.header("x-amz-if-match-last-modified-time") {
        None => None,
        Some(text) => Some(clock::parse_http_date(text).and_then(|at| u64::try_from(at).ok()).ok_or_else(|| {
            super::error::invalid_argument("The value is not a date.", "x-amz-if-match-last-modified-time", text)
        })?),
    };
    Ok(Precondition {
        if_match: request.header("if-match").map(parse_match),
        if_none_match: None,
        if_match_size: number("x-amz-if-match-size")?,
        if_match_modified_seconds: modified,
    })
}
