//! The files of the log: the newest records in one, full ones beside it under growing numbers, the oldest removed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The size at which a file is full, in bytes.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;

/// The log's files, open for appending.
pub(super) struct Files {
    path: PathBuf,
    file: File,
    /// What the newest file holds of whole lines.
    bytes: u64,
    /// Whether more than that may lie behind it, of an append that failed.
    torn: bool,
}

impl Files {
    /// Opens the file with the newest records; it is made where it is absent, readable by its owner only.
    ///
    /// # Errors
    /// It can't be opened.
    pub(super) fn open(path: &Path) -> io::Result<Files> {
        let file = open(path)?;
        let bytes = file.metadata()?.len();
        let mut files = Files { path: path.to_owned(), file, bytes, torn: false };
        files.end_broken_line()?;
        Ok(files)
    }

    /// Appends whole lines, all or none, by one write; when the file is full, it is set aside, and the oldest are removed until at most `kept_bytes` are left.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn append(&mut self, lines: &[u8], kept_bytes: u64) -> io::Result<()> {
        if std::mem::take(&mut self.torn) {
            self.end_broken_line()?;
        }
        // Of little at least the half is there to be read also right after a change of files.
        let full_bytes = FILE_BYTES_MAX.min(kept_bytes / 2);
        if self.bytes + lines.len() as u64 > full_bytes && self.bytes > 0 {
            self.set_aside(full_bytes, kept_bytes)?;
        }
        if let Err(error) = self.file.write_all(lines) {
            self.torn = true;
            // On a full disk half of a line may be there.
            if self.file.metadata().is_ok_and(|it| it.len() > self.bytes) {
                self.torn = self.file.set_len(self.bytes).is_err();
            }
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// What a process of this user may still take of the file system, in bytes.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let space = rustix::fs::fstatvfs(&self.file).ok()?;
        Some(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// A line that a crash cut off must not run into the next one.
    fn end_broken_line(&mut self) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        self.bytes = self.file.metadata()?.len();
        let mut last = [0];
        let ends = match self.bytes.checked_sub(1) {
            None => true,
            Some(at) => self.file.read_at(&mut last, at)? == 1 && last == *b"\n",
        };
        if !ends {
            self.torn = true;
            self.file.write_all(b"\n")?;
            (self.bytes, self.torn) = (self.bytes + 1, false);
        }
        Ok(())
    }

    /// The file isn't synced: the log isn't what durability is promised for, and a sync of so much would hold up the puts for which it is.
    fn set_aside(&mut self, full_bytes: u64, kept_bytes: u64) -> io::Result<()> {
        let numbers = numbers(&self.path)?;
        let next = numbers.last().map_or(1, |last| last + 1);
        std::fs::rename(&self.path, numbered(&self.path, next))?;
        self.file = open(&self.path)?;
        self.bytes = 0;
        // The newest file grows to its full size before the next look.
        let mut bytes = full_bytes;
        for number in numbers.into_iter().chain([next]).rev() {
            let path = numbered(&self.path, number);
            bytes += std::fs::metadata(&path).map_or(0, |it| it.len());
            if bytes > kept_bytes {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// The numbers of the files that are full, ascending. The newest file's is the next one.
pub(super) fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?.file_name();
        let number = entry.to_str().and_then(|it| it.strip_prefix(&name)?.strip_prefix('.'));
        numbers.extend(number.filter(|it| it.len() == 10).and_then(|it| it.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The file of a number.
pub(super) fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number:010}"));
    PathBuf::from(name)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_set_aside_and_the_oldest_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut files = Files::open(&path).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..64 * 4 + 1 {
            files.append(&line, 3 * FILE_BYTES_MAX).unwrap();
        }
        assert_eq!(numbers(&path).unwrap(), [3, 4]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1 << 20);
    }

    #[test]
    fn of_a_log_as_large_as_one_file_half_is_left_when_the_file_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut files = Files::open(&path).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..32 * 5 + 1 {
            files.append(&line, FILE_BYTES_MAX).unwrap();
        }
        assert_eq!(numbers(&path).unwrap(), [5]);
        assert_eq!(std::fs::metadata(numbered(&path, 5)).unwrap().len(), 32 << 20);
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        std::fs::write(&path, "whole\nbro").unwrap();
        let mut files = Files::open(&path).unwrap();
        files.append(b"next\n", u64::MAX).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nbro\nnext\n");
    }

    #[test]
    fn a_write_that_failed_leaves_no_half_line_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut files = Files::open(&path).unwrap();
        files.append(b"one\n", u64::MAX).unwrap();
        // A file that is open for reading only fails each write.
        let writable = std::mem::replace(&mut files.file, File::open(&path).unwrap());
        files.append(b"two\n", u64::MAX).unwrap_err();
        files.file = writable;
        std::fs::write(&path, "one\ntw").unwrap();
        files.torn = true;
        files.append(b"three\n", u64::MAX).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\nthree\n");
        assert_eq!(files.bytes, 13);
    }
}
