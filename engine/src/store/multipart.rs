//! Multipart uploads: begun, filled with parts, completed by one record that copies nothing, or aborted.

use std::sync::Arc;

use super::Store;
use super::get::{find, read_meta};
use super::mutate::{check, lock_key};
use super::put::{check_attributes, new_meta, store};
use crate::bucket::BucketId;
use crate::codec::Encoder;
use crate::commit::Commit;
use crate::core::Core;
use crate::error::Error;
use crate::list::ListPartsPage;
use crate::meta::{FLAG_BULK, ObjectMeta, PartMeta, UploadMeta};
use crate::multipart::{CompleteUpload, NewUpload, PART_NUMBER_MAX, Part, Upload};
use crate::name::ObjectKey;
use crate::object::{Precondition, Stored, UploadId, VersionId};
use crate::record::{Frame, Kind};
use crate::request::{PutPart, Wait};
use crate::row::{PartRow, Place, Table, key};
use crate::view::View;

/// The most bytes of an upload's opaque value.
const OPAQUE_BYTES_MAX: usize = 4096;
/// The most parts of one page.
const PARTS_MAX: usize = 1000;
/// The largest object (48.8 TiB): 10,000 parts of 5 GiB.
const OBJECT_BYTES_MAX: u64 = 10_000 * crate::bulk::BULK_BYTES_MAX;

impl Store {
    /// Begins a multipart upload.
    ///
    /// # Errors
    /// `NoSuchBucket`, `TooLarge`, `Busy`, `NoSpace`, `ReadOnly`.
    pub fn create_upload(&self, new: NewUpload) -> Commit<UploadId> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(true)?;
            check_attributes(&new.attributes)?;
            if new.opaque.len() > OPAQUE_BYTES_MAX {
                return Err(Error::TooLarge { what: "an upload's opaque value above 4 KiB" });
            }
            let locked = lock_key(&core, new.bucket.0, new.key.as_bytes()).await?;
            let meta = UploadMeta {
                initiated_ms: core.clock.now_ms(),
                attributes: new.attributes,
                checksum: new.checksum,
                opaque: new.opaque,
            };
            let frame = Frame::new(Kind::UploadInit, new.bucket.0, new.key.as_bytes(), meta.encode());
            locked.commit(&core, frame, None, None).await.map(UploadId)
        })
    }

    /// An upload in progress.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Damaged`, `Io`.
    pub fn upload(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Result<Upload, Error> {
        let meta = upload_meta(&self.core.view(), bucket.0, key, upload)?;
        Ok(Upload {
            id: upload,
            key: key.clone(),
            initiated_ms: meta.initiated_ms,
            attributes: meta.attributes,
            checksum: meta.checksum,
            opaque: meta.opaque,
        })
    }

    /// The parts of an upload with numbers above `after`, at most `max_parts` and 1,000.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Damaged`, `Io`.
    pub fn list_parts(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max_parts: usize,
    ) -> Result<ListPartsPage, Error> {
        self.core.doubt.check_key(bucket.0, key.as_bytes(), None)?;
        let view = self.core.view.load_full();
        if !view.contains(Table::Uploads, &key::upload(bucket.0, key.as_bytes(), upload.0))? {
            return Err(Error::NoSuchUpload);
        }
        let from = key::part(upload.0, after.saturating_add(1));
        let mut scan = view.scan(Table::Parts, &from, &key::number(upload.0))?;
        let mut page = ListPartsPage::default();
        while let Some((_, row)) = scan.next()? {
            if page.parts.len() >= max_parts.min(PARTS_MAX) {
                page.truncated = max_parts > 0;
                break;
            }
            page.parts.push(to_part(&PartRow::decode(row)?.part));
        }
        Ok(page)
    }

    /// Stores a part; one of the same number is replaced.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Invalid` for a number out of range, and those of [`Store::put`].
    pub fn put_part(&self, part: PutPart) -> Commit<Part> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(true)?;
            if !(1..=PART_NUMBER_MAX).contains(&part.number) {
                return Err(Error::Invalid { what: "a part number must be 1 to 10,000" });
            }
            let PutPart { bucket, key: object_key, upload, number, body, etag, checksum } = part;
            let locked = lock_key(&core, bucket.0, object_key.as_bytes()).await?;
            if !core.view().contains(Table::Uploads, &key::upload(bucket.0, object_key.as_bytes(), upload.0))? {
                return Err(Error::NoSuchUpload);
            }
            let meta = PartMeta { number, etag, modified_ms: core.clock.now_ms(), bulk: body.name, checksum };
            let mut encoder = Encoder::with_capacity(128);
            encoder.u64(upload.0);
            meta.encode(&mut encoder);
            let frame = Frame::new(Kind::Part, bucket.0, object_key.as_bytes(), encoder.finish());
            locked.commit(&core, frame, Some(body), None).await?;
            Ok(to_part(&meta))
        })
    }

    /// Makes an object of an upload's parts, without copying them. Repeated for the object that it made, it answers
    /// the same again.
    ///
    /// # Errors
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, and those of [`Store::put`].
    pub fn complete_upload(&self, complete: CompleteUpload) -> Commit<Stored> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(false)?;
            let CompleteUpload { bucket, key: object_key, upload, parts: named, etag, checksums, precondition } =
                complete;
            let ascending = named.windows(2).all(|pair| pair[0].0 < pair[1].0);
            if named.is_empty() || !ascending {
                return Err(Error::InvalidPartOrder);
            }
            let locked = lock_key(&core, bucket.0, object_key.as_bytes()).await?;
            let view = core.view.load_full();
            let begun = match upload_meta(&view, bucket.0, &object_key, upload) {
                Err(Error::NoSuchUpload) => {
                    let versioning = locked.bucket.versioning;
                    return repeated(&core, &view, bucket, &object_key, upload, &named, versioning);
                }
                begun => begun?,
            };
            check(&precondition, view.current(bucket.0, object_key.as_bytes())?.as_ref())?;
            let mut attributes = begun.attributes;
            attributes.checksums = checksums;
            let mut meta = new_meta(0, etag, attributes);
            meta.head.flags |= FLAG_BULK;
            meta.upload = Some(upload.0);
            for (number, etag) in named {
                let row = view.get(Table::Parts, &key::part(upload.0, number), PartRow::decode)?.transpose()?;
                let row = row.filter(|row| row.part.etag.md5 == etag.md5).ok_or(Error::InvalidPart { number })?;
                meta.head.size += row.part.bulk.length;
                meta.parts.push(row.part);
            }
            if meta.head.size > OBJECT_BYTES_MAX {
                return Err(Error::TooLarge { what: "an object above 48.8 TiB" });
            }
            let frame = Frame::new(Kind::Manifest, bucket.0, object_key.as_bytes(), Vec::new());
            store(&core, locked, &Precondition::default(), frame, meta, None, None).await
        })
    }

    /// Ends an upload and frees its parts. Goes on when the disk is full.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`, `ReadOnly`.
    pub fn abort_upload(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Commit<()> {
        let core = Arc::clone(&self.core);
        let object_key = key.clone();
        Commit::new(async move {
            core.check_writable(false)?;
            let locked = lock_key(&core, bucket.0, object_key.as_bytes()).await?;
            if !core.view().contains(Table::Uploads, &key::upload(bucket.0, object_key.as_bytes(), upload.0))? {
                return Err(Error::NoSuchUpload);
            }
            let mut encoder = Encoder::default();
            encoder.u64(upload.0);
            let frame = Frame::new(Kind::UploadAbort, bucket.0, object_key.as_bytes(), encoder.finish());
            locked.commit(&core, frame, None, None).await?;
            Ok(())
        })
    }
}

