//! Space: what is dead comes back, what is alive stays, whoever reads meanwhile sees neither.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::*;
use engine::*;

const SEGMENT_BYTES: u64 = 1 << 20;

fn disk_bytes(path: &Path) -> u64 {
    std::fs::read_dir(path)
        .unwrap()
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
            Ok(found) => found.len(),
            // Unlinked in between.
            Err(_) => 0,
        })
        .sum()
}

fn settled(path: &Path, limit: u64) -> u64 {
    let start = Instant::now();
    loop {
        let used = disk_bytes(&path.join("log")) + disk_bytes(&path.join("bulk"));
        if used <= limit || start.elapsed() > Duration::from_secs(20) {
            return used;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Overwrites and deletes everything ten times over; answers what is used at the end and what is alive.
fn churn(path: &Path, sizes: &[usize], count: usize) -> (u64, u64) {
    let store = open(path);
    let bucket = new_bucket(&store, "datalake");
    let mut live = vec![0; count];
    let mut peak = 0;
    for round in 0..10u64 {
        let mut group = Vec::new();
        for n in 0..count {
            // In another order each time.
            let n = (n * 7 + round as usize * 13) % count;
            let name = format!("k{n:04}");
            if (n as u64 + round).is_multiple_of(5) {
                live[n] = 0;
                let request = Delete { bucket, key: key(&name), version: None, precondition: Precondition::default() };
                store.delete(request).wait().unwrap();
                continue;
            }
            let size = sizes[(n + round as usize) % sizes.len()];
            live[n] = size;
            group.push(store.put(put_request(&store, bucket, &name, &bytes(size, n as u64 ^ round))));
            if group.len() == 16 {
                group.drain(..).for_each(|commit| _ = commit.wait().unwrap());
            }
        }
        group.drain(..).for_each(|commit| _ = commit.wait().unwrap());
        peak = peak.max(disk_bytes(&path.join("log")) + disk_bytes(&path.join("bulk")));
    }
    println!("at most {peak} bytes used at the end of a round");
    let alive: usize = live.iter().sum();
    let limit = alive as u64 * 16 / 10 + 4 * SEGMENT_BYTES;
    let used = settled(path, limit);
    for round in 0..2 {
        let store = if round == 0 { store.clone() } else { open(path) };
        for (n, size) in live.iter().enumerate() {
            let found = get(&store, bucket, &format!("k{n:04}"));
            match (size, found) {
                (0, Err(Error::NoSuchKey)) => {}
                (size, Ok(data)) => assert_eq!(data, bytes(*size, n as u64 ^ 9), "k{n:04}"),
                (_, Err(error)) => panic!("k{n:04}: {error}"),
            }
        }
        assert_eq!(store.health(), Health::Ok);
        assert_eq!(store.bucket_usage(bucket).bytes, alive as u64);
        store.close().unwrap();
        std::fs::remove_file(path.join("index.redb")).unwrap();
    }
    (used, alive as u64)
}

#[test]
fn churning_a_store_ten_times_over_keeps_disk_use_near_what_is_alive() {
    let stores = [(&[4096][..], 600), (&[20_000, 300, 4096, 60_000], 300), (&[1_200_000, 9000, 300, 700], 40)];
    for (sizes, count) in stores {
        let directory = tempfile::tempdir().unwrap();
        let (used, alive) = churn(directory.path(), sizes, count);
        let ratio = used as f64 / alive as f64;
        println!("sizes {sizes:?}: {used} bytes used, {alive} alive, ratio {ratio:.2}");
        assert!(used <= alive * 16 / 10 + 4 * SEGMENT_BYTES, "{sizes:?}: {used} used, {alive} alive, {ratio:.2}");
    }
}

#[test]
fn compact_frees_what_is_dead_and_changes_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..2000 {
        put(&store, bucket, &format!("k{:04}", n % 700), &bytes(6000, n));
    }
    for n in 0..100 {
        delete(&store, bucket, &format!("k{n:04}"), None);
    }
    let expected: Vec<_> = keys(&store, bucket).into_iter().map(|name| get(&store, bucket, &name).unwrap()).collect();
    store.compact().unwrap();
    let used = disk_bytes(&directory.path().join("log"));
    assert!(used < 600 * 6200 * 115 / 100 + 2 * SEGMENT_BYTES, "{used}");
    for index_too in [false, true] {
        let found: Vec<_> = keys(&store, bucket).into_iter().map(|name| get(&store, bucket, &name).unwrap()).collect();
        assert_eq!(found, expected);
        let copy = tempfile::tempdir().unwrap();
        store.checkpoint().unwrap();
        copy_tree(directory.path(), copy.path());
        if index_too {
            std::fs::remove_file(copy.path().join("index.redb")).unwrap();
        }
        let copied = open(copy.path());
        assert_eq!(copied.health(), Health::Ok);
        let found: Vec<_> =
            keys(&copied, bucket).into_iter().map(|name| get(&copied, bucket, &name).unwrap()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn readers_never_see_freed_bytes_while_segments_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..200 {
        put(&store, bucket, &format!("k{n:04}"), &bytes(20_000, n));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3u64 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                let mut n = reader;
                while !done.load(Ordering::Relaxed) {
                    n = (n * 31 + 7) % 200;
                    let data = get(store, bucket, &format!("k{n:04}")).unwrap();
                    assert!((0..6).any(|round| data == bytes(20_000, n + round * 1000)), "k{n:04}");
                }
            });
        }
        let held = store.open_object(bucket, &key("k0199"), None, Wait::Allowed).unwrap();
        for round in 1..6 {
            for n in 0..200 {
                put(&store, bucket, &format!("k{n:04}"), &bytes(20_000, n + round * 1000));
            }
            store.compact().unwrap();
        }
        assert_eq!(read_all(&held).unwrap(), bytes(20_000, 199), "an object that is held stays readable");
        done.store(true, Ordering::Relaxed);
    });
    assert!(store.stats().segments_freed > 10, "{:?}", store.stats());
}

