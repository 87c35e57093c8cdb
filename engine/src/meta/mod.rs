//! The metadata of records: what they say besides key and data, encoded so that it can grow.
//!
//! Object records begin with a fixed head, which is all that a listing or a rebuilt index needs; tagged fields follow.

mod catalog;

use bytes::Bytes;

pub(crate) use catalog::{BucketMeta, ConfigMeta};

use crate::codec::{Decoder, Encoder, Malformed};
use crate::object::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, ObjectPart, Retention, RetentionMode, StorageClass,
};

pub(crate) const FLAG_NULL_VERSION: u16 = 1;
pub(crate) const FLAG_DELETE_MARKER: u16 = 1 << 1;
pub(crate) const FLAG_BULK: u16 = 1 << 2;
const STORAGE_CLASS_SHIFT: u16 = 3;
const CHECKSUM_SHIFT: u16 = 7;
const FLAG_COMPOSITE: u16 = 1 << 10;
const FLAG_LEGAL_HOLD: u16 = 1 << 11;

const TAG_HEADER: u16 = 1;
const TAG_USER_METADATA: u16 = 2;
const TAG_OBJECT_TAG: u16 = 3;
const TAG_CHECKSUM: u16 = 4;
const TAG_RETENTION: u16 = 5;
const TAG_OPAQUE: u16 = 6;
const TAG_UPLOAD: u16 = 7;
const TAG_PART: u16 = 8;
const TAG_ANNOUNCED_CHECKSUM: u16 = 9;
const TAG_UPLOAD_OPAQUE: u16 = 10;
const TAG_STORAGE_FLAGS: u16 = 11;

/// The fixed head of an object's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectHead {
    pub(crate) modified_ms: u64,
    pub(crate) size: u64,
    pub(crate) etag: ETag,
    pub(crate) flags: u16,
    /// The number that orders the version and names it; 0 for the record's own `orig_seq`.
    pub(crate) version: u64,
}

impl ObjectHead {
    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.modified_ms).u64(self.size).raw(&self.etag.md5).u16(self.etag.parts).u16(self.flags);
        encoder.u64(self.version);
    }

    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<ObjectHead, Malformed> {
        Ok(ObjectHead {
            modified_ms: decoder.u64()?,
            size: decoder.u64()?,
            etag: ETag { md5: decoder.array()?, parts: decoder.u16()? },
            flags: decoder.u16()?,
            version: decoder.u64()?,
        })
    }
}

/// A bulk segment as a record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BulkName {
    pub(crate) id: u64,
    pub(crate) length: u64,
    /// BLAKE3 of the trailer, which holds the checksums of the blocks.
    pub(crate) digest: [u8; 32],
}

impl BulkName {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.id).u64(self.length).raw(&self.digest);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<BulkName, Malformed> {
        Ok(BulkName { id: decoder.u64()?, length: decoder.u64()?, digest: decoder.array()? })
    }
}

/// A reference that a change takes away: bulk id and referrer.
pub(crate) type Release = (u64, u64);

/// A part of an upload, or of the object made of it. An object put whole in one bulk segment has one of number 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartMeta {
    pub(crate) number: u16,
    pub(crate) etag: ETag,
    pub(crate) modified_ms: u64,
    pub(crate) bulk: BulkName,
    pub(crate) checksum: Option<Checksum>,
}

impl PartMeta {
    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.u16(self.number).raw(&self.etag.md5).u64(self.modified_ms);
        self.bulk.encode(encoder);
        encoder.u8(u8::from(self.checksum.is_some()));
        if let Some(checksum) = &self.checksum {
            encode_checksum(encoder, checksum);
        }
    }

    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<PartMeta, Malformed> {
        Ok(PartMeta {
            number: decoder.u16()?,
            etag: ETag::of_body(decoder.array()?),
            modified_ms: decoder.u64()?,
            bulk: BulkName::decode(decoder)?,
            checksum: match decoder.u8()? {
                0 => None,
                1 => Some(decode_checksum(decoder)?),
                _ => return Err(Malformed),
            },
        })
    }

    pub(crate) fn to_object_part(&self) -> ObjectPart {
        ObjectPart { number: self.number, size: self.bulk.length, etag: self.etag, checksum: self.checksum.clone() }
    }
}

