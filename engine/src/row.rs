//! The rows of the index: their tables, keys and values.
//!
//! Keys are made so that their byte order is the order of listings; nothing but this module takes them apart.

use crate::codec::{Decoder, Encoder, Malformed};
use crate::format::align;
use crate::meta::{self, FLAG_BULK, FLAG_DELETE_MARKER, FLAG_NULL_VERSION, ObjectHead, PartMeta};
use crate::object::{ETag, VersionId};
use crate::report::RowField;

/// The tables of the index. Each has its own order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub(crate) enum Table {
    /// (bucket, key): the newest version, where it is an object.
    Current,
    /// (bucket, escaped key, inverted version): older versions and all delete markers.
    Versions,
    /// (bucket, key): the version number of the null version, where it is among `Versions`.
    Nulls,
    /// (bucket, escaped key, upload).
    Uploads,
    /// (upload, part number).
    Parts,
    /// The set of (bulk id, referrer), in both orders.
    BulkRefs,
    /// (namespace, 00, key).
    Config,
    /// (bucket).
    Buckets,
    /// One row: the ids of segments that were freed.
    Freed,
}

impl Table {
    pub(crate) const ALL: [Table; 9] = [
        Table::Current,
        Table::Versions,
        Table::Nulls,
        Table::Uploads,
        Table::Parts,
        Table::BulkRefs,
        Table::Config,
        Table::Buckets,
        Table::Freed,
    ];

    pub(crate) fn name(self) -> &'static str {
        ["current", "versions", "nulls", "uploads", "parts", "bulk_refs", "config", "buckets", "freed"][self as usize]
    }
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u32,
    /// Without the padding that follows.
    pub(crate) length: u32,
    pub(crate) meta_bytes: u32,
    pub(crate) orig_seq: u64,
}

impl Place {
    pub(crate) const BYTES: usize = 28;

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.segment).u32(self.offset).u32(self.length).u32(self.meta_bytes).u64(self.orig_seq);
    }

    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Place, Malformed> {
        Ok(Place {
            segment: decoder.u64()?,
            offset: decoder.u32()?,
            length: decoder.u32()?,
            meta_bytes: decoder.u32()?,
            orig_seq: decoder.u64()?,
        })
    }

    /// The place with which a row begins, and the rest of the row.
    pub(crate) fn split(row: &[u8]) -> Result<(Place, &[u8]), Malformed> {
        let mut decoder = Decoder::new(row);
        let place = Place::decode(&mut decoder)?;
        Ok((place, decoder.rest()))
    }

    /// A row that begins with this place.
    pub(crate) fn with(&self, rest: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(Place::BYTES + rest.len());
        self.encode(&mut encoder);
        encoder.raw(rest);
        encoder.finish()
    }

    /// Bytes of the segment that the record takes.
    pub(crate) fn bytes(&self) -> u64 {
        align(self.length.into())
    }
}

/// The place with which the row of a record begins, and the bytes of its segment that the row keeps alive. A record of
/// configuration has several rows, each of which keeps its own part alive.
pub(crate) fn holding(table: Table, row_key: &[u8], row: &[u8]) -> Result<Option<(Place, u64)>, Malformed> {
    match table {
        Table::Nulls | Table::BulkRefs => Ok(None),
        Table::Config => {
            let (place, value) = Place::split(row)?;
            Ok(Some((place, config_bytes(row_key.len(), value.len()))))
        }
        _ => {
            let (place, _) = Place::split(row)?;
            Ok(Some((place, place.bytes())))
        }
    }
}

/// The bytes that a row of configuration takes in its record.
pub(crate) fn config_bytes(row_key_bytes: usize, value_bytes: usize) -> u64 {
    (row_key_bytes + value_bytes + 12) as u64
}

/// An object version or delete marker: where its record lies and what a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectRow {
    pub(crate) place: Place,
    /// `head.version` is never 0 here.
    pub(crate) head: ObjectHead,
}

impl ObjectRow {
    pub(crate) fn new(place: Place, mut head: ObjectHead) -> ObjectRow {
        if head.version == 0 {
            head.version = place.orig_seq;
        }
        ObjectRow { place, head }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(72);
        self.place.encode(&mut encoder);
        self.head.encode(&mut encoder);
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<ObjectRow, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let row = ObjectRow { place: Place::decode(&mut decoder)?, head: ObjectHead::decode(&mut decoder)? };
        decoder.end()?;
        Ok(row)
    }

