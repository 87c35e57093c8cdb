//! Listings: merged walks over the view, which seek past each common prefix.

use super::Store;
use crate::apply::older_null;
use crate::error::Error;
use crate::list::{
    LIST_ENTRIES_MAX, ListPage, ListQuery, ListUploadsPage, ListUploadsQuery, ListVersionsPage, ListVersionsQuery,
    UploadEntry, VersionEntry,
};
use crate::meta::UploadMeta;
use crate::name::ObjectKey;
use crate::object::UploadId;
use crate::object::VersionId;
use crate::row::{ObjectRow, Place, Table, key};
use crate::view::{Scan, View};

/// Keys passed one by one before a common prefix is left by a seek: a seek costs about as much as this many steps.
const STEPS_BEFORE_SEEK: usize = 8;

impl Store {
    /// A page of current objects.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Damaged`, `Io`.
    pub fn list(&self, query: &ListQuery) -> Result<ListPage, Error> {
        let bucket = query.bucket.0;
        self.core.bucket_entry(bucket)?;
        self.core.doubt.check_prefix(bucket, query.prefix.as_bytes())?;
        let max = query.max_keys.min(LIST_ENTRIES_MAX);
        let mut page = ListPage::default();
        if max == 0 {
            return Ok(page);
        }
        let rollup = Rollup::new(&query.prefix, query.delimiter.as_deref());
        let view = self.core.view.load_full();
        let within = key::object(bucket, query.prefix.as_bytes());
        let Some(from) = rollup.start(query.start_after.as_deref(), |k| key::object(bucket, k)) else {
            return Ok(page);
        };
        let mut scan = view.scan(Table::Current, &from.max(within.clone()), &within)?;
        let mut last = String::new();
        while let Some((row_key, value)) = scan.next()? {
            let name = key::object_key(row_key)?;
            let common = rollup.common_prefix(name);
            if common.is_some_and(|common| common == last) {
                continue;
            }
            if page.entries.len() + page.common_prefixes.len() == max {
                page.truncated = true;
                page.next = Some(last);
                break;
            }
            let Some(common) = common else {
                last.clear();
                last.push_str(name);
                page.entries.push(ObjectRow::decode(value)?.entry(name.to_owned()));
                continue;
            };
            last = common.to_owned();
            page.common_prefixes.push(last.clone());
            let inside = key::object(bucket, last.as_bytes());
            match leave(&view, Table::Current, &mut scan, &inside, &within)? {
                Left::Seeked(next) => scan = *next,
                Left::End => break,
                Left::Stepped => {}
            }
        }
        Ok(page)
    }

    /// A page of versions and delete markers.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Damaged`, `Io`.
    pub fn list_versions(&self, query: &ListVersionsQuery) -> Result<ListVersionsPage, Error> {
        let bucket = query.bucket.0;
        self.core.bucket_entry(bucket)?;
        self.core.doubt.check_prefix(bucket, query.prefix.as_bytes())?;
        let max = query.max_keys.min(LIST_ENTRIES_MAX);
        let mut page = ListVersionsPage::default();
        if max == 0 {
            return Ok(page);
        }
        let rollup = Rollup::new(&query.prefix, query.delimiter.as_deref());
        let view = self.core.view.load_full();
        let marker = query.key_marker.as_deref();
        let within_key = match (marker, query.version_id_marker) {
            (Some(marker), Some(version)) => Some((marker, version_number(&view, bucket, marker, version)?)),
            _ => None,
        };
        let mut walk = match within_key {
            Some((marker, _)) => VersionWalk::new(&view, bucket, rollup.prefix, Some(marker.as_bytes()))?,
            None => match rollup.start(marker, <[u8]>::to_vec) {
                Some(from) => VersionWalk::new(&view, bucket, rollup.prefix, Some(&from))?,
                None => return Ok(page),
            },
        };
        let mut last: Option<(String, Option<VersionId>)> = None;
        while let Some((name, row, is_latest)) = walk.next()? {
            if within_key.is_some_and(|(marker, number)| name == marker && row.head.version >= number) {
                continue;
            }
            let common = rollup.common_prefix(&name);
            if page.entries.len() + page.common_prefixes.len() == max {
                page.truncated = true;
                page.next = last;
                break;
            }
            let Some(common) = common else {
                let version_id = row.version_id();
                last = Some((name.clone(), Some(version_id)));
                let delete_marker = row.is_delete_marker();
                page.entries.push(VersionEntry { entry: row.entry(name), version_id, is_latest, delete_marker });
                continue;
            };
            let common = common.to_owned();
            let Some(after) = key::after(common.as_bytes()) else { break };
            walk = VersionWalk::new(&view, bucket, rollup.prefix, Some(&after))?;
            last = Some((common.clone(), None));
            page.common_prefixes.push(common);
        }
        Ok(page)
    }

