//! What was acknowledged is there afterwards.

mod backup;
mod commands;
mod crash;
mod full_disk;
mod maintenance;
mod recovery;