    pub(crate) fn is_null(&self) -> bool {
        self.head.flags & FLAG_NULL_VERSION != 0
    }

    pub(crate) fn is_delete_marker(&self) -> bool {
        self.head.flags & FLAG_DELETE_MARKER != 0
    }

    pub(crate) fn is_bulk(&self) -> bool {
        self.head.flags & FLAG_BULK != 0
    }

    pub(crate) fn version_id(&self) -> VersionId {
        if self.is_null() { VersionId::Null } else { VersionId::Sequence(self.head.version) }
    }

    pub(crate) fn etag(&self) -> ETag {
        self.head.etag
    }

    pub(crate) fn entry(&self, key: String) -> crate::list::Entry {
        crate::list::Entry {
            key,
            size: self.head.size,
            modified_ms: self.head.modified_ms,
            etag: self.head.etag,
            storage_class: meta::listed_storage_class(self.head.flags),
            checksum: meta::listed_checksum(self.head.flags),
        }
    }
}

/// A part of an upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartRow {
    /// Its `orig_seq` is the referrer of the bulk segment.
    pub(crate) place: Place,
    pub(crate) part: PartMeta,
}

impl PartRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(160);
        self.place.encode(&mut encoder);
        self.part.encode(&mut encoder);
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<PartRow, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let row = PartRow { place: Place::decode(&mut decoder)?, part: PartMeta::decode(&mut decoder)? };
        decoder.end()?;
        Ok(row)
    }
}

/// What a row says, for people: names of FORMAT.md and what stands there. Of a value that is not known only the key's
/// fields, and none of what does not decode.
pub(crate) fn fields(table: Table, row_key: &[u8], row: Option<&[u8]>) -> Vec<(&'static str, RowField)> {
    let mut fields = Fields::default();
    if fields.key(table, row_key).is_err() {
        return Vec::new();
    }
    if let Some(row) = row {
        let of_key = fields.0.len();
        if fields.value(table, row).is_err() {
            fields.0.truncate(of_key);
        }
    }
    fields.0
}

