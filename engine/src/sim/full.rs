//! Full disks: what is refused, what goes on, and that a node starts again on one.

use std::sync::Arc;

use bytes::Bytes;

use super::fixture::{bucket, commit_group, delete, key, open, options, put, size_of};
use super::{Faults, Rng, SimClock, SimDisk};
use crate::*;

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

pub(super) fn refuse_a_group_and_cut_the_power(seed: u64) {
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(4096), ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    put(&store, bucket, "before", 100).unwrap();
    disk.set_faults(Faults { capacity: Some(disk.used() + 20_000), ..Faults::default() });
    let waiting = commit_group(&store, bucket, &[("small", 100), ("large", 70_000)]);
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
        let mut rng = Rng::new(seed);
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

/// A store that was filled to the brim and killed: its disk, its bucket, and what it held.
fn filled(seed: u64) -> (Arc<SimDisk>, Options, BucketId, Vec<String>) {
    let disk = SimDisk::new(seed);
    let options = Options {
        segment_bytes: Some(256 << 10),
        low_water_bytes: Some(512 << 10),
        memtable_entries_max: [30, 1000][seed as usize % 2],
        ..options()
    };
    disk.set_faults(Faults { capacity: Some(8 << 20), ..Faults::default() });
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    let stored = fill(&store, bucket, "k");
    assert!(stored.len() > 50, "{}", stored.len());
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.kill();
    (disk, options, bucket, stored)
}

#[test]
fn a_store_starts_on_a_disk_without_a_free_byte_and_comes_back_by_deleting() {
    for seed in 0..32 {
        let (disk, options, bucket, stored) = filled(seed);
        let (copies_on_write, lost) = (seed & 2 > 0, seed & 4 > 0);
        if lost {
            disk.lose("index.redb");
        }
        let full = Faults { capacity: Some(disk.used()), copies_on_write, ..Faults::default() };
        disk.set_faults(full);
        let what = format!("seed {seed}, copies on write: {copies_on_write}, index lost: {lost}");
        let vfs = Arc::new(Arc::clone(&disk));
        let store = Store::open_with(vfs, Arc::new(SimClock::default()), options)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(store.health(), Health::Ok, "{what}");
        for name in &stored {
            assert_eq!(size_of(&store, bucket, name), Some(30_000), "{what}: {name}");
        }
        assert!(matches!(put(&store, bucket, "x", 30_000), Err(Error::NoSpace)), "{what}");
        for (n, name) in stored.iter().enumerate() {
            delete(&store, bucket, name).unwrap_or_else(|error| panic!("{what}: deleting {name}: {error}"));
            if n % 25 == 24 {
                store.compact().unwrap_or_else(|error| panic!("{what}: {error}"));
            }
        }
        put(&store, bucket, "again", 30_000).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

/// Somebody else has the space that was set aside, too.
#[test]
fn a_store_starts_without_a_free_byte_and_without_its_reserve() {
    for seed in 0..64 {
        let (disk, options, bucket, stored) = filled(seed);
        for (path, _) in disk.files("log/reserve") {
            disk.lose(&path);
        }
        if seed & 2 > 0 {
            disk.lose("index.redb");
        }
        let full = Faults {
            capacity: Some(disk.used()),
            copies_on_write: seed & 4 > 0,
            names_are_full: seed & 8 > 0,
            ..Faults::default()
        };
        disk.set_faults(full);
        let what = format!("seed {seed}: {full:?}");
        let started = || {
            let vfs = Arc::new(Arc::clone(&disk));
            Store::open_with(vfs, Arc::new(SimClock::default()), options.clone())
                .unwrap_or_else(|error| panic!("{what}: {error}"))
        };
        let holds = |store: &Store| {
            for name in &stored {
                assert_eq!(size_of(store, bucket, name), Some(30_000), "{what}: {name}");
            }
        };
        let store = started();
        holds(&store);
        assert!(put(&store, bucket, "x", 30_000).is_err(), "{what}");
        let stuck = matches!(store.health(), Health::ReadOnly { .. });
        // What is written over in place needs no room, and the index gives some up.
        assert!(
            !stuck || full.copies_on_write && (full.names_are_full || seed & 2 > 0),
            "{what}: {:?}",
            store.health()
        );
        disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
        drop(store);
        disk.cut_power();
        disk.set_faults(full);
        let store = started();
        holds(&store);
        // The space comes back.
        disk.set_faults(Faults::default());
        let store = if matches!(store.health(), Health::ReadOnly { .. }) {
            drop(store);
            started()
        } else {
            store
        };
        assert_eq!(store.health(), Health::Ok, "{what}");
        put(&store, bucket, "again", 30_000).unwrap_or_else(|error| panic!("{what}: {error}"));
        holds(&store);
    }
}

#[test]
fn a_process_killed_again_and_again_without_a_write_makes_no_segments() {
    let disk = SimDisk::new(7);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    put(&store, bucket, "k", 100).unwrap();
    drop(store);
    let mut counts = Vec::new();
    for _ in 0..4 {
        disk.kill();
        let store = open(&disk, options());
        assert_eq!(size_of(&store, bucket, "k"), Some(100));
        counts.push(disk.files("log/").len());
        disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
        drop(store);
    }
    assert_eq!(counts, [counts[0]; 4]);
}

#[test]
fn what_was_refused_and_not_there_after_a_restart_does_not_appear_after_a_power_cut() {
    let mut refused = 0;
    for seed in 0..800 {
        let disk = SimDisk::new(seed);
        let options = Options { segment_bytes: Some(4096), ..options() };
        let store = open(&disk, options.clone());
        let bucket = bucket(&store);
        put(&store, bucket, "before", 100).unwrap();
        // There is room for the first record and a part of the second; that is cut off again, and the cut may not be synced.
        let (capacity, power_off_at) = (Some(disk.used() + 20_000), Some(disk.effects() + 8 + seed % 8));
        disk.set_faults(Faults { capacity, power_off_at, ..Faults::default() });
        let group = commit_group(&store, bucket, &[("refused", 100), ("large", 70_000)]);
        drop((group, store));
        disk.kill();
        let store = open(&disk, options.clone());
        let served = size_of(&store, bucket, "refused");
        refused += u64::from(served.is_none());
        disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
        drop(store);
        disk.cut_power();
        let store = open(&disk, options);
        assert_eq!(store.health(), Health::Ok);
        assert_eq!(size_of(&store, bucket, "before"), Some(100));
        assert_eq!(size_of(&store, bucket, "refused"), served, "seed {seed}");
    }
    assert!(refused > 100, "{refused}");
}
