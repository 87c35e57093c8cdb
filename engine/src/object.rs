//! What is known of an object besides its bytes: ETag, version, attributes, and the conditions a request may set.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::name::ObjectKey;

/// An entity tag: the MD5 of the body, or the MD5 of the parts' MD5s and the number of parts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag {
    /// The 16 bytes of the MD5.
    pub md5: [u8; 16],
    /// The number of parts of a multipart object; 0 for an object that was put whole.
    pub parts: u16,
}

impl ETag {
    /// The ETag of a body that was put whole.
    #[must_use]
    pub fn of_body(md5: [u8; 16]) -> ETag {
        ETag { md5, parts: 0 }
    }
}

/// Lower-case hex and, for multipart objects, `-N`; without the quotes of HTTP.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.md5 {
            write!(f, "{byte:02x}")?;
        }
        if self.parts > 0 {
            write!(f, "-{}", self.parts)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no ETag, version id or upload id of this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identifier of this store")
    }
}

impl std::error::Error for ParseIdError {}

/// Accepts what `Display` writes, with or without the quotes of HTTP.
impl FromStr for ETag {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<ETag, ParseIdError> {
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let (hex, parts) = match text.split_once('-') {
            Some((hex, parts)) => (hex, parts.parse::<u16>().map_err(|_| ParseIdError)?),
            None => (text, 0),
        };
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseIdError);
        }
        let value = u128::from_str_radix(hex, 16).map_err(|_| ParseIdError)?;
        Ok(ETag { md5: value.to_be_bytes(), parts })
    }
}

/// The id of an object version. Ids of one key ascend in the order of the puts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionId {
    /// The version of a bucket where versioning was never enabled or is suspended.
    Null,
    /// A version made while versioning was enabled: the sequence number of its record.
    Sequence(u64),
}

/// `null`, or 32 lower-case hex digits.
impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VersionId::Null => f.write_str("null"),
            VersionId::Sequence(sequence) => write!(f, "{sequence:032x}"),
        }
    }
}

impl FromStr for VersionId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<VersionId, ParseIdError> {
        if text == "null" {
            return Ok(VersionId::Null);
        }
        parse_sequence(text).map(VersionId::Sequence)
    }
}

fn parse_sequence(text: &str) -> Result<u64, ParseIdError> {
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Err(ParseIdError);
    }
    u64::from_str_radix(text, 16).map_err(|_| ParseIdError)
}

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

/// A checksum algorithm of S3
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (4 bytes).
    Crc32,
    /// CRC-32C (4 bytes).
    Crc32c,
    /// CRC-64/NVME (8 bytes).
    Crc64Nvme,
    /// SHA-1 (20 bytes).
    Sha1,
    /// SHA-256 (32 bytes).
    Sha256,
}

/// What a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// The bytes of the whole object.
    FullObject,
    /// The checksums of the parts.
    Composite,
}

/// A checksum that the client sent or asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    pub kind: ChecksumKind,
    /// The raw value, big-endian, as long as the algorithm's.
    pub value: Bytes,
}

/// A storage class. The engine stores all alike and keeps what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of S3")]
pub enum StorageClass {
    #[default]
    Standard,
    ReducedRedundancy,
    StandardIa,
    OnezoneIa,
    IntelligentTiering,
    Glacier,
    DeepArchive,
    GlacierIr,
    Outposts,
    Snow,
    ExpressOnezone,
}

/// The mode of a retention
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetentionMode {
    /// May be lifted by who has the right to.
    Governance,
    /// May not be lifted.
    Compliance,
}

/// Until when an object version may not be deleted. The engine keeps it; the caller judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The mode.
    pub mode: RetentionMode,
    /// The end, in milliseconds since 1970.
    pub until_ms: u64,
}

/// What is stored with an object. Encoded it may take [`ATTRIBUTE_BYTES_MAX`] bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Content headers (`content-type`, `cache-control`, ...), lower-case names, in the order given.
    pub headers: Vec<(String, String)>,
    /// User metadata, names without `x-amz-meta-`.
    pub user_metadata: Vec<(String, String)>,
    /// Object tags.
    pub tags: Vec<(String, String)>,
    /// Checksums.
    pub checksums: Vec<Checksum>,
    /// The storage class.
    pub storage_class: StorageClass,
    /// The retention.
    pub retention: Option<Retention>,
    /// Whether a legal hold is on.
    pub legal_hold: bool,
    /// Anything else that the caller keeps with an object (owner, ACL), opaque to the engine, by tag.
    pub opaque: Vec<(u16, Bytes)>,
}

/// The most bytes of an object's encoded attributes.
pub const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;

