//! Bodies of fuzz targets: every decoder of what lies on the disk, on any bytes. None may panic, nor allocate much more
//! than it was given.
//!
//! On stable they run as property tests. With `cargo fuzz` a target is one line, for example
//! `fuzz_target!(|bytes: &[u8]| engine::fuzz::record(bytes));` with the feature `sim`.

use bytes::Bytes;

use crate::apply::Change;
use crate::codec::Decoder;
use crate::footer;
use crate::freed::Freed;
use crate::meta::{BucketMeta, BulkName, ConfigMeta, ObjectMeta, PartMeta, Target, UploadMeta};
use crate::record::{Front, Kind};
use crate::row::{ObjectRow, PartRow, Place, Table, holding, key};
use crate::segment::SegmentHeader;
use crate::space::SegmentStat;

/// A record, and the change that its metadata would be.
pub fn record(bytes: &[u8]) {
    let _ = Front::verify(&Bytes::copy_from_slice(bytes), 0);
    let Some((code, meta)) = bytes.split_first() else { return };
    if let Some(kind) = Kind::from_code(*code) {
        let _ = Change::decode(kind, 0, &Bytes::from_static(b"key"), &Bytes::copy_from_slice(meta));
    }
}

/// The header of a log segment.
pub fn segment_header(bytes: &[u8]) {
    let _ = SegmentHeader::decode(bytes, &[0; 16]);
}

/// The footer of a log segment, also with a checksum that fits.
pub fn segment_footer(bytes: &[u8]) {
    let _ = footer::decode(&Bytes::copy_from_slice(bytes), 0);
    let mut sealed = bytes.to_vec();
    sealed.extend_from_slice(&crate::format::checksum(0, bytes).to_le_bytes());
    let _ = footer::decode(&sealed.into(), 0);
}

/// The trailer of a bulk segment of any length that a record may name, also where the record's digest fits.
pub fn bulk_trailer(bytes: &[u8]) {
    let (Some(length), Some(id)) = (bytes.first_chunk::<8>(), bytes.get(8).copied()) else { return };
    let (length, trailer) = (u64::from_le_bytes(*length), &bytes[9..]);
    for length in [length, length % (1 << 20)] {
        let digest = *blake3::hash(trailer).as_bytes();
        let _ = crate::bulk::decode_trailer(trailer, &BulkName { id: id.into(), length, digest });
        let _ = crate::bulk::decode_trailer(trailer, &BulkName { id: id.into(), length, digest: [0; 32] });
    }
}

/// The metadata of records.
pub fn metadata(bytes: &[u8]) {
    let _ = ObjectMeta::decode(bytes);
    let _ = UploadMeta::decode(bytes);
    let _ = BucketMeta::decode(bytes);
    let _ = ConfigMeta::decode_all(bytes);
    let _ = Target::decode(bytes);
    let _ = PartMeta::decode(&mut Decoder::new(bytes));
    let _ = Freed::decode(bytes);
}

/// The keys and values of the index.
pub fn row(bytes: &[u8]) {
    let _ = ObjectRow::decode(bytes);
    let _ = PartRow::decode(bytes);
    let _ = Place::split(bytes);
    let _ = SegmentStat::decode(bytes);
    let _ = key::split(bytes);
    let _ = key::unescaped(bytes);
    let _ = key::object_key(bytes);
    let _ = key::last_number(bytes);
    for table in Table::ALL {
        let _ = holding(table, bytes, bytes);
    }
}

/// The list of a backup.
pub fn backup_list(bytes: &[u8]) {
    crate::backup::examine_list(bytes);
}

/// A whole data directory whose FORMAT, segment or bulk segment is any bytes: opening may refuse it, not panic.
pub fn directory(bytes: &[u8]) {
    use crate::vfs::{OpenMode, Vfs};
    let disk = crate::sim::SimDisk::new(1);
    let vfs: std::sync::Arc<dyn Vfs> = std::sync::Arc::new(std::sync::Arc::clone(&disk));
    let open = || {
        let options = crate::Options { segment_bytes: Some(4096), index_cache_bytes: 1 << 20, ..Default::default() };
        crate::Store::open_with(
            std::sync::Arc::clone(&vfs),
            std::sync::Arc::new(crate::sim::SimClock::default()),
            options,
        )
    };
    drop(open());
    let path = ["FORMAT", "log/0000000000000001.seg", "index.redb"][bytes.len() % 3];
    if let Ok(file) = vfs.open(path, OpenMode::Write) {
        let at = u64::from(bytes.first().copied().unwrap_or(0));
        let _ = file.write_at(bytes, at);
    }
    drop(open());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes: Vec<u8>, head in 0..6u8) {
            let mut bytes = bytes;
            let magic: &[u8] = [&b""[..], b"SRec", b"SRSEGMNT", b"SRFOOTER", b"strongroom backup 1\n", b"\x08"][head as usize];
            bytes.splice(..bytes.len().min(magic.len()), magic.iter().copied());
            super::record(&bytes);
            super::segment_header(&bytes);
            super::segment_footer(&bytes);
            super::bulk_trailer(&bytes);
            super::metadata(&bytes);
            super::row(&bytes);
            super::backup_list(&bytes);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn no_bytes_in_a_file_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            super::directory(&bytes);
        }
    }
}
