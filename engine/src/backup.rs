//! Backup and restore: the segments of one instant, linked or copied while the store goes on.
//!
//! Sealed segments and bulk segments never change, so only what is new has to be taken, and the copy of the last segment
//! ends at the record that was published last. There is no index in a backup: the log is the truth.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::core::Core;
use crate::error::{Error, OpenError};
use crate::format::{BLOCK_BYTES, checksum, file, segment, trailer};
use crate::report::BackupReport;
use crate::superblock;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::vfs::{OpenMode, RealVfs, VFile, Vfs, read_exact_at};

/// The list of what belongs to a backup: the last line is the CRC of those before.
const LIST: &str = "BACKUP";
const LIST_IN_MAKING: &str = "BACKUP.tmp";
const FIRST_LINE: &str = "strongroom backup 1";
/// How much is copied at a time.
const COPY_BYTES: usize = 1 << 20;
/// The longest list that is read.
const LIST_BYTES_MAX: u64 = 1 << 30;

/// Files by their paths, with how much of each counts.
type Files = BTreeMap<String, u64>;

impl Core {
    /// Takes a backup into `destination`. Where the directory of `link_into` is on the same file system, files are linked.
    pub(crate) fn backup(&self, destination: &Arc<dyn Vfs>, link_into: Option<&Path>) -> Result<BackupReport, Error> {
        let taken = self.take_backup(destination, link_into);
        taken.map_err(|error| if self.closed.load(Ordering::Acquire) { Error::Closed } else { error })
    }

    fn take_backup(&self, destination: &Arc<dyn Vfs>, link_into: Option<&Path>) -> Result<BackupReport, Error> {
        if !self.damage.is_empty() {
            return Err(Error::Invalid { what: "a damaged store cannot be backed up: examine it first" });
        }
        let _one_at_a_time = lock(&self.backing_up);
        claim(&**destination, &self.uuid)?;
        let _no_unlinking = self.bulk.hold();
        let (active, sealed, _held) = {
            let _no_compaction = lock(&self.compacting);
            let (active, sealed) = (self.active_extent(), self.segments.sealed());
            let newest = active.map(|active| active.id).max(sealed.keys().next_back().copied());
            // What is in the backup is not freed meanwhile; newer segments may be.
            self.backed_up_to.store(newest.unwrap_or(0), Ordering::Release);
            (active, sealed, HeldSegments(self))
        };
        let mut files = Files::new();
        let mut sealed_lengths = Files::new();
        for id in sealed.keys().filter(|id| active.is_none_or(|active| **id < active.id)) {
            let path = file::segment(*id);
            let length = self.vfs.open(&path, OpenMode::Read)?.length()?;
            sealed_lengths.insert(path.clone(), sealed[id].extent.length);
            files.insert(path, length);
        }
        for directory in self.vfs.read_dir(file::BULK)? {
            let below = format!("{}/{directory}", file::BULK);
            for name in self.vfs.read_dir(&below)? {
                let Some(id) = file::id_of(&name, "").filter(|id| !self.bulk.is_in_making(*id)) else { continue };
                let path = file::bulk(id);
                match self.vfs.open(&path, OpenMode::Read) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    opened => _ = files.insert(path, opened?.length()?),
                }
            }
        }
        // Without an active one the last segment was sealed just now, and all of it counts.
        let last_seq = sealed.values().next_back().map_or(0, |sealed| sealed.extent.last_seq);
        let mut report = BackupReport { seq: last_seq, ..BackupReport::default() };
        let active_length = active.map_or(0, |active| active.length);
        let segments = files.len() as u64 + u64::from(active.is_some());
        let _running = self.meters.backup.begin(segments, files.values().sum::<u64>() + active_length);
        // A backup that nobody waits for any more is given up, and goes on from there when it is taken again.
        let mut on_bytes = |bytes| {
            self.meters.backup.add(0, bytes);
            self.pace_backup(bytes);
            if self.closed.load(Ordering::Acquire) { Err(io::Error::other("the store was closed")) } else { Ok(()) }
        };
        destination.create_dir(file::LOG)?;
        destination.create_dir(file::BULK)?;
        let mut directories: Vec<String> = vec![file::LOG.to_owned()];
        for (path, length) in &files {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            if directories.last().map(String::as_str) != Some(directory) {
                destination.create_dir(directory)?;
                directories.push(directory.to_owned());
            }
            let sealed = sealed_lengths.get(path).copied();
            if has(&*self.vfs, &**destination, path, *length, sealed)? {
                report.files_kept += 1;
                self.meters.backup.add(1, *length);
                continue;
            }
            let linked = link_into.is_some_and(|root| {
                let _ = destination.remove(path);
                self.vfs.link(path, &root.join(path)).is_ok()
            });
            if linked {
                report.files_linked += 1;
                self.meters.backup.add(1, *length);
            } else {
                report.bytes_copied += copy(&*self.vfs, &**destination, path, *length, &mut on_bytes)?;
                report.files_copied += 1;
                self.meters.backup.add(1, 0);
            }
        }
        if let Some(active) = active {
            let path = file::segment(active.id);
            report.bytes_copied += copy(&*self.vfs, &**destination, &path, active.length, &mut on_bytes)?;
            report.files_copied += 1;
            self.meters.backup.add(1, 0);
            report.seq = active.last_seq;
            files.insert(path, active.length);
        }
        for directory in &directories {
            destination.sync_dir(directory)?;
        }
        destination.sync_dir(file::BULK)?;
        let newest = active.map(|active| active.id).or_else(|| sealed.keys().next_back().copied()).unwrap_or(0);
        superblock::write_copy(&**destination, &self.uuid, newest)?;
        write_list(&**destination, &self.uuid, report.seq, &files)?;
        remove_others(&**destination, &files)?;
        Ok(report)
    }
}

