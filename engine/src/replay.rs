//! Replay: the records beyond the index's mark are applied to it one after another, in the order of the log.

use bytes::Bytes;

use crate::apply::{Change, Context, Prior};
use crate::bucket::Versioning;
use crate::core::Core;
use crate::error::{Error, OpenError};
use crate::footer::Entry;
use crate::format::file;
use crate::found::FoundLog;
use crate::memtable::Mark;
use crate::row::Place;

/// Memtables that fill up before they are applied while the log is replayed.
const MEMTABLES: usize = 3;

/// Applies records one after another.
pub(crate) struct Replay<'c> {
    core: &'c Core,
    next_bulk: u64,
    /// Damage is known: nothing is applied to the index, whose mark must not pass it.
    damaged: bool,
    /// There is no room to apply anything to the index.
    full: bool,
}

impl Replay<'_> {
    pub(crate) fn new<'c>(core: &'c Core, log: &FoundLog) -> Replay<'c> {
        // Nor what is not durable.
        Replay { core, next_bulk: 1, damaged: !log.damage.is_empty(), full: core.poisoned().is_some() }
    }

    /// Replays everything beyond the mark; answers the lowest bulk id above all that were named.
    pub(crate) fn run(mut self, log: &mut FoundLog, mark: Mark) -> Result<u64, OpenError> {
        let start = (mark.segment > 0).then_some((mark.offset, mark.seq + 1));
        log.replay(mark.segment, start, |entry, id, meta, damaged| {
            self.damaged |= damaged;
            let place = format!("{}, offset {}", file::segment(id), entry.offset);
            self.record(entry, id, meta)
                .map_err(|error| OpenError::damaged(format!("replaying {place}: {}", error.told())))
        })?;
        Ok(self.next_bulk)
    }

    fn record(&mut self, entry: &Entry, segment: u64, meta: &Bytes) -> Result<(), Error> {
        let core = self.core;
        let change = Change::decode(entry.kind, entry.flags, &entry.key, meta)?;
        for bulk in change.bulks() {
            self.next_bulk = self.next_bulk.max(bulk + 1);
        }
        let view = core.view.load_full();
        let buckets = core.buckets.load();
        // A versioning state changes by a record of its own, so it is what it was when this record was written.
        let versioned =
            buckets.by_id.get(&entry.bucket).is_none_or(|found| found.bucket.versioning != Versioning::Unversioned);
        let relocated = entry.orig_seq != entry.seq;
        let context = Context { bucket: entry.bucket, versioned, orig_seq: Some(entry.orig_seq), relocated };
        let prior = Prior::load(&change, context, &view)?;
        let released = core.publish_rows(&view.active, &change, entry.bucket, prior, entry.place(segment), entry.seq);
        // Before any mark passes this record: its floor must not leave the files behind.
        core.bulk.release(&released);
        view.active.publish(Mark { seq: entry.seq, segment, offset: entry.end(), ..Mark::default() });
        if self.damaged || self.full {
            return Ok(());
        }
        // What two memtables held when the process ended is left to the indexer, so that opening does not wait for it.
        if view.active.rows() / MEMTABLES >= core.options.memtable_entries_max
            || view.active.bytes() / MEMTABLES >= core.options.memtable_bytes_max
        {
            core.bulk.raise_next(self.next_bulk);
            match core.checkpoint() {
                // Then the rows stay in memory, until there is room again.
                Err(Error::NoSpace) => self.full = true,
                applied => applied?,
            }
        }
        Ok(())
    }
}

impl Entry {
    pub(crate) fn place(&self, segment: u64) -> Place {
        Place {
            segment,
            offset: self.offset,
            length: self.length,
            meta_bytes: self.meta_bytes,
            orig_seq: self.orig_seq,
        }
    }
}
