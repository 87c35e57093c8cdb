//! Opening a data directory: what is there is examined, proven, replayed, and only then served.
//!
//! The tail of the log is not trusted, for records that were never synced read back as valid from the page cache; and
//! rot is told from a torn tail, for one is damage and the other is what a crash leaves.

use std::any::Any;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bugs::{Bug, seeded};
use crate::bulk::BulkSegments;
use crate::clock::Clock;
use crate::core::{BucketTable, Core, Segments};
use crate::error::{Error, OpenError};
use crate::format::file;
use crate::found::{FoundLog, failed};
use crate::index::{CHECKED_AT_START_BYTES_MAX, Checkup, Comparing, Index, IndexError};
use crate::log::Committer;
use crate::memtable::{Mark, Memtable};
use crate::meta::BucketMeta;
use crate::rebuild::{self, Rebuilt};
use crate::replay::Replay;
use crate::request::{Durability, Options};
use crate::reserve::Reserve;
use crate::row::{Place, Table, key};
use crate::settle::{Room, Settled};
use crate::spare::Spare;
use crate::superblock::{self, Identity};
use crate::sync::atomic::AtomicBool;
use crate::sync::{Mutex, lock};
use crate::vfs::{OpenMode, OverlayVfs, Vfs, is_full};
use crate::view::View;

fn internal(what: &str) -> impl FnOnce(Error) -> OpenError + '_ {
    move |error| OpenError::damaged(format!("{what}: {}", error.told()))
}

fn index_failed(error: IndexError) -> OpenError {
    OpenError::damaged(format!("the index cannot be read: {error}"))
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
    superblock::find_format(&*vfs)?;
    let mut lock_file = Some(vfs.lock(file::LOCK, OpenMode::Create).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse(PathBuf::new()),
        _ => OpenError::NotWritable(PathBuf::new(), error),
    })?);
    let in_place = probe.in_place;
    let mut attempt = |report| recover(&vfs, &clock, &options, threads, in_place, report, &mut lock_file);
    match attempt(Vec::new()) {
        Err(OpenError::Damaged { what, .. }) if !index_is_sound(&vfs) => {
            // A row led recovery to what has rotted. The log has all that the index knew.
            Core::set_aside_if_there(&*vfs, file::INDEX).map_err(failed("setting the index aside"))?;
            attempt(vec![format!("the index was set aside: {what}")])
        }
        opened => opened,
    }
}

/// Whether there is an index whose pages match their checksums, or none.
fn index_is_sound(vfs: &Arc<dyn Vfs>) -> bool {
    let is_missing =
        matches!(vfs.open(file::INDEX, OpenMode::Read), Err(error) if error.kind() == io::ErrorKind::NotFound);
    is_missing || Index::check(vfs).is_ok()
}

