//! The reserve: space that is given up when the disk is full, so that deletes, configuration and compaction go on.
//!
//! Puts are refused below the low-water mark; but the disk may be filled by others, or by what was under way. What then
//! frees space, a delete and the bringing up to date of the index, needs a little of it first, and so does recovery:
//! while the space is not set aside it counts as taken, so that puts never eat it. It is given up only for want of space
//! and outlives the process, so that whoever fills the disk meanwhile does not get it.

use std::io;
use std::sync::Arc;

use crate::format::file;
use crate::sync::{Mutex, lock};
use crate::vfs::{OpenMode, Vfs, is_full};

const RESERVE_BYTES_LEAST: u64 = 2 << 20;
const RESERVE_BYTES_MOST: u64 = 64 << 20;
/// The first of the pieces; the others are as large as all before them. Each is a file of its own, for a file system that
/// copies on write gives back an extent only as a whole.
const PIECE_BYTES: u64 = 256 << 10;
/// So many of the first pieces the index is never given, for a deletion does not wait until the index is written.
const PIECES_OF_THE_LOG: usize = 2;

/// Files that hold space and nothing else.
#[derive(Debug)]
pub(crate) struct Reserve {
    vfs: Arc<dyn Vfs>,
    bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Which pieces are set aside.
    held: Vec<bool>,
    /// The free space with which nothing more could be set aside: a file system may count as free what it cannot give.
    refused_at: Option<u64>,
    borrowers: usize,
}

impl Reserve {
    /// Sets nothing aside without a low-water mark.
    pub(crate) fn new(vfs: Arc<dyn Vfs>, low_water_bytes: u64) -> Reserve {
        let bytes = low_water_bytes.clamp(RESERVE_BYTES_LEAST, RESERVE_BYTES_MOST);
        Reserve { vfs, bytes: if low_water_bytes == 0 { 0 } else { bytes }, state: Mutex::default() }
    }

    /// The sizes of all pieces.
    fn pieces(&self) -> Vec<u64> {
        let mut pieces = Vec::new();
        let mut total = 0;
        while total < self.bytes {
            pieces.push(total.max(PIECE_BYTES).min(self.bytes - total));
            total += pieces[pieces.len() - 1];
        }
        pieces
    }

    /// Takes over what an earlier process had set aside.
    pub(crate) fn adopt(&self) {
        let held: Vec<bool> = self.pieces().into_iter().enumerate().map(|(n, bytes)| self.is_there(n, bytes)).collect();
        let names = self.vfs.read_dir(file::LOG).unwrap_or_default();
        for path in names.iter().filter(|name| file::is_reserve(name)).map(|name| format!("{}/{name}", file::LOG)) {
            // Of a larger reserve, or one that was not finished.
            if !held.iter().enumerate().any(|(n, held)| *held && path == file::reserve(n)) {
                let _ = self.vfs.remove(&path);
            }
        }
        lock(&self.state).held = held;
    }

    /// Whether a piece is there. What it holds already takes no space again.
    fn is_there(&self, n: usize, bytes: u64) -> bool {
        self.vfs.open(&file::reserve(n), OpenMode::Write).is_ok_and(|file| file.reserve(bytes).is_ok())
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
        let state = lock(&self.state);
        let missing = |(n, bytes): (usize, u64)| if state.held.get(n) == Some(&true) { 0 } else { bytes };
        self.pieces().into_iter().enumerate().map(missing).sum()
    }

    /// Sets the space aside, or as much of it as there is, unless somebody needs it just now.
    pub(crate) fn replenish(&self, free_bytes: u64) {
        let mut state = lock(&self.state);
        let refused = state.refused_at.is_some_and(|refused_at| free_bytes <= refused_at);
        if state.borrowers > 0 || refused {
            return;
        }
        let pieces = self.pieces();
        state.held.resize(pieces.len(), false);
        let mut free = free_bytes;
        for (n, bytes) in pieces.into_iter().enumerate() {
            if state.held[n] || bytes > free {
                continue;
            }
            let path = file::reserve(n);
            let made = self.vfs.open(&path, OpenMode::Create).and_then(|file| file.reserve(bytes));
            if made.is_err() {
                // A file system that cannot set space aside has none, and one that is full may have counted wrongly.
                let _ = self.vfs.remove(&path);
                state.refused_at = Some(free_bytes);
                return;
            }
            state.held[n] = true;
            free -= bytes;
        }
    }

    /// Gives up at least so many bytes, or all there are, for as long as the answer lives; `None` if there is nothing to
    /// give.
    pub(crate) fn borrow(&self, bytes: u64) -> Option<Borrowed<'_>> {
        self.give_up(0, bytes)
    }

    /// Likewise all that the index may have while mutations go on.
    pub(crate) fn borrow_for_index(&self) -> Option<Borrowed<'_>> {
        self.give_up(PIECES_OF_THE_LOG, u64::MAX)
    }

    /// Gives up at least so many bytes of the pieces from the `first` on.
    fn give_up(&self, first: usize, bytes: u64) -> Option<Borrowed<'_>> {
        let mut state = lock(&self.state);
        let mut given = 0;
        for (n, piece) in self.pieces().into_iter().enumerate().skip(first) {
            if given >= bytes {
                break;
            }
            if state.held.get(n) != Some(&true) {
                continue;
            }
            let path = file::reserve(n);
            // Also where the name cannot be removed.
            let cut = self.vfs.open(&path, OpenMode::Write).is_ok_and(|file| file.set_length(0).is_ok());
            if self.vfs.remove(&path).is_ok() || cut {
                state.held[n] = false;
                given += piece;
            }
        }
        // What another borrower was given may not be used up.
        if given == 0 && state.borrowers == 0 {
            return None;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimDisk;

    #[test]
    fn the_log_has_a_share_of_its_own_however_much_the_index_borrows() {
        let disk = SimDisk::new(1);
        disk.create_dir(file::LOG).unwrap();
        let reserve = Reserve::new(Arc::new(Arc::clone(&disk)), 1 << 20);
        reserve.replenish(64 << 20);
        assert_eq!(reserve.missing_bytes(), 0);
        let index = reserve.borrow_for_index();
        let kept = reserve.bytes() - reserve.missing_bytes();
        assert!(index.is_some() && kept == 2 * PIECE_BYTES, "{kept}");
        let log = reserve.borrow(1);
        assert!(log.is_some() && reserve.bytes() - reserve.missing_bytes() == PIECE_BYTES);
        drop((index, log));
        reserve.replenish(64 << 20);
        assert_eq!(reserve.missing_bytes(), 0, "all of it is set aside again");
    }
}
