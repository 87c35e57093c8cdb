//! The log as it is found: which segments are there, how far each is proven, and what is missing.
//!
//! Everything here happens before a record is applied, so that what follows can trust the log: each segment has a known
//! end, and every record before it is durable.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::bugs::{Bug, seeded};
use crate::core::Core;
use crate::error::OpenError;
use crate::footer::{self, Entry, Extent};
use crate::format::{self, file, segment};
use crate::freed::Freed;
use crate::log::Committer;
use crate::memtable::Mark;
use crate::record::{Frame, Kind};
use crate::reserve::is_full;
use crate::segment::{Met, Seal, SegmentHeader, Walk, create, read_header};
use crate::vfs::{OpenMode, VFile, Vfs};

pub(crate) fn failed(what: &str) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::io(what, source)
}

const READING: &str = "reading a log segment";

/// A segment that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn VFile>,
    pub(crate) length: u64,
}

/// All of them.
pub(crate) struct FoundLog {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) uuid: [u8; 16],
    pub(crate) segments: BTreeMap<u64, Found>,
    pub(crate) freed: Freed,
    /// What of the last segment counts, once that is known.
    pub(crate) last: Option<Extent>,
    /// Segments that are there although they were freed.
    left_out: Vec<u64>,
    pub(crate) damage: Vec<String>,
}

/// Where the log goes on.
#[derive(Debug)]
pub(crate) struct End {
    header: SegmentHeader,
    file: Arc<dyn VFile>,
    offset: u64,
    next_seq: u64,
}

impl End {
    pub(crate) fn committer(self, core: &Core) -> Committer {
        let segment = core.segments.insert(self.header.id, self.file);
        Committer::new(segment, self.header, self.offset, self.next_seq)
    }
}

/// A record beyond the proven end, to be written again.
struct Unproven {
    met: Met,
    data: Bytes,
}

/// The end of the last segment, and what has to be done about it.
struct Tail {
    /// Where the proven part ends, and its last record.
    proven: u64,
    proven_seq: u64,
    unproven: Vec<Unproven>,
    chain_end: u64,
    last_seq: u64,
}

impl FoundLog {
    /// Reads the headers of all named segments and removes those that never got their name.
    pub(crate) fn find(vfs: Arc<dyn Vfs>, uuid: [u8; 16]) -> Result<FoundLog, OpenError> {
        let mut log = FoundLog {
            vfs: Arc::clone(&vfs),
            uuid,
            segments: BTreeMap::new(),
            freed: Freed::default(),
            last: None,
            left_out: Vec::new(),
            damage: Vec::new(),
        };
        for name in vfs.read_dir(file::LOG).map_err(failed("reading log/"))? {
            let path = format!("{}/{name}", file::LOG);
            if name.ends_with(".tmp") {
                vfs.remove(&path).map_err(failed("removing an unfinished segment"))?;
                continue;
            }
            let Some(id) = file::id_of(&name, ".seg") else { continue };
            let opened = vfs.open(&path, OpenMode::Write).map_err(failed("opening a log segment"))?;
            let header = read_header(&*opened, &uuid).map_err(failed(READING))?;
            let length = opened.length().map_err(failed(READING))?;
            match header {
                // The header identifies a segment, not the name.
                Ok(header) if header.id == id => {
                    log.segments.insert(id, Found { header, file: opened, length });
                }
                Ok(header) => log.damage.push(format!("{path} is segment {:016x} by its header", header.id)),
                Err(_) => log.damage.push(format!("{path}: the segment's header is damaged")),
            }
        }
        Ok(log)
    }

    pub(crate) fn seed(&self, id: u64) -> u32 {
        format::seed(&self.uuid, id)
    }

    /// What of segment `id` counts: its successor says so, or the record that freed that. `None` if neither is there.
    pub(crate) fn extent(&self, id: u64) -> Option<Extent> {
        if let Some(last) = self.last.filter(|last| last.id == id) {
            return Some(last);
        }
        let first_seq = self.segments.get(&id)?.header.first_seq;
        if let Some(next) = self.segments.get(&(id + 1)) {
            let sealed = next.header.sealed;
            let extent = Extent { id, length: sealed.length, first_seq, last_seq: sealed.last_seq };
            return (sealed.id == id).then_some(extent);
        }
        let (length, next_seq) = self.freed.before(id + 1)?;
        Some(Extent { id, length, first_seq, last_seq: next_seq - 1 })
    }

