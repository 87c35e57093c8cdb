//! Refusals of the signature layer, as S3 words them.
//!
//! One type for all schemes, because a client sees the same XML whichever way it signed; the texts are AWS's own, since
//! SDKs and people search for them.

use std::borrow::Cow;

/// A request whose credentials or signed body were refused.
///
/// Nothing in it is secret: the elements repeat what the client sent or could compute, as AWS does, so that a broken
/// signer can be compared line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthError {
    code: AuthErrorCode,
    message: Cow<'static, str>,
    elements: Vec<(&'static str, String)>,
}

/// S3's error codes that this layer answers, with their HTTP status.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the S3 code of the same name")]
pub enum AuthErrorCode {
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    IncompleteBody,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidChunkSizeError,
    InvalidRequest,
    InvalidToken,
    MalformedTrailerError,
    MissingContentLength,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
}

impl AuthErrorCode {
    /// The text of the `Code` element.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::AuthorizationHeaderMalformed => "AuthorizationHeaderMalformed",
            Self::AuthorizationQueryParametersError => "AuthorizationQueryParametersError",
            Self::IncompleteBody => "IncompleteBody",
            Self::InvalidAccessKeyId => "InvalidAccessKeyId",
            Self::InvalidArgument => "InvalidArgument",
            Self::InvalidChunkSizeError => "InvalidChunkSizeError",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidToken => "InvalidToken",
            Self::MalformedTrailerError => "MalformedTrailerError",
            Self::MissingContentLength => "MissingContentLength",
            Self::RequestTimeTooSkewed => "RequestTimeTooSkewed",
            Self::SignatureDoesNotMatch => "SignatureDoesNotMatch",
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        match self {
            Self::AccessDenied
            | Self::InvalidAccessKeyId
            | Self::InvalidChunkSizeError
            | Self::RequestTimeTooSkewed
            | Self::SignatureDoesNotMatch => 403,
            Self::MissingContentLength => 411,
            Self::AuthorizationHeaderMalformed
            | Self::AuthorizationQueryParametersError
            | Self::IncompleteBody
            | Self::InvalidArgument
            | Self::InvalidRequest
            | Self::InvalidToken
            | Self::MalformedTrailerError => 400,
        }
    }
}

impl AuthError {
    pub(super) fn new(code: AuthErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), elements: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.elements.push((name, value.into()));
        self
    }

    /// The S3 code.
    pub fn code(&self) -> AuthErrorCode {
        self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.code.status()
    }

    /// The text of the `Message` element.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Further elements of the XML error document, in order. The values are what clients sent and may hold any
    /// character: the writer escapes them.
    pub fn elements(&self) -> &[(&'static str, String)] {
        &self.elements
    }

    /// The value of one further element.
    pub fn element(&self, name: &str) -> Option<&str> {
        self.elements.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn unknown_access_key(access_key: &str) -> Self {
        Self::new(
            AuthErrorCode::InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records.",
        )
        .with("AWSAccessKeyId", access_key)
    }

    pub(super) fn invalid_token() -> Self {
        Self::new(AuthErrorCode::InvalidToken, "The provided token is malformed or otherwise invalid.")
    }

    /// `string_to_sign` is the server's own; `canonical_request` is absent for signatures that have none (version 2,
    /// chunks).
    pub(super) fn signature_mismatch(
        access_key: &str,
        provided: &str,
        string_to_sign: &[u8],
        canonical_request: Option<&[u8]>,
    ) -> Self {
        let mut error = Self::new(
            AuthErrorCode::SignatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        )
        .with("AWSAccessKeyId", access_key)
        .with("StringToSign", String::from_utf8_lossy(string_to_sign))
        .with("SignatureProvided", provided)
        .with("StringToSignBytes", spaced_hex(string_to_sign));
        if let Some(canonical) = canonical_request {
            error = error
                .with("CanonicalRequest", String::from_utf8_lossy(canonical))
                .with("CanonicalRequestBytes", spaced_hex(canonical));
        }
        error
    }
}

impl std::fmt::Display for AuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for AuthError {}

fn spaced_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 3);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
