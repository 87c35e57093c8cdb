//! What was acknowledged is there afterwards.

mod backup;
mod churn;
mod commands;
mod crash;
mod damage;
mod disk;
mod full_disk;
mod images;
mod maintenance;
mod recovery;
