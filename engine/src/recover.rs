//! Opening a data directory: what is there is examined, proven, replayed, and only then served.
//!
//! The tail of the log is not trusted, for records that were never synced read back as valid from the page cache; and
//! rot is told from a torn tail, for one is damage and the other is what a crash leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::apply::{Change, Prior};
use crate::bulk::BulkSegments;
use crate::clock::Clock;
use crate::core::{BucketTable, Core, Segments};
use crate::error::{Error, OpenError};
use crate::format::{self, FORMAT_VERSION, file, segment, superblock, u32_at, u64_at};
use crate::index::Index;
use crate::log::Committer;
use crate::memtable::{Mark, Memtable};
use crate::meta::BucketMeta;
use crate::record::Frame;
use crate::request::{Durability, Options};
use crate::row::{Place, Table, key};
use crate::segment::{Met, Seal, SegmentHeader, Walk, create, read_header};
use crate::vfs::{OpenMode, VFile, Vfs, read_exact_at};
use crate::view::View;

/// A segment that was found.
#[derive(Debug)]
struct Found {
    header: SegmentHeader,
    file: Arc<dyn VFile>,
    length: u64,
}

/// A record beyond the proven end, to be written again.
struct Unproven {
    met: Met,
    data: Bytes,
}

/// The end of the log, and what recovery has to do about it.
struct Tail {
    /// Where the proven part of the last segment ends.
    proven: u64,
    last_seq: u64,
    unproven: Vec<Unproven>,
    /// Whether the segment ends exactly there, so that it may be appended to.
    clean: bool,
}

struct Recovery {
    vfs: Arc<dyn Vfs>,
    uuid: [u8; 16],
    segments: BTreeMap<u64, Found>,
    damage: Vec<String>,
    /// Whether new segments reserve their space.
    reserve: bool,
    /// Whether this start made the store.
    made: bool,
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::io(what, source)
}

fn internal(what: &str) -> impl FnOnce(Error) -> OpenError + '_ {
    move |error| OpenError::damaged(format!("{what}: {error}"))
}

/// Opens the store on `vfs`. Errors leave it to the caller to name the directory. With `threads` the committer and the workers run on threads
/// of their own, otherwise whoever mutates runs the committer. Where damage was found there is none, for every mutation
/// is refused.
pub(crate) fn open(
    vfs: Arc<dyn Vfs>,
    clock: Arc<dyn Clock>,
    options: Options,
    threads: bool,
) -> Result<(Arc<Core>, Option<Committer>), OpenError> {
    let probe = vfs.probe().map_err(failed("examining the file system"))?;
    if probe.network && !options.allow_network_filesystem {
        return Err(OpenError::NetworkFilesystem { path: PathBuf::new(), kind: probe.kind });
    }
    // Looked at before anything is written, for what is refused must stay as it is.
    find_format(&*vfs)?;
    let lock_file = vfs.lock(file::LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse(PathBuf::new()),
        _ => OpenError::NotWritable(PathBuf::new(), error),
    })?;
    let (uuid, made) = open_format(&*vfs)?;
    // A process that was killed between a rename and the sync of its directory left names that only the page cache
    // knows. Nothing may be built on them before they are durable. In a store that was just made there are none.
    if !made {
        for directory in ["", file::LOG, file::BULK] {
            vfs.sync_dir(directory).map_err(failed("syncing the data directory"))?;
        }
    }
    let relaxed = options.durability == Durability::Relaxed;
    let mut recovery = Recovery {
        vfs: Arc::clone(&vfs),
        uuid,
        segments: BTreeMap::new(),
        damage: Vec::new(),
        reserve: !relaxed,
        made,
    };
    let mut options = options;
    let space = vfs.space().map_err(failed("asking for free space"))?;
    let size = options.segment_bytes.unwrap_or((space.total_bytes / 64).clamp(1 << 20, 64 << 20));
    let size = size.clamp(4096, 1 << 30);
    options.segment_bytes = Some(size);
    let low_water = options.low_water_bytes.unwrap_or((space.total_bytes / 64).clamp(1 << 20, 1 << 30));

    recovery.find_segments()?;
    let (index, mark) = recovery.open_index(options.index_cache_bytes)?;
    let base = index.snapshot().map_err(|error| OpenError::damaged(error.to_string()))?;
    let view = View { active: Arc::new(Memtable::new()), frozen: None, base: Arc::new(base) };
    let bulk = Arc::new(BulkSegments::new(Arc::clone(&vfs), uuid, relaxed, mark.bulk_floor, mark.bulk_next));
    let count = recovery.segments.len() as u64;
    let segments = Segments::new(Arc::clone(&vfs), uuid, count);
    for (id, found) in recovery.segments.iter().rev().take(16) {
        segments.insert(*id, Arc::clone(&found.file));
    }
    let usage = index.usage().map_err(|error| OpenError::damaged(error.to_string()))?;
    let mut core =
        Core::new(Arc::clone(&vfs), clock, options, uuid, view, index, bulk, segments, Vec::new(), low_water);
    core.usage = std::sync::Mutex::new(usage.into_iter().collect());
    load_buckets(&core).map_err(internal("reading the buckets"))?;

    let mut replay = Replay { core: &core, next_bulk: mark.bulk_next.max(1), damaged: !recovery.damage.is_empty() };
    let tail = recovery.replay(&mut replay, mark)?;
    let next_bulk = replay.next_bulk;
    recovery.check_gaps(&core, mark)?;
    let committer = recovery.end_of_log(&core, tail, size)?;
    let next_bulk = recovery.sweep_bulk(&core, mark, next_bulk)?;
    core.bulk.raise_next(next_bulk);
    core.bulk.recovered();
    core.damage = recovery.damage;
    core.look_at_space();
    core.lock_file = std::sync::Mutex::new(Some(lock_file));
    if threads {
        return Ok((Arc::new(core), committer));
    }
    core.inline = committer.map(|mut committer| {
        let step: crate::core::Step = Box::new(move |core| _ = committer.step(core, false));
        std::sync::Mutex::new(step)
    });
    Ok((Arc::new(core), None))
}

