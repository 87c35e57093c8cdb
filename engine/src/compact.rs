//! Compaction: what is alive in a segment is written again at the end of the log, then the segment is freed (I4).
//!
//! A copy is a conditional record through the committer, under the locks of its key: it is written only while the row
//! still points at its source, so there is no second writer. What takes something away is copied too, as long as
//! anything that it takes away may still lie in another segment.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use crate::apply::{Change, Context, Prior};
use crate::bugs::{Bug, seeded};
use crate::codec::Encoder;
use crate::core::{Core, Sealed, SegmentFile};
use crate::error::Error;
use crate::footer::{self, Entry};
use crate::format::{file, segment};
use crate::found::meta_of;
use crate::freed::{Freed, FreedRange};
use crate::gate::Token;
use crate::meta::{BucketMeta, ConfigMeta};
use crate::queue::{Pending, Promise};
use crate::record::{Frame, Kind};
use crate::request::{Compaction, Durability};
use crate::row::{Place, Table, holding, key};
use crate::segment::Walk;
use crate::space::SegmentStat;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::sync::thread::{self, Thread};
use crate::view::View;

/// Segments that are freed by one record, so that its cost, and that of bringing the index up to date, is shared.
const VICTIMS_MAX: usize = 32;
const VICTIMS_AT_LOW_SPACE: usize = 4;
/// Bytes copied for one freeing.
const COPIED_BYTES_MAX: u64 = 128 << 20;
/// How long a copy waits for a lock before it is looked whether the store was closed.
const WAIT: Duration = Duration::from_millis(100);
/// Copies on their way to the committer at one time.
const BATCH_RECORDS_MAX: usize = 64;
const BATCH_BYTES_MAX: u64 = 1 << 20;

/// How a victim is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thoroughness {
    /// Where it pays: half of a segment is dead, or a fifth of the store.
    Worthwhile,
    /// Everything that is dead in the segments there are.
    Full,
}

/// A segment as a candidate.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: u64,
    total: u64,
    /// What has to be copied, at most.
    kept: u64,
    dead_from: u64,
}

impl Candidate {
    fn has_garbage(&self) -> bool {
        self.kept < self.total.max(1)
    }

    fn is_within(&self, only: &BTreeSet<u64>) -> bool {
        only.contains(&self.id)
    }
}

/// All candidates, and what the segments hold together, in bytes.
struct Weighed {
    candidates: Vec<Candidate>,
    total: u64,
    live: u64,
}

/// Why an entry has to be copied, and as what.
enum Keep {
    Whole,
    /// An object that is dead and whose record still ends an upload.
    Abort(u64),
    /// Of a record of configuration, what is still needed.
    Config(Vec<ConfigMeta>),
}

