//! What a record means: the rows that it changes, given what was there before.
//!
//! The same two steps run when a record is committed and when it is replayed: `Prior::load` looks up what the change
//! depends on (under the locks of its keys), `effects` is a pure function of the change, that, and the record's place.

use bytes::Bytes;

use crate::bucket::{Bucket, BucketId, bucket_namespace};
use crate::codec::{Decoder, Malformed};
use crate::error::Error;
use crate::meta::{BucketMeta, ConfigMeta, ObjectHead, ObjectMeta, PartMeta, Release, Target};
use crate::meta::{FLAG_DELETE_MARKER, FLAG_NULL_VERSION};
use crate::record::{FLAG_REPLACES_VERSION, Kind};
use crate::row::{ObjectRow, PartRow, Place, Table, key};
use crate::view::View;

/// A record's content, as far as rows depend on it.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// An object version or delete marker.
    Object { key: Bytes, head: ObjectHead, upload: Option<u64>, bulks: Vec<u64>, replaces: bool },
    /// The removal of a version.
    Delete { key: Bytes, target: Target },
    /// A part.
    Part { upload: u64, part: PartMeta },
    /// The beginning of an upload.
    UploadInit { key: Bytes, meta: Bytes },
    /// The end of an upload.
    UploadAbort { key: Bytes, upload: u64 },
    /// A bucket.
    Bucket(BucketMeta),
    /// Configuration rows.
    Config(Vec<ConfigMeta>),
    /// A segment that is about to be unlinked: id, first and last sequence number.
    SegmentFreed(u64, u64, u64),
}

impl Change {
    pub(crate) fn decode(kind: Kind, flags: u8, record_key: &Bytes, meta: &Bytes) -> Result<Change, Malformed> {
        let mut decoder = Decoder::new(meta);
        let key = record_key.clone();
        Ok(match kind {
            Kind::Put | Kind::DeleteMarker => Change::Object {
                key,
                head: ObjectHead::decode(&mut decoder)?,
                upload: None,
                bulks: Vec::new(),
                replaces: flags & FLAG_REPLACES_VERSION != 0,
            },
            Kind::Manifest => {
                let meta = ObjectMeta::decode(meta)?;
                let mut bulks: Vec<u64> = meta.parts.iter().map(|part| part.bulk.id).collect();
                bulks.sort_unstable();
                bulks.dedup();
                let replaces = flags & FLAG_REPLACES_VERSION != 0;
                Change::Object { key, head: meta.head, upload: meta.upload, bulks, replaces }
            }
            Kind::Delete => Change::Delete { key, target: Target::decode(meta)? },
            Kind::Part => Change::Part { upload: decoder.u64()?, part: PartMeta::decode(&mut decoder)? },
            Kind::UploadInit => Change::UploadInit { key, meta: meta.clone() },
            Kind::UploadAbort => Change::UploadAbort { key, upload: decoder.u64()? },
            Kind::Bucket => Change::Bucket(BucketMeta::decode(meta)?),
            Kind::Config => Change::Config(ConfigMeta::decode_all(meta)?),
            Kind::SegmentFreed => Change::SegmentFreed(decoder.u64()?, decoder.u64()?, decoder.u64()?),
        })
    }

    /// The bulk segments that the record names.
    pub(crate) fn bulks(&self) -> &[u64] {
        match self {
            Change::Object { bulks, .. } => bulks,
            Change::Part { part, .. } => std::slice::from_ref(&part.bulk.id),
            _ => &[],
        }
    }
}

/// What was there before a change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prior {
    pub(crate) current: Option<ObjectRow>,
    /// Among the older versions: the null version that a null one replaces, or the version that is to be deleted.
    pub(crate) older: Option<ObjectRow>,
    /// The newest version that is left when the current one, or the marker in its place, is deleted.
    promote: Option<ObjectRow>,
    /// Rows that go whole.
    gone: Vec<(Table, Vec<u8>)>,
    released: Vec<Release>,
}

/// What a change does.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) rows: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) released: Vec<Release>,
    /// Objects and bytes that the bucket gains.
    pub(crate) usage: (i64, i64),
    /// The bucket as it is now; `None` inside for one that is gone.
    pub(crate) bucket: Option<Option<Bucket>>,
}

