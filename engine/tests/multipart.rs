//! Multipart uploads: parts are shared with the object, Complete may be repeated, nothing is left behind.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and looks at real files")]

mod common;

use common::*;
use engine::*;

fn begin(store: &Store, bucket: BucketId, name: &str) -> UploadId {
    let new = NewUpload {
        bucket,
        key: key(name),
        attributes: Attributes { user_metadata: vec![("a".into(), "b".into())], ..Attributes::default() },
        checksum: Some((ChecksumAlgorithm::Crc32, ChecksumKind::Composite)),
        opaque: Bytes::from("me"),
    };
    store.create_upload(new).wait().unwrap()
}

fn put_part(store: &Store, bucket: BucketId, name: &str, upload: UploadId, number: u16, data: &[u8]) -> Part {
    let body = bulk(store, data);
    let part = PutPart { bucket, key: key(name), upload, number, body, etag: etag(number as u8), checksum: None };
    store.put_part(part).wait().unwrap()
}

fn complete(store: &Store, bucket: BucketId, name: &str, upload: UploadId, numbers: &[u16]) -> Result<Stored, Error> {
    let parts = numbers.iter().map(|number| (*number, etag(*number as u8))).collect();
    let complete = CompleteUpload {
        bucket,
        key: key(name),
        upload,
        parts,
        etag: ETag { md5: [9; 16], parts: numbers.len() as u16 },
        checksums: Vec::new(),
        precondition: Precondition::default(),
    };
    store.complete_upload(complete).wait()
}

fn bulk_files(directory: &std::path::Path) -> usize {
    let directories = std::fs::read_dir(directory.join("bulk")).unwrap();
    directories.map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn f8_an_upload_becomes_an_object_once_and_answers_the_same_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let upload = begin(&store, bucket, "big");
    let data: Vec<Vec<u8>> = (1..=4).map(|n| bytes(150_000 * n, n as u64)).collect();
    for (n, part) in data.iter().enumerate() {
        put_part(&store, bucket, "big", upload, n as u16 + 1, &bytes(10, 1));
        put_part(&store, bucket, "big", upload, n as u16 + 1, part);
    }
    store.close().unwrap();
    let store = open(directory.path());
    assert_eq!(store.upload(bucket, &key("big"), upload).unwrap().opaque, "me");
    let page = store.list_parts(bucket, &key("big"), upload, 1, 2).unwrap();
    assert_eq!(page.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [2, 3]);
    assert!(page.truncated);
    assert!(matches!(complete(&store, bucket, "big", upload, &[]), Err(Error::InvalidPartOrder)));
    assert!(matches!(complete(&store, bucket, "big", upload, &[2, 1]), Err(Error::InvalidPartOrder)));
    assert!(matches!(complete(&store, bucket, "big", upload, &[1, 9]), Err(Error::InvalidPart { number: 9 })));
    let stored = complete(&store, bucket, "big", upload, &[1, 2, 4]).unwrap();
    assert_eq!(complete(&store, bucket, "big", upload, &[1, 2, 4]).unwrap(), stored);
    assert!(matches!(complete(&store, bucket, "big", upload, &[1, 2]), Err(Error::NoSuchUpload)));
    assert!(matches!(store.upload(bucket, &key("big"), upload), Err(Error::NoSuchUpload)));
    let whole: Vec<u8> = [&data[0], &data[1], &data[3]].into_iter().flatten().copied().collect();
    for round in 0..2 {
        let store = if round == 0 { store.clone() } else { open(directory.path()) };
        let object = store.open_object(bucket, &key("big"), None, Wait::Allowed).unwrap();
        assert_eq!(read_all(&object).unwrap(), whole);
        assert_eq!(object.read(149_990, 150_020 + 20, Wait::Allowed).unwrap(), whole[149_990..300_030]);
        assert_eq!(object.info.upload, Some(upload));
        assert_eq!(object.info.etag.to_string(), format!("{}-3", "09".repeat(16)));
        let sizes: Vec<_> = object.info.parts.iter().map(|part| (part.number, part.size)).collect();
        assert_eq!(sizes, [(1, 150_000), (2, 300_000), (4, 600_000)]);
        drop(object);
        store.close().unwrap();
        assert_eq!(bulk_files(directory.path()), 3, "replaced and unnamed parts are freed");
    }
    let store = open(directory.path());
    put(&store, bucket, "big", b"small");
    assert!(matches!(complete(&store, bucket, "big", upload, &[1, 2, 4]), Err(Error::NoSuchUpload)));
    store.close().unwrap();
    assert_eq!(bulk_files(directory.path()), 0);
}

#[test]
fn aborting_and_deleting_the_bucket_free_the_parts() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let first = begin(&store, bucket, "k");
    let second = begin(&store, bucket, "k");
    for upload in [first, second] {
        put_part(&store, bucket, "k", upload, 1, b"data");
    }
    store.abort_upload(bucket, &key("k"), first).wait().unwrap();
    assert!(matches!(store.abort_upload(bucket, &key("k"), first).wait(), Err(Error::NoSuchUpload)));
    let part = PutPart {
        bucket,
        key: key("k"),
        upload: first,
        number: 1,
        body: bulk(&store, b"late"),
        etag: etag(1),
        checksum: None,
    };
    assert!(matches!(store.put_part(part).wait(), Err(Error::NoSuchUpload)));
    store.delete_bucket(bucket).wait().unwrap();
    let again = new_bucket(&store, "datalake");
    assert_ne!(again, bucket);
    store.close().unwrap();
    assert_eq!(bulk_files(directory.path()), 0);
}

#[test]
fn uploads_are_listed_in_order_with_markers_and_prefixes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bucket = new_bucket(&store, "datalake");
    let mut expected = Vec::new();
    for name in ["a", "a", "b/1", "b/2", "c"] {
        expected.push((name.to_owned(), begin(&store, bucket, name)));
    }
    for (delimiter, wanted) in [(None, expected.len()), (Some("/".to_owned()), 4)] {
        let mut query = ListUploadsQuery {
            bucket,
            prefix: String::new(),
            delimiter: delimiter.clone(),
            key_marker: None,
            upload_id_marker: None,
            max_uploads: 1,
        };
        let (mut entries, mut pages) = (Vec::new(), 0);
        loop {
            let page = store.list_uploads(&query).unwrap();
            pages += page.entries.len() + page.common_prefixes.len();
            entries.extend(page.entries.into_iter().map(|upload| (upload.key.to_string(), upload.id)));
            let Some((key, id)) = page.next else { break };
            (query.key_marker, query.upload_id_marker) = (Some(key), id);
        }
        assert_eq!(pages, wanted);
        let flat: Vec<_> =
            expected.iter().filter(|(name, _)| delimiter.is_none() || !name.contains('/')).cloned().collect();
        assert_eq!(entries, flat);
    }
}
