//! Requests signed ahead of their sending (Signature Version 4 in headers).
//!
//! Server and load generator share the machine's cores; signing while measuring would be measured. A signature holds for 15 minutes, longer than any window.
//!
//! Source: "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3 API Reference.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Who signs, and for which region.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) region: String,
}

/// What `x-amz-content-sha256` says of a request without a body.
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// What `x-amz-content-sha256` says when the signature doesn't cover the body.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// One request to be signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Begins with `/`; only characters that need no encoding.
    pub(crate) path: &'a str,
    /// Names and values, sorted by name, not yet encoded.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// Hexadecimal digest, or [`UNSIGNED_PAYLOAD`].
    pub(crate) payload: &'a str,
    /// Length of the body in bytes.
    pub(crate) body_bytes: u64,
}

/// Signs for one host at one moment.
pub(crate) struct Signer {
    access_key: String,
    host: String,
    timestamp: String,
    scope: String,
    key: Hmac<Sha256>,
}

impl Signer {
    /// A signer whose signatures are made now, for requests to `host` (with its port).
    pub(crate) fn new(credentials: &Credentials, host: &str) -> Signer {
        Signer::of_service(credentials, host, "s3")
    }

    /// The same for another service than S3.
    pub(crate) fn of_service(credentials: &Credentials, host: &str, service: &str) -> Signer {
        Signer::at(credentials, host, service, Timestamp::now())
    }

    fn at(credentials: &Credentials, host: &str, service: &str, now: Timestamp) -> Signer {
        let timestamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = &timestamp[..8];
        let mut key = mac(format!("AWS4{}", credentials.secret_key).as_bytes());
        for part in [date, &credentials.region, service, "aws4_request"] {
            key.update(part.as_bytes());
            key = mac(&key.finalize().into_bytes());
        }
        Signer {
            access_key: credentials.access_key.clone(),
            host: host.to_owned(),
            scope: format!("{date}/{}/{service}/aws4_request", credentials.region),
            timestamp,
            key,
        }
    }

    /// The request's head, signed, ready to be written to a socket: request line, headers, empty line.
    pub(crate) fn head(&self, request: &Request<'_>) -> String {
        let Request { method, path, payload, body_bytes, .. } = request;
        let query = query_string(request.query);
        let signature = self.signature(request, &query);
        let question = if query.is_empty() { "" } else { "?" };
        let mut head = format!(
            "{method} {path}{question}{query} HTTP/1.1\r\nhost: {}\r\nauthorization: AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}\r\nx-amz-content-sha256: {payload}\r\nx-amz-date: {}\r\n",
            self.host, self.access_key, self.scope, self.timestamp,
        );
        if *method == "PUT" || *body_bytes > 0 {
            write!(head, "content-length: {body_bytes}\r\n").expect("writing to a string can't fail");
        }
        head.push_str("\r\n");
        head
    }

    fn signature(&self, request: &Request<'_>, query: &str) -> String {
        let Request { method, path, payload, .. } = request;
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{}\nx-amz-content-sha256:{payload}\nx-amz-date:{}\n\nhost;x-amz-content-sha256;x-amz-date\n{payload}",
            self.host, self.timestamp,
        );
        let digest = hexadecimal(&Sha256::digest(canonical.as_bytes()));
        let mut mac = self.key.clone();
        mac.update(format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.timestamp, self.scope).as_bytes());
        hexadecimal(&mac.finalize().into_bytes())
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).expect("four bits are a digit"));
        text.push(char::from_digit(u32::from(byte & 15), 16).expect("four bits are a digit"));
        text
    })
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// The query as it is both signed and sent: RFC 3986's unreserved characters stay.
fn query_string(query: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in query {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
                other => write!(text, "%{other:02X}").expect("writing to a string can't fail"),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "GET Bucket (List Objects)" of the Amazon S3 API Reference, "Examples: Signature Calculations"; its headers are exactly ours.
    #[test]
    fn a_signature_is_that_of_the_published_example() {
        let credentials = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".into(),
        };
        let signer = Signer::at(
            &credentials,
            "examplebucket.s3.amazonaws.com",
            "s3",
            "2013-05-24T00:00:00Z".parse().expect("a literal time"),
        );
        let query = [("max-keys", "2"), ("prefix", "J")];
        let head =
            signer.head(&Request { method: "GET", path: "/", query: &query, payload: EMPTY_SHA256, body_bytes: 0 });
        assert!(head.starts_with("GET /?max-keys=2&prefix=J HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7\r\n"),
            "{head}"
        );
    }

    #[test]
    fn a_query_value_is_encoded_with_its_slashes() {
        assert_eq!(
            query_string(&[("delimiter", "/"), ("start-after", "a b/ü~")]),
            "delimiter=%2F&start-after=a%20b%2F%C3%BC~"
        );
    }
}
