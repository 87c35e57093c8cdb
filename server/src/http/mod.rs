//! HTTP on sockets: connections, TLS, bodies, and who the client is. Nothing here knows S3's operations.

pub mod body;
pub mod proxy;
#[cfg(feature = "tls")]
pub mod self_signed;
pub mod serve;
#[cfg(feature = "tls")]
pub mod tls;
pub(crate) mod whole;
