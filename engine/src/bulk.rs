//! Bulk segments: files of their own that each hold one body or part above the inline limit.
//!
//! The file system allocates them, so parallel uploads do not wait for each other and a delete is an unlink. Their
//! checksums lie in a trailer, whose digest is in the record that names the file: a swapped, stale or misdirected file
//! is never served.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::bugs::{Bug, seeded};
use crate::error::Error;
use crate::format::{self, BLOCK_BYTES, FORMAT_VERSION, checksum, file, seed, trailer, u32_at, u64_at};
use crate::meta::BulkName;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, lock};
use crate::vfs::{OpenMode, VFile, Vfs, read_exact_at};

/// A body is synced whenever this much was written since the last time, so that the final sync is short.
const SYNC_BYTES: u64 = 16 << 20;
/// Free space is looked at whenever this much was written.
const LOOK_BYTES: u64 = 1 << 20;
/// Writes reach the file in this size.
const WRITE_BYTES: usize = 1 << 20;
/// The largest body of one bulk segment: S3's largest single put.
pub(crate) const BULK_BYTES_MAX: u64 = 5 << 30;
/// Trailers kept in memory, in bytes.
const TRAILER_CACHE_BYTES: usize = 16 << 20;

/// The bulk segments of a store.
pub(crate) struct BulkSegments {
    vfs: Arc<dyn Vfs>,
    uuid: [u8; 16],
    relaxed: bool,
    /// Free space below which a body is given up.
    /// Free space below which no body is taken in: the low-water mark, and what is missing in the reserve.
    wanted_free_bytes: AtomicU64,
    state: Mutex<State>,
    released: Condvar,
    trailers: Mutex<Trailers>,
    /// By the low byte of the ids in it: whether the name of a directory is durable.
    named: [AtomicBool; 256],
    /// A directory could not be synced: whether later syncs of it mean anything is not known (I6).
    sync_failed: AtomicBool,
    pub(crate) syncs: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Being written, or written and not yet named by a published record.
    in_making: BTreeSet<u64>,
    /// Whose references were taken away, with the referrers that were: unlinked once nobody reads through them.
    releasing: BTreeMap<u64, Vec<u64>>,
    /// While this is not 0 nothing is unlinked.
    holds: usize,
    /// Referrers whose bulk segments are being read or shared, with a count.
    pins: HashMap<u64, usize>,
    /// While the store recovers: the floor of the mark that it began with, since files from there on were not looked at.
    recovering: Option<u64>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Trailers {
    by_id: HashMap<u64, Arc<[u32]>>,
    bytes: usize,
}

impl fmt::Debug for BulkSegments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BulkSegments")
    }
}

