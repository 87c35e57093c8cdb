//! The bucket policies in force: compiled when they are stored, swapped whole, read without a lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use engine::{BucketId, ConfigChange, Store};
use policy::{ParseOptions, Policy, PolicyKind};

use crate::protocol::error::{Code, S3Result};

/// The key of a bucket's policy among its configuration rows.
const ROW: &str = "policy";

/// A bucket's policy.
#[derive(Debug)]
pub struct BucketPolicy {
    /// The compiled document; its source is what was uploaded, byte for byte.
    pub policy: Policy,
}

/// One bucket's entry: a policy that can't be read keeps its place, so that it fails closed.
type Entry = Result<Arc<BucketPolicy>, Arc<str>>;

/// All bucket policies of the node.
#[derive(Debug, Default)]
pub struct BucketPolicies {
    current: ArcSwap<HashMap<BucketId, Entry>>,
    /// Held from the commit to the swap, so that the order of two changes is the same on disk and in memory.
    writing: tokio::sync::Mutex<()>,
    swapping: Mutex<()>,
}

impl BucketPolicies {
    /// Reads the policies of all buckets; one that can't be read refuses its bucket and no other.
    pub fn load(store: &Store) -> BucketPolicies {
        let mut policies = HashMap::new();
        for bucket in store.buckets() {
            // What was accepted once stays in force, also when a later version would refuse to store it.
            let parsed = match store.config(&engine::bucket_namespace(bucket.id), ROW) {
                Ok(None) => continue,
                Ok(Some(row)) => {
                    policy::parse(&row.value, ParseOptions::grammar(PolicyKind::Bucket)).map_err(|e| e.message)
                }
                Err(error) => Err(error.to_string()),
            };
            let entry = parsed.map(|policy| Arc::new(BucketPolicy { policy })).map_err(|reason| {
                tracing::error!(bucket = %bucket.name, reason, "the bucket policy can't be read: requests to this bucket are refused");
                reason.into()
            });
            policies.insert(bucket.id, entry);
        }
        BucketPolicies { current: ArcSwap::from_pointee(policies), ..BucketPolicies::default() }
    }

    /// The policy of a bucket, if it has one; one that can't be read is 503, never none.
    pub fn of(&self, bucket: BucketId) -> S3Result<Option<Arc<BucketPolicy>>> {
        match self.current.load().get(&bucket) {
            None => Ok(None),
            Some(Ok(policy)) => Ok(Some(policy.clone())),
            Some(Err(reason)) => {
                Err(Code::ServiceUnavailable.error().because(format!("the bucket policy can't be read: {reason}")))
            }
        }
    }

    /// Stores a bucket's policy, or removes it, and puts it in force once it is durable. It is finished even when the caller goes away meanwhile: a policy that is durable but not in force would change who may do what at the next start.
    pub async fn set(self: &Arc<Self>, store: &Store, bucket: BucketId, policy: Option<Policy>) -> S3Result<()> {
        let (policies, store) = (self.clone(), store.clone());
        let finished = tokio::spawn(async move { policies.commit(&store, bucket, policy).await });
        finished.await.map_err(|error| Code::InternalError.error().because(error))?
    }

    async fn commit(&self, store: &Store, bucket: BucketId, policy: Option<Policy>) -> S3Result<()> {
        let _writing = self.writing.lock().await;
        let change = ConfigChange {
            namespace: engine::bucket_namespace(bucket),
            key: ROW.to_owned(),
            value: policy.as_ref().map(|policy| Bytes::copy_from_slice(policy.source().as_bytes())),
            expected_revision: None,
        };
        store.put_config_batch(vec![change]).await?;
        self.swap(bucket, policy.map(|policy| Ok(Arc::new(BucketPolicy { policy }))));
        Ok(())
    }

    /// Forgets the policy of a bucket that was deleted.
    pub fn forget(&self, bucket: BucketId) {
        self.swap(bucket, None);
    }

    fn swap(&self, bucket: BucketId, entry: Option<Entry>) {
        let _swapping = self.swapping.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = HashMap::clone(&self.current.load());
        match entry {
            Some(entry) => next.insert(bucket, entry),
            None => next.remove(&bucket),
        };
        self.current.store(Arc::new(next));
    }
}