/// What is in FORMAT.
struct Superblock {
    file: Arc<dyn VFile>,
    uuid: [u8; 16],
    intact: [u8; superblock::BYTES],
    /// Where the copies lie that are to be written anew.
    bad: Vec<u64>,
}

/// Reads FORMAT and changes nothing. None in a directory that holds nothing of anybody else, where it may be made.
fn find_format(vfs: &dyn Vfs) -> Result<Option<Superblock>, OpenError> {
    let names = vfs.read_dir("").map_err(failed("reading the data directory"))?;
    if names.iter().any(|name| name == file::FORMAT) {
        return read_format(vfs).map(Some);
    }
    let ours = |name: &String| {
        let name = name.as_str();
        [file::LOCK, file::LOG, file::BULK, file::INDEX, "lost+found", "FORMAT.tmp"].contains(&name)
            || file::SERVER.contains(&name)
    };
    let segments = match vfs.read_dir(file::LOG) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Vec::new(),
        names => names.map_err(failed("reading log/"))?,
    };
    if !names.iter().all(ours) || segments.iter().any(|name| name.ends_with(".seg")) {
        return Err(OpenError::NotADataDirectory(PathBuf::new()));
    }
    Ok(None)
}

/// Reads FORMAT and repairs it, or makes it; answers the store's uuid and whether it was made.
fn open_format(vfs: &dyn Vfs) -> Result<([u8; 16], bool), OpenError> {
    let Some(found) = find_format(vfs)? else {
        let made = make_format(vfs).map_err(|error| OpenError::NotWritable(PathBuf::new(), error))?;
        return Ok((made, true));
    };
    for offset in &found.bad {
        found.file.write_at(&found.intact, *offset).map_err(failed("repairing FORMAT"))?;
    }
    if !found.bad.is_empty() {
        found.file.sync_data().map_err(failed("repairing FORMAT"))?;
    }
    Ok((found.uuid, false))
}

