//! The S3 server: HTTP, signatures, identities, authorization and S3's operations over the storage engine.
//!
//! It is a library so that the `strongroom` binary, tests and other programs can start a [`node::Node`] from a [`config::Config`] value.

pub mod access;
pub mod admin;
pub mod app;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod bucket_name;
pub mod bucket_policy;
pub mod clock;
pub mod config;
pub mod console;
pub mod declare;
pub mod health;
pub mod http;
pub mod identity;
pub mod identity_rows;
pub mod maintenance;
pub mod metrics;
pub mod node;
pub mod protocol;
pub mod quota;
pub mod s3;
pub mod sign_in;
pub mod state;
pub mod sts;
pub mod usage;
