//! The committer: the one writer of the log.
//!
//! It takes what waits, writes it with one call, makes it durable with one more, publishes it and only then
//! acknowledges (I1). The cost of a sync is shared by all who waited for it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::bugs::{Bug, seeded};
use crate::core::{Core, SegmentFile};
use crate::effects::effects;
use crate::error::Error;
use crate::footer::Extent;
use crate::format::{align, file, segment};
use crate::memtable::Mark;
use crate::queue::Pending;
use crate::request::Durability;
use crate::row::Place;
use crate::segment::{Seal, SegmentHeader, begin, create};
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::vfs::{OpenMode, is_full};

/// The most that one write holds.
const GROUP_BYTES_MAX: usize = 4 << 20;
const GROUP_RECORDS_MAX: usize = 1024;
/// How often free space is looked at.
const SPACE_INTERVAL_MS: u64 = 500;
const SPACE_INTERVAL_BYTES_MAX: u64 = 16 << 20;
/// On a full disk what must go on is tried again so often, and after so long each time.
const RESERVE_ATTEMPTS: u32 = 10;
const RESERVE_INTERVAL: Duration = Duration::from_millis(50);
/// How often the next segment's file is asked for.
const ASK_GROUPS: u64 = 32;
/// A segment this small is made when there is no room for one of full size, so that deletes go on.
const SEGMENT_BYTES_LEAST: u64 = 1 << 20;

/// The end of the log.
#[derive(Debug)]
pub(crate) struct Committer {
    segment: Arc<SegmentFile>,
    header: SegmentHeader,
    /// Where the next record goes.
    offset: u64,
    /// What is known to be synced.
    synced: u64,
    next_seq: u64,
    /// Whether the segment's blocks were written ahead.
    is_zeroed: bool,
    /// Groups in this segment since this process appends to it, and where the first of them began.
    groups: u64,
    began: u64,
    buffer: Vec<u8>,
    looked_ms: u64,
    written_since_look: u64,
}

impl Committer {
    pub(crate) fn new(segment: Arc<SegmentFile>, header: SegmentHeader, offset: u64, next_seq: u64) -> Committer {
        Committer {
            segment,
            header,
            offset,
            synced: offset,
            next_seq,
            is_zeroed: false,
            groups: 0,
            began: offset,
            buffer: Vec::new(),
            looked_ms: 0,
            written_since_look: 0,
        }
    }

    /// The segment that is appended to.
    pub(crate) fn segment_id(&self) -> u64 {
        self.header.id
    }

    /// Commits one group; false when there is none and none will come.
    pub(crate) fn step(&mut self, core: &Core, wait: bool) -> bool {
        let Some(group) = core.queue.take(wait, group_bytes_max(core), GROUP_RECORDS_MAX) else { return false };
        if let Some(error) = core.poisoned() {
            refuse(group, &error);
            return true;
        }
        let stored: usize = group.iter().filter(|one| one.takes_space()).map(|one| one.frame.length()).sum();
        match self.write(core, &group) {
            Ok(places) => self.publish(core, group, &places),
            Err(Error::NoSpace) => self.write_what_must_go_on(core, group),
            // Nothing of the group is in the log: it was cut off again, or the store is poisoned.
            Err(error) => refuse(group, &error),
        }
        self.look_at_space(core);
        core.make_room_in_memory();
        core.give_way(stored as u64);
        true
    }

