//! The operations on buckets, one verb a file.

pub mod create;
pub mod delete;
pub mod head;
pub mod list;
pub mod list_objects;
pub mod list_versions;
pub mod location;
pub mod paging;
pub mod policy;
pub mod versioning;