/// While it lives, the segments of a backup stay.
struct HeldSegments<'c>(&'c Core);

impl Drop for HeldSegments<'_> {
    fn drop(&mut self) {
        self.0.backed_up_to.store(0, Ordering::Release);
    }
}

/// Makes sure that `destination` is empty or holds a backup of this store, finished or not, and marks it as one.
fn claim(destination: &dyn Vfs, uuid: &[u8; 16]) -> Result<(), Error> {
    let names = destination.read_dir("")?;
    let is_there = |name: &str| names.iter().any(|found| found == name);
    let head = list_head(uuid);
    if is_there(LIST) {
        let list = read_list(destination).map_err(|_| Error::Invalid {
            what: "the list of the backup in the destination is damaged: name another directory",
        })?;
        if list.store != *uuid {
            return Err(Error::Invalid { what: "the destination holds a backup of another store: name another one" });
        }
        return Ok(());
    }
    if is_there(LIST_IN_MAKING) {
        let marker = destination.open(LIST_IN_MAKING, OpenMode::Read)?;
        let mut found = vec![0; head.len()];
        if read_exact_at(&*marker, &mut found, 0).is_ok() && found == head.as_bytes() {
            return Ok(());
        }
    }
    // The server puts what belongs to its key there first.
    let may_be_there = |name: &String| name == "lost+found" || file::SERVER.iter().any(|own| name.starts_with(own));
    if !names.iter().all(may_be_there) {
        return Err(Error::Invalid { what: "the destination is neither empty nor a backup: name another directory" });
    }
    let marker = destination.open(LIST_IN_MAKING, OpenMode::Create)?;
    marker.write_at(head.as_bytes(), 0)?;
    marker.sync_data()?;
    Ok(destination.sync_dir("")?)
}

/// Whether the destination has the file. A restored store and its source share ids and lengths and go different ways, so
/// what tells contents apart is compared: of a segment that was sealed at `sealed` its header and footer, or all of it
/// where it has no footer, and of a bulk segment the trailer, which has the checksum of each block.
fn has(source: &dyn Vfs, destination: &dyn Vfs, path: &str, length: u64, sealed: Option<u64>) -> io::Result<bool> {
    let kept = match destination.open(path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    if kept.length()? != length {
        return Ok(false);
    }
    let source = source.open(path, OpenMode::Read)?;
    match sealed {
        Some(sealed) if sealed < length => {
            Ok(alike(&*source, &*kept, 0, segment::BYTES as u64)? && alike(&*source, &*kept, sealed, length)?)
        }
        Some(_) => alike(&*source, &*kept, 0, length),
        None => alike(&*source, &*kept, trailer_offset(length), length),
    }
}

/// Where the trailer begins in a bulk segment of `length` bytes.
fn trailer_offset(length: u64) -> u64 {
    let fixed = (trailer::BYTES + trailer::CRC_BYTES) as u64;
    let blocks_and_crcs = length.saturating_sub(fixed);
    let blocks = blocks_and_crcs.div_ceil(BLOCK_BYTES as u64 + 4);
    blocks_and_crcs.saturating_sub(4 * blocks)
}

fn alike(one: &dyn VFile, other: &dyn VFile, start: u64, end: u64) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; COPY_BYTES], vec![0; COPY_BYTES]);
    let mut offset = start;
    while offset < end {
        let count = usize::try_from(end - offset).unwrap_or(COPY_BYTES).min(COPY_BYTES);
        read_exact_at(one, &mut left[..count], offset)?;
        read_exact_at(other, &mut right[..count], offset)?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
        offset += count as u64;
    }
    Ok(true)
}

