//! The record: one mutation, framed so that it can be told from torn, stale and misdirected bytes.
//!
//! A record's front (header, key, metadata, block checksums) has one checksum and can be read without its data.

use bytes::Bytes;

use crate::bugs::{Bug, seeded as seeded_bug};
use crate::codec::Malformed;
use crate::format::{BLOCK_BYTES, DATA_BYTES_MAX, META_BYTES_MAX, checksum, record, seeded, u16_at, u32_at, u64_at};
use crate::name::KEY_BYTES_MAX;

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An object whose bytes are in the record.
    Put = 1,
    /// An object made of bulk segments.
    Manifest = 2,
    /// A delete marker.
    DeleteMarker = 3,
    /// Removes a version for good.
    Delete = 4,
    /// A part of an upload.
    Part = 5,
    /// Begins an upload.
    UploadInit = 6,
    /// Ends an upload without an object.
    UploadAbort = 7,
    /// Creates, changes or deletes a bucket.
    Bucket = 8,
    /// Changes configuration rows.
    Config = 9,
    /// Announces that a log segment is about to be unlinked.
    SegmentFreed = 10,
}

impl Kind {
    pub(crate) fn from_code(code: u8) -> Option<Kind> {
        use Kind::*;
        [Put, Manifest, DeleteMarker, Delete, Part, UploadInit, UploadAbort, Bucket, Config, SegmentFreed]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

impl Kind {
    /// The kind's name in `FORMAT.md`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Put => "Put",
            Kind::Manifest => "Manifest",
            Kind::DeleteMarker => "DeleteMarker",
            Kind::Delete => "Delete",
            Kind::Part => "Part",
            Kind::UploadInit => "UploadInit",
            Kind::UploadAbort => "UploadAbort",
            Kind::Bucket => "Bucket",
            Kind::Config => "Config",
            Kind::SegmentFreed => "SegmentFreed",
        }
    }
}

/// The record takes the place of a version that is there already: new attributes, the same version id and date.
pub(crate) const FLAG_REPLACES_VERSION: u8 = 1;

/// A record before the log has given it a place and a number.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    /// 0 for the record that creates a bucket: the bucket's id is that record's number.
    pub(crate) bucket: u64,
    pub(crate) key: Bytes,
    pub(crate) meta: Bytes,
    pub(crate) data: Bytes,
    /// Plain CRC-32 of each block of the data.
    pub(crate) block_crcs: Vec<u32>,
    /// The number under which the record was first written, for one that is written again.
    pub(crate) orig_seq: Option<u64>,
}

impl Frame {
    pub(crate) fn new(kind: Kind, bucket: u64, key: &[u8], meta: Vec<u8>) -> Frame {
        Frame {
            kind,
            flags: 0,
            bucket,
            key: Bytes::copy_from_slice(key),
            meta: meta.into(),
            data: Bytes::new(),
            block_crcs: Vec::new(),
            orig_seq: None,
        }
    }

    pub(crate) fn with_data(mut self, data: Bytes) -> Frame {
        self.block_crcs = data.chunks(BLOCK_BYTES).map(crc32fast::hash).collect();
        self.data = data;
        self
    }

    /// The record's length without the padding that follows it.
    pub(crate) fn length(&self) -> usize {
        front_bytes(self.key.len(), self.meta.len(), self.data.len()) + self.data.len()
    }

    /// Appends the record to `buffer`, numbered and sealed.
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>, seed: u32, seq: u64, durable_offset: u64) {
        let start = buffer.len();
        let bits32 = |length: usize| u32::try_from(length).expect("bounded by META_BYTES_MAX and DATA_BYTES_MAX");
        let mut header = [0; record::BYTES];
        let mut field = |offset: usize, bytes: &[u8]| header[offset..offset + bytes.len()].copy_from_slice(bytes);
        field(record::MAGIC, &record::MAGIC_VALUE);
        field(record::KIND, &[self.kind as u8]);
        field(record::FLAGS, &[self.flags]);
        field(record::KEY_BYTES, &(self.key.len() as u16).to_le_bytes());
        field(record::LENGTH, &bits32(self.length()).to_le_bytes());
        field(record::SEQ, &seq.to_le_bytes());
        field(record::ORIG_SEQ, &self.orig_seq.unwrap_or(seq).to_le_bytes());
        field(record::DURABLE_OFFSET, &durable_offset.to_le_bytes());
        field(record::BUCKET, &self.bucket.to_le_bytes());
        field(record::META_BYTES, &bits32(self.meta.len()).to_le_bytes());
        field(record::DATA_BYTES, &bits32(self.data.len()).to_le_bytes());
        buffer.extend_from_slice(&header);
        buffer.extend_from_slice(&self.key);
        buffer.extend_from_slice(&self.meta);
        for (plain, block) in self.block_crcs.iter().zip(self.data.chunks(BLOCK_BYTES)) {
            buffer.extend_from_slice(&seeded(seed, *plain, block.len()).to_le_bytes());
        }
        let crc = front_checksum(seed, &buffer[start..]);
        buffer[start + record::CRC..start + record::CRC + 4].copy_from_slice(&crc.to_le_bytes());
        buffer.extend_from_slice(&self.data);
    }
}

/// The fixed part of a record's header, its checksum not yet compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) length: usize,
    pub(crate) crc: u32,
    pub(crate) seq: u64,
    pub(crate) orig_seq: u64,
    pub(crate) durable_offset: u64,
    pub(crate) bucket: u64,
    pub(crate) key_bytes: usize,
    pub(crate) meta_bytes: usize,
    pub(crate) data_bytes: usize,
}

