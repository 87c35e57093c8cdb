//! Computing and comparing Signature Version 4, for header and query alike.
//!
//! The canonical request is rebuilt from the wire for each host and spelling that the signer may have meant, until one
//! of them matches.

use std::borrow::Cow;

use hyper::header::HOST;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::canonical::{self, Spelling};
use super::chunked::ChunkSignature;
use super::claim::RequestHead;
use super::credential::Credential;
use super::error::{AuthError, AuthErrorCode};
use super::key::SigningKeyCache;
use crate::identity::sealed::SecretKey;

/// The name of the algorithm, on the wire and in every string to sign.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A signature and what it was made over besides the request itself.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    pub(super) credential: Credential,
    /// Names of the signed headers, in lower case, separated by semicolons, as sent.
    pub(super) signed_headers: Cow<'a, str>,
    /// The signature as sent: 64 hexadecimal digits if it is one.
    pub(super) signature: Cow<'a, str>,
    /// The date as sent.
    pub(super) date: Cow<'a, str>,
    /// The last line of the canonical request.
    pub(super) payload: Cow<'a, [u8]>,
    /// Whether the signature is in the query, and so not part of what was signed.
    pub(super) presigned: bool,
}

impl Proof<'_> {
    /// Compares the signature with the one computed for each of `hosts`; the first host is the one sent.
    ///
    /// Gives what the signatures of chunks continue from.
    pub(super) fn verify<'h>(
        &self,
        head: RequestHead<'_>,
        hosts: impl Iterator<Item = &'h [u8]>,
        secret: &SecretKey,
        cache: &SigningKeyCache,
    ) -> Result<ChunkSignature, AuthError> {
        let key = cache.signing_key(&self.credential, secret);
        let scope = self.credential.scope();
        let mut first_attempt = None;
        for host in hosts {
            let mut attempts = Vec::new();
            // Requests of most clients match at once. The other spellings matter only where the wire's differs from the
            // normalised one.
            for (path, query) in [
                (Spelling::Normalised, Spelling::Normalised),
                (Spelling::AsSent, Spelling::AsSent),
                (Spelling::AsSent, Spelling::Normalised),
                (Spelling::Normalised, Spelling::AsSent),
                (Spelling::Twice, Spelling::Normalised),
            ] {
                if path == Spelling::Twice && !head.path_twice {
                    continue;
                }
                let canonical = self.canonical_request(head, host, path, query);
                if attempts.contains(&canonical) {
                    continue;
                }
                let string_to_sign = self.string_to_sign(&scope, &canonical);
                let computed = canonical::hex(&key.sign(&string_to_sign));
                if bool::from(computed.ct_eq(self.signature.as_bytes())) {
                    return Ok(ChunkSignature::new(
                        key,
                        self.credential.access_key.clone(),
                        self.date.to_string(),
                        scope,
                        computed,
                    ));
                }
                if first_attempt.is_none() {
                    first_attempt = Some((string_to_sign, canonical.clone()));
                }
                attempts.push(canonical);
            }
        }
        let (string_to_sign, canonical) = first_attempt.unwrap_or_default();
        Err(AuthError::signature_mismatch(
            &self.credential.access_key,
            &self.signature,
            &string_to_sign,
            Some(&canonical),
        ))
    }

    fn canonical_request(&self, head: RequestHead<'_>, host: &[u8], path: Spelling, query: Spelling) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(head.method.as_str().as_bytes());
        out.push(b'\n');
        canonical::push_path(head.uri.path(), path, &mut out);
        out.push(b'\n');
        canonical::push_query(head.uri.query().unwrap_or(""), self.presigned, query, &mut out);
        out.push(b'\n');
        for name in self.signed_headers.split(';') {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            if name == HOST.as_str() {
                canonical::push_header_values(std::iter::once(host), &mut out);
            } else {
                let values = head.headers.get_all(name).iter().map(|value| value.as_bytes());
                canonical::push_header_values(values, &mut out);
            }
            out.push(b'\n');
        }
        out.push(b'\n');
        out.extend_from_slice(self.signed_headers.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(&self.payload);
        out
    }

    fn string_to_sign(&self, scope: &str, canonical: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(ALGORITHM.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(self.date.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(scope.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(&canonical::hex(&Sha256::digest(canonical).into()));
        out
    }
}

/// Refuses a request with a header that changes its meaning and is not signed: `host`, `content-md5` and every
/// `x-amz-*` header.
///
/// Only `x-amz-content-sha256` needs no mention, since its value is the canonical request's last line. Without this
/// rule, whoever holds a presigned URL could add `x-amz-acl` or `x-amz-copy-source` to it.
pub(super) fn refuse_unsigned_headers(head: RequestHead<'_>, signed_headers: &str) -> Result<(), AuthError> {
    // A signer names a dozen headers at most, so looking through them costs less than sorting them.
    let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
    let mut missing: Vec<&str> = Vec::new();
    if !is_signed(HOST.as_str()) {
        missing.push(HOST.as_str());
    }
    for name in head.headers.keys() {
        let name = name.as_str();
        let matters = name == "content-md5" || (name.starts_with("x-amz-") && name != "x-amz-content-sha256");
        if matters && !is_signed(name) {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_unstable();
    Err(AuthError::new(AuthErrorCode::AccessDenied, "There were headers present in the request which were not signed")
        .with("HeadersNotSigned", missing.join(", ")))
}
