//! What was acknowledged is there afterwards.

mod backup;
mod chance;
mod churn;
mod commands;
mod crash;
mod cuts;
mod damage;
mod disk;
pub(crate) mod full_disk;
mod images;
mod maintenance;
mod recovery;