    /// The entries of a segment, from an offset and the number of the record there on if one is given. What is damaged
    /// there is noted.
    pub(crate) fn entries(&mut self, id: u64, start: Option<(u64, u64)>) -> Result<Vec<Entry>, OpenError> {
        let Some(found) = self.segments.get(&id) else { return Ok(Vec::new()) };
        let (seed, path) = (self.seed(id), file::segment(id));
        let known = self.extent(id);
        let extent = known.unwrap_or(unknown_extent(id, found));
        if let Some(mut entries) = footer::read(&*found.file, seed, extent).map_err(failed(READING))? {
            entries.retain(|entry| start.is_none_or(|(offset, _)| u64::from(entry.offset) >= offset));
            return Ok(entries);
        }
        let start = start.unwrap_or(extent.start());
        let (entries, damaged_at) = footer::walk(&*found.file, seed, extent, start).map_err(failed(READING))?;
        if known.is_some()
            && let Some(offset) = damaged_at
        {
            self.damage.push(format!("{path}, offset {offset}: a record is damaged"));
        }
        Ok(entries)
    }

    /// I7: a segment that is missing without a record of its freeing is damage. Answers whether the index is older than
    /// a freeing that it would have to know, so that it cannot be brought up to date.
    pub(crate) fn account_for_gaps(
        &mut self,
        mark: &Mark,
        noted: Option<u64>,
        has_index: bool,
    ) -> Result<bool, OpenError> {
        let newest = self.segments.keys().next_back().copied().unwrap_or(0);
        let newest = newest.max(mark.segment).max(noted.unwrap_or(0));
        if seeded(Bug::IgnoreGaps) {
            return Ok(false);
        }
        let missing: Vec<u64> = (1..=newest).filter(|id| !self.segments.contains_key(id)).collect();
        let known = std::mem::take(&mut self.freed);
        if missing.iter().all(|id| known.contains(*id)) {
            self.freed = known;
            return Ok(false);
        }
        let logged = self.logged_freed()?.unwrap_or_default();
        let mut stale = false;
        let mut lost = false;
        for id in missing.into_iter().filter(|id| !known.contains(*id)) {
            let path = file::segment(id);
            if logged.contains(id) {
                stale |= id >= mark.segment;
            } else {
                lost = true;
                if !self.damage.iter().any(|line| line.contains(&path)) {
                    self.damage.push(format!("{path} is missing"));
                }
            }
        }
        self.freed = if logged.count() >= known.count() { logged } else { known };
        // Of what is lost the index may be all that is known.
        Ok(stale && has_index && !lost)
    }

    /// What the newest SegmentFreed record in the log says. Each holds all that was freed before it.
    fn logged_freed(&self) -> Result<Option<Freed>, OpenError> {
        for (id, found) in self.segments.iter().rev() {
            let extent = self.extent(*id).unwrap_or(unknown_extent(*id, found));
            let (entries, _) = footer::entries(&*found.file, self.seed(*id), extent).map_err(failed(READING))?;
            let record = entries.iter().filter(|entry| entry.kind == Kind::SegmentFreed).max_by_key(|entry| entry.seq);
            let Some(record) = record else { continue };
            let meta = meta_of(&*found.file, self.seed(*id), record).map_err(failed(READING))?;
            if let Some(freed) = meta.and_then(|meta| Freed::decode(&meta).ok()) {
                return Ok(Some(freed));
            }
        }
        Ok(None)
    }

    /// Takes over what the log says of freed segments, for want of an index.
    pub(crate) fn adopt_logged_freed(&mut self) -> Result<(), OpenError> {
        if let Some(freed) = self.logged_freed()? {
            self.freed = freed;
        }
        Ok(())
    }

    /// A freed segment that is still there was not unlinked before a crash. Nothing in it counts any more.
    pub(crate) fn leave_out_freed(&mut self) {
        if seeded(Bug::ReviveFreed) {
            return;
        }
        let freed = &self.freed;
        self.left_out.extend(self.segments.keys().copied().filter(|id| freed.contains(*id)));
        self.segments.retain(|id, _| !freed.contains(*id));
    }

