//! The footer of a sealed segment: one entry for each record, from which an index is rebuilt without reading data.
//!
//! It is a hint. Where it is missing or bad the records themselves are walked, and where records have rotted it is the
//! only thing that still knows their places.

use std::io;

use bytes::Bytes;

use crate::codec::{Decoder, Encoder, Malformed};
use crate::format::{FORMAT_VERSION, checksum, footer, segment, u32_at, u64_at};
use crate::record::Kind;
use crate::segment::{Met, Walk};
use crate::vfs::{VFile, read_exact_at};

/// Metadata of other kinds than objects is kept up to this size; a reader of the footer reads the record for the rest.
const META_KEPT_BYTES_MAX: usize = 4096;
/// What a head of an object's metadata takes.
const HEAD_BYTES: usize = 44;

/// What is known of a record without its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) offset: u32,
    /// Without the padding that follows.
    pub(crate) length: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) seq: u64,
    pub(crate) orig_seq: u64,
    pub(crate) bucket: u64,
    pub(crate) meta_bytes: u32,
    pub(crate) key: Bytes,
    /// All metadata, or the head where that is all that an index needs; `None` where it was too long to be kept.
    pub(crate) meta: Option<Bytes>,
    /// The record is damaged, and this is what it was before one bit flipped.
    pub(crate) corrected: bool,
}

impl Entry {
    pub(crate) fn of(met: &Met) -> Entry {
        let header = &met.front.header;
        let meta = met.front.meta();
        let kept = match header.kind {
            Kind::Put | Kind::DeleteMarker => Some(meta.slice(..meta.len().min(HEAD_BYTES))),
            _ if meta.len() <= META_KEPT_BYTES_MAX => Some(meta),
            _ => None,
        };
        Entry {
            offset: met.offset as u32,
            length: header.length as u32,
            kind: header.kind,
            flags: header.flags,
            seq: header.seq,
            orig_seq: header.orig_seq,
            bucket: header.bucket,
            meta_bytes: header.meta_bytes as u32,
            key: met.front.key(),
            meta: kept,
            corrected: false,
        }
    }

    /// Whether the record is a version of an object, or a marker.
    pub(crate) fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Put | Kind::Manifest | Kind::DeleteMarker)
    }

    pub(crate) fn end(&self) -> u64 {
        crate::format::align(u64::from(self.offset) + u64::from(self.length))
    }
}

