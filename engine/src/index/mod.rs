//! The index on disk: redb, and nothing of redb outside this module.
//!
//! It is disposable. Whatever goes wrong in it, an error or a panic, is reported as such, and the caller sets it aside
//! and rebuilds it from the log.

mod backend;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backend::{Backend, Home};
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use crate::bugs::{Bug, seeded};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::error::Error;
use crate::memtable::{Mark, Memtable, SpaceDelta};
use crate::row::{Table, key};
use crate::space::SegmentStat;
use crate::vfs::Vfs;
use crate::{bucket::BucketUsage, format::file};

/// The version of the tables and rows; another one is set aside and rebuilt.
const INDEX_VERSION: u32 = 2;

const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");
const USAGE: TableDefinition<'static, u64, (u64, u64)> = TableDefinition::new("usage");
const SEGSTAT: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("segstat");
const MARK: &str = "mark";

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// Why the index cannot be used.
#[derive(Clone, Debug)]
pub(crate) enum IndexError {
    /// The disk is full; what was applied before is intact.
    NoSpace,
    /// The index was never finished, or holds what is left of a damaged log: it is to be made anew.
    Unfinished,
    /// Anything else: the index is to be rebuilt, or the store is poisoned.
    Failed(String),
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexError::NoSpace => f.write_str("no space"),
            IndexError::Unfinished => f.write_str("the index was never finished"),
            IndexError::Failed(what) => f.write_str(what),
        }
    }
}

impl From<redb::Error> for IndexError {
    fn from(error: redb::Error) -> IndexError {
        match &error {
            redb::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => IndexError::NoSpace,
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
        $call.map_err(|error| IndexError::from(redb::Error::from(error)))?
    };
}

fn io_failed(error: std::io::Error) -> IndexError {
    IndexError::from(redb::Error::Io(error))
}

pub(crate) struct Index {
    database: Option<Database>,
    home: Arc<Home>,
    fence: Arc<AtomicBool>,
    cache_bytes: usize,
    in_memory: bool,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index")
    }
}

impl Index {
    /// Opens the index, making an empty one with a mark of 0 if there is none. `uuid` must be the store's.
    pub(crate) fn open(vfs: &Arc<dyn Vfs>, uuid: &[u8; 16], cache_bytes: usize) -> Result<(Index, Mark), IndexError> {
        let home = Arc::new(Home::open(Arc::clone(vfs), file::INDEX).map_err(io_failed)?);
        let (index, mark) = Index::open_on(home, uuid, cache_bytes, Some(Mark::default()))?;
        Ok((index, mark.ok_or(IndexError::Unfinished)?))
    }

    /// Makes an empty index at `path`, without a mark: it counts as unfinished until it was loaded.
    pub(crate) fn begin(
        vfs: &Arc<dyn Vfs>,
        path: &str,
        uuid: &[u8; 16],
        cache_bytes: usize,
    ) -> Result<Index, IndexError> {
        let home = Arc::new(Home::open(Arc::clone(vfs), path).map_err(io_failed)?);
        Index::open_on(home, uuid, cache_bytes, None).map(|(index, _)| index)
    }

    fn open_on(
        home: Arc<Home>,
        uuid: &[u8; 16],
        cache_bytes: usize,
        first_mark: Option<Mark>,
    ) -> Result<(Index, Option<Mark>), IndexError> {
        let fence = Arc::new(AtomicBool::new(false));
        let is_new = home.is_empty().map_err(io_failed)?;
        let making = Arc::new(AtomicBool::new(is_new));
        let backend = Backend { home: Arc::clone(&home), fence: Arc::clone(&fence), making: Arc::clone(&making) };
        let opened = guarded(|| {
            let database = redb!(Database::builder().set_cache_size(cache_bytes).create_with_backend(backend));
            let home = Arc::clone(&home);
            let index =
                Index { database: Some(database), home, fence: Arc::clone(&fence), cache_bytes, in_memory: false };
            let mark = index.prepare(uuid, first_mark)?;
            making.store(false, Ordering::Release);
            if is_new {
                index.home.sync().map_err(io_failed)?;
            }
            Ok((index, mark))
        });
        if opened.is_err() {
            fence.store(true, Ordering::Release);
        }
        opened
    }

