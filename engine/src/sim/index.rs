//! An index whose file lies: redb stands on the same disk, and its writes fail, are lost, torn, or go elsewhere.
//!
//! The log is the truth, so whatever the index says, nothing that was acknowledged may be lost for good; and an answer is
//! right, or an error, or a comparison with the log tells that the index is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::fixture::{bucket, delete, key, open, options, put, size_of};
use super::{Faults, Mishap, Rng, SimClock, SimDisk};
use crate::compact::Thoroughness;
use crate::index::Index;
use crate::*;

/// The keys whose answers are wrong without an error.
fn wrong(store: &Store, bucket: BucketId, expected: &BTreeMap<String, Option<usize>>) -> Vec<String> {
    let is_wrong = |(name, size): &(&String, &Option<usize>)| match store.head(bucket, &key(name), None, Wait::Allowed)
    {
        Ok(found) => **size != Some(found.size as usize),
        Err(Error::NoSuchKey) => size.is_some(),
        Err(Error::Damaged { .. } | Error::Io(_)) => false,
        Err(error) => panic!("{error}"),
    };
    expected.iter().filter(is_wrong).map(|(name, _)| name.clone()).collect()
}

pub(super) fn lie_about_a_write(seed: u64) {
    let mut rng = Rng::new(seed);
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(16 << 10), memtable_entries_max: 15, ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    let mut expected = BTreeMap::new();
    let mishap = *rng.choose(&[Mishap::Fails, Mishap::IsLost, Mishap::IsMisdirected, Mishap::IsTorn]);
    for n in 0..150usize {
        if n == 60 {
            let at = disk.effects() + rng.below(60);
            disk.set_faults(Faults { index_write: Some((at, mishap)), ..Faults::default() });
        }
        if n % 30 == 29 {
            // Whatever it answers.
            let _ = store.compact();
        }
        let name = format!("k{:02}", rng.below(40));
        let next = (rng.below(4) > 0).then_some(10 + n);
        let done = match next {
            Some(size) => put(&store, bucket, &name, size).map(drop),
            None => delete(&store, bucket, &name).map(drop),
        };
        match done {
            Ok(()) => _ = expected.insert(name, next),
            // An index that fails while it is written or read stops the store, or that one answer.
            Err(Error::ReadOnly { .. }) => break,
            Err(Error::Damaged { .. } | Error::Io(_)) => {}
            Err(error) => panic!("seed {seed}, {mishap:?}: {error}"),
        }
    }
    let silent = wrong(&store, bucket, &expected);
    if !silent.is_empty() {
        // Only pages that are read from the disk tell it, so it is scrub that finds out.
        let _ = store.core.check_index();
        assert_eq!(wrong(&store, bucket, &expected), [""; 0], "seed {seed}, {mishap:?}");
    }
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    if rng.below(2) == 0 {
        disk.kill()
    } else {
        disk.cut_power()
    }
    if let Ok(store) = Store::open_with(Arc::new(Arc::clone(&disk)), Arc::new(SimClock::default()), options.clone()) {
        let silent = wrong(&store, bucket, &expected);
        assert!(silent.is_empty(), "seed {seed}, {mishap:?}, opened again: {silent:?}");
        disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
        drop(store);
        disk.kill();
    } else {
        panic!("seed {seed}, {mishap:?}: the store does not start");
    }
    disk.lose("index.redb");
    let store = open(&disk, options);
    assert_eq!(wrong(&store, bucket, &expected), [""; 0], "seed {seed}, {mishap:?}: made anew");
    assert_eq!(store.health(), Health::Ok);
    assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0]);
}

#[test]
fn after_any_use_the_checksums_of_an_index_are_those_that_a_walk_finds() {
    let disk = SimDisk::new(11);
    let mut rng = Rng::new(11);
    let options = Options { memtable_entries_max: 60, ..options() };
    let mut bucket_id = None;
    for round in 0..16 {
        let store = open(&disk, options.clone());
        assert_eq!(store.recovery(), [""; 0], "round {round}");
        let bucket = *bucket_id.get_or_insert_with(|| bucket(&store));
        for _ in 0..300 {
            let name = format!("k{:03}{}", rng.below(400), "x".repeat(rng.below(200) as usize));
            if rng.below(3) > 0 {
                put(&store, bucket, &name, 10).unwrap();
            } else {
                let _ = delete(&store, bucket, &name);
            }
        }
        let is_killed = match round % 4 {
            0 => store.core.vacuum().map(|()| false).unwrap(),
            1 => store.core.check_index().is_some(),
            2 => {
                disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
                true
            }
            _ => false,
        };
        let uuid = store.core.uuid;
        drop(store);
        if is_killed {
            disk.kill();
        }
        let vfs: Arc<dyn Vfs> = Arc::new(Arc::clone(&disk));
        let (mut index, _) = Index::open(&vfs, &uuid, 1 << 20, None).unwrap();
        assert!(index.is_as_left(), "round {round}");
        assert!(index.file_bytes().unwrap() > 100_000);
        assert_eq!(index.differs_from_a_walk(), None, "round {round}");
        index.end();
    }
}

