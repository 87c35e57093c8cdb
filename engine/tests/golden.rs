//! A data directory of each released format, opened and verified for ever.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use engine::*;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/format-1")
}

fn small() -> Options {
    Options { segment_bytes: Some(8192), low_water_bytes: Some(0), ..Options::default() }
}

fn versioned(store: &Store, bucket: BucketId, name: &str, data: &[u8]) -> Stored {
    let attributes = Attributes {
        headers: vec![("content-type".into(), "text/plain".into())],
        user_metadata: vec![("colour".into(), "blue".into())],
        tags: vec![("project".into(), "x".into())],
        checksums: vec![Checksum {
            algorithm: ChecksumAlgorithm::Crc32,
            kind: ChecksumKind::FullObject,
            value: Bytes::from_static(&[1, 2, 3, 4]),
        }],
        storage_class: StorageClass::StandardIa,
        retention: Some(Retention { mode: RetentionMode::Governance, until_ms: 4_000_000_000_000 }),
        legal_hold: true,
        opaque: vec![(7, Bytes::from("owner"))],
    };
    let body = Body::Inline(Bytes::copy_from_slice(data));
    let put = Put { bucket, key: key(name), body, etag: etag(9), attributes, precondition: Precondition::default() };
    store.put(put).wait().unwrap()
}

/// Writes such a directory with today's code. `ENGINE_GOLDEN_DIRECTORY` with an absolute path keeps it, as
/// `/tests/fixtures/format-N` of the repository.
#[test]
fn a_directory_written_today_answers_alike() {
    let made = tempfile::tempdir().unwrap();
    let store = Store::open(made.path(), small()).unwrap();
    let bucket = new_bucket(&store, "datalake");
    for n in 0..20 {
        put(&store, bucket, &format!("k{n:02}"), &bytes(700, n));
    }
    for n in 0..10 {
        put(&store, bucket, &format!("k{n:02}"), &bytes(900, n + 100));
    }
    delete(&store, bucket, "k19", None);
    let mut writer = store.bulk_writer().unwrap();
    writer.write(&bytes(70_000, 5)).unwrap();
    let body = Body::Bulk(writer.finish().unwrap());
    let (attributes, precondition) = (Attributes::default(), Precondition::default());
    store.put(Put { bucket, key: key("bulk"), body, etag: etag(5), attributes, precondition }).wait().unwrap();
    let change = BucketChange { versioning: Some(Versioning::Enabled), ..BucketChange::default() };
    store.set_bucket(bucket, change).wait().unwrap();
    versioned(&store, bucket, "versioned", b"one");
    versioned(&store, bucket, "versioned", b"two");
    delete(&store, bucket, "k00", None);
    let (key_name, attributes) = (key("upload"), Attributes::default());
    let new = NewUpload { bucket, key: key_name, attributes, checksum: None, opaque: Bytes::from("o") };
    let upload = store.create_upload(new).wait().unwrap();
    let mut writer = store.bulk_writer().unwrap();
    writer.write(&bytes(3000, 6)).unwrap();
    let body = writer.finish().unwrap();
    let part = PutPart { bucket, key: key("upload"), upload, number: 3, body, etag: etag(6), checksum: None };
    store.put_part(part).wait().unwrap();
    store.put_config("identity", "alice", Bytes::from("row"), None).wait().unwrap();
    store.put_config("identity", "bruce", Bytes::from("gone"), None).wait().unwrap();
    store.delete_config("identity", "bruce", None).wait().unwrap();
    store.compact().unwrap();
    put(&store, bucket, "last", b"end");
    // As a killed process leaves it: with an unproven tail.
    let directory = tempfile::tempdir().unwrap();
    copy_tree(made.path(), directory.path());
    for file in ["index.redb", "LOCK"] {
        std::fs::remove_file(directory.path().join(file)).unwrap();
    }
    if let Some(target) = std::env::var_os("ENGINE_GOLDEN_DIRECTORY") {
        std::fs::create_dir_all(&target).unwrap();
        copy_tree(directory.path(), Path::new(&target));
    }
    answers(directory.path());
}

#[test]
fn a_directory_of_format_1_opens_and_answers_what_was_stored() {
    let directory = tempfile::tempdir().unwrap();
    copy_tree(&fixture(), directory.path());
    answers(directory.path());
}

fn answers(directory: &Path) {
    let report = fsck(directory, small()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    for round in 0..2 {
        let store = Store::open(directory, small()).unwrap();
        assert_eq!(store.health(), Health::Ok);
        let bucket = store.bucket("datalake").unwrap();
        assert_eq!(bucket.versioning, Versioning::Enabled);
        let bucket = bucket.id;
        for n in 1..19 {
            let expected = if n < 10 { bytes(900, n + 100) } else { bytes(700, n) };
            assert_eq!(get(&store, bucket, &format!("k{n:02}")).unwrap(), expected);
        }
        assert!(matches!(get(&store, bucket, "k19"), Err(Error::NoSuchKey)));
        assert!(matches!(get(&store, bucket, "k00"), Err(Error::DeleteMarker { current: true, .. })));
        assert_eq!(get_version(&store, bucket, "k00", Some(VersionId::Null)).unwrap(), bytes(900, 100));
        assert_eq!(get(&store, bucket, "bulk").unwrap(), bytes(70_000, 5));
        assert_eq!(get(&store, bucket, "last").unwrap(), b"end");
        let object = store.open_object(bucket, &key("versioned"), None, Wait::Allowed).unwrap();
        assert_eq!(read_all(&object).unwrap(), b"two");
        let attributes = &object.info.attributes;
        assert!(attributes.legal_hold && attributes.storage_class == StorageClass::StandardIa);
        assert_eq!(attributes.user_metadata, [("colour".to_owned(), "blue".to_owned())]);
        assert_eq!(attributes.retention.unwrap().until_ms, 4_000_000_000_000);
        let query = ListUploadsQuery {
            bucket,
            prefix: String::new(),
            delimiter: None,
            key_marker: None,
            upload_id_marker: None,
            max_uploads: 10,
        };
        let uploads = store.list_uploads(&query).unwrap().entries;
        assert_eq!((uploads.len(), &*uploads[0].key), (1, "upload"));
        let parts = store.list_parts(bucket, &key("upload"), uploads[0].id, 0, 10).unwrap().parts;
        assert_eq!((parts.len(), parts[0].number, parts[0].size), (1, 3, 3000));
        let rows = store.config_rows("identity").unwrap();
        assert_eq!((rows.len(), &*rows[0].as_ref().unwrap().value), (1, &b"row"[..]));
        if round == 1 {
            // It goes on in the present format.
            put(&store, bucket, "k05", b"new");
            store.compact().unwrap();
        }
        store.close().unwrap();
    }
    let report = fsck(directory, small()).unwrap();
    assert!(report.is_clean(), "{report:?}");
}
