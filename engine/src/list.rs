//! What listings ask and answer.

use crate::bucket::BucketId;
use crate::multipart::Part;
use crate::name::ObjectKey;
use crate::object::{ChecksumAlgorithm, ChecksumKind, ETag, StorageClass, UploadId, VersionId};

/// The most entries and common prefixes of one page.
pub const LIST_ENTRIES_MAX: usize = 1000;

/// Which keys to list. Order is that of the keys' UTF-8 bytes.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys that begin so.
    pub prefix: String,
    /// Rolls keys up that agree to the first delimiter after the prefix. An empty one is none.
    pub delimiter: Option<String>,
    /// Only keys after this one. If it is a common prefix, keys rolled up in it are left out too.
    pub start_after: Option<String>,
    /// The most entries and common prefixes together; more than [`LIST_ENTRIES_MAX`] is taken for that.
    pub max_keys: usize,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Objects, ascending.
    pub entries: Vec<Entry>,
    /// Common prefixes, ascending.
    pub common_prefixes: Vec<String>,
    /// Whether more follows.
    pub truncated: bool,
    /// The `start_after` that continues; there if `truncated`.
    pub next: Option<String>,
}

/// A listed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its size, in bytes.
    pub size: u64,
    /// When it was stored, in milliseconds since 1970.
    pub modified_ms: u64,
    /// Its ETag.
    pub etag: ETag,
    /// Its storage class.
    pub storage_class: StorageClass,
    /// The algorithm and kind of its (first) checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// Which versions to list: keys ascending, the versions of a key newest first.
#[derive(Clone, Debug)]
pub struct ListVersionsQuery {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys that begin so.
    pub prefix: String,
    /// Rolls keys up that agree to the first delimiter after the prefix. An empty one is none.
    pub delimiter: Option<String>,
    /// Only keys after this one, or, with a version id marker, also older versions of this one.
    pub key_marker: Option<String>,
    /// Only versions of the key marker older than this one.
    pub version_id_marker: Option<VersionId>,
    /// The most entries and common prefixes together.
    pub max_keys: usize,
}

/// A page of versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListVersionsPage {
    /// Versions and delete markers.
    pub entries: Vec<VersionEntry>,
    /// Common prefixes, ascending.
    pub common_prefixes: Vec<String>,
    /// Whether more follows.
    pub truncated: bool,
    /// The key marker and version id marker that continue; there if `truncated`.
    pub next: Option<(String, Option<VersionId>)>,
}

/// A listed version or delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionEntry {
    /// What a listing shows of the object; size and ETag mean nothing for a delete marker.
    pub entry: Entry,
    /// The version id.
    pub version_id: VersionId,
    /// Whether it is the newest version of its key.
    pub is_latest: bool,
    /// Whether it is a delete marker.
    pub delete_marker: bool,
}

/// Which uploads to list: keys ascending, the uploads of a key in the order in which they began.
#[derive(Clone, Debug)]
pub struct ListUploadsQuery {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys that begin so.
    pub prefix: String,
    /// Rolls keys up that agree to the first delimiter after the prefix. An empty one is none.
    pub delimiter: Option<String>,
    /// Only keys after this one, or, with an upload id marker, also later uploads of this one.
    pub key_marker: Option<String>,
    /// Only uploads of the key marker after this one.
    pub upload_id_marker: Option<UploadId>,
    /// The most entries and common prefixes together.
    pub max_uploads: usize,
}

/// A page of uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListUploadsPage {
    /// Uploads.
    pub entries: Vec<UploadEntry>,
    /// Common prefixes, ascending.
    pub common_prefixes: Vec<String>,
    /// Whether more follows.
    pub truncated: bool,
    /// The key marker and upload id marker that continue; there if `truncated`.
    pub next: Option<(String, Option<UploadId>)>,
}

/// A listed upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadEntry {
    /// The key.
    pub key: ObjectKey,
    /// The id.
    pub id: UploadId,
    /// When it began, in milliseconds since 1970.
    pub initiated_ms: u64,
    /// The storage class that was asked for.
    pub storage_class: StorageClass,
    /// The checksum that the client announced.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// What the caller keeps with an upload.
    pub opaque: bytes::Bytes,
}

/// A page of the parts of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPartsPage {
    /// Parts, in ascending order of their numbers.
    pub parts: Vec<Part>,
    /// Whether more follows.
    pub truncated: bool,
}
