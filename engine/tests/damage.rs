//! Damage and failing disks on real files: never wrong bytes, never a silent loss, never a false alarm.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::*;
use engine::*;

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn flip(path: &Path, offset: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

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
fn i7_deleting_the_index_changes_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for n in 0..400 {
        put(&store, bucket, &format!("k{:03}", n % 250), &bytes(n * 37 % 9000, n as u64));
    }
    put(&store, bucket, "large", &bytes(3_000_000, 7));
    for n in 0..50 {
        delete(&store, bucket, &format!("k{n:03}"), None);
    }
    store.put_config("identity", "a", Bytes::from("b"), None).wait().unwrap();
    let answers = |store: &Store| {
        let names = keys(store, bucket);
        let data: Vec<_> = names.iter().map(|name| get(store, bucket, name).unwrap()).collect();
        (names, data, store.bucket_usage(bucket), store.config_rows("identity").unwrap(), store.buckets())
    };
    let expected = answers(&store);
    store.close().unwrap();
    assert!(segments(directory.path()).len() > 1);
    let index = directory.path().join("index.redb");
    let spoilers: [&dyn Fn(); 5] = [
        &|| fs::remove_file(&index).unwrap(),
        &|| fs::write(&index, b"not a database").unwrap(),
        &|| fs::OpenOptions::new().write(true).open(&index).unwrap().set_len(20_000).unwrap(),
        &|| (0..200).for_each(|page| flip_if_there(&index, 4096 + page * 997)),
        &|| {},
    ];
    for spoil in spoilers {
        spoil();
        let store = open(directory.path());
        assert_eq!(answers(&store), expected);
        assert_eq!(store.health(), Health::Ok);
        store.close().unwrap();
    }
}

fn flip_if_there(path: &Path, offset: u64) {
    if offset < fs::metadata(path).unwrap().len() {
        flip(path, offset);
    }
}

#[test]
fn a_stale_index_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "old", b"1");
    put(&store, bucket, "gone", b"1");
    store.close().unwrap();
    let stale = fs::read(directory.path().join("index.redb")).unwrap();
    let store = open(directory.path());
    put(&store, bucket, "new", b"2");
    delete(&store, bucket, "gone", None);
    store.close().unwrap();
    fs::write(directory.path().join("index.redb"), stale).unwrap();
    let store = open(directory.path());
    assert_eq!(keys(&store, bucket), ["new", "old"]);
    assert_eq!(store.bucket_usage(bucket).objects, 2);
}

#[test]
fn an_index_of_another_store_is_set_aside() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(one.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "k", b"mine");
    store.close().unwrap();
    let other = open(two.path());
    new_bucket(&other, "other");
    other.close().unwrap();
    fs::copy(two.path().join("index.redb"), one.path().join("index.redb")).unwrap();
    let store = open(one.path());
    assert_eq!(get(&store, bucket, "k").unwrap(), b"mine");
    assert!(one.path().join("lost/index.redb.1").exists());
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

/// Flips a bit wherever `needle` stands in the file.
fn flip_each(path: &Path, needle: &[u8]) {
    let content = fs::read(path).unwrap();
    let places = content.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle);
    let places: Vec<_> = places.map(|(place, _)| place as u64).collect();
    assert!(!places.is_empty());
    for place in places {
        flip(path, place + 7);
    }
}

#[test]
fn an_index_with_a_rotten_row_of_configuration_or_of_a_bucket_is_rebuilt() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "k", b"mine");
    for name in ["alice", "bruce", "clara"] {
        store.put_config("identity", name, name.repeat(40).into(), None).wait().unwrap();
    }
    let intact = store.config_rows("identity").unwrap();
    store.close().unwrap();
    for needle in ["bruce".repeat(40), "datalake".to_owned()] {
        flip_each(&directory.path().join("index.redb"), needle.as_bytes());
        let store = open(directory.path());
        assert_eq!(store.health(), Health::Ok);
        assert!(store.recovery().iter().any(|line| line.contains("rebuilt")), "{:?}", store.recovery());
        assert_eq!(store.config_rows("identity").unwrap(), intact);
        assert_eq!(store.bucket("datalake").unwrap().id, bucket);
        assert_eq!(get(&store, bucket, "k").unwrap(), b"mine");
        store.close().unwrap();
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

#[test]
fn i8_a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let second = Store::open(directory.path(), options());
    assert!(matches!(&second, Err(OpenError::InUse(_))), "{second:?}");
    store.close().unwrap();
    open(directory.path());
}

#[test]
fn directories_of_others_and_of_later_versions_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.txt"), "work").unwrap();
    let opened = Store::open(directory.path(), options());
    assert!(matches!(&opened, Err(OpenError::NotADataDirectory(path)) if path == directory.path()), "{opened:?}");
    assert_eq!(names(directory.path()), ["thesis.txt"]);

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret.key"), "the server's").unwrap();
    open(directory.path()).close().unwrap();
    let format = directory.path().join("FORMAT");
    let good = fs::read(&format).unwrap();
    flip(&format, 20);
    open(directory.path()).close().unwrap();
    assert_eq!(fs::read(&format).unwrap(), good, "a damaged copy is written anew");
    let mut later = good.clone();
    for copy in [0, 4096] {
        later[copy + 8] = 2;
        let crc = crc32fast_of(&later[copy..copy + 56]);
        later[copy + 56..copy + 60].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(&format, later).unwrap();
    flip(&format, 20);
    fs::remove_file(directory.path().join("LOCK")).unwrap();
    let before = (names(directory.path()), fs::read(&format).unwrap());
    let refused = Store::open(directory.path(), options()).unwrap_err();
    assert!(matches!(&refused, OpenError::NewerFormat { found: 2, supported: 1, .. }), "{refused:?}");
    let line = refused.to_string();
    assert!(line.starts_with(directory.path().to_str().unwrap()) && !line.contains('\n'), "{line}");
    assert_eq!((names(directory.path()), fs::read(&format).unwrap()), before);
    flip(&format, 4096 + 20);
    let before = (names(directory.path()), fs::read(&format).unwrap());
    let refused = Store::open(directory.path(), options()).unwrap_err();
    assert!(matches!(&refused, OpenError::Damaged { path, .. } if path == directory.path()), "{refused:?}");
    assert_eq!((names(directory.path()), fs::read(&format).unwrap()), before);
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// CRC-32 by its definition, so that the test does not trust the code under test.
fn crc32fast_of(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
