//! Backup and restore: the store at one instant, taken while it goes on.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use common::*;
use engine::*;

fn everything(store: &Store) -> BTreeMap<String, Vec<u8>> {
    let bucket = store.bucket("datalake").unwrap().id;
    keys(store, bucket).into_iter().map(|name| (name.clone(), get(store, bucket, &name).unwrap())).collect()
}

fn restored(backup: &Path) -> BTreeMap<String, Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    restore(backup, directory.path()).unwrap();
    let report = fsck(directory.path(), options()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let store = open(directory.path());
    assert_eq!(store.health(), Health::Ok);
    put(&store, store.bucket("datalake").unwrap().id, "new", b"goes on");
    let mut found = everything(&store);
    assert_eq!(found.remove("new").unwrap(), b"goes on");
    found
}

fn churn(store: &Store, bucket: BucketId, round: u64) {
    for n in 0..150u64 {
        let size = if n == 7 { 1_300_000 } else { 9000 };
        put(store, bucket, &format!("k{n:03}"), &bytes(size, n + round * 1000));
    }
    for n in 0..10 {
        delete(store, bucket, &format!("k{n:03}", n = n * 9 + round), None);
    }
    store.compact().unwrap();
}

#[test]
fn a_backup_equals_the_store_at_one_instant_also_after_the_source_was_churned_three_times_over() {
    let (directory, linked, copied) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    churn(&store, bucket, 0);
    let expected = everything(&store);
    let report = store.backup(linked.path(), true).unwrap();
    assert!(report.files_linked > 0, "{report:?}");
    let report = store.backup(copied.path(), false).unwrap();
    assert_eq!(report.files_linked, 0);
    for round in 1..4 {
        churn(&store, bucket, round);
    }
    assert!(everything(&store) != expected);
    for backup in [linked.path(), copied.path()] {
        assert!(restored(backup) == expected);
    }
    // Incremental: what is there already is kept, what is gone is removed.
    put(&store, bucket, "one more", b"1");
    let expected = everything(&store);
    store.backup(copied.path(), false).unwrap();
    put(&store, bucket, "one more", b"2");
    let expected_later = everything(&store);
    let report = store.backup(copied.path(), false).unwrap();
    assert!(report.files_kept > report.files_copied, "{report:?}");
    assert!(expected != expected_later && restored(copied.path()) == expected_later);
    store.close().unwrap();
    drop(store);
    std::fs::remove_dir_all(directory.path()).unwrap();
    assert!(restored(copied.path()) == expected_later, "a copy needs nothing of the source");
}

#[test]
fn a_backup_taken_under_load_is_a_prefix_of_what_was_acknowledged() {
    let (directory, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..100 {
        put(&store, bucket, &format!("k{n:03}"), &bytes(20_000, n));
    }
    let acknowledged = AtomicU64::new(0);
    let started = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..1500u64 {
                started.store(n, Ordering::SeqCst);
                put(&store, bucket, &format!("n{:05}", n), &bytes(3000, n));
                put(&store, bucket, &format!("k{:03}", n % 100), &bytes(20_000, n % 100));
                acknowledged.store(n, Ordering::SeqCst);
            }
        });
        let mut count = 0;
        while !writer.is_finished() {
            let before = acknowledged.load(Ordering::SeqCst);
            store.backup(backup.path(), count % 2 == 0).unwrap();
            let after = started.load(Ordering::SeqCst);
            if count % 4 == 0 {
                let found = restored(backup.path());
                let numbers: Vec<_> = found.keys().filter(|name| name.starts_with('n')).collect();
                let n = numbers.len() as u64;
                assert!(numbers.last().is_none_or(|last| **last == format!("n{:05}", n - 1)), "no prefix");
                assert!(before <= n && n <= after + 1, "{before} {n} {after}");
                assert!((0..100).all(|n| found[&format!("k{n:03}")] == bytes(20_000, n)));
            }
            count += 1;
        }
    });
}

#[test]
fn a_damaged_backup_or_a_full_destination_is_refused() {
    let (directory, backup, target) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    churn(&store, bucket, 0);
    store.backup(backup.path(), false).unwrap();
    std::fs::write(target.path().join("mine"), "x").unwrap();
    assert!(matches!(restore(backup.path(), target.path()), Err(OpenError::NotADataDirectory(_))));
    assert!(matches!(restore(target.path(), &target.path().join("new")), Err(OpenError::Damaged { .. })));
    let list = std::fs::read_to_string(backup.path().join("BACKUP")).unwrap();
    std::fs::write(backup.path().join("BACKUP"), list.replacen("seq ", "seq 9", 1)).unwrap();
    let refused = restore(backup.path(), &target.path().join("other")).unwrap_err();
    assert!(matches!(&refused, OpenError::Damaged { path, .. } if path == backup.path()), "{refused:?}");
    std::fs::write(backup.path().join("BACKUP"), list).unwrap();
    std::fs::remove_file(std::fs::read_dir(backup.path().join("log")).unwrap().next().unwrap().unwrap().path())
        .unwrap();
    let refused = restore(backup.path(), &target.path().join("third")).unwrap_err();
    assert!(refused.to_string().contains("is missing"), "{refused}");
}

#[test]
fn a_destination_of_others_is_refused_and_left_as_it_is() {
    let (one, two, backup, mine) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let (first, second) = (open(one.path()), open(two.path()));
    for (store, salt) in [(&first, 1), (&second, 2)] {
        let bucket = new_bucket(store, "datalake");
        put(store, bucket, "large", &bytes(2_000_000, salt));
    }
    first.backup(backup.path(), false).unwrap();
    let expected = everything(&first);
    fs::write(mine.path().join("thesis.txt"), "work").unwrap();
    for destination in [backup.path(), mine.path(), one.path()] {
        let refused = second.backup(destination, false);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{}: {refused:?}", destination.display());
    }
    assert_eq!(fs::read_dir(mine.path()).unwrap().count(), 1);
    assert!(restored(backup.path()) == expected);
    assert!(everything(&first) == expected);
}

#[test]
fn a_first_backup_that_was_interrupted_is_gone_on_with() {
    let (directory, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    churn(&store, bucket, 0);
    fs::write(backup.path().join("secret.key.fingerprint"), "of the server").unwrap();
    store.backup(backup.path(), false).unwrap();
    fs::rename(backup.path().join("BACKUP"), backup.path().join("BACKUP.tmp")).unwrap();
    let report = store.backup(backup.path(), false).unwrap();
    assert!(report.files_kept > 0, "{report:?}");
    assert!(restored(backup.path()) == everything(&store));
}

#[test]
fn a_backup_of_a_store_that_went_another_way_keeps_nothing_of_the_first() {
    let (directory, early, late, other) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "common", b"past");
    store.backup(early.path(), false).unwrap();
    restore(early.path(), other.path()).unwrap();
    let twin = open(other.path());
    // The same ids and lengths, and other contents.
    for (store, salt) in [(&store, 1), (&twin, 2)] {
        put(store, bucket, "large", &bytes(2_000_000, salt));
        for n in 0..300 {
            put(store, bucket, &format!("k{n:03}"), &bytes(9000, salt * 1000 + n));
        }
    }
    store.backup(late.path(), false).unwrap();
    twin.backup(late.path(), false).unwrap();
    assert!(restored(late.path()) == everything(&twin));
}
