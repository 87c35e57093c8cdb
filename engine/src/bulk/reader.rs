//! Reading a bulk segment: nothing leaves it that has not passed its checksum (I5).

use std::sync::Arc;

use bytes::Bytes;

use crate::bugs::{Bug, seeded};
use crate::error::Error;
use crate::format::{self, BLOCK_BYTES, checksum, trailer, u32_at, u64_at};
use crate::meta::BulkName;
use crate::vfs::VFile;

/// An opened bulk segment.
#[derive(Debug)]
pub(crate) struct BulkReader {
    pub(super) file: Arc<dyn VFile>,
    pub(super) crcs: Arc<[u32]>,
    pub(super) seed: u32,
    pub(super) name: BulkName,
}

impl BulkReader {
    /// The `length` bytes from `offset`, which lie within the segment; each block touched is verified (I5).
    pub(crate) fn read(&self, offset: u64, length: usize, nowait: bool) -> Result<Bytes, Error> {
        let block = BLOCK_BYTES as u64;
        let start = offset / block * block;
        let end = (offset + length as u64).next_multiple_of(block).min(self.name.length);
        let size = usize::try_from(end - start).map_err(|_| Error::TooLarge { what: "a read" })?;
        let mut buffer = vec![0; size];
        let read = if nowait {
            self.file.read_at_nowait(&mut buffer, start)?
        } else {
            self.file.read_at(&mut buffer, start)?
        };
        let first = usize::try_from(start / block).map_err(|_| Error::TooLarge { what: "a read" })?;
        let is_intact =
            |(block, crc): (&[u8], &u32)| seeded(Bug::SkipBlockChecksum) || checksum(self.seed, block) == *crc;
        let mut blocks = buffer[..read].chunks(BLOCK_BYTES).zip(&self.crcs[first..]);
        let damaged = blocks.position(|one| !is_intact(one)).or((read < size).then_some(read / BLOCK_BYTES));
        if let Some(number) = damaged {
            let place = format!("{}, offset {}", format::file::bulk(self.name.id), start + number as u64 * block);
            return Err(Error::damaged("a block of a bulk segment does not match its checksum", place));
        }
        let skip = usize::try_from(offset - start).map_err(|_| Error::TooLarge { what: "a read" })?;
        Ok(Bytes::from(buffer).slice(skip..skip + length))
    }
}

/// The checksums of the blocks, if the trailer is the one that the name has the digest of.
pub(crate) fn decode_trailer(bytes: &[u8], name: &BulkName) -> Option<Arc<[u32]>> {
    let blocks = usize::try_from(name.length.div_ceil(BLOCK_BYTES as u64)).ok()?;
    let is_whole = bytes.len() == blocks.checked_mul(4)?.checked_add(trailer::BYTES + trailer::CRC_BYTES)?;
    let intact = is_whole
        && *blake3::hash(bytes).as_bytes() == name.digest
        && u64_at(bytes, trailer::ID) == name.id
        && u64_at(bytes, trailer::LENGTH) == name.length;
    intact.then(|| (0..blocks).map(|block| u32_at(bytes, trailer::BYTES + 4 * block)).collect())
}
