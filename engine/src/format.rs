//! The byte offsets of every fixed structure on disk, each derived from the one before it. See `FORMAT.md`.
//!
//! No other module writes a byte offset down, so that the tables of the document and the code can be compared here.

use crate::bugs::{Bug, seeded as seeded_bug};

/// The format version that this build writes.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Data is checksummed in blocks of this size.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;

/// Records begin at multiples of this.
pub(crate) const RECORD_ALIGN: u64 = 8;

/// The largest key, metadata and data of a record that a reader accepts.
pub(crate) const META_BYTES_MAX: usize = 16 << 20;
pub(crate) const DATA_BYTES_MAX: usize = 1 << 20;

pub(crate) mod file {
    //! The names of a data directory.
    pub(crate) const LOCK: &str = "LOCK";
    pub(crate) const FORMAT: &str = "FORMAT";
    pub(crate) const LOG: &str = "log";
    pub(crate) const BULK: &str = "bulk";
    pub(crate) const LOST: &str = "lost";
    pub(crate) const INDEX: &str = "index.redb";
    /// Where an index is made before it takes its name, and what is sorted for it: only while that goes on.
    pub(crate) const INDEX_IN_MAKING: &str = "index.redb.tmp";
    pub(crate) const SORT: [&str; 2] = ["index.sort.1", "index.sort.2"];
    /// The checksums of the index's blocks, for the next start.
    pub(crate) const INDEX_SUMS: &str = "index.sums";
    pub(crate) const TRANSIENT: [&str; 3] = [INDEX_IN_MAKING, SORT[0], SORT[1]];
    /// Files that belong to the server and that the engine leaves alone.
    pub(crate) const SERVER: [&str; 3] = ["secret.key", "root-credentials.json", "admin.sock"];

    /// Space that is given up when the disk is full, in pieces.
    pub(crate) fn reserve(piece: usize) -> String {
        if piece == 0 { format!("{LOG}/reserve.tmp") } else { format!("{LOG}/reserve.{piece}.tmp") }
    }

    /// Whether a file below `log/` is such a piece.
    pub(crate) fn is_reserve(name: &str) -> bool {
        name.starts_with("reserve.")
    }

    /// The file of the next segment, made ahead.
    pub(crate) const SPARE: &str = "log/spare.tmp";

    pub(crate) fn segment(id: u64) -> String {
        format!("{LOG}/{id:016x}.seg")
    }

    pub(crate) fn segment_in_making(id: u64) -> String {
        format!("{LOG}/{id:016x}.tmp")
    }

    pub(crate) fn bulk_directory(id: u64) -> String {
        format!("{BULK}/{:02x}", id & 0xff)
    }

    pub(crate) fn bulk(id: u64) -> String {
        format!("{BULK}/{:02x}/{id:016x}", id & 0xff)
    }

    /// The id in a file name of 16 hex digits and `suffix`.
    pub(crate) fn id_of(name: &str, suffix: &str) -> Option<u64> {
        number_of(name.strip_suffix(suffix)?, 16)
    }

    /// The low byte of the ids in the bulk directory of this name.
    pub(crate) fn bulk_directory_of(name: &str) -> Option<u64> {
        number_of(name, 2)
    }

    fn number_of(hex: &str, digits: usize) -> Option<u64> {
        let is_ours = hex.len() == digits && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_ours { u64::from_str_radix(hex, 16).ok() } else { None }
    }
}

pub(crate) mod superblock {
    //! One copy of the FORMAT file.
    pub(crate) const MAGIC_VALUE: [u8; 8] = *b"STRONGRM";
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = MAGIC + 8;
    pub(crate) const RESERVED: usize = VERSION + 4;
    pub(crate) const UUID: usize = RESERVED + 4;
    pub(crate) const COMPAT: usize = UUID + 16;
    pub(crate) const RO_COMPAT: usize = COMPAT + 8;
    pub(crate) const INCOMPAT: usize = RO_COMPAT + 8;
    pub(crate) const CRC: usize = INCOMPAT + 8;
    pub(crate) const BYTES: usize = CRC + 4;
    /// Where each copy begins: different sectors, so that one torn write spares the other.
    pub(crate) const COPIES: [u64; 2] = [0, 4096];
    const _: () = assert!(BYTES == 60);
}

pub(crate) mod segment {
    //! The header of a log segment.
    pub(crate) const MAGIC_VALUE: [u8; 8] = *b"SRSEGMNT";
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = MAGIC + 8;
    pub(crate) const RESERVED: usize = VERSION + 4;
    pub(crate) const UUID: usize = RESERVED + 4;
    pub(crate) const ID: usize = UUID + 16;
    pub(crate) const SIZE: usize = ID + 8;
    pub(crate) const FIRST_SEQ: usize = SIZE + 8;
    pub(crate) const SEALED_ID: usize = FIRST_SEQ + 8;
    pub(crate) const SEALED_LENGTH: usize = SEALED_ID + 8;
    pub(crate) const SEALED_LAST_SEQ: usize = SEALED_LENGTH + 8;
    pub(crate) const SYNCED: usize = SEALED_LAST_SEQ + 8;
    pub(crate) const RESERVED_TAIL: usize = SYNCED + 8;
    pub(crate) const CRC: usize = RESERVED_TAIL + 36;
    pub(crate) const BYTES: usize = CRC + 4;
    const _: () = assert!(BYTES == 128);
}