#[derive(Default)]
struct Fields(Vec<(&'static str, RowField)>);

impl Fields {
    fn number(&mut self, name: &'static str, number: impl Into<u64>) -> &mut Fields {
        self.0.push((name, RowField::Number(number.into())));
        self
    }

    fn text(&mut self, name: &'static str, text: impl ToString) -> &mut Fields {
        self.0.push((name, RowField::Text(text.to_string())));
        self
    }

    fn key(&mut self, table: Table, row_key: &[u8]) -> Result<(), Malformed> {
        let mut decoder = Decoder::new(row_key);
        let mut number = || Ok(u64::from_be_bytes(decoder.array()?));
        match table {
            Table::Current | Table::Nulls => {
                self.number("bucket", number()?).text("key", key::object_key(row_key)?);
            }
            // The version stands in the row too.
            Table::Versions => _ = self.number("bucket", number()?).text("key", key::split(row_key)?.0),
            Table::Uploads => {
                let (object_key, upload) = key::split(row_key)?;
                self.number("bucket", number()?).text("key", object_key).number("upload", upload);
            }
            Table::Parts => {
                self.number("upload", number()?).number("part", u16::from_be_bytes(decoder.array()?));
            }
            Table::BulkRefs => {
                let (order, rest) = row_key.split_first().ok_or(Malformed)?;
                let first = rest.first_chunk::<8>().map(|first| u64::from_be_bytes(*first)).ok_or(Malformed)?;
                let last = key::last_number(rest)?;
                let (bulk, referrer) = if *order == 0 { (first, last) } else { (last, first) };
                self.text("bulk", format_args!("{bulk:016x}")).number("referrer", referrer);
            }
            Table::Config => {
                let text = std::str::from_utf8(row_key).map_err(|_| Malformed)?;
                let (namespace, config_key) = text.split_once('\0').ok_or(Malformed)?;
                self.text("namespace", namespace).text("key", config_key);
            }
            Table::Buckets => _ = self.number("bucket", number()?),
            Table::Freed => {}
        }
        Ok(())
    }

    fn value(&mut self, table: Table, row: &[u8]) -> Result<(), Malformed> {
        match table {
            Table::BulkRefs => return Ok(()),
            Table::Nulls => {
                self.number("version", Decoder::new(row).u64()?);
                return Ok(());
            }
            _ => {}
        }
        let (place, rest) = Place::split(row)?;
        self.text("segment", format_args!("{:016x}", place.segment)).number("offset", place.offset);
        self.number("length", place.length).number("metadata_bytes", place.meta_bytes);
        self.number("original_sequence", place.orig_seq);
        match table {
            Table::Current | Table::Versions => {
                let object = ObjectRow::decode(row)?;
                self.number("size", object.head.size).number("modified_ms", object.head.modified_ms);
                self.text("etag", object.head.etag).text("version", object.version_id());
                self.number("version_number", object.head.version);
                let kind = if object.is_delete_marker() { "delete marker" } else { "object" };
                self.text("kind", if object.is_bulk() { "object in bulk segments" } else { kind });
            }
            Table::Uploads => _ = self.number("initiated_ms", meta::UploadMeta::decode(rest)?.initiated_ms),
            Table::Parts => {
                let PartRow { part, .. } = PartRow::decode(row)?;
                self.number("size", part.bulk.length).number("modified_ms", part.modified_ms);
                self.text("etag", part.etag).text("bulk", format_args!("{:016x}", part.bulk.id));
            }
            Table::Config => _ = self.number("value_bytes", rest.len() as u64),
            Table::Buckets => {
                if let meta::BucketMeta::Is(bucket) = meta::BucketMeta::decode(rest)? {
                    self.text("name", bucket.name).text("owner", bucket.owner);
                    self.number("created_ms", bucket.created_ms);
                }
            }
            Table::Freed => _ = self.number("list_bytes", rest.len() as u64),
            Table::Nulls | Table::BulkRefs => {}
        }
        Ok(())
    }
}

pub(crate) mod key {
    //! The keys of the tables.
    use super::{Decoder, Malformed};

    /// (bucket, key) of `Current` and `Nulls`; with an empty key the beginning of the bucket's rows.
    pub(crate) fn object(bucket: u64, key: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(8 + key.len());
        row.extend_from_slice(&bucket.to_be_bytes());
        row.extend_from_slice(key);
        row
    }

    /// The object key in a row key of `Current`.
    pub(crate) fn object_key(row: &[u8]) -> Result<&str, Malformed> {
        std::str::from_utf8(row.get(8..).ok_or(Malformed)?).map_err(|_| Malformed)
    }

    /// The beginning of all rows of a key in `Versions` and `Uploads`. 00 within the key is written 00 ff, so that
    /// the ending 00 00 sorts a key before all keys that it begins.
    pub(crate) fn escaped(bucket: u64, key: &[u8]) -> Vec<u8> {
        let mut row = escaped_prefix(bucket, key);
        row.extend_from_slice(&[0, 0]);
        row
    }

    /// The bucket and the key of what [`escaped`] made.
    pub(crate) fn unescaped(row: &[u8]) -> Result<(u64, Vec<u8>), Malformed> {
        let (bucket, escaped) = row.split_first_chunk::<8>().ok_or(Malformed)?;
        let escaped = escaped.strip_suffix(&[0, 0]).ok_or(Malformed)?;
        let mut key = Vec::with_capacity(escaped.len());
        let mut bytes = escaped.iter();
        while let Some(byte) = bytes.next() {
            key.push(*byte);
            if *byte == 0 && bytes.next() != Some(&0xff) {
                return Err(Malformed);
            }
        }
        Ok((u64::from_be_bytes(*bucket), key))
    }

    /// Like [`escaped`], for the beginning of a key.
    pub(crate) fn escaped_prefix(bucket: u64, prefix: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(8 + prefix.len() + 10);
        row.extend_from_slice(&bucket.to_be_bytes());
        for &byte in prefix {
            row.push(byte);
            if byte == 0 {
                row.push(0xff);
            }
        }
        row
    }

    /// (bucket, escaped key, inverted version): the newest version first.
    pub(crate) fn version(bucket: u64, key: &[u8], version: u64) -> Vec<u8> {
        let mut row = escaped(bucket, key);
        row.extend_from_slice(&(!version).to_be_bytes());
        row
    }

    /// (bucket, escaped key, upload).
    pub(crate) fn upload(bucket: u64, key: &[u8], upload: u64) -> Vec<u8> {
        let mut row = escaped(bucket, key);
        row.extend_from_slice(&upload.to_be_bytes());
        row
    }

    /// The object key and the number after it in a row key of `Versions` (inverted there) or `Uploads`.
    pub(crate) fn split(row: &[u8]) -> Result<(String, u64), Malformed> {
        let mut decoder = Decoder::new(row);
        decoder.take(8)?;
        let mut key = Vec::with_capacity(row.len());
        loop {
            match decoder.u8()? {
                0 => match decoder.u8()? {
                    0 => break,
                    0xff => key.push(0),
                    _ => return Err(Malformed),
                },
                byte => key.push(byte),
            }
        }
        let number = u64::from_be_bytes(decoder.array()?);
        decoder.end()?;
        Ok((String::from_utf8(key).map_err(|_| Malformed)?, number))
    }

    pub(crate) fn part(upload: u64, number: u16) -> Vec<u8> {
        let mut row = upload.to_be_bytes().to_vec();
        row.extend_from_slice(&number.to_be_bytes());
        row
    }

    /// Who refers to a bulk segment.
    pub(crate) fn bulk_referrer(bulk: u64, referrer: u64) -> Vec<u8> {
        triple(0, bulk, referrer)
    }

    /// What a record refers to.
    pub(crate) fn referrer_bulk(referrer: u64, bulk: u64) -> Vec<u8> {
        triple(1, referrer, bulk)
    }

    fn triple(order: u8, first: u64, second: u64) -> Vec<u8> {
        let mut row = vec![order];
        row.extend_from_slice(&first.to_be_bytes());
        row.extend_from_slice(&second.to_be_bytes());
        row
    }

    /// The last number of a row key of `BulkRefs`.
    pub(crate) fn last_number(row: &[u8]) -> Result<u64, Malformed> {
        let (_, number) = row.split_last_chunk::<8>().ok_or(Malformed)?;
        Ok(u64::from_be_bytes(*number))
    }

    pub(crate) fn config(namespace: &str, key: &str) -> Vec<u8> {
        let mut row = Vec::with_capacity(namespace.len() + 1 + key.len());
        row.extend_from_slice(namespace.as_bytes());
        row.push(0);
        row.extend_from_slice(key.as_bytes());
        row
    }

    pub(crate) fn number(number: u64) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    /// The least row key above every one that begins with `prefix`; `None` if there is none.
    pub(crate) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
        let mut end = prefix.to_vec();
        while let Some(last) = end.pop() {
            if last < 0xff {
                end.push(last + 1);
                return Some(end);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn version_keys_sort_by_key_then_newest_first(a in "[\\x00-\\x02a]{1,5}", b in "[\\x00-\\x02a]{1,5}", x: u64, y: u64) {
            let row = |key: &str, version| key::version(3, key.as_bytes(), version);
            prop_assert_eq!(row(&a, x).cmp(&row(&b, y)), a.cmp(&b).then(y.cmp(&x)));
            prop_assert_eq!(key::split(&row(&a, x)), Ok((a.clone(), !x)));
            prop_assert_eq!(key::unescaped(&key::escaped(3, a.as_bytes())), Ok((3, a.clone().into_bytes())));
            prop_assert!(row(&a, x).starts_with(&key::escaped(3, a.as_bytes())));
            prop_assert_eq!(b.starts_with(&a), row(&b, y).starts_with(&key::escaped_prefix(3, a.as_bytes())));
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes: Vec<u8>) {
            let _ = ObjectRow::decode(&bytes);
            let _ = PartRow::decode(&bytes);
            let _ = Place::split(&bytes);
            for table in Table::ALL {
                let _ = holding(table, &bytes, &bytes);
                let _ = fields(table, &bytes, Some(&bytes));
            }
            let _ = key::split(&bytes);
            let _ = key::unescaped(&bytes);
            let _ = key::object_key(&bytes);
            let _ = key::last_number(&bytes);
        }
    }

    #[test]
    fn the_key_after_a_prefix_is_the_least_above_it() {
        assert_eq!(key::after(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(key::after(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(key::after(&[0xff]), None);
        assert_eq!(key::after(&[]), None);
    }
}
