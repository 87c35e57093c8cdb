//! Rot, lost segments and misdirected writes: an error each time, and never wrong bytes.

use std::sync::Arc;

use super::fixture::{bucket, key, open, options, put};
use super::{Faults, Rng, SimDisk};
use crate::*;

/// The size of what was stored last under a key that was stored again and again.
const OTHER_SIZE: usize = 218;

/// A store that calls itself damaged answers rightly or with an error: never that something is not there, nor what was there
/// before, nor a listing that is short.
fn nothing_is_silent(store: &Store, bucket: BucketId, seed: u64) {
    let is_error = |error: &Error| matches!(error, Error::Damaged { .. } | Error::NoSuchBucket);
    let names: Vec<String> = (0..20).map(|n| format!("k{n:02}")).chain(["other".to_owned()]).collect();
    for (n, name) in names.iter().enumerate() {
        let size = if n < 20 { 300 + n } else { OTHER_SIZE };
        match store.open_object(bucket, &key(name), None, Wait::Allowed) {
            Ok(object) => assert_eq!(object.info.size, size as u64, "seed {seed}: {name} is an older one"),
            Err(error) => assert!(store.bucket("bucket").is_err() || is_error(&error), "seed {seed}: {name}: {error}"),
        }
    }
    let query = ListQuery { bucket, prefix: String::new(), delimiter: None, start_after: None, max_keys: 1000 };
    match store.list(&query) {
        Ok(page) => {
            let found: Vec<String> = page.entries.into_iter().map(|entry| entry.key).collect();
            assert_eq!(found, names, "seed {seed}");
        }
        Err(error) => assert!(is_error(&error), "seed {seed}: {error}"),
    }
}

