//! An index of plain maps in place of redb's, so that the simulator can try the log alone, many times as fast.
//!
//! A commit is atomic and its file holds no more than the commit's number, in one of two slots in turn; what the numbers
//! stand for is kept aside. So the index gets lost, stale or left unfinished with its file, as redb's does, and takes two
//! calls to the disk where redb takes dozens.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::backend::Home;
use super::{IndexError, io_failed};
use crate::bucket::BucketUsage;
use crate::codec::Malformed;
use crate::error::Error;
use crate::format::{checksum, u32_at, u64_at};
use crate::memtable::{Mark, Memtable};
use crate::row::Table;
use crate::space::SegmentStat;

thread_local! {
    static IS_CHOSEN: Cell<bool> = const { Cell::new(false) };
    static COMMITS: RefCell<Commits> = RefCell::default();
}

#[derive(Default)]
struct Commits {
    last: u64,
    by_number: HashMap<u64, Arc<Tables>>,
}

/// While it lives, stores on this thread keep their index in plain maps.
pub(crate) struct Chosen(());

pub(crate) fn choose() -> Chosen {
    IS_CHOSEN.set(true);
    Chosen(())
}

impl Drop for Chosen {
    fn drop(&mut self) {
        IS_CHOSEN.set(false);
        COMMITS.with_borrow_mut(|commits| commits.by_number.clear());
    }
}

pub(super) fn is_chosen() -> bool {
    IS_CHOSEN.get()
}

type Rows = BTreeMap<Arc<[u8]>, Arc<[u8]>>;

/// Everything in an index; unchanged tables are shared by the commits.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    rows: [Arc<Rows>; Table::ALL.len()],
    usage: BTreeMap<u64, BucketUsage>,
    space: BTreeMap<u64, SegmentStat>,
    mark: Option<Mark>,
}

impl Tables {
    pub(super) fn insert(&mut self, table: Table, row_key: &[u8], value: &[u8]) {
        Arc::make_mut(&mut self.rows[table as usize]).insert(row_key.into(), value.into());
    }

    fn apply(&mut self, memtable: &Memtable) {
        for table in Table::ALL {
            let mut scan = memtable.scan(table, &[], u64::MAX);
            while let Some(row_key) = scan.key() {
                match scan.value() {
                    Some(value) => self.insert(table, row_key, value),
                    None => _ = Arc::make_mut(&mut self.rows[table as usize]).remove(row_key),
                }
                scan.advance();
            }
        }
        for (bucket, (objects, bytes)) in memtable.usage() {
            let counts = self.usage.entry(bucket).or_default();
            counts.objects = counts.objects.saturating_add_signed(objects);
            counts.bytes = counts.bytes.saturating_add_signed(bytes);
        }
        self.usage.retain(|_, counts| *counts != BucketUsage::default());
        let delta = memtable.space();
        for (segment, change) in &delta.stats {
            self.space.entry(*segment).or_default().merge(change);
        }
        for segment in &delta.freed {
            self.space.remove(segment);
        }
    }
}

/// An open index.
pub(super) struct Plain {
    home: Arc<Home>,
    tables: RefCell<Arc<Tables>>,
}

const SLOT_BYTES: u64 = 512;
const NUMBER_BYTES: usize = 12;

impl Plain {
    /// The newest commit that is whole, and its mark.
    pub(super) fn open(home: Arc<Home>, first_mark: Option<Mark>) -> Result<(Plain, Option<Mark>), IndexError> {
        if home.is_empty().map_err(io_failed)? {
            let plain = Plain { home, tables: RefCell::default() };
            plain.commit(Tables { mark: first_mark, ..Tables::default() })?;
            return Ok((plain, first_mark));
        }
        let mut newest = 0;
        for slot in 0..2 {
            let mut bytes = [0; NUMBER_BYTES];
            let count = home.file.read_at(&mut bytes, slot * SLOT_BYTES).map_err(io_failed)?;
            if count == NUMBER_BYTES && checksum(7, &bytes[..8]) == u32_at(&bytes, 8) {
                newest = newest.max(u64_at(&bytes, 0));
            }
        }
        let found = COMMITS.with_borrow(|commits| commits.by_number.get(&newest).cloned());
        let tables = found.ok_or_else(|| IndexError::Failed("no commit of the index is whole".to_owned()))?;
        let mark = tables.mark;
        Ok((Plain { home, tables: RefCell::new(tables) }, mark))
    }