/// Builds a footer.
pub(crate) struct Builder {
    encoder: Encoder,
    entries: u32,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        let mut encoder = Encoder::with_capacity(64 << 10);
        encoder.raw(&[0; footer::BYTES]);
        Builder { encoder, entries: 0 }
    }

    pub(crate) fn add(&mut self, entry: &Entry) {
        let kept = entry.meta.as_deref();
        self.encoder.u32(entry.offset).u32(entry.length).u8(entry.kind as u8).u8(entry.flags);
        self.encoder.u16(entry.key.len() as u16).u32(entry.meta_bytes);
        self.encoder.u32(kept.map_or(u32::MAX, |kept| kept.len() as u32));
        self.encoder.u64(entry.orig_seq).u64(entry.bucket).raw(&entry.key).raw(kept.unwrap_or_default());
        self.entries += 1;
    }

    pub(crate) fn finish(self, seed: u32, first_seq: u64) -> Vec<u8> {
        let mut bytes = self.encoder.finish();
        let length = (bytes.len() + footer::CRC_BYTES) as u64;
        let mut field = |offset: usize, value: &[u8]| bytes[offset..offset + value.len()].copy_from_slice(value);
        field(footer::MAGIC, &footer::MAGIC_VALUE);
        field(footer::VERSION, &FORMAT_VERSION.to_le_bytes());
        field(footer::ENTRIES, &self.entries.to_le_bytes());
        field(footer::FIRST_SEQ, &first_seq.to_le_bytes());
        field(footer::LENGTH, &length.to_le_bytes());
        let crc = checksum(seed, &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// The entries of a footer, ascending.
pub(crate) fn decode(bytes: &Bytes, seed: u32) -> Result<Vec<Entry>, Malformed> {
    let head_is_good = bytes.len() >= footer::BYTES + footer::CRC_BYTES
        && bytes[..footer::VERSION] == footer::MAGIC_VALUE
        && u32_at(bytes, footer::VERSION) == FORMAT_VERSION
        && u64_at(bytes, footer::LENGTH) == bytes.len() as u64;
    let end = bytes.len().saturating_sub(footer::CRC_BYTES);
    if !head_is_good || u32_at(bytes, end) != checksum(seed, &bytes[..end]) {
        return Err(Malformed);
    }
    let mut decoder = Decoder::new(&bytes[footer::BYTES..end]);
    let first_seq = u64_at(bytes, footer::FIRST_SEQ);
    let mut entries =
        Vec::with_capacity((u32_at(bytes, footer::ENTRIES) as usize).min(bytes.len() / footer::ENTRY_BYTES));
    while !decoder.is_empty() {
        let (offset, length) = (decoder.u32()?, decoder.u32()?);
        let kind = Kind::from_code(decoder.u8()?).ok_or(Malformed)?;
        let flags = decoder.u8()?;
        let key_bytes = usize::from(decoder.u16()?);
        let (meta_bytes, kept) = (decoder.u32()?, decoder.u32()?);
        let (orig_seq, bucket) = (decoder.u64()?, decoder.u64()?);
        let key = bytes.slice_ref(decoder.take(key_bytes)?);
        let meta = match kept {
            u32::MAX => None,
            kept => Some(bytes.slice_ref(decoder.take(kept as usize)?)),
        };
        let seq = first_seq.checked_add(entries.len() as u64).ok_or(Malformed)?;
        entries.push(Entry {
            offset,
            length,
            kind,
            flags,
            seq,
            orig_seq,
            bucket,
            meta_bytes,
            key,
            meta,
            corrected: false,
        });
    }
    if entries.len() != u32_at(bytes, footer::ENTRIES) as usize {
        return Err(Malformed);
    }
    Ok(entries)
}

/// What a segment holds up to its sealed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) id: u64,
    pub(crate) length: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
}

impl Extent {
    /// Where the first record lies, and its number.
    pub(crate) fn start(&self) -> (u64, u64) {
        (segment::BYTES as u64, self.first_seq)
    }

    fn records(&self) -> usize {
        usize::try_from((self.last_seq + 1).saturating_sub(self.first_seq)).unwrap_or(usize::MAX)
    }
}

/// Reads the footer of a sealed segment, if it has an intact one.
pub(crate) fn read(file: &dyn VFile, seed: u32, extent: Extent) -> io::Result<Option<Vec<Entry>>> {
    let mut head = [0; footer::BYTES];
    let file_length = file.length()?;
    if file_length < extent.length + (footer::BYTES + footer::CRC_BYTES) as u64 {
        return Ok(None);
    }
    read_exact_at(file, &mut head, extent.length)?;
    let length = u64_at(&head, footer::LENGTH);
    if head[..footer::VERSION] != footer::MAGIC_VALUE || length > file_length - extent.length {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?];
    read_exact_at(file, &mut bytes, extent.length)?;
    let Ok(entries) = decode(&bytes.into(), seed) else { return Ok(None) };
    let fits = entries.len() == extent.records()
        && entries.first().is_none_or(|first| first.seq == extent.first_seq && first.offset as usize == segment::BYTES)
        && entries.windows(2).all(|pair| pair[0].end() == u64::from(pair[1].offset))
        && entries.last().map_or(segment::BYTES as u64, Entry::end) == extent.length;
    Ok(fits.then_some(entries))
}

/// Whether behind a sealed segment stands a footer that is not intact, rather than none: what a recovery has sealed is
/// followed by what it did not believe, until the footer is written over that.
pub(crate) fn is_rotten(file: &dyn VFile, seed: u32, extent: Extent) -> io::Result<bool> {
    let mut head = [0; footer::BYTES];
    let bytes = file.length()?.saturating_sub(extent.length);
    if bytes < (footer::BYTES + footer::CRC_BYTES) as u64 {
        return Ok(false);
    }
    read_exact_at(file, &mut head, extent.length)?;
    let begins = head[..footer::VERSION] == footer::MAGIC_VALUE || u64_at(&head, footer::LENGTH) == bytes;
    Ok(begins && read(file, seed, extent)?.is_none())
}

/// The entries of a segment, and where the first damaged record lies if there is one and no footer tells what it was.
pub(crate) fn entries(file: &dyn VFile, seed: u32, extent: Extent) -> io::Result<(Vec<Entry>, Option<u64>)> {
    if let Some(entries) = read(file, seed, extent)? {
        return Ok((entries, None));
    }
    walk(file, seed, extent, extent.start())
}

/// The entries of a segment by its records, from an offset and the number of the record there on.
pub(crate) fn walk(
    file: &dyn VFile,
    seed: u32,
    extent: Extent,
    start: (u64, u64),
) -> io::Result<(Vec<Entry>, Option<u64>)> {
    let mut walk = Walk::new(file, seed);
    let mut entries = Vec::new();
    let (mut offset, mut seq) = start;
    while offset < extent.length {
        let met = walk.record_at(offset)?;
        let Some(met) = met.filter(|met| met.front.header.seq == seq && met.end() <= extent.length) else {
            return Ok((entries, Some(offset)));
        };
        entries.push(Entry::of(&met));
        offset = met.end();
        seq += 1;
    }
    Ok((entries, None))
}

/// What is known of a segment in which records have rotted.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    /// The records that are intact, and those that were before one bit flipped.
    pub(crate) entries: Vec<Entry>,
    /// Where records are damaged.
    pub(crate) damaged: Vec<u64>,
    /// Where the next record lies, and its number: the end, unless what lies there is damaged beyond that.
    pub(crate) end: (u64, u64),
}

