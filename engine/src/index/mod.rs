//! The index on disk: redb, and nothing of redb outside this module.
//!
//! It is disposable. Whatever goes wrong in it, an error or a panic, is reported as such, and the caller sets it aside
//! and rebuilds it from the log.

mod ahead;
mod backend;
mod comparing;
mod database;
mod fresh;
#[cfg(test)]
pub(crate) mod plain;
mod seal;
mod snapshot;
mod sums;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backend::{Backend, Fence, Home};
pub(crate) use comparing::Comparing;
use database::{Redb, RedbLoader};
use fresh::Fresh;
#[cfg(test)]
use plain::Plain;
pub(crate) use snapshot::{Scan, Snapshot};
use sums::Sums;

use crate::bucket::BucketUsage;
use crate::bugs::{Bug, seeded};
use crate::codec::Malformed;
use crate::error::Error;
use crate::format::file;
use crate::memtable::{Mark, Memtable};
use crate::row::Table;
use crate::space::SegmentStat;
use crate::vfs::{Vfs, is_full};

/// An index of at most this size is checked before it is used; a larger one soon after, so that opening does not wait.
pub(crate) const CHECKED_AT_START_BYTES_MAX: u64 = 256 << 20;
/// The version of the tables and rows; another one is set aside and rebuilt.
const INDEX_VERSION: u32 = 2;
/// The first page of a file of redb.
const FRONT_BYTES: usize = 4096;
/// How often a copy says how far it is.
const COPY_STEP_BYTES: u64 = 256 << 10;

/// Why the index cannot be used.
#[derive(Clone, Debug)]
pub(crate) enum IndexError {
    /// The disk is full; what was applied before is intact.
    NoSpace,
    /// The index was never finished, or holds what is left of a damaged log: it is to be made anew.
    Unfinished,
    /// The store was closed, and the index with it.
    Closed,
    /// Anything else: the index is to be rebuilt, or the store is poisoned.
    Failed(String),
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexError::NoSpace => f.write_str("no space"),
            IndexError::Unfinished => f.write_str("the index was never finished"),
            IndexError::Closed => f.write_str("the store was closed"),
            IndexError::Failed(what) => f.write_str(what),
        }
    }
}

impl From<redb::Error> for IndexError {
    fn from(error: redb::Error) -> IndexError {
        match &error {
            redb::Error::Io(io) if is_full(io) => IndexError::NoSpace,
            _ => IndexError::Failed(error.to_string()),
        }
    }
}

impl From<Malformed> for IndexError {
    fn from(_: Malformed) -> IndexError {
        IndexError::Failed("a row of the index does not match its checksum".to_owned())
    }
}

/// Runs `work` on redb; a panic in there is an error here.
fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(IndexError::Failed("redb panicked on a damaged index".to_owned())))
}

macro_rules! redb {
    ($call:expr) => {
        $call.map_err(|error| $crate::index::IndexError::from(redb::Error::from(error)))?
    };
}
use redb;

fn io_failed(error: std::io::Error) -> IndexError {
    IndexError::from(redb::Error::Io(error))
}

/// What keeps the rows.
enum Keeper {
    Redb(Redb),
    #[cfg(test)]
    Plain(Plain),
}

pub(crate) struct Index {
    keeper: Option<Keeper>,
    home: Arc<Home>,
    fence: Arc<Fence>,
    sums: Arc<Sums>,
    cache_bytes: usize,
    in_memory: bool,
    /// Closed with the store, for good.
    ended: bool,
    /// Every snapshot has a share in it.
    readers: Arc<()>,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index")
    }
}

impl Index {
    /// Begins to find out whether the index is [as left](Index::is_as_left), before it is opened: on threads of its own, which read and
    /// write nothing. None where that is small, or where there is nothing to go by.
    pub(crate) fn compare_ahead(vfs: &Arc<dyn Vfs>) -> Option<Comparing> {
        sums::compare_ahead(&**vfs).ok().flatten()
    }

    /// Opens the index, making an empty one with a mark of 0 if there is none. `uuid` must be the store's. `comparing` is of the file as
    /// it is now.
    pub(crate) fn open(
        vfs: &Arc<dyn Vfs>,
        uuid: &[u8; 16],
        cache_bytes: usize,
        comparing: Option<Comparing>,
    ) -> Result<(Index, Mark), IndexError> {
        let home = Arc::new(Home::open(Arc::clone(vfs), file::INDEX).map_err(io_failed)?);
        let sums = Sums::take(&home, comparing);
        let (index, mark) = Index::open_on(home, uuid, cache_bytes, Some(Mark::default()), sums)?;
        Ok((index, mark.ok_or(IndexError::Unfinished)?))
    }