/// Reads all of `count` objects of 300 bytes and a few more; answers how many are missing without an error.
fn read_all(store: &Store, bucket: BucketId, count: usize, seed: u64) -> usize {
    let mut missing = 0;
    for n in 0..count {
        match store.open_object(bucket, &key(&format!("k{n:02}")), None, Wait::Allowed) {
            Ok(object) => match object.read(0, 100_000, Wait::Allowed) {
                Ok(data) => assert!(data == vec![7; 300 + n], "seed {seed}: wrong bytes"),
                Err(error) => assert!(matches!(error, Error::Damaged { .. }), "seed {seed}: {error}"),
            },
            Err(Error::Damaged { .. }) => {}
            Err(Error::NoSuchKey | Error::NoSuchBucket) => missing += 1,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    missing
}

/// Twenty objects in one segment or several, as a killed process leaves them.
fn twenty(seed: u64, segment_bytes: u64, footers: bool) -> (Rng, Arc<SimDisk>, Options, BucketId) {
    let mut rng = Rng::new(seed);
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(segment_bytes), ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    for n in 0..20usize {
        put(&store, bucket, &format!("k{n:02}"), 300 + n).unwrap();
        if n % 3 == 0 {
            // Something dead in each segment.
            put(&store, bucket, "other", 200 + n).unwrap();
        }
    }
    if rng.below(2) == 0 {
        store.checkpoint().unwrap();
    }
    if footers {
        store.core.write_footers();
    }
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.kill();
    (rng, disk, options, bucket)
}

pub(super) fn flip_a_bit(seed: u64) {
    let (mut rng, disk, options, bucket) = twenty(seed, *[1 << 16, 4096].get(seed as usize % 2).unwrap(), true);
    let (path, length) = rng.choose(&disk.files("log/")).clone();
    disk.flip(&path, rng.below(length * 8));
    let store = open(&disk, options.clone());
    let damaged = store.health() != Health::Ok;
    let missing = read_all(&store, bucket, 20, seed);
    // Only the last record can be taken for a torn tail: nothing after it proves that it was synced.
    assert!(missing <= 1 || damaged, "seed {seed}: {missing} records were lost without a word");
    if damaged {
        nothing_is_silent(&store, bucket, seed);
        return;
    }
    // What cannot be read is not dropped by compaction, nor by a rebuild.
    for n in 0..40 {
        put(&store, bucket, "other", 300 + n).unwrap();
        if n % 10 == 9 {
            store.compact().unwrap();
        }
    }
    assert_eq!(read_all(&store, bucket, 20, seed), missing, "seed {seed}: compaction has dropped a record");
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.kill();
    disk.lose("index.redb");
    let store = open(&disk, options);
    let damaged = store.health() != Health::Ok;
    let missing_now = read_all(&store, bucket, 20, seed);
    assert!(missing_now == missing || damaged, "seed {seed}: a record was dropped without a word");
}

/// Sectors at the front of the log's last segment, which no index knows, read as something else.
pub(super) fn overwrite_sectors(seed: u64) {
    let (mut rng, disk, options, bucket) = twenty(seed, 1 << 16, false);
    let (path, length) = disk.files("log/").last().unwrap().clone();
    for _ in 0..1 + rng.below(3) {
        // The last record but one is proven by the last.
        let start = rng.below(length - 1500);
        for bit in 8 * start..8 * (start + 1 + rng.below(600)) {
            if rng.below(2) == 0 {
                disk.flip(&path, bit);
            }
        }
    }
    if rng.below(2) == 0 {
        disk.lose("index.redb");
    }
    let store = open(&disk, options);
    let missing = read_all(&store, bucket, 20, seed);
    if store.health() == Health::Ok {
        assert_eq!(missing, 0, "seed {seed}");
    } else {
        nothing_is_silent(&store, bucket, seed);
    }
}

#[test]
fn behind_sectors_that_have_rotted_nothing_is_missing_without_a_word() {
    (0..300).for_each(overwrite_sectors);
}

#[test]
fn a_flipped_bit_anywhere_in_the_log_never_yields_wrong_bytes_or_a_panic() {
    (0..400).for_each(flip_a_bit);
}

pub(super) fn lose_a_segment(seed: u64) {
    let (mut rng, disk, options, bucket) = twenty(seed, 4096, rng_bit(seed));
    let (path, _) = rng.choose(&disk.files("log/")).clone();
    disk.lose(&path);
    if rng.below(2) == 0 {
        disk.lose("index.redb");
    }
    let store = open(&disk, options);
    assert!(store.health() != Health::Ok, "seed {seed}: {path} is not missed");
    read_all(&store, bucket, 20, seed);
    nothing_is_silent(&store, bucket, seed);
    assert!(put(&store, bucket, "x", 10).is_err());
}

fn rng_bit(seed: u64) -> bool {
    seed.is_multiple_of(3)
}

#[test]
fn i7_a_segment_that_is_lost_is_missed_also_together_with_the_index() {
    (0..100).for_each(lose_a_segment);
}

pub(super) fn misdirect_a_write(seed: u64) {
    let (mut rng, disk, options, bucket) = twenty(seed, 4096, rng_bit(seed));
    let files = disk.files("log/");
    let (from, _) = rng.choose(&files).clone();
    let (to, length) = rng.choose(&files).clone();
    disk.misdirect(&from, &to, rng.below(length / 512) as usize * 512);
    if rng.below(2) == 0 {
        disk.lose("index.redb");
    }
    let store = open(&disk, options);
    let damaged = store.health() != Health::Ok;
    let missing = read_all(&store, bucket, 20, seed);
    // The end of the last segment, overwritten, looks like a torn tail.
    let is_last = files.last().is_some_and(|(last, _)| *last == to);
    assert!(missing <= 1 || damaged || is_last, "seed {seed}: {missing} records were lost without a word");
    if damaged {
        nothing_is_silent(&store, bucket, seed);
    }
}

#[test]
fn a_misdirected_write_is_an_error_and_never_wrong_bytes() {
    (0..200).for_each(misdirect_a_write);
}

pub(super) fn swap_bulk_segments(seed: u64) {
    let disk = SimDisk::new(seed);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    for salt in [1u8, 2] {
        let data = vec![salt; 100_000];
        let mut writer = store.bulk_writer().unwrap();
        writer.write(&data).unwrap();
        let body = Body::Bulk(writer.finish().unwrap());
        let (attributes, precondition) = (Attributes::default(), Precondition::default());
        let put = Put {
            bucket,
            key: key(&salt.to_string()),
            body,
            etag: ETag::of_body([salt; 16]),
            attributes,
            precondition,
        };
        store.put(put).wait().unwrap();
    }
    let files = disk.files("bulk/");
    disk.flip(&files[0].0, 8 * 70_000);
    let object = store.open_object(bucket, &key("1"), None, Wait::Allowed).unwrap();
    assert_eq!(object.read(0, 65_536, Wait::Allowed).unwrap(), vec![1; 65_536]);
    assert!(matches!(object.read(60_000, 20_000, Wait::Allowed), Err(Error::Damaged { .. })), "seed {seed}");
    disk.flip(&files[0].0, 8 * 70_000);
    disk.misdirect(&files[0].0, &files[1].0, 0);
    for (salt, intact) in [("1", true), ("2", false)] {
        let object = store.open_object(bucket, &key(salt), None, Wait::Allowed).unwrap();
        let read = object.read(0, 100_000, Wait::Allowed);
        assert_eq!(read.is_ok(), intact, "seed {seed}");
    }
    let report = store.scrub().unwrap();
    assert_eq!(report.damage.len(), 1, "{report:?}");
    assert_eq!(report.damage[0].key.as_deref(), Some("2"));
}

#[test]
fn a_swapped_bulk_segment_is_an_error_and_scrub_names_it() {
    swap_bulk_segments(1);
}