#[test]
fn what_was_deleted_stays_deleted_after_compaction_also_without_the_index() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    // An old segment keeps a dead object among many that are alive.
    put(&store, bucket, "dead", &bytes(1000, 1));
    for n in 0..160 {
        put(&store, bucket, &format!("alive{n:03}"), &bytes(6000, n));
    }
    store.put_config("identity", "revoked", Bytes::from("key"), None).wait().unwrap();
    delete(&store, bucket, "dead", None);
    store.delete_config("identity", "revoked", None).wait().unwrap();
    // What deletes them lies in a segment that is otherwise garbage.
    for _ in 0..3 {
        for n in 0..160 {
            put(&store, bucket, "churn", &bytes(6000, n));
        }
        store.compact().unwrap();
    }
    store.close().unwrap();
    std::fs::remove_file(directory.path().join("index.redb")).unwrap();
    let store = open(directory.path());
    assert!(matches!(get(&store, bucket, "dead"), Err(Error::NoSuchKey)));
    assert_eq!(store.config("identity", "revoked").unwrap(), None);
    assert_eq!(keys(&store, bucket).len(), 161);
}

#[test]
fn an_index_from_before_segments_were_freed_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..400 {
        put(&store, bucket, &format!("k{n:03}"), &bytes(6000, n));
    }
    store.close().unwrap();
    let stale = std::fs::read(directory.path().join("index.redb")).unwrap();
    let store = open(directory.path());
    for n in 0..400 {
        put(&store, bucket, &format!("k{n:03}"), &bytes(6000, n + 1));
    }
    for n in 0..600 {
        put(&store, bucket, "other", &bytes(6000, n));
    }
    store.compact().unwrap();
    store.close().unwrap();
    std::fs::write(directory.path().join("index.redb"), stale).unwrap();
    let store = open(directory.path());
    assert_eq!(store.health(), Health::Ok);
    assert!(store.recovery().iter().any(|line| line.contains("rebuilt")), "{:?}", store.recovery());
    for n in 0..400 {
        assert_eq!(get(&store, bucket, &format!("k{n:03}")).unwrap(), bytes(6000, n + 1));
    }
}
