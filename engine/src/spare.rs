//! The next log segment's file, made ahead where that pays: its blocks are written with zeros and synced before it is needed.
//!
//! A sync after an append also has to make durable that the file has grown or that its blocks are in use, which journalling
//! file systems do with a commit of their own. Where the blocks were written before, a sync is the data and nothing else: for
//! small groups that takes about half as long. The price is that everything is written twice, so it is done only while groups
//! are small, in the background, and where there is ample space.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::format::file;
use crate::sync::atomic::Ordering;
use crate::sync::{Mutex, lock};
use crate::vfs::{OpenMode, VFile, Vfs};
use crate::wakeup::Wakeup;

/// How much is written and synced at a time, so that the log's own syncs never wait long.
const PIECE_BYTES: usize = 256 << 10;
/// Groups of fewer bytes than this are worth it: of larger ones the data takes the time.
const GROUP_BYTES_MAX: u64 = 64 << 10;
/// After so many groups it is known how large they are.
const GROUPS_LEAST: u64 = 32;
/// What must be free beyond the low-water mark, in segments.
const FREE_SEGMENTS: u64 = 4;

/// A file that is made ahead, or none.
#[derive(Debug)]
pub(crate) struct Spare {
    /// Whether it pays on this file system, and with this durability.
    pays: bool,
    state: Mutex<State>,
    pub(crate) wakeup: Wakeup,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Wanted,
    Making,
    Ready {
        file: Arc<dyn VFile>,
        bytes: u64,
    },
    /// The committer gives it a name.
    Taken,
}

impl Spare {
    pub(crate) fn new(pays: bool) -> Spare {
        Spare { pays, state: Mutex::default(), wakeup: Wakeup::default() }
    }

    /// Asks for one, after so many groups of so many bytes together, unless that is under way or doesn't pay.
    pub(crate) fn ask(&self, groups: u64, bytes: u64) {
        if !self.pays || groups < GROUPS_LEAST || bytes / groups >= GROUP_BYTES_MAX {
            return;
        }
        let mut state = lock(&self.state);
        if matches!(*state, State::None) {
            *state = State::Wanted;
            drop(state);
            self.wakeup.request();
        }
    }

    /// Whether one was asked for and isn't begun.
    pub(crate) fn is_wanted(&self) -> bool {
        matches!(*lock(&self.state), State::Wanted)
    }

    /// Whether one of this size can be taken.
    pub(crate) fn is_ready(&self, bytes: u64) -> bool {
        self.pays && matches!(*lock(&self.state), State::Ready { bytes: ready, .. } if ready == bytes)
    }

    /// Gives it a name by `name`, which is told the file and its path; nothing if there is none of this size.
    pub(crate) fn take<T>(
        &self,
        vfs: &dyn Vfs,
        bytes: u64,
        name: impl FnOnce(Arc<dyn VFile>, &str) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let ready = {
            let mut state = lock(&self.state);
            match std::mem::replace(&mut *state, State::Taken) {
                State::Ready { file, bytes: ready } if ready == bytes => file,
                other => {
                    *state = other;
                    return None;
                }
            }
        };
        let named = name(ready, file::SPARE);
        if named.is_err() {
            // What is left of it is removed when the store is next opened, if it cannot be removed now.
            let _ = vfs.remove(file::SPARE);
        }
        *lock(&self.state) = State::None;
        Some(named)
    }

    /// Gives its space back.
    pub(crate) fn give_up(&self, vfs: &dyn Vfs) {
        let mut state = lock(&self.state);
        if matches!(*state, State::Ready { .. }) {
            let _ = vfs.remove(file::SPARE);
            *state = State::None;
        }
    }
}

impl Core {
    /// The thread that makes it.
    pub(crate) fn run_spare(&self) {
        while self.spare.wakeup.wait() {
            if self.spare.is_wanted() {
                self.make_spare();
            }
        }
    }

    /// Makes one, if there is ample space and none is there. That it fails is nobody's loss: the next segment is then made
    /// when it is needed.
    pub(crate) fn make_spare(&self) {
        let bytes = self.segment_bytes();
        let ample = || {
            let needed = self.low_water_bytes.saturating_add(self.reserve.missing_bytes());
            let free = self.vfs.space().map_or(0, |space| space.free_bytes);
            free >= needed.saturating_add(FREE_SEGMENTS * bytes)
        };
        {
            let mut state = lock(&self.spare.state);
            if !self.spare.pays || !matches!(*state, State::None | State::Wanted) {
                return;
            }
            *state = State::Making;
        }
        let made = if ample() && self.poisoned().is_none() { self.write_zeros(bytes) } else { Ok(None) };
        let ready = match made {
            Ok(Some(file)) => State::Ready { file, bytes },
            Ok(None) => State::None,
            Err(_) => {
                let _ = self.vfs.remove(file::SPARE);
                State::None
            }
        };
        *lock(&self.spare.state) = ready;
    }

    /// At the end: cuts off what the last segment was written ahead, so that the next start finds where it ends at once.
    pub(crate) fn trim(&self) {
        if !self.spare.pays || self.poisoned().is_some() || !self.damage.is_empty() {
            return;
        }
        // Should any of this fail, the end is looked for.
        if let Some(active) = self.active_extent()
            && let Ok(segment) = self.segments.segment(active.id, true)
            && segment.file.length().is_ok_and(|length| length > active.length)
            && segment.file.set_length(active.length).is_ok()
        {
            let _ = segment.file.reserve(self.segment_bytes());
        }
    }

    /// A file of zeros that are on the disk; nothing if the store is closed meanwhile.
    fn write_zeros(&self, bytes: u64) -> io::Result<Option<Arc<dyn VFile>>> {
        match self.vfs.remove(file::SPARE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.vfs.open(file::SPARE, OpenMode::CreateNew)?;
        match file.reserve(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
            _ => {}
        }
        let zeros = vec![0; PIECE_BYTES.min(usize::try_from(bytes).unwrap_or(PIECE_BYTES))];
        let mut offset = 0;
        while offset < bytes {
            if self.closed.load(Ordering::Acquire) {
                self.vfs.remove(file::SPARE)?;
                return Ok(None);
            }
            let piece = zeros.len().min(usize::try_from(bytes - offset).unwrap_or(zeros.len()));
            file.write_at(&zeros[..piece], offset)?;
            file.sync_data()?;
            offset += piece as u64;
            self.leave_disk(piece as u64);
        }
        Ok(Some(file))
    }

    /// Leaves the disk to others for as long as writing so much may take at most.
    fn leave_disk(&self, bytes: u64) {
        if let Some(rate) = self.options.maintenance_bytes_per_second.filter(|rate| *rate > 0)
            && self.inline.is_none()
        {
            self.spare.wakeup.pause(Duration::from_micros(bytes.saturating_mul(1_000_000) / rate));
        }
    }
}
