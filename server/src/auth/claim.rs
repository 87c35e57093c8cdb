//! The two steps of authentication, and the type that only they can make.
//!
//! A caller that has an [`Authenticated`] in hand has verified a signature (or knows that there was none); that this
//! can't be forgotten is why the type has no other source.

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap};
use hyper::{Method, Uri};
use subtle::ConstantTimeEq;

use super::canonical::QueryPairs;
use super::error::{AuthError, AuthErrorCode};
use super::key::SigningKeyCache;
use super::payload::{PayloadAuth, PayloadWord};
use super::{header, presign, sigv2, sigv4};
use crate::identity::sealed::SecretKey;

/// The parts of a request that signatures cover, as they came off the wire.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The HTTP method.
    pub method: &'a Method,
    /// The request target, undecoded.
    pub uri: &'a Uri,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The bucket, if the host named it (virtual-host style). Version 2 signs it as the first part of the path.
    pub host_bucket: Option<&'a str>,
    /// The SHA-256 of the body in hexadecimal, where it was read already. Signers for services other than S3 sign it without
    /// sending it; S3 demands the header `x-amz-content-sha256`, so its requests leave this out.
    pub body_sha256: Option<&'a str>,
    /// Whether the path may be signed encoded twice, as Version 4 has it for services other than S3. Only where no name has a
    /// percent sign: a signature over `/a%2520b` would be one for `a%20b` and for `a b`.
    pub path_twice: bool,
}

/// What this endpoint is, as far as signatures name it.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The region that scopes must name.
    pub region: String,
    /// The service that scopes must name: `s3`.
    pub service: String,
    /// Whether Signature Version 2 is taken.
    pub sigv2: bool,
    /// Host and port of the configured external URLs, as clients put them into `Host`. A proxy in front may rewrite the
    /// header; the signature may have been made over any of these instead.
    pub external_hosts: Vec<String>,
    /// How long a presigned URL can be used at most, in seconds, whatever it says; it needn't say anything then. `None` for S3's
    /// rule: it must say how long, and at most seven days.
    pub presigned_seconds_max: Option<i64>,
}

impl AuthConfig {
    /// S3 in `region`, with Version 2 and without external URLs.
    pub fn s3(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            service: "s3".into(),
            sigv2: true,
            external_hosts: Vec::new(),
            presigned_seconds_max: None,
        }
    }

    /// Another service in `region`, without Version 2 and external URLs.
    pub fn of_service(service: impl Into<String>, region: impl Into<String>) -> Self {
        Self { service: service.into(), sigv2: false, ..Self::s3(region) }
    }
}

/// How a request was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Not at all.
    Anonymous,
    /// Signature Version 4 in the `Authorization` header.
    SigV4Header,
    /// Signature Version 4 in the query: a presigned URL.
    SigV4Query,
    /// Signature Version 2 in the `Authorization` header.
    SigV2Header,
    /// Signature Version 2 in the query: a presigned URL.
    SigV2Query,
}

impl Scheme {
    /// The value of the policy key `s3:authType`; anonymous requests have none.
    pub fn auth_type(self) -> Option<&'static str> {
        match self {
            Self::Anonymous => None,
            Self::SigV4Header | Self::SigV2Header => Some("REST-HEADER"),
            Self::SigV4Query | Self::SigV2Query => Some("REST-QUERY-STRING"),
        }
    }

    /// The value of the policy key `s3:signatureversion`; anonymous requests have none.
    pub fn signature_version(self) -> Option<&'static str> {
        match self {
            Self::Anonymous => None,
            Self::SigV4Header | Self::SigV4Query => Some("AWS4-HMAC-SHA256"),
            Self::SigV2Header | Self::SigV2Query => Some("AWS"),
        }
    }
}

/// What a request claims about its sender. Nothing of it is verified yet.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack between two calls; most requests are signed")]
pub enum Claim<'a> {
    /// The request carries no credentials.
    Anonymous(AnonymousClaim<'a>),
    /// The request names an access key and carries a signature.
    Signed(SignedClaim<'a>),
}

/// A request without credentials.
#[derive(Debug)]
pub struct AnonymousClaim<'a> {
    headers: &'a HeaderMap,
    payload: PayloadWord,
}