impl BulkSegments {
    pub(crate) fn new(
        vfs: Arc<dyn Vfs>,
        uuid: [u8; 16],
        relaxed: bool,
        low_water_bytes: u64,
        floor: u64,
        next: u64,
    ) -> BulkSegments {
        BulkSegments {
            wanted_free_bytes: AtomicU64::new(low_water_bytes),
            vfs,
            uuid,
            relaxed,
            state: Mutex::new(State { next: next.max(1), recovering: Some(floor), ..State::default() }),
            released: Condvar::new(),
            trailers: Mutex::default(),
            named: [const { AtomicBool::new(false) }; 256],
            sync_failed: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Sets the free space below which no body is taken in.
    pub(crate) fn want_free(&self, bytes: u64) {
        self.wanted_free_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The directory of this id was found at start, and its name is durable.
    pub(crate) fn has_directory(&self, id: u64) {
        self.named[(id & 0xff) as usize].store(true, Ordering::Release);
    }

    /// Makes the file of a new id, and its directory if that is not there.
    fn create(&self, id: u64) -> io::Result<Arc<dyn VFile>> {
        match self.vfs.open(&file::bulk(id), OpenMode::CreateNew) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.vfs.create_dir(&file::bulk_directory(id))?;
                self.vfs.open(&file::bulk(id), OpenMode::CreateNew)
            }
            opened => opened,
        }
    }

    /// Makes the name of a file durable, with that of its directory (I2).
    fn sync_name(&self, id: u64) -> io::Result<()> {
        if self.relaxed || seeded(Bug::NoSyncOfBulkName) {
            return Ok(());
        }
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(io::Error::other("a sync of a bulk directory failed before"));
        }
        let named = &self.named[(id & 0xff) as usize];
        let synced = (|| {
            // Who made the directory may not have synced it yet, so whoever comes first does.
            if !named.load(Ordering::Acquire) {
                self.vfs.sync_dir(file::BULK)?;
                named.store(true, Ordering::Release);
            }
            self.vfs.sync_dir(&file::bulk_directory(id))
        })();
        if synced.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    pub(crate) fn writer(self: &Arc<BulkSegments>) -> Result<BulkWriter, Error> {
        let id = {
            let mut state = lock(&self.state);
            let id = state.next;
            state.next += 1;
            state.in_making.insert(id);
            id
        };
        let making = Making { segments: Arc::clone(self), id };
        let file = self.create(id)?;
        Ok(BulkWriter {
            making,
            file,
            length: 0,
            synced: 0,
            looked: 0,
            buffer: Vec::new(),
            hasher: crc32fast::Hasher::new_with_initial(seed(&self.uuid, id)),
            block_filled: 0,
            crcs: Vec::new(),
            failed: false,
        })
    }

    /// For the mark: no id below the first is without a record or waiting to be unlinked; the second is the next id.
    pub(crate) fn floor(&self) -> (u64, u64) {
        let state = lock(&self.state);
        let making = state.in_making.first().copied();
        let releasing = state.releasing.keys().next().copied();
        (making.into_iter().chain(releasing).chain(state.recovering).min().unwrap_or(state.next), state.next)
    }

    /// Every file was looked at, and what the replayed records released was handed over.
    pub(crate) fn recovered(&self) {
        lock(&self.state).recovering = None;
    }

    /// No id below `next` is given out again.
    pub(crate) fn raise_next(&self, next: u64) {
        let mut state = lock(&self.state);
        state.next = state.next.max(next);
    }

    /// Keeps everything that record `referrer` refers to readable.
    pub(crate) fn pin(self: &Arc<BulkSegments>, referrer: u64) -> Pin {
        *lock(&self.state).pins.entry(referrer).or_default() += 1;
        Pin { segments: Arc::clone(self), referrer }
    }

    /// Nothing that a record named is unlinked while this is held.
    pub(crate) fn hold(self: &Arc<BulkSegments>) -> Hold {
        lock(&self.state).holds += 1;
        Hold { segments: Arc::clone(self) }
    }

    /// Whether no record names the segment yet.
    pub(crate) fn is_in_making(&self, id: u64) -> bool {
        lock(&self.state).in_making.contains(&id)
    }

    /// Hands segments over to be unlinked, once it is certain that nothing refers to them. The record that took the
    /// references away is durable.
    pub(crate) fn release(&self, released: &[crate::meta::Release]) {
        if released.is_empty() {
            return;
        }
        let mut state = lock(&self.state);
        for (bulk, referrer) in released {
            state.releasing.entry(*bulk).or_default().push(*referrer);
        }
        drop(state);
        self.released.notify_all();
    }

    /// Unlinks what was released, has no reference left by `is_referred`, and is not pinned. Answers how many remain.
    pub(crate) fn unlink_released(&self, is_referred: impl Fn(u64) -> Result<bool, Error>) -> usize {
        let candidates: Vec<u64> = {
            let state = lock(&self.state);
            if state.holds > 0 {
                return state.releasing.len();
            }
            let unpinned = state
                .releasing
                .iter()
                .filter(|(_, referrers)| referrers.iter().all(|referrer| !state.pins.contains_key(referrer)));
            unpinned.map(|(bulk, _)| *bulk).collect()
        };
        let mut unlinked = Vec::new();
        for bulk in candidates {
            // Whoever shares a segment pins its referrer first and then makes sure that it is still current, so a
            // segment without a reference and without a pin cannot gain either.
            let referred = if seeded(Bug::UnlinkReferred) { Ok(false) } else { is_referred(bulk) };
            match referred {
                Ok(false) => {
                    self.forget_trailer(bulk);
                    match self.vfs.remove(&file::bulk(bulk)) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                        _ => unlinked.push(bulk),
                    }
                }
                Ok(true) => _ = lock(&self.state).releasing.remove(&bulk),
                // The index failed: the file stays, and the next start finds it above the floor.
                Err(_) => {}
            }
        }
        // Until the unlink is durable the id holds the mark's floor down, so that a power cut which brings the name back
        // leaves no file that nobody looks at.
        let directories: BTreeSet<String> = unlinked.iter().map(|bulk| file::bulk_directory(*bulk)).collect();
        let durable = self.relaxed
            || directories.iter().all(|directory| match self.vfs.sync_dir(directory) {
                // Nothing was ever in it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => true,
                synced => synced.is_ok(),
            });
        let mut state = lock(&self.state);
        if durable {
            for bulk in unlinked {
                state.releasing.remove(&bulk);
            }
        }
        state.releasing.len()
    }

