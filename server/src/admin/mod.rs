//! Administration of a node.

pub mod socket;