/// A request that says it was signed with an access key's secret.
#[derive(Debug)]
pub struct SignedClaim<'a> {
    pub(super) head: RequestHead<'a>,
    pub(super) access_key: Cow<'a, str>,
    pub(super) session_token: Option<Cow<'a, str>>,
    pub(super) scheme: Scheme,
    pub(super) signed_at: Option<i64>,
    pub(super) expires_at: Option<i64>,
    pub(super) payload: PayloadWord,
    pub(super) proof: Proof<'a>,
    config: Option<&'a AuthConfig>,
    now: i64,
}

/// The signature and what is needed to compute it again.
#[derive(Debug)]
pub(super) enum Proof<'a> {
    V4(sigv4::Proof<'a>),
    V2(sigv2::Proof<'a>),
}

/// A request whose signature was verified, or which had none.
///
/// Made by [`SignedClaim::verify`] and [`AnonymousClaim::accept`] only.
#[derive(Debug)]
pub struct Authenticated {
    access_key: Option<String>,
    scheme: Scheme,
    signed_at: Option<i64>,
    expires_at: Option<i64>,
    signature_age_milliseconds: Option<i64>,
    payload: PayloadAuth,
}

/// Reads the credentials of a request and judges everything that needs no secret: forms, times, scope, and which
/// headers are signed.
///
/// `now` is in seconds since 1970 UTC. An empty `Authorization` header is no credential, as on S3.
///
/// # Errors
/// More than one mechanism, malformed or missing parts, a wrong region or service, a time outside the limits, or an `x-amz-*` header
/// that is not signed: each with S3's code and text.
pub fn parse<'a>(head: RequestHead<'a>, config: &'a AuthConfig, now: i64) -> Result<Claim<'a>, AuthError> {
    let query = QueryPairs::parse(head.uri.query().unwrap_or(""));
    let (presigned_v4, presigned_v2) = (query.contains("X-Amz-Algorithm"), query.contains("Signature"));
    let mut authorizations = head.headers.get_all(AUTHORIZATION).iter();
    let authorization = authorizations.next();
    let mechanisms = usize::from(presigned_v4)
        + usize::from(presigned_v2)
        + usize::from(authorization.is_some())
        + authorizations.count();
    if mechanisms > 1 {
        let error = AuthError::new(
            AuthErrorCode::InvalidArgument,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the \
             Authorization header should be specified",
        )
        .with("ArgumentName", "Authorization");
        return Err(match authorization {
            Some(value) => error.with("ArgumentValue", String::from_utf8_lossy(value.as_bytes())),
            None => error,
        });
    }
    let mut claim = if presigned_v4 {
        presign::parse(head, &query, config, now)?
    } else if presigned_v2 {
        require_sigv2(config)?;
        sigv2::parse_query(head, &query, now)?
    } else if let Some(value) = authorization.filter(|value| !value.is_empty()) {
        let invalid = |message: &'static str| {
            AuthError::new(AuthErrorCode::InvalidArgument, message)
                .with("ArgumentName", "Authorization")
                .with("ArgumentValue", String::from_utf8_lossy(value.as_bytes()))
        };
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| invalid("Unsupported Authorization Type"))?;
        let Some((algorithm, rest)) = text.split_once(' ') else {
            return Err(invalid("Authorization header is invalid -- one and only one ' ' (space) required"));
        };
        match algorithm {
            sigv4::ALGORITHM => header::parse(head, rest, config, now)?,
            "AWS" => {
                require_sigv2(config)?;
                sigv2::parse_header(head, rest, now).map_err(|error| match error {
                    sigv2::HeaderError::Malformed(message) => invalid(message),
                    sigv2::HeaderError::Refused(error) => error,
                })?
            }
            _ => return Err(invalid("Unsupported Authorization Type")),
        }
    } else {
        let payload = PayloadWord::of_unsigned_scheme(head.headers)?;
        return Ok(Claim::Anonymous(AnonymousClaim { headers: head.headers, payload }));
    };
    claim.config = Some(config);
    claim.now = now;
    Ok(Claim::Signed(claim))
}

impl AnonymousClaim<'_> {
    /// Takes the request as nobody's.
    ///
    /// # Errors
    /// A body of signed chunks, or a chunked one that doesn't tell its decoded length.
    pub fn accept(self) -> Result<Authenticated, AuthError> {
        Ok(Authenticated {
            access_key: None,
            scheme: Scheme::Anonymous,
            signed_at: None,
            expires_at: None,
            signature_age_milliseconds: None,
            payload: self.payload.into_payload(self.headers, None)?,
        })
    }
}