/// What is known of an object version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key.
    pub key: ObjectKey,
    /// Its size, in bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was stored, in milliseconds since 1970.
    pub modified_ms: u64,
    /// Its version id.
    pub version_id: VersionId,
    /// Whether it is the newest version of its key.
    pub is_latest: bool,
    /// What is stored with it.
    pub attributes: Attributes,
    /// The upload that it was completed from.
    pub upload: Option<UploadId>,
    /// The parts of a multipart object in order, empty for one that was put whole.
    pub parts: Vec<ObjectPart>,
}

/// A part of a multipart object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// The part's number.
    pub number: u16,
    /// Its size, in bytes.
    pub size: u64,
    /// The MD5 of its bytes.
    pub etag: ETag,
    /// Its checksum, if it was sent with one.
    pub checksum: Option<Checksum>,
}

/// What an object must be like for a mutation to be carried out; decided under the key's lock.
/// Judged in S3's order: on a missing key `if_match` answers `NoSuchKey`, anything else `PreconditionFailed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// The current object must be one of these.
    pub if_match: Option<Match>,
    /// The current object must be none of these.
    pub if_none_match: Option<Match>,
    /// The current object must have this size, in bytes (DeleteObject, DeleteObjects).
    pub if_match_size: Option<u64>,
    /// The current object must have been stored in this second since 1970 (DeleteObject, DeleteObjects).
    pub if_match_modified_seconds: Option<u64>,
}

/// The right-hand side of If-Match and If-None-Match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `*`
    Any,
    /// One of these.
    ETags(Vec<ETag>),
}

impl Match {
    /// Whether an object of this ETag matches.
    #[must_use]
    pub fn matches(&self, etag: &ETag) -> bool {
        match self {
            Match::Any => true,
            Match::ETags(etags) => etags.contains(etag),
        }
    }
}

/// What a put, copy or completed upload has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The version id; `Null` unless versioning is enabled.
    pub version_id: VersionId,
    /// The ETag.
    pub etag: ETag,
    /// The size, in bytes.
    pub size: u64,
    /// When it was stored, in milliseconds since 1970.
    pub modified_ms: u64,
    /// The bucket's versioning state when it was stored.
    pub versioning: crate::bucket::Versioning,
}

/// Every storage class with its name in S3.
const STORAGE_CLASSES: [(StorageClass, &str); 11] = [
    (StorageClass::Standard, "STANDARD"),
    (StorageClass::ReducedRedundancy, "REDUCED_REDUNDANCY"),
    (StorageClass::StandardIa, "STANDARD_IA"),
    (StorageClass::OnezoneIa, "ONEZONE_IA"),
    (StorageClass::IntelligentTiering, "INTELLIGENT_TIERING"),
    (StorageClass::Glacier, "GLACIER"),
    (StorageClass::DeepArchive, "DEEP_ARCHIVE"),
    (StorageClass::GlacierIr, "GLACIER_IR"),
    (StorageClass::Outposts, "OUTPOSTS"),
    (StorageClass::Snow, "SNOW"),
    (StorageClass::ExpressOnezone, "EXPRESS_ONEZONE"),
];

impl StorageClass {
    /// The name that S3 uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        STORAGE_CLASSES[self as usize].1
    }

    pub(crate) fn from_code(code: u8) -> Option<StorageClass> {
        STORAGE_CLASSES.get(usize::from(code)).map(|(class, _)| *class)
    }
}

impl FromStr for StorageClass {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<StorageClass, ParseIdError> {
        STORAGE_CLASSES.iter().find(|(_, name)| *name == text).map(|(class, _)| *class).ok_or(ParseIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_read_back_what_they_write() {
        for etag in [ETag::of_body([0xab; 16]), ETag { md5: [7; 16], parts: 10_000 }] {
            assert_eq!(etag.to_string().parse(), Ok(etag));
            assert_eq!(format!("\"{etag}\"").parse(), Ok(etag));
        }
        for text in ["", "\"", "zz", "+b2e6a4a4a4a4a4a4a4a4a4a4a4a4a4a", "abababababababababababababababab-x"] {
            assert_eq!(text.parse::<ETag>(), Err(ParseIdError), "{text}");
        }
    }

    #[test]
    fn version_ids_read_back_what_they_write() {
        for id in [VersionId::Null, VersionId::Sequence(0x1234_5678_9abc)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "NULL", "12", "+0000000000000000000000000000001", "ffffffffffffffffffffffffffffffff"] {
            assert_eq!(text.parse::<VersionId>(), Err(ParseIdError), "{text}");
        }
    }

    #[test]
    fn storage_classes_are_listed_in_the_order_of_their_codes() {
        for (code, (class, name)) in STORAGE_CLASSES.iter().enumerate() {
            assert_eq!(*class as usize, code);
            assert_eq!(name.parse(), Ok(*class));
        }
    }
}