/// Everything that an object's record says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectMeta {
    pub(crate) head: ObjectHead,
    pub(crate) attributes: Attributes,
    pub(crate) upload: Option<u64>,
    pub(crate) parts: Vec<PartMeta>,
}

impl ObjectMeta {
    /// Encodes; the flags that mirror attributes are set here.
    pub(crate) fn encode(&mut self) -> Vec<u8> {
        self.head.flags = flags_of(&self.attributes) | (self.head.flags & (FLAG_NULL_VERSION | FLAG_BULK));
        let mut encoder = Encoder::with_capacity(256);
        self.head.encode(&mut encoder);
        encode_attributes(&mut encoder, &self.attributes);
        if let Some(upload) = self.upload {
            encoder.tagged(TAG_UPLOAD, |e| _ = e.u64(upload));
        }
        for part in &self.parts {
            encoder.tagged(TAG_PART, |e| part.encode(e));
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<ObjectMeta, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let head = ObjectHead::decode(&mut decoder)?;
        let mut meta = ObjectMeta { head, attributes: attributes_of(head.flags)?, upload: None, parts: Vec::new() };
        while !decoder.is_empty() {
            let (tag, mut value) = decoder.tagged()?;
            match tag {
                TAG_UPLOAD => meta.upload = Some(value.u64()?),
                TAG_PART => meta.parts.push(PartMeta::decode(&mut value)?),
                _ => decode_attribute(&mut meta.attributes, tag, value)?,
            }
        }
        Ok(meta)
    }
}

/// What an upload's record says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadMeta {
    pub(crate) initiated_ms: u64,
    pub(crate) attributes: Attributes,
    pub(crate) checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    pub(crate) opaque: Bytes,
}

impl UploadMeta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(256);
        encoder.u64(self.initiated_ms);
        encoder.tagged(TAG_STORAGE_FLAGS, |e| _ = e.u16(flags_of(&self.attributes)));
        encode_attributes(&mut encoder, &self.attributes);
        if let Some((algorithm, kind)) = self.checksum {
            encoder.tagged(TAG_ANNOUNCED_CHECKSUM, |e| _ = e.u8(algorithm_code(algorithm)).u8(kind as u8));
        }
        encoder.tagged(TAG_UPLOAD_OPAQUE, |e| _ = e.raw(&self.opaque));
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<UploadMeta, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let mut meta = UploadMeta {
            initiated_ms: decoder.u64()?,
            attributes: Attributes::default(),
            checksum: None,
            opaque: Bytes::new(),
        };
        while !decoder.is_empty() {
            let (tag, mut value) = decoder.tagged()?;
            match tag {
                TAG_STORAGE_FLAGS => {
                    let flags = attributes_of(value.u16()?)?;
                    meta.attributes.storage_class = flags.storage_class;
                    meta.attributes.legal_hold = flags.legal_hold;
                }
                TAG_ANNOUNCED_CHECKSUM => {
                    meta.checksum = Some((algorithm_from(value.u8()?)?, checksum_kind_from(value.u8()?)?));
                }
                TAG_UPLOAD_OPAQUE => meta.opaque = Bytes::copy_from_slice(value.rest()),
                _ => decode_attribute(&mut meta.attributes, tag, value)?,
            }
        }
        Ok(meta)
    }
}

/// The checksum that a listing shows, from an object's flags.
pub(crate) fn listed_checksum(flags: u16) -> Option<(ChecksumAlgorithm, ChecksumKind)> {
    let algorithm = algorithm_from((flags >> CHECKSUM_SHIFT & 7) as u8).ok()?;
    let kind = if flags & FLAG_COMPOSITE == 0 { ChecksumKind::FullObject } else { ChecksumKind::Composite };
    Some((algorithm, kind))
}

/// The storage class that a listing shows, from an object's flags.
pub(crate) fn listed_storage_class(flags: u16) -> StorageClass {
    StorageClass::from_code((flags >> STORAGE_CLASS_SHIFT & 15) as u8).unwrap_or_default()
}

