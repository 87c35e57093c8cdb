//! Offline examination: fsck and inspect, on a directory that nobody has open.
//!
//! Both open the store as it would be opened, on a file system whose changes stay in memory, so they judge by what
//! recovery really does and change nothing.

use std::path::Path;
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::core::Core;
use crate::error::{Error, OpenError};
use crate::footer::{self, Extent};
use crate::format::file;
use crate::recover;
use crate::report::{FsckReport, RecordInfo, RowInfo, SegmentInfo};
use crate::request::Options;
use crate::row::{self, Table};
use crate::store::Store;
use crate::sync::lock;
use crate::vfs::{OpenMode, OverlayVfs, RealVfs, Vfs};

/// Checks every record, bulk segment and row of the data directory at `path`, which nobody may have open. Writes
/// nothing.
///
/// # Errors
/// See [`OpenError`]: what cannot even be opened. Damage is in the report.
pub fn fsck(path: &Path, options: Options) -> Result<FsckReport, OpenError> {
    // Before it is opened, which repairs it.
    let format = overlay(path).and_then(|vfs| crate::superblock::damage(&*vfs));
    let format = format.map_err(|error| error.of(path))?;
    on_overlay(path, options, |core| {
        let mut report = FsckReport { recovery: core.recovery.clone(), scrub: core.scrub(None)?, index: Vec::new() };
        let had_index = !core.recovery.iter().any(|line| line.contains("index"));
        if core.damage.is_empty() && had_index {
            let compared = core.checkpoint().and_then(|()| {
                let mut differences = core.compare_with_rebuild()?;
                differences.extend(core.compare_with_recount()?);
                Ok(differences)
            });
            report.index = match compared {
                // A row that has rotted ends the comparison; the scrub has named it.
                Err(error @ Error::Damaged { .. }) => vec![error.told()],
                compared => compared?,
            };
        }
        report.scrub.damage.splice(0..0, format);
        Ok(report)
    })
}

/// Sets the index aside, makes it anew from the log, and checks everything.
///
/// # Errors
/// Likewise.
pub fn repair_index(path: &Path, options: Options) -> Result<FsckReport, OpenError> {
    let repair = || {
        let vfs = existing(path)?;
        {
            let io = |error| OpenError::io("setting the index aside", error);
            let _lock = vfs.lock(file::LOCK, OpenMode::Create).map_err(|error| match error.kind() {
                std::io::ErrorKind::WouldBlock => OpenError::InUse(path.into()),
                _ => io(error),
            })?;
            crate::superblock::find_format(&*vfs)?;
            Core::set_aside_if_there(&*vfs, file::INDEX).map_err(io)?;
        }
        let (core, _) = recover::open(vfs, Arc::new(SystemClock), options, false)?;
        let failed = |error: Error| OpenError::damaged(error.told());
        core.checkpoint().map_err(failed)?;
        let scrub = core.scrub(None).map_err(failed)?;
        Ok(FsckReport { recovery: core.recovery.clone(), scrub, index: Vec::new() })
    };
    repair().map_err(|error: OpenError| error.of(path))
}

/// The log segments of a data directory that nobody has open, ascending.
///
/// # Errors
/// See [`OpenError`].
pub fn inspect_segments(path: &Path, options: Options) -> Result<Vec<SegmentInfo>, OpenError> {
    on_overlay(path, options, |core| {
        let sealed = core.segments.sealed();
        let stats = lock(&core.space).clone();
        let mut infos = Vec::new();
        for extent in sealed.values().map(|sealed| sealed.extent).chain(core.active_extent()) {
            let segment = core.segments.segment(extent.id, true)?;
            let stat = stats.get(&extent.id).copied().unwrap_or_default();
            infos.push(SegmentInfo {
                id: extent.id,
                length: extent.length,
                first_seq: extent.first_seq,
                last_seq: extent.last_seq,
                sealed: sealed.contains_key(&extent.id),
                footer: footer::read(&*segment.file, segment.seed, extent)?.is_some(),
                live_bytes: stat.live_bytes,
                dead_from: (stat.dead_from < u64::MAX).then_some(stat.dead_from),
                tombstone_bytes: stat.tombstone_bytes,
            });
        }
        Ok(infos)
    })
}