impl Core {
    /// Frees what can be freed, at most one batch; answers whether there was anything. `only` restricts the victims.
    pub(crate) fn compact_step(
        &self,
        thoroughness: Thoroughness,
        only: Option<&mut BTreeSet<u64>>,
        done: &mut Compaction,
    ) -> Result<bool, Error> {
        let _one_at_a_time = lock(&self.compacting);
        self.check_writable(false)?;
        let victims = self.choose(thoroughness, only.as_deref());
        if victims.is_empty() {
            return Ok(false);
        }
        let _running = only.is_none().then(|| {
            let (segments, bytes) = self.lengths(&victims);
            self.meters.compaction.begin(segments, bytes)
        });
        if let Some(only) = only {
            only.retain(|id| !victims.contains(id));
        }
        let mut emptied = Vec::new();
        let mut copied = 0;
        for id in victims {
            if self.closed.load(Ordering::Acquire) || (copied >= COPIED_BYTES_MAX && !emptied.is_empty()) {
                break;
            }
            let Some(sealed) = self.segments.sealed().get(&id).copied() else { continue };
            let evacuated = self.evacuate(&sealed);
            self.meters.compaction.add(1, sealed.extent.length);
            match evacuated {
                Ok(bytes) => {
                    copied += bytes;
                    emptied.push(sealed);
                }
                Err(error @ (Error::Damaged { .. } | Error::Io(_))) => {
                    // It never drops a record: the segment stays as it is, until the next start.
                    lock(&self.spared).insert(id, error.to_string());
                    done.segments_spared += 1;
                }
                Err(error) => {
                    if emptied.is_empty() {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        done.bytes_copied += copied;
        self.counters.compacted_bytes.fetch_add(copied, Ordering::Relaxed);
        self.free(&emptied, done)?;
        Ok(true)
    }

    /// Of these segments, how many can be emptied, and their bytes.
    pub(crate) fn compactable(&self, only: &BTreeSet<u64>) -> (u64, u64) {
        let candidates = self.weigh().candidates;
        let dead: Vec<u64> =
            candidates.iter().filter(|one| one.is_within(only) && one.has_garbage()).map(|one| one.id).collect();
        self.lengths(&dead)
    }

    fn lengths(&self, segments: &[u64]) -> (u64, u64) {
        let sealed = self.segments.sealed();
        let lengths = segments.iter().filter_map(|id| sealed.get(id)).map(|sealed| sealed.extent.length);
        lengths.fold((0, 0), |(count, bytes), length| (count + 1, bytes + length))
    }

    /// The segments to be emptied next, best first.
    fn choose(&self, thoroughness: Thoroughness, only: Option<&BTreeSet<u64>>) -> Vec<u64> {
        let Weighed { mut candidates, total, live } = self.weigh();
        if thoroughness == Thoroughness::Full {
            candidates.retain(|one| only.is_none_or(|only| one.is_within(only)) && one.has_garbage());
            candidates.sort_by_key(|one| one.dead_from);
            return candidates.iter().take(VICTIMS_MAX).map(|one| one.id).collect();
        }
        if self.space_low.load(Ordering::Relaxed) {
            // Whatever gives space back, those first that need least of it before.
            let room = self.free_bytes.load(Ordering::Relaxed).max(self.segment_bytes() / 2);
            candidates.retain(|one| one.kept * 5 <= one.total * 4 && one.kept <= room);
            candidates.sort_by_key(|one| one.kept);
            return candidates.iter().take(VICTIMS_AT_LOW_SPACE).map(|one| one.id).collect();
        }
        let newest = candidates.last().map_or(0, |one| one.id);
        // LFS: benefit is the space that comes free and how long it has lain there, cost is reading and copying.
        let rank = |one: &Candidate| {
            let total = one.total.max(1) as f64;
            let used = one.kept as f64 / total;
            (1.0 - used) * (newest - one.id + 1) as f64 / (1.0 + used)
        };
        candidates.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
        let half_dead: Vec<u64> =
            candidates.iter().filter(|one| one.kept * 2 <= one.total).take(VICTIMS_MAX).map(|one| one.id).collect();
        let crowded = total > 0 && (total - live) * 5 > total;
        if !half_dead.is_empty() || !crowded {
            return half_dead;
        }
        // A fifth of the store is dead but no segment is half dead. If copying gains little anywhere, what takes something
        // away has piled up: it can go when the segment goes for whose sake it is kept.
        let gainful = candidates.iter().find(|one| one.kept * 10 <= one.total * 9);
        let blocking = candidates.iter().min_by_key(|one| one.dead_from).filter(|one| one.dead_from < u64::MAX);
        gainful.or(blocking).map(|one| one.id).into_iter().collect()
    }

    /// What the sealed segments hold, and what it would take to empty each of them.
    fn weigh(&self) -> Weighed {
        let mut sealed = self.segments.sealed();
        // What a backup takes stays as it is, whatever is dead in it.
        let backed_up_to = self.backed_up_to.load(Ordering::Acquire);
        sealed.retain(|id, _| *id > backed_up_to);
        let stats = lock(&self.space).clone();
        let spared = lock(&self.spared).clone();
        let mut total = 0;
        let mut live = 0;
        let mut candidates = Vec::new();
        for (id, Sealed { extent, .. }) in &sealed {
            let stat = stats.get(id).copied().unwrap_or_default();
            let bytes = extent.length.saturating_sub(segment::BYTES as u64);
            total += bytes;
            live += u64::try_from(stat.live_bytes).unwrap_or(0).min(bytes);
            let needed = stat.tombstone_to > lowest_dead_elsewhere(&stats, *id);
            let kept = stat.live_bytes + if needed { stat.tombstone_bytes } else { 0 };
            let kept = u64::try_from(kept).unwrap_or(0).min(bytes);
            if !spared.contains_key(id) {
                candidates.push(Candidate { id: *id, total: bytes, kept, dead_from: stat.dead_from });
            }
        }
        Weighed { candidates, total, live }
    }

    /// Copies what is needed of a segment; answers how many bytes that took.
    pub(crate) fn evacuate(&self, sealed: &Sealed) -> Result<u64, Error> {
        let id = sealed.extent.id;
        let segment = self.segments.segment(id, true)?;
        let (entries, damaged_at) = footer::entries(&*segment.file, segment.seed, sealed.extent)?;
        if let Some(offset) = damaged_at {
            return Err(Error::damaged("a record is damaged", format!("{}, offset {offset}", file::segment(id))));
        }
        let mut copied = 0;
        let mut batch: Vec<Task<'_>> = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let Some(meta) = meta_of(&*segment.file, segment.seed, &entry)? else {
                return Err(damaged(&entry, id));
            };
            let change = Change::decode(entry.kind, entry.flags, &entry.key, &meta)?;
            if self.keep(&self.view.load(), id, &entry, &change)?.is_none() {
                continue;
            }
            bytes += u64::from(entry.length);
            let segment = Arc::clone(&segment);
            batch.push(Box::pin(async move { self.relocate(&segment, &entry, &change).await }));
            if batch.len() >= BATCH_RECORDS_MAX || bytes >= BATCH_BYTES_MAX {
                copied += run_all(self, std::mem::take(&mut batch))?;
                self.pace(bytes);
                bytes = 0;
            }
        }
        copied += run_all(self, batch)?;
        let left = lock(&self.space).get(&id).map_or(0, |stat| stat.live_bytes);
        // The list of freed segments is written anew when the segment is freed.
        let list = self.view().get(Table::Freed, &[], |row| Place::split(row).map(|(place, _)| place))?.transpose()?;
        let list = list.filter(|place| place.segment == id).map_or(0, |place| place.bytes().cast_signed());
        if left != list && !seeded(Bug::DropUnreadable) {
            let what = format!("{left} bytes count as alive in a segment without live records");
            return Err(Error::damaged(what, file::segment(id)));
        }
        Ok(copied)
    }

    /// Whether an entry of segment `id` is still needed.
    fn keep(&self, view: &View, id: u64, entry: &Entry, change: &Change) -> Result<Option<Keep>, Error> {
        let place = entry.place(id);
        let points_here = |table: Table, row_key: &[u8]| -> Result<bool, Error> {
            let found = view.get(table, row_key, |row| holding(table, row_key, row))?.transpose()?.flatten();
            Ok(found.is_some_and(|(found, _)| found == place))
        };
        let keep = |needed: bool| needed.then_some(Keep::Whole);
        let outlives =
            || !seeded(Bug::DropTombstones) && lowest_dead_elsewhere(&lock(&self.space), id) < entry.orig_seq;
        Ok(match change {
            Change::Object { upload, .. } => {
                let context = copy_context(entry);
                let prior = Prior::load(change, context, view)?;
                match upload {
                    _ if prior.moves.iter().any(|row| row.from == place) => Some(Keep::Whole),
                    Some(upload) if outlives() && !seeded(Bug::DropUploadEnd) => Some(Keep::Abort(*upload)),
                    _ => None,
                }
            }
            Change::Part { upload, part } => keep(points_here(Table::Parts, &key::part(*upload, part.number))?),
            Change::UploadInit { key: object_key, .. } => {
                keep(points_here(Table::Uploads, &key::upload(entry.bucket, object_key, entry.orig_seq))?)
            }
            Change::Bucket(BucketMeta::Is(bucket)) => {
                let number = if bucket.id.0 == 0 { entry.orig_seq } else { bucket.id.0 };
                keep(points_here(Table::Buckets, &key::number(number))?)
            }
            Change::Delete { .. } | Change::UploadAbort { .. } | Change::Bucket(BucketMeta::Deleted) => {
                keep(outlives())
            }
            Change::Config(changes) => {
                let outlives = outlives();
                let mut needed = Vec::new();
                for change in changes {
                    let row_key = key::config(&change.namespace, &change.key);
                    let is_needed =
                        if change.value.is_some() { points_here(Table::Config, &row_key)? } else { outlives };
                    if is_needed {
                        needed.push(change.clone());
                    }
                }
                (!needed.is_empty()).then_some(Keep::Config(needed))
            }
            // The record that frees this segment holds all that it says.
            Change::SegmentFreed(_) => None,
        })
    }

    /// Copies one record to the end of the log if it is still needed, under the locks of what it is about.
    async fn relocate(&self, segment: &SegmentFile, entry: &Entry, change: &Change) -> Result<u64, Error> {
        let tokens = self.lock_for(entry, change).await;
        let view = self.view.load_full();
        let Some(keep) = self.keep(&view, segment.id, entry, change)? else { return Ok(0) };
        let mut walk = Walk::to_one(&*segment.file, segment.seed, entry.length);
        let met = walk.record_at(entry.offset.into())?.filter(|met| met.front.header.seq == entry.seq);
        let met = met.ok_or_else(|| damaged(entry, segment.id))?;
        let data = match walk.data_of(&met)? {
            None if seeded(Bug::DropUnreadable) => return Ok(0),
            data => data.ok_or_else(|| damaged(entry, segment.id))?,
        };
        let mut frame = match keep {
            Keep::Whole => Frame::new(entry.kind, entry.bucket, &entry.key, met.front.meta().to_vec()).with_data(data),
            Keep::Abort(upload) => {
                let mut encoder = Encoder::default();
                encoder.u64(upload);
                Frame::new(Kind::UploadAbort, entry.bucket, &entry.key, encoder.finish())
            }
            Keep::Config(needed) => Frame::new(Kind::Config, entry.bucket, b"", ConfigMeta::encode_all(&needed)),
        };
        if frame.kind == entry.kind {
            frame.flags = entry.flags;
        }
        frame.orig_seq = (!seeded(Bug::RenumberCopies)).then_some(entry.orig_seq);
        let change = Change::decode(frame.kind, frame.flags, &frame.key, &frame.meta)?;
        let prior = Prior::load(&change, copy_context(entry), &view)?;
        let bytes = frame.length() as u64;
        let promise = Promise::default();
        self.submit_own(Pending { frame, change, prior, tokens, body: None, pin: None, promise }).await?;
        Ok(bytes)
    }

    /// The locks that a mutation of the same thing would take. What only takes something away has no rows.
    async fn lock_for(&self, entry: &Entry, change: &Change) -> Vec<Token> {
        match change {
            Change::Bucket(BucketMeta::Is(_)) | Change::Config(_) => vec![self.catalog.exclusive().await],
            Change::Object { .. } | Change::Part { .. } | Change::UploadInit { .. } => {
                let mut tokens = Vec::with_capacity(2);
                if let Ok(found) = self.bucket_entry(entry.bucket) {
                    tokens.push(found.gate.shared().await);
                }
                tokens.push(self.stripes.enter(entry.bucket, &entry.key).await);
                tokens
            }
            _ => Vec::new(),
        }
    }

    /// Frees segments that hold nothing that is needed: the index first, then the record that says so, then the names.
    fn free(&self, emptied: &[Sealed], done: &mut Compaction) -> Result<(), Error> {
        if emptied.is_empty() {
            return Ok(());
        }
        self.bring_index_up_to_date()?;
        let mut freed = self.freed()?;
        for Sealed { header, extent } in emptied {
            freed.add(FreedRange {
                first_id: extent.id,
                last_id: extent.id,
                first_seq: extent.first_seq,
                last_seq: extent.last_seq,
                length_before: header.sealed.length,
            });
        }
        let frame = Frame::new(Kind::SegmentFreed, 0, b"", freed.encode());
        let change = Change::SegmentFreed(freed);
        let context = Context { bucket: 0, versioned: false, orig_seq: None, relocated: false };
        let prior = Prior::load(&change, context, &self.view.load())?;
        let promise = Promise::default();
        let pending = Pending { frame, change, prior, tokens: Vec::new(), body: None, pin: None, promise };
        if seeded(Bug::UnlinkBeforeFreed) {
            for Sealed { extent, .. } in emptied {
                self.vfs.remove(&file::segment(extent.id))?;
            }
            self.vfs.sync_dir(file::LOG)?;
        }
        run_all(self, vec![Box::pin(self.submit_own(pending))])?;
        if self.options.durability == Durability::Relaxed {
            // Nothing may be unlinked before the record is durable, also where acknowledgements promise less.
            let newest = self.view().active.mark().segment;
            self.segments.segment(newest, true)?.file.sync_data()?;
        }
        for Sealed { extent, .. } in emptied {
            self.segments.forget(extent.id);
            match self.vfs.remove(&file::segment(extent.id)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            // Whoever opened it in between holds a file without a name; nobody else shall.
            self.segments.forget(extent.id);
            done.segments_freed += 1;
            done.bytes_freed += extent.length;
            self.counters.segments_freed.fetch_add(1, Ordering::Relaxed);
        }
        // A name that a power cut brings back is removed at the next start, for the record says that it is freed.
        self.vfs.sync_dir(file::LOG)?;
        self.look_at_space();
        self.look_at_garbage();
        Ok(())
    }

    /// All segments that were freed.
    pub(crate) fn freed(&self) -> Result<Freed, Error> {
        let row = self.view().get(Table::Freed, &[], |row| Freed::decode(Place::split(row)?.1))?;
        Ok(row.transpose()?.unwrap_or_default())
    }
}

/// The lowest number of a record that lies dead in another segment than `id`.
fn lowest_dead_elsewhere(stats: &BTreeMap<u64, SegmentStat>, id: u64) -> u64 {
    stats.iter().filter(|(other, _)| **other != id).map(|(_, stat)| stat.dead_from).min().unwrap_or(u64::MAX)
}

fn copy_context(entry: &Entry) -> Context {
    Context { bucket: entry.bucket, versioned: true, orig_seq: Some(entry.orig_seq), relocated: true }
}

fn damaged(entry: &Entry, id: u64) -> Error {
    Error::damaged("a record is damaged", format!("{}, offset {}", file::segment(id), entry.offset))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

type Task<'t> = Pin<Box<dyn Future<Output = Result<u64, Error>> + 't>>;

/// Runs all tasks to their ends on this thread, whichever can go on; answers the sum, or the first error.
fn run_all(core: &Core, mut tasks: Vec<Task<'_>>) -> Result<u64, Error> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    let mut sum = Ok(0);
    loop {
        tasks.retain_mut(|task| match task.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                sum = match (std::mem::replace(&mut sum, Ok(0)), outcome) {
                    (Ok(sum), Ok(bytes)) => Ok(sum + bytes),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                };
                false
            }
        });
        if tasks.is_empty() {
            return sum;
        }
        thread::park_timeout(WAIT);
        if core.closed.load(Ordering::Acquire) {
            // Who holds a lock and was let go of may never give it back.
            return Err(Error::Closed);
        }
    }
}
