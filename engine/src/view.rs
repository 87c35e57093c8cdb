//! The view: what a reader sees of the store's rows at one instant.
//!
//! It is {active memtable, frozen memtable, index snapshot}, swapped whole; the first that has a row has the newest.

use std::sync::Arc;

use crate::codec::Malformed;
use crate::error::Error;
use crate::index::{self, IndexError, Snapshot};
use crate::memtable::{self, Memtable};
use crate::row::{ObjectRow, Table, key};

#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) active: Arc<Memtable>,
    pub(crate) frozen: Option<Arc<Memtable>>,
    pub(crate) base: Arc<Snapshot>,
}

impl From<IndexError> for Error {
    fn from(error: IndexError) -> Error {
        match error {
            IndexError::NoSpace => Error::NoSpace,
            IndexError::Closed => Error::Closed,
            error => Error::damaged(error.to_string(), crate::format::file::INDEX),
        }
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Error {
        Error::damaged("a row or record that does not decode", crate::format::file::INDEX)
    }
}

impl View {
    /// What `use_row` makes of the row of `key`.
    pub(crate) fn get<R>(
        &self,
        table: Table,
        row_key: &[u8],
        use_row: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Error> {
        let mut use_row = Some(use_row);
        let mut consume = |row: Option<&[u8]>| row.and_then(|row| use_row.take().map(|use_row| use_row(row)));
        for memtable in [Some(&self.active), self.frozen.as_ref()].into_iter().flatten() {
            if let Some(found) = memtable.get(table, row_key, memtable.visible(), &mut consume) {
                return Ok(found);
            }
        }
        Ok(self.base.get(table, row_key, |row| consume(Some(row)))?.flatten())
    }

    pub(crate) fn contains(&self, table: Table, row_key: &[u8]) -> Result<bool, Error> {
        Ok(self.get(table, row_key, |_| ())?.is_some())
    }

    /// The current object of a key.
    pub(crate) fn current(&self, bucket: u64, object_key: &[u8]) -> Result<Option<ObjectRow>, Error> {
        self.object(Table::Current, &key::object(bucket, object_key))
    }

    pub(crate) fn object(&self, table: Table, row_key: &[u8]) -> Result<Option<ObjectRow>, Error> {
        Ok(self.get(table, row_key, ObjectRow::decode)?.transpose()?)
    }

    /// The rows whose keys begin with `prefix`, from `from` on, ascending.
    pub(crate) fn scan(&self, table: Table, from: &[u8], prefix: &[u8]) -> Result<Scan<'_>, Error> {
        let memtables = [Some(&self.active), self.frozen.as_ref()]
            .into_iter()
            .flatten()
            .map(|memtable| memtable.scan(table, from, memtable.visible()))
            .collect();
        let base = self.base.scan(table, from, prefix)?;
        let mut scan = Scan { memtables, base, prefix: prefix.to_vec(), key: Vec::new(), value: Vec::new() };
        scan.key.reserve(64);
        Ok(scan)
    }

    /// Calls `each` with every row whose key begins with `prefix`.
    pub(crate) fn for_each(
        &self,
        table: Table,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut scan = self.scan(table, prefix, prefix)?;
        while let Some((row_key, value)) = scan.next()? {
            each(row_key, value)?;
        }
        Ok(())
    }
}

/// A row's key and value.
pub(crate) type Row<'s> = (&'s [u8], &'s [u8]);

/// A row's key, and its value unless that is damaged.
pub(crate) type RowOrRot<'s> = (&'s [u8], Option<&'s [u8]>);

/// A merged walk over the rows of a view, deleted ones left out.
pub(crate) struct Scan<'v> {
    /// Newest first.
    memtables: Vec<memtable::Scan<'v>>,
    base: index::Scan,
    prefix: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What a walk went past.
enum Passed {
    Deleted,
    Row,
    Damaged,
}

impl Scan<'_> {
    /// The key that `step` goes past; its row may be deleted.
    pub(crate) fn peek_key(&self) -> Option<&[u8]> {
        let least = self.memtables.iter().map(memtable::Scan::key).chain([self.base.key()]).flatten().min();
        least.filter(|key| key.starts_with(&self.prefix))
    }

    /// The next row; key and value are valid until the next call.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, Error> {
        loop {
            match self.step()? {
                None => return Ok(None),
                Some(false) => {}
                Some(true) => return Ok(Some((&self.key, &self.value))),
            }
        }
    }

    /// The next row, without its value where that does not match its checksum.
    pub(crate) fn next_even_damaged(&mut self) -> Result<Option<RowOrRot<'_>>, Error> {
        loop {
            match self.pass()? {
                None => return Ok(None),
                Some(Passed::Deleted) => {}
                Some(Passed::Row) => return Ok(Some((&self.key, Some(&self.value)))),
                Some(Passed::Damaged) => return Ok(Some((&self.key, None))),
            }
        }
    }

    /// Goes past the least key, deleted or not; answers whether there is a row.
    pub(crate) fn step(&mut self) -> Result<Option<bool>, Error> {
        match self.pass()? {
            None => Ok(None),
            Some(Passed::Deleted) => Ok(Some(false)),
            Some(Passed::Row) => Ok(Some(true)),
            Some(Passed::Damaged) => Err(Malformed.into()),
        }
    }

    fn pass(&mut self) -> Result<Option<Passed>, Error> {
        let least = self.memtables.iter().map(memtable::Scan::key).chain([self.base.key()]).flatten().min();
        let Some(least) = least.filter(|key| key.starts_with(&self.prefix)) else { return Ok(None) };
        self.key.clear();
        self.key.extend_from_slice(least);
        self.value.clear();
        let mut found = None;
        for scan in &mut self.memtables {
            if scan.key() == Some(&self.key) {
                if found.is_none() {
                    found = match scan.value() {
                        None => Some(Passed::Deleted),
                        Some(value) => {
                            self.value.extend_from_slice(value);
                            Some(Passed::Row)
                        }
                    };
                }
                scan.advance();
            }
        }
        if self.base.key() == Some(&self.key) {
            if found.is_none() {
                found = match self.base.value() {
                    Err(Malformed) => Some(Passed::Damaged),
                    Ok(value) => {
                        self.value.extend_from_slice(value);
                        Some(Passed::Row)
                    }
                };
            }
            self.base.advance()?;
        }
        Ok(found)
    }
}