fn flags_of(attributes: &Attributes) -> u16 {
    let mut flags = (attributes.storage_class as u16) << STORAGE_CLASS_SHIFT;
    if let Some(checksum) = attributes.checksums.first() {
        flags |= u16::from(algorithm_code(checksum.algorithm)) << CHECKSUM_SHIFT;
        if checksum.kind == ChecksumKind::Composite {
            flags |= FLAG_COMPOSITE;
        }
    }
    if attributes.legal_hold {
        flags |= FLAG_LEGAL_HOLD;
    }
    flags
}

fn attributes_of(flags: u16) -> Result<Attributes, Malformed> {
    let class = (flags >> STORAGE_CLASS_SHIFT & 15) as u8;
    Ok(Attributes {
        storage_class: StorageClass::from_code(class).ok_or(Malformed)?,
        legal_hold: flags & FLAG_LEGAL_HOLD != 0,
        ..Attributes::default()
    })
}

fn encode_attributes(encoder: &mut Encoder, attributes: &Attributes) {
    let pairs = [
        (TAG_HEADER, &attributes.headers),
        (TAG_USER_METADATA, &attributes.user_metadata),
        (TAG_OBJECT_TAG, &attributes.tags),
    ];
    for (tag, pairs) in pairs {
        for (name, value) in pairs {
            encoder.tagged(tag, |e| _ = e.blob(name.as_bytes()).raw(value.as_bytes()));
        }
    }
    for checksum in &attributes.checksums {
        encoder.tagged(TAG_CHECKSUM, |e| encode_checksum(e, checksum));
    }
    if let Some(retention) = attributes.retention {
        encoder.tagged(TAG_RETENTION, |e| _ = e.u8(retention.mode as u8).u64(retention.until_ms));
    }
    for (tag, value) in &attributes.opaque {
        encoder.tagged(TAG_OPAQUE, |e| _ = e.u16(*tag).raw(value));
    }
}

/// Takes one tagged field in; a tag of a later version is passed over.
fn decode_attribute(attributes: &mut Attributes, tag: u16, mut value: Decoder<'_>) -> Result<(), Malformed> {
    let mut pair = |pairs: &mut Vec<(String, String)>| {
        let name = value.text()?.to_owned();
        let text = std::str::from_utf8(value.rest()).map_err(|_| Malformed)?;
        pairs.push((name, text.to_owned()));
        Ok(())
    };
    match tag {
        TAG_HEADER => pair(&mut attributes.headers)?,
        TAG_USER_METADATA => pair(&mut attributes.user_metadata)?,
        TAG_OBJECT_TAG => pair(&mut attributes.tags)?,
        TAG_CHECKSUM => attributes.checksums.push(decode_checksum(&mut value)?),
        TAG_RETENTION => {
            let mode = match value.u8()? {
                0 => RetentionMode::Governance,
                1 => RetentionMode::Compliance,
                _ => return Err(Malformed),
            };
            attributes.retention = Some(Retention { mode, until_ms: value.u64()? });
        }
        TAG_OPAQUE => attributes.opaque.push((value.u16()?, Bytes::copy_from_slice(value.rest()))),
        _ => {}
    }
    Ok(())
}

fn encode_checksum(encoder: &mut Encoder, checksum: &Checksum) {
    encoder.u8(algorithm_code(checksum.algorithm)).u8(checksum.kind as u8).blob(&checksum.value);
}

fn decode_checksum(decoder: &mut Decoder<'_>) -> Result<Checksum, Malformed> {
    Ok(Checksum {
        algorithm: algorithm_from(decoder.u8()?)?,
        kind: checksum_kind_from(decoder.u8()?)?,
        value: decoder.bytes()?,
    })
}

fn algorithm_code(algorithm: ChecksumAlgorithm) -> u8 {
    algorithm as u8 + 1
}