    /// Compares every page of the index on the disk, which nobody has open, with its checksum. Writes nothing.
    pub(crate) fn check(vfs: &Arc<dyn Vfs>) -> Result<(), IndexError> {
        let home = Home::open(Arc::clone(vfs), file::INDEX).and_then(|home| home.in_memory()).map_err(io_failed)?;
        Redb::check(Backend::of(home))
    }

    /// Makes an empty index at `path`, without a mark: it counts as unfinished until it was loaded.
    pub(crate) fn begin(
        vfs: &Arc<dyn Vfs>,
        path: &str,
        uuid: &[u8; 16],
        cache_bytes: usize,
    ) -> Result<Index, IndexError> {
        let home = Arc::new(Home::open(Arc::clone(vfs), path).map_err(io_failed)?);
        Index::open_on(home, uuid, cache_bytes, None, Sums::unknown()).map(|(index, _)| index)
    }

    fn open_on(
        home: Arc<Home>,
        uuid: &[u8; 16],
        cache_bytes: usize,
        first_mark: Option<Mark>,
        sums: Sums,
    ) -> Result<(Index, Option<Mark>), IndexError> {
        let fence = Arc::new(Fence::default());
        let is_new = home.is_empty().map_err(io_failed)?;
        let sums = Arc::new(if is_new { Sums::of_nothing() } else { sums });
        let index = |keeper, home: &Arc<Home>, fence: &Arc<Fence>| Index {
            keeper: Some(keeper),
            home: Arc::clone(home),
            fence: Arc::clone(fence),
            sums: Arc::clone(&sums),
            cache_bytes,
            in_memory: false,
            ended: false,
            readers: Arc::default(),
        };
        #[cfg(test)]
        if plain::is_chosen() {
            let (plain, mark) = Plain::open(Arc::clone(&home), first_mark)?;
            return Ok((index(Keeper::Plain(plain), &home, &fence), mark));
        }
        let making = Arc::new(AtomicBool::new(is_new));
        let backend = Backend {
            home: Arc::clone(&home),
            fence: Arc::clone(&fence),
            making: Arc::clone(&making),
            sums: Arc::clone(&sums),
            fresh: Fresh::default(),
            ahead: None,
        };
        let opened = guarded(|| {
            let database = Redb::open(backend, cache_bytes)?;
            let mark = database.prepare(uuid, first_mark)?;
            making.store(false, Ordering::Release);
            if is_new {
                home.sync().map_err(io_failed)?;
            }
            Ok((database, mark))
        });
        match opened {
            Ok((database, mark)) => Ok((index(Keeper::Redb(database), &home, &fence), mark)),
            Err(error) => {
                fence.close();
                Err(error)
            }
        }
    }

    /// Leaves the file as it is and keeps what is written from now on in memory, for want of space. The file's mark stays
    /// behind, so the next start replays what is missing, or makes the index anew.
    pub(crate) fn go_to_memory(&mut self, uuid: &[u8; 16]) -> Result<(), IndexError> {
        self.still()?;
        self.close();
        let home = Arc::new(self.home.in_memory().map_err(io_failed)?);
        let (index, mark) = Index::open_on(home, uuid, self.cache_bytes, None, Sums::unknown())?;
        mark.ok_or(IndexError::Unfinished)?;
        *self = index;
        self.is_kept_in_memory();
        Ok(())
    }