    /// A page of uploads in progress.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Damaged`, `Io`.
    pub fn list_uploads(&self, query: &ListUploadsQuery) -> Result<ListUploadsPage, Error> {
        let bucket = query.bucket.0;
        self.core.bucket_entry(bucket)?;
        self.core.doubt.check_prefix(bucket, query.prefix.as_bytes())?;
        let max = query.max_uploads.min(LIST_ENTRIES_MAX);
        let mut page = ListUploadsPage::default();
        if max == 0 {
            return Ok(page);
        }
        let rollup = Rollup::new(&query.prefix, query.delimiter.as_deref());
        let view = self.core.view.load_full();
        let within = key::escaped_prefix(bucket, query.prefix.as_bytes());
        let from = match (query.key_marker.as_deref(), query.upload_id_marker) {
            (Some(marker), Some(UploadId(id))) => key::upload(bucket, marker.as_bytes(), id.saturating_add(1)),
            (marker, _) => match rollup.start(marker, |k| key::escaped_prefix(bucket, k)) {
                Some(from) => from,
                None => return Ok(page),
            },
        };
        let mut scan = view.scan(Table::Uploads, &from.max(within.clone()), &within)?;
        let mut last = None;
        while let Some((row_key, value)) = scan.next()? {
            let (name, id) = key::split(row_key)?;
            let common = rollup.common_prefix(&name).map(str::to_owned);
            if page.entries.len() + page.common_prefixes.len() == max {
                page.truncated = true;
                page.next = last;
                break;
            }
            let Some(common) = common else {
                let meta = UploadMeta::decode(Place::split(value)?.1)?;
                let id = UploadId(id);
                last = Some((name.clone(), Some(id)));
                page.entries.push(UploadEntry {
                    key: ObjectKey::parse(&name).map_err(|_| crate::codec::Malformed)?,
                    id,
                    initiated_ms: meta.initiated_ms,
                    storage_class: meta.attributes.storage_class,
                    checksum: meta.checksum,
                    opaque: meta.opaque,
                });
                continue;
            };
            let inside = key::escaped_prefix(bucket, common.as_bytes());
            last = Some((common.clone(), None));
            page.common_prefixes.push(common);
            match key::after(&inside) {
                Some(next) => scan = view.scan(Table::Uploads, &next, &within)?,
                None => break,
            }
        }
        Ok(page)
    }
}

/// How keys roll up into common prefixes.
#[derive(Clone, Copy)]
struct Rollup<'q> {
    prefix: &'q str,
    delimiter: Option<&'q str>,
}

impl<'q> Rollup<'q> {
    fn new(prefix: &'q str, delimiter: Option<&'q str>) -> Rollup<'q> {
        Rollup { prefix, delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()) }
    }

    /// The common prefix that `name`, which begins with the prefix, rolls up into.
    fn common_prefix<'k>(&self, name: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let at = name.get(self.prefix.len()..)?.find(delimiter)?;
        Some(&name[..self.prefix.len() + at + delimiter.len()])
    }

    /// The row key at which a listing after `marker` begins, where `row` makes row keys of keys: right after the
    /// marker, or after all keys that roll up into it if it is a common prefix. `None` if nothing can follow.
    fn start(&self, marker: Option<&str>, row: impl Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
        let Some(marker) = marker else { return Some(row(b"")) };
        if marker.starts_with(self.prefix) && self.common_prefix(marker) == Some(marker) {
            return key::after(marker.as_bytes()).map(|after| row(&after));
        }
        Some(row(&[marker.as_bytes(), &[0]].concat()))
    }
}