#[test]
fn an_index_that_lies_loses_nothing_and_is_found_out() {
    (0..200).for_each(lie_about_a_write);
}

#[test]
fn an_index_that_cannot_be_read_is_an_error_and_never_a_missing_key() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let options = Options { memtable_entries_max: 10, index_cache_bytes: 0, ..options() };
        let store = open(&disk, options.clone());
        let bucket = bucket(&store);
        let mut expected = BTreeMap::new();
        for n in 0..95usize {
            put(&store, bucket, &format!("k{n:02}"), n).unwrap();
            expected.insert(format!("k{n:02}"), Some(n));
        }
        disk.set_faults(Faults { index_reads_fail: true, ..Faults::default() });
        assert_eq!(wrong(&store, bucket, &expected), [""; 0], "seed {seed}");
        drop(store);
        disk.kill();
        let store = open(&disk, options);
        assert_eq!(wrong(&store, bucket, &expected), [""; 0], "seed {seed}");
        assert_eq!(store.health(), Health::Ok);
    }
}

/// Overwrites places of the index, or flips a bit of it, while the store is stopped or while it runs.
pub(super) fn damage_the_index(seed: u64) {
    let mut rng = Rng::new(seed);
    let disk = SimDisk::new(seed);
    let options = Options { memtable_entries_max: 50, index_cache_bytes: 0, ..options() };
    let mut store = open(&disk, options.clone());
    let bucket = bucket(&store);
    let mut expected = BTreeMap::new();
    // More than a page of each table holds, and a tail that is replayed.
    for n in 0..480usize {
        let name = format!("some/longer/name/of/a/key/{:03}", n * 7 % 300);
        put(&store, bucket, &name, n % 50).unwrap();
        expected.insert(name, Some(n % 50));
    }
    let online = rng.below(2) == 0;
    let stop = |store: Store| {
        disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
        drop(store);
        disk.kill();
    };
    let mut disturb = || {
        let index = Arc::clone(&disk).open("index.redb", OpenMode::Write).unwrap();
        let length = index.length().unwrap();
        if rng.below(2) == 0 {
            disk.flip("index.redb", rng.below(length * 8));
            return;
        }
        for _ in 0..1 + rng.below(3) {
            let noise: Vec<u8> = (0..rng.below(4096)).map(|_| rng.bits() as u8).collect();
            index.write_at(&noise, rng.below(length)).unwrap();
        }
        index.sync_data().unwrap();
    };
    let listed = |store: &Store| {
        let query = ListQuery { bucket, prefix: String::new(), delimiter: None, start_after: None, max_keys: 1000 };
        store.list(&query).map(|page| page.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>())
    };
    let all: Vec<String> = expected.keys().cloned().collect();
    if online {
        disturb();
        let found = !store.scrub().unwrap().damage.is_empty();
        assert_eq!(found, store.health() != Health::Ok, "seed {seed}");
        assert_eq!(wrong(&store, bucket, &expected), [""; 0], "seed {seed}");
        assert!(listed(&store).map_or(found, |listed| listed == all), "seed {seed}");
        stop(store);
    } else {
        stop(store);
        disturb();
    }
    store = open(&disk, options);
    assert_eq!(store.health(), Health::Ok, "seed {seed}");
    assert_eq!(listed(&store).unwrap(), all, "seed {seed}, {online}, {:?}", store.recovery());
    for (name, size) in &expected {
        assert_eq!(size_of(&store, bucket, name), *size, "seed {seed}, {online}: {name}");
    }
    store.checkpoint().unwrap();
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "seed {seed}");
}

#[test]
fn a_damaged_index_is_noticed_by_a_scrub_and_made_anew_at_the_start() {
    (0..150).for_each(damage_the_index);
}

