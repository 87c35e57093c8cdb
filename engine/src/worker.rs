//! The workers beside the committer: the indexer and the unlinker.

use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::error::Error;
use crate::format::file;
use crate::index::{Index, IndexError, Snapshot};
use crate::memtable::Memtable;
use crate::request::Durability;
use crate::row::{Table, key};
use crate::sync::atomic::Ordering;
use crate::sync::{lock, thread};
use crate::view::View;

/// Rows wait no longer than this for the index.
const APPLY_INTERVAL: Duration = Duration::from_secs(60);
/// A full disk is tried again after this.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Readers are waited for so many times this long when the store is closed.
const READERS_INTERVAL: Duration = Duration::from_millis(1);
const READERS_WAITS_MAX: usize = 1_000;
/// Below this much free space the reserve is given up before the index is written.
const INDEX_ROOM_BYTES: u64 = 1 << 20;

impl Core {
    pub(crate) fn request_apply(&self) {
        lock(&self.applier.state).requested = true;
        self.applier.changed.notify_all();
    }

    /// Hands a full memtable to the indexer. When that is still busy with the one before and the new one is twice over
    /// its size, the committer waits here, the queue fills, and callers are told `Busy`.
    pub(crate) fn make_room_in_memory(&self) {
        let fullness = || {
            let view = self.view();
            let rows = view.active.rows() / self.options.memtable_entries_max.max(1);
            rows.max(view.active.bytes() / self.options.memtable_bytes_max.max(1))
        };
        if fullness() == 0 {
            return;
        }
        let frozen = self.freeze();
        if self.inline.is_some() {
            match self.apply_frozen() {
                Ok(()) => {}
                Err(IndexError::NoSpace) => self.space_low.store(true, Ordering::Relaxed),
                // It has latched.
                Err(_) => {}
            }
            return;
        }
        if frozen {
            self.request_apply();
            return;
        }
        // On a full disk nothing but deletes comes here, and they may go on beyond the limit.
        while fullness() >= 2 && !self.space_low.load(Ordering::Relaxed) && self.poisoned().is_none() {
            let state = lock(&self.applier.state);
            if self.view().frozen.is_none() || state.closed {
                break;
            }
            let waited = self.applier.applied.wait_timeout(state, RETRY_INTERVAL);
            drop(waited.unwrap_or_else(std::sync::PoisonError::into_inner));
        }
    }

    /// Applies the frozen memtable, if there is one, and swaps the view. What fails but for want of space latches, for
    /// nothing may be freed by an index of which nobody knows what is durable.
    pub(crate) fn apply_frozen(&self) -> Result<(), IndexError> {
        let applied = self.try_to_apply();
        if let Err(error) = &applied
            && !matches!(error, IndexError::NoSpace | IndexError::Closed)
        {
            self.poison(&format!("the index could not be written: {error}"));
        }
        applied
    }

    fn try_to_apply(&self) -> Result<(), IndexError> {
        let Some(frozen) = self.view().frozen.clone() else { return Ok(()) };
        if let Some(error) = self.poisoned() {
            return Err(IndexError::Failed(error.to_string()));
        }
        if self.options.durability == Durability::Relaxed {
            self.sync_log_for(frozen.mark().segment)?;
        }
        let mut index = lock(&self.index);
        // redb can do nothing more after a write that failed, so it is not tried where there is no room at all.
        let no_room = !index.is_in_memory() && self.vfs.space().is_ok_and(|space| space.free_bytes < INDEX_ROOM_BYTES);
        let mut borrowed = if no_room { self.reserve.borrow_for_index() } else { None };
        let mut applied = self.apply_to(&mut index, &frozen);
        if matches!(applied, Err(IndexError::NoSpace)) && borrowed.is_none() {
            borrowed = self.reserve.borrow_for_index();
            if borrowed.is_some() {
                applied = self.apply_to(&mut index, &frozen);
            }
        }
        drop(borrowed);
        if matches!(applied, Err(IndexError::NoSpace)) && !index.is_in_memory() {
            // Compaction could free nothing on a full disk, were the index to stay behind for want of space.
            index.go_to_memory(&self.uuid)?;
            applied = self.apply_to(&mut index, &frozen);
        }
        self.look_at_space();
        applied?;
        if let Some(since) = &mut *lock(&self.vacuuming) {
            since.push(Arc::clone(&frozen));
        }
        self.note_size(&index);
        let base = Arc::new(index.snapshot()?);
        let publishing = lock(&self.publishing);
        let view = self.view.load_full();
        self.view.store(Arc::new(View { active: Arc::clone(&view.active), frozen: None, base }));
        self.counters.index_applies.fetch_add(1, Ordering::Relaxed);
        self.applied_seq.store(frozen.mark().seq, Ordering::Release);
        self.index_is_full.store(false, Ordering::Relaxed);
        self.applier.tell();
        drop(publishing);
        index.leave_sums();
        Ok(())
    }

    /// Notes how large the index is, for whoever asks without waiting for it.
    pub(crate) fn note_size(&self, index: &Index) {
        if let Ok(bytes) = index.file_bytes() {
            self.index_file_bytes.store(bytes, Ordering::Relaxed);
        }
    }