    /// Waits until something may be unlinked; false once closed.
    pub(crate) fn wait_for_releases(&self) -> bool {
        let state = lock(&self.state);
        if state.closed {
            return false;
        }
        let state = if state.releasing.is_empty() {
            self.released.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner)
        } else {
            let pause = std::time::Duration::from_millis(50);
            self.released.wait_timeout(state, pause).unwrap_or_else(std::sync::PoisonError::into_inner).0
        };
        !state.closed
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.released.notify_all();
    }

    /// Opens a segment that a record names, and its verified trailer. `WouldBlock` cannot be told before the file is
    /// opened, so callers that may not wait do not come here.
    pub(crate) fn open(self: &Arc<BulkSegments>, name: &BulkName) -> Result<BulkReader, Error> {
        let place = file::bulk(name.id);
        let file = match self.vfs.open(&place, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::damaged("a bulk segment is missing", place));
            }
            other => other?,
        };
        let cached = lock(&self.trailers).by_id.get(&name.id).cloned();
        let crcs = match cached {
            Some(crcs) => crcs,
            None => {
                let crcs = self.read_trailer(&*file, name)?;
                self.keep_trailer(name.id, &crcs);
                crcs
            }
        };
        Ok(BulkReader { file, crcs, seed: seed(&self.uuid, name.id), name: *name })
    }

    /// Likewise, with the trailer read from the disk.
    pub(crate) fn open_afresh(self: &Arc<BulkSegments>, name: &BulkName) -> Result<BulkReader, Error> {
        self.forget_trailer(name.id);
        self.open(name)
    }

    fn read_trailer(&self, file: &dyn VFile, name: &BulkName) -> Result<Arc<[u32]>, Error> {
        let place = || file::bulk(name.id);
        let blocks = usize::try_from(name.length.div_ceil(BLOCK_BYTES as u64))
            .map_err(|_| Error::TooLarge { what: "a bulk segment" })?;
        let mut bytes = vec![0; trailer::BYTES + 4 * blocks + trailer::CRC_BYTES];
        match read_exact_at(file, &mut bytes, name.length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Error::damaged("a bulk segment is too short", place()));
            }
            other => other?,
        }
        decode_trailer(&bytes, name).ok_or_else(|| {
            Error::damaged("the trailer of a bulk segment is not the one that its record names", place())
        })
    }

    fn keep_trailer(&self, id: u64, crcs: &Arc<[u32]>) {
        let mut trailers = lock(&self.trailers);
        if trailers.bytes + 4 * crcs.len() > TRAILER_CACHE_BYTES {
            *trailers = Trailers::default();
        }
        if trailers.by_id.insert(id, Arc::clone(crcs)).is_none() {
            trailers.bytes += 4 * crcs.len() + 64;
        }
    }

    fn forget_trailer(&self, id: u64) {
        let mut trailers = lock(&self.trailers);
        if let Some(crcs) = trailers.by_id.remove(&id) {
            trailers.bytes = trailers.bytes.saturating_sub(4 * crcs.len() + 64);
        }
    }
}

/// The checksums of the blocks, if the trailer is the one that the name has the digest of.
pub(crate) fn decode_trailer(bytes: &[u8], name: &BulkName) -> Option<Arc<[u32]>> {
    let blocks = usize::try_from(name.length.div_ceil(BLOCK_BYTES as u64)).ok()?;
    let is_whole = bytes.len() == blocks.checked_mul(4)?.checked_add(trailer::BYTES + trailer::CRC_BYTES)?;
    let intact = is_whole
        && *blake3::hash(bytes).as_bytes() == name.digest
        && u64_at(bytes, trailer::ID) == name.id
        && u64_at(bytes, trailer::LENGTH) == name.length;
    intact.then(|| (0..blocks).map(|block| u32_at(bytes, trailer::BYTES + 4 * block)).collect())
}

