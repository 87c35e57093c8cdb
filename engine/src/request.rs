//! What the verbs of the store are asked for.

use bytes::Bytes;

use crate::bucket::BucketId;
use crate::bulk::BulkBody;
use crate::name::ObjectKey;
use crate::object::{Attributes, Checksum, ETag, Precondition, UploadId, VersionId};

/// The largest body that is kept inside a log record, in bytes; anything larger is a [`BulkBody`].
pub const INLINE_BYTES_MAX: usize = 1 << 20;

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Answer `Error::WouldBlock` when the data is not in the page cache.
    Never,
    /// Wait for the disk.
    Allowed,
}

/// The bytes of an object to be stored.
#[derive(Debug)]
pub enum Body {
    /// At most [`INLINE_BYTES_MAX`] bytes, in the log record itself.
    Inline(Bytes),
    /// A finished bulk segment, from [`Store::bulk_writer`](crate::Store::bulk_writer).
    Bulk(BulkBody),
}

/// An object to be stored.
#[derive(Debug)]
pub struct Put {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: ObjectKey,
    /// The bytes.
    pub body: Body,
    /// The ETag; the engine stores what it is given.
    pub etag: ETag,
    /// What is stored with the object.
    pub attributes: Attributes,
    /// What the current object must be like.
    pub precondition: Precondition,
}

/// A part to be stored. Parts are always bulk, so that completing an upload copies nothing.
#[derive(Debug)]
pub struct PutPart {
    /// The bucket.
    pub bucket: BucketId,
    /// The upload's key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// The part's number, 1 to [`PART_NUMBER_MAX`](crate::PART_NUMBER_MAX).
    pub number: u16,
    /// The bytes.
    pub body: BulkBody,
    /// The MD5 of the bytes.
    pub etag: ETag,
    /// The checksum that came with the part.
    pub checksum: Option<Checksum>,
}

/// An object to be deleted.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: ObjectKey,
    /// The version to remove for good; without it the bucket's versioning state decides.
    pub version: Option<VersionId>,
    /// What the current object, or the named version, must be like.
    pub precondition: Precondition,
}

/// What a delete has done. Deleting what is not there succeeds, as in S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Whether a delete marker was made, or the version removed was one.
    pub delete_marker: bool,
    /// The marker made, or the version removed; `None` where the bucket was never versioned and none was named.
    pub version_id: Option<VersionId>,
    /// Whether anything was there to delete.
    pub found: bool,
}

/// New attributes for a version that stays what it is otherwise (tags, retention, legal hold, ACL).
#[derive(Clone, Debug)]
pub struct SetAttributes {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: ObjectKey,
    /// The version; the current one without it.
    pub version: Option<VersionId>,
    /// Refuses with `PreconditionFailed` unless the version's attributes are still these, so that two changes of
    /// different parts are not lost in each other.
    pub expected: Option<Attributes>,
    /// The attributes that take their place.
    pub attributes: Attributes,
}

/// A row of configuration: opaque to the engine, found by namespace and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRow {
    /// The row's key.
    pub key: String,
    /// The revision: it grows with every change and is never used again.
    pub revision: u64,
    /// The value.
    pub value: Bytes,
}

/// A row of configuration whose value does not match its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedConfigRow {
    /// The row's key.
    pub key: String,
}

/// The most bytes of a configuration row's value.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

/// A change of one configuration row.
#[derive(Clone, Debug)]
pub struct ConfigChange {
    /// The namespace, 1 to 255 bytes. Those of buckets come from [`bucket_namespace`](crate::bucket_namespace).
    pub namespace: String,
    /// The key, 1 to 1,024 bytes.
    pub key: String,
    /// The new value, or `None` to delete the row.
    pub value: Option<Bytes>,
    /// Refuses with `RevisionMismatch` unless the row has this revision; 0 means that it must not be there.
    pub expected_revision: Option<u64>,
}

