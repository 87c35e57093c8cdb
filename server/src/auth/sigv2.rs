//! Signature Version 2, in the `Authorization` header and in the query.
//!
//! boto3 and aws cli 1 still presign with it by default against an endpoint that isn't Amazon's. It covers neither the
//! host nor most of the query, which is why it can be switched off, and why everything that selects an operation is
//! signed here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::CONTENT_TYPE;
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::canonical::{self, QueryPairs};
use super::claim::{Proof as ClaimProof, RequestHead, Scheme, SignedClaim};
use super::date::{self, EXPIRES_SECONDS_MAX};
use super::error::{AuthError, AuthErrorCode};
use super::header;
use super::payload::PayloadWord;
use super::presign::parameter;
use crate::identity::sealed::SecretKey;

/// The query parameters that belong to the resource, in byte order.
///
/// AWS's list and botocore's, plus every other parameter that selects an operation or a version: were one left out, a
/// signature for an object would also be one for its retention. Sources: "Signing and authenticating REST requests",
/// section CanonicalizedResource; botocore's `HmacV1Auth.QSAOfInterest`.
const SUBRESOURCES: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// A signature and the date line that it was made over.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    /// Base64 of an HMAC-SHA1, as sent.
    signature: Cow<'a, str>,
    /// `Date` (empty beside `x-amz-date`, which is signed among the headers), or `Expires` of a presigned URL.
    date_line: Cow<'a, str>,
    presigned: bool,
}

/// Why a header was refused.
pub(super) enum HeaderError {
    /// It is not of the form; the caller has the header's value for the error.
    Malformed(&'static str),
    /// Anything else.
    Refused(AuthError),
}

impl From<AuthError> for HeaderError {
    fn from(error: AuthError) -> Self {
        Self::Refused(error)
    }
}

/// Reads what follows `AWS ` in the header: `<access key>:<signature>`.
pub(super) fn parse_header<'a>(head: RequestHead<'a>, rest: &'a str, now: i64) -> Result<SignedClaim<'a>, HeaderError> {
    if rest.starts_with(' ') {
        return Err(HeaderError::Malformed("Authorization header is invalid -- one and only one ' ' (space) required"));
    }
    let (access_key, signature) = match rest.split_once(':') {
        Some((access_key, signature)) if !signature.is_empty() && !signature.contains(':') => (access_key, signature),
        _ => {
            return Err(HeaderError::Malformed(
                "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
            ));
        }
    };
    let date = header::request_date(head)?;
    let signed_at = date::parse_any(date.value).ok_or_else(header::missing_date)?;
    header::refuse_skew(date.value, signed_at, now)?;
    let proof = Proof {
        signature: Cow::Borrowed(signature),
        date_line: Cow::Borrowed(if date.is_amz_date { "" } else { date.value }),
        presigned: false,
    };
    let mut claim = claim(head, Scheme::SigV2Header, Cow::Borrowed(access_key), None, proof)?;
    claim.signed_at = Some(signed_at);
    Ok(claim)
}

/// Reads `AWSAccessKeyId`, `Expires` and `Signature` of a query.
///
/// A URL of Version 2 doesn't say when it was signed, so its end may be at most seven days from now.
pub(super) fn parse_query<'a>(
    head: RequestHead<'a>,
    query: &QueryPairs<'_>,
    now: i64,
) -> Result<SignedClaim<'a>, AuthError> {
    let denied = |message: Cow<'static, str>| AuthError::new(AuthErrorCode::AccessDenied, message);
    let required = |name| {
        parameter(query, name)?.ok_or_else(|| {
            denied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters".into())
        })
    };
    let access_key = required("AWSAccessKeyId")?;
    let expires = required("Expires")?;
    let signature = required("Signature")?;
    let invalid = || denied(format!("Invalid date (should be seconds since epoch): {expires}").into());
    let expires_at: i64 = expires.parse().map_err(|_| invalid())?;
    // S3 reads the number into 32 bits.
    if i32::try_from(expires_at).is_err() {
        return Err(invalid());
    }
    if now > expires_at {
        return Err(denied("Request has expired".into())
            .with("Expires", date::iso8601(expires_at))
            .with("ServerTime", date::iso8601(now)));
    }
    if expires_at.saturating_sub(now) > EXPIRES_SECONDS_MAX {
        return Err(denied(
            "The Expires parameter must be less than a week (in seconds) from now; that is, at most 604800 seconds"
                .into(),
        )
        .with("Expires", date::iso8601(expires_at))
        .with("ServerTime", date::iso8601(now)));
    }
    let proof = Proof {
        // A `+` of base64 that the URL's writer didn't encode was read as a space; base64 has none.
        signature: Cow::Owned(signature.replace(' ', "+")),
        date_line: Cow::Owned(expires.to_owned()),
        presigned: true,
    };
    let token = parameter(query, "x-amz-security-token")?.map(str::to_owned);
    let mut claim = claim(head, Scheme::SigV2Query, Cow::Owned(access_key.to_owned()), token, proof)?;
    claim.expires_at = Some(expires_at);
    Ok(claim)
}

