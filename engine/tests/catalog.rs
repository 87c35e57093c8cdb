//! Buckets and configuration rows.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use common::*;
use engine::*;

#[test]
fn buckets_are_created_once_and_keep_their_attributes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let new = NewBucket {
        name: BucketName::parse("datalake").unwrap(),
        owner: "main".into(),
        versioning: Versioning::Unversioned,
        attributes: Bytes::from("opaque"),
    };
    let bucket = store.create_bucket(new.clone()).wait().unwrap();
    match store.create_bucket(new).wait() {
        Err(Error::BucketExists(there)) => assert_eq!(there, bucket),
        other => panic!("{other:?}"),
    }
    let change = BucketChange { versioning: Some(Versioning::Suspended), ..BucketChange::default() };
    let changed = store.set_bucket(bucket.id, change).wait().unwrap();
    let back = BucketChange { versioning: Some(Versioning::Unversioned), ..BucketChange::default() };
    assert!(matches!(store.set_bucket(bucket.id, back).wait(), Err(Error::Invalid { .. })));
    store.close().unwrap();
    let store = open(directory.path());
    assert_eq!(store.buckets(), std::slice::from_ref(&changed));
    assert_eq!(store.bucket("datalake").unwrap(), changed);
    assert!(matches!(store.bucket("other"), Err(Error::NoSuchBucket)));
}

#[test]
fn c19_nothing_of_a_deleted_bucket_comes_back_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    put(&store, bucket, "k", b"x");
    assert!(matches!(store.delete_bucket(bucket).wait(), Err(Error::BucketNotEmpty)));
    let namespace = bucket_namespace(bucket);
    store.put_config(&namespace, "policy", Bytes::from("{}"), None).wait().unwrap();
    delete(&store, bucket, "k", None);
    store.delete_bucket(bucket).wait().unwrap();
    assert!(matches!(store.delete_bucket(bucket).wait(), Err(Error::NoSuchBucket)));
    let late = store.put(put_request(&store, bucket, "k", b"x")).wait();
    assert!(matches!(late, Err(Error::NoSuchBucket)));
    let late = store.put_config(&namespace, "policy", Bytes::from("{}"), None).wait();
    assert!(matches!(late, Err(Error::NoSuchBucket)));
    let again = new_bucket(&store, "datalake");
    for _ in 0..2 {
        assert_eq!(store.config(&namespace, "policy").unwrap(), None);
        assert_eq!(store.config(&bucket_namespace(again), "policy").unwrap(), None);
        assert!(keys(&store, again).is_empty());
        store.checkpoint().unwrap();
    }
}

#[test]
fn a_bucket_with_a_delete_marker_is_not_empty() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let change = BucketChange { versioning: Some(Versioning::Enabled), ..BucketChange::default() };
    store.set_bucket(bucket, change).wait().unwrap();
    let marker = delete(&store, bucket, "k", None).version_id;
    assert!(matches!(store.delete_bucket(bucket).wait(), Err(Error::BucketNotEmpty)));
    assert!(delete(&store, bucket, "k", marker).delete_marker);
    store.delete_bucket(bucket).wait().unwrap();
}

#[test]
fn c18_configuration_rows_are_revisioned_and_changed_together() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let change = |key: &str, value: Option<&'static str>, expected_revision| ConfigChange {
        namespace: "identity".into(),
        key: key.into(),
        value: value.map(Bytes::from),
        expected_revision,
    };
    let batch = vec![change("a", Some("1"), Some(0)), change("b", Some("2"), None)];
    let first = store.put_config_batch(batch.clone()).wait().unwrap();
    match store.put_config_batch(batch).wait() {
        Err(Error::RevisionMismatch { found }) => assert_eq!(found, first),
        other => panic!("{other:?}"),
    }
    let second = store.put_config("identity", "a", Bytes::from("3"), Some(first)).wait().unwrap();
    assert!(second > first);
    assert!(store.delete_config("identity", "b", None).wait().unwrap());
    assert!(!store.delete_config("identity", "b", None).wait().unwrap());
    store.put_config("identity2", "a", Bytes::from("x"), None).wait().unwrap();
    for _ in 0..2 {
        let row = ConfigRow { key: "a".into(), revision: second, value: Bytes::from("3") };
        assert_eq!(store.config("identity", "a").unwrap(), Some(row.clone()));
        assert_eq!(store.config_rows("identity").unwrap(), [Ok(row)]);
        store.close().unwrap();
        assert!(matches!(store.config("identity", "a"), Err(Error::Closed)));
        store = open(directory.path());
        assert_eq!(store.config_rows("identity").unwrap().len(), 1);
    }
}

#[test]
fn rows_of_a_namespace_are_found_by_the_beginning_of_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for key in ["a/1", "a/2", "ab", "b"] {
        store.put_config("identity", key, Bytes::from("x"), None).wait().unwrap();
        store.put_config("identity2", key, Bytes::from("y"), None).wait().unwrap();
    }
    let found = |prefix: &str| {
        let rows = store.config_rows_with_prefix("identity", prefix).unwrap();
        rows.into_iter().map(|row| row.unwrap().key).collect::<Vec<_>>()
    };
    assert_eq!(found("a/"), ["a/1", "a/2"]);
    assert_eq!(found("a"), ["a/1", "a/2", "ab"]);
    assert_eq!(found("b"), ["b"]);
    assert_eq!(found("c"), [""; 0]);
    assert_eq!(found(""), ["a/1", "a/2", "ab", "b"]);
}

#[test]
fn what_is_too_large_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let mut request = put_request(&store, bucket, "k", b"x");
    request.body = Body::Inline(vec![0; INLINE_BYTES_MAX + 1].into());
    assert!(matches!(store.put(request).wait(), Err(Error::TooLarge { .. })));
    let mut request = put_request(&store, bucket, "k", b"x");
    request.attributes.user_metadata = vec![("a".into(), "b".repeat(ATTRIBUTE_BYTES_MAX))];
    assert!(matches!(store.put(request).wait(), Err(Error::TooLarge { .. })));
    let row = store.put_config("n", "k", vec![0; CONFIG_BYTES_MAX + 1].into(), None).wait();
    assert!(matches!(row, Err(Error::TooLarge { .. })));
    assert!(matches!(store.put_config("", "k", Bytes::new(), None).wait(), Err(Error::Invalid { .. })));
    assert!(matches!(store.put_config("bucket/zz", "k", Bytes::new(), None).wait(), Err(Error::NoSuchBucket)));
    assert!(keys(&store, bucket).is_empty());
}
