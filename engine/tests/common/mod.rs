//! What the tests of the public interface share.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use engine::*;

pub(crate) fn options() -> Options {
    Options { segment_bytes: Some(1 << 20), low_water_bytes: Some(0), ..Options::default() }
}

pub(crate) fn open(path: &Path) -> Store {
    Store::open(path, options()).unwrap()
}

pub(crate) fn new_bucket(store: &Store, name: &str) -> BucketId {
    let new = NewBucket {
        name: BucketName::parse(name).unwrap(),
        owner: "main".to_owned(),
        versioning: Versioning::Unversioned,
        attributes: Bytes::new(),
    };
    store.create_bucket(new).wait().unwrap().id
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).unwrap()
}

pub(crate) fn bytes(length: usize, salt: u64) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt) >> 32) as u8).collect()
}

pub(crate) fn body(store: &Store, data: &[u8]) -> Body {
    if data.len() <= INLINE_BYTES_MAX {
        return Body::Inline(Bytes::copy_from_slice(data));
    }
    Body::Bulk(bulk(store, data))
}

pub(crate) fn bulk(store: &Store, data: &[u8]) -> BulkBody {
    let mut writer = store.bulk_writer().unwrap();
    for chunk in data.chunks(300_000) {
        writer.write(chunk).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn etag(salt: u8) -> ETag {
    ETag::of_body([salt; 16])
}

pub(crate) fn put_request(store: &Store, bucket: BucketId, name: &str, data: &[u8]) -> Put {
    Put {
        bucket,
        key: key(name),
        body: body(store, data),
        etag: etag(data.first().copied().unwrap_or(0)),
        attributes: Attributes { headers: vec![("content-type".into(), "text/plain".into())], ..Attributes::default() },
        precondition: Precondition::default(),
    }
}

pub(crate) fn put(store: &Store, bucket: BucketId, name: &str, data: &[u8]) -> Stored {
    store.put(put_request(store, bucket, name, data)).wait().unwrap()
}

pub(crate) fn get(store: &Store, bucket: BucketId, name: &str) -> Result<Vec<u8>, Error> {
    get_version(store, bucket, name, None)
}

pub(crate) fn get_version(
    store: &Store,
    bucket: BucketId,
    name: &str,
    version: Option<VersionId>,
) -> Result<Vec<u8>, Error> {
    let object = store.open_object(bucket, &key(name), version, Wait::Allowed)?;
    read_all(&object)
}

pub(crate) fn read_all(object: &Object) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    while (data.len() as u64) < object.info.size {
        data.extend_from_slice(&object.read(data.len() as u64, 1 << 20, Wait::Allowed)?);
    }
    Ok(data)
}

pub(crate) fn delete(store: &Store, bucket: BucketId, name: &str, version: Option<VersionId>) -> Deleted {
    let request = Delete { bucket, key: key(name), version, precondition: Precondition::default() };
    store.delete(request).wait().unwrap()
}

pub(crate) fn keys(store: &Store, bucket: BucketId) -> Vec<String> {
    let mut names = Vec::new();
    let mut query = ListQuery { bucket, prefix: String::new(), delimiter: None, start_after: None, max_keys: 1000 };
    loop {
        let page = store.list(&query).unwrap();
        names.extend(page.entries.into_iter().map(|entry| entry.key));
        match page.next {
            Some(next) => query.start_after = Some(next),
            None => return names,
        }
    }
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&target).unwrap();
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The files of the log, ascending.
pub(crate) fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Flips a bit of the byte at `offset`.
pub(crate) fn flip(path: &Path, offset: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

/// Flips a bit wherever `needle` stands in the file.
pub(crate) fn flip_each(path: &Path, needle: &[u8]) {
    let content = fs::read(path).unwrap();
    let places = content.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle);
    let places: Vec<_> = places.map(|(place, _)| place as u64).collect();
    assert!(!places.is_empty());
    for place in places {
        flip(path, place + 7);
    }
}
