//! Multipart uploads as values: their ids, what starts them, their parts, and what completes them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::bucket::BucketId;
use crate::bulk::BulkBody;
use crate::name::ObjectKey;
use crate::object::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, ParseIdError, Precondition, parse_sequence,
};

/// The highest part number.
pub const PART_NUMBER_MAX: u16 = 10_000;

/// The id of a multipart upload: the sequence number of the record that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(pub(crate) u64);

/// 32 lower-case hex digits.
impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for UploadId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<UploadId, ParseIdError> {
        parse_sequence(text).map(UploadId)
    }
}

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

/// A part to be stored. Parts are always bulk, so that completing an upload copies nothing.
#[derive(Debug)]
pub struct PutPart {
    /// The bucket.
    pub bucket: BucketId,
    /// The upload's key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// The part's number, 1 to [`PART_NUMBER_MAX`].
    pub number: u16,
    /// The bytes.
    pub body: BulkBody,
    /// The MD5 of the bytes.
    pub etag: ETag,
    /// The checksum that came with the part.
    pub checksum: Option<Checksum>,
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
