//! The next log segment's file, made ahead where that pays: its blocks are written with zeros and synced before it is needed.
//!
//! A sync after an append also has to make durable that the file has grown or that its blocks are in use, which journalling
//! file systems do with a commit of their own. Where the blocks were written before, a sync is the data and nothing else: for
//! small groups that takes about half as long. The price is that everything is written twice, so it is done only while groups
//! are small, in the background, and where there is ample space.

use std::io;
use std::sync::Arc;

use crate::format::file;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};
use crate::vfs::{VFile, Vfs};
use crate::wakeup::Wakeup;

/// Groups of fewer bytes than this are worth it: of larger ones the data takes the time.
const GROUP_BYTES_MAX: u64 = 64 << 10;
/// After so many groups it is known how large they are.
const GROUPS_LEAST: u64 = 32;
/// A file that is made ahead, or none.
#[derive(Debug)]
pub(crate) struct Spare {
    /// Whether it pays on this file system, and with this durability.
    pub(crate) pays: bool,
    state: Mutex<State>,
    /// The size of the one that is ready, 0 for none: the committer looks at it with each group.
    ready_bytes: AtomicU64,
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
        Spare { pays, state: Mutex::default(), ready_bytes: AtomicU64::new(0), wakeup: Wakeup::default() }
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

    /// Whether one may be made now: from here on the caller makes it, and says what came of it.
    pub(crate) fn begin(&self) -> bool {
        let mut state = lock(&self.state);
        let may_begin = self.pays && matches!(*state, State::None | State::Wanted);
        if may_begin {
            *state = State::Making;
        }
        may_begin
    }

    /// What came of making one: a file of so many bytes, or none.
    pub(crate) fn finish(&self, made: Option<(Arc<dyn VFile>, u64)>) {
        let mut state = lock(&self.state);
        self.ready_bytes.store(made.as_ref().map_or(0, |(_, bytes)| *bytes), Ordering::Release);
        *state = made.map_or(State::None, |(file, bytes)| State::Ready { file, bytes });
    }

    /// Whether one of this size can be taken.
    pub(crate) fn is_ready(&self, bytes: u64) -> bool {
        self.ready_bytes.load(Ordering::Acquire) == bytes
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
                State::Ready { file, bytes: ready } if ready == bytes => {
                    self.ready_bytes.store(0, Ordering::Release);
                    file
                }
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
            self.ready_bytes.store(0, Ordering::Release);
            *state = State::None;
        }
    }
}
