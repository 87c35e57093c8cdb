//! Reading objects: found in the view, read with one system call where they are small, verified before a byte leaves.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::Store;
use crate::apply::older_null;
use crate::bucket::BucketId;
use crate::bulk::{BulkReader, Pin};
use crate::core::{Core, SegmentFile};
use crate::error::Error;
use crate::format::{BLOCK_BYTES, checksum, file};
use crate::meta::{ObjectMeta, PartMeta};
use crate::name::ObjectKey;
use crate::object::{ObjectInfo, VersionId};
use crate::record::{Front, Kind, front_bytes};
use crate::request::Wait;
use crate::row::{ObjectRow, Place, Table, key};
use crate::view::View;

/// Records up to this size are read whole when an object is opened.
const WHOLE_RECORD_BYTES: usize = 68 << 10;

/// An object version opened for reading. It stays readable while it is held, whatever happens to its key.
#[derive(Clone)]
pub struct Object {
    /// What is known of it.
    pub info: ObjectInfo,
    opened: Arc<Opened>,
}

struct Opened {
    core: Arc<Core>,
    bucket: u64,
    row: ObjectRow,
    bytes: Source,
}

/// Where an object's bytes are.
enum Source {
    Inline(Record),
    Bulk { parts: Vec<PartMeta>, readers: Vec<OnceLock<Arc<BulkReader>>>, _pin: Pin },
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens an object version for reading; the current one without `version`. A small object is read whole, with one
    /// system call.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `DeleteMarker`, `WouldBlock` (with `Wait::Never`), `Damaged`, `Io`.
    pub fn open_object(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
        wait: Wait,
    ) -> Result<Object, Error> {
        loop {
            let (row, is_latest) = self.find_certain(bucket, key, version)?;
            let pin = row.is_bulk().then(|| self.core.bulk.pin(row.place.orig_seq));
            if pin.is_some() {
                // Replaced between look-up and pin: its segments may be gone, so it is looked up again.
                let again = find(&self.core.view(), bucket.0, key.as_bytes(), version);
                if !again.is_ok_and(|(again, _)| again.place.orig_seq == row.place.orig_seq) {
                    continue;
                }
            }
            let record = match read_meta(&self.core, &row, key.as_bytes(), wait) {
                Err(Error::Damaged { .. }) if self.has_moved(&row, bucket, key, version) => continue,
                record => record?,
            };
            let meta = ObjectMeta::decode(&record.meta()).map_err(|_| record.damaged("metadata does not decode"))?;
            let bytes = match pin {
                None => Source::Inline(record),
                Some(pin) => {
                    let readers = meta.parts.iter().map(|_| OnceLock::new()).collect();
                    Source::Bulk { parts: meta.parts.clone(), readers, _pin: pin }
                }
            };
            let info = info_of(key, &row, is_latest, meta);
            let opened = Opened { core: Arc::clone(&self.core), bucket: bucket.0, row, bytes };
            return Ok(Object { info, opened: Arc::new(opened) });
        }
    }

    /// What is known of an object version, without its bytes.
    ///
    /// # Errors
    /// Those of [`Store::open_object`].
    pub fn head(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
        wait: Wait,
    ) -> Result<ObjectInfo, Error> {
        loop {
            let (row, is_latest) = self.find_certain(bucket, key, version)?;
            let record = match read_meta(&self.core, &row, key.as_bytes(), wait) {
                Err(Error::Damaged { .. }) if self.has_moved(&row, bucket, key, version) => continue,
                record => record?,
            };
            let meta = ObjectMeta::decode(&record.meta()).map_err(|_| record.damaged("metadata does not decode"))?;
            return Ok(info_of(key, &row, is_latest, meta));
        }
    }

    /// The row of an object version, unless a record that was lost may have made that another one.
    fn find_certain(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<(ObjectRow, bool), Error> {
        let found = find(&self.core.view(), bucket.0, key.as_bytes(), version);
        let known = match (&found, version) {
            // A numbered version never becomes another one.
            (Ok(_) | Err(Error::DeleteMarker { .. }), Some(VersionId::Sequence(_))) => return found,
            (Ok((row, _)), _) => Some(row.place.orig_seq),
            (Err(Error::DeleteMarker { version_id: VersionId::Sequence(number), .. }), _) => Some(*number),
            (Err(Error::NoSuchKey | Error::NoSuchVersion | Error::DeleteMarker { .. }), _) => None,
            (Err(error), _) => {
                self.core.suspect_index(error);
                return found;
            }
        };
        self.core.doubt.check_key(bucket.0, key.as_bytes(), known)?;
        found
    }

    /// Whether the version's record was relocated or replaced since `row` was looked up, so that its segment may be gone.
    fn has_moved(&self, row: &ObjectRow, bucket: BucketId, key: &ObjectKey, version: Option<VersionId>) -> bool {
        let again = find(&self.core.view(), bucket.0, key.as_bytes(), version);
        again.map_or_else(|error| !matches!(error, Error::Damaged { .. }), |(again, _)| again.place != row.place)
    }
}

impl Object {
    /// The `length` bytes from `offset`, fewer at the end of the object. Each 64 KiB block touched is verified first.
    /// For an object kept inline and read whole this is a slice.
    ///
    /// # Errors
    /// `WouldBlock` (with `Wait::Never`), `Damaged`, `Io`.
    pub fn read(&self, offset: u64, length: usize, wait: Wait) -> Result<Bytes, Error> {
        let length = length.min(usize::try_from(self.info.size.saturating_sub(offset)).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(Bytes::new());
        }
        match &self.opened.bytes {
            // Within an inline object, so below 1 MiB.
            Source::Inline(record) => record.read(offset as usize, length, wait),
            Source::Bulk { parts, readers, .. } => self.read_parts(parts, readers, offset, length, wait),
        }
    }

