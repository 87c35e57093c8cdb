//! What is done to the index in redb: each in one transaction.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
    TableDefinition,
};

use super::backend::Backend;
use super::seal::{MARK, decode_mark, decode_space, encode_mark, row_checksum, unsealed};
use super::snapshot::RedbSnapshot;
use super::{COPY_STEP_BYTES, IndexError, guarded, redb};
use crate::bucket::BucketUsage;
use crate::error::Error;
use crate::memtable::{Mark, Memtable, SpaceDelta};
use crate::row::Table;
use crate::space::SegmentStat;

const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");
const USAGE: TableDefinition<'static, u64, (u64, u64)> = TableDefinition::new("usage");
const SEGSTAT: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("segstat");

/// How far redb says that a repair is when the newest commit did not verify, and it goes back to the one before. It says more once all
/// pages have, and nothing has been written yet.
const REPAIR_BEGUN_AGAIN: f64 = 0.3;

pub(super) fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// What the rows of all tables take with what leads to them, in bytes.
pub(super) fn row_bytes(transaction: &redb::ReadTransaction) -> Result<u64, IndexError> {
    guarded(|| {
        let mut bytes = 0;
        for table in Table::ALL {
            let stats = redb!(redb!(transaction.open_table(definition(table))).stats());
            bytes += stats.stored_bytes() + stats.metadata_bytes();
        }
        Ok(bytes)
    })
}

/// An open database.
pub(super) struct Redb(Database);

impl Redb {
    pub(super) fn open(backend: Backend, cache_bytes: usize) -> Result<Redb, IndexError> {
        Ok(Redb(redb!(Database::builder().set_cache_size(cache_bytes).create_with_backend(backend))))
    }