    /// A segment that ends before the place up to which its successor says that it was synced has lost records.
    pub(crate) fn measure(&mut self) {
        let mut cut = Vec::new();
        for (id, found) in &self.segments {
            let path = file::segment(*id);
            if self.extent(*id).is_some_and(|extent| found.length < extent.length)
                && !self.damage.iter().any(|line| line.starts_with(&path))
            {
                cut.push(format!("{path} is shorter than when it was sealed: acknowledged records are missing"));
            }
        }
        self.damage.extend(cut);
    }

    /// Unlinks these segments, unless there is damage.
    pub(crate) fn unlink_left_out(&mut self) -> Result<(), OpenError> {
        if self.left_out.is_empty() || !self.damage.is_empty() {
            return Ok(());
        }
        for id in std::mem::take(&mut self.left_out) {
            self.vfs.remove(&file::segment(id)).map_err(failed("removing a freed segment"))?;
        }
        self.vfs.sync_dir(file::LOG).map_err(failed("syncing log/"))
    }

    /// Makes the log ready to be appended to: the unproven tail is written and synced anew before it counts. `None` if
    /// there is no segment, or damage, where nothing is written.
    pub(crate) fn settle(&mut self, mark: Mark, size: u64, reserve: bool) -> Result<Option<End>, OpenError> {
        let Some((&id, last)) = self.segments.iter().next_back() else { return Ok(None) };
        let header = last.header;
        let (opened, length) = (Arc::clone(&last.file), last.length);
        let (start, next_seq) =
            if id == mark.segment { (mark.offset, mark.seq + 1) } else { (segment::BYTES as u64, header.first_seq) };
        if id < mark.segment {
            // The newest segment is lost, and its successor's seal with it.
            return Ok(None);
        }
        let (mut tail, mut rot) = examine(&*opened, self.seed(id), length, start, next_seq).map_err(failed(READING))?;
        if seeded(Bug::RotIsATornTail) {
            rot = None;
        }
        if seeded(Bug::TrustTail) {
            (tail.proven, tail.proven_seq, tail.unproven) = (tail.chain_end, tail.last_seq, Vec::new());
        }
        self.damage.extend(rot.map(|offset| format!("{}, offset {offset}: a record is damaged", file::segment(id))));
        let whole = Extent { id, length: tail.chain_end, first_seq: header.first_seq, last_seq: tail.last_seq };
        if footer::read(&*opened, self.seed(id), whole).map_err(failed(READING))?.is_some() {
            // A footer is written only after the successor was named.
            let path = file::segment(id + 1);
            if !self.damage.iter().any(|line| line.contains(&path)) {
                self.damage.push(format!("{path} is missing"));
            }
        }
        self.last = Some(whole);
        if !self.damage.is_empty() {
            // Mutations are refused, but what can be read of the tail is served.
            return Ok(None);
        }
        if tail.proven == length && tail.unproven.is_empty() {
            return Ok(Some(End { header, file: opened, offset: length, next_seq: tail.last_seq + 1 }));
        }
        if seeded(Bug::AppendToTorn) {
            return Ok(Some(End { header, file: opened, offset: tail.chain_end, next_seq: tail.last_seq + 1 }));
        }
        let sealed = Seal { id, length: tail.proven, last_seq: tail.proven_seq };
        let header = SegmentHeader { id: id + 1, size, first_seq: sealed.last_seq + 1, sealed };
        let records = again(&tail.unproven, self.seed(header.id));
        let create = |reserve| create(&*self.vfs, &self.uuid, &header, &records, reserve);
        let file = match create(reserve) {
            // Room for more than the tail is wanted, not needed.
            Err(error) if reserve && is_full(&error) => create(false),
            created => created,
        };
        let file = file.map_err(failed("making a log segment"))?;
        // Gives back what was reserved beyond the end, and the tail that was written again; that it fails costs space only.
        let _ = opened.set_length(sealed.length);
        if let Some(old) = self.segments.get_mut(&id) {
            old.length = opened.length().map_err(failed(READING))?;
        }
        let offset = (segment::BYTES + records.len()) as u64;
        let length = file.length().map_err(failed(READING))?;
        self.segments.insert(header.id, Found { header, file: Arc::clone(&file), length });
        self.last =
            Some(Extent { id: header.id, length: offset, first_seq: header.first_seq, last_seq: tail.last_seq });
        Ok(Some(End { header, file, offset, next_seq: tail.last_seq + 1 }))
    }

