//! The reserve: space that is given up when the disk is full, so that deletes, configuration and compaction go on.
//!
//! Puts are refused below the low-water mark; but the disk may be filled by others, or by what was under way. What then
//! frees space, a delete and the bringing up to date of the index, needs a little of it first.

use std::io;
use std::sync::{Arc, Mutex};

use crate::format::file;
use crate::sync::lock;
use crate::vfs::{OpenMode, VFile, Vfs};

const RESERVE_BYTES_LEAST: u64 = 2 << 20;
const RESERVE_BYTES_MOST: u64 = 64 << 20;

/// A file that holds space and nothing else.
#[derive(Debug)]
pub(crate) struct Reserve {
    vfs: Arc<dyn Vfs>,
    bytes: u64,
    held: Mutex<Option<Arc<dyn VFile>>>,
}

/// Whether a call failed for want of space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Reserve {
    /// None without a low-water mark.
    pub(crate) fn new(vfs: Arc<dyn Vfs>, low_water_bytes: u64) -> Reserve {
        let bytes = low_water_bytes.clamp(RESERVE_BYTES_LEAST, RESERVE_BYTES_MOST);
        Reserve { vfs, bytes: if low_water_bytes == 0 { 0 } else { bytes }, held: Mutex::default() }
    }

    /// Sets the space aside if it is not, and `free_bytes` leave more than `low_water_bytes` after that.
    pub(crate) fn replenish(&self, free_bytes: u64, low_water_bytes: u64) {
        if self.bytes == 0 || free_bytes < low_water_bytes.saturating_add(self.bytes) {
            return;
        }
        let mut held = lock(&self.held);
        if held.is_some() {
            return;
        }
        // A file system that cannot set space aside has none.
        let made = self.vfs.open(file::RESERVE, OpenMode::Create).and_then(|file| {
            file.reserve(self.bytes)?;
            Ok(file)
        });
        match made {
            Ok(file) => *held = Some(file),
            Err(_) => _ = self.vfs.remove(file::RESERVE),
        }
    }

    /// Gives the space up; false if there is none to give.
    pub(crate) fn release(&self) -> bool {
        let Some(file) = lock(&self.held).take() else { return false };
        // Also where the name cannot be removed.
        let cut = file.set_length(0).is_ok();
        self.vfs.remove(file::RESERVE).is_ok() || cut
    }
}
