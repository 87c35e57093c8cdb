//! Bulk segments: files of their own that each hold one body or part above the inline limit.
//!
//! The file system allocates them, so parallel uploads do not wait for each other and a delete is an unlink. Their
//! checksums lie in a trailer, whose digest is in the record that names the file: a swapped, stale or misdirected file
//! is never served.

mod reader;
mod stored;
mod writer;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::sync::Arc;

pub(crate) use reader::{BulkReader, decode_trailer};
use stored::Stored;
use writer::Making;
pub use writer::{BulkBody, BulkWriter};

use crate::bugs::{Bug, seeded};
use crate::error::Error;
use crate::format::{BLOCK_BYTES, file, seed, trailer};
use crate::meta::BulkName;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, lock};
use crate::vfs::{OpenMode, VFile, Vfs, read_exact_at};

/// The largest body of one bulk segment: S3's largest single put.
pub(crate) const BULK_BYTES_MAX: u64 = 5 << 30;
/// Trailers kept in memory, in bytes.
const TRAILER_CACHE_BYTES: usize = 16 << 20;

/// The bulk segments of a store.
pub(crate) struct BulkSegments {
    vfs: Arc<dyn Vfs>,
    uuid: [u8; 16],
    relaxed: bool,
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
    stored: Stored,
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
            stored: Stored::default(),
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
        BulkWriter::new(Making { segments: Arc::clone(self), id })
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
        let mut state = lock(&self.state);
        state.recovering = None;
        self.stored.begin(state.next);
    }

    /// The segments that records name, and the bytes of their files; nothing before all were counted.
    pub(crate) fn stored(&self) -> Option<(u64, u64)> {
        self.stored.read()
    }

    /// Counts the segments that were there when the store was opened, unless that was done; gives up once closed.
    pub(crate) fn count_stored(&self) -> io::Result<()> {
        self.stored.count(&*self.vfs, || lock(&self.state).closed)
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
        let candidates: Vec<(u64, bool)> = {
            let state = lock(&self.state);
            if state.holds > 0 {
                return state.releasing.len();
            }
            let unpinned = state
                .releasing
                .iter()
                .filter(|(_, referrers)| referrers.iter().all(|referrer| !state.pins.contains_key(referrer)));
            unpinned.map(|(bulk, referrers)| (*bulk, !referrers.is_empty())).collect()
        };
        let mut unlinked = Vec::new();
        for (bulk, was_named) in candidates {
            // Whoever shares a segment pins its referrer first and then makes sure that it is still current, so a
            // segment without a reference and without a pin cannot gain either.
            let referred = if seeded(Bug::UnlinkReferred) { Ok(false) } else { is_referred(bulk) };
            match referred {
                Ok(false) => {
                    self.forget_trailer(bulk);
                    match self.stored.unlink(&*self.vfs, bulk, was_named) {
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

/// The length of the file that holds a body of `length` bytes.
pub(crate) fn file_bytes(length: u64) -> u64 {
    length + (trailer::BYTES + trailer::CRC_BYTES) as u64 + 4 * length.div_ceil(BLOCK_BYTES as u64)
}
