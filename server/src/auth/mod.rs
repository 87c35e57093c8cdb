//! Signatures: who sent a request, and whether its body is what the sender signed.
//!
//! The one place that knows AWS Signature Versions 4 and 2. It is pure: no clock, no I/O, no lookup of credentials. A
//! request is read in two steps, so that the lookup stays with the caller: [`parse`] gives a [`Claim`] (anonymous, or
//! naming an access key), and only [`SignedClaim::verify`] or [`AnonymousClaim::accept`] turn it into an
//! [`Authenticated`], which nothing else can make.
//!
//! Sources: "Authenticating Requests (AWS Signature Version 4)",
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>, and "Signing and
//! authenticating REST requests (AWS signature version 2)",
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>.

mod canonical;
mod chunked;
mod claim;
mod credential;
mod date;
mod error;
mod header;
mod key;
mod payload;
mod presign;
mod sigv2;
mod sigv4;
#[cfg(test)]
mod tests;

pub use canonical::QueryPairs;
pub use chunked::{ChunkContext, ChunkDecoder, ChunkError, ChunkSignature, Trailers};
pub use claim::{AnonymousClaim, AuthConfig, Authenticated, Claim, RequestHead, Scheme, SignedClaim, parse};
pub use credential::Credential;
pub use error::{AuthError, AuthErrorCode};
pub use key::{SigningKey, SigningKeyCache};
pub use payload::PayloadAuth;