    /// Leaves the file as it is and keeps what is written from now on in memory, for want of space. The file's mark stays
    /// behind, so the next start replays what is missing, or makes the index anew.
    pub(crate) fn go_to_memory(&mut self, uuid: &[u8; 16]) -> Result<(), IndexError> {
        self.fence.store(true, Ordering::Release);
        self.drop_database();
        let home = Arc::new(self.home.in_memory().map_err(io_failed)?);
        let (index, mark) = Index::open_on(home, uuid, self.cache_bytes, None)?;
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
        self.fence.store(true, Ordering::Release);
        self.drop_database();
        let (mut index, mark) = Index::open_on(Arc::clone(&self.home), uuid, self.cache_bytes, None)?;
        mark.ok_or(IndexError::Unfinished)?;
        index.in_memory = self.in_memory;
        *self = index;
        Ok(())
    }

    /// Opens the file again if it could not be opened after a failure, for want of space.
    pub(crate) fn revive(&mut self, uuid: &[u8; 16]) -> Result<(), IndexError> {
        if self.database.is_some() { Ok(()) } else { self.reopen(uuid) }
    }

    fn drop_database(&mut self) {
        let database = self.database.take();
        // redb may panic while it closes what it failed to write; the fence keeps the file as it was.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(database)));
    }

    fn database(&self) -> Result<&Database, IndexError> {
        self.database.as_ref().ok_or_else(|| IndexError::Failed("the index is closed".to_owned()))
    }

    /// Makes the tables if they are not there, and reads the mark.
    fn prepare(&self, uuid: &[u8; 16], first_mark: Option<Mark>) -> Result<Option<Mark>, IndexError> {
        let database = self.database()?;
        let transaction = redb!(database.begin_read());
        if let Ok(meta) = transaction.open_table(META) {
            let value = redb!(meta.get(MARK));
            return value.map(|value| decode_mark(value.value(), uuid)).transpose();
        }
        drop(transaction);
        let mut transaction = redb!(database.begin_write());
        careful(&mut transaction)?;
        {
            redb!(transaction.open_table(USAGE));
            redb!(transaction.open_table(SEGSTAT));
            for table in Table::ALL {
                redb!(transaction.open_table(definition(table)));
            }
            let mut meta = redb!(transaction.open_table(META));
            if let Some(mark) = &first_mark {
                redb!(meta.insert(MARK, encode_mark(mark, uuid).as_slice()));
            }
        }
        redb!(transaction.commit());
        Ok(first_mark)
    }