/// Shows the records of one segment, in order; answers where the first one is damaged, if one is.
///
/// # Errors
/// See [`OpenError`].
pub fn inspect_records(
    path: &Path,
    options: Options,
    segment: u64,
    mut show: impl FnMut(RecordInfo),
) -> Result<Option<u64>, OpenError> {
    on_overlay(path, options, |core| {
        let sealed = core.segments.sealed().get(&segment).map(|sealed| sealed.extent);
        let extent = sealed.or_else(|| core.active_extent().filter(|active| active.id == segment));
        let Some(extent) = extent else {
            return Err(Error::damaged("there is no such segment", file::segment(segment)));
        };
        let opened = core.segments.segment(segment, true)?;
        let (entries, damaged_at) = footer::entries(&*opened.file, opened.seed, extent)?;
        for entry in entries {
            show(RecordInfo {
                offset: entry.offset.into(),
                length: entry.length.into(),
                kind: entry.kind.name(),
                seq: entry.seq,
                orig_seq: entry.orig_seq,
                bucket: entry.bucket,
                key: String::from_utf8_lossy(&entry.key).into_owned(),
            });
        }
        Ok(damaged_at)
    })
}

/// Shows the rows of the index, table by table, those that are not yet applied to it included.
///
/// # Errors
/// See [`OpenError`].
pub fn inspect_rows(path: &Path, options: Options, mut show: impl FnMut(RowInfo)) -> Result<(), OpenError> {
    on_overlay(path, options, |core| {
        let view = core.view.load_full();
        for table in Table::ALL {
            let mut scan = view.scan(table, &[], &[])?;
            while let Some((row_key, value)) = scan.next_even_damaged()? {
                show(RowInfo {
                    table: table.name(),
                    key: row_key.escape_ascii().to_string(),
                    value: value.map(|value| value.escape_ascii().to_string()),
                    fields: row::fields(table, row_key, value),
                });
            }
        }
        Ok(())
    })
}

impl Store {
    /// Opens the data directory at `path`, which must be there, and writes nothing to it: what changes is kept in memory
    /// and is gone with the store. For what lies on a file system that cannot be written any more.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_unwritten(path: &Path, options: Options) -> Result<Store, OpenError> {
        let open = || Store::open_with(overlay(path)?, Arc::new(SystemClock), options);
        open().map_err(|error| error.of(path))
    }
}

impl Core {
    /// What counts of the segment that is appended to.
    pub(crate) fn active_extent(&self) -> Option<Extent> {
        let view = self.view();
        let published = view.active.mark();
        let mark = if published.seq > 0 {
            published
        } else {
            let frozen = view.frozen.as_ref().map(|frozen| frozen.mark());
            frozen.or_else(|| lock(&self.index).mark(&self.uuid).ok())?
        };
        if mark.seq == 0 || self.segments.sealed().contains_key(&mark.segment) {
            return None;
        }
        let segment = self.segments.segment(mark.segment, true).ok()?;
        let header = crate::segment::read_header(&*segment.file, &self.uuid).ok()?.ok()?;
        Some(Extent { id: mark.segment, length: mark.offset, first_seq: header.first_seq, last_seq: mark.seq })
    }
}

/// The directory, which must be there and a data directory.
fn existing(path: &Path) -> Result<Arc<dyn Vfs>, OpenError> {
    let not_there = |source| OpenError::Io { path: path.into(), what: "opening the directory".to_owned(), source };
    let vfs = RealVfs::at(path).map_err(not_there)?;
    match vfs.open(file::FORMAT, OpenMode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(OpenError::NotADataDirectory(path.into())),
        Err(error) => Err(not_there(error)),
        Ok(_) => Ok(Arc::new(vfs)),
    }
}

/// The same as it can be changed without being written.
fn overlay(path: &Path) -> Result<Arc<dyn Vfs>, OpenError> {
    Ok(Arc::new(OverlayVfs::new(existing(path)?)))
}

fn on_overlay<R>(
    path: &Path,
    options: Options,
    examine: impl FnOnce(&Core) -> Result<R, Error>,
) -> Result<R, OpenError> {
    let run = || {
        let (core, _) = recover::open(overlay(path)?, Arc::new(SystemClock), options, false)?;
        examine(&core).map_err(|error| OpenError::damaged(error.told()))
    };
    run().map_err(|error: OpenError| error.of(path))
}