/// Goes on behind damaged records as long as it is known where the next one lies: because one bit explains the damage, or
/// because the record's own length leads to the record that has to follow, or to the end. Nothing is searched for.
pub(crate) fn salvage(file: &dyn VFile, seed: u32, extent: Extent, start: (u64, u64)) -> io::Result<Salvage> {
    let mut walk = Walk::new(file, seed);
    let mut found = Salvage { end: start, ..Salvage::default() };
    while found.end.0 < extent.length {
        let (offset, seq) = found.end;
        let fits = |met: &Met| met.front.header.seq == seq && met.end() <= extent.length;
        if let Some(met) = walk.record_at(offset)?.filter(fits) {
            found.end = (met.end(), seq + 1);
            found.entries.push(Entry::of(&met));
            continue;
        }
        found.damaged.push(offset);
        match pass(&mut walk, extent, (offset, seq))? {
            None => break,
            Some((end, corrected)) => {
                found.end = (end, seq + 1);
                found.entries.extend(corrected.map(|met| Entry { corrected: true, ..Entry::of(&met) }));
            }
        }
    }
    Ok(found)
}

/// Where the record after a damaged one lies, if that is known, and what the damaged one was, if that is.
pub(crate) fn pass(
    walk: &mut Walk<'_>,
    extent: Extent,
    (offset, seq): (u64, u64),
) -> io::Result<Option<(u64, Option<Met>)>> {
    if let Some(met) = walk.corrected_at(offset, seq)?.filter(|met| met.end() <= extent.length) {
        return Ok(Some((met.end(), Some(met))));
    }
    let Some(end) = walk.claimed_end(offset)?.filter(|end| *end <= extent.length) else { return Ok(None) };
    let leads_on = if end == extent.length {
        seq == extent.last_seq
    } else {
        walk.record_at(end)?.is_some_and(|met| met.front.header.seq == seq + 1)
    };
    Ok(leads_on.then_some((end, None)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Frame;

    proptest! {
        #[test]
        fn footers_read_back_what_they_write(
            keys in proptest::collection::vec("[a-z]{1,9}", 0..20), first_seq in 1..u64::MAX / 2, bit: u64
        ) {
            let mut builder = Builder::new();
            let mut entries = Vec::new();
            for (n, key) in keys.iter().enumerate() {
                let kind = if n % 2 == 0 { Kind::Put } else { Kind::Config };
                let entry = Entry {
                    offset: 128 + n as u32 * 80, length: 77, kind, flags: 1, seq: first_seq + n as u64, orig_seq: n as u64,
                    bucket: 4, meta_bytes: 9, key: Bytes::from(key.clone()),
                    meta: (n % 3 > 0).then(|| Bytes::from_static(b"meta")), corrected: false,
                };
                builder.add(&entry);
                entries.push(entry);
            }
            let mut bytes = builder.finish(7, first_seq);
            prop_assert_eq!(decode(&bytes.clone().into(), 7), Ok(entries));
            prop_assert_eq!(decode(&bytes.clone().into(), 8), Err(Malformed));
            let bit = bit % (bytes.len() as u64 * 8);
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
            prop_assert_eq!(decode(&bytes.into(), 7), Err(Malformed));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, entries: u32) {
            let _ = decode(&Bytes::from(bytes.clone()), 3);
            let mut forged = vec![0; footer::BYTES];
            forged.extend_from_slice(&bytes);
            forged[..8].copy_from_slice(&footer::MAGIC_VALUE);
            forged[footer::VERSION..footer::ENTRIES].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
            forged[footer::ENTRIES..footer::FIRST_SEQ].copy_from_slice(&entries.to_le_bytes());
            let length = (forged.len() + 4) as u64;
            forged[footer::LENGTH..footer::BYTES].copy_from_slice(&length.to_le_bytes());
            let crc = checksum(3, &forged);
            forged.extend_from_slice(&crc.to_le_bytes());
            let _ = decode(&Bytes::from(forged), 3);
        }
    }

    #[test]
    fn an_entry_keeps_the_head_of_an_object_only() {
        let mut buffer = Vec::new();
        Frame::new(Kind::Put, 1, b"k", vec![7; 100]).encode(&mut buffer, 5, 9, 0);
        let front = crate::record::Front::verify(&buffer.into(), 5).unwrap();
        let entry = Entry::of(&Met { offset: 128, front });
        assert_eq!(entry.meta, Some(Bytes::from(vec![7; HEAD_BYTES])));
        assert_eq!((entry.meta_bytes, entry.seq, entry.offset), (100, 9, 128));
    }
}