    /// A snapshot of what is in the index now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, IndexError> {
        guarded(|| {
            let transaction = redb!(self.database()?.begin_read());
            let mut tables = Vec::with_capacity(Table::ALL.len());
            for table in Table::ALL {
                tables.push(redb!(transaction.open_table(definition(table))));
            }
            Ok(Snapshot { tables })
        })
    }

    /// Applies a frozen memtable, sorted by key, and its mark in one transaction (I3).
    pub(crate) fn apply(&self, memtable: &Memtable, uuid: &[u8; 16]) -> Result<(), IndexError> {
        guarded(|| {
            let mut transaction = redb!(self.database()?.begin_write());
            careful(&mut transaction)?;
            if read_mark(&transaction, uuid)?.is_some_and(|mark| mark.seq >= memtable.mark().seq) {
                // A commit that was reported as failed had succeeded. Counts must not be added twice.
                redb!(transaction.abort());
                return Ok(());
            }
            apply_rows(&transaction, memtable)?;
            apply_counts(&transaction, memtable)?;
            let mut mark = memtable.mark();
            mark.seq += u64::from(seeded(Bug::MarkAhead));
            set_mark(&transaction, &mark, uuid)?;
            redb!(transaction.commit());
            Ok(())
        })
    }

    /// Fills an empty index in one transaction: with the rows that `fill` gives, ascending within each table, and with
    /// those of `memtable`, of other tables, and its counts. Without a mark it stays unfinished.
    pub(crate) fn load(
        &self,
        memtable: &Memtable,
        mark: Option<(&Mark, &[u8; 16])>,
        fill: impl FnOnce(&mut Loader<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut outcome = Ok(());
        guarded(|| {
            let mut transaction = redb!(self.database()?.begin_write());
            careful(&mut transaction)?;
            {
                let mut rows = Vec::with_capacity(Table::ALL.len());
                for table in Table::ALL {
                    rows.push(redb!(transaction.open_table(definition(table))));
                }
                outcome = fill(&mut Loader { rows, sealed: Vec::new() });
                if outcome.is_err() {
                    return Ok(());
                }
            }
            apply_rows(&transaction, memtable)?;
            apply_counts(&transaction, memtable)?;
            if let Some((mark, uuid)) = mark {
                set_mark(&transaction, mark, uuid)?;
            }
            redb!(transaction.commit());
            Ok(())
        })?;
        outcome
    }

    /// The size of the file, in bytes.
    pub(crate) fn file_bytes(&self) -> Result<u64, IndexError> {
        self.home.length().map_err(io_failed)
    }

    /// All that is in the index now, to be copied.
    pub(crate) fn source(&self) -> Result<Source, IndexError> {
        guarded(|| Ok(Source(redb!(self.database()?.begin_read()))))
    }

    /// Fills an empty index with all that another one had, mark and all, in one transaction. `on_bytes` is told of so many
    /// bytes at a time, and says whether to go on.
    pub(crate) fn copy(&self, source: &Source, mut on_bytes: impl FnMut(u64) -> bool) -> Result<(), IndexError> {
        guarded(|| {
            let mut transaction = redb!(self.database()?.begin_write());
            careful(&mut transaction)?;
            let mut pending = 0;
            for table in Table::ALL {
                let from = redb!(source.0.open_table(definition(table)));
                let mut to = redb!(transaction.open_table(definition(table)));
                for row in redb!(from.iter()) {
                    let (row_key, sealed) = redb!(row);
                    unsealed(row_key.value(), sealed.value())?;
                    redb!(to.insert(row_key.value(), sealed.value()));
                    pending += (row_key.value().len() + sealed.value().len()) as u64;
                    if pending >= COPY_STEP_BYTES && !on_bytes(std::mem::take(&mut pending)) {
                        return Err(IndexError::Failed("the copy of the index was given up".to_owned()));
                    }
                }
            }
            let mut usage = redb!(transaction.open_table(USAGE));
            for row in redb!(redb!(source.0.open_table(USAGE)).iter()) {
                let (bucket, counts) = redb!(row);
                redb!(usage.insert(bucket.value(), counts.value()));
            }
            drop(usage);
            let mut stats = redb!(transaction.open_table(SEGSTAT));
            for row in redb!(redb!(source.0.open_table(SEGSTAT)).iter()) {
                let (segment, stat) = redb!(row);
                decode_space(segment.value(), stat.value())?;
                redb!(stats.insert(segment.value(), stat.value()));
            }
            drop(stats);
            let mut meta = redb!(transaction.open_table(META));
            let from = redb!(source.0.open_table(META));
            let mark = redb!(from.get(MARK)).ok_or(IndexError::Unfinished)?;
            redb!(meta.insert(MARK, mark.value()));
            drop(meta);
            redb!(transaction.commit());
            Ok(())
        })
    }

    /// Takes the place of `old`, whose file is replaced; nothing is written to that any more. The name is not durable yet.
    pub(crate) fn replace(self, old: &mut Index) -> Result<(), IndexError> {
        self.home.rename(file::INDEX).map_err(io_failed)?;
        old.fence.store(true, Ordering::Release);
        *old = self;
        Ok(())
    }

    /// The mark.
    pub(crate) fn mark(&self, uuid: &[u8; 16]) -> Result<Mark, IndexError> {
        guarded(|| {
            let transaction = redb!(self.database()?.begin_read());
            let meta = redb!(transaction.open_table(META));
            let value = redb!(meta.get(MARK)).ok_or(IndexError::Unfinished)?;
            decode_mark(value.value(), uuid)
        })
    }

    /// The counts of all segments.
    pub(crate) fn space(&self) -> Result<BTreeMap<u64, SegmentStat>, IndexError> {
        guarded(|| {
            let transaction = redb!(self.database()?.begin_read());
            let rows = redb!(transaction.open_table(SEGSTAT));
            let mut stats = BTreeMap::new();
            for row in redb!(rows.iter()) {
                let (segment, stat) = redb!(row);
                stats.insert(segment.value(), decode_space(segment.value(), stat.value())?);
            }
            Ok(stats)
        })
    }

    /// The counts of all buckets.
    pub(crate) fn usage(&self) -> Result<Vec<(u64, BucketUsage)>, IndexError> {
        guarded(|| {
            let transaction = redb!(self.database()?.begin_read());
            let counts = redb!(transaction.open_table(USAGE));
            let mut usage = Vec::new();
            for row in redb!(counts.iter()) {
                let (bucket, count) = redb!(row);
                let (objects, bytes) = count.value();
                usage.push((bucket.value(), BucketUsage { objects, bytes }));
            }
            Ok(usage)
        })
    }
}