/// One sync of the directory makes FORMAT, `log/` and `bulk/` durable together. It comes before the first segment is
/// named, also with relaxed durability: segments without a FORMAT would be somebody else's.
fn make_format(vfs: &dyn Vfs) -> io::Result<[u8; 16]> {
    let mut uuid = [0; 16];
    vfs.random(&mut uuid)?;
    vfs.create_dir(file::LOG)?;
    vfs.create_dir(file::BULK)?;
    let mut copy = [0; superblock::BYTES];
    let mut field = |offset: usize, bytes: &[u8]| copy[offset..offset + bytes.len()].copy_from_slice(bytes);
    field(superblock::MAGIC, &superblock::MAGIC_VALUE);
    field(superblock::VERSION, &FORMAT_VERSION.to_le_bytes());
    field(superblock::UUID, &uuid);
    let crc = crc32fast::hash(&copy[..superblock::CRC]);
    copy[superblock::CRC..].copy_from_slice(&crc.to_le_bytes());
    let making = "FORMAT.tmp";
    let format = vfs.open(making, OpenMode::Create)?;
    for offset in superblock::COPIES {
        format.write_at(&copy, offset)?;
    }
    format.sync_data()?;
    vfs.rename(making, file::FORMAT)?;
    vfs.sync_dir("")?;
    Ok(uuid)
}

/// The first copy that is intact counts.
fn read_format(vfs: &dyn Vfs) -> Result<Superblock, OpenError> {
    let file = vfs.open(file::FORMAT, OpenMode::Write).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable(PathBuf::new(), error)
        }
        _ => OpenError::io("opening FORMAT", error),
    })?;
    let mut good = None;
    let mut bad = Vec::new();
    for offset in superblock::COPIES {
        let mut copy = [0; superblock::BYTES];
        let intact = read_exact_at(&*file, &mut copy, offset).is_ok()
            && copy[..superblock::VERSION] == superblock::MAGIC_VALUE
            && u32_at(&copy, superblock::CRC) == crc32fast::hash(&copy[..superblock::CRC]);
        if intact {
            good.get_or_insert(copy);
        } else {
            bad.push(offset);
        }
    }
    let Some(intact) = good else {
        return Err(OpenError::damaged("neither copy in FORMAT is intact"));
    };
    let found = u32_at(&intact, superblock::VERSION);
    let incompatible = u64_at(&intact, superblock::INCOMPAT) | u64_at(&intact, superblock::RO_COMPAT);
    if found > FORMAT_VERSION || incompatible != 0 {
        let (found, supported) = (found.max(FORMAT_VERSION + 1), FORMAT_VERSION);
        return Err(OpenError::NewerFormat { path: PathBuf::new(), found, supported });
    }
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&intact[superblock::UUID..superblock::COMPAT]);
    Ok(Superblock { file, uuid, intact, bad })
}

fn load_buckets(core: &Core) -> Result<(), Error> {
    let mut table = BucketTable::default();
    core.view().for_each(Table::Buckets, &[], |_, row| {
        if let BucketMeta::Is(bucket) = BucketMeta::decode(row)? {
            table.insert(bucket);
        }
        Ok(())
    })?;
    core.buckets.store(Arc::new(table));
    Ok(())
}

/// Applies records one after another.
struct Replay<'c> {
    core: &'c Core,
    next_bulk: u64,
    /// Damage is known: nothing is applied to the index, whose mark must not pass it.
    damaged: bool,
}

impl Replay<'_> {
    fn record(&mut self, met: &Met, segment: u64, end: u64) -> Result<(), OpenError> {
        let place = format!("{}, offset {}", file::segment(segment), met.offset);
        self.apply(met, segment, end).map_err(|error| OpenError::damaged(format!("replaying {place}: {error}")))
    }

    fn apply(&mut self, met: &Met, segment: u64, end: u64) -> Result<(), Error> {
        let header = met.front.header;
        let change = Change::decode(header.kind, header.flags, &met.front.key(), &met.front.meta())?;
        for bulk in change.bulks() {
            self.next_bulk = self.next_bulk.max(bulk + 1);
        }
        let view = self.core.view.load_full();
        let buckets = self.core.buckets.load();
        // A versioning state changes by a record of its own, so it is what it was when this record was written.
        let versioned = buckets
            .by_id
            .get(&header.bucket)
            .is_none_or(|entry| entry.bucket.versioning != crate::bucket::Versioning::Unversioned);
        let prior = Prior::load(&change, header.bucket, versioned, &view)?;
        let place = Place {
            segment,
            offset: u32::try_from(met.offset).map_err(|_| Error::TooLarge { what: "a segment" })?,
            length: header.length as u32,
            meta_bytes: header.meta_bytes as u32,
            orig_seq: header.orig_seq,
        };
        let released = self.core.publish_rows(&view.active, &change, header.bucket, prior, place, header.seq);
        // Before any mark passes this record: its floor must not leave the files behind.
        self.core.bulk.release(&released);
        view.active.publish(Mark { seq: header.seq, segment, offset: end, ..Mark::default() });
        if self.damaged {
            return Ok(());
        }
        if view.active.rows() >= self.core.options.memtable_entries_max
            || view.active.bytes() >= self.core.options.memtable_bytes_max
        {
            self.core.bulk.raise_next(self.next_bulk);
            self.core.checkpoint()?;
        }
        Ok(())
    }
}