pub(crate) mod record {
    //! The fixed part of a record's header; key, metadata and block checksums follow it, then the data.
    pub(crate) const MAGIC_VALUE: [u8; 4] = *b"SRec";
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const KIND: usize = MAGIC + 4;
    pub(crate) const FLAGS: usize = KIND + 1;
    pub(crate) const KEY_BYTES: usize = FLAGS + 1;
    pub(crate) const LENGTH: usize = KEY_BYTES + 2;
    pub(crate) const CRC: usize = LENGTH + 4;
    pub(crate) const SEQ: usize = CRC + 4;
    pub(crate) const ORIG_SEQ: usize = SEQ + 8;
    pub(crate) const DURABLE_OFFSET: usize = ORIG_SEQ + 8;
    pub(crate) const BUCKET: usize = DURABLE_OFFSET + 8;
    pub(crate) const META_BYTES: usize = BUCKET + 8;
    pub(crate) const DATA_BYTES: usize = META_BYTES + 4;
    pub(crate) const RESERVED: usize = DATA_BYTES + 4;
    pub(crate) const BYTES: usize = RESERVED + 8;
    const _: () = assert!(BYTES == 64);
}

pub(crate) mod footer {
    //! The footer of a sealed log segment: this head, one entry a record, then a checksum of both.
    pub(crate) const MAGIC_VALUE: [u8; 8] = *b"SRFOOTER";
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = MAGIC + 8;
    pub(crate) const ENTRIES: usize = VERSION + 4;
    pub(crate) const FIRST_SEQ: usize = ENTRIES + 4;
    pub(crate) const LENGTH: usize = FIRST_SEQ + 8;
    pub(crate) const BYTES: usize = LENGTH + 8;
    pub(crate) const CRC_BYTES: usize = 4;
    /// The fixed part of an entry, before key and metadata.
    pub(crate) const ENTRY_BYTES: usize = 36;
    const _: () = assert!(BYTES == 32);
}

pub(crate) mod newest {
    //! A note in FORMAT of the newest segment, in two slots in turn.
    pub(crate) const MAGIC_VALUE: [u8; 8] = *b"SRNEWEST";
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const ID: usize = MAGIC + 8;
    pub(crate) const CRC: usize = ID + 8;
    pub(crate) const BYTES: usize = CRC + 4;
    /// Where each slot begins: different sectors, so that one torn write spares the other.
    pub(crate) const SLOTS: [u64; 2] = [8192, 12288];
    const _: () = assert!(BYTES == 20);
}

pub(crate) mod trailer {
    //! The trailer of a bulk segment: this head, one checksum a block, then a checksum of both.
    pub(crate) const MAGIC_VALUE: [u8; 8] = *b"SRBULKTR";
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = MAGIC + 8;
    pub(crate) const BLOCKS: usize = VERSION + 4;
    pub(crate) const UUID: usize = BLOCKS + 4;
    pub(crate) const ID: usize = UUID + 16;
    pub(crate) const LENGTH: usize = ID + 8;
    pub(crate) const BYTES: usize = LENGTH + 8;
    pub(crate) const CRC_BYTES: usize = 4;
    const _: () = assert!(BYTES == 48);
}

pub(crate) mod index_sums {
    //! The checksums of the blocks of an index, then a checksum of them.
    pub(crate) const MAGIC_VALUE: [u8; 8] = *b"SRIDXSUM";
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const LENGTH: usize = MAGIC + 8;
    pub(crate) const FRONT: usize = LENGTH + 8;
    pub(crate) const BLOCKS: usize = FRONT + 32;
    const _: () = assert!(BLOCKS == 48);
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(value)
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(value)
}

/// The seed of every checksum of a log or bulk segment: bytes that were written for another store or another file
/// never verify.
pub(crate) fn seed(uuid: &[u8; 16], id: u64) -> u32 {
    let id = if seeded_bug(Bug::Unseeded) { 0 } else { id };
    let mut mixed = *uuid;
    for (byte, id_byte) in mixed.iter_mut().zip(id.to_le_bytes()) {
        *byte ^= id_byte;
    }
    crc32fast::hash(&mixed)
}

pub(crate) fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

/// The seeded checksum of a block whose plain CRC-32 is known, so that callers can hash before a segment is chosen.
pub(crate) fn seeded(seed: u32, plain: u32, length: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial_len(seed, 0);
    hasher.combine(&crc32fast::Hasher::new_with_initial_len(plain, length as u64));
    hasher.finalize()
}

pub(crate) fn align(offset: u64) -> u64 {
    offset.next_multiple_of(RECORD_ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeding_a_known_checksum_equals_hashing_with_the_seed() {
        for length in [0, 1, 511, 4096, BLOCK_BYTES] {
            let data: Vec<u8> = (0..length).map(|i| (i * 31) as u8).collect();
            for value in [0, 1, 0xdead_beef] {
                assert_eq!(seeded(value, crc32fast::hash(&data), length), checksum(value, &data), "{length}");
            }
        }
    }

    #[test]
    fn seeds_differ_by_store_and_by_segment() {
        assert_ne!(seed(&[1; 16], 1), seed(&[1; 16], 2));
        assert_ne!(seed(&[1; 16], 1), seed(&[2; 16], 1));
    }
}
