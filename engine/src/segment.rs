//! Log segments: their headers, how one is made, and how one is walked record by record.
//!
//! A segment gets its name only after its header is synced, so a named segment without a valid header is damage and
//! never a crash.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::bugs::{Bug, seeded};
use crate::codec::Malformed;
use crate::format::{self, FORMAT_VERSION, file, record, segment, u32_at, u64_at};
use crate::record::{Front, Header};
use crate::vfs::{OpenMode, VFile, Vfs, read_exact_at};

/// What a successor says of the segment before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) id: u64,
    /// Bytes of it that count; whatever follows was never acknowledged.
    pub(crate) length: u64,
    pub(crate) last_seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: u64,
    /// Size at which it is sealed.
    pub(crate) size: u64,
    pub(crate) first_seq: u64,
    /// The predecessor's seal; id 0 for the first segment.
    pub(crate) sealed: Seal,
    /// Bytes that were synced before the segment got its name, so that their records need no other proof.
    pub(crate) synced: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self, uuid: &[u8; 16]) -> [u8; segment::BYTES] {
        let mut header = [0; segment::BYTES];
        let mut field = |offset: usize, bytes: &[u8]| header[offset..offset + bytes.len()].copy_from_slice(bytes);
        field(segment::MAGIC, &segment::MAGIC_VALUE);
        field(segment::VERSION, &FORMAT_VERSION.to_le_bytes());
        field(segment::UUID, uuid);
        field(segment::ID, &self.id.to_le_bytes());
        field(segment::SIZE, &self.size.to_le_bytes());
        field(segment::FIRST_SEQ, &self.first_seq.to_le_bytes());
        field(segment::SEALED_ID, &self.sealed.id.to_le_bytes());
        field(segment::SEALED_LENGTH, &self.sealed.length.to_le_bytes());
        field(segment::SEALED_LAST_SEQ, &self.sealed.last_seq.to_le_bytes());
        field(segment::SYNCED, &self.synced.to_le_bytes());
        let crc = crc32fast::hash(&header[..segment::CRC]);
        header[segment::CRC..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    pub(crate) fn decode(bytes: &[u8], uuid: &[u8; 16]) -> Result<SegmentHeader, Malformed> {
        let valid = bytes.len() >= segment::BYTES
            && bytes[..segment::VERSION] == segment::MAGIC_VALUE
            && u32_at(bytes, segment::VERSION) == FORMAT_VERSION
            && bytes[segment::UUID..segment::ID] == uuid[..]
            && u32_at(bytes, segment::CRC) == crc32fast::hash(&bytes[..segment::CRC]);
        if !valid {
            return Err(Malformed);
        }
        Ok(SegmentHeader {
            id: u64_at(bytes, segment::ID),
            size: u64_at(bytes, segment::SIZE),
            first_seq: u64_at(bytes, segment::FIRST_SEQ),
            sealed: Seal {
                id: u64_at(bytes, segment::SEALED_ID),
                length: u64_at(bytes, segment::SEALED_LENGTH),
                last_seq: u64_at(bytes, segment::SEALED_LAST_SEQ),
            },
            synced: u64_at(bytes, segment::SYNCED),
        })
    }
}

/// Makes a segment that begins with `records`, synced and named before this returns. With `reserve` its space is set
/// aside, so that deletes find room in it when the disk is full.
pub(crate) fn create(
    vfs: &dyn Vfs,
    uuid: &[u8; 16],
    header: &SegmentHeader,
    records: &[u8],
    reserve: bool,
) -> io::Result<Arc<dyn VFile>> {
    let making = file::segment_in_making(header.id);
    match vfs.remove(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let created = (|| {
        let made = vfs.open(&making, OpenMode::CreateNew)?;
        if reserve {
            match made.reserve(header.size.max((segment::BYTES + records.len()) as u64)) {
                Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
        }
        begin(vfs, uuid, header, records, made, &making)
    })();
    if created.is_err() {
        // What is left of it is removed when the store is next opened, if it cannot be removed now.
        let _ = vfs.remove(&making);
    }
    created
}

/// Makes a segment of the file at `path`, whose space is set aside or written already.
pub(crate) fn begin(
    vfs: &dyn Vfs,
    uuid: &[u8; 16],
    header: &SegmentHeader,
    records: &[u8],
    file: Arc<dyn VFile>,
    path: &str,
) -> io::Result<Arc<dyn VFile>> {
    let mut bytes = header.encode(uuid).to_vec();
    bytes.extend_from_slice(records);
    file.write_at(&bytes, 0)?;
    if !seeded(Bug::NameBeforeHeader) {
        file.sync_data()?;
    }
    vfs.rename(path, &file::segment(header.id))?;
    if !seeded(Bug::NoSyncOfSegmentName) {
        vfs.sync_dir(file::LOG)?;
    }
    Ok(file)
}

/// A record met on a walk.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) offset: u64,
    pub(crate) front: Front,
}

impl Met {
    /// The end of the record, where the next one begins.
    pub(crate) fn end(&self) -> u64 {
        format::align(self.offset + self.front.header.length as u64)
    }
}

/// Walks a segment's records through a window of its bytes.
pub(crate) struct Walk<'f> {
    file: &'f dyn VFile,
    seed: u32,
    window: Bytes,
    window_offset: u64,
    /// How much is read at a time.
    window_bytes: usize,
}

const WINDOW_BYTES: usize = 1 << 20;
/// Each bit of a front up to this size is tried when it is damaged.
const CORRECTED_BYTES_MAX: usize = 8 << 10;

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

impl<'f> Walk<'f> {
    pub(crate) fn new(file: &'f dyn VFile, seed: u32) -> Walk<'f> {
        Walk { file, seed, window: Bytes::new(), window_offset: 0, window_bytes: WINDOW_BYTES }
    }

    /// To look at one record of so many bytes only.
    pub(crate) fn to_one(file: &'f dyn VFile, seed: u32, length: u32) -> Walk<'f> {
        Walk { window_bytes: length as usize, ..Walk::new(file, seed) }
    }

    /// The record at `offset`, or nothing if there is none whose front is intact.
    pub(crate) fn record_at(&mut self, offset: u64) -> io::Result<Option<Met>> {
        let Some(head) = self.bytes(offset, record::BYTES)? else { return Ok(None) };
        let Ok(header) = Header::decode(&head) else { return Ok(None) };
        let Some(front) = self.bytes(offset, header.front_bytes())? else { return Ok(None) };
        Ok(Front::verify(&front, self.seed).ok().map(|front| Met { offset, front }))
    }

    /// The record at `offset`, which must have the number `seq`, as it was before one bit of its front flipped, if that is
    /// what happened to it. It tells what the record was about and where the next one lies; nothing of it is served, for
    /// whoever reads it finds it damaged.
    pub(crate) fn corrected_at(&mut self, offset: u64, seq: u64) -> io::Result<Option<Met>> {
        let Some(head) = self.bytes(offset, record::BYTES)? else { return Ok(None) };
        let mut head = head.to_vec();
        for bit in 0..8 * record::BYTES {
            flip(&mut head, bit);
            if let Some(front) = self.front_of(offset, &head, seq)?
                && let Ok(front) = Front::verify(&front.into(), self.seed)
            {
                return Ok(Some(Met { offset, front }));
            }
            flip(&mut head, bit);
        }
        let Some(mut front) = self.front_of(offset, &head, seq)? else { return Ok(None) };
        let Ok(header) = Header::decode(&front) else { return Ok(None) };
        for bit in 8 * record::BYTES..8 * front.len() {
            flip(&mut front, bit);
            if header.verifies(self.seed, &front) {
                return Ok(Front::verify(&front.into(), self.seed).ok().map(|front| Met { offset, front }));
            }
            flip(&mut front, bit);
        }
        Ok(None)
    }

    /// The front at `offset` with another fixed part, if that has the number `seq` and is not too long to be tried.
    fn front_of(&mut self, offset: u64, head: &[u8], seq: u64) -> io::Result<Option<Vec<u8>>> {
        let Ok(header) = Header::decode(head) else { return Ok(None) };
        if header.seq != seq || header.front_bytes() > CORRECTED_BYTES_MAX {
            return Ok(None);
        }
        let front = self.bytes(offset, header.front_bytes())?;
        Ok(front.map(|front| [head, &front[record::BYTES..]].concat()))
    }

    /// Where the record at `offset` ends by its own word, for what it is worth: its front is damaged.
    pub(crate) fn claimed_end(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let head = self.bytes(offset, record::BYTES)?;
        let length = head.map(|head| u64::from(u32_at(&head, record::LENGTH)));
        let length = length.filter(|length| *length >= record::BYTES as u64);
        Ok(length.map(|length| format::align(offset + length)))
    }

    /// The data of a record, if it is intact.
    pub(crate) fn data_of(&mut self, met: &Met) -> io::Result<Option<Bytes>> {
        let header = &met.front.header;
        let data = self.bytes(met.offset + header.front_bytes() as u64, header.data_bytes)?;
        Ok(data.filter(|data| met.front.data_verifies(self.seed, data)))
    }

    /// Whether anything at or beyond `offset` says that the log was once synced beyond `offset`: then what is missing
    /// there has rotted. Nothing found here is accepted as a record.
    pub(crate) fn is_proven_beyond(&mut self, offset: u64, length: u64) -> io::Result<bool> {
        let mut at = offset;
        while at + record::BYTES as u64 <= length {
            // A whole window at once: what is behind the last record may be a segment's worth of zeros.
            let count = usize::try_from(length - at).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES);
            let Some(window) = self.bytes(at, count)? else { return Ok(false) };
            let mut start = 0;
            while start + record::BYTES <= count {
                if window[start..].starts_with(&record::MAGIC_VALUE)
                    && let Some(met) = self.record_at(at + start as u64)?
                    && met.front.header.durable_offset > offset
                {
                    return Ok(true);
                }
                start += format::RECORD_ALIGN as usize;
            }
            at += start as u64;
        }
        Ok(false)
    }

    fn bytes(&mut self, offset: u64, count: usize) -> io::Result<Option<Bytes>> {
        let inside = |window_offset: u64, window: &Bytes| {
            let start = usize::try_from(offset.checked_sub(window_offset)?).ok()?;
            let end = start.checked_add(count)?;
            (end <= window.len()).then(|| window.slice(start..end))
        };
        if let Some(bytes) = inside(self.window_offset, &self.window) {
            return Ok(Some(bytes));
        }
        let rest = usize::try_from(self.file.length()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut window = vec![0; count.max(rest.min(self.window_bytes))];
        let read = self.file.read_at(&mut window, offset)?;
        window.truncate(read);
        self.window = window.into();
        self.window_offset = offset;
        Ok(inside(self.window_offset, &self.window))
    }
}

/// Reads a segment's header.
pub(crate) fn read_header(file: &dyn VFile, uuid: &[u8; 16]) -> io::Result<Result<SegmentHeader, Malformed>> {
    let mut bytes = [0; segment::BYTES];
    match read_exact_at(file, &mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(Malformed)),
        Err(error) => Err(error),
        Ok(()) => Ok(SegmentHeader::decode(&bytes, uuid)),
    }
}

/// The header as it was before one bit of it flipped, if that is all that is wrong with it.
pub(crate) fn salvage_header(file: &dyn VFile, uuid: &[u8; 16]) -> io::Result<Option<SegmentHeader>> {
    let mut bytes = [0; segment::BYTES];
    match read_exact_at(file, &mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    for bit in 0..8 * bytes.len() {
        flip(&mut bytes, bit);
        if let Ok(header) = SegmentHeader::decode(&bytes, uuid) {
            return Ok(Some(header));
        }
        flip(&mut bytes, bit);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_read_back_what_they_write(id: u64, size: u64, first_seq: u64, sealed: [u64; 4], bit in 0..segment::BYTES * 8) {
            let synced = sealed[3];
            let sealed = Seal { id: sealed[0], length: sealed[1], last_seq: sealed[2] };
            let header = SegmentHeader { id, size, first_seq, sealed, synced };
            let mut bytes = header.encode(&[7; 16]);
            prop_assert_eq!(SegmentHeader::decode(&bytes, &[7; 16]), Ok(header));
            prop_assert_eq!(SegmentHeader::decode(&bytes, &[8; 16]), Err(Malformed));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(SegmentHeader::decode(&bytes, &[7; 16]), Err(Malformed));
        }
    }
}
