//! What a request says about its body: hashed, unsigned, or sent in signed or unsigned chunks.
//!
//! The word in `x-amz-content-sha256` decides how every byte of the body is read, so it is parsed once, here, for all
//! schemes.

use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};

use super::canonical::hex_digit;
use super::chunked::{ChunkContext, ChunkSignature};
use super::error::{AuthError, AuthErrorCode};

/// How the body of an authenticated request is to be checked.
#[derive(Debug)]
pub enum PayloadAuth {
    /// The body is not covered by the signature.
    Unsigned,
    /// The body must have this SHA-256, else the request is refused (`XAmzContentSHA256Mismatch`).
    Sha256([u8; 32]),
    /// The body is `aws-chunked`: it is read through a [`ChunkDecoder`](super::ChunkDecoder) made from this.
    Chunked(Box<ChunkContext>),
}

/// The word of `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayloadWord {
    Unsigned,
    Sha256([u8; 32]),
    StreamingSigned,
    StreamingSignedTrailer,
    StreamingUnsignedTrailer,
}

const HEADER: &str = "x-amz-content-sha256";

impl PayloadWord {
    /// Reads the word of a header value. The words are spelled as written; a hash may be in either case.
    pub(super) fn parse(value: &[u8]) -> Result<Self, AuthError> {
        match value {
            b"UNSIGNED-PAYLOAD" => Ok(Self::Unsigned),
            b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::StreamingSigned),
            b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::StreamingSignedTrailer),
            b"STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::StreamingUnsignedTrailer),
            _ => parse_sha256(value).map(Self::Sha256).ok_or_else(|| {
                AuthError::new(
                    AuthErrorCode::InvalidArgument,
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                     STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
                )
                .with("ArgumentName", HEADER)
                .with("ArgumentValue", String::from_utf8_lossy(value))
            }),
        }
    }

    /// The word for requests whose scheme doesn't demand one (anonymous, version 2): the header if there is one, else
    /// what the headers of chunked uploads say, else an unsigned body.
    pub(super) fn of_unsigned_scheme(headers: &HeaderMap) -> Result<Self, AuthError> {
        match single(headers, HEADER)? {
            Some(value) => Self::parse(value.as_bytes()),
            // Signers of version 2 don't know the header, while the SDK above them may chunk the body all the same.
            None if is_aws_chunked(headers) && headers.contains_key("x-amz-decoded-content-length") => {
                Ok(Self::StreamingUnsignedTrailer)
            }
            None => Ok(Self::Unsigned),
        }
    }

    /// The payload to check, given the signature that the chunks continue from (`None` where there is none to continue
    /// from).
    pub(super) fn into_payload(
        self,
        headers: &HeaderMap,
        signature: Option<ChunkSignature>,
    ) -> Result<PayloadAuth, AuthError> {
        let (signature, trailer) = match (self, signature) {
            (Self::Unsigned, _) => return Ok(PayloadAuth::Unsigned),
            (Self::Sha256(hash), _) => return Ok(PayloadAuth::Sha256(hash)),
            (Self::StreamingUnsignedTrailer, _) => (None, true),
            (Self::StreamingSigned, Some(signature)) => (Some(signature), false),
            (Self::StreamingSignedTrailer, Some(signature)) => (Some(signature), true),
            (Self::StreamingSigned | Self::StreamingSignedTrailer, None) => {
                return Err(AuthError::new(
                    AuthErrorCode::AccessDenied,
                    "A body of signed chunks requires a request signed with AWS4-HMAC-SHA256.",
                ));
            }
        };
        let decoded_length = single(headers, "x-amz-decoded-content-length")?
            .and_then(|value| parse_length(value.as_bytes()))
            .ok_or_else(|| {
                AuthError::new(AuthErrorCode::MissingContentLength, "You must provide the Content-Length HTTP header.")
            })?;
        let mut trailer_names = Vec::new();
        if trailer {
            for value in headers.get_all("x-amz-trailer") {
                let names = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
                trailer_names
                    .extend(names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
            }
        }
        Ok(PayloadAuth::Chunked(Box::new(ChunkContext::new(signature, trailer, decoded_length, trailer_names))))
    }
}

/// The only value of a header; two are refused, because each reader would believe another one.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h HeaderValue>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(AuthError::new(
            AuthErrorCode::InvalidArgument,
            format!("The header {name} may be given once only."),
        )
        .with("ArgumentName", name));
    }
    Ok(first)
}

fn is_aws_chunked(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|name| name.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"))
    })
}

fn parse_sha256(value: &[u8]) -> Option<[u8; 32]> {
    let pairs: &[[u8; 2]] = match value.as_chunks() {
        (pairs, []) if pairs.len() == 32 => pairs,
        _ => return None,
    };
    let mut hash = [0; 32];
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
    }
    Some(hash)
}

fn parse_length(value: &[u8]) -> Option<u64> {
    // `str::parse` would take a sign.
    value.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}
