//! What the verbs, the committer and the workers share.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use crate::bucket::{Bucket, BucketUsage};
use crate::bulk::BulkSegments;
use crate::clock::Clock;
use crate::doubt::Doubt;
use crate::error::Error;
use crate::footer::Extent;
use crate::format::{file, seed};
use crate::gate::{Gate, Stripes};
use crate::index::Index;
use crate::memtable::Memtable;
use crate::progress::Meters;
use crate::queue::{Pending, Queue};
use crate::request::Options;
use crate::reserve::Reserve;
use crate::segment::SegmentHeader;
use crate::space::SegmentStat;
use crate::spare::Spare;
use crate::superblock::Newest;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, lock};
use crate::vfs::{OpenMode, VFile, Vfs};
use crate::view::View;
use crate::wakeup::Wakeup;

/// Commits one group, if one waits.
pub(crate) type Step = Box<dyn FnMut(&Core) + Send>;

pub(crate) struct Core {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) uuid: [u8; 16],
    pub(crate) view: ArcSwap<View>,
    /// Held while rows are published and while the view is swapped, so that neither is seen half done by the other.
    pub(crate) publishing: Mutex<()>,
    pub(crate) buckets: ArcSwap<BucketTable>,
    pub(crate) usage: Mutex<HashMap<u64, BucketUsage>>,
    /// The counts of all segments that hold a record.
    pub(crate) space: Mutex<BTreeMap<u64, SegmentStat>>,
    pub(crate) stripes: Stripes,
    /// Held by whatever changes buckets or configuration rows.
    pub(crate) catalog: Arc<Gate>,
    pub(crate) queue: Queue,
    /// The committer, where no thread runs it.
    pub(crate) inline: Option<Mutex<Step>>,
    /// Where no thread runs the committer: whether it waits, so that a test can gather a group.
    pub(crate) held: AtomicBool,
    pub(crate) index: Mutex<Index>,
    /// Indexes that another took the place of and that may still be read.
    pub(crate) replaced: Mutex<Vec<Index>>,
    pub(crate) bulk: Arc<BulkSegments>,
    pub(crate) segments: Segments,
    /// Why no mutation is accepted any more (I6).
    poisoned: OnceLock<Arc<str>>,
    pub(crate) damage: Vec<String>,
    /// What the damage leaves in doubt.
    pub(crate) doubt: Doubt,
    /// What opening had to do beside replaying, a line each.
    pub(crate) recovery: Vec<String>,
    pub(crate) newest: Newest,
    pub(crate) low_water_bytes: u64,
    pub(crate) reserve: Reserve,
    pub(crate) spare: Spare,
    pub(crate) space_low: AtomicBool,
    pub(crate) free_bytes: AtomicU64,
    pub(crate) counters: Counters,
    pub(crate) meters: Meters,
    pub(crate) applier: Applier,
    pub(crate) maintenance: Wakeup,
    /// Held while segments are emptied and freed, footed or scrubbed, and while it is settled what a backup takes.
    pub(crate) compacting: Mutex<()>,
    /// Held while a backup is taken.
    pub(crate) backing_up: Mutex<()>,
    /// While a backup is taken: segments up to this id are in it, and stay. 0 for none.
    pub(crate) backed_up_to: AtomicU64,
    /// While the index is copied: what was applied to it since that began.
    pub(crate) vacuuming: Mutex<Option<Vec<Arc<Memtable>>>>,
    /// The size of the index's file, in bytes.
    pub(crate) index_file_bytes: AtomicU64,
    /// Bytes of the index for each object when it was last copied, or found not to be worth it; 0 for not known.
    pub(crate) index_bytes_per_object: AtomicU64,
    /// Segments that could not be emptied, and why.
    pub(crate) spared: Mutex<BTreeMap<u64, String>>,
    /// Segments whose footers were written or looked at.
    pub(crate) footed: Mutex<BTreeSet<u64>>,
    /// The last record that the index durably holds.
    pub(crate) applied_seq: AtomicU64,
    /// Whether more is dead than compaction should let come together: then it is given time.
    pub(crate) behind: AtomicBool,
    /// Whether the index is still to be compared with its checksums.
    pub(crate) index_unchecked: AtomicBool,
    /// Whether a row that could not be read has had it checked.
    pub(crate) index_suspected: AtomicBool,
    /// Whether the index could not be written for want of space.
    pub(crate) index_is_full: AtomicBool,
    pub(crate) closed: AtomicBool,
    pub(crate) lock_file: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("closed", &self.closed).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
    pub(crate) log_syncs: AtomicU64,
    pub(crate) index_applies: AtomicU64,
    pub(crate) compacted_bytes: AtomicU64,
    pub(crate) segments_freed: AtomicU64,
}