    fn commit(&self, tables: Tables) -> Result<(), IndexError> {
        let tables = Arc::new(tables);
        let number = COMMITS.with_borrow_mut(|commits| {
            commits.last += 1;
            commits.by_number.insert(commits.last, Arc::clone(&tables));
            commits.last
        });
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend_from_slice(&checksum(7, &bytes).to_le_bytes());
        self.home.file.write_at(&bytes, number % 2 * SLOT_BYTES).map_err(io_failed)?;
        self.home.sync().map_err(io_failed)?;
        self.tables.replace(tables);
        Ok(())
    }

    fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.tables.borrow())
    }

    pub(super) fn apply(&self, memtable: &Memtable, mark: &Mark) -> Result<(), IndexError> {
        let mut tables = Tables::clone(&self.tables());
        if tables.mark.is_some_and(|mark| mark.seq >= memtable.mark().seq) {
            return Ok(());
        }
        tables.apply(memtable);
        tables.mark = Some(*mark);
        self.commit(tables)
    }

    pub(super) fn load(
        &self,
        memtable: &Memtable,
        mark: Option<&Mark>,
        fill: impl FnOnce(&mut Tables) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut tables = Tables::clone(&self.tables());
        fill(&mut tables)?;
        tables.apply(memtable);
        tables.mark = mark.copied();
        Ok(self.commit(tables)?)
    }

    pub(super) fn copy(&self, source: &Tables) -> Result<(), IndexError> {
        self.commit(source.clone())
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot(self.tables())
    }

    pub(super) fn source(&self) -> Arc<Tables> {
        self.tables()
    }

    pub(super) fn mark(&self) -> Result<Mark, IndexError> {
        self.tables().mark.ok_or(IndexError::Unfinished)
    }

    pub(super) fn space(&self) -> BTreeMap<u64, SegmentStat> {
        self.tables().space.clone()
    }

    pub(super) fn usage(&self) -> Vec<(u64, BucketUsage)> {
        self.tables().usage.iter().map(|(bucket, counts)| (*bucket, *counts)).collect()
    }
}

pub(crate) struct Snapshot(Arc<Tables>);

impl Snapshot {
    pub(super) fn get(&self, table: Table, row_key: &[u8]) -> Option<&[u8]> {
        self.0.rows[table as usize].get(row_key).map(|value| &**value)
    }

    pub(super) fn scan(&self, table: Table, from: &[u8]) -> Scan {
        let rows = Arc::clone(&self.0.rows[table as usize]);
        let row = row_from(&rows, Bound::Included(from));
        Scan { rows, row }
    }
}

type Row = (Arc<[u8]>, Arc<[u8]>);

fn row_from(rows: &Rows, from: Bound<&[u8]>) -> Option<Row> {
    let mut range = rows.range::<[u8], _>((from, Bound::Unbounded));
    range.next().map(|(row_key, value)| (Arc::clone(row_key), Arc::clone(value)))
}

pub(crate) struct Scan {
    rows: Arc<Rows>,
    row: Option<Row>,
}

impl Scan {
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.row.as_ref().map(|(row_key, _)| &**row_key)
    }

    pub(super) fn value(&self) -> Result<&[u8], Malformed> {
        self.row.as_ref().map(|(_, value)| &**value).ok_or(Malformed)
    }

    pub(super) fn advance(&mut self) {
        if let Some((row_key, _)) = self.row.take() {
            self.row = row_from(&self.rows, Bound::Excluded(&row_key));
        }
    }
}
