//! What a record does: the rows, counts and references that change, a pure function of the change, of what was there
//! before, and of the record's place.

use bytes::Bytes;

use crate::apply::{Change, Move, Prior};
use crate::bucket::{Bucket, BucketId};
use crate::bugs::{Bug, seeded};
use crate::freed::Freed;
use crate::meta::{BucketMeta, ConfigMeta, FLAG_DELETE_MARKER, Release};
use crate::row::{ObjectRow, PartRow, Place, Table, config_bytes, key};
use crate::space;

/// What a change does.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) rows: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) released: Vec<Release>,
    /// Objects and bytes that the bucket gains.
    pub(crate) usage: (i64, i64),
    /// The bucket as it is now; `None` inside for one that is gone.
    pub(crate) bucket: Option<Option<Bucket>>,
    /// What changes in the counts of segments.
    pub(crate) space: Vec<(u64, space::Change)>,
    /// The segments freed so far.
    pub(crate) freed: Option<Freed>,
}

/// The rows that a record changes.
pub(crate) fn effects(change: &Change, bucket: u64, prior: Prior, place: Place) -> Effects {
    let mut effects = Effects::default();
    let seq = place.orig_seq;
    let stale = prior.is_stale();
    for (table, row) in prior.gone {
        effects.remove(table, row);
    }
    for (dead, bytes) in prior.dead {
        effects.die(dead, bytes);
    }
    // Before new references are made: a record that is replayed onto itself refers to what it releases.
    for (bulk, referrer) in &prior.released {
        effects.remove(Table::BulkRefs, key::bulk_referrer(*bulk, *referrer));
        effects.remove(Table::BulkRefs, key::referrer_bulk(*referrer, *bulk));
    }
    match change {
        Change::Object { .. } | Change::Delete { .. } if prior.relocated => {
            effects.take_along(change, prior.moves, place);
        }
        Change::Object { key, head, upload, bulks, replaces } => {
            let row = ObjectRow::new(place, *head);
            if *replaces {
                effects.replace_version(bucket, key, row, prior.current, prior.older);
            } else {
                effects.add_version(bucket, key, row, prior.current, prior.older);
            }
            for bulk in bulks {
                effects.refer(*bulk, seq);
            }
            effects.live(place, place.bytes());
            if upload.is_some() {
                // What it takes away is the upload.
                effects.tombstone(place, 0);
            }
        }
        Change::Delete { key, .. } => {
            effects.delete_version(bucket, key, prior.current, prior.older, prior.promote);
            effects.tombstone(place, place.bytes());
        }
        Change::Part { .. } | Change::UploadInit { .. } | Change::Bucket(BucketMeta::Is(_)) if stale => {
            effects.space.push((place.segment, space::Change::Stillborn { orig_seq: seq }));
        }
        Change::Part { upload, part } => {
            let row = PartRow { place, part: part.clone() };
            effects.insert(Table::Parts, key::part(*upload, part.number), row.encode());
            effects.refer(part.bulk.id, seq);
            effects.live(place, place.bytes());
        }
        Change::UploadInit { key, meta } => {
            effects.insert(Table::Uploads, key::upload(bucket, key, seq), place.with(meta));
            effects.live(place, place.bytes());
        }
        Change::UploadAbort { .. } => effects.tombstone(place, place.bytes()),
        Change::Bucket(BucketMeta::Deleted) => {
            effects.bucket = Some(None);
            effects.tombstone(place, place.bytes());
        }
        Change::Bucket(BucketMeta::Is(now)) => {
            let id = if now.id.0 == 0 { BucketId(seq) } else { now.id };
            let now = Bucket { id, ..now.clone() };
            let row = BucketMeta::Is(now.clone()).encode();
            effects.insert(Table::Buckets, key::number(id.0), place.with(&row));
            effects.bucket = Some(Some(now));
            effects.live(place, place.bytes());
        }
        Change::Config(changes) => {
            for (change, stale) in changes.iter().zip(prior.stale) {
                effects.configure(change, place, stale);
            }
        }
        Change::SegmentFreed(_) if stale => {}
        Change::SegmentFreed(freed) => {
            effects.insert(Table::Freed, Vec::new(), place.with(&freed.encode()));
            effects.live(place, place.bytes());
            effects.freed = Some(freed.clone());
        }
    }
    effects.released = prior.released;
    effects
}

impl Effects {
    fn insert(&mut self, table: Table, row_key: Vec<u8>, value: Vec<u8>) {
        self.rows.push((table, row_key, Some(value)));
    }

    fn remove(&mut self, table: Table, row_key: Vec<u8>) {
        self.rows.push((table, row_key, None));
    }

    fn refer(&mut self, bulk: u64, referrer: u64) {
        self.insert(Table::BulkRefs, key::bulk_referrer(bulk, referrer), Vec::new());
        self.insert(Table::BulkRefs, key::referrer_bulk(referrer, bulk), Vec::new());
    }

    fn live(&mut self, place: Place, bytes: u64) {
        self.space.push((place.segment, space::Change::Live { bytes }));
    }