/// How much an acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// An acknowledged mutation is on stable storage.
    #[default]
    Strict,
    /// An acknowledged mutation is with the operating system only: for nodes that are thrown away.
    Relaxed,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much an acknowledgement promises.
    pub durability: Durability,
    /// Whether network and FUSE file systems are accepted.
    pub allow_network_filesystem: bool,
    /// Size at which a log segment is sealed, in bytes; `None` takes 1/64 of the file system, between 1 and 64 MiB.
    pub segment_bytes: Option<u64>,
    /// Free space below which puts are refused, in bytes; `None` takes 1/64 of the file system, at most 1 GiB.
    pub low_water_bytes: Option<u64>,
    /// Rows in memory at which they are applied to the index.
    pub memtable_entries_max: usize,
    /// Bytes of rows in memory at which they are applied to the index.
    pub memtable_bytes_max: usize,
    /// The index's page cache, in bytes.
    pub index_cache_bytes: usize,
    /// How fast compaction copies, in bytes a second; `None` as fast as the disk allows.
    pub maintenance_bytes_per_second: Option<u64>,
    /// How fast a scrub reads, in bytes a second; `None` as fast as compaction copies.
    pub scrub_bytes_per_second: Option<u64>,
    /// How fast a backup copies, in bytes a second; `None` as fast as compaction copies. Linking takes no time.
    pub backup_bytes_per_second: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            durability: Durability::Strict,
            allow_network_filesystem: false,
            segment_bytes: None,
            low_water_bytes: None,
            memtable_entries_max: 128 * 1024,
            memtable_bytes_max: 64 << 20,
            index_cache_bytes: 64 << 20,
            maintenance_bytes_per_second: Some(256 << 20),
            scrub_bytes_per_second: None,
            backup_bytes_per_second: None,
        }
    }
}

/// Whether the store does all it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Reads and mutations are served.
    Ok,
    /// Reads are served, mutations are refused until the store is reopened.
    ReadOnly {
        /// Why, in one line.
        reason: String,
    },
    /// Damage was found when the store was opened: what is intact is served, mutations are refused.
    Damaged {
        /// Each damage found, a line each.
        damage: Vec<String>,
    },
}

/// What a compaction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Log segments freed.
    pub segments_freed: u64,
    /// Their bytes.
    pub bytes_freed: u64,
    /// Bytes that had to be copied for it.
    pub bytes_copied: u64,
    /// Log segments that hold something that cannot be read, and stay as they are.
    pub segments_spared: u64,
}

/// Counters since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Groups committed.
    pub commits: u64,
    /// Records committed.
    pub records: u64,
    /// Bytes appended to the log.
    pub log_bytes: u64,
    /// `fdatasync` calls on the log.
    pub log_syncs: u64,
    /// `fdatasync` calls on bulk segments.
    pub bulk_syncs: u64,
    /// Bytes written to bulk segments.
    pub bulk_bytes: u64,
    /// Memtables applied to the index.
    pub index_applies: u64,
    /// Rows waiting to be applied to the index.
    pub memtable_rows: u64,
    /// Log segments.
    pub segments: u64,
    /// Bytes that compaction has copied.
    pub compacted_bytes: u64,
    /// Log segments that were freed.
    pub segments_freed: u64,
    /// Free space of the file system when last looked at, in bytes.
    pub free_bytes: u64,
    /// Free space below which puts are refused, in bytes, what is missing in the reserve included.
    pub low_water_bytes: u64,
    /// Whether puts are refused for want of space.
    pub space_low: bool,
    /// Bytes of all log segments, footers left out.
    pub log_stored_bytes: u64,
    /// Bytes of those that something still refers to.
    pub log_live_bytes: u64,
    /// Bulk segments; `None` until those that were there when the store was opened have been counted, soon after.
    pub bulk_segments: Option<u64>,
    /// Bytes of their files, trailers included; likewise.
    pub bulk_stored_bytes: Option<u64>,
    /// Bytes of the index's file.
    pub index_bytes: u64,
}
