//! Signature Version 4 in the `Authorization` header.
//!
//! The checks are made in S3's order, so that a request with several faults is refused for the same one as on S3.

use std::borrow::Cow;

use super::claim::{AuthConfig, Proof, RequestHead, Scheme, SignedClaim};
use super::credential::Credential;
use super::date::{self, SKEW_SECONDS_MAX};
use super::error::{AuthError, AuthErrorCode};
use super::payload::{PayloadWord, single};
use super::sigv4;

/// Reads what follows `AWS4-HMAC-SHA256 ` in the header.
pub(super) fn parse<'a>(
    head: RequestHead<'a>,
    rest: &'a str,
    config: &AuthConfig,
    now: i64,
) -> Result<SignedClaim<'a>, AuthError> {
    let sent = single(head.headers, "x-amz-content-sha256")?.map(|value| value.as_bytes());
    let payload_value = sent.or(head.body_sha256.map(str::as_bytes)).ok_or_else(|| {
        AuthError::new(AuthErrorCode::InvalidRequest, "Missing required header for this request: x-amz-content-sha256")
    })?;
    let payload = PayloadWord::parse(payload_value)?;
    let date = request_date(head)?;
    let signed_at = date::parse_any(date.value).ok_or_else(missing_date)?;
    refuse_skew(date.value, signed_at, now)?;
    let Components { credential, signed_headers, signature } = Components::parse(rest).ok_or_else(|| {
        malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
    })?;
    let credential = Credential::parse(credential, &config.region, &config.service).map_err(|fault| {
        let error = malformed(&fault.message);
        match fault.region {
            Some(region) => error.with("Region", region),
            None => error,
        }
    })?;
    if credential.day != date::day(signed_at) {
        return Err(malformed("Invalid credential date. Date is not the same as X-Amz-Date."));
    }
    sigv4::refuse_unsigned_headers(head, signed_headers)?;
    let session_token = single(head.headers, "x-amz-security-token")?;
    let mut claim = SignedClaim::new(
        head,
        Scheme::SigV4Header,
        Cow::Owned(credential.access_key.clone()),
        session_token.map(|value| String::from_utf8_lossy(value.as_bytes())),
        payload,
        Proof::V4(sigv4::Proof {
            credential,
            signed_headers: Cow::Borrowed(signed_headers),
            signature: Cow::Borrowed(signature),
            date: Cow::Borrowed(date.value),
            payload: Cow::Borrowed(payload_value),
            presigned: false,
        }),
    );
    claim.signed_at = Some(signed_at);
    Ok(claim)
}

/// The date of a request signed by header, and whether it came as `x-amz-date`.
pub(super) struct RequestDate<'a> {
    pub(super) value: &'a str,
    pub(super) is_amz_date: bool,
}

/// `x-amz-date` when there is one, readable or not, else `Date`.
pub(super) fn request_date(head: RequestHead<'_>) -> Result<RequestDate<'_>, AuthError> {
    let (value, is_amz_date) = match single(head.headers, "x-amz-date")? {
        Some(value) => (value, true),
        None => (single(head.headers, "date")?.ok_or_else(missing_date)?, false),
    };
    Ok(RequestDate { value: value.to_str().map_err(|_| missing_date())?, is_amz_date })
}

pub(super) fn missing_date() -> AuthError {
    AuthError::new(AuthErrorCode::AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
}

/// Refuses a request made more than 15 minutes from `now`, in either direction. `value` is the date as sent.
pub(super) fn refuse_skew(value: &str, signed_at: i64, now: i64) -> Result<(), AuthError> {
    if signed_at.abs_diff(now) <= SKEW_SECONDS_MAX.unsigned_abs() {
        return Ok(());
    }
    Err(AuthError::new(
        AuthErrorCode::RequestTimeTooSkewed,
        "The difference between the request time and the current time is too large.",
    )
    .with("RequestTime", value)
    .with("ServerTime", date::iso8601(now))
    .with("MaxAllowedSkewMilliseconds", (SKEW_SECONDS_MAX * 1000).to_string()))
}

struct Components<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Components<'a> {
    /// Each of the three exactly once, in any order, separated by commas with or without spaces.
    fn parse(rest: &'a str) -> Option<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for component in rest.split(',') {
            let (name, value) = component.trim().split_once('=')?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self { credential: credential?, signed_headers: signed_headers?, signature: signature? })
    }
}

fn malformed(what: &str) -> AuthError {
    AuthError::new(
        AuthErrorCode::AuthorizationHeaderMalformed,
        format!("The authorization header is malformed; {what}"),
    )
}
