//! Vacuum of the index: it answers as before, it is smaller, and a cut at any moment leaves one index or the other.

use std::sync::Arc;

use bytes::Bytes;

use super::fixture::{bucket, delete, open, options, put, size_of};
use super::{Faults, Rng, SimClock, SimDisk};
use crate::row::Table;
use crate::sync::lock;
use crate::*;

/// The power goes at the given call to the disk during a vacuum; answers whether that was over before.
pub(super) fn cut_the_power_in_a_vacuum(effect: u64, seed: u64) -> bool {
    let disk = SimDisk::new(seed);
    let options = Options { segment_bytes: Some(4096), memtable_entries_max: 10, ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    for n in 0..40usize {
        put(&store, bucket, &format!("k{:02}", n % 25), 300 + n).unwrap();
    }
    let off_at = disk.effects() + effect;
    disk.set_faults(Faults { power_off_at: Some(off_at), ..Faults::default() });
    // Whatever it answers.
    let _ = store.core.vacuum();
    let over = disk.effects() < off_at;
    // What is acknowledged on the new index is there, and segments are freed by it.
    let after = put(&store, bucket, "after", 10).is_ok();
    let _ = store.compact();
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    if seed.is_multiple_of(2) {
        disk.cut_power()
    } else {
        disk.kill()
    }
    let store = open(&disk, options);
    let place = format!("effect {effect}, seed {seed}");
    assert_eq!(store.health(), Health::Ok, "{place}");
    for n in 0..25 {
        let size = if n < 15 { 325 + n } else { 300 + n };
        assert_eq!(size_of(&store, bucket, &format!("k{n:02}")), Some(size), "{place}: k{n:02}");
    }
    assert!(!after || size_of(&store, bucket, "after") == Some(10), "{place}");
    store.checkpoint().unwrap();
    assert_eq!(store.core.compare_with_recount().unwrap(), [""; 0], "{place}");
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0], "{place}");
    over
}

#[test]
fn a_cut_at_any_call_of_a_vacuum_loses_nothing() {
    let mut effect = 0;
    while !(0..6).map(|seed| cut_the_power_in_a_vacuum(effect, seed)).fold(false, |any, over| any | over) {
        effect += 1;
    }
    assert!(effect > 8, "{effect}");
}

#[test]
fn an_index_that_has_grown_is_smaller_after_a_vacuum_and_says_the_same() {
    let disk = SimDisk::new(1);
    let options = Options { segment_bytes: Some(1 << 20), memtable_entries_max: 200, ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    let mut rng = Rng::new(1);
    for _ in 0..20_000 {
        let name = format!("{:05}", rng.below(12_000));
        if rng.below(3) == 0 {
            delete(&store, bucket, &name).unwrap();
        } else {
            put(&store, bucket, &name, 10).unwrap();
        }
    }
    store.checkpoint().unwrap();
    let length = || disk.files("index.redb")[0].1;
    let before = length();
    store.core.vacuum().unwrap();
    assert_eq!(disk.files("index.redb").len(), 1, "nothing is left over");
    let objects = store.bucket_usage(bucket).objects;
    assert!(length() * 3 < before * 2 && length() < 300 * objects, "{before} bytes, then {} for {objects}", length());
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0]);
    put(&store, bucket, "later", 10).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    disk.cut_power();
    let store = open(&disk, options);
    assert_eq!(store.recovery(), [""; 0], "the index is the one that was written");
    assert_eq!(size_of(&store, bucket, "later"), Some(10));
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0]);
}

#[test]
fn an_index_of_many_rows_that_are_no_objects_is_copied_only_once_it_is_half_empty() {
    let disk = SimDisk::new(2);
    let store = open(&disk, options());
    let change = |nth: usize, value: Option<Vec<u8>>| ConfigChange {
        namespace: "rows".to_owned(),
        key: format!("{nth:05}"),
        value: value.map(Bytes::from),
        expected_revision: None,
    };
    for batch in 0..20 {
        let rows = (0..1000).map(|nth| change(batch * 1000 + nth, Some(vec![7; 1000]))).collect();
        store.put_config_batch(rows).wait().unwrap();
    }
    store.checkpoint().unwrap();
    let length = || disk.files("index.redb")[0].1;
    let before = length();
    assert!(before > 20 << 20 && !store.core.vacuum_if_grown().unwrap(), "{before} bytes: it is full");
    for batch in 0..19 {
        store.put_config_batch((0..1000).map(|nth| change(batch * 1000 + nth, None)).collect()).wait().unwrap();
    }
    store.checkpoint().unwrap();
    // What was looked at is not looked at again in this run of the store.
    drop(store);
    let store = open(&disk, options());
    assert!(length() > 16 << 20 && store.core.vacuum_if_grown().unwrap(), "{} bytes: it is empty", length());
    assert!(length() < before / 4, "{} bytes are left", length());
    assert_eq!(store.config_rows("rows").unwrap().len(), 1000);
    assert_eq!(store.core.compare_with_rebuild().unwrap(), [""; 0]);
}

#[test]
fn an_index_in_memory_gets_its_place_on_the_disk_when_there_is_room() {
    let disk = SimDisk::new(4);
    let options = Options { low_water_bytes: Some(1 << 20), ..options() };
    let store = open(&disk, options.clone());
    let bucket = bucket(&store);
    for n in 0..200 {
        put(&store, bucket, &format!("k{n:03}"), 20).unwrap();
    }
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.kill();
    disk.lose("index.redb");
    for (path, _) in disk.files("log/reserve") {
        disk.lose(&path);
    }
    disk.set_faults(Faults { capacity: Some(disk.used()), ..Faults::default() });
    let vfs = Arc::new(Arc::clone(&disk));
    let store = Store::open_with(vfs, Arc::new(SimClock::default()), options.clone()).unwrap();
    assert!(store.recovery().iter().any(|line| line.contains("in memory")), "{:?}", store.recovery());
    assert!(!store.core.vacuum_if_grown().unwrap(), "there is no room yet");
    disk.set_faults(Faults::default());
    put(&store, bucket, "later", 20).unwrap();
    assert!(store.core.vacuum_if_grown().unwrap());
    store.checkpoint().unwrap();
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.cut_power();
    let store = open(&disk, options);
    assert_eq!(store.recovery(), [""; 0]);
    for name in ["k000", "k199", "later"] {
        assert_eq!(size_of(&store, bucket, name), Some(20), "{name}");
    }
}

#[test]
fn whoever_reads_when_the_index_is_replaced_goes_on_reading() {
    let disk = SimDisk::new(1);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    (0..50).for_each(|n| _ = put(&store, bucket, &format!("k{n:02}"), 300).unwrap());
    store.checkpoint().unwrap();
    let view = store.core.view.load_full();
    let mut scan = view.scan(Table::Current, &[], &[]).unwrap();
    store.core.vacuum().unwrap();
    store.core.close_replaced();
    assert_eq!(lock(&store.core.replaced).len(), 1, "it is read");
    let mut rows = 0;
    while scan.next().unwrap().is_some() {
        rows += 1;
    }
    assert_eq!(rows, 50);
    drop(scan);
    drop(view);
    store.core.close_replaced();
    assert_eq!(lock(&store.core.replaced).len(), 0);
    assert_eq!(size_of(&store, bucket, "k07"), Some(300));
}
