//! The files of the log: the newest records in one, full ones beside it under growing numbers, the oldest removed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The size at which a file is full, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The log's files, open for appending.
pub struct Files {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Files {
    /// Opens the file with the newest records; it is made where it is absent, readable by its owner only.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(path: &Path) -> io::Result<Files> {
        let file = open(path)?;
        let bytes = file.metadata()?.len();
        let mut files = Files { path: path.to_owned(), file: BufWriter::new(file), bytes };
        files.end_broken_line()?;
        Ok(files)
    }

    /// Appends a line; when the file is full, it is set aside, and the oldest are removed until at most `kept_bytes` are left.
    ///
    /// # Errors
    /// The file system's.
    pub fn append(&mut self, line: &[u8], kept_bytes: u64) -> io::Result<()> {
        if self.bytes + line.len() as u64 > FILE_BYTES_MAX && self.bytes > 0 {
            self.set_aside(kept_bytes)?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Shows what is buffered to readers.
    ///
    /// # Errors
    /// The file system's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// A line that a crash cut off must not run into the next one.
    fn end_broken_line(&mut self) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let mut last = [0];
        let ends = match self.bytes.checked_sub(1) {
            None => true,
            Some(at) => self.file.get_ref().read_at(&mut last, at)? == 1 && last == *b"\n",
        };
        if ends { Ok(()) } else { self.append(b"\n", u64::MAX) }
    }

    fn set_aside(&mut self, kept_bytes: u64) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()?;
        let numbers = numbers(&self.path)?;
        let next = numbers.last().map_or(1, |last| last + 1);
        std::fs::rename(&self.path, numbered(&self.path, next))?;
        self.file = BufWriter::new(open(&self.path)?);
        self.bytes = 0;
        // The newest file grows to its full size before the next look.
        let mut bytes = FILE_BYTES_MAX;
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
        files.flush().unwrap();
        assert_eq!(numbers(&path).unwrap(), [3, 4]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        std::fs::write(&path, "whole\nbro").unwrap();
        let mut files = Files::open(&path).unwrap();
        files.append(b"next\n", u64::MAX).unwrap();
        files.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nbro\nnext\n");
    }
}