    /// Notes that the file system on which the index was opened keeps changes in memory.
    pub(crate) fn is_kept_in_memory(&mut self) {
        self.in_memory = true;
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// After a failed apply: opens the same file again, which still holds the last mark.
    pub(crate) fn reopen(&mut self, uuid: &[u8; 16]) -> Result<(), IndexError> {
        self.still()?;
        self.close();
        let (mut index, mark) = Index::open_on(Arc::clone(&self.home), uuid, self.cache_bytes, None, Sums::unknown())?;
        mark.ok_or(IndexError::Unfinished)?;
        index.in_memory = self.in_memory;
        *self = index;
        Ok(())
    }

    /// Opens the file again if it could not be opened after a failure, for want of space.
    pub(crate) fn revive(&mut self, uuid: &[u8; 16]) -> Result<(), IndexError> {
        if self.keeper.is_some() { Ok(()) } else { self.reopen(uuid) }
    }

    /// Takes the place of `old`, whose file is replaced; nothing is written to that any more. The name is not durable yet. Answers
    /// `old`, which must live as long as it [is read](Index::is_read).
    pub(crate) fn replace(self, old: &mut Index) -> Result<Index, IndexError> {
        self.home.rename(file::INDEX).map_err(io_failed)?;
        old.fence.close();
        Ok(std::mem::replace(old, self))
    }

    /// Whether anybody still has a snapshot of it. redb fails the reads of a database that was dropped.
    pub(crate) fn is_read(&self) -> bool {
        Arc::strong_count(&self.readers) > 1
    }

    /// Writes nothing more.
    fn close(&mut self) {
        self.fence.close();
        self.drop_keeper();
    }

    /// Closes the file in order, if nobody reads it any more, and leaves its checksums to the next start; else nothing more
    /// is written to it. Whoever opens it next may be another process.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        if self.keeper.is_none() || self.is_read() || self.fence.is_closed() {
            self.fence.close();
            return;
        }
        let closed = self.drop_keeper();
        self.fence.close();
        if closed {
            self.leave_sums_of_file();
        }
    }

    /// Leaves the checksums of its blocks to a start after a kill. Nobody may be writing to it.
    pub(crate) fn leave_sums(&self) {
        if self.is_open() && !self.fence.is_closed() {
            self.leave_sums_of_file();
        }
    }

    /// Leaves the checksums of a file that is compared with them at the next start, and not after it.
    fn leave_sums_of_file(&self) {
        let is_small = || self.home.length().is_ok_and(|bytes| bytes <= CHECKED_AT_START_BYTES_MAX);
        if !self.in_memory && is_small() {
            self.sums.leave(&self.home);
        }
    }

    /// Gives the checksums of its blocks up, and what was left of them: something is wrong that may have been written so, and nobody is to
    /// take the file for sound by them.
    pub(crate) fn give_up_sums(&self) {
        self.sums.lose();
        // One that can't be removed is of another state as soon as anything is written.
        let _ = self.home.vfs().remove(file::INDEX_SUMS);
    }

    /// Answers whether redb closed the file without a panic.
    fn drop_keeper(&mut self) -> bool {
        let keeper = self.keeper.take();
        // redb may panic while it closes what it failed to write; the fence keeps the file as it was.
        catch_unwind(AssertUnwindSafe(move || drop(keeper))).is_ok()
    }

    /// Whether it was left with the checksums of what was written to it, and the file holds that.
    pub(crate) fn is_as_left(&self) -> bool {
        self.sums.hold(&self.home.file)
    }

    fn keeper(&self) -> Result<&Keeper, IndexError> {
        self.still()?;
        self.keeper.as_ref().ok_or_else(|| IndexError::Failed("the index is closed".to_owned()))
    }

    /// Fails once the store was closed: the file may be somebody else's.
    fn still(&self) -> Result<(), IndexError> {
        if self.ended { Err(IndexError::Closed) } else { Ok(()) }
    }

    /// A snapshot of what is in the index now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, IndexError> {
        match self.keeper()? {
            Keeper::Redb(database) => Ok(Snapshot::Redb(database.snapshot(&self.readers)?)),
            #[cfg(test)]
            Keeper::Plain(plain) => Ok(Snapshot::Plain(plain.snapshot())),
        }
    }

    /// Applies a frozen memtable, sorted by key, and its mark in one transaction (I3).
    pub(crate) fn apply(&self, memtable: &Memtable, uuid: &[u8; 16]) -> Result<(), IndexError> {
        let mut mark = memtable.mark();
        mark.seq += u64::from(seeded(Bug::MarkAhead));
        match self.keeper()? {
            Keeper::Redb(database) => database.apply(memtable, &mark, uuid),
            #[cfg(test)]
            Keeper::Plain(plain) => plain.apply(memtable, &mark),
        }
    }

    /// Fills an empty index in one transaction: with the rows that `fill` gives, ascending within each table, and with
    /// those of `memtable`, of other tables, and its counts. Without a mark it stays unfinished.
    pub(crate) fn load(
        &self,
        memtable: &Memtable,
        mark: Option<(&Mark, &[u8; 16])>,
        fill: impl FnOnce(&mut Loader<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.keeper()? {
            Keeper::Redb(database) => database.load(memtable, mark, |loader| fill(&mut Loader::Redb(loader))),
            #[cfg(test)]
            Keeper::Plain(plain) => {
                plain.load(memtable, mark.map(|(mark, _)| mark), |tables| fill(&mut Loader::Plain(tables)))
            }
        }
    }

    /// What it takes to compare every page of the file, as it is now, with its checksum: a second database on it, whose
    /// writes stay in memory. Pages of a snapshot are not written again while it lives, so the index can be used meanwhile.
    pub(crate) fn checkup(&self) -> Result<Checkup, IndexError> {
        let pin = self.snapshot()?;
        #[cfg(test)]
        if let Keeper::Plain(_) = self.keeper()? {
            return Ok(Checkup { backend: None, sums: Arc::clone(&self.sums), _pin: pin });
        }
        let home = self.home.in_memory().map_err(io_failed)?;
        // The front says where the roots are, and is written with each commit.
        let mut front = [0; FRONT_BYTES];
        let read = home.file.read_at(&mut front, 0).map_err(io_failed)?;
        home.file.write_at(&front[..read], 0).map_err(io_failed)?;
        Ok(Checkup { backend: Some(Backend::of(home)), sums: Arc::clone(&self.sums), _pin: pin })
    }

    /// The first block that a walk reads and of which nothing is known, or something else.
    #[cfg(test)]
    pub(crate) fn differs_from_a_walk(&self) -> Option<usize> {
        let backend = self.checkup().ok()?.backend?;
        let walked = Arc::clone(&backend.sums);
        Redb::check(backend).expect("it is whole");
        self.sums.differs_from(&walked)
    }

    /// Whether it is open, which it is not after a failure for want of space, and with the store.
    pub(crate) fn is_open(&self) -> bool {
        self.keeper.is_some() && !self.ended
    }

    /// The size of the file, in bytes.
    pub(crate) fn file_bytes(&self) -> Result<u64, IndexError> {
        self.home.length().map_err(io_failed)
    }

    /// All that is in the index now, to be copied.
    pub(crate) fn source(&self) -> Result<Source, IndexError> {
        match self.keeper()? {
            Keeper::Redb(database) => Ok(Source::Redb(database.source()?)),
            #[cfg(test)]
            Keeper::Plain(plain) => Ok(Source::Plain(plain.source())),
        }
    }

    /// Fills an empty index with all that another one had, mark and all, in one transaction. `on_bytes` is told of so many
    /// bytes at a time, and says whether to go on.
    pub(crate) fn copy(&self, source: &Source, on_bytes: impl FnMut(u64) -> bool) -> Result<(), IndexError> {
        match (self.keeper()?, source) {
            (Keeper::Redb(database), Source::Redb(source)) => database.copy(source, on_bytes),
            #[cfg(test)]
            (Keeper::Plain(plain), Source::Plain(source)) => plain.copy(source),
            #[cfg(test)]
            _ => Err(IndexError::Failed("the copy is of another kind".to_owned())),
        }
    }

    /// The mark.
    pub(crate) fn mark(&self, uuid: &[u8; 16]) -> Result<Mark, IndexError> {
        match self.keeper()? {
            Keeper::Redb(database) => database.mark(uuid),
            #[cfg(test)]
            Keeper::Plain(plain) => plain.mark(),
        }
    }

    /// The counts of all segments.
    pub(crate) fn space(&self) -> Result<BTreeMap<u64, SegmentStat>, IndexError> {
        match self.keeper()? {
            Keeper::Redb(database) => database.space(),
            #[cfg(test)]
            Keeper::Plain(plain) => Ok(plain.space()),
        }
    }

    /// The counts of all buckets.
    pub(crate) fn usage(&self) -> Result<Vec<(u64, BucketUsage)>, IndexError> {
        match self.keeper()? {
            Keeper::Redb(database) => database.usage(),
            #[cfg(test)]
            Keeper::Plain(plain) => Ok(plain.usage()),
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.drop_keeper();
    }
}

/// An index that is about to be compared with its checksums.
pub(crate) struct Checkup {
    backend: Option<Backend>,
    /// Those of the index.
    sums: Arc<Sums>,
    _pin: Snapshot,
}

impl Checkup {
    /// Reads the whole file. Rows have checksums of their own, but what leads to a row has not, and a key that is not
    /// found is no error.
    ///
    /// # Errors
    /// `Failed`, when a page does not match.
    pub(crate) fn run(self) -> Result<(), IndexError> {
        let Some(backend) = self.backend else { return Ok(()) };
        let walked = Arc::clone(&backend.sums);
        Redb::check(backend)?;
        self.sums.adopt(&walked);
        Ok(())
    }
}

/// All that was in an index at one commit.
pub(crate) enum Source {
    Redb(redb::ReadTransaction),
    #[cfg(test)]
    Plain(Arc<plain::Tables>),
}

impl Source {
    /// What all rows take with what leads to them, in bytes. Reads everything.
    pub(crate) fn row_bytes(&self) -> Result<u64, IndexError> {
        match self {
            Source::Redb(transaction) => database::row_bytes(transaction),
            #[cfg(test)]
            Source::Plain(_) => Ok(0),
        }
    }
}

/// Takes rows into an empty index.
pub(crate) enum Loader<'t> {
    Redb(RedbLoader<'t>),
    #[cfg(test)]
    Plain(&'t mut plain::Tables),
}

impl Loader<'_> {
    /// Adds a row whose key is above those that the table has.
    pub(crate) fn insert(&mut self, table: Table, row_key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        match self {
            Loader::Redb(loader) => loader.insert(table, row_key, value),
            #[cfg(test)]
            Loader::Plain(tables) => {
                tables.insert(table, row_key, value);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_quota_that_is_used_up_is_a_full_disk_and_no_failure() {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            assert!(matches!(io_failed(kind.into()), IndexError::NoSpace), "{kind:?}");
        }
        assert!(matches!(io_failed(ErrorKind::PermissionDenied.into()), IndexError::Failed(_)));
    }
}