fn upload_meta(view: &View, bucket: u64, object_key: &ObjectKey, upload: UploadId) -> Result<UploadMeta, Error> {
    let row_key = key::upload(bucket, object_key.as_bytes(), upload.0);
    let decode = |row: &[u8]| UploadMeta::decode(Place::split(row)?.1);
    match view.get(Table::Uploads, &row_key, decode)? {
        None => Err(Error::NoSuchUpload),
        Some(meta) => Ok(meta?),
    }
}

/// Complete for an upload that is over: answered from the object, if it is still the one made of these parts.
fn repeated(
    core: &Core,
    view: &View,
    bucket: BucketId,
    object_key: &ObjectKey,
    upload: UploadId,
    named: &[(u16, crate::object::ETag)],
    versioning: crate::bucket::Versioning,
) -> Result<Stored, Error> {
    let Ok((row, _)) = find(view, bucket.0, object_key.as_bytes(), None) else { return Err(Error::NoSuchUpload) };
    if !row.is_bulk() {
        return Err(Error::NoSuchUpload);
    }
    let record = read_meta(core, &row, object_key.as_bytes(), Wait::Allowed)?;
    let meta = ObjectMeta::decode(&record.meta())?;
    let same = meta.upload == Some(upload.0)
        && meta.parts.len() == named.len()
        && meta
            .parts
            .iter()
            .zip(named)
            .all(|(part, (number, etag))| part.number == *number && part.etag.md5 == etag.md5);
    if !same {
        return Err(Error::NoSuchUpload);
    }
    let version_id: VersionId = row.version_id();
    Ok(Stored { version_id, etag: row.etag(), size: row.head.size, modified_ms: row.head.modified_ms, versioning })
}

fn to_part(part: &PartMeta) -> Part {
    Part {
        number: part.number,
        size: part.bulk.length,
        etag: part.etag,
        modified_ms: part.modified_ms,
        checksum: part.checksum.clone(),
    }
}