fn algorithm_from(code: u8) -> Result<ChecksumAlgorithm, Malformed> {
    use ChecksumAlgorithm::*;
    [Crc32, Crc32c, Crc64Nvme, Sha1, Sha256]
        .into_iter()
        .find(|algorithm| algorithm_code(*algorithm) == code)
        .ok_or(Malformed)
}

fn checksum_kind_from(code: u8) -> Result<ChecksumKind, Malformed> {
    match code {
        0 => Ok(ChecksumKind::FullObject),
        1 => Ok(ChecksumKind::Composite),
        _ => Err(Malformed),
    }
}

/// Which version a Delete record removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Null,
    Version(u64),
}

impl Target {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        match self {
            Target::Null => encoder.u8(0).u64(0),
            Target::Version(version) => encoder.u8(1).u64(version),
        };
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Target, Malformed> {
        let mut decoder = Decoder::new(bytes);
        match (decoder.u8()?, decoder.u64()?) {
            (0, 0) => Ok(Target::Null),
            (1, version) => Ok(Target::Version(version)),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attributes() -> impl Strategy<Value = Attributes> {
        let pairs = || proptest::collection::vec((".{0,20}", ".{0,20}"), 0..4);
        (pairs(), pairs(), pairs(), any::<bool>(), 0..11u8, any::<Vec<u8>>(), any::<Option<u64>>()).prop_map(
            |(headers, user_metadata, tags, legal_hold, class, value, until)| Attributes {
                headers,
                user_metadata,
                tags,
                checksums: vec![Checksum {
                    algorithm: ChecksumAlgorithm::Crc64Nvme,
                    kind: ChecksumKind::Composite,
                    value: value.clone().into(),
                }],
                storage_class: StorageClass::from_code(class).unwrap(),
                retention: until.map(|until_ms| Retention { mode: RetentionMode::Compliance, until_ms }),
                legal_hold,
                opaque: vec![(9, value.into())],
            },
        )
    }

    proptest! {
        #[test]
        fn objects_read_back_what_they_write(attributes in attributes(), size: u64, upload: Option<u64>) {
            let head = ObjectHead { modified_ms: 5, size, etag: ETag { md5: [3; 16], parts: 2 }, flags: FLAG_BULK, version: 9 };
            let checksum = attributes.checksums.first().cloned();
            let bulk = BulkName { id: 4, length: size, digest: [8; 32] };
            let part = PartMeta { number: 1, etag: ETag::of_body([1; 16]), modified_ms: 3, bulk, checksum };
            let mut meta = ObjectMeta { head, attributes: attributes.clone(), upload, parts: vec![part] };
            let bytes = meta.encode();
            prop_assert_eq!(ObjectMeta::decode(&bytes), Ok(meta.clone()));
            prop_assert_eq!(listed_storage_class(meta.head.flags), attributes.storage_class);
            prop_assert_eq!(listed_checksum(meta.head.flags), Some((ChecksumAlgorithm::Crc64Nvme, ChecksumKind::Composite)));
            let upload = UploadMeta { initiated_ms: 1, attributes, checksum: None, opaque: Bytes::from("x") };
            prop_assert_eq!(UploadMeta::decode(&upload.encode()), Ok(upload));
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes: Vec<u8>) {
            let _ = ObjectMeta::decode(&bytes);
            let _ = UploadMeta::decode(&bytes);
            let _ = BucketMeta::decode(&bytes);
            let _ = ConfigMeta::decode_all(&bytes);
            let _ = Target::decode(&bytes);
            let _ = PartMeta::decode(&mut Decoder::new(&bytes));
        }
    }

    #[test]
    fn a_field_of_a_later_version_is_passed_over() {
        let head = ObjectHead { modified_ms: 5, size: 1, etag: ETag::of_body([3; 16]), flags: 0, version: 0 };
        let mut meta = ObjectMeta { head, attributes: Attributes::default(), upload: None, parts: Vec::new() };
        let mut bytes = meta.encode();
        let mut later = Encoder::default();
        later.tagged(900, |e| _ = e.u64(1));
        bytes.extend_from_slice(&later.finish());
        assert_eq!(ObjectMeta::decode(&bytes), Ok(meta));
    }
}
