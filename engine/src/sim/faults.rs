//! Failing and full disks: what is refused, what goes on, and what is there afterwards.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::{Faults, SimClock, SimDisk};
use crate::*;

fn open(disk: &Arc<SimDisk>, options: Options) -> Store {
    Store::open_with(Arc::new(Arc::clone(disk)), Arc::new(SimClock::default()), options).unwrap()
}

fn options() -> Options {
    Options { segment_bytes: Some(1 << 16), low_water_bytes: Some(0), index_cache_bytes: 1 << 20, ..Options::default() }
}

fn bucket(store: &Store) -> BucketId {
    let new = NewBucket {
        name: BucketName::parse("bucket").unwrap(),
        owner: String::new(),
        versioning: Versioning::Unversioned,
        attributes: Bytes::new(),
    };
    store.create_bucket(new).wait().unwrap().id
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).unwrap()
}

fn put(store: &Store, bucket: BucketId, name: &str, size: usize) -> Result<Stored, Error> {
    let put = Put {
        bucket,
        key: key(name),
        body: Body::Inline(vec![7; size].into()),
        etag: ETag::of_body([7; 16]),
        attributes: Attributes::default(),
        precondition: Precondition::default(),
    };
    store.put(put).wait()
}

fn size_of(store: &Store, bucket: BucketId, name: &str) -> Option<usize> {
    let object = store.open_object(bucket, &key(name), None, Wait::Allowed).ok()?;
    Some(object.read(0, 1 << 20, Wait::Allowed).unwrap().len())
}

fn delete(store: &Store, bucket: BucketId, name: &str) -> Result<Deleted, Error> {
    let precondition = Precondition::default();
    store.delete(Delete { bucket, key: key(name), version: None, precondition }).wait()
}

#[test]
pub(super) fn i6_after_a_failed_sync_nothing_is_acknowledged_until_the_store_was_reopened() {
    let disk = SimDisk::new(1);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    put(&store, bucket, "before", 100).unwrap();
    disk.set_faults(Faults { sync_fails_at: Some(disk.effects()), ..Faults::default() });
    assert!(matches!(put(&store, bucket, "failed", 100), Err(Error::ReadOnly { .. })));
    let syncs = store.stats().log_syncs;
    for _ in 0..3 {
        assert!(matches!(put(&store, bucket, "after", 100), Err(Error::ReadOnly { .. })));
        assert!(matches!(delete(&store, bucket, "before"), Err(Error::ReadOnly { .. })));
        let row = store.put_config("n", "k", Bytes::new(), None).wait();
        assert!(matches!(row, Err(Error::ReadOnly { .. })));
    }
    assert_eq!(store.stats().log_syncs, syncs, "a failed sync is never tried again");
    assert!(matches!(store.health(), Health::ReadOnly { .. }));
    assert_eq!(size_of(&store, bucket, "before"), Some(100), "reads go on");
    assert_eq!(size_of(&store, bucket, "failed"), None, "what is not durable is not visible");
    drop(store);
    // The failed record reads back as valid from the page cache. If it is served, it must have been made durable.
    disk.kill();
    let store = open(&disk, options());
    assert_eq!(size_of(&store, bucket, "before"), Some(100));
    let served = size_of(&store, bucket, "failed");
    put(&store, bucket, "later", 50).unwrap();
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.cut_power();
    let store = open(&disk, options());
    assert_eq!(size_of(&store, bucket, "failed"), served);
    assert_eq!(size_of(&store, bucket, "later"), Some(50));
    assert_eq!(store.health(), Health::Ok);
}