impl Prior {
    /// Looks up what `change` depends on. `versioned` is false for a bucket that never had versions, which saves a
    /// look-up for each put.
    pub(crate) fn load(change: &Change, bucket: u64, versioned: bool, view: &View) -> Result<Prior, Error> {
        let mut prior = Prior::default();
        match change {
            Change::Object { key, head, upload, replaces, .. } => {
                prior.current = view.current(bucket, key)?;
                if *replaces {
                    if prior.current.is_none_or(|row| row.head.version != head.version) {
                        prior.older = view.object(Table::Versions, &key::version(bucket, key, head.version))?;
                    }
                    prior.release_object(if prior.older.is_some() { prior.older } else { prior.current }, view)?;
                } else if head.flags & FLAG_NULL_VERSION != 0 {
                    if versioned {
                        prior.older = older_null(view, bucket, key)?;
                    }
                    let replaced = prior.older.or(prior.current.filter(ObjectRow::is_null));
                    prior.release_object(replaced, view)?;
                }
                if let Some(upload) = upload
                    && !replaces
                {
                    prior.end_upload(bucket, key, *upload, view)?;
                }
            }
            Change::Delete { key, target } => prior.load_delete(bucket, key, *target, view)?,
            Change::Part { upload, part } => {
                if let Some(old) = view.get(Table::Parts, &key::part(*upload, part.number), PartRow::decode)? {
                    let old = old?;
                    prior.released.push((old.part.bulk.id, old.orig_seq));
                }
            }
            Change::UploadAbort { key, upload } => prior.end_upload(bucket, key, *upload, view)?,
            Change::Bucket(BucketMeta::Deleted) => {
                let namespace = key::config(&bucket_namespace(BucketId(bucket)), "");
                view.for_each(Table::Config, &namespace, |row, _| {
                    prior.gone.push((Table::Config, row.to_vec()));
                    Ok(())
                })?;
                let mut uploads = Vec::new();
                view.for_each(Table::Uploads, &key::object(bucket, &[]), |row, _| {
                    uploads.push(key::split(row)?);
                    Ok(())
                })?;
                for (object_key, upload) in uploads {
                    prior.end_upload(bucket, object_key.as_bytes(), upload, view)?;
                }
            }
            Change::UploadInit { .. } | Change::Bucket(_) | Change::Config(_) | Change::SegmentFreed(..) => {}
        }
        Ok(prior)
    }

    fn load_delete(&mut self, bucket: u64, key: &[u8], target: Target, view: &View) -> Result<(), Error> {
        self.current = view.current(bucket, key)?;
        let is_target = |row: &ObjectRow| match target {
            Target::Null => row.is_null(),
            Target::Version(version) => !row.is_null() && row.head.version == version,
        };
        let current_goes = self.current.as_ref().is_some_and(is_target);
        if current_goes {
            self.release_object(self.current, view)?;
        } else {
            self.older = match target {
                Target::Null => older_null(view, bucket, key)?,
                Target::Version(version) => {
                    view.object(Table::Versions, &key::version(bucket, key, version))?.filter(|row| !row.is_null())
                }
            };
            self.release_object(self.older, view)?;
        }
        let newest_goes = current_goes || (self.current.is_none() && self.older.is_some());
        if newest_goes {
            let prefix = key::escaped(bucket, key);
            let mut scan = view.scan(Table::Versions, &prefix, &prefix)?;
            while let Some((_, row)) = scan.next()? {
                let row = ObjectRow::decode(row)?;
                if self.older.is_none_or(|older| older.head.version != row.head.version) {
                    self.promote = Some(row).filter(|row| !row.is_delete_marker());
                    break;
                }
            }
        }
        if !current_goes {
            self.current = None;
        }
        Ok(())
    }

    fn release_object(&mut self, row: Option<ObjectRow>, view: &View) -> Result<(), Error> {
        let Some(row) = row.filter(ObjectRow::is_bulk) else { return Ok(()) };
        let referrer = row.place.orig_seq;
        view.for_each(Table::BulkRefs, &key::referrer_bulk(referrer, 0)[..9], |row, _| {
            self.released.push((key::last_number(row)?, referrer));
            Ok(())
        })
    }

