//! The index is disposable: missing, stale, damaged or of another store, it is made anew and no answer changes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::fs;
use std::path::Path;

use common::*;
use engine::*;

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

/// A store whose index is so large that it is compared with its checksums while the start goes on.
fn large(directory: &Path) -> Vec<Result<ConfigRow, DamagedConfigRow>> {
    let store = open(directory);
    for batch in 0..3 {
        let change = |n: usize| ConfigChange {
            namespace: "identity".to_owned(),
            key: format!("{batch}{n:03}"),
            value: Some(bytes(2_000, (batch * 1_000 + n) as u64).into()),
            expected_revision: None,
        };
        store.put_config_batch((0..500).map(change).collect()).wait().unwrap();
    }
    let rows = store.config_rows("identity").unwrap();
    store.close().unwrap();
    rows
}

#[test]
fn a_flipped_bit_in_a_large_index_is_noticed_by_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let index = directory.path().join("index.redb");
    let rows = large(directory.path());
    let intact = fs::read(&index).unwrap();
    assert!(intact.len() > 2 << 20);
    // The first and the last of the rows' own bytes, and some between.
    let ours: Vec<usize> = [3, 1_200, 2_490]
        .map(|n| bytes(2_000, n / 500 * 1_000 + n % 500)[1_000..1_020].to_vec())
        .iter()
        .map(|needle| intact.windows(needle.len()).rposition(|window| window == needle).unwrap())
        .collect();
    for place in ours {
        flip(&index, place as u64);
        let store = open(directory.path());
        let noticed = store.recovery().iter().any(|line| line.contains("do not match their checksums"));
        assert!(noticed, "byte {place}: {:?}", store.recovery());
        assert_eq!((store.health(), store.config_rows("identity").unwrap()), (Health::Ok, rows.clone()));
        store.close().unwrap();
    }
    let store = open(directory.path());
    assert_eq!((store.health(), store.recovery().len()), (Health::Ok, 0), "{:?}", store.recovery());
}

#[test]
fn checksums_of_the_index_that_are_missing_torn_or_stale_change_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let sums = directory.path().join("index.sums");
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "k", b"1");
    store.close().unwrap();
    let stale = fs::read(&sums).unwrap();
    let store = open(directory.path());
    put(&store, bucket, "l", b"2");
    store.close().unwrap();
    let whole = fs::read(&sums).unwrap();
    assert_ne!(stale, whole);
    let spoilers: [&dyn Fn(); 6] = [
        &|| fs::remove_file(&sums).unwrap(),
        &|| fs::write(&sums, []).unwrap(),
        &|| fs::write(&sums, &whole[..whole.len() / 2]).unwrap(),
        &|| fs::write(&sums, &stale).unwrap(),
        &|| flip(&sums, 60),
        &|| fs::write(&sums, vec![0; whole.len()]).unwrap(),
    ];
    for spoil in spoilers {
        spoil();
        let store = open(directory.path());
        assert_eq!(keys(&store, bucket), ["k", "l"]);
        assert_eq!((store.health(), store.recovery().len()), (Health::Ok, 0), "{:?}", store.recovery());
        store.close().unwrap();
    }
}

#[test]
fn a_closed_store_writes_nothing_once_another_may_have_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let closed = open(directory.path());
    let bucket = new_bucket(&closed, "datalake");
    for n in 0..50 {
        put(&closed, bucket, &format!("first{n}"), b"1");
    }
    closed.close().unwrap();
    let store = open(directory.path());
    for n in 0..50 {
        put(&store, bucket, &format!("second{n}"), b"2");
    }
    store.checkpoint().unwrap();
    store.close().unwrap();
    let left = fs::read(directory.path().join("index.redb")).unwrap();
    drop(closed);
    assert!(left == fs::read(directory.path().join("index.redb")).unwrap(), "the index was written to");
    let store = open(directory.path());
    assert_eq!(keys(&store, bucket).len(), 100);
    assert_eq!((store.health(), store.recovery().len()), (Health::Ok, 0), "{:?}", store.recovery());
}

#[test]
fn whatever_is_asked_of_a_closed_store_is_answered_closed_and_never_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "small", b"1");
    put(&store, bucket, "large", &bytes(3_000_000, 7));
    store.put_config("identity", "a", Bytes::from("b"), None).wait().unwrap();
    let large = store.open_object(bucket, &key("large"), None, Wait::Allowed).unwrap();
    store.close().unwrap();
    let left = fs::read(directory.path().join("index.redb")).unwrap();

    let query = ListQuery { bucket, prefix: String::new(), delimiter: None, start_after: None, max_keys: 10 };
    let share =
        store.share(&large, bucket, key("shared"), large.info.etag, Attributes::default(), Precondition::default());
    let elsewhere = tempfile::tempdir().unwrap();
    let asked: [(&str, Option<Error>); 9] = [
        ("get", get(&store, bucket, "small").err()),
        ("get of what isn't there", get(&store, bucket, "nowhere").err()),
        ("head", store.head(bucket, &key("large"), None, Wait::Allowed).err()),
        ("list", store.list(&query).err()),
        ("config", store.config("identity", "a").err()),
        ("config_rows", store.config_rows("identity").err()),
        ("put_config", store.put_config("identity", "a", Bytes::from("c"), None).wait().err()),
        ("share", share.wait().err()),
        ("backup", store.backup(elsewhere.path(), false).err()),
    ];
    for (what, error) in asked {
        assert!(matches!(error, Some(Error::Closed)), "{what}: {error:?}");
    }
    // Whatever these answer, they find no damage and write nothing.
    let _ = (store.checkpoint(), store.compact(), store.scrub());
    assert_eq!(store.health(), Health::Ok);
    assert_eq!(read_all(&large).unwrap(), bytes(3_000_000, 7), "it was found before");
    drop((large, store));
    assert!(left == fs::read(directory.path().join("index.redb")).unwrap());
    assert!(!directory.path().join("lost").exists());
}
