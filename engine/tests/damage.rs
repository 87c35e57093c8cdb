//! Damage and failing disks on real files: never wrong bytes, never a silent loss, never a false alarm.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::*;
use engine::*;

/// A data directory as a killed process leaves it: copied while the store is open.
fn killed(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(directory, copy.path());
    copy
}

fn bulk_file(directory: &Path) -> PathBuf {
    fs::read_dir(directory.join("bulk"))
        .unwrap()
        .flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .next()
        .unwrap()
}

#[test]
fn f10_a_killed_process_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..300 {
        put(&store, bucket, &format!("k{n:03}"), &bytes(5000, n));
    }
    put(&store, bucket, "large", &bytes(2_000_000, 1));
    let copy = killed(directory.path());
    for _ in 0..3 {
        let store = open(copy.path());
        assert_eq!(store.health(), Health::Ok);
        assert_eq!(keys(&store, bucket).len(), 301);
        assert_eq!(get(&store, bucket, "k299").unwrap(), bytes(5000, 299));
        assert_eq!(get(&store, bucket, "large").unwrap(), bytes(2_000_000, 1));
        put(&store, bucket, "k299", &bytes(5000, 299));
        let again = killed(copy.path());
        let reopened = open(again.path());
        assert_eq!(keys(&reopened, bucket).len(), 301);
    }
}

#[test]
fn torn_record_at_tail_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "a", &bytes(5000, 1));
    put(&store, bucket, "b", &bytes(5000, 2));
    let copy = killed(directory.path());
    let last = segments(copy.path()).pop().unwrap();
    let length = fs::metadata(&last).unwrap().len();
    for cut in [8, 100, 4990, 5100] {
        let torn = killed(copy.path());
        let last = segments(torn.path()).pop().unwrap();
        fs::OpenOptions::new().write(true).open(&last).unwrap().set_len(length - cut).unwrap();
        let store = open(torn.path());
        assert_eq!(store.health(), Health::Ok, "{cut}");
        assert_eq!(keys(&store, bucket), ["a"]);
        put(&store, bucket, "c", b"goes on");
        store.close().unwrap();
        assert_eq!(keys(&open(torn.path()), bucket), ["a", "c"]);
    }
    // Bytes that were never synced may be anything.
    let mut file = fs::OpenOptions::new().append(true).open(&last).unwrap();
    file.write_all(&bytes(3000, 9)).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let store = open(copy.path());
    assert_eq!(store.health(), Health::Ok);
    assert_eq!(keys(&store, bucket), ["a", "b"]);
}

/// Ten objects that no index knows of, as a killed process leaves them, the log's last segment, and where a record in it
/// begins. `k3` was stored twice, once before `k5` and once after that.
fn ten() -> (tempfile::TempDir, PathBuf, BucketId, impl Fn(&str) -> u64) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..10 {
        if n == 8 {
            put(&store, bucket, "k3", &bytes(5000, 33));
        }
        put(&store, bucket, &format!("k{n}"), &bytes(5000, n));
    }
    let copy = killed(directory.path());
    let log = segments(copy.path()).pop().unwrap();
    let content = fs::read(&log).unwrap();
    let record = move |name: &str| {
        let at = content.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
        at as u64 - 64
    };
    (copy, log, bucket, record)
}

fn is_damaged<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Damaged { .. }))
}

fn list(store: &Store, bucket: BucketId, prefix: &str) -> Result<Vec<String>, Error> {
    let query = ListQuery { bucket, prefix: prefix.to_owned(), delimiter: None, start_after: None, max_keys: 1000 };
    Ok(store.list(&query)?.entries.into_iter().map(|entry| entry.key).collect())
}

