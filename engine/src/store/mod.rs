//! `Store`: the one narrow interface through which everything above the engine speaks to it.
//!
//! Nothing of segments, memtables or the index leaks through it, so that another engine can stand in its place.

mod bucket;
mod config;
mod delete;
mod get;
mod list;
mod multipart;
mod mutate;
mod put;

use std::path::Path;
use std::sync::Arc;

pub use get::Object;
pub(crate) use get::{find_row, read_record};

use crate::clock::{Clock, SystemClock};
use crate::compact::Thoroughness;
use crate::core::Core;
use crate::error::{Error, OpenError};
use crate::log::Committer;
use crate::name::ObjectKey;
use crate::progress::MaintenanceProgress;
use crate::recover;
use crate::report::{BackupReport, ScrubReport};
use crate::request::{Compaction, Health, Options, Stats, Wait};
use crate::sync::atomic::Ordering;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Mutex, lock};
use crate::vfs::{RealVfs, Vfs};

/// An open data directory. Clones share it; the last one dropped closes it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) core: Arc<Core>,
    threads: Arc<Threads>,
}

/// Ends the store's threads when the last `Store` is dropped.
#[derive(Debug)]
struct Threads {
    core: Arc<Core>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Store {
    /// Opens the data directory at `path`, making it if it is missing or empty, and recovers it. A directory that holds
    /// somebody else's files, or was written by a newer version, is left as it is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
        let opened = || {
            let vfs = RealVfs::new(path).map_err(|error| OpenError::NotWritable(path.into(), error))?;
            Store::open_threaded(Arc::new(vfs), Arc::new(SystemClock), options)
        };
        opened().map_err(|error| error.of(path))
    }