/// Empties segments twice, a deletion in between, cuts the power in the second pass, `effects` later, and then finds an index
/// that knows of neither: what a disk that was full leaves, where the index was in memory meanwhile.
pub(super) fn free_segments_that_an_old_index_needs(seed: u64, effects: u64) {
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(4096), ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    let fill = |store: &Store, count: usize| {
        (0..count).for_each(|n| _ = put(store, bucket, &format!("k{}", n % 5), 900).unwrap());
    };
    put(&store, bucket, "deleted", 100).unwrap();
    fill(&store, 20);
    store.close().unwrap();
    drop(store);
    let index = Arc::clone(&disk).open("index.redb", OpenMode::Read).unwrap();
    let mut old = vec![0; index.length().unwrap() as usize];
    index.read_at(&mut old, 0).unwrap();

    let store = open(&disk, options.clone());
    let empty = |id: u64| {
        let (mut only, mut done) = (BTreeSet::from([id]), Compaction::default());
        store.core.compact_step(Thoroughness::Full, Some(&mut only), &mut done).map(|_| done)
    };
    assert_eq!(empty(2).unwrap().segments_freed, 1);
    let last = store.core.segments.sealed().into_keys().next_back().unwrap() + 1;
    delete(&store, bucket, "deleted").unwrap();
    fill(&store, 10);
    disk.set_faults(Faults { power_off_at: Some(disk.effects() + effects), ..Faults::default() });
    let done = empty(last);
    drop(store);
    disk.cut_power();
    let index = Arc::clone(&disk).open("index.redb", OpenMode::Create).unwrap();
    index.set_length(0).unwrap();
    index.write_at(&old, 0).unwrap();
    index.sync_data().unwrap();
    let store = open(&disk, options);
    let what = format!("seed {seed}, {effects} effects: {done:?}, {:?}", store.recovery());
    assert_eq!(store.health(), Health::Ok, "{what}");
    assert_eq!(size_of(&store, bucket, "deleted"), None, "{what}");
    assert_eq!(size_of(&store, bucket, "k4"), Some(900), "{what}");
}

#[test]
fn an_index_that_misses_what_freed_segments_said_is_made_anew_also_while_the_segments_are_there() {
    for seed in 0..4 {
        (0..60).for_each(|effects| free_segments_that_an_old_index_needs(seed, effects));
    }
}

/// All files of a disk, as they are.
fn content(disk: &Arc<SimDisk>) -> Vec<(String, Vec<u8>)> {
    let content = |(path, length): (String, u64)| {
        let mut bytes = vec![0; length as usize];
        disk.open(&path, OpenMode::Read).unwrap().read_at(&mut bytes, 0).unwrap();
        (path, bytes)
    };
    disk.files("").into_iter().map(content).collect()
}

#[test]
fn a_flipped_bit_anywhere_in_the_index_changes_no_answer() {
    let disk = SimDisk::new(3);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    for n in 0..300 {
        put(&store, bucket, &format!("k{n:03}"), n).unwrap();
    }
    store.put_config("identity", "a", Bytes::from("b"), None).wait().unwrap();
    let answers = |store: &Store| {
        let query = ListQuery { bucket, prefix: String::new(), delimiter: None, start_after: None, max_keys: 1000 };
        let names: Vec<String> = store.list(&query).unwrap().entries.into_iter().map(|entry| entry.key).collect();
        let objects = names.iter().map(|name| store.open_object(bucket, &key(name), None, Wait::Allowed).unwrap());
        let data: Vec<_> = objects.map(|object| object.read(0, 1 << 20, Wait::Allowed).unwrap()).collect();
        (names, data, store.bucket_usage(bucket), store.config_rows("identity").unwrap())
    };
    let expected = answers(&store);
    store.close().unwrap();
    drop(store);
    let files = content(&disk);
    let (_, intact) = files.iter().find(|(path, _)| path == "index.redb").unwrap();
    // Most of the file is empty.
    let places: Vec<usize> = (0..intact.len()).filter(|&at| intact[at] != 0).collect();
    let sampled = places.chunks(places.len() / 150).enumerate().map(|(nth, chunk)| chunk[nth % chunk.len()]);
    let mut noticed = [0; 2];
    // Read from front to back, and walked, for the checksums of its blocks are not there.
    for (at, walked) in sampled.flat_map(|at| [(at, 0), (at, 1)]) {
        let copy = SimDisk::new(3);
        for directory in ["log", "bulk"] {
            copy.create_dir(directory).unwrap();
        }
        for (path, bytes) in files.iter().filter(|(path, _)| walked == 0 || path != "index.sums") {
            copy.open(path, OpenMode::CreateNew).unwrap().write_at(bytes, 0).unwrap();
        }
        copy.flip("index.redb", (at * 8 + at % 8) as u64);
        let store = open(&copy, options());
        assert_eq!(answers(&store), expected, "byte {at}");
        assert_eq!(store.health(), Health::Ok, "byte {at}");
        noticed[walked] +=
            usize::from(store.recovery().iter().any(|line| line.contains("do not match their checksums")));
        store.close().unwrap();
    }
    // The others are in pages that are in no tree any more.
    assert!(noticed[0] > 20 && noticed[0] == noticed[1], "{noticed:?} of 150: the pages are compared");
}
