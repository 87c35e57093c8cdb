//! How much a bucket may hold, where somebody has said so: asked before what takes space is taken in.
//!
//! What a bucket holds is counted with each write, so that asking costs two look-ups. Parts of unfinished uploads aren't counted until they are completed, and writes that are under way at the same moment don't know of each other: a quota stops growth, to the byte it isn't exact.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use engine::{BucketId, ConfigChange, Store};
use serde::{Deserialize, Serialize};

use crate::protocol::error::{Code, S3Result};

/// The key of a bucket's quota among its configuration rows.
const ROW: &str = "quota";

/// The largest quota, in bytes: what numbers of JSON hold exactly everywhere.
pub const QUOTA_BYTES_MAX: u64 = (1 << 53) - 1;

/// How much a bucket may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The sum of the sizes of its objects and versions.
    pub bytes: u64,
}

/// One bucket's entry: a quota that can't be read keeps its place, so that nobody takes it for none.
type Entry = Result<Quota, Arc<str>>;

/// The quotas of all buckets that have one.
#[derive(Debug, Default)]
pub struct BucketQuotas {
    current: ArcSwap<HashMap<BucketId, Entry>>,
    /// Held from the commit to the swap, so that the order of two changes is the same on disk and in memory.
    writing: tokio::sync::Mutex<()>,
    swapping: Mutex<()>,
}

impl BucketQuotas {
    /// Reads the quotas of all buckets; one that can't be read stops writes to its bucket and to no other.
    pub fn load(store: &Store) -> BucketQuotas {
        let mut quotas = HashMap::new();
        for bucket in store.buckets() {
            let read = match store.config(&engine::bucket_namespace(bucket.id), ROW) {
                Ok(None) => continue,
                Ok(Some(row)) => serde_json::from_slice::<Quota>(&row.value).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let entry = read.map_err(|reason| {
                tracing::error!(bucket = %bucket.name, reason, "the bucket's quota can't be read: writes to it are refused until it is set again");
                reason.into()
            });
            quotas.insert(bucket.id, entry);
        }
        BucketQuotas { current: ArcSwap::from_pointee(quotas), ..BucketQuotas::default() }
    }

    /// The quota of a bucket, if it has one.
    ///
    /// # Errors
    /// It can't be read.
    pub fn of(&self, bucket: BucketId) -> S3Result<Option<Quota>> {
        match self.current.load().get(&bucket) {
            None => Ok(None),
            Some(Ok(quota)) => Ok(Some(*quota)),
            Some(Err(reason)) => {
                Err(Code::ServiceUnavailable.error().because(format!("the bucket's quota can't be read: {reason}")))
            }
        }
    }

    /// Refuses so many more bytes where a bucket may not hold them.
    ///
    /// # Errors
    /// `QuotaExceeded`, or the quota can't be read.
    pub fn require(&self, store: &Store, bucket: BucketId, bytes: u64) -> S3Result<()> {
        let Some(quota) = self.of(bucket)? else { return Ok(()) };
        let held = store.bucket_usage(bucket).bytes;
        if held.saturating_add(bytes) <= quota.bytes {
            return Ok(());
        }
        Err(Code::QuotaExceeded
            .error()
            .field("QuotaBytes", quota.bytes.to_string())
            .field("UsedBytes", held.to_string())
            .field("ProposedSize", bytes.to_string()))
    }

    /// Stores a bucket's quota, or removes it, and puts it in force once it is durable. It is finished even when the caller goes away meanwhile.
    ///
    /// # Errors
    /// The store's.
    pub async fn set(self: &Arc<Self>, store: &Store, bucket: BucketId, quota: Option<Quota>) -> S3Result<()> {
        let (quotas, store) = (self.clone(), store.clone());
        let finished = tokio::spawn(async move { quotas.commit(&store, bucket, quota).await });
        finished.await.map_err(|error| Code::InternalError.error().because(error))?
    }

    async fn commit(&self, store: &Store, bucket: BucketId, quota: Option<Quota>) -> S3Result<()> {
        let _writing = self.writing.lock().await;
        let value = quota.map(|quota| serde_json::to_vec(&quota)).transpose();
        let value = value.map_err(|error| Code::InternalError.error().because(error))?;
        let change = ConfigChange {
            namespace: engine::bucket_namespace(bucket),
            key: ROW.to_owned(),
            value: value.map(Bytes::from),
            expected_revision: None,
        };
        store.put_config_batch(vec![change]).await?;
        self.swap(bucket, quota.map(Ok));
        Ok(())
    }

    /// Forgets the quota of a bucket that was deleted.
    pub fn forget(&self, bucket: BucketId) {
        self.swap(bucket, None);
    }

    fn swap(&self, bucket: BucketId, entry: Option<Entry>) {
        let _swapping = self.swapping.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load();
        if entry.is_none() && !current.contains_key(&bucket) {
            return;
        }
        let mut next = HashMap::clone(&current);
        match entry {
            Some(entry) => next.insert(bucket, entry),
            None => next.remove(&bucket),
        };
        self.current.store(Arc::new(next));
    }
}
