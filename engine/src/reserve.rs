//! The reserve: space that is given up when the disk is full, so that deletes, configuration and compaction go on.
//!
//! Puts are refused below the low-water mark; but the disk may be filled by others, or by what was under way. What then
//! frees space, a delete and the bringing up to date of the index, needs a little of it first, and so does recovery:
//! while the space is not set aside it counts as taken, so that puts never eat it. It is given up only for want of space
//! and outlives the process, so that whoever fills the disk meanwhile does not get it.

use std::io;
use std::sync::{Arc, Mutex};

use crate::format::file;
use crate::sync::lock;
use crate::vfs::{OpenMode, VFile, Vfs};

const RESERVE_BYTES_LEAST: u64 = 2 << 20;
const RESERVE_BYTES_MOST: u64 = 64 << 20;
/// It is set aside and given up in steps of this: what one step takes stays one extent, and a file system that copies on
/// write gives an extent back only as a whole.
const RESERVE_STEP_BYTES: u64 = 256 << 10;

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
    /// The free space with which nothing more could be set aside: a file system may count as free what it cannot give.
    refused_at: Option<u64>,
    borrowers: usize,
}

/// Whether a call failed for want of space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Reserve {
    /// Sets nothing aside without a low-water mark.
    pub(crate) fn new(vfs: Arc<dyn Vfs>, low_water_bytes: u64) -> Reserve {
        let bytes = low_water_bytes.clamp(RESERVE_BYTES_LEAST, RESERVE_BYTES_MOST);
        Reserve { vfs, bytes: if low_water_bytes == 0 { 0 } else { bytes }, state: Mutex::default() }
    }

    /// Takes over what an earlier process had set aside: as much as the file is long.
    pub(crate) fn adopt(&self) {
        let Ok(file) = self.vfs.open(file::RESERVE, OpenMode::Write) else { return };
        let mut state = lock(&self.state);
        state.bytes = file.length().unwrap_or(0).min(self.bytes);
        if state.bytes > 0 {
            state.file = Some(file);
        }
    }

    /// What is set aside when there is room.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Does something that takes so many bytes; if it fails for want of space, again with as much given up, and then with
    /// all of it.
    pub(crate) fn give_for<T>(&self, bytes: u64, mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut done = act();
        for bytes in [bytes, u64::MAX] {
            match done {
                Err(error) if is_full(&error) && self.borrow(bytes).is_some() => done = act(),
                done => return done,
            }
        }
        done
    }

    /// What has to stay free beyond the low-water mark, for it is not set aside now.
    pub(crate) fn missing_bytes(&self) -> u64 {
        self.bytes - lock(&self.state).bytes.min(self.bytes)
    }

    /// Sets the space aside, or as much of it as there is, unless somebody needs it just now.
    pub(crate) fn replenish(&self, free_bytes: u64) {
        let mut state = lock(&self.state);
        let refused = state.refused_at.is_some_and(|refused_at| free_bytes <= refused_at);
        if state.bytes >= self.bytes || free_bytes < RESERVE_STEP_BYTES || state.borrowers > 0 || refused {
            return;
        }
        let made = match state.file.take() {
            Some(file) => Ok(file),
            None => self.vfs.open(file::RESERVE, OpenMode::Create),
        };
        let Ok(file) = made else {
            state.refused_at = Some(free_bytes);
            return;
        };
        let most = self.bytes.min(state.bytes.saturating_add(free_bytes));
        let mut bytes = state.bytes;
        while bytes < self.bytes {
            let next = (bytes + RESERVE_STEP_BYTES).min(self.bytes);
            if next > most {
                break;
            }
            if file.reserve(next).is_err() {
                state.refused_at = Some(free_bytes);
                break;
            }
            bytes = next;
        }
        // The length says how much there is, to the next process too.
        if bytes > 0 && file.set_length(bytes).is_ok() {
            state.bytes = bytes;
            state.file = Some(file);
        } else if state.bytes == 0 {
            // A file system that cannot set space aside has none.
            let _ = self.vfs.remove(file::RESERVE);
        } else {
            state.file = Some(file);
        }
    }

    /// Gives up at least so many bytes, or all there are, for as long as the answer lives; `None` if there is nothing to
    /// give.
    pub(crate) fn borrow(&self, bytes: u64) -> Option<Borrowed<'_>> {
        let mut state = lock(&self.state);
        let Some(file) = state.file.take() else {
            // What another borrower was given may not be used up.
            if state.borrowers == 0 {
                return None;
            }
            state.borrowers += 1;
            return Some(Borrowed { reserve: self });
        };
        let wanted = bytes.checked_next_multiple_of(RESERVE_STEP_BYTES).unwrap_or(u64::MAX);
        let kept = state.bytes.saturating_sub(wanted) / RESERVE_STEP_BYTES * RESERVE_STEP_BYTES;
        let cut = file.set_length(kept).is_ok();
        if kept == 0 {
            // Also where it could not be cut; and a name that cannot be removed holds nothing if it was.
            if self.vfs.remove(file::RESERVE).is_err() && !cut {
                state.file = Some(file);
                return None;
            }
            state.bytes = 0;
        } else {
            state.file = Some(file);
            if !cut {
                return None;
            }
            state.bytes = kept;
        }
        state.refused_at = None;
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
