//! The reserve: space that is given up when the disk is full, so that deletes, configuration and compaction go on.
//!
//! Puts are refused below the low-water mark; but the disk may be filled by others, or by what was under way. What then
//! frees space, a delete and the bringing up to date of the index, needs a little of it first, and so does recovery:
//! while the space is not set aside it counts as taken, so that puts never eat it.

use std::io;
use std::sync::{Arc, Mutex};

use crate::format::file;
use crate::sync::lock;
use crate::vfs::{OpenMode, VFile, Vfs};

const RESERVE_BYTES_LEAST: u64 = 2 << 20;
const RESERVE_BYTES_MOST: u64 = 64 << 20;
/// Less than this is not worth setting aside.
const RESERVE_STEP_BYTES: u64 = 64 << 10;

/// A file that holds space and nothing else.
#[derive(Debug)]
pub(crate) struct Reserve {
    vfs: Arc<dyn Vfs>,
    bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Arc<dyn VFile>>,
    /// What is set aside.
    bytes: u64,
    borrowers: usize,
}

/// Whether a call failed for want of space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Reserve {
    /// None without a low-water mark.
    pub(crate) fn new(vfs: Arc<dyn Vfs>, low_water_bytes: u64) -> Reserve {
        let bytes = low_water_bytes.clamp(RESERVE_BYTES_LEAST, RESERVE_BYTES_MOST);
        Reserve { vfs, bytes: if low_water_bytes == 0 { 0 } else { bytes }, state: Mutex::default() }
    }

    /// Gives up what an earlier process had set aside, before anything else is done: recovery may need it.
    ///
    /// # Errors
    /// Those of the operating system; that there is none is no error.
    pub(crate) fn give_up_earlier(vfs: &dyn Vfs) -> io::Result<()> {
        match vfs.open(file::RESERVE, OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => {
                opened?.set_length(0)?;
                vfs.remove(file::RESERVE)
            }
        }
    }

    /// What has to stay free beyond the low-water mark, for it is not set aside now.
    pub(crate) fn missing_bytes(&self) -> u64 {
        self.bytes - lock(&self.state).bytes.min(self.bytes)
    }

    /// Sets the space aside, or as much of it as there is, unless somebody needs it just now.
    pub(crate) fn replenish(&self, free_bytes: u64) {
        let mut state = lock(&self.state);
        let missing = (self.bytes - state.bytes.min(self.bytes)).min(free_bytes);
        if missing < self.bytes.min(RESERVE_STEP_BYTES) || missing == 0 || state.borrowers > 0 {
            return;
        }
        let bytes = state.bytes + missing;
        // A file system that cannot set space aside has none.
        let made = match state.file.take() {
            Some(file) => Ok(file),
            None => self.vfs.open(file::RESERVE, OpenMode::Create),
        };
        let made = made.and_then(|file| match file.reserve(bytes) {
            Err(error) if state.bytes == 0 => Err(error),
            Err(_) => Ok(file),
            Ok(()) => {
                state.bytes = bytes;
                Ok(file)
            }
        });
        match made {
            Ok(file) => state.file = Some(file),
            Err(_) => _ = self.vfs.remove(file::RESERVE),
        }
    }

    /// Gives the space up for as long as the answer lives; `None` if there is none to give.
    pub(crate) fn borrow(&self) -> Option<Borrowed<'_>> {
        let mut state = lock(&self.state);
        match state.file.take() {
            Some(file) => {
                state.bytes = 0;
                // Also where the name cannot be removed.
                let cut = file.set_length(0).is_ok();
                if self.vfs.remove(file::RESERVE).is_err() && !cut {
                    return None;
                }
            }
            None if state.borrowers == 0 => return None,
            None => {}
        }
        state.borrowers += 1;
        Some(Borrowed { reserve: self })
    }
}

/// The space is given up; it is not set aside again before this is dropped.
#[derive(Debug)]
pub(crate) struct Borrowed<'r> {
    reserve: &'r Reserve,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        lock(&self.reserve.state).borrowers -= 1;
    }
}