/// All that was in an index at one commit.
pub(crate) struct Source(redb::ReadTransaction);

/// How often a copy says how far it is.
const COPY_STEP_BYTES: u64 = 256 << 10;

/// Takes rows into an empty index.
pub(crate) struct Loader<'t> {
    rows: Vec<redb::Table<'t, &'static [u8], &'static [u8]>>,
    sealed: Vec<u8>,
}

impl Loader<'_> {
    /// Adds a row whose key is above those that the table has.
    pub(crate) fn insert(&mut self, table: Table, row_key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        self.sealed.clear();
        self.sealed.extend_from_slice(value);
        self.sealed.extend_from_slice(&row_checksum(row_key, value).to_le_bytes());
        redb!(self.rows[table as usize].insert(row_key, self.sealed.as_slice()));
        Ok(())
    }
}

fn apply_rows(transaction: &redb::WriteTransaction, memtable: &Memtable) -> Result<(), IndexError> {
    for table in Table::ALL {
        let mut scan = memtable.scan(table, &[], u64::MAX);
        if scan.key().is_none() {
            continue;
        }
        let mut rows = redb!(transaction.open_table(definition(table)));
        let mut sealed = Vec::new();
        while let Some(row_key) = scan.key() {
            match scan.value() {
                Some(value) => {
                    sealed.clear();
                    sealed.extend_from_slice(value);
                    sealed.extend_from_slice(&row_checksum(row_key, value).to_le_bytes());
                    redb!(rows.insert(row_key, sealed.as_slice()));
                }
                None => drop(redb!(rows.remove(row_key))),
            }
            scan.advance();
        }
    }
    Ok(())
}

fn apply_counts(transaction: &redb::WriteTransaction, memtable: &Memtable) -> Result<(), IndexError> {
    let mut counts = redb!(transaction.open_table(USAGE));
    for (bucket, (objects, bytes)) in memtable.usage() {
        let before = redb!(counts.get(bucket)).map_or((0, 0), |row| row.value());
        let after = (before.0.saturating_add_signed(objects), before.1.saturating_add_signed(bytes));
        if after == (0, 0) {
            redb!(counts.remove(bucket));
        } else {
            redb!(counts.insert(bucket, after));
        }
    }
    add_space(transaction, &memtable.space())
}

fn read_mark(transaction: &redb::WriteTransaction, uuid: &[u8; 16]) -> Result<Option<Mark>, IndexError> {
    let meta = redb!(transaction.open_table(META));
    let value = redb!(meta.get(MARK));
    value.map(|value| decode_mark(value.value(), uuid)).transpose()
}

fn set_mark(transaction: &redb::WriteTransaction, mark: &Mark, uuid: &[u8; 16]) -> Result<(), IndexError> {
    let mut meta = redb!(transaction.open_table(META));
    redb!(meta.insert(MARK, encode_mark(mark, uuid).as_slice()));
    Ok(())
}

/// Adds what changed to the counts of segments.
fn add_space(transaction: &redb::WriteTransaction, delta: &SpaceDelta) -> Result<(), IndexError> {
    let mut rows = redb!(transaction.open_table(SEGSTAT));
    for (segment, change) in &delta.stats {
        let before = redb!(rows.get(*segment)).map(|row| decode_space(*segment, row.value())).transpose()?;
        let mut stat = before.unwrap_or_default();
        stat.merge(change);
        let mut sealed = stat.encode();
        let crc = row_checksum(&segment.to_be_bytes(), &sealed);
        sealed.extend_from_slice(&crc.to_le_bytes());
        redb!(rows.insert(*segment, sealed.as_slice()));
    }
    for segment in &delta.freed {
        redb!(rows.remove(*segment));
    }
    Ok(())
}

