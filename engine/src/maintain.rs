//! The maintenance worker: it writes footers, empties segments, and leaves the disk to others in between.

use std::sync::PoisonError;
use std::time::Duration;

use crate::compact::Thoroughness;
use crate::core::Core;
use crate::error::Error;
use crate::footer::{self, Builder};
use crate::format::file;
use crate::request::Compaction;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::vfs::OpenMode;

/// How long the index is waited for at a time.
const INDEX_INTERVAL: Duration = Duration::from_millis(50);

/// What is stored in a second, at most, while compaction is behind.
const BEHIND_BYTES_PER_SECOND: u64 = 32 << 20;
/// The longest that a group waits for it.
const BEHIND_PAUSE_MAX: Duration = Duration::from_millis(20);

impl Core {
    /// The worker's thread.
    pub(crate) fn run_maintenance(&self) {
        self.check_index_if_unchecked();
        while self.maintenance.wait() {
            self.check_index_if_unchecked();
            // What cannot be counted now is counted the next time.
            let _ = self.bulk.count_stored();
            self.write_footers();
            let mut done = Compaction::default();
            // What cannot be done now, for want of space or because the store is read-only, is tried again later.
            while let Ok(true) = self.compact_step(Thoroughness::Worthwhile, None, &mut done) {
                self.write_footers();
            }
            self.close_replaced();
            // Likewise; and a copy of the index that fails changes nothing.
            let _ = self.vacuum_if_grown();
            // Also where nothing could be done: who waits for what does not come waits in vain.
            self.behind.store(false, Ordering::Relaxed);
        }
    }

    /// Writes the footers that sealed segments lack. One that cannot be written is done without.
    pub(crate) fn write_footers(&self) {
        if !self.damage.is_empty() {
            return;
        }
        let lacking: Vec<u64> = {
            let footed = lock(&self.footed);
            self.segments.sealed().into_keys().filter(|id| !footed.contains(id)).collect()
        };
        for id in lacking {
            if self.closed.load(Ordering::Acquire) || self.poisoned().is_some() {
                return;
            }
            let _one_at_a_time = lock(&self.compacting);
            if id <= self.backed_up_to.load(Ordering::Acquire) {
                // It is linked or copied as it was found.
                continue;
            }
            if self.write_footer(id).is_ok() {
                lock(&self.footed).insert(id);
            }
        }
    }

    fn write_footer(&self, id: u64) -> Result<(), Error> {
        let Some(sealed) = self.segments.sealed().get(&id).copied() else { return Ok(()) };
        let extent = sealed.extent;
        let file = self.vfs.open(&file::segment(id), OpenMode::Write)?;
        let seed = crate::format::seed(&self.uuid, id);
        if footer::read(&*file, seed, extent)?.is_some() {
            return Ok(());
        }
        let (entries, damaged_at) = footer::walk(&*file, seed, extent, extent.start())?;
        if damaged_at.is_some() {
            // Its footer would hide what has rotted.
            return Ok(());
        }
        let mut builder = Builder::new();
        for entry in &entries {
            builder.add(entry);
        }
        let bytes = builder.finish(seed, extent.first_seq);
        let written = file
            .write_at(&bytes, extent.length)
            .and_then(|()| file.set_length(extent.length + bytes.len() as u64))
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            let _ = file.set_length(extent.length);
            return Err(error.into());
        }
        Ok(())
    }

    /// Waits until the index durably holds everything that is published now.
    pub(crate) fn bring_index_up_to_date(&self) -> Result<(), Error> {
        if self.inline.is_some() {
            return self.checkpoint();
        }
        let target = {
            let view = self.view();
            let frozen = view.frozen.as_ref().map_or(0, |frozen| frozen.mark().seq);
            view.active.mark().seq.max(frozen)
        };
        while self.applied_seq.load(Ordering::Acquire) < target {
            if let Some(error) = self.poisoned() {
                return Err(error);
            }
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
            if self.space_low.load(Ordering::Relaxed) && self.index_is_full.load(Ordering::Relaxed) {
                return Err(Error::NoSpace);
            }
            self.request_apply();
            let state = lock(&self.applier.state);
            // Looked at again under the lock that whoever tells takes in between, so that no wake-up is lost.
            if self.applied_seq.load(Ordering::Acquire) >= target || self.poisoned().is_some() {
                continue;
            }
            let waited = self.applier.applied.wait_timeout(state, INDEX_INTERVAL);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        Ok(())
    }

    /// Looks whether compaction has fallen behind: whether more than half as much as what is alive, and three segments,
    /// are dead in the segments that it can empty.
    pub(crate) fn look_at_garbage(&self) {
        let spared = lock(&self.spared).clone();
        let space = lock(&self.space).clone();
        let (mut total, mut live) = (0, 0);
        let backed_up_to = self.backed_up_to.load(Ordering::Acquire);
        for (id, sealed) in self.segments.sealed() {
            if !spared.contains_key(&id) && id > backed_up_to {
                total += sealed.extent.length;
                live += space.get(&id).map_or(0, |stat| u64::try_from(stat.live_bytes).unwrap_or(0));
            }
        }
        let behind = total > live + live / 2 + 3 * self.segment_bytes();
        self.behind.store(behind && self.inline.is_none(), Ordering::Relaxed);
    }

    /// Holds the committer back for a moment while compaction is behind, the longer the more was just stored.
    pub(crate) fn give_way(&self, bytes: u64) {
        if self.behind.load(Ordering::Relaxed) && !self.closed.load(Ordering::Acquire) {
            let pause = Duration::from_micros(bytes.saturating_mul(1_000_000) / BEHIND_BYTES_PER_SECOND);
            self.maintenance.pause(pause.min(BEHIND_PAUSE_MAX));
        }
    }

    /// Leaves the disk to others, after compaction has read and written so many bytes.
    pub(crate) fn pace(&self, bytes: u64) {
        self.pace_at(self.options.maintenance_bytes_per_second, bytes);
    }

    /// Likewise for a scrub.
    pub(crate) fn pace_scrub(&self, bytes: u64) {
        self.pace_at(self.options.scrub_bytes_per_second.or(self.options.maintenance_bytes_per_second), bytes);
    }

    /// Likewise for a backup.
    pub(crate) fn pace_backup(&self, bytes: u64) {
        self.pace_at(self.options.backup_bytes_per_second.or(self.options.maintenance_bytes_per_second), bytes);
    }

    /// Waits until so many bytes have had their time, or the store is closed.
    fn pace_at(&self, rate: Option<u64>, bytes: u64) {
        let Some(rate) = rate.filter(|rate| *rate > 0) else { return };
        if self.inline.is_none() {
            self.maintenance.pause(Duration::from_micros(bytes.saturating_mul(1_000_000) / rate));
        }
    }
}
