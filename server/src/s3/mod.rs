//! S3: from a request to its operation, and each operation's handler.

pub mod bucket;
pub mod checksum;
pub mod conditional;
pub mod error;
pub mod handle;
pub mod multipart;
pub mod name;
pub mod object;
pub mod operation;
pub mod range;
pub mod receive;
pub mod request;
pub mod respond;
pub mod route;
pub mod xml_read;
pub mod xml_write;