#[test]
pub(super) fn a_full_disk_refuses_puts_loses_nothing_and_is_freed_by_deleting() {
    let disk = SimDisk::new(2);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    let mut stored = Vec::new();
    disk.set_faults(Faults { capacity: Some(disk.used() + 400_000), ..Faults::default() });
    for n in 0..200 {
        let name = format!("k{n:03}");
        match put(&store, bucket, &name, 9000) {
            Ok(_) => stored.push(name),
            Err(Error::NoSpace) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!((20..60).contains(&stored.len()), "{}", stored.len());
    assert_eq!(store.health(), Health::Ok);
    for name in &stored {
        assert_eq!(size_of(&store, bucket, name), Some(9000));
    }
    disk.set_faults(Faults::default());
    put(&store, bucket, "again", 9000).unwrap();
    drop(store);
    disk.cut_power();
    let store = open(&disk, options());
    stored.push("again".to_owned());
    let query = ListQuery { bucket, prefix: String::new(), delimiter: None, start_after: None, max_keys: 1000 };
    let mut listed: Vec<_> = store.list(&query).unwrap().entries.into_iter().map(|entry| entry.key).collect();
    stored.sort();
    listed.sort();
    assert_eq!(listed, stored, "a put that was refused does not appear later");
}

#[test]
fn below_the_low_water_mark_puts_are_refused_while_deletes_and_configuration_go_on() {
    let disk = SimDisk::new(3);
    let options = Options { low_water_bytes: Some(1 << 20), ..options() };
    let store = open(&disk, options);
    let bucket = bucket(&store);
    put(&store, bucket, "k", 100).unwrap();
    let mut writer = store.bulk_writer().unwrap();
    writer.write(&[1; 600_000]).unwrap();
    let put_bulk = Put {
        bucket,
        key: key("large"),
        body: Body::Bulk(writer.finish().unwrap()),
        etag: ETag::of_body([1; 16]),
        attributes: Attributes::default(),
        precondition: Precondition::default(),
    };
    store.put(put_bulk).wait().unwrap();
    disk.set_faults(Faults { capacity: Some(disk.used() + 500_000), ..Faults::default() });
    // Space is looked at now and then: at the latest after so many groups.
    for _ in 0..600 {
        store.put_config("n", "k", Bytes::from("v"), None).wait().unwrap();
    }
    assert!(matches!(put(&store, bucket, "x", 10), Err(Error::NoSpace)));
    assert!(matches!(store.bulk_writer(), Err(Error::NoSpace)));
    assert_eq!(size_of(&store, bucket, "k"), Some(100));
    delete(&store, bucket, "large").unwrap();
    store.checkpoint().unwrap();
    assert!(disk.files("bulk/").is_empty());
    put(&store, bucket, "x", 10).unwrap();
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
fn twenty(seed: u64, segment_bytes: u64, footers: bool) -> (super::Rng, Arc<SimDisk>, Options, BucketId) {
    let mut rng = super::Rng::new(seed);
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(segment_bytes), ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    for n in 0..20usize {
        put(&store, bucket, &format!("k{n:02}"), 300 + n).unwrap();
        if n % 3 == 0 {
            // Something dead in each segment.
            put(&store, bucket, "other", 200).unwrap();
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

pub(super) fn refuse_a_group_and_cut_the_power(seed: u64) {
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(4096), ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    put(&store, bucket, "before", 100).unwrap();
    disk.set_faults(Faults { capacity: Some(disk.used() + 20_000), ..Faults::default() });
    store.core.held.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut waiting: Vec<_> = [("small", 100), ("large", 70_000)]
        .into_iter()
        .map(|(name, size)| {
            let body = Body::Inline(vec![7; size].into());
            let (attributes, precondition) = (Attributes::default(), Precondition::default());
            store.put(Put { bucket, key: key(name), body, etag: ETag::of_body([7; 16]), attributes, precondition })
        })
        .collect();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for put in &mut waiting {
        assert!(std::pin::Pin::new(put).poll(&mut context).is_pending());
    }
    store.core.held.store(false, std::sync::atomic::Ordering::Relaxed);
    crate::sync::lock(store.core.inline.as_ref().unwrap())(&store.core);
    for put in waiting {
        assert!(matches!(put.wait(), Err(Error::NoSpace)), "seed {seed}");
    }
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.cut_power();
    let store = open(&disk, options);
    assert_eq!(store.health(), Health::Ok);
    assert_eq!(size_of(&store, bucket, "before"), Some(100));
    assert_eq!(size_of(&store, bucket, "small"), None, "seed {seed}: a put that was refused has appeared");
}

#[test]
fn what_was_refused_for_want_of_space_does_not_appear_after_a_power_cut() {
    (0..50).for_each(refuse_a_group_and_cut_the_power);
}

pub(super) fn serve_an_unproven_record_and_cut_the_power(seed: u64) {
    let disk = SimDisk::new(seed);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    put(&store, bucket, "before", 100).unwrap();
    disk.set_faults(Faults { sync_fails_at: Some(disk.effects()), ..Faults::default() });
    assert!(put(&store, bucket, "unproven", 2000).is_err());
    drop(store);
    disk.kill();
    let store = open(&disk, options());
    let served = size_of(&store, bucket, "unproven");
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.cut_power();
    let store = open(&disk, options());
    assert_eq!(store.health(), Health::Ok, "seed {seed}");
    assert_eq!(size_of(&store, bucket, "before"), Some(100), "seed {seed}");
    assert_eq!(size_of(&store, bucket, "unproven"), served, "seed {seed}: what was served is gone");
}

#[test]
fn what_a_reopened_store_serves_survives_a_power_cut_right_away() {
    (0..50).for_each(serve_an_unproven_record_and_cut_the_power);
}

pub(super) fn take_back_an_object_of_an_upload(seed: u64) {
    let mut rng = super::Rng::new(seed);
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(4096), ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    let fill = |from: usize| {
        (from..from + 12).for_each(|n| _ = put(&store, bucket, &format!("fill{n}"), 300 + n).unwrap());
    };
    let attributes = Attributes::default();
    let new = NewUpload { bucket, key: key("u"), attributes, checksum: None, opaque: Bytes::new() };
    let upload = store.create_upload(new).wait().unwrap();
    fill(0);
    let mut writer = store.bulk_writer().unwrap();
    writer.write(&[3; 100]).unwrap();
    let (body, etag) = (writer.finish().unwrap(), ETag::of_body([3; 16]));
    let part = PutPart { bucket, key: key("u"), upload, number: 1, body, etag, checksum: None };
    store.put_part(part).wait().unwrap();
    fill(20);
    let complete = CompleteUpload {
        bucket,
        key: key("u"),
        upload,
        parts: vec![(1, etag)],
        etag: ETag { md5: [1; 16], parts: 1 },
        checksums: Vec::new(),
        precondition: Precondition::default(),
    };
    store.complete_upload(complete).wait().unwrap();
    fill(40);
    if rng.below(3) > 0 {
        delete(&store, bucket, "u").unwrap();
    } else {
        put(&store, bucket, "u", 10).unwrap();
    }
    fill(60);
    // What began the upload stays where it is, what ended it is moved about.
    for _ in 0..3 {
        let mut only: std::collections::BTreeSet<u64> = store.core.segments.sealed().into_keys().skip(2).collect();
        let mut done = Compaction::default();
        while store.core.compact_step(crate::compact::Thoroughness::Full, Some(&mut only), &mut done).unwrap() {}
        fill(80);
    }
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.kill();
    disk.lose("index.redb");
    let store = open(&disk, options);
    let query = ListUploadsQuery {
        bucket,
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        upload_id_marker: None,
        max_uploads: 10,
    };
    assert_eq!(store.list_uploads(&query).unwrap().entries.len(), 0, "seed {seed}: an upload has come back");
    assert!(disk.files("bulk/").is_empty(), "seed {seed}");
}

#[test]
fn an_upload_that_was_completed_does_not_come_back_when_its_object_is_gone() {
    (0..10).for_each(take_back_an_object_of_an_upload);
}

/// Empties each sealed segment alone, in a store where what began something, what it consists of and what ended it lie
/// in segments of their own; the index must be what a rebuild makes of the rest.
pub(super) fn empty_each_segment_alone(position: usize) {
    let disk = SimDisk::new(9);
    let options = Options { segment_bytes: Some(4096), ..options() };
    let store = open(&disk, options);
    let first = bucket(&store);
    let other = NewBucket {
        name: BucketName::parse("other").unwrap(),
        owner: String::new(),
        versioning: Versioning::Unversioned,
        attributes: Bytes::new(),
    };
    let other = store.create_bucket(other).wait().unwrap().id;
    let mut filled = 0;
    let mut fill = || {
        for _ in 0..12 {
            filled += 1;
            put(&store, first, &format!("fill{filled}"), 300).unwrap();
        }
    };
    put(&store, first, "null", 10).unwrap();
    fill();
    let attributes = Attributes::default();
    let new = NewUpload { bucket: other, key: key("u"), attributes, checksum: None, opaque: Bytes::new() };
    let upload = store.create_upload(new).wait().unwrap();
    fill();
    let mut writer = store.bulk_writer().unwrap();
    writer.write(&[3; 100]).unwrap();
    let (body, etag) = (writer.finish().unwrap(), ETag::of_body([3; 16]));
    let part = PutPart { bucket: other, key: key("u"), upload, number: 1, body, etag, checksum: None };
    store.put_part(part).wait().unwrap();
    fill();
    store.delete_bucket(other).wait().unwrap();
    fill();
    put(&store, first, "null", 20).unwrap();
    fill();
    let attributes = Attributes { tags: vec![("a".into(), "b".into())], ..Attributes::default() };
    let set = SetAttributes { bucket: first, key: key("null"), version: None, expected: None, attributes };
    store.set_attributes(set).wait().unwrap();
    fill();
    let ids: Vec<u64> = store.core.segments.sealed().into_keys().collect();
    let Some(id) = ids.get(position) else { return };
    let mut only = std::collections::BTreeSet::from([*id]);
    let mut done = Compaction::default();
    store.core.compact_step(crate::compact::Thoroughness::Full, Some(&mut only), &mut done).unwrap();
    store.checkpoint().unwrap();
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "segment {id}");
}

#[test]
fn emptying_any_one_segment_leaves_a_log_that_says_the_same() {
    (0..40).for_each(empty_each_segment_alone);
}

/// The power goes at the given effect of a compaction; answers whether that was over before. What is on the platter is
/// another choice for each `seed`.
pub(super) fn cut_the_power_in_a_compaction(effect: u64, seed: u64) -> bool {
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(4096), ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    for n in 0..40usize {
        put(&store, bucket, &format!("k{:02}", n % 25), 300 + n).unwrap();
    }
    for n in 0..5 {
        delete(&store, bucket, &format!("k{n:02}")).unwrap();
    }
    let off_at = disk.effects() + effect;
    disk.set_faults(Faults { power_off_at: Some(off_at), ..Faults::default() });
    // Whatever it answers.
    let _ = store.compact();
    let over = disk.effects() < off_at;
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.cut_power();
    if seed.is_multiple_of(4) {
        disk.lose("index.redb");
    }
    let store = open(&disk, options);
    let place = format!("effect {effect}, seed {seed}");
    assert_eq!(store.health(), Health::Ok, "{place}");
    for n in 0..25 {
        let size = if n < 5 { None } else { Some(if n < 15 { 325 + n } else { 300 + n }) };
        assert_eq!(size_of(&store, bucket, &format!("k{n:02}")), size, "{place}: k{n:02}");
    }
    store.compact().unwrap();
    store.checkpoint().unwrap();
    assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0], "{place}");
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "{place}");
    over
}

#[test]
fn a_power_cut_at_any_effect_of_a_compaction_loses_nothing() {
    let mut effect = 0;
    while !(0..4).map(|seed| cut_the_power_in_a_compaction(effect, seed)).fold(false, |any, over| any | over) {
        effect += 1;
    }
    assert!(effect > 20, "{effect}");
}

pub(super) fn fail_a_sync_of_the_index(seed: u64) {
    let mut rng = super::Rng::new(seed);
    let disk = SimDisk::new(seed);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    let mut expected = std::collections::BTreeMap::new();
    for round in 0..4 {
        for n in 0..30 {
            let name = format!("k{:02}", rng.below(60));
            let size = 10 + n + round * 100;
            put(&store, bucket, &name, size).unwrap();
            expected.insert(name, size);
        }
        if round == 2 {
            disk.set_faults(Faults { sync_fails_at: Some(disk.effects() + rng.below(30)), ..Faults::default() });
        }
        if store.checkpoint().is_err() {
            break;
        }
        disk.set_faults(Faults::default());
    }
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    // The page cache still has what the sync has lost, and later syncs do not write it again.
    disk.kill();
    if rng.below(2) == 0 {
        // Likewise where the index is just being made.
        disk.lose("index.redb");
        disk.set_faults(Faults { sync_fails_at: Some(disk.effects() + rng.below(20)), ..Faults::default() });
        let vfs = Arc::new(Arc::clone(&disk));
        drop(Store::open_with(vfs, Arc::new(SimClock::default()), options()));
        disk.kill();
    }
    let store = open(&disk, options());
    for n in 0..3 {
        let name = format!("k{:02}", rng.below(60));
        put(&store, bucket, &name, 5 + n).unwrap();
        expected.insert(name, 5 + n);
    }
    store.checkpoint().unwrap();
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.cut_power();
    let store = open(&disk, options());
    for (name, size) in &expected {
        assert_eq!(size_of(&store, bucket, name), Some(*size), "seed {seed}: {name}");
    }
    store.checkpoint().unwrap();
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "seed {seed}");
}

#[test]
fn an_index_whose_sync_failed_is_never_opened_again() {
    (0..100).for_each(fail_a_sync_of_the_index);
}

/// Writes rows of configuration, which go on when the disk is full, until they have filled segments of their own.
fn configure(store: &Store, count: usize) {
    for n in 0..count {
        let row = store.put_config("n", &format!("k{}", n % 7), Bytes::from(vec![n as u8; 500]), None).wait();
        row.unwrap_or_else(|error| panic!("row {n}: {error}"));
    }
}

#[test]
fn a_disk_filled_to_the_brim_by_others_serves_deletes_and_configuration_and_recovers() {
    for seed in 0..40 {
        let mut rng = super::Rng::new(seed);
        let disk = SimDisk::new(seed);
        let options = Options {
            segment_bytes: Some(64 << 10),
            low_water_bytes: Some(256 << 10),
            memtable_entries_max: *rng.choose(&[20, 100, 1000]),
            ..options()
        };
        let store = open(&disk, options.clone());
        let bucket = bucket(&store);
        let mut stored = Vec::new();
        disk.set_faults(Faults { capacity: Some(8 << 20), ..Faults::default() });
        for n in 0..400 {
            let name = format!("k{n:03}");
            match put(&store, bucket, &name, 30_000) {
                Ok(_) => stored.push(name),
                Err(Error::NoSpace) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        assert!(stored.len() > 50, "seed {seed}: {}", stored.len());
        // Somebody else takes all that is left.
        let full = Faults { capacity: Some(disk.used()), ..Faults::default() };
        disk.set_faults(full);
        assert!(matches!(put(&store, bucket, "x", 30_000), Err(Error::NoSpace)), "seed {seed}");
        configure(&store, 200);
        assert_eq!(store.health(), Health::Ok, "seed {seed}");
        let store = if rng.below(2) == 0 {
            store
        } else {
            drop(store);
            disk.set_faults(full);
            open(&disk, options)
        };
        for name in &stored {
            assert_eq!(size_of(&store, bucket, name), Some(30_000), "seed {seed}: {name}");
        }
        for (n, name) in stored.iter().enumerate() {
            delete(&store, bucket, name).unwrap_or_else(|error| panic!("seed {seed}: deleting {name}: {error}"));
            if n % 50 == 49 {
                let done = store.compact().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                assert!(done.segments_freed > 0, "seed {seed}");
            }
        }
        store.compact().unwrap();
        for n in 0..50 {
            put(&store, bucket, &format!("again{n}"), 30_000).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        assert_eq!(store.health(), Health::Ok, "seed {seed}");
        let rows = store.config_rows("n").unwrap();
        assert_eq!(rows.len(), 7);
    }
}

/// Puts until three in a row are refused.
fn fill(store: &Store, bucket: BucketId, prefix: &str) -> Vec<String> {
    let mut stored = Vec::new();
    let mut refused = 0;
    for n in 0.. {
        let name = format!("{prefix}{n:04}");
        match put(store, bucket, &name, 30_000) {
            Ok(_) => stored.push(name),
            Err(Error::NoSpace) if refused == 3 => break,
            Err(Error::NoSpace) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    stored
}

#[test]
fn a_process_killed_on_a_full_disk_starts_again_and_again() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let options = Options {
            segment_bytes: Some(1 << 20),
            low_water_bytes: Some(1 << 20),
            memtable_entries_max: 200,
            ..options()
        };
        let full = Faults { capacity: Some(12 << 20), ..Faults::default() };
        disk.set_faults(full);
        let mut store = open(&disk, options.clone());
        let bucket = bucket(&store);
        let mut stored = fill(&store, bucket, "first");
        for life in 0..8 {
            // Stopped the first time, killed after that, in the end with a disk that somebody else has filled.
            if life > 0 {
                disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
            }
            let taken = Faults { capacity: Some(disk.used()), ..Faults::default() };
            drop(store);
            disk.kill();
            disk.set_faults(if life >= 6 { taken } else { full });
            store = match Store::open_with(Arc::new(Arc::clone(&disk)), Arc::new(SimClock::default()), options.clone())
            {
                Ok(store) => store,
                Err(error) => panic!("seed {seed}, life {life}: {error}"),
            };
            assert_eq!(store.health(), Health::Ok);
            stored.extend(fill(&store, bucket, &format!("life{life}-")));
            for name in &stored {
                assert_eq!(size_of(&store, bucket, name), Some(30_000), "seed {seed}: {name}");
            }
            delete(&store, bucket, &stored.remove(0)).unwrap();
        }
    }
}
