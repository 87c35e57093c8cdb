//! What the data directory takes on disk, for metrics.
//!
//! Files are looked at, not the engine's counters, so that the numbers also show what no counter knows: a preallocated segment, a file set aside.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Looking at every file of a large store takes a while, and scrapers ask every few seconds.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Bytes on disk, and of the file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Log segments.
    pub log_bytes: u64,
    /// Bulk segments.
    pub bulk_bytes: u64,
    /// Everything else: the index, files set aside, the reserve.
    pub other_bytes: u64,
    /// Size of the file system.
    pub total_bytes: u64,
    /// What of it a process of this user may still take.
    pub free_bytes: u64,
}

#[derive(Default)]
pub(super) struct Cache(Mutex<Option<(Instant, DiskUse)>>);

impl Cache {
    pub(super) fn look(&self, data: &Path) -> DiskUse {
        // Held while looking, so that many scrapers look once.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, found)) = *seen
            && when.elapsed() < KEPT_FOR
        {
            return found;
        }
        let found = look(data);
        *seen = Some((Instant::now(), found));
        found
    }
}

fn look(data: &Path) -> DiskUse {
    let [log_bytes, bulk_bytes] = ["log", "bulk"].map(|name| bytes_below(&data.join(name)));
    let other_bytes = bytes_below_except(data, &["log", "bulk"]);
    let space = rustix::fs::statvfs(data).ok();
    let blocks = |count: u64, size: u64| count.saturating_mul(size);
    DiskUse {
        log_bytes,
        bulk_bytes,
        other_bytes,
        total_bytes: space.as_ref().map_or(0, |space| blocks(space.f_blocks, space.f_frsize)),
        free_bytes: space.as_ref().map_or(0, |space| blocks(space.f_bavail, space.f_frsize)),
    }
}

/// Bytes of all files below a directory, as far as they can be seen: files come and go while this looks.
fn bytes_below(directory: &Path) -> u64 {
    bytes_below_except(directory, &[])
}

fn bytes_below_except(directory: &Path, except: &[&str]) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let entries = entries.flatten().filter(|entry| except.iter().all(|name| entry.file_name() != **name));
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.blocks().saturating_mul(512),
        Err(_) => 0,
    });
    bytes.sum()
}