impl Header {
    /// Reads the fixed part and checks that its lengths agree, so that whoever trusts them reads no more than a
    /// record can hold.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Header, Malformed> {
        if bytes.len() < record::BYTES || bytes[record::MAGIC..record::KIND] != record::MAGIC_VALUE {
            return Err(Malformed);
        }
        let size = |offset| usize::try_from(u32_at(bytes, offset)).map_err(|_| Malformed);
        let header = Header {
            kind: Kind::from_code(bytes[record::KIND]).ok_or(Malformed)?,
            flags: bytes[record::FLAGS],
            length: size(record::LENGTH)?,
            crc: u32_at(bytes, record::CRC),
            seq: u64_at(bytes, record::SEQ),
            orig_seq: u64_at(bytes, record::ORIG_SEQ),
            durable_offset: u64_at(bytes, record::DURABLE_OFFSET),
            bucket: u64_at(bytes, record::BUCKET),
            key_bytes: usize::from(u16_at(bytes, record::KEY_BYTES)),
            meta_bytes: size(record::META_BYTES)?,
            data_bytes: size(record::DATA_BYTES)?,
        };
        let bounded = header.key_bytes <= KEY_BYTES_MAX
            && header.meta_bytes <= META_BYTES_MAX
            && header.data_bytes <= DATA_BYTES_MAX;
        if !bounded || header.length != header.front_bytes() + header.data_bytes {
            return Err(Malformed);
        }
        Ok(header)
    }

    pub(crate) fn front_bytes(&self) -> usize {
        front_bytes(self.key_bytes, self.meta_bytes, self.data_bytes)
    }

    /// Whether `front` (at least [`Header::front_bytes`] long) is as it was written.
    pub(crate) fn verifies(&self, seed: u32, front: &[u8]) -> bool {
        front.len() >= self.front_bytes() && front_checksum(seed, &front[..self.front_bytes()]) == self.crc
    }
}

/// A record's front whose checksum was compared.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) header: Header,
    bytes: Bytes,
}

impl Front {
    /// Takes the front from the beginning of `bytes`, which may go on with data.
    pub(crate) fn verify(bytes: &Bytes, seed: u32) -> Result<Front, Malformed> {
        let header = Header::decode(bytes)?;
        if !header.verifies(seed, bytes) {
            return Err(Malformed);
        }
        Ok(Front { header, bytes: bytes.slice(..header.front_bytes()) })
    }

    pub(crate) fn key(&self) -> Bytes {
        self.bytes.slice(record::BYTES..record::BYTES + self.header.key_bytes)
    }

    pub(crate) fn meta(&self) -> Bytes {
        let start = record::BYTES + self.header.key_bytes;
        self.bytes.slice(start..start + self.header.meta_bytes)
    }

    /// The seeded checksum of block `index` of the data.
    pub(crate) fn block_crc(&self, index: usize) -> u32 {
        u32_at(&self.bytes, record::BYTES + self.header.key_bytes + self.header.meta_bytes + 4 * index)
    }

    /// Whether the whole data is as it was written.
    pub(crate) fn data_verifies(&self, seed: u32, data: &[u8]) -> bool {
        seeded_bug(Bug::SkipDataChecksum)
            || data.len() == self.header.data_bytes
                && data.chunks(BLOCK_BYTES).enumerate().all(|(i, block)| checksum(seed, block) == self.block_crc(i))
    }
}

/// The bytes of a record before its data.
pub(crate) fn front_bytes(key_bytes: usize, meta_bytes: usize, data_bytes: usize) -> usize {
    record::BYTES + key_bytes + meta_bytes + 4 * data_bytes.div_ceil(BLOCK_BYTES)
}

/// The checksum of a front, its own field left out.
fn front_checksum(seed: u32, front: &[u8]) -> u32 {
    checksum(checksum(seed, &front[..record::CRC]), &front[record::SEQ..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(data: Vec<u8>) -> Frame {
        Frame::new(Kind::Put, 7, b"key", vec![1, 2, 3]).with_data(data.into())
    }

    proptest! {
        #[test]
        fn records_read_back_what_they_write(length in 0..200_000usize, seed: u32, seq: u64) {
            let data: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            let mut buffer = Vec::new();
            frame(data.clone()).encode(&mut buffer, seed, seq, 128);
            let bytes = Bytes::from(buffer);
            let front = Front::verify(&bytes, seed).unwrap();
            prop_assert_eq!(front.header.length, bytes.len());
            prop_assert_eq!((front.header.seq, front.header.orig_seq), (seq, seq));
            prop_assert_eq!((front.key(), front.meta()), (Bytes::from("key"), Bytes::from(vec![1, 2, 3])));
            prop_assert!(front.data_verifies(seed, &bytes[front.header.front_bytes()..]));
            prop_assert!(Front::verify(&bytes, seed ^ 1).is_err());
        }

        #[test]
        fn any_flipped_bit_is_noticed(bit in 0..(70_000usize * 8)) {
            let mut buffer = Vec::new();
            frame(vec![5; 70_000]).encode(&mut buffer, 9, 1, 128);
            let bit = bit % (buffer.len() * 8);
            buffer[bit / 8] ^= 1 << (bit % 8);
            let bytes = Bytes::from(buffer);
            let intact = Front::verify(&bytes, 9)
                .is_ok_and(|front| front.data_verifies(9, &bytes[front.header.front_bytes()..]));
            prop_assert!(!intact);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, seed: u32) {
            let mut bytes = bytes;
            let _ = Front::verify(&Bytes::from(bytes.clone()), seed);
            bytes.splice(..bytes.len().min(4), record::MAGIC_VALUE);
            let _ = Front::verify(&Bytes::from(bytes), seed);
        }
    }
}