impl<'a> SignedClaim<'a> {
    pub(super) fn new(
        head: RequestHead<'a>,
        scheme: Scheme,
        access_key: Cow<'a, str>,
        session_token: Option<Cow<'a, str>>,
        payload: PayloadWord,
        proof: Proof<'a>,
    ) -> Self {
        Self {
            head,
            access_key,
            session_token,
            scheme,
            signed_at: None,
            expires_at: None,
            payload,
            proof,
            config: None,
            now: 0,
        }
    }

    /// The access key that the request names: look up its secret, then [`verify`](Self::verify).
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The session token that the request carries.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// How the request says it was signed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The refusal for an access key that doesn't exist (or no longer does).
    pub fn unknown_access_key(&self) -> AuthError {
        AuthError::unknown_access_key(&self.access_key)
    }

    /// Verifies the signature with the access key's secret, and the session token with the one that belongs to the
    /// access key (`None` for long-lived keys). Both are compared in constant time.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch` with the strings that were compared; `InvalidToken` for a token that doesn't belong to the key, and
    /// `InvalidAccessKeyId` where a temporary key comes without its token, as on S3; a chunked body that doesn't tell its decoded length.
    pub fn verify(
        self,
        secret: &SecretKey,
        session_token: Option<&str>,
        cache: &SigningKeyCache,
    ) -> Result<Authenticated, AuthError> {
        let chunk_signature = match &self.proof {
            Proof::V4(proof) => Some(proof.verify(self.head, self.hosts(), secret, cache)?),
            Proof::V2(proof) => {
                proof.verify(self.head, &self.access_key, secret)?;
                None
            }
        };
        match (session_token, self.session_token.as_deref()) {
            (None, None) => {}
            (Some(expected), Some(given)) if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) => {}
            (Some(_), None) => return Err(self.unknown_access_key()),
            (_, Some(_)) => return Err(AuthError::invalid_token()),
        }
        Ok(Authenticated {
            scheme: self.scheme,
            signed_at: self.signed_at,
            expires_at: self.expires_at,
            signature_age_milliseconds: match self.scheme {
                Scheme::SigV2Header | Scheme::SigV2Query => Some(0),
                _ => self.signed_at.map(|at| self.now.saturating_sub(at).max(0).saturating_mul(1000)),
            },
            payload: self.payload.into_payload(self.head.headers, chunk_signature)?,
            access_key: Some(self.access_key.into_owned()),
        })
    }

    /// The values of `Host` that the signature may have been made over: the one sent, then the configured external
    /// ones.
    fn hosts(&self) -> impl Iterator<Item = &[u8]> {
        let sent = match self.head.headers.get(HOST) {
            Some(value) => value.as_bytes(),
            None => self.head.uri.authority().map_or(&b""[..], |authority| authority.as_str().as_bytes()),
        };
        let external = self.config.map_or(&[][..], |config| &config.external_hosts);
        std::iter::once(sent).chain(external.iter().map(String::as_bytes).filter(move |host| *host != sent))
    }
}

impl Authenticated {
    /// The access key that signed; `None` for anonymous requests.
    pub fn access_key(&self) -> Option<&str> {
        self.access_key.as_deref()
    }

    /// How the request was signed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// When the request was signed, in seconds since 1970 UTC. Presigned URLs of Version 2 don't say.
    pub fn signed_at(&self) -> Option<i64> {
        self.signed_at
    }

    /// When a presigned URL ends, in seconds since 1970 UTC.
    pub fn expires_at(&self) -> Option<i64> {
        self.expires_at
    }

    /// The value of the policy key `s3:signatureAge`, in milliseconds: how long ago the request was signed, zero if the
    /// signer's clock is ahead, and always zero for Version 2
    /// ([condition keys](https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html)).
    pub fn signature_age_milliseconds(&self) -> Option<i64> {
        self.signature_age_milliseconds
    }

    /// How the body is to be checked.
    pub fn payload(&self) -> &PayloadAuth {
        &self.payload
    }

    /// Takes the payload out, for the reader of the body.
    pub fn into_payload(self) -> PayloadAuth {
        self.payload
    }
}

fn require_sigv2(config: &AuthConfig) -> Result<(), AuthError> {
    if config.sigv2 {
        return Ok(());
    }
    Err(AuthError::new(
        AuthErrorCode::InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    ))
}