/// Keeps what a record refers to readable while it is held.
#[derive(Debug)]
pub(crate) struct Pin {
    segments: Arc<BulkSegments>,
    referrer: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = lock(&self.segments.state);
        if let Some(count) = state.pins.get_mut(&self.referrer) {
            *count -= 1;
            if *count == 0 {
                state.pins.remove(&self.referrer);
            }
        }
        drop(state);
        self.segments.released.notify_all();
    }
}

/// Keeps all segments that records name while it is held.
#[derive(Debug)]
pub(crate) struct Hold {
    segments: Arc<BulkSegments>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.segments.state).holds -= 1;
        self.segments.released.notify_all();
    }
}

/// A segment that no published record names; dropped, its file is removed.
#[derive(Debug)]
struct Making {
    segments: Arc<BulkSegments>,
    id: u64,
}

impl Drop for Making {
    fn drop(&mut self) {
        if !lock(&self.segments.state).in_making.contains(&self.id) {
            return;
        }
        // Its space is given back at once; the unlinker makes that durable, or tries again.
        let _ = self.segments.vfs.remove(&file::bulk(self.id));
        let mut state = lock(&self.segments.state);
        state.releasing.entry(self.id).or_default();
        state.in_making.remove(&self.id);
        drop(state);
        self.segments.released.notify_all();
    }
}

/// Streams a body of any length into a bulk segment in constant memory. Dropped before `finish`, it removes the file.
pub struct BulkWriter {
    making: Making,
    file: Arc<dyn VFile>,
    /// Bytes taken in; those of `buffer` have not reached the file.
    length: u64,
    synced: u64,
    /// Where free space was last looked at.
    looked: u64,
    buffer: Vec<u8>,
    hasher: crc32fast::Hasher,
    block_filled: usize,
    crcs: Vec<u32>,
    failed: bool,
}

impl fmt::Debug for BulkWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkWriter").field("id", &self.making.id).field("length", &self.length).finish()
    }
}