impl Recovery {
    /// Reads the headers of all named segments and removes those that never got their name.
    fn find_segments(&mut self) -> Result<(), OpenError> {
        let names = self.vfs.read_dir(file::LOG).map_err(failed("reading log/"))?;
        for name in names {
            let path = format!("{}/{name}", file::LOG);
            if name.ends_with(".tmp") {
                self.vfs.remove(&path).map_err(failed("removing an unfinished segment"))?;
                continue;
            }
            let Some(id) = file::id_of(&name, ".seg") else { continue };
            let opened = self.vfs.open(&path, OpenMode::Write).map_err(failed("opening a log segment"))?;
            let header = read_header(&*opened, &self.uuid).map_err(failed("reading a log segment"))?;
            let length = opened.length().map_err(failed("reading a log segment"))?;
            match header {
                // The header identifies a segment, not the name.
                Ok(header) if header.id == id => {
                    self.segments.insert(id, Found { header, file: opened, length });
                }
                Ok(header) => self.damage.push(format!("{path} is segment {:016x} by its header", header.id)),
                Err(_) => self.damage.push(format!("{path}: the segment's header is damaged")),
            }
        }
        Ok(())
    }

    /// Opens the index, or sets it aside and begins an empty one, from which all of the log is replayed.
    fn open_index(&mut self, cache_bytes: usize) -> Result<(Index, Mark), OpenError> {
        let usable = |mark: &Mark| {
            mark.seq == 0 || self.segments.get(&mark.segment).is_none_or(|found| mark.offset <= found.length)
        };
        match Index::open(&*self.vfs, &self.uuid, cache_bytes) {
            Ok((index, mark)) if usable(&mark) => return Ok((index, mark)),
            Ok((index, mark)) => {
                // It is kept: nothing else knows what is missing.
                let path = file::segment(mark.segment);
                self.damage.push(format!("{path} is shorter than the index knows: acknowledged records are missing"));
                return Ok((index, mark));
            }
            Err(_) => {}
        }
        Core::set_aside(&*self.vfs, file::INDEX).map_err(failed("setting the index aside"))?;
        Index::open(&*self.vfs, &self.uuid, cache_bytes)
            .map_err(|error| OpenError::damaged(format!("a new index cannot be made: {error}")))
    }

    /// Replays everything beyond the mark and answers the end of the log.
    fn replay(&mut self, replay: &mut Replay<'_>, mark: Mark) -> Result<Option<Tail>, OpenError> {
        let ids: Vec<u64> = self.segments.keys().copied().filter(|id| *id >= mark.segment).collect();
        let mut tail = None;
        for (position, id) in ids.iter().enumerate() {
            let found = &self.segments[id];
            let (start, next_seq) = if *id == mark.segment {
                (mark.offset, mark.seq + 1)
            } else {
                (segment::BYTES as u64, found.header.first_seq)
            };
            let seal = ids.get(position + 1).map(|next| self.segments[next].header.sealed).filter(|s| s.id == *id);
            if let Some(seal) = seal {
                let damage = replay_sealed(replay, found, start, next_seq, seal)?;
                replay.damaged |= damage.is_some();
                self.damage.extend(damage);
            } else if position + 1 < ids.len() {
                // Its successor is missing, so nobody says where it ends.
                self.damage.push(format!("{}: the segment after it is missing", file::segment(*id)));
                replay.damaged = true;
                let (end, damage) = replay_last(replay, found, start, next_seq)?;
                for unproven in end.unproven {
                    replay.record(&unproven.met, *id, unproven.met.end())?;
                }
                self.damage.extend(damage);
            } else {
                let (end, damage) = replay_last(replay, found, start, next_seq)?;
                self.damage.extend(damage);
                tail = Some(end);
            }
        }
        Ok(tail)
    }

