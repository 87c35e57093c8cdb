//! The worker that writes the next segment's file ahead.
//!
//! It is in nobody's way: whatever keeps it from its work, want of space above all, leaves a segment that is made as ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::format::file;
use crate::sync::atomic::Ordering;
use crate::vfs::{OpenMode, VFile};

/// How much is written and synced at a time, so that the log's own syncs never wait long.
const PIECE_BYTES: usize = 256 << 10;
/// What must be free beyond the low-water mark, in segments.
const FREE_SEGMENTS: u64 = 4;

impl Core {
    /// The thread that makes it.
    pub(crate) fn run_spare(&self) {
        while self.spare.wakeup.wait() {
            if self.spare.is_wanted() {
                self.make_spare();
            }
        }
    }

    /// Whether there was ample space when it was last looked at. Costs nothing, unlike asking the file system.
    pub(crate) fn may_prepare(&self) -> bool {
        let needed = self.low_water_bytes.saturating_add(FREE_SEGMENTS * self.segment_bytes());
        self.free_bytes.load(Ordering::Relaxed) >= needed
    }

    /// Makes one, if there is ample space and none is there. That it fails is nobody's loss: the next segment is then made
    /// when it is needed.
    pub(crate) fn make_spare(&self) {
        let bytes = self.segment_bytes();
        let ample = || {
            let needed = self.low_water_bytes.saturating_add(self.reserve.missing_bytes());
            let free = self.vfs.space().map_or(0, |space| space.free_bytes);
            free >= needed.saturating_add(FREE_SEGMENTS * bytes)
        };
        if !self.spare.begin() {
            return;
        }
        let made = if ample() && self.poisoned().is_none() { self.write_zeros(bytes) } else { Ok(None) };
        if made.is_err() {
            let _ = self.vfs.remove(file::SPARE);
        }
        self.spare.finish(made.ok().flatten().map(|file| (file, bytes)));
    }

    /// At the end: cuts off what the last segment was written ahead, so that the next start finds where it ends at once.
    pub(crate) fn trim(&self) {
        if !self.spare.pays || self.poisoned().is_some() || !self.damage.is_empty() {
            return;
        }
        // Should any of this fail, the end is looked for.
        if let Some(active) = self.active_extent()
            && let Ok(segment) = self.segments.segment(active.id, true)
            && segment.file.length().is_ok_and(|length| length > active.length)
            && segment.file.set_length(active.length).is_ok()
        {
            let _ = segment.file.reserve(self.segment_bytes());
        }
    }

    /// A file of zeros that are on the disk; nothing if the store is closed meanwhile.
    fn write_zeros(&self, bytes: u64) -> io::Result<Option<Arc<dyn VFile>>> {
        match self.vfs.remove(file::SPARE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.vfs.open(file::SPARE, OpenMode::CreateNew)?;
        match file.reserve(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
            _ => {}
        }
        let zeros = vec![0; PIECE_BYTES.min(usize::try_from(bytes).unwrap_or(PIECE_BYTES))];
        let mut offset = 0;
        while offset < bytes {
            if self.closed.load(Ordering::Acquire) {
                self.vfs.remove(file::SPARE)?;
                return Ok(None);
            }
            let piece = zeros.len().min(usize::try_from(bytes - offset).unwrap_or(zeros.len()));
            file.write_at(&zeros[..piece], offset)?;
            file.sync_data()?;
            offset += piece as u64;
            self.leave_disk(piece as u64);
        }
        Ok(Some(file))
    }

    /// Leaves the disk to others for as long as writing so much may take at most.
    fn leave_disk(&self, bytes: u64) {
        if let Some(rate) = self.options.maintenance_bytes_per_second.filter(|rate| *rate > 0)
            && self.inline.is_none()
        {
            self.spare.wakeup.pause(Duration::from_micros(bytes.saturating_mul(1_000_000) / rate));
        }
    }
}