impl BulkWriter {
    /// Appends `bytes`. Blocks while the disk is behind; synced every 16 MiB.
    ///
    /// # Errors
    /// `NoSpace`, `Io`, `TooLarge` above 5 GiB; the writer is of no use afterwards.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Invalid { what: "a bulk segment whose writing failed before" });
        }
        let written = self.take_in(bytes);
        self.failed = written.is_err();
        written
    }

    fn take_in(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.length + bytes.len() as u64 > BULK_BYTES_MAX {
            return Err(Error::TooLarge { what: "a body above 5 GiB" });
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(BLOCK_BYTES - self.block_filled));
            self.hasher.update(head);
            self.block_filled += head.len();
            if self.block_filled == BLOCK_BYTES {
                self.end_block();
            }
            rest = tail;
        }
        self.length += bytes.len() as u64;
        if self.buffer.is_empty() && bytes.len() >= WRITE_BYTES {
            self.file.write_at(bytes, self.length - bytes.len() as u64)?;
        } else {
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        let on_file = self.length - self.buffer.len() as u64;
        if on_file - self.looked >= LOOK_BYTES {
            self.looked = on_file;
            let segments = &self.making.segments;
            if segments.vfs.space()?.free_bytes < segments.wanted_free_bytes.load(Ordering::Relaxed) {
                return Err(Error::NoSpace);
            }
        }
        if on_file - self.synced >= SYNC_BYTES {
            self.sync()?;
            self.synced = on_file;
        }
        Ok(())
    }

    /// Syncs the file and its directory entry. Blocks.
    ///
    /// # Errors
    /// `NoSpace`, `Io`; the file is removed.
    pub fn finish(mut self) -> Result<BulkBody, Error> {
        if self.failed {
            return Err(Error::Invalid { what: "a bulk segment whose writing failed before" });
        }
        if self.block_filled > 0 {
            self.end_block();
        }
        let trailer = self.trailer();
        self.buffer.extend_from_slice(&trailer);
        let start = self.length - (self.buffer.len() - trailer.len()) as u64;
        self.file.write_at(&self.buffer, start)?;
        self.sync()?;
        let segments = &self.making.segments;
        segments.sync_name(self.making.id)?;
        segments.bytes.fetch_add(self.length, Ordering::Relaxed);
        let digest = *blake3::hash(&trailer).as_bytes();
        let name = BulkName { id: self.making.id, length: self.length, digest };
        Ok(BulkBody { name, making: self.making })
    }

    /// Bytes written so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    fn end_block(&mut self) {
        let fresh = crc32fast::Hasher::new_with_initial(seed(&self.making.segments.uuid, self.making.id));
        self.crcs.push(std::mem::replace(&mut self.hasher, fresh).finalize());
        self.block_filled = 0;
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.length - self.buffer.len() as u64)?;
        self.buffer.clear();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if !self.making.segments.relaxed && !seeded(Bug::NoSyncOfBulk) {
            self.making.segments.syncs.fetch_add(1, Ordering::Relaxed);
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn trailer(&self) -> Vec<u8> {
        let mut bytes = vec![0; trailer::BYTES];
        let mut field = |offset: usize, value: &[u8]| bytes[offset..offset + value.len()].copy_from_slice(value);
        field(trailer::MAGIC, &trailer::MAGIC_VALUE);
        field(trailer::VERSION, &FORMAT_VERSION.to_le_bytes());
        let blocks = u32::try_from(self.crcs.len()).expect("bounded by BULK_BYTES_MAX / BLOCK_BYTES");
        field(trailer::BLOCKS, &blocks.to_le_bytes());
        field(trailer::UUID, &self.making.segments.uuid);
        field(trailer::ID, &self.making.id.to_le_bytes());
        field(trailer::LENGTH, &self.length.to_le_bytes());
        for crc in &self.crcs {
            bytes.extend_from_slice(&crc.to_le_bytes());
        }
        let crc = checksum(seed(&self.making.segments.uuid, self.making.id), &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// A finished bulk segment that no record names yet. Dropped unused, its file is removed.
#[derive(Debug)]
pub struct BulkBody {
    pub(crate) name: BulkName,
    making: Making,
}

impl BulkBody {
    /// Its length, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.name.length
    }

    /// A published record names it: the file is kept from now on.
    pub(crate) fn keep(self) {
        lock(&self.making.segments.state).in_making.remove(&self.name.id);
    }

    /// The record that names it may be durable, or not: the next start decides.
    pub(crate) fn leave(self) {
        std::mem::forget(self.making);
    }
}

/// An opened bulk segment.
#[derive(Debug)]
pub(crate) struct BulkReader {
    file: Arc<dyn VFile>,
    crcs: Arc<[u32]>,
    seed: u32,
    name: BulkName,
}

impl BulkReader {
    /// The `length` bytes from `offset`, which lie within the segment; each block touched is verified (I5).
    pub(crate) fn read(&self, offset: u64, length: usize, nowait: bool) -> Result<Bytes, Error> {
        let block = BLOCK_BYTES as u64;
        let start = offset / block * block;
        let end = (offset + length as u64).next_multiple_of(block).min(self.name.length);
        let size = usize::try_from(end - start).map_err(|_| Error::TooLarge { what: "a read" })?;
        let mut buffer = vec![0; size];
        let read = if nowait {
            self.file.read_at_nowait(&mut buffer, start)?
        } else {
            self.file.read_at(&mut buffer, start)?
        };
        let first = usize::try_from(start / block).map_err(|_| Error::TooLarge { what: "a read" })?;
        let intact = read == size
            && buffer
                .chunks(BLOCK_BYTES)
                .zip(&self.crcs[first..])
                .all(|(block, crc)| seeded(Bug::SkipBlockChecksum) || checksum(self.seed, block) == *crc);
        if !intact {
            let place = format!("{}, offset {start}", format::file::bulk(self.name.id));
            return Err(Error::damaged("a block of a bulk segment does not match its checksum", place));
        }
        let skip = usize::try_from(offset - start).map_err(|_| Error::TooLarge { what: "a read" })?;
        Ok(Bytes::from(buffer).slice(skip..skip + length))
    }
}