    fn die(&mut self, place: Place, bytes: u64) {
        if seeded(Bug::ForgetDead) {
            return;
        }
        self.space.push((place.segment, space::Change::Dead { bytes, orig_seq: place.orig_seq }));
    }

    fn tombstone(&mut self, place: Place, bytes: u64) {
        self.space.push((place.segment, space::Change::Tombstone { bytes, orig_seq: place.orig_seq }));
    }

    /// The rows of a relocated record point to its copy.
    fn take_along(&mut self, change: &Change, moves: Vec<Move>, place: Place) {
        match change {
            Change::Delete { .. } => self.tombstone(place, place.bytes()),
            Change::Object { upload: Some(_), .. } => self.tombstone(place, 0),
            _ => {}
        }
        if moves.is_empty() && matches!(change, Change::Object { .. }) {
            self.space.push((place.segment, space::Change::Stillborn { orig_seq: place.orig_seq }));
        }
        for Move { table, row_key, from, rest } in moves {
            self.die(from, from.bytes());
            self.live(place, place.bytes());
            self.insert(table, row_key, place.with(&rest));
        }
    }

    /// Sets or deletes one row of configuration.
    fn configure(&mut self, change: &ConfigMeta, place: Place, stale: bool) {
        let row_key = key::config(&change.namespace, &change.key);
        let bytes = config_bytes(row_key.len(), change.value.as_ref().map_or(0, Bytes::len));
        match &change.value {
            None => self.tombstone(place, bytes),
            Some(_) if stale => self.space.push((place.segment, space::Change::Stillborn { orig_seq: place.orig_seq })),
            Some(_) => self.live(place, bytes),
        }
        if !stale {
            self.rows.push((Table::Config, row_key, change.value.as_ref().map(|value| place.with(value))));
        }
    }

    fn count(&mut self, row: &ObjectRow, sign: i64) {
        if !row.is_delete_marker() {
            self.usage.0 += sign;
            self.usage.1 += sign * row.head.size.cast_signed();
        }
    }

    /// A row among the older versions and delete markers.
    fn keep_older(&mut self, bucket: u64, object_key: &[u8], row: &ObjectRow) {
        self.insert(Table::Versions, key::version(bucket, object_key, row.head.version), row.encode());
        if row.is_null() {
            let pointer = row.head.version.to_le_bytes().to_vec();
            self.insert(Table::Nulls, key::object(bucket, object_key), pointer);
        }
    }

    fn forget_older(&mut self, bucket: u64, object_key: &[u8], row: &ObjectRow) {
        self.remove(Table::Versions, key::version(bucket, object_key, row.head.version));
        if row.is_null() {
            self.remove(Table::Nulls, key::object(bucket, object_key));
        }
    }

    fn add_version(
        &mut self,
        bucket: u64,
        object_key: &[u8],
        row: ObjectRow,
        current: Option<ObjectRow>,
        older: Option<ObjectRow>,
    ) {
        if let Some(older) = older {
            self.count(&older, -1);
            self.die(older.place, older.place.bytes());
            self.forget_older(bucket, object_key, &older);
        }
        if let Some(current) = current {
            if row.is_null() && current.is_null() {
                self.count(&current, -1);
                self.die(current.place, current.place.bytes());
            } else {
                self.keep_older(bucket, object_key, &current);
            }
        }
        self.count(&row, 1);
        if row.head.flags & FLAG_DELETE_MARKER == 0 {
            self.insert(Table::Current, key::object(bucket, object_key), row.encode());
        } else {
            if current.is_some() {
                self.remove(Table::Current, key::object(bucket, object_key));
            }
            self.keep_older(bucket, object_key, &row);
        }
    }

    fn replace_version(
        &mut self,
        bucket: u64,
        object_key: &[u8],
        row: ObjectRow,
        current: Option<ObjectRow>,
        older: Option<ObjectRow>,
    ) {
        let current = current.filter(|current| current.head.version == row.head.version);
        if let Some(replaced) = older.or(current) {
            self.die(replaced.place, replaced.place.bytes());
        }
        if current.is_some() {
            self.insert(Table::Current, key::object(bucket, object_key), row.encode());
        } else {
            self.insert(Table::Versions, key::version(bucket, object_key, row.head.version), row.encode());
        }
    }

    fn delete_version(
        &mut self,
        bucket: u64,
        object_key: &[u8],
        current: Option<ObjectRow>,
        older: Option<ObjectRow>,
        promote: Option<ObjectRow>,
    ) {
        match older {
            Some(older) => {
                self.count(&older, -1);
                self.die(older.place, older.place.bytes());
                self.forget_older(bucket, object_key, &older);
            }
            None => {
                let Some(current) = current else { return };
                self.count(&current, -1);
                self.die(current.place, current.place.bytes());
                self.remove(Table::Current, key::object(bucket, object_key));
            }
        }
        if let Some(promote) = promote {
            self.forget_older(bucket, object_key, &promote);
            self.insert(Table::Current, key::object(bucket, object_key), promote.encode());
        }
    }
}