fn decode_space(segment: u64, sealed: &[u8]) -> Result<SegmentStat, Malformed> {
    SegmentStat::decode(unsealed(&segment.to_be_bytes(), sealed)?)
}

impl Drop for Index {
    fn drop(&mut self) {
        self.drop_database();
    }
}

/// Every commit is synced, survives a torn write of redb's own header, and reopens without a scan.
fn careful(transaction: &mut redb::WriteTransaction) -> Result<(), IndexError> {
    transaction.set_durability(Durability::Immediate).map_err(|error| IndexError::Failed(error.to_string()))?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(())
}

fn row_checksum(key: &[u8], value: &[u8]) -> u32 {
    crate::format::checksum(crc32fast::hash(key), value)
}

/// The value of a row without its checksum, which is compared.
fn unsealed<'v>(key: &[u8], sealed: &'v [u8]) -> Result<&'v [u8], Malformed> {
    let (value, crc) = sealed.split_last_chunk::<4>().ok_or(Malformed)?;
    if u32::from_le_bytes(*crc) == row_checksum(key, value) { Ok(value) } else { Err(Malformed) }
}

fn encode_mark(mark: &Mark, uuid: &[u8; 16]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.u32(INDEX_VERSION).raw(uuid);
    encoder.u64(mark.seq).u64(mark.segment).u64(mark.offset).u64(mark.bulk_floor).u64(mark.bulk_next);
    let mut bytes = encoder.finish();
    bytes.extend_from_slice(&row_checksum(MARK.as_bytes(), &bytes).to_le_bytes());
    bytes
}

fn decode_mark(sealed: &[u8], uuid: &[u8; 16]) -> Result<Mark, IndexError> {
    let mut decoder = Decoder::new(unsealed(MARK.as_bytes(), sealed)?);
    if decoder.u32()? != INDEX_VERSION {
        return Err(IndexError::Failed("the index is of another version".to_owned()));
    }
    if decoder.array::<16>()? != *uuid {
        return Err(IndexError::Failed("the index belongs to another store".to_owned()));
    }
    Ok(Mark {
        seq: decoder.u64()?,
        segment: decoder.u64()?,
        offset: decoder.u64()?,
        bulk_floor: decoder.u64()?,
        bulk_next: decoder.u64()?,
    })
}

/// The index as it was at one commit; cheap to keep, lock-free to read.
pub(crate) struct Snapshot {
    tables: Vec<Rows>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Snapshot {
    pub(crate) fn get<R>(
        &self,
        table: Table,
        row_key: &[u8],
        use_row: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, IndexError> {
        guarded(|| match redb!(self.tables[table as usize].get(row_key)) {
            None => Ok(None),
            Some(sealed) => Ok(Some(use_row(unsealed(row_key, sealed.value())?))),
        })
    }

    /// The rows from `from` on.
    pub(crate) fn scan(&self, table: Table, from: &[u8], prefix: &[u8]) -> Result<Scan, IndexError> {
        guarded(|| {
            let rows = &self.tables[table as usize];
            let range = match key::after(prefix) {
                Some(end) if from < end.as_slice() => redb!(rows.range(from..end.as_slice())),
                Some(_) => redb!(rows.range(from..from)),
                None => redb!(rows.range(from..)),
            };
            let mut scan = Scan { range, row: None };
            scan.step()?;
            Ok(scan)
        })
    }
}

type Row = (redb::AccessGuard<'static, &'static [u8]>, redb::AccessGuard<'static, &'static [u8]>);

/// A position in one table of a snapshot.
pub(crate) struct Scan {
    range: redb::Range<'static, &'static [u8], &'static [u8]>,
    row: Option<Row>,
}

impl Scan {
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.row.as_ref().map(|(key, _)| key.value())
    }

    pub(crate) fn value(&self) -> Result<&[u8], Malformed> {
        let (key, sealed) = self.row.as_ref().ok_or(Malformed)?;
        unsealed(key.value(), sealed.value())
    }

    pub(crate) fn advance(&mut self) -> Result<(), IndexError> {
        guarded(|| self.step())
    }

    fn step(&mut self) -> Result<(), IndexError> {
        self.row = match self.range.next() {
            None => None,
            Some(row) => Some(redb!(row)),
        };
        Ok(())
    }
}