#[test]
fn rot_in_the_log_is_reported_and_the_rest_is_served() {
    let (directory, log, bucket, record) = ten();
    // One bit of the header, the key, or the metadata of a record that later ones prove to have been synced.
    for bit in [20, 64, 66, 90] {
        flip(&log, record("k5") + bit);
        let before = fs::read(&log).unwrap();
        let store = open(directory.path());
        let Health::Damaged { damage } = store.health() else { panic!("rot was taken for a torn tail") };
        assert!(damage[0].contains(&format!("offset {}", record("k5"))), "{damage:?}");
        assert_eq!(list(&store, bucket, "").unwrap().len(), 10);
        for n in 0..10 {
            let found = get(&store, bucket, &format!("k{n}"));
            let seed = if n == 3 { 33 } else { n };
            assert!(if n == 5 { is_damaged(&found) } else { found.unwrap() == bytes(5000, seed) }, "k{n}");
        }
        assert!(matches!(store.put(put_request(&store, bucket, "x", b"x")).wait(), Err(Error::ReadOnly { .. })));
        assert!(matches!(store.bulk_writer(), Err(Error::ReadOnly { .. })));
        store.close().unwrap();
        assert_eq!(fs::read(&log).unwrap(), before, "nothing is cut off");
        flip(&log, record("k5") + bit);
    }
}

#[test]
fn behind_rot_nothing_older_is_served_and_no_listing_is_short() {
    let (directory, log, bucket, record) = ten();
    let write = |at: u64, bytes: &[u8]| {
        let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
        file.write_all_at(bytes, at).unwrap();
    };
    // What the record was about is gone, where the next one lies is not.
    write(record("k5") + 60, &[0xee; 40]);
    let store = open(directory.path());
    assert!(matches!(store.health(), Health::Damaged { .. }));
    for (name, seed) in [("k3", 33), ("k6", 6), ("k7", 7), ("k9", 9)] {
        assert_eq!(get(&store, bucket, name).unwrap(), bytes(5000, seed), "{name} came after what was lost");
    }
    for name in ["k0", "k2", "k4", "k5", "new"] {
        assert!(is_damaged(&get(&store, bucket, name)), "{name}");
    }
    assert!(is_damaged(&list(&store, bucket, "")) && is_damaged(&list(&store, bucket, "k9")));
    let missing = store.head(bucket, &key("k4"), None, Wait::Allowed);
    assert!(is_damaged(&missing), "{missing:?}");
    drop(store);
    // Nor is that known.
    write(record("k5"), &[0; 512]);
    let store = open(directory.path());
    for n in 0..10 {
        assert!(is_damaged(&get(&store, bucket, &format!("k{n}"))), "k{n}");
    }
    assert!(is_damaged(&list(&store, bucket, "")));
    drop(store);
    // The same without an index, and with a whole segment.
    for path in [directory.path().join("index.redb"), log.clone()] {
        fs::remove_file(path).unwrap();
        let store = open(directory.path());
        let Health::Damaged { .. } = store.health() else { panic!("not noticed") };
        assert!(store.bucket("datalake").is_err() || is_damaged(&get(&store, bucket, "k3")));
    }
}