    /// Makes the tables if they are not there, and reads the mark.
    pub(super) fn prepare(&self, uuid: &[u8; 16], first_mark: Option<Mark>) -> Result<Option<Mark>, IndexError> {
        let transaction = redb!(self.0.begin_read());
        if let Ok(meta) = transaction.open_table(META) {
            let value = redb!(meta.get(MARK));
            return value.map(|value| decode_mark(value.value(), uuid)).transpose();
        }
        drop(transaction);
        let mut transaction = redb!(self.0.begin_write());
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

    pub(super) fn snapshot(&self, readers: &Arc<()>) -> Result<RedbSnapshot, IndexError> {
        guarded(|| {
            let transaction = redb!(self.0.begin_read());
            let mut tables = Vec::with_capacity(Table::ALL.len());
            for table in Table::ALL {
                tables.push(redb!(transaction.open_table(definition(table))));
            }
            Ok(RedbSnapshot { tables, share: Arc::clone(readers) })
        })
    }

    pub(super) fn apply(&self, memtable: &Memtable, mark: &Mark, uuid: &[u8; 16]) -> Result<(), IndexError> {
        guarded(|| {
            let mut transaction = redb!(self.0.begin_write());
            careful(&mut transaction)?;
            if read_mark(&transaction, uuid)?.is_some_and(|mark| mark.seq >= memtable.mark().seq) {
                // A commit that was reported as failed had succeeded. Counts must not be added twice.
                redb!(transaction.abort());
                return Ok(());
            }
            apply_rows(&transaction, memtable)?;
            apply_counts(&transaction, memtable)?;
            set_mark(&transaction, mark, uuid)?;
            redb!(transaction.commit());
            Ok(())
        })
    }

    pub(super) fn load(
        &self,
        memtable: &Memtable,
        mark: Option<(&Mark, &[u8; 16])>,
        fill: impl FnOnce(RedbLoader<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut outcome = Ok(());
        guarded(|| {
            let mut transaction = redb!(self.0.begin_write());
            careful(&mut transaction)?;
            {
                let mut rows = Vec::with_capacity(Table::ALL.len());
                for table in Table::ALL {
                    rows.push(redb!(transaction.open_table(definition(table))));
                }
                outcome = fill(RedbLoader { rows, sealed: Vec::new() });
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

    /// Compares every page of a file with its checksum. Writes nothing that outlasts it if the backend keeps nothing.
    pub(super) fn check(backend: Backend) -> Result<(), IndexError> {
        let verified = Rc::new(Cell::new(false));
        let seen = Rc::clone(&verified);
        let mut builder = Database::builder();
        // The first step of the repair is what is wanted: it reads each page once. The second reads them all again, to count them.
        // Nothing is kept, for nothing is read twice.
        builder.set_cache_size(0).set_check_integrity_on_open(true).set_repair_callback(move |repair| {
            let progress = repair.progress();
            seen.set(progress > REPAIR_BEGUN_AGAIN);
            if progress > 0.0 {
                repair.abort();
            }
        });
        guarded(|| match builder.create_with_backend(backend) {
            Err(DatabaseError::RepairAborted) if verified.get() => Ok(()),
            Err(DatabaseError::RepairAborted | DatabaseError::Storage(StorageError::Corrupted(_))) => {
                Err(IndexError::Failed("pages of the index do not match their checksums".to_owned()))
            }
            opened => {
                redb!(opened);
                Ok(())
            }
        })
    }

    pub(super) fn source(&self) -> Result<redb::ReadTransaction, IndexError> {
        guarded(|| Ok(redb!(self.0.begin_read())))
    }

    pub(super) fn copy(
        &self,
        source: &redb::ReadTransaction,
        mut on_bytes: impl FnMut(u64) -> bool,
    ) -> Result<(), IndexError> {
        guarded(|| {
            let mut transaction = redb!(self.0.begin_write());
            careful(&mut transaction)?;
            let mut pending = 0;
            for table in Table::ALL {
                let from = redb!(source.open_table(definition(table)));
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
            for row in redb!(redb!(source.open_table(USAGE)).iter()) {
                let (bucket, counts) = redb!(row);
                redb!(usage.insert(bucket.value(), counts.value()));
            }
            drop(usage);
            let mut stats = redb!(transaction.open_table(SEGSTAT));
            for row in redb!(redb!(source.open_table(SEGSTAT)).iter()) {
                let (segment, stat) = redb!(row);
                decode_space(segment.value(), stat.value())?;
                redb!(stats.insert(segment.value(), stat.value()));
            }
            drop(stats);
            let mut meta = redb!(transaction.open_table(META));
            let from = redb!(source.open_table(META));
            let mark = redb!(from.get(MARK)).ok_or(IndexError::Unfinished)?;
            redb!(meta.insert(MARK, mark.value()));
            drop(meta);
            redb!(transaction.commit());
            Ok(())
        })
    }

    pub(super) fn mark(&self, uuid: &[u8; 16]) -> Result<Mark, IndexError> {
        guarded(|| {
            let transaction = redb!(self.0.begin_read());
            let meta = redb!(transaction.open_table(META));
            let value = redb!(meta.get(MARK)).ok_or(IndexError::Unfinished)?;
            decode_mark(value.value(), uuid)
        })
    }

    pub(super) fn space(&self) -> Result<BTreeMap<u64, SegmentStat>, IndexError> {
        guarded(|| {
            let transaction = redb!(self.0.begin_read());
            let rows = redb!(transaction.open_table(SEGSTAT));
            let mut stats = BTreeMap::new();
            for row in redb!(rows.iter()) {
                let (segment, stat) = redb!(row);
                stats.insert(segment.value(), decode_space(segment.value(), stat.value())?);
            }
            Ok(stats)
        })
    }

    pub(super) fn usage(&self) -> Result<Vec<(u64, BucketUsage)>, IndexError> {
        guarded(|| {
            let transaction = redb!(self.0.begin_read());
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

/// Takes rows into an empty index.
pub(crate) struct RedbLoader<'t> {
    rows: Vec<redb::Table<'t, &'static [u8], &'static [u8]>>,
    sealed: Vec<u8>,
}

impl RedbLoader<'_> {
    pub(super) fn insert(&mut self, table: Table, row_key: &[u8], value: &[u8]) -> Result<(), IndexError> {
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

/// Every commit is synced, survives a torn write of redb's own header, and reopens without a scan.
fn careful(transaction: &mut redb::WriteTransaction) -> Result<(), IndexError> {
    transaction.set_durability(Durability::Immediate).map_err(|error| IndexError::Failed(error.to_string()))?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(())
}
