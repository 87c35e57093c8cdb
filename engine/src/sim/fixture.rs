//! What the tests on the simulated disk have in common: a store, a bucket, and the shortest ways to put, read and delete.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use bytes::Bytes;

use super::{SimClock, SimDisk};
use crate::*;

pub(super) fn open(disk: &Arc<SimDisk>, options: Options) -> Store {
    Store::open_with(Arc::new(Arc::clone(disk)), Arc::new(SimClock::default()), options).unwrap()
}

pub(super) fn options() -> Options {
    Options { segment_bytes: Some(1 << 16), low_water_bytes: Some(0), index_cache_bytes: 1 << 20, ..Options::default() }
}

pub(super) fn bucket(store: &Store) -> BucketId {
    let new = NewBucket {
        name: BucketName::parse("bucket").unwrap(),
        owner: String::new(),
        versioning: Versioning::Unversioned,
        attributes: Bytes::new(),
    };
    store.create_bucket(new).wait().unwrap().id
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).unwrap()
}

pub(super) fn put(store: &Store, bucket: BucketId, name: &str, size: usize) -> Result<Stored, Error> {
    let put = Put {
        bucket,
        key: key(name),
        body: Body::Inline(vec![7; size].into()),
        etag: ETag::of_body([7; 16]),
        attributes: Attributes::default(),
        precondition: Precondition::default(),
    };
    store.put(put).wait()
}

/// Queues puts of so many bytes and has them committed as one group; what each comes to is still to be waited for.
pub(super) fn commit_group(store: &Store, bucket: BucketId, puts: &[(&str, usize)]) -> Vec<Commit<Stored>> {
    store.core.held.store(true, Ordering::Relaxed);
    let queue = |(name, size): &(&str, usize)| {
        let body = Body::Inline(vec![7; *size].into());
        let (attributes, precondition) = (Attributes::default(), Precondition::default());
        let put = Put { bucket, key: key(name), body, etag: ETag::of_body([7; 16]), attributes, precondition };
        let mut put = store.put(put);
        let polled = Pin::new(&mut put).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "{name}");
        put
    };
    let group = puts.iter().map(queue).collect();
    store.core.held.store(false, Ordering::Relaxed);
    crate::sync::lock(store.core.inline.as_ref().unwrap())(&store.core);
    group
}

pub(super) fn size_of(store: &Store, bucket: BucketId, name: &str) -> Option<usize> {
    let object = store.open_object(bucket, &key(name), None, Wait::Allowed).ok()?;
    Some(object.read(0, 1 << 20, Wait::Allowed).unwrap().len())
}

pub(super) fn delete(store: &Store, bucket: BucketId, name: &str) -> Result<Deleted, Error> {
    let precondition = Precondition::default();
    store.delete(Delete { bucket, key: key(name), version: None, precondition }).wait()
}
