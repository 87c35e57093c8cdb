//! Starts the real `strongroom` binary and talks to it byte by byte.
//!
//! SDKs send what they believe is right, so they can't show what a server does with a request that is wrong. This client signs whatever it is given and puts exactly those bytes on the wire, from any loopback address.

pub mod binary;
pub mod checksum;
pub mod client;
pub mod http;
pub mod node;
pub mod sign;
pub mod xml;

pub use client::Client;
pub use http::{Connection, Request, Response};
pub use node::{Node, NodeBuilder};
pub use sign::{Credentials, Signer};
