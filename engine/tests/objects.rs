//! Objects through the public interface: what was put is what is read, listed, and deleted, also after a restart.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use common::*;
use engine::*;

#[test]
fn objects_of_all_sizes_read_back_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let sizes = [0, 1, 4095, 65_535, 65_536, 65_537, 200_000, 1 << 20, (1 << 20) + 1, 3_500_000];
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for size in sizes {
        put(&store, bucket, &format!("k{size}"), &bytes(size, size as u64));
    }
    for round in 0..3 {
        let store = if round == 0 { store.clone() } else { open(directory.path()) };
        for size in sizes {
            let name = format!("k{size}");
            let data = bytes(size, size as u64);
            assert_eq!(get(&store, bucket, &name).unwrap(), data, "{size}");
            let object = store.open_object(bucket, &key(&name), None, Wait::Allowed).unwrap();
            assert_eq!(object.info.size, size as u64);
            for (offset, length) in [(0, 1), (size / 2, 70_000), (size.saturating_sub(3), 10), (65_530, 12)] {
                let expected = &data[offset.min(size)..(offset + length).min(size)];
                assert_eq!(object.read(offset as u64, length, Wait::Allowed).unwrap(), expected, "{size} {offset}");
            }
        }
        assert_eq!(store.bucket_usage(bucket).objects, sizes.len() as u64);
        assert_eq!(store.bucket_usage(bucket).bytes, sizes.iter().sum::<usize>() as u64);
        assert_eq!(store.health(), Health::Ok);
        store.close().unwrap();
    }
}

#[test]
fn an_object_replaced_or_deleted_while_it_is_read_stays_readable() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let data = bytes(2_000_000, 1);
    put(&store, bucket, "k", &data);
    let object = store.open_object(bucket, &key("k"), None, Wait::Allowed).unwrap();
    delete(&store, bucket, "k", None);
    assert!(matches!(get(&store, bucket, "k"), Err(Error::NoSuchKey)));
    std::thread::sleep(std::time::Duration::from_millis(120));
    assert_eq!(read_all(&object).unwrap(), data);
    let files = || walk(&directory.path().join("bulk"));
    assert_eq!(files(), 1, "pinned by the reader");
    drop(object);
    for _ in 0..100 {
        if files() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the bulk segment of a deleted object was never unlinked");
}

fn walk(path: &std::path::Path) -> usize {
    std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { walk(&path) } else { 1 })
        .sum()
}

#[test]
fn unused_bulk_segments_leave_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    drop(store.bulk_writer().unwrap());
    let mut writer = store.bulk_writer().unwrap();
    writer.write(&bytes(5_000_000, 1)).unwrap();
    drop(writer);
    drop(bulk(&store, &bytes(5_000_000, 1)));
    let mut refused = put_request(&store, bucket, "k", &bytes(2_000_000, 1));
    refused.precondition.if_match = Some(Match::Any);
    assert!(matches!(store.put(refused).wait(), Err(Error::NoSuchKey)));
    assert_eq!(walk(&directory.path().join("bulk")), 0);
}

