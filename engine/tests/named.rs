//! Damage is named: by fsck and by scrub, each key that it costs, and the place.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::*;
use engine::*;

fn flip(path: &Path, offset: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

/// A store of several segments, closed: its directory, its bucket, and the keys in it.
fn several_segments() -> (tempfile::TempDir, BucketId, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let names: Vec<String> = (0..600).map(|n| format!("k{n:03}")).collect();
    for (n, name) in names.iter().enumerate() {
        put(&store, bucket, name, &bytes(6000, n as u64));
    }
    store.close().unwrap();
    (directory, bucket, names)
}

/// The keys that are named, and all that is said.
fn named(damage: &[Damage]) -> (BTreeSet<String>, String) {
    let keys = damage.iter().filter_map(|damage| damage.key.clone()).collect();
    (keys, format!("{damage:#?}"))
}

fn unreadable(store: &Store, bucket: BucketId, names: &[String]) -> BTreeSet<String> {
    names.iter().filter(|name| get(store, bucket, name).is_err()).cloned().collect()
}

#[test]
fn every_key_of_a_missing_segment_is_named() {
    let (directory, bucket, names) = several_segments();
    let mut all_found = BTreeSet::new();
    for path in segments(directory.path()) {
        let copy = tempfile::tempdir().unwrap();
        copy_tree(directory.path(), copy.path());
        fs::remove_file(copy.path().join("log").join(path.file_name().unwrap())).unwrap();
        let (found, said) = named(&fsck(copy.path(), options()).unwrap().scrub.damage);
        let store = open(copy.path());
        let (scrubbed, _) = named(&store.scrub().unwrap().damage);
        let lost = unreadable(&store, bucket, &names);
        assert!(!lost.is_empty() && found.is_subset(&lost) && found == scrubbed, "{said}");
        assert!(found.is_disjoint(&all_found), "{}: {said}", path.display());
        all_found.extend(found);
    }
    // Where a segment in the middle is gone, what came before it is in doubt too; what was in it is named. How much is in one depends on how soon
    // the next one is ready, but each key is in one of them.
    assert!(all_found.iter().eq(&names), "{all_found:?}");
}

#[test]
fn a_segment_that_vanishes_from_a_running_store_is_named_and_nothing_more_is_acknowledged_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..600 {
        put(&store, bucket, &format!("k{n:03}"), &bytes(6000, n));
    }
    let all = segments(directory.path());
    fs::remove_file(&all[1]).unwrap();
    let (found, said) = named(&store.scrub().unwrap().damage);
    assert!(!found.is_empty() && said.contains("a log segment is missing"), "{said}");
    fs::remove_file(all.last().unwrap()).unwrap();
    let begun = Instant::now();
    let refused = loop {
        if let Err(error) = store.put(put_request(&store, bucket, "late", b"x")).wait() {
            break error;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes on");
    };
    assert!(matches!(refused, Error::ReadOnly { .. }), "{refused}");
}

#[test]
fn a_flipped_bit_in_the_header_of_the_last_segment_costs_no_object() {
    let (directory, bucket, names) = several_segments();
    let last = segments(directory.path()).pop().unwrap();
    for offset in [3, 9, 20, 40, 70, 127] {
        flip(&last, offset);
        let store = open(directory.path());
        assert!(matches!(store.health(), Health::Damaged { .. }), "{offset}");
        assert_eq!(unreadable(&store, bucket, &names), BTreeSet::new(), "{offset}");
        assert_eq!(keys(&store, bucket), names, "{offset}");
        drop(store);
        flip(&last, offset);
    }
    assert_eq!(open(directory.path()).health(), Health::Ok);
}

#[test]
fn a_rotten_footer_and_a_rotten_copy_of_the_identity_are_named() {
    let (directory, _, _) = several_segments();
    assert_eq!(fsck(directory.path(), options()).unwrap().scrub.damage, []);
    let first = segments(directory.path()).remove(0);
    let length = fs::metadata(&first).unwrap().len();
    for offset in [length - 20, length - 3] {
        flip(&first, offset);
        let (_, said) = named(&fsck(directory.path(), options()).unwrap().scrub.damage);
        assert!(said.contains("the footer of a segment"), "{offset}: {said}");
        flip(&first, offset);
    }
    for offset in [20, 4096 + 20] {
        flip(&directory.path().join("FORMAT"), offset);
        let (_, said) = named(&fsck(directory.path(), options()).unwrap().scrub.damage);
        assert!(said.contains(&format!("FORMAT, offset {}", offset - 20)), "{said}");
        flip(&directory.path().join("FORMAT"), offset);
    }
    assert_eq!(fsck(directory.path(), options()).unwrap().scrub.damage, []);
}

#[test]
fn each_object_that_shares_a_damaged_bulk_segment_is_named_and_each_block() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "large", &bytes(3_000_000, 7));
    let large = store.open_object(bucket, &key("large"), None, Wait::Allowed).unwrap();
    let (attributes, precondition) = (Attributes::default(), Precondition::default());
    store.share(&large, bucket, key("shared"), large.info.etag, attributes, precondition).wait().unwrap();
    drop(large);
    let bulk = fs::read_dir(directory.path().join("bulk")).unwrap();
    let mut bulk = bulk.flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap());
    let path = bulk.next().unwrap().unwrap().path();
    // Blocks 10 and 12 of the first mebibyte, and one of the last.
    for offset in [700_000, 800_000, 2_999_000] {
        flip(&path, offset);
    }
    let damage = store.scrub().unwrap().damage;
    let (found, said) = named(&damage);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["large", "shared"]);
    for offset in [655_360, 786_432, 2_949_120] {
        let there = damage.iter().filter(|damage| damage.place.ends_with(&format!("offset {offset}"))).count();
        assert_eq!(there, 2, "offset {offset}: {said}");
    }
    assert_eq!(damage.len(), 6, "{said}");
}

#[test]
fn a_directory_with_bodies_and_no_identity_is_not_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("bulk/03")).unwrap();
    fs::write(directory.path().join("bulk/03/0000000000000003"), b"x").unwrap();
    let refused = Store::open(directory.path(), options()).unwrap_err();
    assert!(matches!(refused, OpenError::NotADataDirectory(_)), "{refused}");
}

#[test]
fn a_scrub_finds_nothing_wrong_with_an_index_that_is_written_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Options { memtable_entries_max: 100, ..options() }).unwrap();
    let bucket = new_bucket(&store, "datalake");
    let writer = std::thread::spawn({
        let store = store.clone();
        move || (0..6000).for_each(|n| _ = put(&store, bucket, &format!("k{:04}", n * 37 % 1500), &bytes(50, n)))
    });
    let mut scrubs = 0;
    while !writer.is_finished() {
        assert_eq!(store.scrub().unwrap().damage, []);
        scrubs += 1;
    }
    writer.join().unwrap();
    assert_eq!(store.health(), Health::Ok);
    assert!(scrubs > 1 && store.stats().index_applies > 10, "{scrubs}, {:?}", store.stats());
}