/// Is told of so many bytes that were copied, and may end the copying.
type OnBytes<'f> = &'f mut dyn FnMut(u64) -> io::Result<()>;

/// Copies the first `length` bytes under another name, syncs them, and gives them theirs.
fn copy(from: &dyn Vfs, to: &dyn Vfs, path: &str, length: u64, on_bytes: OnBytes<'_>) -> io::Result<u64> {
    let making = format!("{path}.tmp");
    let (source, target) = (from.open(path, OpenMode::Read)?, to.open(&making, OpenMode::Create)?);
    target.set_length(0)?;
    copy_bytes(&*source, &*target, length, on_bytes)?;
    target.sync_data()?;
    to.rename(&making, path)?;
    Ok(length)
}

fn copy_bytes(source: &dyn VFile, target: &dyn VFile, length: u64, on_bytes: OnBytes<'_>) -> io::Result<()> {
    let mut offset = 0;
    let mut buffer = vec![0; COPY_BYTES];
    while offset < length {
        let count = usize::try_from(length - offset).unwrap_or(COPY_BYTES).min(COPY_BYTES);
        read_exact_at(source, &mut buffer[..count], offset)?;
        target.write_at(&buffer[..count], offset)?;
        offset += count as u64;
        on_bytes(count as u64)?;
    }
    Ok(())
}

/// The first lines of a list.
fn list_head(uuid: &[u8; 16]) -> String {
    format!("{FIRST_LINE}\nstore {:032x}\n", u128::from_be_bytes(*uuid))
}

fn write_list(vfs: &dyn Vfs, uuid: &[u8; 16], seq: u64, files: &Files) -> io::Result<()> {
    let mut text = format!("{}seq {seq}\n", list_head(uuid));
    for (path, length) in files {
        text.push_str(&format!("file {length} {path}\n"));
    }
    let crc = checksum(0, text.as_bytes());
    text.push_str(&format!("crc {crc:08x}\n"));
    let target = vfs.open(LIST_IN_MAKING, OpenMode::Create)?;
    // It goes on beginning with its first lines, which say whose backup this is to be.
    target.write_at(text.as_bytes(), 0)?;
    target.set_length(text.len() as u64)?;
    target.sync_data()?;
    vfs.rename(LIST_IN_MAKING, LIST)?;
    vfs.sync_dir("")
}

/// A list as it is read.
#[derive(Debug, PartialEq, Eq)]
struct List {
    store: [u8; 16],
    seq: u64,
    files: Files,
}

/// Reads the list; what is wrong with it in one line.
fn read_list(vfs: &dyn Vfs) -> Result<List, String> {
    let file = vfs.open(LIST, OpenMode::Read).map_err(|error| format!("{LIST}: {error}"))?;
    let length = file.length().map_err(|error| format!("{LIST}: {error}"))?;
    if length > LIST_BYTES_MAX {
        return Err(format!("{LIST} is too long"));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| format!("{LIST} is too long"))?];
    read_exact_at(&*file, &mut bytes, 0).map_err(|error| format!("{LIST}: {error}"))?;
    decode_list(&bytes).ok_or_else(|| format!("{LIST} is damaged"))
}

fn decode_list(bytes: &[u8]) -> Option<List> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (body, crc) = text.strip_suffix('\n')?.rsplit_once("\ncrc ")?;
    let body = &text[..=body.len()];
    if u32::from_str_radix(crc, 16).ok()? != checksum(0, body.as_bytes()) {
        return None;
    }
    let mut lines = body.lines();
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let store = u128::from_str_radix(lines.next()?.strip_prefix("store ")?, 16).ok()?.to_be_bytes();
    let seq = lines.next()?.strip_prefix("seq ")?.parse().ok()?;
    let mut files = Files::new();
    for line in lines {
        let (length, path) = line.strip_prefix("file ")?.split_once(' ')?;
        // Only the names that a data directory has, so that a list cannot lead out of it.
        let name = path.rsplit('/').next()?;
        let ours = file::id_of(name, ".seg").map(file::segment).or_else(|| file::id_of(name, "").map(file::bulk));
        if ours.as_deref() != Some(path) {
            return None;
        }
        files.insert(path.to_owned(), length.parse().ok()?);
    }
    Some(List { store, seq, files })
}

