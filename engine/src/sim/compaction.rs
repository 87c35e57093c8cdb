//! Compaction: what is dead stays dead, and a power cut at any moment loses nothing.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::fixture::{bucket, delete, key, open, options, put, size_of};
use super::{Faults, Rng, SimDisk};
use crate::compact::Thoroughness;
use crate::*;

pub(super) fn take_back_an_object_of_an_upload(seed: u64) {
    let mut rng = Rng::new(seed);
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
        let mut only: BTreeSet<u64> = store.core.segments.sealed().into_keys().skip(2).collect();
        let mut done = Compaction::default();
        while store.core.compact_step(Thoroughness::Full, Some(&mut only), &mut done).unwrap() {}
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
    let mut only = BTreeSet::from([*id]);
    let mut done = Compaction::default();
    store.core.compact_step(Thoroughness::Full, Some(&mut only), &mut done).unwrap();
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

#[test]
fn what_a_backup_takes_gets_no_footer_and_is_not_freed_meanwhile() {
    let disk = SimDisk::new(1);
    let options = Options { segment_bytes: Some(4096), ..options() };
    let store = open(&disk, options);
    let bucket = bucket(&store);
    (0..20).for_each(|n| _ = put(&store, bucket, &format!("k{}", n % 2), 900).unwrap());
    let sealed = store.core.segments.sealed().into_keys().next_back().unwrap();
    store.core.backed_up_to.store(sealed, Ordering::Release);
    let before = disk.files("log/");
    store.core.write_footers();
    assert_eq!(disk.files("log/"), before);
    assert_eq!(store.compact().unwrap().segments_freed, 0);
    store.core.backed_up_to.store(0, Ordering::Release);
    store.core.write_footers();
    assert_ne!(disk.files("log/"), before, "footers are written when the backup is done");
    assert!(store.compact().unwrap().segments_freed > 0);
}