    /// Opens a store on any file system and clock. No thread is started: a mutation is carried out by whoever polls
    /// it, and the index is applied when a memtable is full and by [`Store::checkpoint`], so that a simulator decides
    /// the order of everything.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(vfs: Arc<dyn Vfs>, clock: Arc<dyn Clock>, options: Options) -> Result<Store, OpenError> {
        let (core, committer) = recover::open(vfs, clock, options, false)?;
        Store::start(core, committer)
    }

    /// Opens a store whose threads do what has to be done.
    pub(crate) fn open_threaded(
        vfs: Arc<dyn Vfs>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Store, OpenError> {
        let (core, committer) = recover::open(vfs, clock, options, true)?;
        Store::start(core, committer)
    }

    /// Opens a store whose committer a model runs, and which has no other threads.
    #[cfg(all(test, loom))]
    pub(crate) fn open_unstarted(
        vfs: Arc<dyn Vfs>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<(Store, Committer), OpenError> {
        let (core, committer) = recover::open(vfs, clock, options, true)?;
        let store = Store::start(core, None)?;
        Ok((store, committer.expect("an empty disk has no damage")))
    }

    fn start(core: Arc<Core>, committer: Option<Committer>) -> Result<Store, OpenError> {
        let threads = Threads { core: Arc::clone(&core), handles: Mutex::default() };
        let store = Store { core, threads: Arc::new(threads) };
        if let Some(mut committer) = committer {
            store.spawn("committer", move |core| {
                let _guard = CommitterGuard(core);
                while committer.step(core, true) {}
            })?;
            store.spawn("indexer", Core::run_indexer)?;
            store.spawn("unlinker", Core::run_unlinker)?;
            store.spawn("maintenance", Core::run_maintenance)?;
            store.spawn("spare", Core::run_spare)?;
        }
        Ok(store)
    }

    fn spawn(&self, name: &str, work: impl FnOnce(&Core) + Send + 'static) -> Result<(), OpenError> {
        let core = Arc::clone(&self.core);
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || work(&core));
        let failed = |source| OpenError::io(format!("starting the {name} thread"), source);
        lock(&self.threads.handles).push(spawned.map_err(failed)?);
        Ok(())
    }

    /// Waits for queued mutations, brings the index up to date, ends the store's threads and gives up the lock.
    /// Calls answer `Closed` from then on, but objects that were found before can be read to their end.
    ///
    /// # Errors
    /// `Damaged`, when the index could not be brought up to date; nothing is lost by that.
    pub fn close(&self) -> Result<(), Error> {
        self.threads.end()
    }

    /// Applies everything durable to the index. Without it the same happens by itself, later.
    ///
    /// # Errors
    /// `Damaged`, when the index cannot be written.
    pub fn checkpoint(&self) -> Result<(), Error> {
        if self.core.inline.is_some() {
            self.core.unlink_released();
            self.core.close_replaced();
            return self.core.checkpoint();
        }
        self.core.request_apply();
        Ok(())
    }

    /// Frees everything that is dead in the log's sealed segments, and answers what that came to. Blocks for as long as
    /// it takes; mutations and reads go on. Without it the same happens by itself, where it pays. Segments of which a backup
    /// is being taken stay.
    ///
    /// # Errors
    /// `ReadOnly`, `NoSpace`, `Closed`, `Damaged`, `Io`; what was freed before stays freed.
    pub fn compact(&self) -> Result<Compaction, Error> {
        let mut done = Compaction::default();
        let mut only = self.core.segments.sealed().into_keys().collect();
        let (segments, bytes) = self.core.compactable(&only);
        let _running = self.core.meters.compaction.begin(segments, bytes);
        while self.core.compact_step(Thoroughness::Full, Some(&mut only), &mut done)? {}
        Ok(done)
    }

    /// Reads every record and every bulk segment at a bounded rate, compares all checksums, and names what is damaged.
    /// Repairs nothing. Blocks for as long as it takes; mutations and reads go on.
    ///
    /// # Errors
    /// `Closed`, `Io`, `Damaged` when the index cannot be walked. Damage is in the report.
    pub fn scrub(&self) -> Result<ScrubReport, Error> {
        self.core.scrub(None)
    }

    /// Likewise, and has `matches` compare the content of each object version with the ETag and the checksums that are
    /// stored with it: the engine keeps them and does not know what they are made of. A version that does not match is
    /// damaged.
    ///
    /// # Errors
    /// Those of [`Store::scrub`], and of `matches`, but for damage and for versions that are gone.
    pub fn scrub_contents(
        &self,
        mut matches: impl FnMut(&Object) -> Result<bool, Error>,
    ) -> Result<ScrubReport, Error> {
        self.core.scrub(Some(&mut |bucket, name, version| {
            let key = ObjectKey::parse(name).map_err(|_| Error::Invalid { what: "a key" })?;
            matches(&self.open_object(bucket, &key, Some(version), Wait::Allowed)?)
        }))
    }

    /// Takes a backup of one instant into the directory at `destination`, which is made if it is missing; mutations and
    /// reads go on. What an earlier backup there has is kept, and what is no longer needed is removed. With `link` files
    /// are linked where the file system allows it, which costs no space and guards against mistakes, not against a
    /// failing disk. [`restore`](crate::restore) makes a data directory of it.
    ///
    /// # Errors
    /// `Invalid` for a damaged store and for a destination that is neither empty nor a backup of this store; `NoSpace`, `Io`; an earlier backup in the directory is intact then.
    pub fn backup(&self, destination: &Path, link: bool) -> Result<BackupReport, Error> {
        let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new(destination)?);
        self.core.backup(&vfs, link.then_some(destination))
    }

    /// How far a compaction, a scrub or a backup is that runs now. Takes no time.
    #[must_use]
    pub fn maintenance_progress(&self) -> MaintenanceProgress {
        self.core.meters.read()
    }

    /// Whether the store does all it should.
    #[must_use]
    pub fn health(&self) -> Health {
        if !self.core.damage.is_empty() {
            return Health::Damaged { damage: self.core.damage.clone() };
        }
        match self.core.poisoned() {
            Some(Error::ReadOnly { reason }) => Health::ReadOnly { reason: reason.to_string() },
            _ => Health::Ok,
        }
    }

    /// What opening had to do beside replaying the log, a line each: an index that was set aside or rebuilt.
    #[must_use]
    pub fn recovery(&self) -> &[String] {
        &self.core.recovery
    }

    /// Counters since the store was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.core.counters;
        let view = self.core.view();
        let frozen = view.frozen.as_ref().map_or(0, |frozen| frozen.rows());
        let sealed: u64 = self.core.segments.sealed().values().map(|sealed| sealed.extent.length).sum();
        let active = self.core.segments.active_bytes.load(Ordering::Relaxed);
        if self.core.inline.is_some() {
            // Where there is no worker that does.
            let _ = self.core.bulk.count_stored();
        }
        let bulk = self.core.bulk.stored();
        let live: i64 = lock(&self.core.space).values().map(|stat| stat.live_bytes).sum();
        Stats {
            commits: counters.commits.load(Ordering::Relaxed),
            records: counters.records.load(Ordering::Relaxed),
            log_bytes: counters.log_bytes.load(Ordering::Relaxed),
            log_syncs: counters.log_syncs.load(Ordering::Relaxed),
            bulk_syncs: self.core.bulk.syncs.load(Ordering::Relaxed),
            bulk_bytes: self.core.bulk.bytes.load(Ordering::Relaxed),
            index_applies: counters.index_applies.load(Ordering::Relaxed),
            memtable_rows: (view.active.rows() + frozen) as u64,
            compacted_bytes: counters.compacted_bytes.load(Ordering::Relaxed),
            segments_freed: counters.segments_freed.load(Ordering::Relaxed),
            segments: self.core.segments.count.load(Ordering::Relaxed),
            free_bytes: self.core.free_bytes.load(Ordering::Relaxed),
            low_water_bytes: self.core.low_water_bytes + self.core.reserve.missing_bytes(),
            space_low: self.core.space_low.load(Ordering::Relaxed),
            log_stored_bytes: sealed + active,
            log_live_bytes: u64::try_from(live).unwrap_or(0),
            bulk_segments: bulk.map(|(segments, _)| segments),
            bulk_stored_bytes: bulk.map(|(_, bytes)| bytes),
            index_bytes: self.core.index_file_bytes.load(Ordering::Relaxed),
        }
    }
}

/// Should the committer panic, nothing is acknowledged any more and nobody waits for it.
struct CommitterGuard<'c>(&'c Core);

impl Drop for CommitterGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.poison("the committer panicked");
            self.0.queue.abandon();
        }
    }
}

impl Threads {
    fn end(&self) -> Result<(), Error> {
        if self.core.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.core.queue.close();
        let mut handles = std::mem::take(&mut *lock(&self.handles)).into_iter();
        // The committer first: what it has queued is published before the index is applied for the last time.
        let committer_ended = handles.next().map_or(Ok(()), JoinHandle::join);
        lock(&self.core.applier.state).closed = true;
        self.core.applier.changed.notify_all();
        self.core.bulk.close();
        self.core.maintenance.close();
        self.core.spare.wakeup.close();
        let all_ended = handles.map(JoinHandle::join).fold(committer_ended, Result::and);
        if self.core.inline.is_some() {
            self.core.unlink_released();
        }
        self.core.spare.give_up(&*self.core.vfs);
        self.core.trim();
        let applied = self.core.checkpoint();
        self.core.end_index();
        lock(&self.core.lock_file).take();
        if all_ended.is_err() {
            return Err(Error::damaged("a worker of the store panicked", "memory"));
        }
        applied
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // What the index does not hold is replayed from the log at the next start.
        let _ = self.end();
    }
}
