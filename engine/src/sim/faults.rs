//! Failing syncs: nothing is acknowledged after one, and what it left in the page cache is not trusted.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::fixture::{bucket, delete, open, options, put, size_of};
use super::{Faults, Rng, SimClock, SimDisk};
use crate::*;

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

pub(super) fn serve_an_unproven_record_and_cut_the_power(seed: u64) {
    let disk = SimDisk::new(seed);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    put(&store, bucket, "before", 100).unwrap();
    disk.set_faults(Faults { sync_fails_at: Some(disk.effects()), ..Faults::default() });
    assert!(put(&store, bucket, "unproven", 2000).is_err());
    drop(store);
    disk.kill();
    if !seed.is_multiple_of(2) {
        // There is room for nothing but what is there.
        disk.set_faults(Faults { capacity: Some(disk.used()), names_are_full: true, ..Faults::default() });
    }
    let store = open(&disk, options());
    assert_eq!(store.health(), Health::Ok, "seed {seed}");
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

pub(super) fn fail_a_sync_of_the_index(seed: u64) {
    let mut rng = Rng::new(seed);
    let disk = SimDisk::new(seed);
    let store = open(&disk, options());
    let bucket = bucket(&store);
    let mut expected = BTreeMap::new();
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
