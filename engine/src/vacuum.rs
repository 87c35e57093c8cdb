//! Vacuum: an index that has grown is copied in the order of its keys, beside the old one, and takes its place.
//!
//! Rows that were applied at random leave a B-tree half empty, four times as large as one that is loaded in order. The
//! copy is made while the store works; what is applied to the index meanwhile is applied to the copy at the end. An index
//! that is in memory for want of space gets its place on the disk again in the same way.

use std::sync::Arc;

use crate::core::Core;
use crate::error::Error;
use crate::format::file;
use crate::index::Index;
use crate::memtable::Memtable;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::view::View;

/// A smaller index is left as it is.
const INDEX_BYTES_LEAST: u64 = 16 << 20;
/// What an index may take for each object before it is looked at more closely.
const BYTES_PER_OBJECT: u64 = 300;
/// How many times as large as its rows it must be to be worth a copy.
const WORTHWHILE_TIMES: u64 = 2;
/// The most that may be applied while the copy is made; beyond that it is given up, for it would never catch up.
const BEHIND_MAX: usize = 64;

impl Core {
    /// Copies the index if it has grown, or is in memory, and there is room; answers whether it was copied.
    pub(crate) fn vacuum_if_grown(&self) -> Result<bool, Error> {
        if self.poisoned().is_some() || !self.damage.is_empty() || self.space_low.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let (bytes, in_memory) = {
            let index = lock(&self.index);
            (index.file_bytes()?, index.is_in_memory())
        };
        let objects = lock(&self.usage).values().map(|usage| usage.objects).sum::<u64>().max(1);
        let room = self.vfs.space()?.free_bytes.saturating_sub(self.low_water_bytes + self.reserve.missing_bytes());
        // Keys may be long, and rows need not be objects: what was looked at is left alone until it is half as much more.
        let known = self.index_bytes_per_object.load(Ordering::Relaxed);
        let looks_grown = bytes >= INDEX_BYTES_LEAST && bytes / objects > BYTES_PER_OBJECT.max(known + known / 2);
        if room < bytes || !(looks_grown || in_memory) {
            return Ok(false);
        }
        if !in_memory {
            let source = lock(&self.index).source()?;
            if bytes / WORTHWHILE_TIMES < source.row_bytes()? {
                self.index_bytes_per_object.store(bytes / objects, Ordering::Relaxed);
                return Ok(false);
            }
        }
        self.vacuum()?;
        let index = lock(&self.index);
        self.note_size(&index);
        let bytes = index.file_bytes()?;
        self.index_bytes_per_object.store(bytes / objects, Ordering::Relaxed);
        Ok(true)
    }

    /// Copies the index, and puts the copy in its place.
    pub(crate) fn vacuum(&self) -> Result<(), Error> {
        let copied = self.copy_index();
        *lock(&self.vacuuming) = None;
        if copied.is_err() {
            // What is left of it is removed at the next start, if it cannot be removed now.
            let _ = self.vfs.remove(file::INDEX_IN_MAKING);
        }
        copied
    }

    fn copy_index(&self) -> Result<(), Error> {
        let source = {
            let index = lock(&self.index);
            let source = index.source()?;
            *lock(&self.vacuuming) = Some(Vec::new());
            source
        };
        match self.vfs.remove(file::INDEX_IN_MAKING) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let copy = Index::begin(&self.vfs, file::INDEX_IN_MAKING, &self.uuid, self.options.index_cache_bytes)?;
        copy.copy(&source, |bytes| {
            self.pace(2 * bytes);
            let behind = lock(&self.vacuuming).as_ref().map_or(0, Vec::len);
            behind <= BEHIND_MAX && !self.closed.load(Ordering::Acquire) && self.poisoned().is_none()
        })?;
        drop(source);
        // Most of what was applied meanwhile is applied to the copy while the indexer goes on.
        while let Some(since) = self.applied_since(1) {
            self.apply_to_copy(&copy, &since)?;
        }
        let mut index = lock(&self.index);
        if let Some(since) = self.applied_since(0) {
            self.apply_to_copy(&copy, &since)?;
        }
        let base = Arc::new(copy.snapshot()?);
        let old = copy.replace(&mut index)?;
        // Whoever reads goes on with what he began with.
        lock(&self.replaced).push(old);
        if let Err(error) = self.vfs.sync_dir("") {
            // Nobody knows which of the two a power cut would leave, and segments are freed by what is in one of them.
            return Err(self.poison(&format!("the name of the index could not be synced: {error}")));
        }
        let _publishing = lock(&self.publishing);
        let view = self.view.load_full();
        self.view.store(Arc::new(View { base, ..View::clone(&view) }));
        Ok(())
    }

    /// Closes the indexes that were replaced and that nobody reads any more.
    pub(crate) fn close_replaced(&self) {
        let closed: Vec<Index> = lock(&self.replaced).extract_if(.., |index| !index.is_read()).collect();
        drop(closed);
    }

    /// What was applied since it was last asked for, if that is more than `few`.
    fn applied_since(&self, few: usize) -> Option<Vec<Arc<Memtable>>> {
        let mut since = lock(&self.vacuuming);
        since.as_mut().filter(|since| since.len() > few).map(std::mem::take)
    }

    fn apply_to_copy(&self, copy: &Index, since: &[Arc<Memtable>]) -> Result<(), Error> {
        for memtable in since {
            copy.apply(memtable, &self.uuid)?;
        }
        Ok(())
    }
}
