//! The end of the log made ready to be appended to, or found to be damaged.
//!
//! Records that were never synced read back as valid from the page cache, so what nothing proves to be durable is
//! written and synced again before it counts; and rot is told from a torn tail, for one is damage and the other is what
//! a crash leaves.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::bugs::{Bug, seeded};
use crate::core::Core;
use crate::error::OpenError;
use crate::footer::{self, Extent};
use crate::format::{self, file, segment};
use crate::found::{Found, FoundLog, READING, failed};
use crate::log::Committer;
use crate::memtable::Mark;
use crate::record::Frame;
use crate::request::Durability;
use crate::reserve::Reserve;
use crate::segment::{Met, Seal, SegmentHeader, Walk, create};
use crate::sync::atomic::Ordering;
use crate::vfs::{VFile, is_full, read_exact_at};

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
        core.segments.active_bytes.store(self.offset, Ordering::Relaxed);
        Committer::new(segment, self.header, self.offset, self.next_seq)
    }
}

/// What became of the end of the log.
#[derive(Debug)]
pub(crate) enum Settled {
    /// There is no segment.
    Nothing,
    /// There is damage: nothing was written, and nothing may be.
    Damaged,
    /// The log goes on here.
    End(End),
    /// The disk is so full that the end could not be written again. It is served, and nothing may be built on it.
    NoRoom,
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

/// Where a new segment may take its space from, and how much of it.
#[derive(Debug)]
pub(crate) struct Room<'r> {
    pub(crate) reserve: &'r Reserve,
    /// The size of a segment.
    pub(crate) segment_bytes: u64,
    pub(crate) low_water_bytes: u64,
    pub(crate) durability: Durability,
}

impl Room<'_> {
    /// Whether a segment may have all its space set aside. On a disk that is nearly full it may not, for that space
    /// would be missing in the reserve when the next start needs it.
    fn is_ample(&self, log: &FoundLog) -> bool {
        let needed = self.segment_bytes + self.low_water_bytes + self.reserve.missing_bytes();
        self.durability == Durability::Strict && log.vfs.space().is_ok_and(|space| space.free_bytes >= needed)
    }
}

impl FoundLog {
    /// Makes the log ready to be appended to: the unproven tail is written and synced anew before it counts.
    pub(crate) fn settle(&mut self, mark: Mark, room: &Room<'_>) -> Result<Settled, OpenError> {
        let Some((&id, last)) = self.segments.iter().next_back() else {
            return Ok(if self.damage.is_empty() { Settled::Nothing } else { Settled::Damaged });
        };
        let header = last.header;
        let (opened, length) = (Arc::clone(&last.file), last.length);
        let (start, next_seq) =
            if id == mark.segment { (mark.offset, mark.seq + 1) } else { (segment::BYTES as u64, header.first_seq) };
        if id < mark.segment {
            // The newest segment is lost, and its successor's seal with it.
            return Ok(Settled::Damaged);
        }
        let examined = examine(&*opened, self.seed(id), length, (start, next_seq), header.synced);
        let (mut tail, mut rot) = examined.map_err(failed(READING))?;
        if seeded(Bug::RotIsATornTail) {
            rot = Rot::default();
        }
        if seeded(Bug::TrustTail) {
            (tail.proven, tail.proven_seq, tail.unproven) = (tail.chain_end, tail.last_seq, Vec::new());
        }
        for offset in rot.places {
            self.note(format!("{}, offset {offset}: a record is damaged", file::segment(id)));
        }
        self.is_cut |= rot.is_cut;
        let whole = Extent { id, length: tail.chain_end, first_seq: header.first_seq, last_seq: tail.last_seq };
        if footer::read(&*opened, self.seed(id), whole).map_err(failed(READING))?.is_some() {
            // A footer is written only after the successor was named.
            let path = file::segment(id + 1);
            if !self.damage.iter().any(|line| line.contains(&path)) {
                self.damage.push(format!("{path} is missing"));
            }
            self.is_cut = true;
        }
        self.last = Some(whole);
        if !self.damage.is_empty() {
            // Mutations are refused, but what can be read of the tail is served.
            return Ok(Settled::Damaged);
        }
        let here = |offset| End { header, file: Arc::clone(&opened), offset, next_seq: tail.last_seq + 1 };
        if tail.proven == length && tail.unproven.is_empty() {
            // It may end here only because a write that had failed was cut off again, and only as far as the page cache knows:
            // what was refused would come back with a power cut.
            if room.durability == Durability::Strict {
                opened.sync_data().map_err(failed("syncing the end of the log"))?;
            }
            return Ok(Settled::End(here(length)));
        }
        if seeded(Bug::AppendToTorn) {
            return Ok(Settled::End(here(tail.chain_end)));
        }
        match self.write_again(&tail, header, room) {
            Err(error) if is_full(&error) => {}
            written => return Ok(Settled::End(written.map_err(failed("making a log segment"))?)),
        }
        match write_in_place(&*opened, &tail, length) {
            Err(error) if is_full(&error) => Ok(Settled::NoRoom),
            written => {
                written.map_err(failed("writing the end of the log again"))?;
                if let Some(found) = self.segments.get_mut(&id) {
                    found.length = tail.chain_end;
                }
                Ok(Settled::End(here(tail.chain_end)))
            }
        }
    }

