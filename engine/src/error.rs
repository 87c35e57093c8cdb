//! What can go wrong, one variant for each case that a caller must tell apart.
//!
//! Errors are cheap to clone, since one failed sync answers a whole group of waiting mutations.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::object::VersionId;
use crate::vfs::is_full;

/// The outcome of a verb that failed.
#[derive(Clone, Debug)]
pub enum Error {
    /// No bucket of this name or id.
    NoSuchBucket,
    /// The bucket is there already; carries it, so that its owner can be compared.
    BucketExists(Arc<Bucket>),
    /// The bucket still holds objects, versions or delete markers.
    BucketNotEmpty,
    /// No current object of this key.
    NoSuchKey,
    /// The key has no such version.
    NoSuchVersion,
    /// What was asked for is a delete marker. `current` tells a key whose newest version is a marker (404 upstairs)
    /// from a marker that was named by its version id (405 upstairs).
    DeleteMarker {
        /// The marker's version id.
        version_id: VersionId,
        /// When the marker was made, in milliseconds since 1970.
        modified_ms: u64,
        /// Whether the marker was met as the newest version.
        current: bool,
    },
    /// No upload of this id in progress.
    NoSuchUpload,
    /// A part named by Complete is missing or has another ETag.
    InvalidPart {
        /// The part's number.
        number: u16,
    },
    /// The parts named by Complete are not in ascending order, or none is named.
    InvalidPartOrder,
    /// A condition of the request does not hold.
    PreconditionFailed,
    /// The row's revision is not the expected one; carries the revision found, 0 for a row that is not there.
    RevisionMismatch {
        /// The revision found.
        found: u64,
    },
    /// The data is not in the page cache: ask again with `Wait::Allowed` where blocking is allowed.
    WouldBlock,
    /// More is queued than the node can write; ask again later.
    Busy,
    /// Free space is below the low-water mark, or the file system refused to store more.
    NoSpace,
    /// The store refuses mutations until it is reopened.
    ReadOnly {
        /// Why, in one line.
        reason: Arc<str>,
    },
    /// Stored bytes do not match their checksum, or something named is not there. Never answered with wrong bytes.
    Damaged {
        /// What is damaged, in one line.
        what: Arc<str>,
        /// Where: file and offset.
        place: Arc<str>,
    },
    /// A body, key, attribute or list is larger than the engine stores.
    TooLarge {
        /// What is too large.
        what: &'static str,
    },
    /// The request cannot be carried out as it stands.
    Invalid {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The store was closed.
    Closed,
    /// The operating system failed a call.
    Io(Arc<io::Error>),
}

impl Error {
    pub(crate) fn damaged(what: impl Into<Arc<str>>, place: impl Into<Arc<str>>) -> Error {
        Error::Damaged { what: what.into(), place: place.into() }
    }

