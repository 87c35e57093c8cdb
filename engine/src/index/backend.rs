//! redb's file, through the `Vfs`.
//!
//! A sync that failed is the end of the file: pages that it lost may read back as old ones that look whole, so the name
//! goes at once, and the next start makes the index anew.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use redb::StorageBackend;

use super::ahead::ReadAhead;
use super::fresh::Fresh;
use super::sums::Sums;
use crate::sync::lock_below;
use crate::vfs::{OpenMode, OverlayVfs, VFile, Vfs, read_exact_at};

/// The file of an index.
#[derive(Debug)]
pub(super) struct Home {
    vfs: Arc<dyn Vfs>,
    path: Mutex<String>,
    pub(super) file: Arc<dyn VFile>,
}

impl Home {
    /// Opens the file, making an empty one if it is not there.
    pub(super) fn open(vfs: Arc<dyn Vfs>, path: &str) -> io::Result<Home> {
        let file = vfs.open(path, OpenMode::Create)?;
        Ok(Home { vfs, path: Mutex::new(path.to_owned()), file })
    }

    /// The same file, of which nothing is changed any more: what is written stays in memory.
    pub(super) fn in_memory(&self) -> io::Result<Home> {
        let path = lock_below(&self.path);
        let overlay = OverlayVfs::with_file(Arc::clone(&self.vfs), &path, Arc::clone(&self.file))?;
        let vfs: Arc<dyn Vfs> = Arc::new(overlay);
        Home::open(vfs, &path)
    }

    /// Gives the file another name; a file that has that name is replaced.
    pub(super) fn rename(&self, to: &str) -> io::Result<()> {
        let mut path = lock_below(&self.path);
        self.vfs.rename(&path, to)?;
        to.clone_into(&mut path);
        Ok(())
    }

    /// Where it lies.
    pub(super) fn vfs(&self) -> &dyn Vfs {
        &*self.vfs
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    pub(super) fn is_empty(&self) -> io::Result<bool> {
        Ok(self.file.length()? == 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|_| {
            // If the name cannot be removed either, nothing on this disk can be helped.
            let path = lock_below(&self.path);
            let _ = self.vfs.remove(&path).and_then(|()| self.vfs.sync_dir(""));
        })
    }
}

/// What stands between redb and its file; once it is closed nothing passes any more.
#[derive(Debug, Default)]
pub(super) struct Fence(RwLock<bool>);

impl Fence {
    /// Waits for what is on its way.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stays open as long as what is answered is kept.
    fn pass(&self) -> io::Result<RwLockReadGuard<'_, bool>> {
        let closed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            Err(io::Error::other("the index was closed after a failure, or with the store"))
        } else {
            Ok(closed)
        }
    }
}

/// What redb is given. Once fenced it writes no more, so that a database that failed cannot touch the file after another
/// one was opened on it.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) home: Arc<Home>,
    pub(super) fence: Arc<Fence>,
    /// Set while an empty index is made, whose syncs are left to one at the end: there is nothing in it to lose.
    pub(super) making: Arc<AtomicBool>,
    /// Of what is written; of a file that is walked, of what is read.
    pub(super) sums: Arc<Sums>,
    /// What is written goes through it, but for the header of a file that is walked.
    pub(super) fresh: Fresh,
    /// For a file that is walked: it is read once, in the order of keys.
    pub(super) ahead: Option<Mutex<ReadAhead>>,
}

impl Backend {
    /// That of a file which nobody else writes, to be walked once.
    pub(super) fn of(home: Home) -> Backend {
        let (sums, ahead) = (Arc::new(Sums::of_nothing()), Some(Mutex::default()));
        let (fence, making, fresh) = (Arc::default(), Arc::default(), Fresh::default());
        Backend { home: Arc::new(home), fence, making, sums, fresh, ahead }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.home.file.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let Some(ahead) = &self.ahead else {
            return read_exact_at(&*self.home.file, out, offset);
        };
        lock_below(ahead).read(&*self.home.file, offset, out)?;
        self.sums.note(offset, out);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let _open = self.fence.pass()?;
        self.sums.resize(len);
        if let Some(ahead) = &self.ahead {
            lock_below(ahead).forget();
        }
        self.fresh.set_length(&*self.home.file, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let _open = self.fence.pass()?;
        if self.making.load(Ordering::Acquire) { Ok(()) } else { self.home.sync() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let _open = self.fence.pass()?;
        let Some(ahead) = &self.ahead else {
            // Not known while nobody knows whether it succeeds.
            self.sums.forget(offset, data.len());
            self.fresh.write(&*self.home.file, data, offset).inspect_err(|_| self.sums.lose())?;
            self.sums.note(offset, data);
            return Ok(());
        };
        lock_below(ahead).forget();
        if offset > 0 {
            // A walk writes the header, and nothing else.
            self.sums.lose();
        }
        self.home.file.write_at(data, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::database::Redb;
    use crate::index::fresh::tests::Noting;
    use crate::memtable::Mark;
    use crate::vfs::RealVfs;

    #[test]
    fn redb_s_pages_come_into_new_blocks_that_are_filled() {
        let directory = tempfile::tempdir().unwrap();
        let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::at(directory.path()).unwrap());
        let file = vfs.open("f", OpenMode::Create).unwrap();
        let noting = Arc::new(Noting { file, writes: Mutex::default(), at_once_bytes_max: usize::MAX });
        let home = Home { vfs, path: Mutex::new("f".to_owned()), file: noting.clone() };
        let mut backend = Backend::of(home);
        backend.ahead = None;
        let database = Redb::open(backend, 1 << 20).unwrap();
        database.prepare(&[7; 16], Some(Mark::default())).unwrap();
        drop(database);
        let writes = lock_below(&noting.writes);
        let filled = writes.iter().filter(|(_, bytes)| *bytes == 64 << 10).count();
        assert!(filled > 0 && filled < writes.len(), "{writes:?}");
    }
}