/// How the indexer is told that there is work.
#[derive(Debug, Default)]
pub(crate) struct Applier {
    pub(crate) state: Mutex<ApplierState>,
    pub(crate) changed: Condvar,
    pub(crate) applied: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct ApplierState {
    pub(crate) requested: bool,
    pub(crate) closed: bool,
}

impl Applier {
    /// Tells whoever waits for the index that something has changed, after it has.
    pub(crate) fn tell(&self) {
        drop(lock(&self.state));
        self.applied.notify_all();
    }
}

/// The buckets, by name and by number; swapped whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct BucketTable {
    pub(crate) by_name: HashMap<String, BucketEntry>,
    pub(crate) by_id: HashMap<u64, BucketEntry>,
}

/// A bucket and its gate: each mutation in it holds the gate shared, deleting it holds it exclusively.
#[derive(Clone, Debug)]
pub(crate) struct BucketEntry {
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) gate: Arc<Gate>,
}

impl BucketTable {
    pub(crate) fn insert(&mut self, bucket: Bucket) {
        let gate = self.by_id.get(&bucket.id.0).map(|entry| Arc::clone(&entry.gate)).unwrap_or_default();
        let entry = BucketEntry { bucket: Arc::new(bucket), gate };
        self.by_name.insert(entry.bucket.name.to_string(), entry.clone());
        self.by_id.insert(entry.bucket.id.0, entry);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        if let Some(entry) = self.by_id.remove(&id) {
            self.by_name.remove(&*entry.bucket.name);
        }
    }
}

/// Open log segments by id, found without a lock.
#[derive(Debug)]
pub(crate) struct Segments {
    vfs: Arc<dyn Vfs>,
    uuid: [u8; 16],
    open: ArcSwap<HashMap<u64, Arc<SegmentFile>>>,
    /// All but the last, which is still appended to.
    sealed: Mutex<BTreeMap<u64, Sealed>>,
    pub(crate) count: AtomicU64,
    /// Bytes of the last one.
    pub(crate) active_bytes: AtomicU64,
}

/// A segment to which nothing is appended any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    pub(crate) header: SegmentHeader,
    pub(crate) extent: Extent,
}

#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) id: u64,
    pub(crate) file: Arc<dyn VFile>,
    pub(crate) seed: u32,
}

/// Segments kept open, so that a large store does not run out of file descriptors.
const OPEN_SEGMENTS_MAX: usize = 256;

impl Segments {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, uuid: [u8; 16]) -> Segments {
        Segments {
            vfs,
            uuid,
            open: ArcSwap::default(),
            sealed: Mutex::default(),
            count: AtomicU64::new(0),
            active_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn set_count(&self, count: u64) {
        self.count.store(count, Ordering::Relaxed);
    }

    /// One more segment was made.
    pub(crate) fn note_made(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing is appended to the segment any more.
    pub(crate) fn seal(&self, header: SegmentHeader, extent: Extent) {
        lock(&self.sealed).insert(extent.id, Sealed { header, extent });
    }

    /// The segment is about to be unlinked, or was.
    pub(crate) fn forget(&self, id: u64) {
        if lock(&self.sealed).remove(&id).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        self.open.rcu(|open| {
            let mut open = HashMap::clone(open);
            open.remove(&id);
            open
        });
    }

    /// All segments but the last.
    pub(crate) fn sealed(&self) -> BTreeMap<u64, Sealed> {
        lock(&self.sealed).clone()
    }

    pub(crate) fn insert(&self, id: u64, file: Arc<dyn VFile>) -> Arc<SegmentFile> {
        let segment = Arc::new(SegmentFile { id, file, seed: seed(&self.uuid, id) });
        self.open.rcu(|open| {
            let mut open = HashMap::clone(open);
            if open.len() >= OPEN_SEGMENTS_MAX
                && let Some(&victim) = open.keys().min()
            {
                open.remove(&victim);
            }
            open.insert(id, Arc::clone(&segment));
            open
        });
        segment
    }

    /// The segment, opened if need be, which counts as waiting for the disk.
    pub(crate) fn segment(&self, id: u64, may_wait: bool) -> Result<Arc<SegmentFile>, Error> {
        if let Some(segment) = self.open.load().get(&id) {
            return Ok(Arc::clone(segment));
        }
        if !may_wait {
            return Err(Error::WouldBlock);
        }
        match self.vfs.open(&file::segment(id), OpenMode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::damaged("a log segment is missing", file::segment(id)))
            }
            opened => Ok(self.insert(id, opened?)),
        }
    }
}

