//! A request as the S3 layer sees it: target and query parsed once, facts of the connection beside them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{BucketName, ObjectKey};
use http::{HeaderMap, Method, Uri};

use super::error::{Code, S3Result, invalid_argument};
use super::name::{CopySource, decode_query};

/// What the connection tells about a request: verified facts, never a client's word.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address: the socket's peer, or what a trusted proxy says of it.
    pub address: IpAddr,
    /// Whether the request came over TLS.
    pub secure: bool,
    /// Whether the client's own connection was, where a trusted proxy says so.
    pub secure_before_proxy: bool,
    /// The TLS version as `s3:TlsVersion` has it, such as 1.3.
    pub tls_version: Option<&'static str>,
}

/// A request's id: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The id of a number.
    pub fn new(number: u64) -> RequestId {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut text = [0; 16];
        for (place, digit) in text.iter_mut().enumerate() {
            *digit = DIGITS[(number >> (60 - 4 * place) & 15) as usize];
        }
        RequestId(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are UTF-8")
    }
}

/// Gives requests their ids: one after the other from a random one, so that those of two starts differ.
#[derive(Debug)]
pub struct RequestIds(AtomicU64);

impl RequestIds {
    /// Begins somewhere.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> std::io::Result<RequestIds> {
        getrandom::u64().map_err(std::io::Error::other).map(|first| RequestIds(AtomicU64::new(first)))
    }

    /// The next one.
    pub fn next(&self) -> RequestId {
        RequestId::new(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The bucket and key that a request's path and host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The service itself: `/`.
    Service,
    /// A bucket.
    Bucket(BucketName),
    /// An object in a bucket.
    Object(BucketName, ObjectKey),
}

/// The most query parameters that are read.
const QUERY_PARAMETERS_MAX: usize = 64;

/// A query string's parameters, decoded, in order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a raw query string; a broken escape is `InvalidURI`.
    pub fn parse(raw: &str) -> S3Result<Query> {
        if raw.is_empty() {
            return Ok(Query::default());
        }
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|p| !p.is_empty()) {
            if pairs.len() == QUERY_PARAMETERS_MAX {
                return Err(
                    Code::InvalidURI.with(format!("The query has more than {QUERY_PARAMETERS_MAX} parameters."))
                );
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text| decode_query(text).ok_or_else(|| Code::InvalidURI.error());
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Query(pairs))
    }

    /// The first value of a parameter.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether a parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// All parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// A whole number within `0..=max`; anything else is `InvalidArgument`.
    pub fn number(&self, name: &str, max: u64) -> S3Result<Option<u64>> {
        let Some(text) = self.value(name) else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(number) if number <= max => Ok(Some(number)),
            _ => Err(invalid_argument(format!("Argument {name} must be an integer between 0 and {max}"), name, text)),
        }
    }
}

/// A request without its body.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The request target as the client sent it, undecoded.
    pub uri: Uri,
    /// The query, decoded.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// Bucket and key.
    pub target: Target,
    /// The source of a copy, from `x-amz-copy-source`.
    pub copy_source: Option<CopySource>,
    /// Facts of the connection.
    pub peer: Peer,
    /// The request's id, sent as `x-amz-request-id`.
    pub id: RequestId,
    /// When the request arrived: seconds since the epoch.
    pub received_at_seconds: i64,
}

impl Request {
    /// A header's value when it is there once and is visible ASCII or UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| std::str::from_utf8(v.as_bytes()).ok())
    }

    /// The bucket that the path names.
    pub fn bucket(&self) -> Option<&BucketName> {
        match &self.target {
            Target::Service => None,
            Target::Bucket(bucket) | Target::Object(bucket, _) => Some(bucket),
        }
    }

    /// The key that the path names.
    pub fn key(&self) -> Option<&ObjectKey> {
        match &self.target {
            Target::Object(_, key) => Some(key),
            _ => None,
        }
    }

    /// `versionId` of the query; an empty one is refused.
    pub fn version_id(&self) -> S3Result<Option<&str>> {
        match self.query.value("versionId") {
            Some("") => Err(invalid_argument("Version id cannot be the empty string", "versionId", "")),
            other => Ok(other),
        }
    }

    /// `x-amz-tagging` where it is stored with the object: a copy uses it only when its directive says so.
    pub fn tagging_header(&self) -> Option<&str> {
        let copies_tags = self.copy_source.is_some() && self.header("x-amz-tagging-directive") != Some("REPLACE");
        self.header("x-amz-tagging").filter(|_| !copies_tags)
    }

    /// Whether the caller asks to get past governance retention.
    pub fn bypasses_governance(&self) -> bool {
        self.header("x-amz-bypass-governance-retention").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}
