//! What S3's operations answer.

mod bucket;
mod checksum;
mod conditional;
mod copy;
mod key;
mod list;
mod multipart;
mod object;
mod range;
mod tagging;
mod unknown;
mod versioning;