#[test]
fn behind_a_rotten_delete_its_key_alone_is_in_doubt() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for name in ["a/1", "a/2", "b/1"] {
        put(&store, bucket, name, b"x");
    }
    delete(&store, bucket, "a/2", None);
    put(&store, bucket, "b/2", b"x");
    store.put_config("identity", "bruce", "first".into(), None).wait().unwrap();
    store.put_config("identity", "clara", "first".into(), None).wait().unwrap();
    store.put_config("identity", "bruce", "revoked".into(), None).wait().unwrap();
    put(&store, bucket, "b/3", b"x");
    let copy = killed(directory.path());
    let log = segments(copy.path()).pop().unwrap();
    let content = fs::read(&log).unwrap();
    let last = |needle: &str| {
        let at = content.windows(needle.len()).rposition(|window| window == needle.as_bytes()).unwrap();
        at as u64
    };
    flip(&log, last("a/2"));
    flip(&log, last("revoked"));
    let store = open(copy.path());
    assert!(is_damaged(&get(&store, bucket, "a/2")), "it was deleted, or not");
    assert!(is_damaged(&list(&store, bucket, "")) && is_damaged(&list(&store, bucket, "a/")));
    assert_eq!(list(&store, bucket, "b/").unwrap(), ["b/1", "b/2", "b/3"]);
    assert_eq!(get(&store, bucket, "a/1").unwrap(), b"x");
    assert!(matches!(get(&store, bucket, "c"), Err(Error::NoSuchKey)));
    let rows = store.config_rows("identity").unwrap();
    assert_eq!(rows[0], Err(DamagedConfigRow { key: "bruce".into() }), "never the older one");
    assert_eq!(rows[1].as_ref().unwrap().value, "first");
    assert_eq!(store.config_rows_with_prefix("identity", "bru").unwrap(), rows[..1]);
    assert_eq!(store.config_rows_with_prefix("identity", &rows[1].as_ref().unwrap().key).unwrap(), rows[1..]);
    assert!(is_damaged(&store.config("identity", "bruce")));
}

#[test]
fn i5_a_flipped_bit_is_an_error_and_never_wrong_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "small", &bytes(3000, 1));
    put(&store, bucket, "inline", &bytes(500_000, 2));
    put(&store, bucket, "bulk", &bytes(2_000_000, 3));
    put(&store, bucket, "other", b"intact");
    store.close().unwrap();
    let log = segments(directory.path()).pop().unwrap();
    let content = fs::read(&log).unwrap();
    let find = |needle: &[u8]| content.windows(needle.len()).position(|window| window == needle).unwrap() as u64;
    let small = find(&bytes(3000, 1)) + 1500;
    let inline = find(&bytes(500_000, 2)[..64]) + 200_000;
    let check = |name: &str, path: &Path, offset: u64| {
        flip(path, offset);
        let store = open(directory.path());
        let outcome = get(&store, bucket, name);
        assert!(matches!(outcome, Err(Error::Damaged { .. })), "{name}: {:?}", outcome.map(|data| data.len()));
        assert_eq!(get(&store, bucket, "other").unwrap(), b"intact");
        store.close().unwrap();
        flip(path, offset);
    };
    check("small", &log, small);
    check("small", &log, small - 1500 - 30);
    check("inline", &log, inline);
    let bulk = bulk_file(directory.path());
    check("bulk", &bulk, 1_000_000);
    check("bulk", &bulk, 2_000_000 + 60);
    // Blocks that are intact are served all the same.
    flip(&bulk, 1_000_000);
    let store = open(directory.path());
    let object = store.open_object(bucket, &key("bulk"), None, Wait::Allowed).unwrap();
    assert_eq!(object.read(0, 65_536, Wait::Allowed).unwrap(), bytes(2_000_000, 3)[..65_536]);
    assert!(object.read(990_000, 20_000, Wait::Allowed).is_err());
    store.close().unwrap();
    flip(&bulk, 1_000_000);
    fs::remove_file(&bulk).unwrap();
    assert!(matches!(get(&open(directory.path()), bucket, "bulk"), Err(Error::Damaged { .. })));
}

#[test]
fn a_swapped_bulk_segment_is_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "one", &bytes(2_000_000, 1));
    let one = bulk_file(directory.path());
    put(&store, bucket, "two", &bytes(2_000_000, 2));
    store.close().unwrap();
    let directories = fs::read_dir(directory.path().join("bulk")).unwrap();
    let two = directories
        .flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .find(|path| *path != one)
        .unwrap();
    fs::copy(&one, &two).unwrap();
    let store = open(directory.path());
    assert_eq!(get(&store, bucket, "one").unwrap(), bytes(2_000_000, 1));
    assert!(matches!(get(&store, bucket, "two"), Err(Error::Damaged { .. })));
}

