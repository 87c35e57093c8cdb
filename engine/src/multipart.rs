//! Multipart uploads as values: what starts them, their parts, and what completes them.

use bytes::Bytes;

use crate::bucket::BucketId;
use crate::name::ObjectKey;
use crate::object::{Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Precondition, UploadId};

/// The highest part number.
pub const PART_NUMBER_MAX: u16 = 10_000;

/// What begins an upload.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The bucket.
    pub bucket: BucketId,
    /// The key of the object to be.
    pub key: ObjectKey,
    /// What is to be stored with the object.
    pub attributes: Attributes,
    /// The checksum that the client announced.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// What the caller keeps with an upload (initiator, owner), opaque to the engine; at most 4 KiB.
    pub opaque: Bytes,
}

/// An upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// The key of the object to be.
    pub key: ObjectKey,
    /// When it began, in milliseconds since 1970.
    pub initiated_ms: u64,
    /// What is to be stored with the object.
    pub attributes: Attributes,
    /// The checksum that the client announced.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// What the caller keeps with an upload.
    pub opaque: Bytes,
}

/// A stored part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part's number.
    pub number: u16,
    /// Its size, in bytes.
    pub size: u64,
    /// The MD5 of its bytes.
    pub etag: ETag,
    /// When it was stored, in milliseconds since 1970.
    pub modified_ms: u64,
    /// The checksum that came with it.
    pub checksum: Option<Checksum>,
}

/// What completes an upload. Least part sizes and the parts' checksums are judged by the caller, who lists the parts
/// first; the engine judges numbers and ETags, under the key's lock.
#[derive(Clone, Debug)]
pub struct CompleteUpload {
    /// The bucket.
    pub bucket: BucketId,
    /// The upload's key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// The parts in ascending order of their numbers.
    pub parts: Vec<(u16, ETag)>,
    /// The object's ETag, the MD5 of the parts' MD5s and their number.
    pub etag: ETag,
    /// The object's checksums; they take the place of those given when the upload began.
    pub checksums: Vec<Checksum>,
    /// What the current object must be like.
    pub precondition: Precondition,
}
