//! What was acknowledged is there afterwards.

mod crash;
mod full_disk;
mod maintenance;
mod recovery;