#[test]
fn i7_a_missing_segment_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..600 {
        put(&store, bucket, &format!("k{n:03}"), &bytes(6000, n));
    }
    store.close().unwrap();
    let all = segments(directory.path());
    assert!(all.len() >= 4);
    for (position, path) in all.iter().enumerate() {
        for index_too in [false, true] {
            let copy = killed(directory.path());
            fs::remove_file(copy.path().join("log").join(path.file_name().unwrap())).unwrap();
            if index_too {
                fs::remove_file(copy.path().join("index.redb")).unwrap();
            }
            let store = open(copy.path());
            assert!(matches!(store.health(), Health::Damaged { .. }), "segment {position}, index gone: {index_too}");
            assert!(matches!(store.create_bucket_named("x"), Err(Error::ReadOnly { .. })));
            // With its index, whose mark lies behind the loss, it is known what was lost, and nothing else is in doubt.
            let is_newest = position + 1 == all.len();
            match get(&store, bucket, "never") {
                Err(Error::NoSuchKey) => assert!(!index_too && !is_newest, "segment {position}"),
                other => assert!(is_damaged(&other) && (index_too || is_newest), "segment {position}: {other:?}"),
            }
            for n in 0..600 {
                match get(&store, bucket, &format!("k{n:03}")) {
                    Ok(found) => assert_eq!(found, bytes(6000, n)),
                    lost => assert!(is_damaged(&lost), "segment {position}, k{n:03}: {lost:?}"),
                }
            }
        }
    }
}

trait CreateBucketNamed {
    fn create_bucket_named(&self, name: &str) -> Result<BucketId, Error>;
}

impl CreateBucketNamed for Store {
    fn create_bucket_named(&self, name: &str) -> Result<BucketId, Error> {
        let new = NewBucket {
            name: BucketName::parse(&format!("{name}-bucket")).unwrap(),
            owner: String::new(),
            versioning: Versioning::Unversioned,
            attributes: Bytes::new(),
        };
        self.create_bucket(new).wait().map(|bucket| bucket.id)
    }
}

#[test]
fn a_sealed_segment_that_is_cut_is_noticed_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..600 {
        put(&store, bucket, &format!("k{n:03}"), &bytes(6000, n));
    }
    store.close().unwrap();
    let all = segments(directory.path());
    assert!(all.len() >= 4);
    for (position, path) in all.iter().enumerate() {
        let length = fs::metadata(path).unwrap().len();
        for keep in [0, 100, 5000, length / 3] {
            let copy = killed(directory.path());
            let path = copy.path().join("log").join(path.file_name().unwrap());
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(keep).unwrap();
            let store = open(copy.path());
            let Health::Damaged { damage } = store.health() else { panic!("segment {position} cut to {keep}") };
            assert!(damage.iter().any(|line| line.contains(path.file_name().unwrap().to_str().unwrap())), "{damage:?}");
            assert!(matches!(store.create_bucket_named("x"), Err(Error::ReadOnly { .. })));
        }
    }
}

#[test]
fn a_configuration_record_that_has_rotted_is_named_and_hides_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for name in ["alice", "bruce", "clara"] {
        store.put_config("identity", name, name.repeat(40).into(), None).wait().unwrap();
    }
    let intact = store.config_rows("identity").unwrap();
    store.close().unwrap();
    let log = segments(directory.path()).pop().unwrap();
    // In the index alone the log still has it; in both it is gone.
    for path in [directory.path().join("index.redb"), log.clone()] {
        flip_each(&path, "bruce".repeat(40).as_bytes());
    }
    let store = open(directory.path());
    let Health::Damaged { damage } = store.health() else { panic!("rot was not noticed") };
    assert!(damage[0].contains(log.file_name().unwrap().to_str().unwrap()), "{damage:?}");
    assert_eq!(store.config_rows("identity").unwrap()[..1], intact[..1]);
}