    /// Writes the unproven records again, with their numbers, into a new segment that seals the old one at its proven end.
    fn write_again(&mut self, tail: &Tail, old: SegmentHeader, room: &Room<'_>) -> io::Result<End> {
        let sealed = Seal { id: old.id, length: tail.proven, last_seq: tail.proven_seq };
        let (id, size) = (old.id + 1, room.segment_bytes);
        let records = again(&tail.unproven, self.seed(id));
        let offset = (segment::BYTES + records.len()) as u64;
        let header = SegmentHeader { id, size, first_seq: sealed.last_seq + 1, sealed, synced: offset };
        let create = |reserve| create(&*self.vfs, &self.uuid, &header, &records, reserve);
        let file = match create(room.is_ample(self)) {
            // Room for more than the tail is wanted, not needed.
            Err(error) if is_full(&error) => room.reserve.give_for(offset, || create(false)),
            created => created,
        }?;
        if let Some(found) = self.segments.get_mut(&old.id) {
            // Gives back what was reserved beyond the end, and the tail that was written again; that it fails costs space only.
            let _ = found.file.set_length(sealed.length);
            found.length = found.file.length()?;
        }
        let (length, last_seq) = (file.length()?, tail.last_seq);
        self.segments.insert(id, Found { header, file: Arc::clone(&file), length });
        self.last = Some(Extent { id, length: offset, first_seq: header.first_seq, last_seq });
        Ok(End { header, file, offset, next_seq: last_seq + 1 })
    }

    /// The first segment of a store.
    pub(crate) fn first_segment(&mut self, core: &Core, size: u64, reserve: bool) -> Result<Committer, OpenError> {
        let synced = segment::BYTES as u64;
        let header = SegmentHeader { id: 1, size, first_seq: 1, sealed: Seal::default(), synced };
        let file =
            create(&*self.vfs, &self.uuid, &header, &[], reserve).map_err(failed("making the first log segment"))?;
        core.segments.note_made();
        let end = End { header, file, offset: synced, next_seq: 1 };
        Ok(end.committer(core))
    }
}

/// Writes the unproven records over themselves, byte for byte, and makes them durable there, once what lies behind them
/// is durably cut off: for want of room for a segment of their own. A write that is torn changes nothing, for the bytes
/// are the same. The padding of the last one may be missing, and is part of what the index will know.
fn write_in_place(file: &dyn VFile, tail: &Tail, length: u64) -> io::Result<()> {
    if length != tail.chain_end {
        file.set_length(tail.chain_end)?;
        file.sync_data()?;
    }
    for Unproven { met, .. } in &tail.unproven {
        let mut bytes = vec![0; met.front.header.length];
        read_exact_at(file, &mut bytes, met.offset)?;
        file.write_at(&bytes, met.offset)?;
    }
    if seeded(Bug::NoSyncInPlace) { Ok(()) } else { file.sync_data() }
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

/// Records that have rotted at the end of the log.
#[derive(Debug, Default)]
struct Rot {
    places: Vec<u64>,
    /// Whether nobody knows where the record after the last of them lies.
    is_cut: bool,
}

/// Finds how far the last segment is proven to have been synced, and what lies beyond; also where records have rotted.
fn examine(file: &dyn VFile, seed: u32, length: u64, start: (u64, u64), synced: u64) -> io::Result<(Tail, Rot)> {
    let mut walk = Walk::new(file, seed);
    // A first walk finds how far the log is proven to have been synced: by the index's mark, by the segment's having a
    // name, or by a later record.
    let (mut offset, mut seq) = start;
    let mut proven = offset.max(synced);
    let mut rot = Rot::default();
    loop {
        while let Some(met) = walk.record_at(offset)?.filter(|met| met.front.header.seq == seq) {
            proven = proven.max(met.front.header.durable_offset.min(met.offset));
            offset = met.end();
            seq += 1;
        }
        if offset >= synced && !walk.is_proven_beyond(offset, length)? {
            break;
        }
        rot.places.push(offset);
        // Nobody says how many records there are.
        let extent = Extent { id: 0, length, first_seq: 0, last_seq: u64::MAX };
        let Some((end, _)) = footer::pass(&mut walk, extent, (offset, seq))? else {
            rot.is_cut = true;
            break;
        };
        (offset, seq) = (end, seq + 1);
    }
    let chain_end = offset;
    if !rot.places.is_empty() {
        // Nothing is written where there is damage.
        let proven_seq = seq - 1;
        let tail = Tail { proven: chain_end, proven_seq, unproven: Vec::new(), chain_end, last_seq: proven_seq };
        return Ok((tail, rot));
    }
    let proven = proven.min(chain_end);
    let (mut offset, mut seq) = start;
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
    Ok((tail, rot))
}

fn changed() -> io::Error {
    io::Error::other("the last segment changed while it was read")
}
