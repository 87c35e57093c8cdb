//! Signature Version 4 in the query: presigned URLs.
//!
//! A presigned URL is handed to others, so what its signer didn't sign must not count: every `x-amz-*` header that the
//! opener adds is refused, and the URL ends after at most seven days.

use std::borrow::Cow;

use super::canonical::QueryPairs;
use super::claim::{AuthConfig, Proof, RequestHead, Scheme, SignedClaim};
use super::credential::Credential;
use super::date::{self, EXPIRES_SECONDS_MAX, SKEW_SECONDS_MAX};
use super::error::{AuthError, AuthErrorCode};
use super::payload::{PayloadWord, single};
use super::sigv4;

/// Reads the `X-Amz-*` parameters of a query.
pub(super) fn parse<'a>(
    head: RequestHead<'a>,
    query: &QueryPairs<'_>,
    config: &AuthConfig,
    now: i64,
) -> Result<SignedClaim<'a>, AuthError> {
    if parameter(query, "X-Amz-Algorithm")? != Some(sigv4::ALGORITHM) {
        return Err(parameters("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
    }
    let missing = || {
        parameters(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    };
    let required = |name| parameter(query, name)?.ok_or_else(missing);
    let credential = required("X-Amz-Credential")?;
    let signature = required("X-Amz-Signature")?;
    let date = required("X-Amz-Date")?;
    let signed_headers = required("X-Amz-SignedHeaders")?;
    let expires =
        match (parameter(query, "X-Amz-Expires")?.map(expires_seconds).transpose()?, config.presigned_seconds_max) {
            (Some(seconds), max) => seconds.min(max.unwrap_or(seconds)),
            (None, Some(max)) => max,
            (None, None) => return Err(missing()),
        };
    let session_token = parameter(query, "X-Amz-Security-Token")?;

    let signed_at = date::parse_basic(date)
        .ok_or_else(|| parameters("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
    let expires_at = signed_at + expires;
    if signed_at.saturating_sub(now) > SKEW_SECONDS_MAX {
        return Err(AuthError::new(AuthErrorCode::AccessDenied, "Request is not yet valid")
            .with("X-Amz-Date", signed_at.saturating_mul(1000).to_string())
            .with("Expires", date::iso8601(expires_at))
            .with("ServerTime", date::iso8601(now)));
    }
    // A life of zero seconds is over before it can arrive, whatever the clocks round to.
    if now > expires_at || expires_at == signed_at {
        return Err(AuthError::new(AuthErrorCode::AccessDenied, "Request has expired")
            .with("X-Amz-Expires", expires.to_string())
            .with("Expires", date::iso8601(expires_at))
            .with("ServerTime", date::iso8601(now)));
    }
    let credential = Credential::parse(credential, &config.region, &config.service).map_err(|fault| {
        let error = parameters(format!("Error parsing the X-Amz-Credential parameter; {}", fault.message));
        match fault.region {
            Some(region) => error.with("Region", region),
            None => error,
        }
    })?;
    if credential.day != date[..8] {
        return Err(parameters(format!(
            "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".",
            credential.day,
            &date[..8]
        )));
    }
    sigv4::refuse_unsigned_headers(head, signed_headers)?;

    // The payload's line is the header's value if the opener sends one, else what the signer put into the query, else
    // unsigned; of services other than S3 the hash of what was sent.
    let payload_line: Cow<'a, [u8]> = match single(head.headers, "x-amz-content-sha256")? {
        Some(value) => Cow::Borrowed(value.as_bytes()),
        None => match parameter(query, "X-Amz-Content-Sha256")? {
            Some(value) => Cow::Owned(value.as_bytes().to_vec()),
            None => Cow::Borrowed(head.body_sha256.map_or(&b"UNSIGNED-PAYLOAD"[..], str::as_bytes)),
        },
    };
    let payload = PayloadWord::parse(&payload_line)?;
    let mut claim = SignedClaim::new(
        head,
        Scheme::SigV4Query,
        Cow::Owned(credential.access_key.clone()),
        session_token.map(|token| Cow::Owned(token.to_owned())),
        payload,
        Proof::V4(sigv4::Proof {
            credential,
            signed_headers: Cow::Owned(signed_headers.to_owned()),
            signature: Cow::Owned(signature.to_owned()),
            date: Cow::Owned(date.to_owned()),
            payload: payload_line,
            presigned: true,
        }),
    );
    claim.signed_at = Some(signed_at);
    claim.expires_at = Some(expires_at);
    Ok(claim)
}

/// The only value of a parameter; two are refused, because each reader would believe another one.
pub(super) fn parameter<'q>(query: &'q QueryPairs<'_>, name: &'static str) -> Result<Option<&'q str>, AuthError> {
    let mut values = query.values(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(parameters(format!("The parameter {name} may be given once only.")));
    }
    Ok(first)
}

/// Reads `X-Amz-Expires`, which S3 takes as a signed 64-bit number.
fn expires_seconds(text: &str) -> Result<i64, AuthError> {
    let seconds: i64 = text.parse().map_err(|_| parameters("X-Amz-Expires should be a number"))?;
    if seconds < 0 {
        return Err(parameters("X-Amz-Expires must be non-negative"));
    }
    if seconds > EXPIRES_SECONDS_MAX {
        return Err(parameters(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ));
    }
    Ok(seconds)
}

fn parameters(message: impl Into<Cow<'static, str>>) -> AuthError {
    AuthError::new(AuthErrorCode::AuthorizationQueryParametersError, message)
}