#[test]
fn f1_of_twenty_racing_creations_exactly_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for round in 0..20 {
        let name = format!("k{round}");
        let won: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..20u8)
                .map(|salt| {
                    let (store, name) = (&store, &name);
                    scope.spawn(move || {
                        let mut request = put_request(store, bucket, name, &[salt; 100]);
                        request.precondition.if_none_match = Some(Match::Any);
                        match store.put(request).wait() {
                            Ok(_) => 1,
                            Err(Error::PreconditionFailed) => 0,
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
    }
}

#[test]
fn f1_compare_and_swap_loses_no_update() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "counter", b"0");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut done = 0;
                while done < 25 {
                    let object = store.open_object(bucket, &key("counter"), None, Wait::Allowed).unwrap();
                    let count: u64 = String::from_utf8(read_all(&object).unwrap()).unwrap().parse().unwrap();
                    let text = (count + 1).to_string();
                    let mut request = put_request(&store, bucket, "counter", text.as_bytes());
                    request.etag = ETag::of_body(u128::from(count + 1).to_be_bytes());
                    request.precondition.if_match = Some(Match::ETags(vec![object.info.etag]));
                    match store.put(request).wait() {
                        Ok(_) => done += 1,
                        Err(Error::PreconditionFailed) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(get(&store, bucket, "counter").unwrap(), b"200");
}

#[test]
fn f3_conditions_are_judged_as_s3_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let attempt = |name: &str, precondition: Precondition| {
        let mut request = put_request(&store, bucket, name, b"x");
        request.precondition = precondition;
        store.put(request).wait()
    };
    let if_match = |m| Precondition { if_match: Some(m), ..Precondition::default() };
    let if_none_match = |m| Precondition { if_none_match: Some(m), ..Precondition::default() };
    assert!(matches!(attempt("k", if_match(Match::Any)), Err(Error::NoSuchKey)));
    assert!(matches!(attempt("k", if_match(Match::ETags(vec![etag(1)]))), Err(Error::NoSuchKey)));
    let stored = attempt("k", if_none_match(Match::Any)).unwrap();
    assert!(matches!(attempt("k", if_none_match(Match::Any)), Err(Error::PreconditionFailed)));
    assert!(matches!(attempt("k", if_none_match(Match::ETags(vec![stored.etag]))), Err(Error::PreconditionFailed)));
    assert!(matches!(attempt("k", if_match(Match::ETags(vec![etag(1)]))), Err(Error::PreconditionFailed)));
    attempt("k", if_match(Match::ETags(vec![etag(1), stored.etag]))).unwrap();
    let remove = |precondition| store.delete(Delete { bucket, key: key("k"), version: None, precondition }).wait();
    let size = |size| Precondition { if_match_size: Some(size), ..Precondition::default() };
    assert!(matches!(remove(size(2)), Err(Error::PreconditionFailed)));
    assert!(matches!(remove(if_match(Match::ETags(vec![etag(9)]))), Err(Error::PreconditionFailed)));
    assert!(remove(size(1)).unwrap().found);
    assert!(matches!(remove(size(1)), Err(Error::NoSuchKey)));
    assert!(!remove(Precondition::default()).unwrap().found);
}

#[test]
fn a_conditional_delete_never_holds_for_a_delete_marker() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let change = BucketChange { versioning: Some(Versioning::Enabled), ..BucketChange::default() };
    store.set_bucket(bucket, change).wait().unwrap();
    put(&store, bucket, "k", b"");
    put(&store, bucket, "k/below", b"");
    let remove =
        |name, precondition| store.delete(Delete { bucket, key: key(name), version: None, precondition }).wait();
    let conditions = || {
        let none = Precondition::default;
        [
            Precondition { if_match: Some(Match::Any), ..none() },
            Precondition { if_match: Some(Match::ETags(vec![etag(0)])), ..none() },
            Precondition { if_match_size: Some(0), ..none() },
            Precondition { if_match_modified_seconds: Some(0), ..none() },
        ]
    };
    assert!(remove("k", Precondition::default()).unwrap().delete_marker);
    for _ in 0..2 {
        for condition in conditions() {
            let refused = remove("k", condition.clone());
            assert!(matches!(refused, Err(Error::PreconditionFailed)), "{condition:?}: {refused:?}");
            let refused = remove("missing", condition.clone());
            assert!(matches!(refused, Err(Error::NoSuchKey)), "{condition:?}: {refused:?}");
        }
        store.checkpoint().unwrap();
    }
    assert!(!remove("k", Precondition::default()).unwrap().found, "without a condition markers may pile up");
}

#[test]
fn a_mutation_whose_future_is_dropped_once_queued_goes_on_and_frees_its_locks() {
    use std::future::Future;
    use std::task::{Context, Waker};
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for round in 0..200u8 {
        let mut commit = Box::pin(store.put(put_request(&store, bucket, "k", &[round; 10])));
        let _ = commit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(commit);
    }
    // Takes the same lock, so it comes after all that were queued.
    put(&store, bucket, "k", b"last");
    assert_eq!(get(&store, bucket, "k").unwrap(), b"last");
}

#[test]
fn attributes_are_stored_and_replaced_without_touching_the_object() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    for size in [100, 300_000, 2_000_000] {
        let data = bytes(size, 4);
        let before = put(&store, bucket, "k", &data);
        let tagged = Attributes { tags: vec![("a".into(), "b".into())], ..Attributes::default() };
        let set = SetAttributes { bucket, key: key("k"), version: None, expected: None, attributes: tagged.clone() };
        let stale = SetAttributes { expected: Some(tagged.clone()), ..set.clone() };
        assert!(matches!(store.set_attributes(stale).wait(), Err(Error::PreconditionFailed)));
        assert_eq!(store.set_attributes(set).wait().unwrap(), before);
        let object = store.open_object(bucket, &key("k"), None, Wait::Allowed).unwrap();
        assert_eq!(object.info.attributes, tagged);
        assert_eq!(object.info.modified_ms, before.modified_ms);
        assert_eq!(read_all(&object).unwrap(), data);
    }
    assert_eq!(store.bucket_usage(bucket), BucketUsage { objects: 1, bytes: 2_000_000 });
}

#[test]
fn f6_a_copy_shares_bulk_segments_and_outlives_its_source() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let data = bytes(3_000_000, 2);
    put(&store, bucket, "source", &data);
    let source = store.open_object(bucket, &key("source"), None, Wait::Allowed).unwrap();
    let share = |to: &str| {
        store.share(&source, bucket, key(to), source.info.etag, Attributes::default(), Precondition::default()).wait()
    };
    share("copy").unwrap();
    share("source").unwrap();
    assert!(matches!(share("late"), Err(Error::NoSuchKey)), "the source was replaced by itself");
    drop(source);
    delete(&store, bucket, "source", None);
    std::thread::sleep(std::time::Duration::from_millis(150));
    assert_eq!(walk(&directory.path().join("bulk")), 1);
    store.close().unwrap();
    let store = open(directory.path());
    assert_eq!(get(&store, bucket, "copy").unwrap(), data);
    delete(&store, bucket, "copy", None);
    store.close().unwrap();
    assert_eq!(walk(&directory.path().join("bulk")), 0);
}

#[test]
fn acknowledged_objects_stay_visible_while_the_index_is_applied() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { memtable_entries_max: 40, durability: Durability::Relaxed, ..options() };
    let store = Store::open(directory.path(), options).unwrap();
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "stays", b"here");
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..400u32 {
                    let name = format!("{thread}/{:02}", n % 50);
                    let data = format!("{thread} {n}");
                    put(store, bucket, &name, data.as_bytes());
                    assert_eq!(get(store, bucket, &name).unwrap(), data.as_bytes());
                    if n % 7 == 0 {
                        delete(store, bucket, &name, None);
                        assert!(matches!(get(store, bucket, &name), Err(Error::NoSuchKey)));
                    }
                    assert_eq!(get(store, bucket, "stays").unwrap(), b"here");
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..300 {
                assert!(keys(&store, bucket).contains(&"stays".to_owned()));
            }
        });
    });
    assert!(store.stats().index_applies > 5, "{:?}", store.stats());
    assert_eq!(keys(&store, bucket).len() as u64, store.bucket_usage(bucket).objects);
}
