//! A disk in memory that loses what was not synced: the laboratory in which the engine is crashed.
//!
//! It implements `Vfs`, so the store and redb run on it unchanged. Everything random comes from one seed, and no thread
//! is involved, so a seed repeats its schedule exactly.

#[cfg(test)]
mod compaction;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
mod disk;
#[cfg(test)]
mod exhaustive;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod full;
#[cfg(test)]
mod index;
mod inode;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod model;
#[cfg(loom)]
#[cfg(test)]
mod queue;
mod rng;
#[cfg(test)]
mod spare;
#[cfg(shuttle)]
#[cfg(test)]
mod threads;
#[cfg(test)]
mod vacuum;

use std::sync::atomic::{AtomicU64, Ordering};

pub use disk::{Faults, Mishap, SimDisk};
pub use rng::Rng;

use crate::clock::Clock;

/// A clock that ticks a millisecond each time it is read.
#[derive(Debug, Default)]
pub struct SimClock(AtomicU64);

impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