    /// On a full disk: what stores more is refused, deletes and the like are tried again with what was set aside.
    fn write_what_must_go_on(&mut self, core: &Core, group: Vec<Pending>) {
        let (refused, mut group): (Vec<_>, Vec<_>) = group.into_iter().partition(|pending| pending.takes_space());
        refuse(refused, &Error::NoSpace);
        if group.is_empty() {
            return;
        }
        let mut written = self.write_with_reserve(core, &group);
        if matches!(written, Err(Error::NoSpace)) {
            // Compaction makes its copies again, and a deletion must not fail for want of the space that they take.
            let (copies, rest): (Vec<_>, Vec<_>) =
                group.into_iter().partition(|pending| pending.frame.orig_seq.is_some());
            refuse(copies, &Error::NoSpace);
            if rest.is_empty() {
                core.look_at_space();
                return;
            }
            group = rest;
            written = self.write_with_reserve(core, &group);
        }
        for _ in 0..RESERVE_ATTEMPTS {
            if !matches!(written, Err(Error::NoSpace)) || core.inline.is_some() || core.closed.load(Ordering::Acquire) {
                break;
            }
            // The index may have more than its share of what was set aside: it was written while this was lent. It gives back
            // what it does not need.
            core.maintenance.pause(RESERVE_INTERVAL);
            core.look_at_space();
            written = self.write_with_reserve(core, &group);
        }
        match written {
            Ok(places) => self.publish(core, group, &places),
            Err(error) => refuse(group, &error),
        }
        // What was not needed after all is set aside again before somebody else takes it.
        core.look_at_space();
    }

    /// Writes the group, with as much as it takes of what was set aside, or all of that.
    fn write_with_reserve(&mut self, core: &Core, group: &[Pending]) -> Result<Vec<Place>, Error> {
        let bytes: u64 = group.iter().map(|pending| align(pending.frame.length() as u64)).sum();
        let mut written = self.write(core, group);
        for bytes in [bytes, u64::MAX] {
            if matches!(written, Err(Error::NoSpace))
                && let Some(_borrowed) = core.reserve.borrow(bytes)
            {
                written = self.write(core, group);
            }
        }
        written
    }

    /// Writes and syncs the group; answers the places of its records.
    fn write(&mut self, core: &Core, group: &[Pending]) -> Result<Vec<Place>, Error> {
        let bytes: u64 = group.iter().map(|pending| align(pending.frame.length() as u64)).sum();
        let is_too_much = self.offset + bytes > self.header.size;
        if self.offset > segment::BYTES as u64 && (is_too_much || self.has_better(core)) {
            self.rotate(core, group.iter().any(Pending::takes_space))?;
        }
        self.buffer.clear();
        let mut places = Vec::with_capacity(group.len());
        for (pending, seq) in group.iter().zip(self.next_seq..) {
            let start = self.buffer.len();
            pending.frame.encode(&mut self.buffer, self.segment.seed, seq, self.synced);
            let length = self.buffer.len() - start;
            self.buffer.resize(start + align(length as u64) as usize, 0);
            places.push(Place {
                segment: self.segment.id,
                offset: (self.offset + start as u64) as u32,
                length: length as u32,
                meta_bytes: pending.frame.meta.len() as u32,
                orig_seq: pending.frame.orig_seq.unwrap_or(seq),
            });
        }
        if let Err(error) = self.segment.file.write_at(&self.buffer, self.offset) {
            return Err(self.undo(core, &error));
        }
        if core.options.durability == Durability::Strict && !seeded(Bug::AcknowledgeBeforeSync) {
            core.counters.log_syncs.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = self.segment.file.sync_data()
                && !seeded(Bug::IgnoreFailedSync)
            {
                if seeded(Bug::NoPoison) {
                    return Err(Error::Busy);
                }
                return Err(core.poison(&format!("a sync of the log failed: {error}")));
            }
            self.synced = self.offset + bytes;
        }
        self.offset += bytes;
        self.next_seq += group.len() as u64;
        self.written_since_look += bytes;
        self.groups += 1;
        if self.groups.is_multiple_of(ASK_GROUPS) && core.may_prepare() {
            core.spare.ask(self.groups, self.offset - self.began);
        }
        core.counters.commits.fetch_add(1, Ordering::Relaxed);
        core.counters.records.fetch_add(group.len() as u64, Ordering::Relaxed);
        core.counters.log_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.buffer.capacity() > 2 * GROUP_BYTES_MAX {
            self.buffer = Vec::new();
        }
        Ok(places)
    }

