//! S3's operations: one request from its arrival to its answer, and each operation's handler.

pub mod bucket;
pub mod handle;
pub mod multipart;
pub mod object;
pub mod receive;