    /// The first segment of a store.
    pub(crate) fn first_segment(&mut self, core: &Core, size: u64, reserve: bool) -> Result<Committer, OpenError> {
        let header = SegmentHeader { id: 1, size, first_seq: 1, sealed: Seal::default() };
        let file =
            create(&*self.vfs, &self.uuid, &header, &[], reserve).map_err(failed("making the first log segment"))?;
        core.segments.note_made();
        let end = End { header, file, offset: segment::BYTES as u64, next_seq: 1 };
        Ok(end.committer(core))
    }

    /// Tells the running store of the segments.
    pub(crate) fn hand_over(&self, core: &Core) {
        core.segments.set_count(self.segments.len() as u64);
        for (id, found) in self.segments.iter().rev().take(16) {
            core.segments.insert(*id, Arc::clone(&found.file));
        }
        let last = self.last.map(|last| last.id);
        for (id, found) in &self.segments {
            if Some(*id) != last
                && let Some(extent) = self.extent(*id)
            {
                core.segments.seal(found.header, extent);
            }
        }
    }
}

/// Of a segment whose successor is missing, so that nobody says where it ends.
fn unknown_extent(id: u64, found: &Found) -> Extent {
    Extent { id, length: found.length, first_seq: found.header.first_seq, last_seq: u64::MAX - 1 }
}

/// The metadata of a record: what its entry kept, else read from the record. `None` if that is damaged.
pub(crate) fn meta_of(file: &dyn VFile, seed: u32, entry: &Entry) -> io::Result<Option<Bytes>> {
    if let Some(meta) = &entry.meta {
        return Ok(Some(meta.clone()));
    }
    let met = Walk::new(file, seed).record_at(entry.offset.into())?;
    Ok(met.filter(|met| met.front.header.seq == entry.seq).map(|met| met.front.meta()))
}

/// The unproven records as they are written again, with their numbers, into a new segment.
fn again(unproven: &[Unproven], seed: u32) -> Vec<u8> {
    let mut records = Vec::new();
    for Unproven { met, data } in unproven {
        let old = &met.front;
        let mut frame =
            Frame::new(old.header.kind, old.header.bucket, &old.key(), old.meta().to_vec()).with_data(data.clone());
        frame.flags = old.header.flags;
        frame.orig_seq = Some(old.header.orig_seq);
        frame.encode(&mut records, seed, old.header.seq, segment::BYTES as u64);
        records.resize(records.len().next_multiple_of(format::RECORD_ALIGN as usize), 0);
    }
    records
}

/// Finds how far the last segment is proven to have been synced, and what lies beyond; also where a record has rotted.
fn examine(file: &dyn VFile, seed: u32, length: u64, start: u64, first_seq: u64) -> io::Result<(Tail, Option<u64>)> {
    let mut walk = Walk::new(file, seed);
    // A first walk finds how far the log is proven to have been synced: by the index's mark, or by a later record.
    let (mut proven, mut offset, mut seq) = (start, start, first_seq);
    while let Some(met) = walk.record_at(offset)?.filter(|met| met.front.header.seq == seq) {
        proven = proven.max(met.front.header.durable_offset.min(met.offset));
        offset = met.end();
        seq += 1;
    }
    let chain_end = offset;
    let rotten = walk.is_proven_beyond(chain_end, length)?;
    let (mut offset, mut seq) = (start, first_seq);
    while offset < proven {
        let Some(met) = walk.record_at(offset)? else { return Err(changed()) };
        offset = met.end();
        seq += 1;
    }
    let mut tail =
        Tail { proven: offset, proven_seq: seq - 1, unproven: Vec::new(), chain_end: offset, last_seq: seq - 1 };
    while offset < chain_end {
        let Some(met) = walk.record_at(offset)? else { return Err(changed()) };
        let Some(data) = walk.data_of(&met)? else { break };
        offset = met.end();
        tail.unproven.push(Unproven { met, data });
        tail.chain_end = offset;
        tail.last_seq += 1;
    }
    Ok((tail, rotten.then_some(chain_end)))
}

fn changed() -> io::Error {
    io::Error::other("the last segment changed while it was read")
}