    /// What went wrong, where it has been said already that something is damaged.
    pub(crate) fn told(&self) -> String {
        match self {
            Error::Damaged { what, place } => format!("{what} at {place}"),
            error => error.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSuchBucket => f.write_str("no such bucket"),
            Error::BucketExists(bucket) => write!(f, "bucket {} exists", bucket.name),
            Error::BucketNotEmpty => f.write_str("the bucket is not empty"),
            Error::NoSuchKey => f.write_str("no such key"),
            Error::NoSuchVersion => f.write_str("no such version"),
            Error::DeleteMarker { version_id, .. } => write!(f, "version {version_id} is a delete marker"),
            Error::NoSuchUpload => f.write_str("no such upload"),
            Error::InvalidPart { number } => write!(f, "part {number} is missing or has another ETag"),
            Error::InvalidPartOrder => f.write_str("the parts are not in ascending order"),
            Error::PreconditionFailed => f.write_str("a precondition does not hold"),
            Error::RevisionMismatch { found } => write!(f, "the row's revision is {found}"),
            Error::WouldBlock => f.write_str("the data is not in memory"),
            Error::Busy => f.write_str("too many mutations are waiting"),
            Error::NoSpace => f.write_str("not enough free space"),
            Error::ReadOnly { reason } => write!(f, "the store is read-only: {reason}"),
            Error::Damaged { what, place } => write!(f, "damaged: {what} at {place}"),
            Error::TooLarge { what } => write!(f, "too large: {what}"),
            Error::Invalid { what } => write!(f, "invalid: {what}"),
            Error::Closed => f.write_str("the store was closed"),
            Error::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::WouldBlock => Error::WouldBlock,
            _ if is_full(&error) => Error::NoSpace,
            _ => Error::Io(Arc::new(error)),
        }
    }
}

/// Why a data directory could not be opened. Each is one line that tells its reader what to do.
#[derive(Debug)]
pub enum OpenError {
    /// Another process holds the lock.
    InUse(PathBuf),
    /// The directory was written by a later version.
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// The format version found.
        found: u32,
        /// The newest version this build reads.
        supported: u32,
    },
    /// The directory was written with features that this build does not know.
    UnknownFeatures {
        /// The directory.
        path: PathBuf,
        /// Their bits, those that forbid to read and those that forbid to write.
        bits: u64,
    },
    /// The directory is there and holds files, but no data directory's FORMAT file.
    NotADataDirectory(PathBuf),
    /// Files cannot be written in the directory.
    NotWritable(PathBuf, io::Error),
    /// The directory lies on a network or FUSE file system, whose locks and syncs promise less.
    NetworkFilesystem {
        /// The directory.
        path: PathBuf,
        /// The file system's kind.
        kind: String,
    },
    /// Neither copy in the FORMAT file of this directory can be read: whose store it is is not known.
    LostFormat(PathBuf),
    /// Files that only damage can explain.
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is damaged, and where.
        what: String,
    },
    /// The operating system failed a call.
    Io {
        /// The directory.
        path: PathBuf,
        /// What was attempted.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse(path) => {
                write!(f, "{} is in use by another process: stop that one or name another directory", path.display())
            }
            OpenError::NewerFormat { path, found, supported } => write!(
                f,
                "{} has data format {found}, this program reads up to {supported}: use a newer version of it",
                path.display()
            ),
            OpenError::UnknownFeatures { path, bits } => write!(
                f,
                "{} uses features that this program does not know (bits {bits:#x}): use a newer version of it",
                path.display()
            ),
            OpenError::NotADataDirectory(path) => {
                write!(f, "{} is neither empty nor a data directory: name another one", path.display())
            }
            OpenError::NotWritable(path, source) => {
                write!(f, "{} is not writable: {source}: make it writable or name another directory", path.display())
            }
            OpenError::NetworkFilesystem { path, kind } => write!(
                f,
                "{} lies on {kind}, where locks and syncs promise less; allow network file systems to use it all the same",
                path.display()
            ),
            OpenError::LostFormat(path) => {
                write!(f, "{} is damaged: neither copy in FORMAT is intact: restore it", path.display())
            }
            OpenError::Damaged { path, what } => write!(f, "{} is damaged: {what}: restore it", path.display()),
            OpenError::Io { path, what, source } => write!(f, "{}: {what}: {source}", path.display()),
        }
    }
}

impl OpenError {
    /// The same error of the directory at `root`, of which the steps of recovery do not know.
    pub(crate) fn of(mut self, root: &Path) -> OpenError {
        match &mut self {
            OpenError::InUse(path)
            | OpenError::NotADataDirectory(path)
            | OpenError::LostFormat(path)
            | OpenError::NotWritable(path, _)
            | OpenError::NewerFormat { path, .. }
            | OpenError::UnknownFeatures { path, .. }
            | OpenError::NetworkFilesystem { path, .. }
            | OpenError::Damaged { path, .. }
            | OpenError::Io { path, .. } => *path = root.into(),
        }
        self
    }

    /// Damage in a directory that is named later.
    pub(crate) fn damaged(what: impl Into<String>) -> OpenError {
        OpenError::Damaged { path: PathBuf::new(), what: what.into() }
    }

    /// A failed call in a directory that is named later.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> OpenError {
        OpenError::Io { path: PathBuf::new(), what: what.into(), source }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::NotWritable(_, source) | OpenError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
