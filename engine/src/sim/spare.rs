//! Segments that are written ahead: taken while groups are small, cut off at the end, and never in the way of what is stored.

use super::fixture::{bucket, open, options, put, size_of};
use super::{Faults, SimDisk};
use crate::*;

const SEGMENT_BYTES: u64 = 16 << 10;
const SPARE: &str = "log/spare.tmp";

fn small() -> Options {
    Options { segment_bytes: Some(SEGMENT_BYTES), ..options() }
}

fn spares(disk: &SimDisk) -> Vec<u64> {
    disk.files("log/").into_iter().filter(|(path, _)| path == SPARE).map(|(_, length)| length).collect()
}

fn longest_segment(disk: &SimDisk) -> u64 {
    let segments = disk.files("log/").into_iter().filter(|(path, _)| path.ends_with(".seg"));
    segments.map(|(_, length)| length).max().unwrap_or(0)
}

#[test]
fn a_segment_written_ahead_takes_the_place_of_one_that_is_not_and_ends_where_its_records_do() {
    let disk = SimDisk::new(1);
    let store = open(&disk, small());
    let bucket = bucket(&store);
    put(&store, bucket, "before", 100).unwrap();
    store.core.make_spare();
    assert_eq!(spares(&disk), [SEGMENT_BYTES]);
    put(&store, bucket, "after", 100).unwrap();
    assert!(spares(&disk).is_empty(), "it has a name");
    assert_eq!(longest_segment(&disk), SEGMENT_BYTES);
    assert_eq!(store.stats().segments, 2);
    put(&store, bucket, "again", 100).unwrap();
    assert_eq!(store.stats().segments, 2, "one that was written ahead is not exchanged");
    store.close().unwrap();
    drop(store);
    assert!(longest_segment(&disk) < SEGMENT_BYTES / 2, "an orderly end cuts off what is not used");
    let store = open(&disk, small());
    assert_eq!(store.stats().segments, 2, "a segment that ends where it was proven to is appended to");
    for name in ["before", "after", "again"] {
        assert_eq!(size_of(&store, bucket, name), Some(100));
    }
}

#[test]
fn a_cut_anywhere_in_a_segment_written_ahead_leaves_what_was_acknowledged() {
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        let store = open(&disk, small());
        let bucket = bucket(&store);
        put(&store, bucket, "before", 100).unwrap();
        let effects = disk.effects();
        disk.set_faults(Faults { power_off_at: Some(effects + seed % 40), ..Faults::default() });
        let mut acknowledged = vec!["before".to_owned()];
        for n in 0..12 {
            if n % 4 == 0 {
                store.core.make_spare();
            }
            let name = format!("k{n}");
            if put(&store, bucket, &name, 900).is_ok() {
                acknowledged.push(name);
            }
        }
        drop(store);
        if seed % 3 == 0 {
            disk.kill();
        } else {
            disk.cut_power();
        }
        disk.set_faults(Faults::default());
        let store = open(&disk, small());
        assert_eq!(store.health(), Health::Ok, "seed {seed}");
        for name in &acknowledged {
            assert!(size_of(&store, bucket, name).is_some(), "seed {seed}: {name}");
        }
        put(&store, bucket, "later", 100).unwrap();
        assert!(spares(&disk).is_empty(), "seed {seed}");
    }
}

#[test]
fn nothing_is_written_ahead_where_space_is_short_and_what_was_is_given_back() {
    let disk = SimDisk::new(1);
    let store = open(&disk, Options { low_water_bytes: Some(64 << 10), ..small() });
    let bucket = bucket(&store);
    put(&store, bucket, "k", 100).unwrap();
    store.core.make_spare();
    assert_eq!(spares(&disk), [SEGMENT_BYTES]);
    disk.set_faults(Faults { capacity: Some(disk.used() + 1000), ..Faults::default() });
    store.core.look_at_space();
    assert!(spares(&disk).is_empty());
    assert!(matches!(put(&store, bucket, "refused", 100), Err(Error::NoSpace)));
    store.core.make_spare();
    assert!(spares(&disk).is_empty());
}

#[test]
fn a_file_is_asked_for_by_small_groups_alone() {
    let asked = |groups, bytes| {
        let disk = SimDisk::new(1);
        let store = open(&disk, small());
        store.core.spare.ask(groups, bytes);
        store.core.spare.is_wanted()
    };
    assert!(asked(32, 32 * 4096));
    assert!(!asked(31, 31 * 4096), "not known yet");
    assert!(!asked(32, 32 * (64 << 10)), "the data takes the time");
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let disk = SimDisk::new(1);
    let store = open(&disk, small());
    let bucket = bucket(&store);
    put(&store, bucket, "k", 100).unwrap();
    store.core.make_spare();
    disk.set_faults(Faults { power_off_at: Some(0), ..Faults::default() });
    drop(store);
    disk.kill();
    assert_eq!(spares(&disk).len(), 1);
    disk.set_faults(Faults::default());
    let store = open(&disk, small());
    assert!(spares(&disk).is_empty());
    assert_eq!(size_of(&store, bucket, "k"), Some(100));
}
