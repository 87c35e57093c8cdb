//! What is read of the index: rows as they were at one commit, one by one or in order.

use std::fmt;
use std::sync::Arc;

use redb::ReadOnlyTable;

#[cfg(test)]
use super::plain;
use super::seal::unsealed;
use super::{IndexError, guarded, redb};
use crate::codec::Malformed;
use crate::row::{Table, key};

/// The index as it was at one commit; cheap to keep, lock-free to read.
pub(crate) enum Snapshot {
    Redb(RedbSnapshot),
    /// In place of one, once the store was closed.
    Closed,
    #[cfg(test)]
    Plain(plain::Snapshot),
}

pub(crate) struct RedbSnapshot {
    pub(super) tables: Vec<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    /// In what keeps the database open.
    pub(super) share: Arc<()>,
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
        match self {
            Snapshot::Redb(rows) => guarded(|| match redb!(rows.tables[table as usize].get(row_key)) {
                None => Ok(None),
                Some(sealed) => Ok(Some(use_row(unsealed(row_key, sealed.value())?))),
            }),
            Snapshot::Closed => Err(IndexError::Closed),
            #[cfg(test)]
            Snapshot::Plain(rows) => Ok(rows.get(table, row_key).map(use_row)),
        }
    }

    /// The rows from `from` on whose keys begin with `prefix`.
    pub(crate) fn scan(&self, table: Table, from: &[u8], prefix: &[u8]) -> Result<Scan, IndexError> {
        match self {
            Snapshot::Redb(rows) => guarded(|| {
                let share = Arc::clone(&rows.share);
                let rows = &rows.tables[table as usize];
                let range = match key::after(prefix) {
                    Some(end) if from < end.as_slice() => redb!(rows.range(from..end.as_slice())),
                    Some(_) => redb!(rows.range(from..from)),
                    None => redb!(rows.range(from..)),
                };
                let mut scan = RedbScan { range, row: None, _share: share };
                scan.step()?;
                Ok(Scan::Redb(scan))
            }),
            Snapshot::Closed => Err(IndexError::Closed),
            #[cfg(test)]
            Snapshot::Plain(rows) => Ok(Scan::Plain(rows.scan(table, from))),
        }
    }
}

type Row = (redb::AccessGuard<'static, &'static [u8]>, redb::AccessGuard<'static, &'static [u8]>);

/// A position in one table of a snapshot.
#[cfg_attr(test, expect(clippy::large_enum_variant, reason = "there is one outside tests"))]
pub(crate) enum Scan {
    Redb(RedbScan),
    #[cfg(test)]
    Plain(plain::Scan),
}

pub(crate) struct RedbScan {
    range: redb::Range<'static, &'static [u8], &'static [u8]>,
    row: Option<Row>,
    _share: Arc<()>,
}

impl Scan {
    pub(crate) fn key(&self) -> Option<&[u8]> {
        match self {
            Scan::Redb(scan) => scan.row.as_ref().map(|(key, _)| key.value()),
            #[cfg(test)]
            Scan::Plain(scan) => scan.key(),
        }
    }

    pub(crate) fn value(&self) -> Result<&[u8], Malformed> {
        match self {
            Scan::Redb(scan) => {
                let (key, sealed) = scan.row.as_ref().ok_or(Malformed)?;
                unsealed(key.value(), sealed.value())
            }
            #[cfg(test)]
            Scan::Plain(scan) => scan.value(),
        }
    }

    pub(crate) fn advance(&mut self) -> Result<(), IndexError> {
        match self {
            Scan::Redb(scan) => guarded(|| scan.step()),
            #[cfg(test)]
            Scan::Plain(scan) => {
                scan.advance();
                Ok(())
            }
        }
    }
}

impl RedbScan {
    fn step(&mut self) -> Result<(), IndexError> {
        self.row = match self.range.next() {
            None => None,
            Some(row) => Some(redb!(row)),
        };
        Ok(())
    }
}
