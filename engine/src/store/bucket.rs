//! Buckets.

use std::sync::Arc;

use super::Store;
use super::mutate::commit;
use crate::bucket::{BUCKET_ATTRIBUTE_BYTES_MAX, Bucket, BucketChange, BucketId, BucketUsage, NewBucket, Versioning};
use crate::commit::Commit;
use crate::error::Error;
use crate::meta::BucketMeta;
use crate::record::{Frame, Kind};
use crate::row::{Table, key};
use crate::sync::lock;

/// The longest owner.
const OWNER_BYTES_MAX: usize = 1024;

impl Store {
    /// Creates a bucket.
    ///
    /// # Errors
    /// `BucketExists` with the one that is there; `TooLarge`; `ReadOnly`, `NoSpace`.
    pub fn create_bucket(&self, new: NewBucket) -> Commit<Arc<Bucket>> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(true)?;
            let NewBucket { name, owner, versioning, attributes } = new;
            check_sizes(&owner, attributes.len())?;
            let token = core.catalog.exclusive().await;
            if let Some(entry) = core.buckets.load().by_name.get(&*name) {
                return Err(Error::BucketExists(Arc::clone(&entry.bucket)));
            }
            let created_ms = core.clock.now_ms();
            let bucket = Bucket { id: BucketId(0), name, owner, created_ms, versioning, attributes };
            let meta = BucketMeta::Is(bucket.clone()).encode();
            let frame = Frame::new(Kind::Bucket, 0, bucket.name.as_bytes(), meta);
            let seq = commit(&core, frame, vec![token]).await?;
            Ok(core.bucket_entry(seq)?.bucket)
        })
    }

    /// The bucket of this name, from memory, without a lock.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn bucket(&self, name: &str) -> Result<Arc<Bucket>, Error> {
        let buckets = self.core.buckets.load();
        buckets.by_name.get(name).map(|entry| Arc::clone(&entry.bucket)).ok_or(Error::NoSuchBucket)
    }

    /// Every bucket, ascending by name.
    #[must_use]
    pub fn buckets(&self) -> Vec<Arc<Bucket>> {
        let table = self.core.buckets.load();
        let mut buckets: Vec<_> = table.by_name.values().map(|entry| Arc::clone(&entry.bucket)).collect();
        buckets.sort_by(|a, b| a.name.cmp(&b.name));
        buckets
    }

    /// How much a bucket holds; zero for one that is not there.
    #[must_use]
    pub fn bucket_usage(&self, bucket: BucketId) -> BucketUsage {
        lock(&self.core.usage).get(&bucket.0).copied().unwrap_or_default()
    }

    /// Deletes an empty bucket with its configuration rows. Uploads in progress are aborted.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`, `ReadOnly`.
    pub fn delete_bucket(&self, bucket: BucketId) -> Commit<()> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(false)?;
            let catalog = core.catalog.exclusive().await;
            let entry = core.bucket_entry(bucket.0)?;
            let alone = entry.gate.exclusive().await;
            let view = core.view.load_full();
            for table in [Table::Current, Table::Versions] {
                let prefix = key::object(bucket.0, &[]);
                if view.scan(table, &prefix, &prefix)?.next()?.is_some() {
                    return Err(Error::BucketNotEmpty);
                }
            }
            let frame = Frame::new(Kind::Bucket, bucket.0, entry.bucket.name.as_bytes(), BucketMeta::Deleted.encode());
            commit(&core, frame, vec![alone, catalog]).await?;
            Ok(())
        })
    }

    /// Changes a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`; `Invalid` for a return to `Unversioned`; `TooLarge`, `ReadOnly`.
    pub fn set_bucket(&self, bucket: BucketId, change: BucketChange) -> Commit<Arc<Bucket>> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(false)?;
            let catalog = core.catalog.exclusive().await;
            // A put reads the versioning state before it is queued, so none may be under way while it changes.
            let alone = core.bucket_entry(bucket.0)?.gate.exclusive().await;
            let before = core.bucket_entry(bucket.0)?.bucket;
            let now = changed(&before, change)?;
            let meta = BucketMeta::Is(now).encode();
            let frame = Frame::new(Kind::Bucket, bucket.0, before.name.as_bytes(), meta);
            commit(&core, frame, vec![alone, catalog]).await?;
            Ok(core.bucket_entry(bucket.0)?.bucket)
        })
    }
}

fn changed(before: &Bucket, change: BucketChange) -> Result<Bucket, Error> {
    let versioning = change.versioning.unwrap_or(before.versioning);
    if versioning == Versioning::Unversioned && before.versioning != Versioning::Unversioned {
        return Err(Error::Invalid { what: "versioning can be suspended but not undone" });
    }
    let now = Bucket {
        owner: change.owner.unwrap_or_else(|| before.owner.clone()),
        versioning,
        attributes: change.attributes.unwrap_or_else(|| before.attributes.clone()),
        ..before.clone()
    };
    check_sizes(&now.owner, now.attributes.len())?;
    Ok(now)
}

fn check_sizes(owner: &str, attribute_bytes: usize) -> Result<(), Error> {
    if owner.len() > OWNER_BYTES_MAX {
        return Err(Error::TooLarge { what: "a bucket's owner above 1,024 bytes" });
    }
    if attribute_bytes > BUCKET_ATTRIBUTE_BYTES_MAX {
        return Err(Error::TooLarge { what: "a bucket's attributes above 64 KiB" });
    }
    Ok(())
}
