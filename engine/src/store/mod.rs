//! `Store`: the one narrow interface through which everything above the engine speaks to it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::bucket::{Bucket, BucketChange, BucketId, BucketUsage, NewBucket};
use crate::bulk::BulkWriter;
use crate::commit::Commit;
use crate::error::{Error, OpenError};
use crate::list::{
    ListPage, ListPartsPage, ListQuery, ListUploadsPage, ListUploadsQuery, ListVersionsPage, ListVersionsQuery,
};
use crate::multipart::{CompleteUpload, NewUpload, Part, PutPart, Upload, UploadId};
use crate::name::ObjectKey;
use crate::object::{Attributes, ETag, ObjectInfo, Precondition, Stored, VersionId};
use crate::request::{ConfigChange, ConfigRow, Delete, Deleted, Health, Options, Put, SetAttributes, Stats, Wait};

/// An open data directory. Clones share it; the last one dropped closes it.
#[derive(Clone, Debug)]
pub struct Store {
    _inner: Arc<()>,
}

/// An object version opened for reading. It stays readable while it is held, whatever happens to its key.
#[derive(Clone, Debug)]
pub struct Object {
    /// What is known of it.
    pub info: ObjectInfo,
}

impl Object {
    /// The `length` bytes from `offset`, fewer at the end of the object. Each 64 KiB block touched is verified first.
    /// For an object kept inline the bytes were read with it and this is a slice.
    ///
    /// # Errors
    /// `WouldBlock` (with `Wait::Never`), `Damaged`, `Io`.
    pub fn read(&self, offset: u64, length: usize, wait: Wait) -> Result<Bytes, Error> {
        let _ = (offset, length, wait);
        Err(Error::Closed)
    }
}

fn pending<T: Send + 'static>() -> Commit<T> {
    Commit::new(async { Err(Error::Closed) })
}