/// Recovers the store of a directory that is locked.
fn recover(
    vfs: &Arc<dyn Vfs>,
    clock: &Arc<dyn Clock>,
    options: &Options,
    threads: bool,
    in_place: bool,
    mut report: Vec<String>,
    lock_file: &mut Option<Box<dyn Any + Send + Sync>>,
) -> Result<(Arc<Core>, Option<Committer>), OpenError> {
    let (vfs, clock, options) = (Arc::clone(vfs), Arc::clone(clock), options.clone());
    // Of all that a start does this takes longest, and nothing depends on it until the index is opened.
    let comparing = if threads { Index::compare_ahead(&vfs) } else { None };
    let Identity { uuid, made, newest } = superblock::open_format(&*vfs)?;
    // A process that was killed between a rename and the sync of its directory left names that only the page cache
    // knows. Nothing may be built on them before they are durable. In a store that was just made there are none.
    if !made {
        for directory in ["", file::LOG, file::BULK] {
            let what = if directory.is_empty() { "the data directory" } else { directory };
            vfs.sync_dir(directory).map_err(failed(&format!("syncing {what}")))?;
        }
    }
    remove_transient(&*vfs)?;
    let strict = options.durability == Durability::Strict;
    let (options, low_water) = sized(options, &*vfs)?;
    let size = options.segment_bytes.unwrap_or(64 << 20);
    let reserve = Reserve::new(Arc::clone(&vfs), low_water);
    reserve.adopt();

    let mut log = FoundLog::find(Arc::clone(&vfs), uuid)?;
    let (indexed, unchecked) = open_index(&mut log, &options, threads, comparing, &reserve, &mut report)?;
    let mark = indexed.as_ref().map(|(_, mark)| *mark).unwrap_or_default();
    if let Some((index, _)) = &indexed {
        log.freed = index_freed(index).map_err(index_failed)?;
    }
    let noted = newest.read();
    let stale = log.account_for_gaps(&mark, noted, indexed.is_some())?;
    let fresh = indexed.is_none() && log.segments.is_empty();
    let rebuilding = stale || (indexed.is_none() && !fresh);
    if rebuilding {
        log.adopt_logged_freed()?;
    }
    log.leave_out_freed();
    log.measure();
    let mut indexed = match indexed {
        Some(indexed) if !stale => Some(indexed),
        outdated => {
            if outdated.is_some() {
                report.push("the index was older than the log and was set aside".to_owned());
            }
            drop(outdated);
            // Durably, and before the tail is written again without regard to its mark: an index that a power cut
            // brought back would know records of a tail that no longer counts.
            Core::set_aside_if_there(&*vfs, file::INDEX).map_err(failed("setting the index aside"))?;
            None
        }
    };
    let room =
        Room { reserve: &reserve, segment_bytes: size, low_water_bytes: low_water, durability: options.durability };
    let mut settled = log.settle(if rebuilding { Mark::default() } else { mark }, &room)?;
    if let (Settled::NoRoom, Some(_)) = (&settled, &indexed) {
        // The index is disposable, and its file is room.
        indexed = None;
        report.push("the index was removed for want of space".to_owned());
        remove_index(&*vfs)?;
        settled = log.settle(Mark::default(), &room)?;
    }
    let no_room = matches!(settled, Settled::NoRoom);
    let (index, mark) = match indexed {
        Some(indexed) => indexed,
        None if fresh => Index::open(&vfs, &uuid, options.index_cache_bytes, None).map_err(index_failed)?,
        None => {
            // What is not durable must not be in an index that is.
            let Rebuilt { index, mark, records } =
                rebuild_index(&mut log, &reserve, options.index_cache_bytes, no_room)
                    .map_err(internal("rebuilding"))?;
            let place = if index.is_in_memory() { " in memory, for want of space" } else { "" };
            report.push(format!("the index was rebuilt from {records} records{place}"));
            (index, mark)
        }
    };
    let base = index.snapshot().map_err(index_failed)?;
    let view = View { active: Arc::new(Memtable::new()), frozen: None, base: Arc::new(base) };
    let bulk = Arc::new(BulkSegments::new(Arc::clone(&vfs), uuid, !strict, low_water, mark.bulk_floor, mark.bulk_next));
    let segments = Segments::new(Arc::clone(&vfs), uuid);
    let usage = index.usage().map_err(index_failed)?;
    let space = index.space().map_err(index_failed)?;
    let spare = Spare::new(strict && in_place);
    let mut core = Core::new(
        Arc::clone(&vfs),
        clock,
        options,
        uuid,
        view,
        index,
        bulk,
        segments,
        newest,
        reserve,
        spare,
        low_water,
    );
    if no_room {
        core.poison("there is no space to write the end of the log again: free some and start again");
    }
    core.usage = Mutex::new(usage.into_iter().collect());
    core.space = Mutex::new(space);
    core.applied_seq.store(mark.seq, crate::sync::atomic::Ordering::Release);
    load_buckets(&core).map_err(internal("reading the buckets"))?;
    let next_bulk = Replay::new(&core, &log).run(&mut log, mark)?.max(mark.bulk_next).max(1);
    log.freed = core.freed().map_err(internal("reading freed segments"))?;
    log.leave_out_freed();
    log.unlink_left_out()?;
    log.hand_over(&core);
    let committer = match settled {
        Settled::End(end) => Some(end.committer(&core)),
        Settled::Nothing if log.damage.is_empty() => Some(log.first_segment(&core, size, strict)?),
        Settled::Nothing | Settled::Damaged | Settled::NoRoom => None,
    };
    let next_bulk = sweep_bulk(&core, &log.damage, made, mark, next_bulk)?;
    core.bulk.raise_next(next_bulk);
    core.bulk.recovered();
    if let Some(committer) = &committer
        && noted.is_none_or(|noted| noted < committer.segment_id())
    {
        match core.newest.note(committer.segment_id(), strict) {
            // As while running: a full disk is no reason to stop.
            Err(error) if is_full(&error) => {}
            noted => noted.map_err(failed("noting the newest segment"))?,
        }
    }
    core.damage = log.damage;
    if !seeded(Bug::NoDoubt) {
        core.doubt = log.doubt;
    }
    core.recovery = report;
    core.look_at_space();
    core.note_size(&lock(&core.index));
    core.index_unchecked = AtomicBool::new(unchecked);
    core.lock_file = Mutex::new(lock_file.take());
    if threads {
        return Ok((Arc::new(core), committer));
    }
    core.inline = committer.map(|mut committer| {
        let step: crate::core::Step = Box::new(move |core| _ = committer.step(core, false));
        Mutex::new(step)
    });
    Ok((Arc::new(core), None))
}

