//! What a record means: the rows that it changes, given what was there before.
//!
//! The same two steps run when a record is committed and when it is replayed: `Prior::load` looks up what the change
//! depends on (under the locks of its keys), `effects` says what follows from that.

use bytes::Bytes;

use crate::bucket::{BucketId, bucket_namespace};
use crate::codec::{Decoder, Malformed};
use crate::error::Error;
use crate::freed::Freed;
use crate::meta::FLAG_NULL_VERSION;
use crate::meta::{BucketMeta, ConfigMeta, ObjectHead, ObjectMeta, PartMeta, Release, Target};
use crate::record::{FLAG_REPLACES_VERSION, Kind};
use crate::row::{ObjectRow, PartRow, Place, Table, holding, key};
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
    /// All segments that were freed, those that are about to be unlinked included.
    SegmentFreed(Freed),
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
            Kind::SegmentFreed => Change::SegmentFreed(Freed::decode(meta)?),
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
    pub(crate) promote: Option<ObjectRow>,
    /// Rows that go whole.
    pub(crate) gone: Vec<(Table, Vec<u8>)>,
    pub(crate) released: Vec<Release>,
    /// Records that no row points to any more, with the bytes that their rows kept alive.
    pub(crate) dead: Vec<(Place, u64)>,
    /// The record is a copy that compaction made, of an object, marker or deletion.
    pub(crate) relocated: bool,
    /// Of a relocated record: the rows that pointed to the original, without their places.
    pub(crate) moves: Vec<Move>,
    /// A newer record than this one was there already: nothing changes. For configuration, by change.
    pub(crate) stale: Vec<bool>,
}

/// A row that a relocated record takes with it.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) table: Table,
    pub(crate) row_key: Vec<u8>,
    pub(crate) from: Place,
    pub(crate) rest: Vec<u8>,
}

/// What `Prior::load` has to know of a record beside its change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) bucket: u64,
    /// False for a bucket that never had versions, which saves a look-up for each put.
    pub(crate) versioned: bool,
    /// The number under which the record was first written, for one that has it already.
    pub(crate) orig_seq: Option<u64>,
    /// Whether the record is a copy that compaction made.
    pub(crate) relocated: bool,
}