    fn read_parts(
        &self,
        parts: &[PartMeta],
        readers: &[OnceLock<Arc<BulkReader>>],
        offset: u64,
        length: usize,
        wait: Wait,
    ) -> Result<Bytes, Error> {
        let end = offset + length as u64;
        let mut joined = Vec::new();
        let mut part_start = 0;
        for (part, reader) in parts.iter().zip(readers) {
            let part_end = part_start + part.bulk.length;
            if part_end > offset && part_start < end {
                let from = offset.max(part_start);
                let count = (end.min(part_end) - from) as usize;
                let bytes = self.reader(part, reader, wait)?.read(from - part_start, count, wait == Wait::Never)?;
                if count == length {
                    return Ok(bytes);
                }
                joined.extend_from_slice(&bytes);
            }
            part_start = part_end;
        }
        if joined.len() == length {
            return Ok(joined.into());
        }
        Err(Error::damaged("the parts of an object are shorter than the object", self.info.key.to_string()))
    }

    fn reader(
        &self,
        part: &PartMeta,
        reader: &OnceLock<Arc<BulkReader>>,
        wait: Wait,
    ) -> Result<Arc<BulkReader>, Error> {
        if let Some(reader) = reader.get() {
            return Ok(Arc::clone(reader));
        }
        if wait == Wait::Never {
            return Err(Error::WouldBlock);
        }
        let opened = Arc::new(self.opened.core.bulk.open(&part.bulk)?);
        Ok(Arc::clone(reader.get_or_init(|| opened)))
    }

    pub(super) fn row(&self) -> ObjectRow {
        self.opened.row
    }

    pub(super) fn bucket(&self) -> u64 {
        self.opened.bucket
    }