    /// I7: a segment that is missing without a record of its freeing is damage.
    fn check_gaps(&mut self, core: &Core, mark: Mark) -> Result<(), OpenError> {
        let newest = self.segments.keys().next_back().copied().unwrap_or(0).max(mark.segment);
        let view = core.view.load_full();
        for id in 1..=newest {
            if self.segments.contains_key(&id) {
                continue;
            }
            let freed = view.contains(Table::Freed, &key::number(id)).map_err(internal("reading freed segments"))?;
            let named = self.damage.iter().any(|line| line.contains(&file::segment(id)));
            if !freed && !named {
                self.damage.push(format!("{} is missing", file::segment(id)));
            }
        }
        Ok(())
    }

    /// Makes the log ready to be appended to: the unproven tail is written and synced anew before it counts.
    fn end_of_log(&mut self, core: &Core, tail: Option<Tail>, size: u64) -> Result<Option<Committer>, OpenError> {
        let last = self.segments.values().next_back();
        let Some((last, tail)) = last.zip(tail) else {
            return self.first_segment(core, size);
        };
        if !self.damage.is_empty() {
            // Mutations are refused, but what can be read of the tail is served.
            let mut replay = Replay { core, next_bulk: 1, damaged: true };
            for unproven in &tail.unproven {
                replay.record(&unproven.met, last.header.id, unproven.met.end())?;
            }
            return Ok(None);
        }
        if tail.clean && tail.unproven.is_empty() {
            let segment = core.segments.insert(last.header.id, Arc::clone(&last.file));
            return Ok(Some(Committer::new(segment, last.header.size, tail.proven, tail.last_seq + 1)));
        }
        let sealed = Seal { id: last.header.id, length: tail.proven, last_seq: tail.last_seq };
        let header = SegmentHeader { id: sealed.id + 1, size, first_seq: sealed.last_seq + 1, sealed };
        let mut records = Vec::new();
        let mut places = Vec::new();
        let seed = format::seed(&self.uuid, header.id);
        for unproven in &tail.unproven {
            let old = &unproven.met.front;
            let mut frame = Frame::new(old.header.kind, old.header.bucket, &old.key(), old.meta().to_vec())
                .with_data(unproven.data.clone());
            frame.flags = old.header.flags;
            frame.orig_seq = Some(old.header.orig_seq);
            places.push((segment::BYTES + records.len()) as u64);
            frame.encode(&mut records, seed, old.header.seq, segment::BYTES as u64);
            records.resize(records.len().next_multiple_of(format::RECORD_ALIGN as usize), 0);
        }
        let made =
            create(&*self.vfs, &self.uuid, &header, &records, self.reserve).map_err(failed("making a log segment"))?;
        let end = (segment::BYTES + records.len()) as u64;
        let opened = core.segments.insert(header.id, made);
        let mut replay = Replay { core, next_bulk: 1, damaged: false };
        let mut next_seq = header.first_seq;
        for (unproven, offset) in tail.unproven.into_iter().zip(places) {
            next_seq = unproven.met.front.header.seq + 1;
            let met = Met { offset, front: unproven.met.front };
            replay.record(&met, header.id, met.end())?;
        }
        core.bulk.raise_next(replay.next_bulk);
        core.segments.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Some(Committer::new(opened, size, end, next_seq)))
    }

    fn first_segment(&mut self, core: &Core, size: u64) -> Result<Option<Committer>, OpenError> {
        if !self.damage.is_empty() {
            return Ok(None);
        }
        let header = SegmentHeader { id: 1, size, first_seq: 1, sealed: Seal::default() };
        let made = create(&*self.vfs, &self.uuid, &header, &[], self.reserve)
            .map_err(failed("making the first log segment"))?;
        core.segments.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Some(Committer::new(core.segments.insert(1, made), size, segment::BYTES as u64, 1)))
    }

    /// Removes bulk files that no record names. Those below the mark's floor were examined before. Where any damage
    /// is known they are kept in `lost/`, since the record that named them may be what is damaged.
    fn sweep_bulk(&mut self, core: &Core, mark: Mark, next: u64) -> Result<u64, OpenError> {
        let mut next = next;
        let view = core.view.load_full();
        let found = self.vfs.read_dir(file::BULK).map_err(failed("reading bulk/"))?;
        let found: BTreeSet<u64> = (0..256).filter(|low| found.contains(&format!("{low:02x}"))).collect();
        for &low in &found {
            if !self.made {
                core.bulk.has_directory(low);
            }
            let names = self.vfs.read_dir(&file::bulk_directory(low)).map_err(failed("reading a bulk directory"))?;
            for id in names.iter().filter_map(|name| file::id_of(name, "")) {
                next = next.max(id + 1);
                if id < mark.bulk_floor {
                    continue;
                }
                let prefix = key::bulk_referrer(id, 0);
                let mut scan =
                    view.scan(Table::BulkRefs, &prefix[..9], &prefix[..9]).map_err(internal("reading references"))?;
                if scan.next().map_err(internal("reading references"))?.is_some() {
                    continue;
                }
                if self.damage.is_empty() {
                    self.vfs.remove(&file::bulk(id)).map_err(failed("removing an unused bulk segment"))?;
                } else {
                    Core::set_aside(&*self.vfs, &file::bulk(id)).map_err(failed("setting a bulk segment aside"))?;
                }
            }
        }
        // Also what a killed process had unlinked before is made durable: it is not seen any more, but a power cut would
        // bring it back below the floor.
        let unsettled = (mark.bulk_floor..next).take(256).map(|id| id & 0xff).filter(|low| found.contains(low));
        for low in unsettled {
            self.vfs.sync_dir(&file::bulk_directory(low)).map_err(failed("syncing a bulk directory"))?;
        }
        Ok(next)
    }
}

