//! Tests of the signature layer as a whole, over requests as they come off the wire.

mod aws;
mod body;
mod botocore;
mod cases;
mod property;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};

use crate::identity::sealed::SecretKey;

use super::{AuthConfig, AuthError, Authenticated, Claim, Credential, RequestHead, SigningKey, SigningKeyCache, parse};

/// 2013-05-24T00:00:00Z, the time of AWS's S3 examples.
const NOW_AWS: i64 = 1_369_353_600;
/// 2026-01-02T03:04:05Z.
const NOW_BOTOCORE: i64 = 1_767_323_045;

const AWS_ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[derive(Clone, Debug)]
struct Request {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    host_bucket: Option<&'static str>,
}

impl Request {
    fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.parse().unwrap(),
            uri: target.parse().unwrap(),
            headers: HeaderMap::new(),
            host_bucket: None,
        }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    fn headers(self, headers: &[(&str, &str)]) -> Self {
        headers.iter().fold(self, |request, (name, value)| request.header(name, value))
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn replaced(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    fn host_bucket(mut self, bucket: Option<&'static str>) -> Self {
        self.host_bucket = bucket;
        self
    }

    fn head(&self) -> RequestHead<'_> {
        let (method, uri, headers) = (&self.method, &self.uri, &self.headers);
        RequestHead { method, uri, headers, host_bucket: self.host_bucket, body_sha256: None, path_twice: false }
    }

    /// Signs as AWS documents it, written apart from the code under test: every header present is signed.
    fn signed_v4(self, access_key: &str, secret: &str, date: &str, canonical_query: &str) -> Self {
        let mut names: Vec<&str> = self.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        let lines: String =
            names.iter().map(|name| format!("{name}:{}\n", self.headers[*name].to_str().unwrap())).collect();
        let names = names.join(";");
        let payload = self.headers["x-amz-content-sha256"].to_str().unwrap();
        let canonical = format!("{}\n{}\n{canonical_query}\n{lines}\n{names}\n{payload}", self.method, self.uri.path());
        let signature = sign(secret, date, &canonical);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{}/us-east-1/s3/aws4_request, SignedHeaders={names}, Signature={signature}",
            &date[..8]
        );
        self.header("authorization", &authorization)
    }
}

fn sign(secret: &str, date: &str, canonical: &str) -> String {
    use sha2::Digest;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
    let hash = hex(&sha2::Sha256::digest(canonical.as_bytes()));
    let key = SigningKey::derive(&secret_key(secret), &date[..8], "us-east-1", "s3");
    hex(&key.sign(format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}").as_bytes()))
}

fn verify(request: &Request, secret: &str, token: Option<&str>, now: i64) -> Result<Authenticated, AuthError> {
    verify_with(request, &AuthConfig::s3("us-east-1"), secret, token, now)
}

fn verify_with(
    request: &Request,
    config: &AuthConfig,
    secret: &str,
    token: Option<&str>,
    now: i64,
) -> Result<Authenticated, AuthError> {
    match parse(request.head(), config, now)? {
        Claim::Anonymous(claim) => claim.accept(),
        Claim::Signed(claim) => claim.verify(&secret_key(secret), token, &SigningKeyCache::new(4)),
    }
}

fn code(result: Result<Authenticated, AuthError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(error) => error.code().as_str(),
    }
}

/// A secret of the published vectors as it is; the tests' own short words are lengthened to what a secret must have.
fn secret_key(word: &str) -> SecretKey {
    SecretKey::parse(word)
        .unwrap_or_else(|_| SecretKey::parse(&format!("lengthened-{}", word.replace(' ', "_"))).unwrap())
}
