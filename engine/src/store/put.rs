//! Storing objects: whole, by sharing another's bulk segments, and with new attributes.

use std::sync::Arc;

use bytes::Bytes;

use super::Store;
use super::get::{Object, find, read_meta};
use super::mutate::{Locked, lock_key};
use crate::bucket::{BucketId, Versioning};
use crate::bulk::BulkWriter;
use crate::commit::Commit;
use crate::core::Core;
use crate::error::Error;
use crate::meta::{FLAG_BULK, FLAG_NULL_VERSION, ObjectHead, ObjectMeta, PartMeta};
use crate::name::ObjectKey;
use crate::object::{ATTRIBUTE_BYTES_MAX, Attributes, ETag, Precondition, Stored, VersionId};
use crate::record::{FLAG_REPLACES_VERSION, Frame, Kind};
use crate::request::{Body, INLINE_BYTES_MAX, Put, SetAttributes, Wait};

impl Store {
    /// Begins a bulk segment. Blocks.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, `Io`.
    pub fn bulk_writer(&self) -> Result<BulkWriter, Error> {
        self.core.check_writable(true)?;
        self.core.bulk.writer()
    }

    /// Stores an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (If-Match on a missing key), `TooLarge`, `Busy`, `NoSpace`,
    /// `ReadOnly`.
    pub fn put(&self, put: Put) -> Commit<Stored> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(true)?;
            check_attributes(&put.attributes)?;
            let Put { bucket, key, body, etag, attributes, precondition } = put;
            let (data, bulk) = match body {
                Body::Inline(data) if data.len() > INLINE_BYTES_MAX => {
                    return Err(Error::TooLarge { what: "an inline body above 1 MiB" });
                }
                Body::Inline(data) => (data, None),
                Body::Bulk(bulk) => (Bytes::new(), Some(bulk)),
            };
            let mut meta = new_meta(data.len() as u64, etag, attributes);
            if let Some(bulk) = &bulk {
                meta.head.size = bulk.length();
                meta.head.flags |= FLAG_BULK;
                let part = PartMeta { number: 0, etag, modified_ms: 0, bulk: bulk.name, checksum: None };
                meta.parts.push(part);
            }
            // Hashed before the lock is taken, for it takes its time.
            let kind = if bulk.is_some() { Kind::Manifest } else { Kind::Put };
            let frame = Frame::new(kind, bucket.0, key.as_bytes(), Vec::new()).with_data(data);
            let locked = lock_key(&core, bucket.0, key.as_bytes()).await?;
            store(&core, locked, &precondition, frame, meta, bulk, None).await
        })
    }

    /// Stores the bytes of an opened object under another key (or its own) without copying them, by sharing its bulk
    /// segments. Only for objects above [`INLINE_BYTES_MAX`](crate::INLINE_BYTES_MAX); smaller ones are put anew.
    ///
    /// # Errors
    /// Those of [`Store::put`]; `NoSuchKey` when the source was replaced or deleted meanwhile; `Invalid` for an object
    /// kept inline.
    pub fn share(
        &self,
        source: &Object,
        bucket: BucketId,
        key: ObjectKey,
        etag: ETag,
        attributes: Attributes,
        precondition: Precondition,
    ) -> Commit<Stored> {
        let core = Arc::clone(&self.core);
        let row = source.row();
        let (from_bucket, from_key) = (source.bucket(), source.info.key.clone());
        let parts = source.part_metas();
        Commit::new(async move {
            core.check_writable(true)?;
            check_attributes(&attributes)?;
            if !row.is_bulk() {
                return Err(Error::Invalid { what: "an object kept inline has nothing to share" });
            }
            let mut meta = new_meta(row.head.size, etag, attributes);
            meta.head.flags |= FLAG_BULK;
            meta.parts = parts;
            let frame = Frame::new(Kind::Manifest, bucket.0, key.as_bytes(), Vec::new());
            let locked = lock_key(&core, bucket.0, key.as_bytes()).await?;
            // Pinned first, then looked at: while the source is still there its segments are referred to, and from then
            // on the pin keeps them.
            let pin = core.bulk.pin(row.place.orig_seq);
            let version = Some(row.version_id());
            match find(&core.view.load(), from_bucket, from_key.as_bytes(), version) {
                Ok((still, _)) if still.place.orig_seq == row.place.orig_seq => {}
                Ok(_) | Err(Error::NoSuchKey | Error::NoSuchVersion | Error::DeleteMarker { .. }) => {
                    return Err(Error::NoSuchKey);
                }
                Err(error) => return Err(error),
            }
            store(&core, locked, &precondition, frame, meta, None, Some(pin)).await
        })
    }

    /// Replaces the attributes of a version: its id, bytes, ETag and date stay.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `DeleteMarker`, `PreconditionFailed`, and those of [`Store::put`].
    pub fn set_attributes(&self, set: SetAttributes) -> Commit<Stored> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(true)?;
            check_attributes(&set.attributes)?;
            let SetAttributes { bucket, key, version, expected, attributes } = set;
            let locked = lock_key(&core, bucket.0, key.as_bytes()).await?;
            let (row, _) = find(&core.view.load(), bucket.0, key.as_bytes(), version)?;
            let record = read_meta(&core, &row, key.as_bytes(), Wait::Allowed)?;
            let mut meta = ObjectMeta::decode(&record.meta())?;
            if expected.is_some_and(|expected| expected != meta.attributes) {
                return Err(Error::PreconditionFailed);
            }
            meta.attributes = attributes;
            meta.head.version = row.head.version;
            let mut frame = Frame::new(record.kind(), bucket.0, key.as_bytes(), Vec::new());
            if !row.is_bulk() {
                frame = frame.with_data(record.data(&core, Wait::Allowed)?);
            }
            frame.flags = FLAG_REPLACES_VERSION;
            frame.meta = meta.encode().into();
            let stored = Stored {
                version_id: row.version_id(),
                etag: row.etag(),
                size: row.head.size,
                modified_ms: row.head.modified_ms,
                versioning: locked.bucket.versioning,
            };
            let pin = row.is_bulk().then(|| core.bulk.pin(row.place.orig_seq));
            locked.commit(&core, frame, None, pin).await?;
            Ok(stored)
        })
    }
}