impl Store {
    /// Opens the data directory at `path`, making it if it is missing or empty, and recovers it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
        let _ = options;
        Err(OpenError::NotADataDirectory(path.into()))
    }

    /// Waits for queued mutations, brings the index up to date and ends the store's threads. Mutations answer
    /// `Closed` from then on.
    ///
    /// # Errors
    /// `Io`, when the index could not be brought up to date; nothing is lost by that.
    pub fn close(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the store does all it should.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::Ok
    }

    /// Counters since the store was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// Creates a bucket.
    ///
    /// # Errors
    /// `BucketExists` with the one that is there.
    pub fn create_bucket(&self, new: NewBucket) -> Commit<Arc<Bucket>> {
        let _ = new;
        pending()
    }

    /// The bucket of this name, from memory, without a lock.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn bucket(&self, name: &str) -> Result<Arc<Bucket>, Error> {
        let _ = name;
        Err(Error::NoSuchBucket)
    }

    /// Every bucket, ascending by name.
    #[must_use]
    pub fn buckets(&self) -> Vec<Arc<Bucket>> {
        Vec::new()
    }

    /// How much a bucket holds; zero for one that is not there.
    #[must_use]
    pub fn bucket_usage(&self, bucket: BucketId) -> BucketUsage {
        let _ = bucket;
        BucketUsage::default()
    }

    /// Deletes an empty bucket with its configuration rows. Uploads in progress are aborted.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`.
    pub fn delete_bucket(&self, bucket: BucketId) -> Commit<()> {
        let _ = bucket;
        pending()
    }

    /// Changes a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`; `Invalid` for a return to `Unversioned`.
    pub fn set_bucket(&self, bucket: BucketId, change: BucketChange) -> Commit<Arc<Bucket>> {
        let _ = (bucket, change);
        pending()
    }

    /// Stores one configuration row and answers its new revision.
    ///
    /// # Errors
    /// `RevisionMismatch`; `NoSuchBucket` in the namespace of a bucket that is not there.
    pub fn put_config(&self, namespace: &str, key: &str, value: Bytes, expected_revision: Option<u64>) -> Commit<u64> {
        let _ = (namespace, key, value, expected_revision);
        pending()
    }

    /// Deletes one configuration row and answers whether it was there.
    ///
    /// # Errors
    /// `RevisionMismatch`.
    pub fn delete_config(&self, namespace: &str, key: &str, expected_revision: Option<u64>) -> Commit<bool> {
        let _ = (namespace, key, expected_revision);
        pending()
    }

    /// Carries out all changes or none, at one instant, and answers the revision that all rows now have. At most
    /// 4,096 changes and 4 MiB.
    ///
    /// # Errors
    /// `RevisionMismatch` for the first row whose revision is another.
    pub fn put_config_batch(&self, changes: Vec<ConfigChange>) -> Commit<u64> {
        let _ = changes;
        pending()
    }

    /// One configuration row.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn config(&self, namespace: &str, key: &str) -> Result<Option<ConfigRow>, Error> {
        let _ = (namespace, key);
        Ok(None)
    }

    /// All rows of a namespace, ascending by key.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn config_rows(&self, namespace: &str) -> Result<Vec<ConfigRow>, Error> {
        let _ = namespace;
        Ok(Vec::new())
    }

    /// Begins a bulk segment. Blocks.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, `Io`.
    pub fn bulk_writer(&self) -> Result<BulkWriter, Error> {
        Err(Error::Closed)
    }

    /// Stores an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (If-Match on a missing key), `TooLarge`, `Busy`, `NoSpace`,
    /// `ReadOnly`.
    pub fn put(&self, put: Put) -> Commit<Stored> {
        let _ = put;
        pending()
    }

    /// Opens an object version for reading; the current one without `version`. A small object is read whole, with one
    /// system call.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `DeleteMarker`, `WouldBlock` (with `Wait::Never`), `Damaged`, `Io`.
    pub fn open_object(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
        wait: Wait,
    ) -> Result<Object, Error> {
        let _ = (bucket, key, version, wait);
        Err(Error::NoSuchKey)
    }

    /// What is known of an object version, without its bytes.
    ///
    /// # Errors
    /// Those of [`Store::open_object`].
    pub fn head(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
        wait: Wait,
    ) -> Result<ObjectInfo, Error> {
        let _ = (bucket, key, version, wait);
        Err(Error::NoSuchKey)
    }

    /// Deletes an object, makes a delete marker, or removes a version for good.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (If-Match on a missing key), `Busy`, `ReadOnly`.
    pub fn delete(&self, delete: Delete) -> Commit<Deleted> {
        let _ = delete;
        pending()
    }

    /// Replaces the attributes of a version: its id, bytes, ETag and date stay.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `DeleteMarker`, `PreconditionFailed`, and those of [`Store::put`].
    pub fn set_attributes(&self, set: SetAttributes) -> Commit<Stored> {
        let _ = set;
        pending()
    }

    /// Stores the bytes of an opened object under another key (or its own) without copying them, by sharing its bulk
    /// segments. Only for objects above [`INLINE_BYTES_MAX`](crate::INLINE_BYTES_MAX); smaller ones are put anew.
    ///
    /// # Errors
    /// Those of [`Store::put`]; `NoSuchKey` when the source was replaced or deleted meanwhile; `Invalid` for an object
    /// kept inline.
    pub fn share(
        &self,
        source: &Object,
        bucket: BucketId,
        key: ObjectKey,
        etag: ETag,
        attributes: Attributes,
        precondition: Precondition,
    ) -> Commit<Stored> {
        let _ = (source, bucket, key, etag, attributes, precondition);
        pending()
    }

    /// A page of current objects.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn list(&self, query: &ListQuery) -> Result<ListPage, Error> {
        let _ = query;
        Err(Error::NoSuchBucket)
    }

    /// A page of versions and delete markers.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn list_versions(&self, query: &ListVersionsQuery) -> Result<ListVersionsPage, Error> {
        let _ = query;
        Err(Error::NoSuchBucket)
    }

    /// A page of uploads in progress.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn list_uploads(&self, query: &ListUploadsQuery) -> Result<ListUploadsPage, Error> {
        let _ = query;
        Err(Error::NoSuchBucket)
    }

    /// The parts of an upload with numbers above `after`, at most `max_parts`.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Damaged`, `Io`.
    pub fn list_parts(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max_parts: usize,
    ) -> Result<ListPartsPage, Error> {
        let _ = (bucket, key, upload, after, max_parts);
        Err(Error::NoSuchUpload)
    }

    /// Begins a multipart upload.
    ///
    /// # Errors
    /// `NoSuchBucket`, `TooLarge`, `Busy`, `NoSpace`, `ReadOnly`.
    pub fn create_upload(&self, new: NewUpload) -> Commit<UploadId> {
        let _ = new;
        pending()
    }

    /// An upload in progress.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Damaged`, `Io`.
    pub fn upload(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Result<Upload, Error> {
        let _ = (bucket, key, upload);
        Err(Error::NoSuchUpload)
    }

    /// Stores a part; one of the same number is replaced.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Invalid` for a number out of range, and those of [`Store::put`].
    pub fn put_part(&self, part: PutPart) -> Commit<Part> {
        let _ = part;
        pending()
    }

    /// Makes an object of an upload's parts, without copying them. Repeated for the object that it made, it answers
    /// the same again.
    ///
    /// # Errors
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, and those of [`Store::put`].
    pub fn complete_upload(&self, complete: CompleteUpload) -> Commit<Stored> {
        let _ = complete;
        pending()
    }

    /// Ends an upload and frees its parts.
    ///
    /// # Errors
    /// `NoSuchUpload`.
    pub fn abort_upload(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Commit<()> {
        let _ = (bucket, key, upload);
        pending()
    }
}
