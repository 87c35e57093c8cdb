//! What was acknowledged is there afterwards.

mod crash;
mod recovery;
