//! Buckets as the engine knows them: a name, a number that is never used again, an owner, and what the caller adds.
//!
//! The number, not the name, is in every record and row, so nothing of a deleted bucket can come back under its name.

use bytes::Bytes;

use crate::name::BucketName;

/// A bucket's number. It is never used again, also when the bucket's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId(pub u64);

/// Whether a bucket keeps earlier versions
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Versioning {
    /// Versioning was never enabled: each put replaces the object.
    #[default]
    Unversioned,
    /// Each put makes a version with an id of its own.
    Enabled,
    /// Each put replaces the null version; earlier versions stay.
    Suspended,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket's number.
    pub id: BucketId,
    /// The bucket's name.
    pub name: BucketName,
    /// The owner, opaque to the engine.
    pub owner: String,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// Its versioning state.
    pub versioning: Versioning,
    /// What the caller keeps with a bucket, opaque to the engine; at most [`BUCKET_ATTRIBUTE_BYTES_MAX`].
    pub attributes: Bytes,
}

/// The most bytes of a bucket's opaque attributes.
pub const BUCKET_ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;

/// What `create_bucket` stores.
#[derive(Clone, Debug)]
pub struct NewBucket {
    /// The bucket's name.
    pub name: BucketName,
    /// The owner, opaque to the engine; at most 1,024 bytes.
    pub owner: String,
    /// The versioning state to begin with.
    pub versioning: Versioning,
    /// What the caller keeps with a bucket.
    pub attributes: Bytes,
}

/// What `set_bucket` changes: each `Some` replaces, each `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct BucketChange {
    /// The owner.
    pub owner: Option<String>,
    /// The versioning state. A bucket never returns to `Unversioned`.
    pub versioning: Option<Versioning>,
    /// The opaque attributes.
    pub attributes: Option<Bytes>,
}

/// How much a bucket holds, counted with each record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketUsage {
    /// Stored object versions, delete markers left out.
    pub objects: u64,
    /// The sum of their sizes, in bytes.
    pub bytes: u64,
}

/// The namespace of a bucket's own configuration rows; they die with the bucket.
#[must_use]
pub fn bucket_namespace(bucket: BucketId) -> String {
    format!("bucket/{:016x}", bucket.0)
}