    fn end_upload(&mut self, bucket: u64, key: &[u8], upload: u64, view: &View) -> Result<(), Error> {
        self.gone.push((Table::Uploads, key::upload(bucket, key, upload)));
        view.for_each(Table::Parts, &key::number(upload), |row, value| {
            self.gone.push((Table::Parts, row.to_vec()));
            let part = PartRow::decode(value)?;
            self.released.push((part.part.bulk.id, part.orig_seq));
            Ok(())
        })
    }
}

/// The null version of a key, where it is not the current object.
pub(crate) fn older_null(view: &View, bucket: u64, object_key: &[u8]) -> Result<Option<ObjectRow>, Error> {
    let pointer = view.get(Table::Nulls, &key::object(bucket, object_key), |row| Decoder::new(row).u64())?;
    match pointer.transpose()? {
        None => Ok(None),
        Some(version) => view.object(Table::Versions, &key::version(bucket, object_key, version)),
    }
}

/// The rows that a record changes.
pub(crate) fn effects(change: &Change, bucket: u64, prior: Prior, place: Place) -> Effects {
    let mut effects = Effects::default();
    let seq = place.orig_seq;
    for (table, row) in prior.gone {
        effects.remove(table, row);
    }
    match change {
        Change::Object { key, head, bulks, replaces, .. } => {
            let row = ObjectRow::new(place, *head);
            if *replaces {
                effects.replace_version(bucket, key, row, prior.current);
            } else {
                effects.add_version(bucket, key, row, prior.current, prior.older);
            }
            for bulk in bulks {
                effects.refer(*bulk, seq);
            }
        }
        Change::Delete { key, .. } => {
            effects.delete_version(bucket, key, prior.current, prior.older, prior.promote);
        }
        Change::Part { upload, part } => {
            let row = PartRow { orig_seq: seq, part: part.clone() };
            effects.insert(Table::Parts, key::part(*upload, part.number), row.encode());
            effects.refer(part.bulk.id, seq);
        }
        Change::UploadInit { key, meta } => {
            effects.insert(Table::Uploads, key::upload(bucket, key, seq), meta.to_vec());
        }
        Change::UploadAbort { .. } => {}
        Change::Bucket(BucketMeta::Deleted) => {
            effects.remove(Table::Buckets, key::number(bucket));
            effects.bucket = Some(None);
        }
        Change::Bucket(BucketMeta::Is(now)) => {
            let id = if now.id.0 == 0 { BucketId(seq) } else { now.id };
            let now = Bucket { id, ..now.clone() };
            effects.insert(Table::Buckets, key::number(id.0), BucketMeta::Is(now.clone()).encode());
            effects.bucket = Some(Some(now));
        }
        Change::Config(changes) => {
            for change in changes {
                let row_key = key::config(&change.namespace, &change.key);
                let value = change.value.as_ref().map(|value| [&seq.to_le_bytes()[..], value].concat());
                effects.rows.push((Table::Config, row_key, value));
            }
        }
        Change::SegmentFreed(segment, first, last) => {
            let value = [first.to_le_bytes(), last.to_le_bytes()].concat();
            effects.insert(Table::Freed, key::number(*segment), value);
        }
    }
    for (bulk, referrer) in &prior.released {
        effects.remove(Table::BulkRefs, key::bulk_referrer(*bulk, *referrer));
        effects.remove(Table::BulkRefs, key::referrer_bulk(*referrer, *bulk));
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
            self.forget_older(bucket, object_key, &older);
        }
        if let Some(current) = current {
            if row.is_null() && current.is_null() {
                self.count(&current, -1);
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

    fn replace_version(&mut self, bucket: u64, object_key: &[u8], row: ObjectRow, current: Option<ObjectRow>) {
        if current.is_some_and(|current| current.head.version == row.head.version) {
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
                self.forget_older(bucket, object_key, &older);
            }
            None => {
                let Some(current) = current else { return };
                self.count(&current, -1);
                self.remove(Table::Current, key::object(bucket, object_key));
            }
        }
        if let Some(promote) = promote {
            self.forget_older(bucket, object_key, &promote);
            self.insert(Table::Current, key::object(bucket, object_key), promote.encode());
        }
    }
}
