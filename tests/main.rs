//! Tests of the real binary through its public faces: the command line and the S3 protocol.
//!
//! An id such as A1 or F9 is a failure that was seen elsewhere; the doc comment says what went wrong there.

mod activation;
mod admin;
mod auth;
mod command_line;
mod durability;
mod fixture;
mod limits;
mod policy;
mod remote;
mod s3;
mod service;
mod story;