    pub(super) fn part_metas(&self) -> Vec<PartMeta> {
        match &self.opened.bytes {
            Source::Inline(_) => Vec::new(),
            Source::Bulk { parts, .. } => parts.clone(),
        }
    }
}

fn info_of(key: &ObjectKey, row: &ObjectRow, is_latest: bool, meta: ObjectMeta) -> ObjectInfo {
    ObjectInfo {
        key: key.clone(),
        size: row.head.size,
        etag: row.etag(),
        modified_ms: row.head.modified_ms,
        version_id: row.version_id(),
        is_latest,
        attributes: meta.attributes,
        upload: meta.upload.map(crate::object::UploadId),
        parts: meta.parts.iter().filter(|part| part.number > 0).map(PartMeta::to_object_part).collect(),
    }
}

/// The row of an object version, and whether it is its key's newest.
pub(super) fn find(
    view: &View,
    bucket: u64,
    object_key: &[u8],
    version: Option<VersionId>,
) -> Result<(ObjectRow, bool), Error> {
    let current = view.current(bucket, object_key)?;
    let Some(version) = version else {
        if let Some(row) = current {
            return Ok((row, true));
        }
        return Err(newest_marker(view, bucket, object_key)?.map_or(Error::NoSuchKey, |row| marker_error(&row, true)));
    };
    if let Some(row) = current.filter(|row| row.version_id() == version) {
        return Ok((row, true));
    }
    let row = match version {
        VersionId::Null => older_null(view, bucket, object_key)?,
        VersionId::Sequence(number) => {
            view.object(Table::Versions, &key::version(bucket, object_key, number))?.filter(|row| !row.is_null())
        }
    };
    match row {
        None => Err(Error::NoSuchVersion),
        Some(row) if row.is_delete_marker() => Err(marker_error(&row, false)),
        Some(row) => Ok((row, false)),
    }
}

/// The delete marker that is a key's newest version, where there is no current object.
fn newest_marker(view: &View, bucket: u64, object_key: &[u8]) -> Result<Option<ObjectRow>, Error> {
    let prefix = key::escaped(bucket, object_key);
    let mut scan = view.scan(Table::Versions, &prefix, &prefix)?;
    Ok(scan.next()?.map(|(_, row)| ObjectRow::decode(row)).transpose()?)
}

fn marker_error(row: &ObjectRow, current: bool) -> Error {
    Error::DeleteMarker { version_id: row.version_id(), modified_ms: row.head.modified_ms, current }
}

/// A record that was read: its front, verified, and its data as far as it was read with it.
pub(super) struct Record {
    segment: Arc<SegmentFile>,
    place: Place,
    front: Front,
    /// Verified.
    data: Option<Bytes>,
}

/// Reads the record of an object: whole if it is small, else its front.
pub(super) fn read_meta(core: &Core, row: &ObjectRow, object_key: &[u8], wait: Wait) -> Result<Record, Error> {
    let place = row.place;
    let segment = core.segments.segment(place.segment, wait == Wait::Allowed)?;
    let data_bytes = if row.is_bulk() { 0 } else { row.head.size as usize };
    let front_length = front_bytes(object_key.len(), place.meta_bytes as usize, data_bytes);
    let length = place.length as usize;
    let whole = length <= WHOLE_RECORD_BYTES;
    let bytes = read(&segment, place.offset.into(), if whole { length } else { front_length }, wait)?;
    let damaged = || damaged_record(place, "a record does not match its checksum");
    let front = Front::verify(&bytes, segment.seed).map_err(|_| damaged())?;
    let header = front.header;
    // A valid record of another key or time means that the row, or the file, is not what it should be.
    if header.orig_seq != place.orig_seq || front.key() != object_key || header.length != length {
        return Err(damaged_record(place, "a record is not the one that the index names"));
    }
    let data = if whole {
        let data = bytes.slice(header.front_bytes()..);
        if !front.data_verifies(segment.seed, &data) {
            return Err(damaged());
        }
        Some(data)
    } else {
        None
    };
    Ok(Record { segment, place, front, data })
}

/// The metadata of an object's record, all of which was read and verified.
pub(crate) fn read_record(core: &Core, row: &ObjectRow, object_key: &[u8]) -> Result<Bytes, Error> {
    let record = read_meta(core, row, object_key, Wait::Allowed)?;
    record.data(core, Wait::Allowed)?;
    Ok(record.meta())
}

/// The row of an object version as it is now.
pub(crate) fn find_row(core: &Core, bucket: BucketId, name: &str, version: Option<VersionId>) -> Option<ObjectRow> {
    find(&core.view(), bucket.0, name.as_bytes(), version).ok().map(|(row, _)| row)
}

fn read(segment: &SegmentFile, offset: u64, length: usize, wait: Wait) -> Result<Bytes, Error> {
    let mut bytes = vec![0; length];
    let count = match wait {
        Wait::Never => segment.file.read_at_nowait(&mut bytes, offset)?,
        Wait::Allowed => segment.file.read_at(&mut bytes, offset)?,
    };
    if count < length {
        let place = format!("{}, offset {offset}", file::segment(segment.id));
        return Err(Error::damaged("a log segment is too short", place));
    }
    Ok(bytes.into())
}

fn damaged_record(place: Place, what: &str) -> Error {
    Error::damaged(what, format!("{}, offset {}", file::segment(place.segment), place.offset))
}

impl Record {
    pub(super) fn kind(&self) -> Kind {
        self.front.header.kind
    }

    pub(super) fn meta(&self) -> Bytes {
        self.front.meta()
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        damaged_record(self.place, what)
    }

    /// All of the data, verified.
    pub(super) fn data(&self, _core: &Core, wait: Wait) -> Result<Bytes, Error> {
        self.read(0, self.front.header.data_bytes, wait)
    }

    /// A range of the data, which lies within it; the blocks touched are verified (I5).
    fn read(&self, offset: usize, length: usize, wait: Wait) -> Result<Bytes, Error> {
        if let Some(data) = &self.data {
            return Ok(data.slice(offset..offset + length));
        }
        let header = self.front.header;
        let first = offset / BLOCK_BYTES;
        let start = first * BLOCK_BYTES;
        let end = (offset + length).next_multiple_of(BLOCK_BYTES).min(header.data_bytes);
        let at = u64::from(self.place.offset) + (header.front_bytes() + start) as u64;
        let bytes = read(&self.segment, at, end - start, wait)?;
        let intact = bytes
            .chunks(BLOCK_BYTES)
            .zip(first..)
            .all(|(block, index)| checksum(self.segment.seed, block) == self.front.block_crc(index));
        if !intact {
            return Err(self.damaged("a block of a record does not match its checksum"));
        }
        Ok(bytes.slice(offset - start..offset - start + length))
    }
}