enum Left<'v> {
    /// The scan itself has gone past the common prefix, or soon will.
    Stepped,
    Seeked(Box<Scan<'v>>),
    End,
}

/// Leaves the rows that begin with `inside`: by a few steps if that suffices, else by a seek.
fn leave<'v>(
    view: &'v View,
    table: Table,
    scan: &mut Scan<'v>,
    inside: &[u8],
    within: &[u8],
) -> Result<Left<'v>, Error> {
    for _ in 0..STEPS_BEFORE_SEEK {
        match scan.peek_key() {
            None => return Ok(Left::End),
            Some(next) if !next.starts_with(inside) => return Ok(Left::Stepped),
            Some(_) => _ = scan.step()?,
        }
    }
    match key::after(inside) {
        Some(next) => Ok(Left::Seeked(Box::new(view.scan(table, &next, within)?))),
        None => Ok(Left::End),
    }
}

/// The number that orders the version named by a marker; 0, so that all of the key is passed over, if it is gone.
fn version_number(view: &View, bucket: u64, name: &str, version: VersionId) -> Result<u64, Error> {
    match version {
        VersionId::Sequence(number) => Ok(number),
        VersionId::Null => {
            let current = view.current(bucket, name.as_bytes())?.filter(ObjectRow::is_null);
            let row = match current {
                Some(row) => Some(row),
                None => older_null(view, bucket, name.as_bytes())?,
            };
            Ok(row.map_or(0, |row| row.head.version))
        }
    }
}

/// A walk over all versions: keys ascending, the versions of a key newest first.
struct VersionWalk<'v> {
    current: Scan<'v>,
    older: Scan<'v>,
    next_current: Option<(String, ObjectRow)>,
    next_older: Option<(String, ObjectRow)>,
    /// The key whose newest version was met.
    seen: Option<String>,
}

impl<'v> VersionWalk<'v> {
    /// From the key bytes `from` on, within the keys that begin with `prefix`.
    fn new(view: &'v View, bucket: u64, prefix: &str, from: Option<&[u8]>) -> Result<VersionWalk<'v>, Error> {
        let from = from.unwrap_or_default().max(prefix.as_bytes());
        let within = key::object(bucket, prefix.as_bytes());
        let within_older = key::escaped_prefix(bucket, prefix.as_bytes());
        let mut walk = VersionWalk {
            current: view.scan(Table::Current, &key::object(bucket, from), &within)?,
            older: view.scan(Table::Versions, &older_start(bucket, from), &within_older)?,
            next_current: None,
            next_older: None,
            seen: None,
        };
        walk.step_current()?;
        walk.step_older()?;
        Ok(walk)
    }

    fn step_current(&mut self) -> Result<(), Error> {
        self.next_current = match self.current.next()? {
            None => None,
            Some((row_key, value)) => Some((key::object_key(row_key)?.to_owned(), ObjectRow::decode(value)?)),
        };
        Ok(())
    }

    fn step_older(&mut self) -> Result<(), Error> {
        self.next_older = match self.older.next()? {
            None => None,
            Some((row_key, value)) => Some((key::split(row_key)?.0, ObjectRow::decode(value)?)),
        };
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(String, ObjectRow, bool)>, Error> {
        let take_current = match (&self.next_current, &self.next_older) {
            (Some((current, _)), Some((older, _))) => current <= older,
            (current, _) => current.is_some(),
        };
        let taken = if take_current { self.next_current.take() } else { self.next_older.take() };
        let Some((name, row)) = taken else { return Ok(None) };
        if take_current {
            self.step_current()?;
        } else {
            self.step_older()?;
        }
        let is_latest = self.seen.as_ref() != Some(&name);
        if is_latest {
            self.seen = Some(name.clone());
        }
        Ok(Some((name, row, is_latest)))
    }
}

/// The least row key in `Versions` of a key that is `from` or above it.
fn older_start(bucket: u64, from: &[u8]) -> Vec<u8> {
    key::escaped_prefix(bucket, from)
}