impl Prior {
    /// Looks up what `change` depends on.
    pub(crate) fn load(change: &Change, context: Context, view: &View) -> Result<Prior, Error> {
        let mut prior = Prior { relocated: context.relocated, ..Prior::default() };
        let bucket = context.bucket;
        match change {
            Change::Object { key, head, upload, replaces, .. } => {
                if context.relocated {
                    prior.load_move(bucket, key, head, context.orig_seq.unwrap_or_default(), view)?;
                    return Ok(prior);
                }
                prior.current = view.current(bucket, key)?;
                if *replaces {
                    if prior.current.is_none_or(|row| row.head.version != head.version) {
                        prior.older = view.object(Table::Versions, &key::version(bucket, key, head.version))?;
                    }
                    let replaced = prior.older.or(prior.current.filter(|row| row.head.version == head.version));
                    prior.release_object(replaced, view)?;
                } else if head.flags & FLAG_NULL_VERSION != 0 {
                    if context.versioned {
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
            Change::Delete { key, target } => {
                if !context.relocated {
                    prior.load_delete(bucket, key, *target, view)?;
                }
            }
            Change::Part { upload, part } => {
                if let Some(old) = view.get(Table::Parts, &key::part(*upload, part.number), PartRow::decode)? {
                    let old = old?;
                    if prior.outdoes(old.place, old.place.bytes(), context) && !context.is_copy_of(old.place) {
                        prior.released.push((old.part.bulk.id, old.place.orig_seq));
                    }
                }
            }
            Change::UploadInit { key, .. } => {
                if let Some(upload) = context.orig_seq {
                    prior.outdo(Table::Uploads, &key::upload(bucket, key, upload), context, view)?;
                }
            }
            Change::UploadAbort { key, upload } => prior.end_upload(bucket, key, *upload, view)?,
            Change::Bucket(BucketMeta::Deleted) => {
                let namespace = key::config(&bucket_namespace(BucketId(bucket)), "");
                prior.remove_all(Table::Config, &namespace, view)?;
                prior.remove_all(Table::Buckets, &key::number(bucket), view)?;
                let mut uploads = Vec::new();
                view.for_each(Table::Uploads, &key::object(bucket, &[]), |row, _| {
                    uploads.push(key::split(row)?);
                    Ok(())
                })?;
                for (object_key, upload) in uploads {
                    prior.end_upload(bucket, object_key.as_bytes(), upload, view)?;
                }
            }
            Change::Bucket(BucketMeta::Is(now)) => {
                let id = if now.id.0 == 0 { context.orig_seq } else { Some(now.id.0) };
                if let Some(id) = id {
                    prior.outdo(Table::Buckets, &key::number(id), context, view)?;
                }
            }
            Change::Config(changes) => {
                for change in changes {
                    let row_key = key::config(&change.namespace, &change.key);
                    prior.outdo(Table::Config, &row_key, context, view)?;
                }
            }
            Change::SegmentFreed(_) => prior.outdo(Table::Freed, &[], context, view)?,
        }
        Ok(prior)
    }

    /// Whether the record is newer than the one that a row points to, which is dead then, or the same.
    fn outdoes(&mut self, old: Place, bytes: u64, context: Context) -> bool {
        let outdone = context.orig_seq.is_none_or(|orig_seq| old.orig_seq <= orig_seq);
        if outdone {
            self.dead.push((old, bytes));
        }
        self.stale.push(!outdone);
        outdone
    }

    /// Like `outdoes`, for the row of `row_key`, if there is one.
    fn outdo(&mut self, table: Table, row_key: &[u8], context: Context, view: &View) -> Result<(), Error> {
        let old = view.get(table, row_key, |row| holding(table, row_key, row)).and_then(|row| Ok(row.transpose()?));
        match old.map(Option::flatten) {
            Ok(Some((old, bytes))) => {
                if self.outdoes(old, bytes, context) && table == Table::Freed {
                    // An older list says nothing wrong: nothing has to be kept for its sake.
                    self.dead.pop();
                    self.dead.push((Place { orig_seq: u64::MAX, ..old }, bytes));
                }
            }
            Ok(None) => self.stale.push(false),
            // A row that has rotted can be set anew. Nobody knows any more where its record lies, so what takes something
            // away is kept from now on, until the index is rebuilt.
            Err(Error::Damaged { .. }) if table == Table::Config => {
                self.dead.push((Place { segment: 0, offset: 0, length: 0, meta_bytes: 0, orig_seq: 0 }, 0));
                self.stale.push(false);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.stale.contains(&true)
    }

    fn remove_all(&mut self, table: Table, prefix: &[u8], view: &View) -> Result<(), Error> {
        view.for_each(table, prefix, |row_key, row| {
            self.gone.push((table, row_key.to_vec()));
            self.dead.extend(holding(table, row_key, row)?);
            Ok(())
        })
    }

    /// The row of an object version that still points to a record of this number.
    fn load_move(
        &mut self,
        bucket: u64,
        object_key: &[u8],
        head: &ObjectHead,
        orig_seq: u64,
        view: &View,
    ) -> Result<(), Error> {
        let version = if head.version == 0 { orig_seq } else { head.version };
        let rows = [
            (Table::Current, key::object(bucket, object_key)),
            (Table::Versions, key::version(bucket, object_key, version)),
        ];
        for (table, row_key) in rows {
            let Some(row) = view.get(table, &row_key, <[u8]>::to_vec)? else { continue };
            let (from, rest) = Place::split(&row)?;
            if from.orig_seq == orig_seq {
                self.moves.push(Move { table, row_key, from, rest: rest.to_vec() });
                break;
            }
        }
        Ok(())
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
        self.remove_all(Table::Uploads, &key::upload(bucket, key, upload), view)?;
        view.for_each(Table::Parts, &key::number(upload), |row, value| {
            self.gone.push((Table::Parts, row.to_vec()));
            let part = PartRow::decode(value)?;
            self.released.push((part.part.bulk.id, part.place.orig_seq));
            self.dead.push((part.place, part.place.bytes()));
            Ok(())
        })
    }
}

impl Context {
    fn is_copy_of(&self, place: Place) -> bool {
        self.orig_seq == Some(place.orig_seq)
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
