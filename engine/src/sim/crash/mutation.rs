//! Mutations of a schedule: what each makes of the state, and its way through the store, one poll at a time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::{State, etag, payload};
use crate::sim::Rng;
use crate::*;

/// What a mutation makes of the state.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Nothing,
    Bucket,
    Put(String, Bytes),
    Delete(String),
    Config(String, Bytes),
    UploadInit(String),
    Part(String, UploadId, u16, Bytes),
    Complete(String, UploadId, Bytes),
}

impl Effect {
    /// `id` is what the store answered: the number of a bucket or upload. What is not known yet is left out.
    pub(super) fn apply(&self, state: &mut State, id: Option<u64>) {
        match self.clone() {
            Effect::Nothing => {}
            Effect::Bucket => state.bucket = id.map(BucketId),
            Effect::Put(name, data) => _ = state.objects.insert(name, data),
            Effect::Delete(name) => _ = state.objects.remove(&name),
            Effect::Config(name, data) => _ = state.config.insert(name, data),
            Effect::UploadInit(name) => {
                if let Some(id) = id {
                    state.uploads.insert((name, UploadId(id)), BTreeMap::new());
                }
            }
            Effect::Part(name, upload, number, data) => {
                state.uploads.entry((name, upload)).or_default().insert(number, data);
            }
            Effect::Complete(name, upload, data) => {
                state.uploads.remove(&(name.clone(), upload));
                state.objects.insert(name, data);
            }
        }
    }
}

/// A mutation under way.
pub(super) struct Attempt {
    pub(super) effect: Effect,
    pub(super) future: Pin<Box<dyn Future<Output = Result<Option<u64>, Error>>>>,
}

impl Attempt {
    fn new<T: 'static>(effect: Effect, commit: Commit<T>, id: fn(&T) -> Option<u64>) -> Option<Attempt> {
        Some(Attempt { effect, future: Box::pin(async move { commit.await.map(|answer| id(&answer)) }) })
    }

    pub(super) fn poll(&mut self) -> Poll<Result<Option<u64>, Error>> {
        self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).unwrap()
}

/// A mutation of `name`, chosen at random; nothing if its bulk segment could not be written.
pub(super) fn attempt(
    store: &Store,
    rng: &mut Rng,
    sizes: &[usize],
    state: &State,
    name: &str,
    n: u64,
) -> Option<Attempt> {
    let Some(bucket) = state.bucket else {
        let new = NewBucket {
            name: BucketName::parse("bucket").unwrap(),
            owner: String::new(),
            versioning: Versioning::Unversioned,
            attributes: Bytes::new(),
        };
        return Attempt::new(Effect::Bucket, store.create_bucket(new), |bucket| Some(bucket.id.0));
    };
    let data = payload(rng, sizes, n);
    let bulk_of = |data: &[u8]| -> Option<BulkBody> {
        let mut writer = store.bulk_writer().ok()?;
        writer.write(data).ok()?;
        writer.finish().ok()
    };
    let name = name.to_owned();
    let precondition = Precondition::default();
    let begun: Vec<_> = state.uploads.iter().filter(|((of, _), _)| *of == name).collect();
    match rng.below(12) {
        0..=4 => {
            let body = if rng.below(3) == 0 { Body::Bulk(bulk_of(&data)?) } else { Body::Inline(data.clone()) };
            let attributes = Attributes::default();
            let put = Put { bucket, key: key(&name), body, etag: etag(&data), attributes, precondition };
            Attempt::new(Effect::Put(name, data), store.put(put), |_| None)
        }
        5 | 6 => {
            let delete = Delete { bucket, key: key(&name), version: None, precondition };
            Attempt::new(Effect::Delete(name), store.delete(delete), |_| None)
        }
        7 => {
            let commit = store.put_config("test", &name, data.clone(), None);
            Attempt::new(Effect::Config(name, data), commit, |_| None)
        }
        8 => {
            let attributes = Attributes::default();
            let new = NewUpload { bucket, key: key(&name), attributes, checksum: None, opaque: Bytes::new() };
            Attempt::new(Effect::UploadInit(name), store.create_upload(new), |id| Some(id.0))
        }
        9 | 10 if !begun.is_empty() => {
            let ((_, upload), parts) = *rng.choose(&begun);
            let (upload, key) = (*upload, key(&name));
            if parts.is_empty() || rng.below(2) == 0 {
                let number = 1 + rng.below(3) as u16;
                let body = bulk_of(&data)?;
                let part = PutPart { bucket, key, upload, number, body, etag: etag(&data), checksum: None };
                return Attempt::new(Effect::Part(name, upload, number, data), store.put_part(part), |_| None);
            }
            let complete = CompleteUpload {
                bucket,
                key,
                upload,
                parts: parts.iter().map(|(number, data)| (*number, etag(data))).collect(),
                etag: ETag { md5: [1; 16], parts: parts.len() as u16 },
                checksums: Vec::new(),
                precondition,
            };
            let whole: Vec<u8> = parts.values().flatten().copied().collect();
            Attempt::new(Effect::Complete(name, upload, whole.into()), store.complete_upload(complete), |_| None)
        }
        _ => {
            // Attributes are replaced: the object stays what it is.
            let attributes = Attributes { tags: vec![("n".into(), n.to_string())], ..Attributes::default() };
            let set = SetAttributes { bucket, key: key(&name), version: None, expected: None, attributes };
            Attempt::new(Effect::Nothing, store.set_attributes(set), |_| None)
        }
    }
}
