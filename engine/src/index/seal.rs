//! Rows and the mark as they are stored: each ends in a checksum.

use super::{INDEX_VERSION, IndexError};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::memtable::Mark;
use crate::space::SegmentStat;

pub(super) const MARK: &str = "mark";

pub(super) fn row_checksum(key: &[u8], value: &[u8]) -> u32 {
    crate::format::checksum(crc32fast::hash(key), value)
}

/// The value of a row without its checksum, which is compared.
pub(super) fn unsealed<'v>(key: &[u8], sealed: &'v [u8]) -> Result<&'v [u8], Malformed> {
    let (value, crc) = sealed.split_last_chunk::<4>().ok_or(Malformed)?;
    if u32::from_le_bytes(*crc) == row_checksum(key, value) { Ok(value) } else { Err(Malformed) }
}

pub(super) fn encode_mark(mark: &Mark, uuid: &[u8; 16]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.u32(INDEX_VERSION).raw(uuid);
    encoder.u64(mark.seq).u64(mark.segment).u64(mark.offset).u64(mark.bulk_floor).u64(mark.bulk_next);
    let mut bytes = encoder.finish();
    bytes.extend_from_slice(&row_checksum(MARK.as_bytes(), &bytes).to_le_bytes());
    bytes
}

pub(super) fn decode_mark(sealed: &[u8], uuid: &[u8; 16]) -> Result<Mark, IndexError> {
    let mut decoder = Decoder::new(unsealed(MARK.as_bytes(), sealed)?);
    if decoder.u32()? != INDEX_VERSION {
        return Err(IndexError::Failed("the index is of another version".to_owned()));
    }
    if decoder.array::<16>()? != *uuid {
        return Err(IndexError::Failed("the index belongs to another store".to_owned()));
    }
    Ok(Mark {
        seq: decoder.u64()?,
        segment: decoder.u64()?,
        offset: decoder.u64()?,
        bulk_floor: decoder.u64()?,
        bulk_next: decoder.u64()?,
    })
}

pub(super) fn decode_space(segment: u64, sealed: &[u8]) -> Result<SegmentStat, Malformed> {
    SegmentStat::decode(unsealed(&segment.to_be_bytes(), sealed)?)
}
