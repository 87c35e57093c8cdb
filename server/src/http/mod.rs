//! HTTP on sockets: connections, TLS, bodies, and who the client is. Nothing here knows S3's operations.

pub mod body;
pub mod proxy;
pub mod serve;
#[cfg(feature = "tls")]
pub mod tls;
