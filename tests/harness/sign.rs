//! Signature Version 4 as a client computes it: by header, in the query, and per chunk.
//!
//! Written from AWS's pages and not shared with the server: two sides of one mistake would agree.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use crate::checksum::{hex, sha256_hex};
use crate::http::{Request, encode};

/// An access key and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Sent in every request.
    pub access_key: String,
    /// Never sent.
    pub secret_key: String,
}

impl Credentials {
    /// Both parts.
    pub fn new(access_key: &str, secret_key: &str) -> Credentials {
        Credentials { access_key: access_key.into(), secret_key: secret_key.into() }
    }
}

/// Signs requests; every part that goes into a signature can be set wrong.
#[derive(Clone, Debug)]
pub struct Signer {
    /// Who signs.
    pub credentials: Credentials,
    /// Region of the scope.
    pub region: String,
    /// Service of the scope.
    pub service: String,
    /// The request's date.
    pub time: Timestamp,
}

/// How an `aws-chunked` body is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks<'a> {
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`.
    Signed,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER` with this trailer.
    SignedTrailer(&'a str, &'a str),
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER` with this trailer.
    UnsignedTrailer(&'a str, &'a str),
}

impl Signer {
    /// Signs for S3 in us-east-1, now.
    pub fn new(credentials: Credentials) -> Signer {
        Signer { credentials, region: "us-east-1".into(), service: "s3".into(), time: Timestamp::now() }
    }

    /// Adds `x-amz-date`, `x-amz-content-sha256` (the body's hash unless the header is there) and `authorization`; signs host, content-md5, content-type and every `x-amz-*` header.
    pub fn sign(&self, request: &mut Request) {
        if request.value("x-amz-content-sha256").is_none() {
            let hash = sha256_hex(&request.body);
            request.set("x-amz-content-sha256", hash);
        }
        request.set("x-amz-date", self.date_time());
        self.authorize(request);
    }

    /// Signs and frames the body as `aws-chunked`.
    pub fn sign_chunked(&self, request: &mut Request, chunks: &[&[u8]], kind: Chunks<'_>) {
        let payload = match kind {
            Chunks::Signed => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Chunks::SignedTrailer(..) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Chunks::UnsignedTrailer(..) => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        };
        let length: usize = chunks.iter().map(|c| c.len()).sum();
        request.set("x-amz-content-sha256", payload);
        request.set("x-amz-decoded-content-length", length.to_string());
        request.set("content-encoding", "aws-chunked");
        if let Chunks::SignedTrailer(name, _) | Chunks::UnsignedTrailer(name, _) = kind {
            request.set("x-amz-trailer", name);
        }
        request.set("x-amz-date", self.date_time());
        let mut previous = self.authorize(request);
        let mut body = Vec::new();
        for chunk in chunks.iter().copied().chain([&[][..]]) {
            body.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
            if !matches!(kind, Chunks::UnsignedTrailer(..)) {
                previous = self.chunk_signature(&previous, chunk);
                body.extend_from_slice(format!(";chunk-signature={previous}").as_bytes());
            }
            body.extend_from_slice(b"\r\n");
            if !chunk.is_empty() {
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
        }
        if let Chunks::SignedTrailer(name, value) | Chunks::UnsignedTrailer(name, value) = kind {
            body.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            if let Chunks::SignedTrailer(..) = kind {
                let text = format!(
                    "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{previous}\n{}",
                    self.date_time(),
                    self.scope(),
                    sha256_hex(format!("{name}:{value}\n").as_bytes())
                );
                body.extend_from_slice(format!("x-amz-trailer-signature:{}\r\n", self.signature(&text)).as_bytes());
            }
        }
        body.extend_from_slice(b"\r\n");
        request.body = body;
    }

    /// Moves the signature into the query: a URL that opens for `expires` seconds. Signs the headers that are there.
    pub fn presign(&self, request: &mut Request, expires: Duration) {
        self.presign_text(request, &expires.as_secs().to_string());
    }

    /// [`Signer::presign`] with `X-Amz-Expires` as any text.
    pub fn presign_text(&self, request: &mut Request, expires: &str) {
        self.presign_with(request, Some(expires));
    }

    /// [`Signer::presign`] without `X-Amz-Expires`, which services other than S3 take.
    pub fn presign_without_expires(&self, request: &mut Request) {
        self.presign_with(request, None);
    }

    fn presign_with(&self, request: &mut Request, expires: Option<&str>) {
        let credential = format!("{}/{}", self.credentials.access_key, self.scope());
        let mut signed = std::mem::replace(request, Request::new("", ""));
        let names = signed_names(&signed);
        for (name, value) in [
            ("X-Amz-Algorithm", Some("AWS4-HMAC-SHA256")),
            ("X-Amz-Credential", Some(&*credential)),
            ("X-Amz-Date", Some(&*self.date_time())),
            ("X-Amz-Expires", expires),
            ("X-Amz-SignedHeaders", Some(&*names.join(";"))),
        ] {
            signed = match value {
                Some(value) => signed.query(name, value),
                None => signed,
            };
        }
        // Services other than S3 sign the body, which S3 leaves open.
        let payload = if self.service == "s3" { "UNSIGNED-PAYLOAD".to_owned() } else { sha256_hex(&signed.body) };
        let signature = self.signature(&self.string_to_sign(&canonical(&signed, &names, &payload)));
        *request = signed.query("X-Amz-Signature", &signature);
    }

    /// Adds `authorization` over what the request holds, and answers the signature.
    fn authorize(&self, request: &mut Request) -> String {
        let names = signed_names(request);
        let payload = request.value("x-amz-content-sha256").expect("set by the callers").to_owned();
        let signature = self.signature(&self.string_to_sign(&canonical(request, &names, &payload)));
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={signature}",
            self.credentials.access_key,
            self.scope(),
            names.join(";")
        );
        request.set("authorization", value);
        signature
    }

    /// The signature of a chunk, chained to the one before it.
    fn chunk_signature(&self, previous: &str, chunk: &[u8]) -> String {
        self.signature(&format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{}\n{}",
            self.date_time(),
            self.scope(),
            sha256_hex(b""),
            sha256_hex(chunk)
        ))
    }

    fn date_time(&self) -> String {
        self.time.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.time.strftime("%Y%m%d"), self.region, self.service)
    }

    fn string_to_sign(&self, canonical: &str) -> String {
        format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.date_time(), self.scope(), sha256_hex(canonical.as_bytes()))
    }

    fn signature(&self, text: &str) -> String {
        let mut key = format!("AWS4{}", self.credentials.secret_key).into_bytes();
        let day = self.time.strftime("%Y%m%d").to_string();
        for part in [&day, &self.region, &self.service, "aws4_request"] {
            key = hmac_sha256(&key, part.as_bytes());
        }
        hex(&hmac_sha256(&key, text.as_bytes()))
    }
}

/// Names of the headers that are signed, sorted.
fn signed_names(request: &Request) -> Vec<String> {
    let mut names: Vec<String> = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.retain(|n| {
        let others = ["host", "content-md5", "content-type", "date", "range", "x-k8s-aws-id"];
        n.starts_with("x-amz-") || others.contains(&n.as_str())
    });
    names.sort();
    names.dedup();
    names
}

fn canonical(request: &Request, names: &[String], payload: &str) -> String {
    let (path, query) = request.split_target();
    let mut parameters: Vec<(&str, &str)> =
        query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))).collect();
    parameters.sort_unstable();
    let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in names {
        let values: Vec<String> = request
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    format!("{}\n{path}\n{}\n{headers}\n{}\n{payload}", request.method, query.join("&"), names.join(";"))
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// A presigned query with a credential and no valid signature, as an attacker would write it.
pub fn query_credential_only(access_key: &str, day: &str) -> String {
    format!("X-Amz-Credential={}", encode(&format!("{access_key}/{day}/us-east-1/s3/aws4_request")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example account and date of AWS's pages on Signature Version 4 for S3.
    fn example() -> Signer {
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let time = "2013-05-24T00:00:00Z".parse().expect("a timestamp");
        Signer { time, ..Signer::new(credentials) }
    }

    #[test]
    fn published_example_of_a_header_signature_holds() {
        let mut request = Request::new("GET", "/test.txt")
            .header("host", "examplebucket.s3.amazonaws.com")
            .header("range", "bytes=0-9");
        example().sign(&mut request);
        let authorization = request.value("authorization").expect("signed");
        assert!(
            authorization.ends_with("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{authorization}"
        );
    }

    #[test]
    fn published_example_of_a_presigned_url_holds() {
        let mut request = Request::new("GET", "/test.txt").header("host", "examplebucket.s3.amazonaws.com");
        example().presign(&mut request, Duration::from_secs(86400));
        let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert!(request.target.ends_with(signature), "{}", request.target);
    }

    /// The chain below the published seed signature.
    #[test]
    fn published_example_of_chunk_signatures_holds() {
        let body = vec![b'a'; 66560];
        let mut previous = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".to_owned();
        let published = [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ];
        for (chunk, wanted) in [&body[..65536], &body[65536..], &[]].into_iter().zip(published) {
            previous = example().chunk_signature(&previous, chunk);
            assert_eq!(previous, wanted);
        }
    }
}
