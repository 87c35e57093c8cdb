//! How many bulk segments there are and what they take, kept as they come and go.
//!
//! Those that were there when the store was opened are counted directory by directory while it works, so that opening
//! does not wait for it. What is unlinked meanwhile was counted before, or is not there any more when its directory is.

use std::io;

use crate::format::file;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, lock};
use crate::vfs::{OpenMode, Vfs};

#[derive(Debug)]
pub(super) struct Stored {
    segments: AtomicU64,
    bytes: AtomicU64,
    /// Ids from here on were given out since the store was opened, and are counted when a record names them.
    own_from: AtomicU64,
    /// By the low byte of the ids: whether the older ones were counted. Held while they are, and while one is unlinked.
    counted: Mutex<[bool; 256]>,
    is_complete: AtomicBool,
}

impl Default for Stored {
    fn default() -> Stored {
        Stored {
            segments: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            own_from: AtomicU64::new(u64::MAX),
            counted: Mutex::new([false; 256]),
            is_complete: AtomicBool::new(false),
        }
    }
}

impl Stored {
    /// The store is open: ids below `next` are counted by `count`, the others by `add`.
    pub(super) fn begin(&self, next: u64) {
        self.own_from.store(next, Ordering::Relaxed);
    }

    /// A record names a new segment of so many bytes.
    pub(super) fn add(&self, bytes: u64) {
        self.segments.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Unlinks the file of a segment; `was_named` says whether a record ever named it.
    pub(super) fn unlink(&self, vfs: &dyn Vfs, id: u64, was_named: bool) -> io::Result<()> {
        let path = file::bulk(id);
        let counted = lock(&self.counted);
        let bytes = vfs.open(&path, OpenMode::Read)?.length()?;
        vfs.remove(&path)?;
        let is_own = id >= self.own_from.load(Ordering::Relaxed);
        if was_named && (is_own || counted[(id & 0xff) as usize]) {
            self.segments.fetch_sub(1, Ordering::Relaxed);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Segments and bytes, once all were counted.
    pub(super) fn read(&self) -> Option<(u64, u64)> {
        let counts = || (self.segments.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        self.is_complete.load(Ordering::Acquire).then(counts)
    }

    /// Counts what was there when the store was opened, where that was not done yet.
    pub(super) fn count(&self, vfs: &dyn Vfs, is_closed: impl Fn() -> bool) -> io::Result<()> {
        let own_from = self.own_from.load(Ordering::Relaxed);
        if self.is_complete.load(Ordering::Acquire) || own_from == u64::MAX {
            return Ok(());
        }
        for low in 0..256u64 {
            if is_closed() {
                return Ok(());
            }
            let mut counted = lock(&self.counted);
            if counted[low as usize] {
                continue;
            }
            let names = match vfs.read_dir(&file::bulk_directory(low)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                names => names?,
            };
            let (mut segments, mut bytes) = (0, 0);
            for id in names.iter().filter_map(|name| file::id_of(name, "")).filter(|id| *id < own_from) {
                match vfs.open(&file::bulk(id), OpenMode::Read) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    opened => {
                        bytes += opened?.length()?;
                        segments += 1;
                    }
                }
            }
            counted[low as usize] = true;
            self.segments.fetch_add(segments, Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.is_complete.store(true, Ordering::Release);
        Ok(())
    }
}