impl Core {
    #[expect(clippy::too_many_arguments, reason = "each is made by another step of opening")]
    pub(crate) fn new(
        vfs: Arc<dyn Vfs>,
        clock: Arc<dyn Clock>,
        options: Options,
        uuid: [u8; 16],
        view: View,
        index: Index,
        bulk: Arc<BulkSegments>,
        segments: Segments,
        newest: Newest,
        reserve: Reserve,
        spare: Spare,
        low_water_bytes: u64,
    ) -> Core {
        Core {
            reserve,
            spare,
            vfs,
            clock,
            options,
            uuid,
            view: ArcSwap::from_pointee(view),
            publishing: Mutex::default(),
            buckets: ArcSwap::default(),
            usage: Mutex::default(),
            space: Mutex::default(),
            stripes: Stripes::new(),
            catalog: Arc::default(),
            queue: Queue::default(),
            inline: None,
            held: AtomicBool::new(false),
            index: Mutex::new(index),
            replaced: Mutex::default(),
            bulk,
            segments,
            poisoned: OnceLock::new(),
            damage: Vec::new(),
            doubt: Doubt::default(),
            recovery: Vec::new(),
            newest,
            low_water_bytes,
            space_low: AtomicBool::new(false),
            free_bytes: AtomicU64::new(u64::MAX),
            counters: Counters::default(),
            meters: Meters::default(),
            applier: Applier::default(),
            maintenance: Wakeup::default(),
            compacting: Mutex::default(),
            backing_up: Mutex::default(),
            backed_up_to: AtomicU64::new(0),
            vacuuming: Mutex::default(),
            index_file_bytes: AtomicU64::new(0),
            index_bytes_per_object: AtomicU64::new(0),
            spared: Mutex::default(),
            footed: Mutex::default(),
            applied_seq: AtomicU64::new(0),
            behind: AtomicBool::new(false),
            index_unchecked: AtomicBool::new(false),
            index_suspected: AtomicBool::new(false),
            index_is_full: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            lock_file: Mutex::default(),
        }
    }

    /// Latches: from now on no mutation is acknowledged (I6).
    pub(crate) fn poison(&self, reason: &str) -> Error {
        let reason = self.poisoned.get_or_init(|| reason.into());
        self.applier.tell();
        Error::ReadOnly { reason: Arc::clone(reason) }
    }

    pub(crate) fn poisoned(&self) -> Option<Error> {
        self.poisoned.get().map(|reason| Error::ReadOnly { reason: Arc::clone(reason) })
    }

    /// Refuses what cannot be carried out anyway.
    pub(crate) fn check_writable(&self, takes_space: bool) -> Result<(), Error> {
        if let Some(error) = self.poisoned() {
            return Err(error);
        }
        if let Some(first) = self.damage.first() {
            return Err(Error::ReadOnly { reason: format!("damage was found: {first}").into() });
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if takes_space && self.space_low.load(Ordering::Relaxed) {
            // Looked at again here, so that puts go on as soon as there is room.
            self.look_at_space();
            if self.space_low.load(Ordering::Relaxed) {
                return Err(Error::NoSpace);
            }
        }
        Ok(())
    }

    pub(crate) fn look_at_space(&self) {
        if let Ok(space) = self.vfs.space() {
            self.free_bytes.store(space.free_bytes, Ordering::Relaxed);
            let needed = self.low_water_bytes.saturating_add(self.reserve.missing_bytes());
            let low = space.free_bytes < needed;
            self.space_low.store(low, Ordering::Relaxed);
            if low {
                self.spare.give_up(&*self.vfs);
            }
            self.bulk.want_free(needed);
            self.reserve.replenish(space.free_bytes);
        }
    }

    /// Queues a record and waits for its number.
    pub(crate) async fn submit(&self, pending: Pending) -> Result<u64, Error> {
        self.submit_to(pending, true).await
    }

    /// Likewise for a record of the engine's own, of which there are few at a time.
    pub(crate) async fn submit_own(&self, pending: Pending) -> Result<u64, Error> {
        self.submit_to(pending, false).await
    }

    async fn submit_to(&self, pending: Pending, limited: bool) -> Result<u64, Error> {
        let outcome = pending.promise.outcome();
        self.queue.push(pending, limited)?;
        if let Some(step) = self.inline.as_ref().filter(|_| !self.held.load(Ordering::Relaxed)) {
            lock(step)(self);
        }
        outcome.await
    }

    pub(crate) fn bucket_entry(&self, bucket: u64) -> Result<BucketEntry, Error> {
        self.buckets.load().by_id.get(&bucket).cloned().ok_or(Error::NoSuchBucket)
    }

    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    /// Starts a new memtable and leaves the old one to the indexer, unless it is still busy with the one before.
    pub(crate) fn freeze(&self) -> bool {
        let _publishing = lock(&self.publishing);
        let view = self.view.load_full();
        if view.frozen.is_some() || view.active.is_empty() {
            return false;
        }
        let (floor, next) = self.bulk.floor();
        view.active.set_bulk_floor(floor, next);
        let active = Arc::new(Memtable::new());
        let frozen = Some(Arc::clone(&view.active));
        self.view.store(Arc::new(View { active, frozen, base: Arc::clone(&view.base) }));
        true
    }
}
