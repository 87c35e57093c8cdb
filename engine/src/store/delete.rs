//! Deleting objects and versions.

use std::sync::Arc;

use super::Store;
use super::mutate::{check, lock_key};
use crate::apply::older_null;
use crate::bucket::Versioning;
use crate::codec::Encoder;
use crate::commit::Commit;
use crate::error::Error;
use crate::meta::{FLAG_DELETE_MARKER, FLAG_NULL_VERSION, ObjectHead, Target};
use crate::object::{ETag, VersionId};
use crate::record::{Frame, Kind};
use crate::request::{Delete, Deleted};
use crate::row::{ObjectRow, Table, key};
use crate::view::View;

impl Store {
    /// Deletes an object, makes a delete marker, or removes a version for good. Goes on when the disk is full.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed` (also on a delete marker), `NoSuchKey` (a condition on a missing key),
    /// `Busy`, `ReadOnly`.
    pub fn delete(&self, delete: Delete) -> Commit<Deleted> {
        let core = Arc::clone(&self.core);
        Commit::new(async move {
            core.check_writable(false)?;
            let Delete { bucket, key: object_key, version, precondition } = delete;
            let name = object_key.as_bytes();
            let locked = lock_key(&core, bucket.0, name).await?;
            let view = core.view.load_full();
            let current = view.current(bucket.0, name)?;
            let versioning = locked.bucket.versioning;
            let Some(version) = version.or((versioning == Versioning::Unversioned).then_some(VersionId::Null)) else {
                check(&precondition, current.as_ref()).or_else(|error| match error {
                    // A marker is there, but nothing that a condition could hold for.
                    Error::NoSuchKey if newest_is_marker(&view, bucket.0, name)? => Err(Error::PreconditionFailed),
                    error => Err(error),
                })?;
                let null = versioning == Versioning::Suspended;
                let flags = FLAG_DELETE_MARKER | if null { FLAG_NULL_VERSION } else { 0 };
                let etag = ETag::of_body([0; 16]);
                let modified_ms = core.clock.now_ms();
                let mut meta = Encoder::with_capacity(64);
                ObjectHead { modified_ms, size: 0, etag, flags, version: 0 }.encode(&mut meta);
                let frame = Frame::new(Kind::DeleteMarker, bucket.0, name, meta.finish());
                let seq = locked.commit(&core, frame, None, None).await?;
                let version_id = Some(if null { VersionId::Null } else { VersionId::Sequence(seq) });
                return Ok(Deleted { delete_marker: true, version_id, found: current.is_some() });
            };
            let (target, older) = match version {
                VersionId::Null => (Target::Null, older_null(&view, bucket.0, name)?),
                VersionId::Sequence(number) => {
                    let row = view.object(Table::Versions, &key::version(bucket.0, name, number))?;
                    (Target::Version(number), row.filter(|row| !row.is_null()))
                }
            };
            let row = current.filter(|row| row.version_id() == version).or(older);
            check(&precondition, row.as_ref())?;
            let named = delete.version.is_some();
            let Some(row) = row else {
                return Ok(Deleted { delete_marker: false, version_id: named.then_some(version), found: false });
            };
            let frame = Frame::new(Kind::Delete, bucket.0, name, target.encode());
            locked.commit(&core, frame, None, None).await?;
            let delete_marker = ObjectRow::is_delete_marker(&row);
            Ok(Deleted { delete_marker, version_id: named.then_some(version), found: true })
        })
    }
}

/// Of a key without a current object: whether it has versions, of which the newest is a delete marker then.
fn newest_is_marker(view: &View, bucket: u64, name: &[u8]) -> Result<bool, Error> {
    let prefix = key::escaped(bucket, name);
    Ok(view.scan(Table::Versions, &prefix, &prefix)?.next()?.is_some())
}
