//! Administration of a node through its API: a noun a file, each verb one call or two.
//!
//! What is allowed and what is valid is decided by the node, in one place for console, programs and this command line; here are flags, tables and texts.

mod access;
mod account;
mod ask;
mod audit;
mod bucket;
mod endpoint;
mod explain;
mod follow;
mod history;
mod list;
mod node;
mod noun;
mod permission;
mod profile;
mod secret;
mod service_account;
mod sign;
mod status;
mod table;
mod usage;
mod user;

pub(crate) use account::account;
pub(crate) use audit::audit;
pub(crate) use bucket::bucket;
pub(crate) use endpoint::Endpoint;
pub(crate) use explain::explain;
pub(crate) use node::{Call, Node};
pub(crate) use permission::permission;
pub(crate) use service_account::service_account;
pub(crate) use status::status;
pub(crate) use usage::usage;
pub(crate) use user::user;