/// The options with the sizes that depend on the file system, and the low-water mark.
fn sized(mut options: Options, vfs: &dyn Vfs) -> Result<(Options, u64), OpenError> {
    let space = vfs.space().map_err(failed("asking for free space"))?;
    let size = options.segment_bytes.unwrap_or((space.total_bytes / 64).clamp(1 << 20, 64 << 20));
    options.segment_bytes = Some(size.clamp(4096, 1 << 30));
    let low_water = options.low_water_bytes.unwrap_or((space.total_bytes / 64).clamp(1 << 20, 1 << 30));
    Ok((options, low_water))
}

/// What a killed process left of making an index.
fn remove_transient(vfs: &dyn Vfs) -> Result<(), OpenError> {
    for path in file::TRANSIENT {
        match vfs.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound && !is_full(&error) => {
                return Err(OpenError::io("removing an unfinished index", error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes the index, durably, so that a power cut does not bring it back.
fn remove_index(vfs: &dyn Vfs) -> Result<(), OpenError> {
    match vfs.remove(file::INDEX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| vfs.sync_dir("")).map_err(failed("removing the index")),
    }
}

/// Makes the index anew from the log: where it belongs if there is room, else with the space that was set aside, and in
/// memory if there is none at all, or if `in_memory` says so.
fn rebuild_index(log: &mut FoundLog, reserve: &Reserve, cache_bytes: usize, in_memory: bool) -> Result<Rebuilt, Error> {
    let (vfs, damage) = (Arc::clone(&log.vfs), log.damage.clone());
    let mut attempt = |vfs: &Arc<dyn Vfs>| {
        log.damage.clone_from(&damage);
        let rebuilt = rebuild::rebuild(log, vfs, file::INDEX, cache_bytes);
        if matches!(rebuilt, Err(Error::NoSpace)) {
            // An unfinished one is nobody's loss, and the next attempt starts from nothing.
            for path in [file::INDEX, file::SORT[0], file::SORT[1]] {
                let _ = vfs.remove(path);
            }
        }
        rebuilt
    };
    if !in_memory {
        match attempt(&vfs) {
            Err(Error::NoSpace) => {}
            rebuilt => return rebuilt,
        }
        if reserve.borrow(u64::MAX).is_some() {
            match attempt(&vfs) {
                Err(Error::NoSpace) => {}
                rebuilt => return rebuilt,
            }
        }
    }
    let memory: Arc<dyn Vfs> = Arc::new(OverlayVfs::new(vfs));
    let mut rebuilt = attempt(&memory)?;
    rebuilt.index.is_kept_in_memory();
    Ok(rebuilt)
}

/// An index and its mark, if it can be used.
type Opened = Option<(Index, Mark)>;

/// Opens the index, or lets it be; also answers whether it is still to be compared with its checksums.
fn open_index(
    log: &mut FoundLog,
    options: &Options,
    threads: bool,
    comparing: Option<Comparing>,
    reserve: &Reserve,
    report: &mut Vec<String>,
) -> Result<(Opened, bool), OpenError> {
    let (vfs, uuid) = (&Arc::clone(&log.vfs), log.uuid);
    let mut unchecked = false;
    let is_there = match vfs.open(file::INDEX, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(OpenError::io("opening the index", error)),
        Ok(found) => found.length().map_err(failed("reading the index"))? > 0,
    };
    if !is_there {
        if !log.segments.is_empty() {
            report.push("the index was missing".to_owned());
        }
        return Ok((None, false));
    }
    let opened = open_with_room(vfs, &uuid, options.index_cache_bytes, comparing, reserve).and_then(|(index, mark)| {
        // Where headers are damaged already the index may be all that is known of what they held.
        if log.damage.is_empty() {
            unchecked = threads && index.file_bytes()? > CHECKED_AT_START_BYTES_MAX;
            if unchecked {
                // What is served at once is read now, and the rest soon.
                check_rows(&index, &[Table::Config, Table::Buckets])?;
            } else {
                if !index.is_as_left() {
                    index.checkup().and_then(Checkup::run)?;
                }
                check_rows(&index, &[Table::Buckets])?;
            }
        }
        Ok((index, mark))
    });
    match opened {
        Ok((_, mark)) if log.extent(mark.segment).is_some_and(|extent| mark.offset > extent.length) => {
            report.push("the index knows a tail of the log that no longer counts, and was set aside".to_owned());
        }
        Ok((index, mark)) => {
            let short = log.segments.get(&mark.segment).is_some_and(|found| mark.offset > found.length);
            if mark.seq > 0 && short {
                // It is kept: nothing else knows what is missing.
                let path = file::segment(mark.segment);
                log.damage.push(format!("{path} is shorter than the index knows: acknowledged records are missing"));
            }
            return Ok((Some((index, mark)), unchecked));
        }
        Err(IndexError::Unfinished) => {
            report.push("the index was unfinished".to_owned());
            vfs.remove(file::INDEX).map_err(failed("removing an unfinished index"))?;
        }
        Err(IndexError::NoSpace) => {
            report.push("the index was removed, for it could not be opened for want of space".to_owned());
            remove_index(&**vfs)?;
        }
        Err(error @ (IndexError::Closed | IndexError::Failed(_))) => {
            report.push(format!("the index was set aside: {error}"));
        }
    }
    Ok((None, false))
}

/// Opens the index, with the space that was set aside if it takes some; if there is none what is written stays in memory.
fn open_with_room(
    vfs: &Arc<dyn Vfs>,
    uuid: &[u8; 16],
    cache_bytes: usize,
    comparing: Option<Comparing>,
    reserve: &Reserve,
) -> Result<(Index, Mark), IndexError> {
    let mut opened = Index::open(vfs, uuid, cache_bytes, comparing);
    if matches!(opened, Err(IndexError::NoSpace)) && reserve.borrow(u64::MAX).is_some() {
        opened = Index::open(vfs, uuid, cache_bytes, None);
    }
    if matches!(opened, Err(IndexError::NoSpace)) {
        let memory: Arc<dyn Vfs> = Arc::new(OverlayVfs::new(Arc::clone(vfs)));
        opened = Index::open(&memory, uuid, cache_bytes, None);
        if let Ok((index, _)) = &mut opened {
            index.is_kept_in_memory();
        }
    }
    opened
}

/// Reads the rows of these tables, and the counts. If one of them fails its checksum the log still has what it said.
fn check_rows(index: &Index, tables: &[Table]) -> Result<(), IndexError> {
    let rows = index.snapshot()?;
    for table in tables {
        let mut scan = rows.scan(*table, &[], &[])?;
        while scan.key().is_some() {
            scan.value()?;
            scan.advance()?;
        }
    }
    index_freed(index)?;
    index.usage()?;
    index.space().map(drop)
}

/// The segments that were freed when the index was last written.
fn index_freed(index: &Index) -> Result<crate::freed::Freed, IndexError> {
    let row = index.snapshot()?.get(Table::Freed, &[], |row| {
        let (_, freed) = Place::split(row)?;
        crate::freed::Freed::decode(freed)
    })?;
    Ok(row.transpose()?.unwrap_or_default())
}

fn load_buckets(core: &Core) -> Result<(), Error> {
    let mut table = BucketTable::default();
    core.view().for_each(Table::Buckets, &[], |_, row| {
        if let BucketMeta::Is(bucket) = BucketMeta::decode(Place::split(row)?.1)? {
            table.insert(bucket);
        }
        Ok(())
    })?;
    core.buckets.store(Arc::new(table));
    Ok(())
}

/// Removes bulk files that no record names. Those below the mark's floor were examined before. Where any damage
/// is known they are kept in `lost/`, since the record that named them may be what is damaged.
fn sweep_bulk(core: &Core, damage: &[String], made: bool, mark: Mark, next: u64) -> Result<u64, OpenError> {
    let mut next = next;
    let view = core.view.load_full();
    let found = core.vfs.read_dir(file::BULK).map_err(failed("reading bulk/"))?;
    let found: BTreeSet<u64> = found.iter().filter_map(|name| file::bulk_directory_of(name)).collect();
    for &low in &found {
        if !made {
            core.bulk.has_directory(low);
        }
        let names = core.vfs.read_dir(&file::bulk_directory(low)).map_err(failed("reading a bulk directory"))?;
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
            if damage.is_empty() {
                core.vfs.remove(&file::bulk(id)).map_err(failed("removing an unused bulk segment"))?;
            } else {
                Core::set_aside(&*core.vfs, &file::bulk(id)).map_err(failed("setting a bulk segment aside"))?;
            }
        }
    }
    // Also what a killed process had unlinked before is made durable: it is not seen any more, but a power cut would
    // bring it back below the floor.
    let unsettled = (mark.bulk_floor..next).take(256).map(|id| id & 0xff).filter(|low| found.contains(low));
    for low in unsettled {
        core.vfs.sync_dir(&file::bulk_directory(low)).map_err(failed("syncing a bulk directory"))?;
    }
    Ok(next)
}
