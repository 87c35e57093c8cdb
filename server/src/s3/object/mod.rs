//! The operations on objects, one verb a file.

pub mod attributes;
pub mod copy;
pub mod delete;
pub mod delete_many;
pub mod get;
pub mod head;
pub mod list_attributes;
pub mod open;
pub mod put;
pub mod tagging;