/// Replays a segment whose end its successor proves. What cannot be read in it has rotted.
fn replay_sealed(
    replay: &mut Replay<'_>,
    found: &Found,
    start: u64,
    first_seq: u64,
    seal: Seal,
) -> Result<Option<String>, OpenError> {
    let id = found.header.id;
    let mut walk = Walk::new(&*found.file, format::seed(&replay.core.uuid, id));
    let (mut offset, mut seq) = (start, first_seq);
    while offset < seal.length {
        let met = walk.record_at(offset).map_err(failed("reading a log segment"))?;
        let Some(met) = met.filter(|met| met.front.header.seq == seq && met.end() <= seal.length) else {
            return Ok(Some(format!("{}, offset {offset}: a record is damaged", file::segment(id))));
        };
        replay.record(&met, id, met.end())?;
        offset = met.end();
        seq += 1;
    }
    Ok(None)
}

/// Replays the proven part of the last segment, and answers what lies beyond it.
fn replay_last(
    replay: &mut Replay<'_>,
    found: &Found,
    start: u64,
    first_seq: u64,
) -> Result<(Tail, Option<String>), OpenError> {
    let reading = "reading a log segment";
    let id = found.header.id;
    let mut walk = Walk::new(&*found.file, format::seed(&replay.core.uuid, id));
    // A first walk finds how far the log is proven to have been synced: by the index's mark, or by a later record.
    let (mut proven, mut offset, mut seq) = (start, start, first_seq);
    while let Some(met) = walk.record_at(offset).map_err(failed(reading))?.filter(|met| met.front.header.seq == seq) {
        proven = proven.max(met.front.header.durable_offset.min(met.offset));
        offset = met.end();
        seq += 1;
    }
    let chain_end = offset;
    let rotten = walk.is_proven_beyond(chain_end, found.length).map_err(failed(reading))?;
    let (mut offset, mut seq) = (start, first_seq);
    while offset < proven {
        let met = walk.record_at(offset).map_err(failed(reading))?;
        let met = met.ok_or_else(|| OpenError::damaged(format!("{} changed while it was read", file::segment(id))))?;
        replay.record(&met, id, met.end())?;
        offset = met.end();
        seq += 1;
    }
    let mut tail = Tail { proven: offset, last_seq: seq - 1, unproven: Vec::new(), clean: false };
    while offset < chain_end {
        let Some(met) = walk.record_at(offset).map_err(failed(reading))? else { break };
        let Some(data) = walk.data_of(&met).map_err(failed(reading))? else { break };
        offset = met.end();
        tail.unproven.push(Unproven { met, data });
    }
    tail.clean = tail.proven == found.length;
    let damage = rotten.then(|| format!("{}, offset {chain_end}: a record is damaged", file::segment(id)));
    Ok((tail, damage))
}
