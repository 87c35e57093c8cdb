//! The file system, behind two small traits: the only way to it.
//!
//! Whatever the engine does to a disk passes here, so a simulator that implements them sees, delays, drops and fails
//! every effect.

mod overlay;
mod real;

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub(crate) use overlay::OverlayVfs;
pub use real::RealVfs;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; the file must be there.
    Read,
    /// For reading and writing; the file must be there.
    Write,
    /// For reading and writing; made if it is not there.
    Create,
    /// For reading and writing; the file must not be there.
    CreateNew,
}

/// Whether a call failed for want of space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Free and total space of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What may still be written, in bytes.
    pub free_bytes: u64,
    /// The size of the file system, in bytes.
    pub total_bytes: u64,
}

/// What is known of the file system below a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its kind, as far as it is told (`ext4`, `xfs`, `nfs`, ...).
    pub kind: String,
    /// Whether locks and syncs promise less there (NFS, SMB, FUSE).
    pub network: bool,
    /// Whether blocks that were written before are written where they are, so that a sync of them changes no metadata.
    pub in_place: bool,
}

/// A directory tree. Paths are relative to its root, with `/` between names.
pub trait Vfs: Send + Sync + Debug {
    /// Opens a file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn VFile>>;
    /// Makes a directory, with its parents; one that is there is no error.
    ///
    /// # Errors
    /// Those of the operating system.
    fn create_dir(&self, path: &str) -> io::Result<()>;
    /// The names in a directory, in no order. The root is the empty path.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read_dir(&self, path: &str) -> io::Result<Vec<String>>;
    /// Renames a file, replacing one of the new name.
    ///
    /// # Errors
    /// Those of the operating system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Gives a file another name outside the tree, on the same file system, without copying it.
    ///
    /// # Errors
    /// `Unsupported` where there is no such thing, and those of the operating system.
    fn link(&self, path: &str, target: &std::path::Path) -> io::Result<()> {
        let _ = (path, target);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Removes a file's name.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
    /// Takes the exclusive lock of a file, opened as `mode` says; holds it as long as the value returned.
    ///
    /// # Errors
    /// `WouldBlock` when another process holds it; `ReadOnlyFilesystem` where the file cannot be opened like that.
    fn lock(&self, path: &str, mode: OpenMode) -> io::Result<Box<dyn Any + Send + Sync>>;
    /// Free and total space.
    ///
    /// # Errors
    /// Those of the operating system.
    fn space(&self) -> io::Result<Space>;
    /// Fills `bytes` at random.
    ///
    /// # Errors
    /// Those of the operating system.
    fn random(&self, bytes: &mut [u8]) -> io::Result<()>;
    /// What is known of the file system.
    ///
    /// # Errors
    /// Those of the operating system.
    fn probe(&self) -> io::Result<Probe>;
}

/// An open file.
pub trait VFile: Send + Sync + Debug {
    /// Reads at `offset`, fewer bytes only at the end of the file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Like `read_at`, but never waits for the disk.
    ///
    /// # Errors
    /// `WouldBlock` when not all of it is in memory, or when that cannot be told.
    fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Those of the operating system; any part of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable, with the length.
    ///
    /// # Errors
    /// Those of the operating system; what was written since the last success is then in doubt for ever.
    fn sync_data(&self) -> io::Result<()>;
    /// The length, in bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn length(&self) -> io::Result<u64>;
    /// Cuts or extends the file; what is new reads as zero.
    ///
    /// # Errors
    /// Those of the operating system.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Reserves space for the first `length` bytes without changing the file's length.
    ///
    /// # Errors
    /// `Unsupported` where the file system cannot; `StorageFull`.
    fn reserve(&self, length: u64) -> io::Result<()>;
}

/// Reads exactly `buffer.len()` bytes.
pub(crate) fn read_exact_at(file: &dyn VFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let count = file.read_at(buffer, offset)?;
    if count == buffer.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
