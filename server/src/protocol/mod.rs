//! S3's protocol without its effects: names, operations, errors, XML, conditions, ranges and checksums.

pub mod checksum;
pub mod conditional;
pub mod error;
pub mod name;
pub mod operation;
pub mod range;
pub mod request;
pub mod respond;
pub mod route;
#[cfg(test)]
pub(crate) mod row_tests;
pub mod xml_read;
pub mod xml_write;