pub(super) fn new_meta(size: u64, etag: ETag, attributes: Attributes) -> ObjectMeta {
    let head = ObjectHead { modified_ms: 0, size, etag, flags: 0, version: 0 };
    ObjectMeta { head, attributes, upload: None, parts: Vec::new() }
}

/// Dates the object, gives it the version that its bucket asks for, and commits it if the condition holds.
pub(super) async fn store(
    core: &Core,
    locked: Locked,
    precondition: &Precondition,
    mut frame: Frame,
    mut meta: ObjectMeta,
    bulk: Option<crate::bulk::BulkBody>,
    pin: Option<crate::bulk::Pin>,
) -> Result<Stored, Error> {
    let versioning = locked.bucket.versioning;
    meta.head.modified_ms = core.clock.now_ms();
    if versioning != Versioning::Enabled {
        meta.head.flags |= FLAG_NULL_VERSION;
    }
    frame.meta = meta.encode().into();
    let ObjectHead { modified_ms, size, etag, .. } = meta.head;
    let seq = locked.commit_if(core, precondition, frame, bulk, pin).await?;
    let version_id = if versioning == Versioning::Enabled { VersionId::Sequence(seq) } else { VersionId::Null };
    Ok(Stored { version_id, etag, size, modified_ms, versioning })
}

/// Refuses attributes that are larger than a record should carry.
pub(super) fn check_attributes(attributes: &Attributes) -> Result<(), Error> {
    let pairs = [&attributes.headers, &attributes.user_metadata, &attributes.tags];
    let text: usize = pairs.into_iter().flatten().map(|(name, value)| name.len() + value.len() + 16).sum();
    let checksums: usize = attributes.checksums.iter().map(|checksum| checksum.value.len() + 16).sum();
    let opaque: usize = attributes.opaque.iter().map(|(_, value)| value.len() + 16).sum();
    if text + checksums + opaque > ATTRIBUTE_BYTES_MAX {
        return Err(Error::TooLarge { what: "attributes above 64 KiB" });
    }
    Ok(())
}