/// The decoder of lists, for fuzzing.
#[cfg(any(test, feature = "sim"))]
pub(crate) fn examine_list(bytes: &[u8]) {
    let _ = decode_list(bytes);
}

/// Removes what an earlier backup had and this one has not.
fn remove_others(vfs: &dyn Vfs, files: &Files) -> io::Result<()> {
    let mut directories = vec![file::LOG.to_owned()];
    directories.extend(vfs.read_dir(file::BULK)?.into_iter().map(|name| format!("{}/{name}", file::BULK)));
    for directory in directories {
        for name in vfs.read_dir(&directory)? {
            let path = format!("{directory}/{name}");
            if !files.contains_key(&path) {
                vfs.remove(&path)?;
            }
        }
    }
    Ok(())
}

/// Makes a data directory at `destination`, which must be missing or empty, of the backup at `source`. Copies
/// everything; the index is made when the directory is opened.
///
/// # Errors
/// `NotADataDirectory` for a destination that holds anything; `Damaged` for a backup with a damaged list or files that
/// are missing or too short; `Io`.
pub fn restore(source: &Path, destination: &Path) -> Result<BackupReport, OpenError> {
    let at = |path: &Path, what: &str| {
        let (path, what) = (path.to_path_buf(), what.to_owned());
        move |source: io::Error| OpenError::Io { path, what, source }
    };
    let from = RealVfs::at(source).map_err(at(source, "opening the backup"))?;
    let to = RealVfs::new(destination).map_err(at(destination, "making the directory"))?;
    let reading = "reading the directory";
    if !to.read_dir("").map_err(at(destination, reading))?.iter().all(|name| name == "lost+found") {
        return Err(OpenError::NotADataDirectory(destination.into()));
    }
    let damaged = |what: String| OpenError::Damaged { path: source.into(), what };
    let List { seq, files, .. } = read_list(&from).map_err(damaged)?;
    let mut report = BackupReport { seq, ..BackupReport::default() };
    let copying = "copying the backup";
    for (path, length) in &files {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        to.create_dir(directory).map_err(at(destination, copying))?;
        report.bytes_copied +=
            copy(&from, &to, path, *length, &mut |_| Ok(())).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => damaged(format!("{path} is missing")),
                io::ErrorKind::UnexpectedEof => damaged(format!("{path} is too short")),
                _ => at(destination, copying)(error),
            })?;
        report.files_copied += 1;
        to.sync_dir(directory).map_err(at(destination, copying))?;
    }
    // FORMAT comes last: without it the directory counts as none.
    for directory in [file::LOG, file::BULK] {
        to.create_dir(directory).map_err(at(destination, copying))?;
        to.sync_dir(directory).map_err(at(destination, copying))?;
    }
    let length = from.open(file::FORMAT, OpenMode::Read).and_then(|file| file.length());
    let length = length.map_err(|error| damaged(format!("{}: {error}", file::FORMAT)))?;
    copy(&from, &to, file::FORMAT, length, &mut |_| Ok(())).map_err(at(destination, copying))?;
    to.sync_dir("").map_err(at(destination, copying))?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, text in "[a-z0-9 /\\.\n]{0,200}") {
            examine_list(&bytes);
            let crc = checksum(0, format!("{text}\n").as_bytes());
            let _ = decode_list(format!("{text}\ncrc {crc:08x}\n").as_bytes());
        }
    }

    #[test]
    fn a_trailer_begins_where_the_body_ends() {
        for length in [0, 1, 65_535, 65_536, 65_537, 1_300_000, 10 * 65_536] {
            let blocks = u64::div_ceil(length, 65_536);
            assert_eq!(trailer_offset(length + 48 + 4 * blocks + 4), length);
        }
    }

    #[test]
    fn a_list_cannot_lead_out_of_the_directory() {
        for path in ["../x", "log/../../0000000000000001.seg", "/etc/passwd", "bulk/00/0000000000000001"] {
            let body = format!("{FIRST_LINE}\nstore 0\nseq 1\nfile 5 {path}\n");
            let crc = checksum(0, body.as_bytes());
            assert_eq!(decode_list(format!("{body}crc {crc:08x}\n").as_bytes()), None, "{path}");
        }
        let body =
            format!("{FIRST_LINE}\nstore 0\nseq 1\nfile 5 log/0000000000000001.seg\nfile 7 bulk/01/0000000000000001\n");
        let crc = checksum(0, body.as_bytes());
        let list = decode_list(format!("{body}crc {crc:08x}\n").as_bytes()).unwrap();
        assert_eq!((list.seq, list.files.len()), (1, 2));
    }
}