    /// After a failed write: what was written of the group is cut off, so that no later recovery takes it for a record
    /// that was committed. A disk that is full is no reason to stop, anything else is.
    fn undo(&mut self, core: &Core, error: &io::Error) -> Error {
        if !is_full(error) {
            return core.poison(&format!("a write to the log failed: {error}"));
        }
        core.space_low.store(true, Ordering::Relaxed);
        // Durably, for a power cut would bring back records that were refused.
        let file = &self.segment.file;
        self.is_zeroed = false;
        if seeded(Bug::NoCut) {
            return Error::NoSpace;
        }
        let strict = core.options.durability == Durability::Strict && !seeded(Bug::CutWithoutSync);
        let cut = file.set_length(self.offset).and_then(|()| if strict { file.sync_data() } else { Ok(()) });
        match cut {
            Ok(()) => {
                // What had been reserved beyond the end went with it.
                let _ = file.reserve(self.header.size);
                Error::NoSpace
            }
            Err(error) => core.poison(&format!("a failed write to the log could not be undone: {error}")),
        }
    }

    /// Whether a segment whose blocks were written ahead can take the place of one whose were not.
    fn has_better(&self, core: &Core) -> bool {
        !self.is_zeroed && core.spare.is_ready(core.segment_bytes())
    }

    /// Seals the segment and begins the next one; for what must go on, on a full disk, one without space of its own.
    fn rotate(&mut self, core: &Core, takes_space: bool) -> Result<(), Error> {
        if core.options.durability == Durability::Relaxed {
            core.counters.log_syncs.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = self.segment.file.sync_data() {
                return Err(core.poison(&format!("a sync of the log failed: {error}")));
            }
        }
        core.look_at_space();
        let sealed = Seal { id: self.segment.id, length: self.offset, last_seq: self.next_seq - 1 };
        let mut size = core.segment_bytes();
        let strict = core.options.durability == Durability::Strict;
        let mut reserve = strict;
        let synced = segment::BYTES as u64;
        let first_seq = self.next_seq;
        let of_size = |size| SegmentHeader { id: sealed.id + 1, size, first_seq, sealed, synced };
        let mut ahead = core
            .spare
            .take(&*core.vfs, size, |file, path| begin(&*core.vfs, &core.uuid, &of_size(size), &[], file, path));
        let is_zeroed = matches!(ahead, Some(Ok(_)));
        let (header, file) = loop {
            let header = of_size(size);
            let made = match ahead.take() {
                Some(named) => named,
                None => create(&*core.vfs, &core.uuid, &header, &[], reserve),
            };
            match made {
                Ok(file) => break (header, file),
                Err(error) if is_full(&error) => {
                    core.space_low.store(true, Ordering::Relaxed);
                    if size > SEGMENT_BYTES_LEAST {
                        size = SEGMENT_BYTES_LEAST;
                    } else if reserve && !takes_space {
                        reserve = false;
                    } else {
                        return Err(Error::NoSpace);
                    }
                }
                Err(error) => return Err(core.poison(&format!("a log segment could not be made: {error}"))),
            }
        };
        if let Err(error) = core.newest.note(header.id, strict)
            && !is_full(&error)
        {
            return Err(core.poison(&format!("the newest log segment could not be noted: {error}")));
        }
        // Gives back what was reserved beyond the end; that it fails costs space only.
        let _ = self.segment.file.set_length(self.offset);
        let first_seq = self.header.first_seq;
        let extent = Extent { id: sealed.id, length: sealed.length, first_seq, last_seq: sealed.last_seq };
        core.segments.seal(self.header, extent);
        self.segment = core.segments.insert(header.id, file);
        core.segments.note_made();
        core.look_at_garbage();
        core.maintenance.request();
        self.header = header;
        self.offset = segment::BYTES as u64;
        self.synced = self.offset;
        (self.is_zeroed, self.groups, self.began) = (is_zeroed, 0, self.offset);
        Ok(())
    }

