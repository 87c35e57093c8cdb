//! The S3 server: HTTP, signatures, identities, authorization and S3's operations over the storage engine.
//!
//! It is a library so that the `strongroom` binary, tests and other programs can start a node from a [`config::Config`] value.

pub mod config;
