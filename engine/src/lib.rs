//! The storage engine: S3 objects of one node on one file system, durable before they are acknowledged.
//!
//! It is a synchronous library that knows nothing of HTTP, policies or an async runtime; [`Store`] is its whole
//! interface. The format on disk, its invariants and the argument for recovery are in `FORMAT.md`.

mod apply;
mod backup;
mod bucket;
mod bugs;
mod bulk;
mod checkup;
mod clock;
mod codec;
mod commit;
mod compact;
mod core;
mod doubt;
mod effects;
mod error;
mod examine;
mod footer;
mod format;
mod found;
mod freed;
#[cfg(any(test, feature = "sim"))]
pub mod fuzz;
mod gate;
mod index;
mod list;
mod log;
mod maintain;
mod memtable;
mod meta;
mod multipart;
mod name;
mod object;
mod prepare;
mod progress;
mod queue;
mod rebuild;
mod record;
mod recover;
mod replay;
mod report;
mod request;
mod reserve;
mod row;
mod scrub;
mod segment;
mod settle;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod sorter;
mod space;
mod spare;
mod store;
mod superblock;
mod sync;
mod vacuum;
mod verify;
mod vfs;
mod view;
mod wakeup;
mod worker;

pub use backup::restore;
pub use bucket::{
    BUCKET_ATTRIBUTE_BYTES_MAX, Bucket, BucketChange, BucketId, BucketUsage, NewBucket, Versioning, bucket_namespace,
};
pub use bulk::{BulkBody, BulkWriter};
pub use bytes::Bytes;
pub use clock::{Clock, SystemClock};
pub use commit::Commit;
pub use error::{Error, OpenError};
pub use examine::{fsck, inspect_records, inspect_rows, inspect_segments, repair_index};
pub use list::{
    Entry, LIST_ENTRIES_MAX, ListPage, ListPartsPage, ListQuery, ListUploadsPage, ListUploadsQuery, ListVersionsPage,
    ListVersionsQuery, UploadEntry, VersionEntry,
};
pub use multipart::{CompleteUpload, NewUpload, PART_NUMBER_MAX, Part, Upload};
pub use name::{BucketName, KEY_BYTES_MAX, NameError, ObjectKey};
pub use object::{
    ATTRIBUTE_BYTES_MAX, Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Match, ObjectInfo, ObjectPart,
    ParseIdError, Precondition, Retention, RetentionMode, StorageClass, Stored, UploadId, VersionId,
};
pub use progress::{MaintenanceProgress, Progress};
pub use report::{BackupReport, Damage, FsckReport, RecordInfo, RowField, RowInfo, ScrubReport, SegmentInfo};
pub use request::{
    Body, CONFIG_BYTES_MAX, Compaction, ConfigChange, ConfigRow, DamagedConfigRow, Delete, Deleted, Durability, Health,
    INLINE_BYTES_MAX, Options, Put, PutPart, SetAttributes, Stats, Wait,
};
pub use store::{Object, Store};
pub use vfs::{OpenMode, Probe, RealVfs, Space, VFile, Vfs};
