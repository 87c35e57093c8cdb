//! The memtable: rows of durable records that the index does not hold yet.
//!
//! A row is never overwritten: each carries the number of its record, and a reader takes the newest one that is not
//! above the number it may see. So all rows of a record become visible at one instant, and no reader waits.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use crossbeam_skiplist::SkipMap;

use crate::row::Table;
use crate::space::{self, SegmentStat};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};

/// How far the log was applied: everything up to here is in the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The last record applied.
    pub(crate) seq: u64,
    /// The segment it lies in, and the end of it there.
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    /// No bulk segment below this was without a record when the mark was made, and none was waiting to be unlinked.
    pub(crate) bulk_floor: u64,
    /// The next bulk id.
    pub(crate) bulk_next: u64,
}

#[derive(Debug)]
struct Versioned {
    key: Box<[u8]>,
    seq: u64,
}

/// A row key and the record's number, borrowed: the newest record first.
trait Versionish {
    fn parts(&self) -> (&[u8], u64);
}

impl Versionish for Versioned {
    fn parts(&self) -> (&[u8], u64) {
        (&self.key, self.seq)
    }
}

impl Versionish for (&[u8], u64) {
    fn parts(&self) -> (&[u8], u64) {
        (self.0, self.1)
    }
}

impl<'a> Borrow<dyn Versionish + 'a> for Versioned {
    fn borrow(&self) -> &(dyn Versionish + 'a) {
        self
    }
}

impl Ord for dyn Versionish + '_ {
    fn cmp(&self, other: &Self) -> Order {
        let ((key, seq), (other_key, other_seq)) = (self.parts(), other.parts());
        key.cmp(other_key).then(other_seq.cmp(&seq))
    }
}

impl PartialOrd for dyn Versionish + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Versionish + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Versionish + '_ {}

impl Ord for Versioned {
    fn cmp(&self, other: &Self) -> Order {
        self.key.cmp(&other.key).then(other.seq.cmp(&self.seq))
    }
}

impl PartialOrd for Versioned {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Versioned {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq && self.key == other.key
    }
}

impl Eq for Versioned {}

type Map = SkipMap<Versioned, Option<Box<[u8]>>>;

#[derive(Debug)]
pub(crate) struct Memtable {
    maps: [Map; Table::ALL.len()],
    rows: AtomicUsize,
    bytes: AtomicUsize,
    /// The number of the last record whose rows are all here.
    visible: AtomicU64,
    /// What the records changed in the buckets' counts, by bucket: objects, bytes.
    usage: Mutex<HashMap<u64, (i64, i64)>>,
    space: Mutex<SpaceDelta>,
    mark: Mutex<Mark>,
}

/// What the records changed in the counts of segments, and the segments freed by them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpaceDelta {
    pub(crate) stats: HashMap<u64, SegmentStat>,
    pub(crate) freed: BTreeSet<u64>,
}

/// A rough cost of a row beside its key and value.
const ROW_OVERHEAD_BYTES: usize = 96;

impl Memtable {
    pub(crate) fn new() -> Memtable {
        Memtable {
            maps: std::array::from_fn(|_| SkipMap::new()),
            rows: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            visible: AtomicU64::new(0),
            usage: Mutex::default(),
            space: Mutex::default(),
            mark: Mutex::default(),
        }
    }

