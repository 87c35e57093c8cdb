//! What is told of maintenance: how much is stored in bulk segments, how far a scrub or a backup is, and how fast it may go.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::*;
use engine::*;

const MIB: usize = 1 << 20;

fn put_bulk(store: &Store, bucket: BucketId, name: &str, size: usize) {
    let mut writer = store.bulk_writer().unwrap();
    writer.write(&vec![7; size]).unwrap();
    let body = Body::Bulk(writer.finish().unwrap());
    let (attributes, precondition) = (Attributes::default(), Precondition::default());
    store.put(Put { bucket, key: key(name), body, etag: etag(7), attributes, precondition }).wait().unwrap();
}

/// Bulk segments and their bytes, as the file system has them.
fn bulk_files(directory: &Path) -> (u64, u64) {
    let mut counts = (0, 0);
    for low in std::fs::read_dir(directory.join("bulk")).unwrap() {
        for file in std::fs::read_dir(low.unwrap().path()).unwrap() {
            counts = (counts.0 + 1, counts.1 + file.unwrap().metadata().unwrap().len());
        }
    }
    counts
}

/// Waits for something that another thread does.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn stored(store: &Store) -> Option<(u64, u64)> {
    let stats = store.stats();
    Some((stats.bulk_segments?, stats.bulk_stored_bytes?))
}

#[test]
fn the_bytes_in_bulk_segments_are_those_of_their_files_whatever_comes_and_goes() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let store = Store::open(directory.path(), Options::default()).unwrap();
        let bucket = store.bucket("datalake").map_or_else(|_| new_bucket(&store, "datalake"), |bucket| bucket.id);
        // Some while those of the rounds before are being counted, some afterwards.
        for n in 0..20 {
            put_bulk(&store, bucket, &format!("{round}-{n}"), 70_000 + n);
            if n % 3 == 0 {
                // Of this round or of the one before.
                delete(&store, bucket, &format!("{}-{n}", round - (n % 2) as i32 * round.min(1)), None);
            }
            if n == 10 {
                until(|| stored(&store));
            }
        }
        put_bulk(&store, bucket, "replaced", 1000 * (round as usize + 1));
        drop(store.bulk_writer().unwrap());
        until(|| (stored(&store) == Some(bulk_files(directory.path()))).then_some(()));
        store.close().unwrap();
    }
    assert!(bulk_files(directory.path()).0 > 40);
}

#[test]
fn a_scrub_goes_no_faster_than_it_may_and_says_how_far_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { scrub_bytes_per_second: Some(8 * MIB as u64), ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    let bucket = new_bucket(&store, "datalake");
    for n in 0..4 {
        put_bulk(&store, bucket, &format!("bulk{n}"), MIB);
        put(&store, bucket, &format!("inline{n}"), &vec![7; 50_000]);
    }
    assert_eq!(store.maintenance_progress(), MaintenanceProgress::default());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let scrub = scope.spawn(|| store.scrub().unwrap());
        let mut seen = Vec::new();
        while !scrub.is_finished() {
            seen.extend(store.maintenance_progress().scrub);
            std::thread::sleep(Duration::from_millis(2));
        }
        let report = scrub.join().unwrap();
        assert_eq!((report.bulk_segments, report.damage.len()), (4, 0));
        assert!(seen.is_sorted_by_key(|progress| progress.bytes_done), "{seen:?}");
        let middle = seen.iter().find(|progress| progress.bytes_done > 2 * MIB as u64).unwrap();
        assert_eq!(middle.segments_total, 5);
        assert!(middle.bytes_total > 4 * MIB as u64 + 200_000 && middle.bytes_done < middle.bytes_total, "{middle:?}");
    });
    assert!(began.elapsed() > Duration::from_millis(400), "{:?}", began.elapsed());
    assert_eq!(store.maintenance_progress(), MaintenanceProgress::default());
}

#[test]
fn compaction_goes_on_while_a_backup_is_taken_and_leaves_what_is_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let destination = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: Some(64 << 10),
        low_water_bytes: Some(0),
        backup_bytes_per_second: Some(MIB as u64 / 2),
        ..Options::default()
    };
    let store = Store::open(directory.path(), options).unwrap();
    let bucket = new_bucket(&store, "datalake");
    for n in 0..300 {
        put(&store, bucket, &format!("k{}", n % 40), &bytes(3000, n));
    }
    for n in 0..4 {
        put_bulk(&store, bucket, &format!("bulk{n}"), MIB);
    }
    let taken = std::thread::scope(|scope| {
        let backup = scope.spawn(|| store.backup(destination.path(), false));
        until(|| store.maintenance_progress().backup.filter(|progress| progress.bytes_done > 0));
        // The instant is settled.
        let before = store.stats().segments_freed;
        for n in 300..900 {
            put(&store, bucket, &format!("k{}", n % 40), &bytes(3000, n));
        }
        delete(&store, bucket, "bulk3", None);
        _ = store.compact().unwrap();
        // By the store itself, or just now.
        let freed = store.stats().segments_freed - before;
        assert!(freed > 10, "{freed}");
        assert!(store.maintenance_progress().backup.is_some(), "the backup ended before compaction was tried");
        backup.join().unwrap().unwrap()
    });
    assert!(taken.files_copied > 4, "{taken:?}");
    // What was in the backup is freed afterwards: 40 objects of 3,000 bytes are left.
    _ = store.compact().unwrap();
    assert!(store.stats().log_stored_bytes < 400_000, "{:?}", store.stats());
    let target = tempfile::tempdir().unwrap();
    let restored = target.path().join("data");
    restore(destination.path(), &restored).unwrap();
    let copy = Store::open(&restored, Options::default()).unwrap();
    assert_eq!(copy.health(), Health::Ok);
    for n in 260..300 {
        assert_eq!(get(&copy, bucket, &format!("k{}", n % 40)).unwrap(), bytes(3000, n));
    }
    assert_eq!(get(&copy, bucket, "bulk3").unwrap().len(), MIB);
    copy.close().unwrap();
    assert!(fsck(&restored, Options::default()).unwrap().is_clean());
}

#[test]
fn a_backup_goes_no_faster_than_it_may_says_how_far_it_is_and_ends_with_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let destination = tempfile::tempdir().unwrap();
    let options = Options { backup_bytes_per_second: Some(MIB as u64), ..Options::default() };
    let store = Store::open(directory.path(), options.clone()).unwrap();
    let bucket = new_bucket(&store, "datalake");
    for n in 0..8 {
        put_bulk(&store, bucket, &format!("bulk{n}"), MIB);
    }
    std::thread::scope(|scope| {
        let backup = scope.spawn(|| store.backup(destination.path(), false));
        let seen = until(|| store.maintenance_progress().backup.filter(|progress| progress.segments_done > 0));
        assert_eq!(seen.segments_total, 9);
        assert!(seen.bytes_done >= MIB as u64 && seen.bytes_done < seen.bytes_total, "{seen:?}");
        store.close().unwrap();
        assert!(matches!(backup.join().unwrap(), Err(Error::Closed)));
    });
    // What was copied is kept.
    let store = Store::open(directory.path(), Options { backup_bytes_per_second: Some(0), ..options }).unwrap();
    let report = store.backup(destination.path(), false).unwrap();
    assert!(report.files_kept > 0 && report.files_copied > 0, "{report:?}");
    assert_eq!(report.files_kept + report.files_copied, 9);
}