    fn apply_to(&self, index: &mut Index, frozen: &Memtable) -> Result<(), IndexError> {
        let error = match index.revive(&self.uuid).and_then(|()| index.apply(frozen, &self.uuid)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // redb refuses everything after a failed write, reads too: what was applied before is opened anew.
        index.reopen(&self.uuid)?;
        let base = Arc::new(index.snapshot()?);
        let _publishing = lock(&self.publishing);
        let view = self.view.load_full();
        self.view.store(Arc::new(View { base, ..View::clone(&view) }));
        Err(error)
    }

    /// I3: the index holds only durable records, also where acknowledgements promise less.
    fn sync_log_for(&self, segment: u64) -> Result<(), IndexError> {
        let synced = self.segments.segment(segment, true).and_then(|segment| Ok(segment.file.sync_data()?));
        self.counters.log_syncs.fetch_add(1, Ordering::Relaxed);
        synced.map_err(|error| IndexError::Failed(format!("a sync of the log failed: {error}")))
    }

    /// Brings the index up to date with what is durable.
    pub(crate) fn checkpoint(&self) -> Result<(), Error> {
        if !self.damage.is_empty() {
            // The index's mark must not pass the damage, or the next start would not see it.
            return Ok(());
        }
        let apply = || {
            self.apply_frozen().map_err(|error| match error {
                IndexError::NoSpace => Error::NoSpace,
                // It has latched, and that says why and where.
                error => self.poisoned().unwrap_or_else(|| error.into()),
            })
        };
        apply()?;
        if self.freeze() { apply() } else { Ok(()) }
    }

    /// Closes the index in order, so that the next start finds it as it was left. From now on nothing of it is read, and nothing is written
    /// to its file, which whoever takes the lock next may have opened.
    #[expect(clippy::disallowed_methods, reason = "nobody tells when the last reader is done")]
    pub(crate) fn end_index(&self) {
        let mut index = lock(&self.index);
        {
            let _publishing = lock(&self.publishing);
            let view = self.view.load_full();
            self.view.store(Arc::new(View { base: Arc::new(Snapshot::Closed), ..View::clone(&view) }));
        }
        let mut waits = if self.inline.is_some() { 0 } else { READERS_WAITS_MAX };
        while index.is_read() && waits > 0 {
            thread::sleep(READERS_INTERVAL);
            waits -= 1;
        }
        index.end();
        self.note_size(&index);
    }

    /// The indexer's thread.
    pub(crate) fn run_indexer(&self) {
        // The start has taken them away.
        lock(&self.index).leave_sums();
        loop {
            let closed = self.wait_for_apply(APPLY_INTERVAL);
            if self.view().frozen.is_none() {
                self.freeze();
            }
            while let Err(error) = self.apply_frozen() {
                if !matches!(error, IndexError::NoSpace) {
                    return;
                }
                self.space_low.store(true, Ordering::Relaxed);
                self.index_is_full.store(true, Ordering::Relaxed);
                self.applier.tell();
                if self.wait_for_apply(RETRY_INTERVAL) {
                    return;
                }
            }
            if closed {
                if self.freeze() {
                    // What cannot be applied now is replayed from the log at the next start.
                    let _ = self.apply_frozen();
                }
                return;
            }
        }
    }

    /// Waits for a request; true once the store is closing.
    fn wait_for_apply(&self, timeout: Duration) -> bool {
        let mut state = lock(&self.applier.state);
        if !state.requested && !state.closed {
            state =
                self.applier.changed.wait_timeout(state, timeout).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        state.requested = false;
        state.closed
    }

    /// Unlinks released bulk segments that nobody refers to and nobody reads.
    pub(crate) fn unlink_released(&self) -> usize {
        if !self.damage.is_empty() {
            return 0;
        }
        self.bulk.unlink_released(|bulk| {
            let prefix = key::bulk_referrer(bulk, 0);
            let view = self.view.load_full();
            let mut scan = view.scan(Table::BulkRefs, &prefix[..9], &prefix[..9])?;
            Ok(scan.next()?.is_some())
        })
    }

    /// The unlinker's thread.
    pub(crate) fn run_unlinker(&self) {
        while self.bulk.wait_for_releases() {
            self.unlink_released();
        }
        self.unlink_released();
    }

    /// Moves a file out of the way if there is one.
    pub(crate) fn set_aside_if_there(vfs: &dyn crate::vfs::Vfs, path: &str) -> std::io::Result<()> {
        match vfs.open(path, crate::vfs::OpenMode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Core::set_aside(vfs, path).map(drop),
        }
    }

    /// Moves a file that cannot be used out of the way, keeping it; durably, so that it does not come back.
    pub(crate) fn set_aside(vfs: &dyn crate::vfs::Vfs, path: &str) -> std::io::Result<String> {
        vfs.create_dir(file::LOST)?;
        vfs.sync_dir("")?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let taken = vfs.read_dir(file::LOST)?;
        let free = (1u32..).map(|n| format!("{name}.{n}")).find(|candidate| !taken.contains(candidate));
        let target = format!("{}/{}", file::LOST, free.expect("there are fewer files than numbers"));
        vfs.rename(path, &target)?;
        vfs.sync_dir(file::LOST)?;
        vfs.sync_dir(path.rsplit_once('/').map_or("", |(directory, _)| directory))?;
        Ok(target)
    }
}