    /// Adds a row of record `seq`; nobody sees it before [`Memtable::publish`].
    pub(crate) fn insert(&self, table: Table, key: Vec<u8>, seq: u64, value: Option<Vec<u8>>) {
        let bytes = key.len() + value.as_ref().map_or(0, Vec::len) + ROW_OVERHEAD_BYTES;
        self.maps[table as usize]
            .insert(Versioned { key: key.into_boxed_slice(), seq }, value.map(Vec::into_boxed_slice));
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn count_usage(&self, bucket: u64, objects: i64, bytes: i64) {
        let mut usage = lock(&self.usage);
        let counts = usage.entry(bucket).or_default();
        counts.0 += objects;
        counts.1 += bytes;
    }

    pub(crate) fn count_space(&self, changes: &[(u64, space::Change)]) {
        let mut delta = lock(&self.space);
        for (segment, change) in changes {
            delta.stats.entry(*segment).or_default().change(*change);
        }
    }

    /// The counts of these segments are of no interest any more.
    pub(crate) fn forget_segments(&self, freed: impl IntoIterator<Item = u64>) {
        lock(&self.space).freed.extend(freed);
    }

    pub(crate) fn space(&self) -> SpaceDelta {
        lock(&self.space).clone()
    }

    /// Makes all rows of records up to `mark.seq` visible.
    pub(crate) fn publish(&self, mark: Mark) {
        *lock(&self.mark) = mark;
        self.visible.store(mark.seq, Ordering::Release);
    }

    pub(crate) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    pub(crate) fn mark(&self) -> Mark {
        *lock(&self.mark)
    }

    pub(crate) fn set_bulk_floor(&self, floor: u64, next: u64) {
        let mut mark = lock(&self.mark);
        mark.bulk_floor = floor;
        mark.bulk_next = next;
    }

    pub(crate) fn usage(&self) -> Vec<(u64, (i64, i64))> {
        lock(&self.usage).iter().map(|(bucket, counts)| (*bucket, *counts)).collect()
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.mark().seq == 0
    }

    /// What `use_row` makes of the newest visible row of `key`: `None` if there is none here, `Some(None)` given for a
    /// row that was deleted.
    pub(crate) fn get<R>(
        &self,
        table: Table,
        key: &[u8],
        visible: u64,
        use_row: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Option<R> {
        let from = (key, visible);
        let entry = self.maps[table as usize].lower_bound(Bound::Included(&from as &dyn Versionish))?;
        (*entry.key().key == *key).then(|| use_row(entry.value().as_deref()))
    }

    /// The newest visible row of each key from `from` on, deleted ones too.
    pub(crate) fn scan(&self, table: Table, from: &[u8], visible: u64) -> Scan<'_> {
        let map = &self.maps[table as usize];
        let start = (from, u64::MAX);
        let mut scan = Scan { entry: map.lower_bound(Bound::Included(&start as &dyn Versionish)), visible };
        scan.skip_invisible();
        scan
    }
}

/// A position in one table of a memtable.
pub(crate) struct Scan<'m> {
    entry: Option<crossbeam_skiplist::map::Entry<'m, Versioned, Option<Box<[u8]>>>>,
    visible: u64,
}

impl Scan<'_> {
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.entry.as_ref().map(|entry| &*entry.key().key)
    }

    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.entry.as_ref().and_then(|entry| entry.value().as_deref())
    }

    /// Goes to the next key.
    pub(crate) fn advance(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        let mut next = entry.next();
        while let Some(candidate) = &next
            && candidate.key().key == entry.key().key
        {
            next = candidate.next();
        }
        self.entry = next;
        self.skip_invisible();
    }

    fn skip_invisible(&mut self) {
        while let Some(entry) = &self.entry
            && entry.key().seq > self.visible
        {
            self.entry = entry.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_the_newest_row_that_they_may_see() {
        let table = Memtable::new();
        for (seq, value) in [(1, Some(vec![1])), (2, None), (3, Some(vec![3]))] {
            table.insert(Table::Current, b"k".to_vec(), seq, value);
        }
        let at = |visible| table.get(Table::Current, b"k", visible, |row| row.map(<[u8]>::to_vec));
        assert_eq!(at(0), None);
        assert_eq!(at(1), Some(Some(vec![1])));
        assert_eq!(at(2), Some(None));
        assert_eq!(at(9), Some(Some(vec![3])));
        assert_eq!(table.get(Table::Current, b"j", 9, |_| ()), None);
        assert_eq!(table.get(Table::Config, b"k", 9, |_| ()), None);
    }

    #[test]
    fn a_scan_meets_each_key_once() {
        let table = Memtable::new();
        for (key, seq) in [("a", 5), ("b", 1), ("b", 2), ("b", 7), ("c", 3)] {
            table.insert(Table::Current, key.into(), seq, Some(vec![seq as u8]));
        }
        let mut scan = table.scan(Table::Current, b"", 4);
        let mut seen = Vec::new();
        while let Some(key) = scan.key() {
            seen.push((key.to_vec(), scan.value().map(<[u8]>::to_vec)));
            scan.advance();
        }
        assert_eq!(seen, [(b"b".to_vec(), Some(vec![2])), (b"c".to_vec(), Some(vec![3]))]);
    }
}