    /// Makes the rows of a durable group visible, in the order of their records, and acknowledges.
    fn publish(&mut self, core: &Core, group: Vec<Pending>, places: &[Place]) {
        core.segments.active_bytes.store(self.offset, Ordering::Relaxed);
        let mut released = Vec::new();
        let mut finished = Vec::with_capacity(group.len());
        {
            let _publishing = lock(&core.publishing);
            let view = core.view.load_full();
            let first_seq = self.next_seq - group.len() as u64;
            for ((pending, place), seq) in group.into_iter().zip(places).zip(first_seq..) {
                let Pending { frame, change, prior, tokens, body, pin, promise } = pending;
                released.extend(core.publish_rows(&view.active, &change, frame.bucket, prior, *place, seq));
                if let Some(body) = body {
                    body.keep();
                }
                finished.push((tokens, pin, promise, seq));
            }
            view.active.publish(Mark {
                seq: self.next_seq - 1,
                segment: self.segment.id,
                offset: self.offset,
                ..Mark::default()
            });
            // Before any mark passes these records: its floor must not leave the files behind.
            core.bulk.release(&released);
        }
        for (tokens, pin, promise, seq) in finished {
            drop((tokens, pin));
            promise.keep(Ok(seq));
        }
    }

    fn look_at_space(&mut self, core: &Core) {
        let now = core.clock.now_ms();
        let interval = SPACE_INTERVAL_BYTES_MAX.min(core.low_water_bytes / 4);
        if now.abs_diff(self.looked_ms) >= SPACE_INTERVAL_MS || self.written_since_look >= interval {
            self.looked_ms = now;
            self.written_since_look = 0;
            core.look_at_space();
            self.look_at_name(core);
        }
    }

    /// A segment without its name would be gone after a restart, with all that is acknowledged until then.
    fn look_at_name(&self, core: &Core) {
        let path = file::segment(self.segment.id);
        if let Err(error) = core.vfs.open(&path, OpenMode::Read)
            && error.kind() == io::ErrorKind::NotFound
        {
            core.poison(&format!("{path}, to which the log is appended, is gone"));
        }
    }
}

/// How much one write may hold: what recovery can write again into the reserve, for it has no other proof of the last group.
fn group_bytes_max(core: &Core) -> usize {
    let reserve = usize::try_from(core.reserve.bytes() / 2).unwrap_or(usize::MAX);
    if reserve == 0 { GROUP_BYTES_MAX } else { GROUP_BYTES_MAX.min(reserve) }
}

/// Answers `error` to a group that is not in the log for certain, or never will be acknowledged.
fn refuse(group: Vec<Pending>, error: &Error) {
    for pending in group {
        if let (Some(body), Error::ReadOnly { .. }) = (pending.body, error) {
            body.leave();
        }
        drop((pending.tokens, pending.pin));
        pending.promise.keep(Err(error.clone()));
    }
}

impl Core {
    /// Puts the rows of one record into a memtable and answers the references that it takes away.
    pub(crate) fn publish_rows(
        &self,
        memtable: &crate::memtable::Memtable,
        change: &crate::apply::Change,
        bucket: u64,
        prior: crate::apply::Prior,
        place: Place,
        seq: u64,
    ) -> Vec<crate::meta::Release> {
        let effects = effects(change, bucket, prior, place);
        for (table, key, value) in effects.rows {
            memtable.insert(table, key, seq, value);
        }
        memtable.count_space(&effects.space);
        {
            let mut space = lock(&self.space);
            for (segment, change) in &effects.space {
                space.entry(*segment).or_default().change(*change);
            }
        }
        if let Some(now) = effects.freed {
            let newly: Vec<u64> = {
                let mut space = lock(&self.space);
                let gone: Vec<u64> = space.keys().copied().filter(|segment| now.contains(*segment)).collect();
                space.retain(|segment, _| !now.contains(*segment));
                gone
            };
            memtable.forget_segments(newly);
        }
        if effects.usage != (0, 0) {
            let (objects, bytes) = effects.usage;
            memtable.count_usage(bucket, objects, bytes);
            let mut usage = lock(&self.usage);
            let counts = usage.entry(bucket).or_default();
            counts.objects = counts.objects.saturating_add_signed(objects);
            counts.bytes = counts.bytes.saturating_add_signed(bytes);
        }
        if let Some(now) = effects.bucket {
            self.buckets.rcu(|table| {
                let mut table = crate::core::BucketTable::clone(table);
                match &now {
                    Some(bucket) => table.insert(bucket.clone()),
                    None => table.remove(bucket),
                }
                table
            });
        }
        effects.released
    }

    /// The size of a new segment, in bytes.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.options.segment_bytes.unwrap_or(64 << 20)
    }
}