fn claim<'a>(
    head: RequestHead<'a>,
    scheme: Scheme,
    access_key: Cow<'a, str>,
    query_token: Option<String>,
    proof: Proof<'a>,
) -> Result<SignedClaim<'a>, AuthError> {
    let header_token = super::payload::single(head.headers, "x-amz-security-token")?;
    let token = match header_token {
        Some(value) => Some(String::from_utf8_lossy(value.as_bytes())),
        None => query_token.map(Cow::Owned),
    };
    let payload = PayloadWord::of_unsigned_scheme(head.headers)?;
    Ok(SignedClaim::new(head, scheme, access_key, token, payload, ClaimProof::V2(proof)))
}

impl Proof<'_> {
    /// Compares the signature with the computed one.
    pub(super) fn verify(&self, head: RequestHead<'_>, access_key: &str, secret: &SecretKey) -> Result<(), AuthError> {
        let path = head.uri.path();
        let string_to_sign = self.string_to_sign(head, path);
        if self.matches(&string_to_sign, secret) {
            return Ok(());
        }
        // boto3 signs `/bucket/` for operations on a bucket that it addresses as `/bucket`. Both name the bucket and
        // nothing else.
        let is_bare_bucket = head.host_bucket.is_none() && path.len() > 1 && !path[1..].contains('/');
        if is_bare_bucket && self.matches(&self.string_to_sign(head, &format!("{path}/")), secret) {
            return Ok(());
        }
        Err(AuthError::signature_mismatch(access_key, &self.signature, &string_to_sign, None))
    }

    fn matches(&self, string_to_sign: &[u8], secret: &SecretKey) -> bool {
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length");
        mac.update(string_to_sign);
        let computed = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        computed.as_bytes().ct_eq(self.signature.as_bytes()).into()
    }

    fn string_to_sign(&self, head: RequestHead<'_>, path: &str) -> Vec<u8> {
        let raw_query = head.uri.query().unwrap_or("");
        let query = QueryPairs::parse(raw_query);
        // botocore moves the headers that it signed into the query of a presigned URL.
        let moved = |name: &str| if self.presigned { query.values(name).next().unwrap_or("") } else { "" };
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(head.method.as_str().as_bytes());
        for name in ["content-md5", CONTENT_TYPE.as_str()] {
            out.push(b'\n');
            match head.headers.get(name) {
                Some(value) => out.extend_from_slice(value.as_bytes().trim_ascii()),
                None => out.extend_from_slice(moved(name).as_bytes()),
            }
        }
        out.push(b'\n');
        out.extend_from_slice(self.date_line.as_bytes());
        out.push(b'\n');
        self.push_amz_headers(head, &query, &mut out);
        if let Some(bucket) = head.host_bucket {
            out.push(b'/');
            out.extend_from_slice(bucket.as_bytes());
        }
        out.extend_from_slice(if path.is_empty() { b"/" } else { path.as_bytes() });
        push_subresources(raw_query, &mut out);
        out
    }

    /// `name:value,value\n` for each `x-amz-*` header, sorted. In a presigned URL the parameters of such names count as
    /// headers, so that neither can be added afterwards.
    fn push_amz_headers(&self, head: RequestHead<'_>, query: &QueryPairs<'_>, out: &mut Vec<u8>) {
        let mut lines: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut add = |name: String, value: &[u8]| match lines.entry(name) {
            Entry::Occupied(mut values) => {
                values.get_mut().push(b',');
                values.get_mut().extend_from_slice(value);
            }
            Entry::Vacant(entry) => {
                entry.insert(value.to_vec());
            }
        };
        for (name, value) in head.headers {
            if name.as_str().starts_with("x-amz-") {
                add(name.as_str().to_owned(), value.as_bytes().trim_ascii());
            }
        }
        if self.presigned {
            for (name, value) in query.iter() {
                let (name, value) = (name.to_ascii_lowercase(), value.unwrap_or("").trim());
                // A client may repeat as a header what the URL says already; a header that says otherwise is one value
                // more.
                let repeated = || head.headers.get(&name).is_some_and(|header| header.as_bytes() == value.as_bytes());
                if name.starts_with("x-amz-") && !repeated() {
                    add(name, value.as_bytes());
                }
            }
        }
        for (name, values) in lines {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            out.extend_from_slice(&values);
            out.push(b'\n');
        }
    }
}

/// Appends `?name=value&name` of the parameters that belong to the resource, sorted by name, values decoded.
fn push_subresources(raw_query: &str, out: &mut Vec<u8>) {
    let mut pairs: Vec<(Cow<'_, str>, Option<Cow<'_, str>>)> = canonical::raw_pairs(raw_query)
        .map(|(name, value)| (canonical::decode_text(name), value.map(canonical::decode_text)))
        .filter(|(name, _)| SUBRESOURCES.binary_search(&name.as_ref()).is_ok())
        .collect();
    // Stable: pairs of the same name keep their order, as signers that sort by name leave them.
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    for (index, (name, value)) in pairs.iter().enumerate() {
        out.push(if index == 0 { b'?' } else { b'&' });
        out.extend_from_slice(name.as_bytes());
        if let Some(value) = value {
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subresources_are_in_byte_order_for_the_search() {
        assert!(SUBRESOURCES.is_sorted());
    }

    #[test]
    fn only_subresources_are_signed_sorted_and_decoded() {
        let mut out = Vec::new();
        push_subresources("prefix=x&uploads&response-content-type=text%2Fplain%3B+q&acl=&max-keys=1", &mut out);
        assert_eq!(out, b"?acl=&response-content-type=text/plain; q&uploads");
    }
}
