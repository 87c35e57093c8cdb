//! How far compaction, a scrub and a backup are, for whoever asks while they run.

use crate::sync::{Mutex, lock};

/// How far something is that goes through segments, of the log and bulk ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Segments gone through.
    pub segments_done: u64,
    /// Segments to go through in all, as counted when it began.
    pub segments_total: u64,
    /// Bytes gone through.
    pub bytes_done: u64,
    /// Bytes to go through in all, as counted when it began.
    pub bytes_total: u64,
}

/// What runs now, and how far it is; `None` for what doesn't run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaintenanceProgress {
    /// Compaction, that which the store begins by itself included.
    pub compaction: Option<Progress>,
    /// A scrub.
    pub scrub: Option<Progress>,
    /// A backup.
    pub backup: Option<Progress>,
}

/// The progress of one kind of work; where several run at once they count together.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    progress: Progress,
}

impl Meter {
    /// Something begins that will go through so much; it ends when the answer is dropped.
    pub(crate) fn begin(&self, segments: u64, bytes: u64) -> Running<'_> {
        let mut state = lock(&self.state);
        state.running += 1;
        state.progress.segments_total += segments;
        state.progress.bytes_total += bytes;
        Running(self)
    }

    /// Some of it is done.
    pub(crate) fn add(&self, segments: u64, bytes: u64) {
        let Progress { segments_done, segments_total, bytes_done, bytes_total } = &mut lock(&self.state).progress;
        // What came after the count isn't shown as more than all.
        *segments_done = (*segments_done + segments).min(*segments_total);
        *bytes_done = (*bytes_done + bytes).min(*bytes_total);
    }

    pub(crate) fn read(&self) -> Option<Progress> {
        let state = lock(&self.state);
        (state.running > 0).then_some(state.progress)
    }
}

/// While it lives, something runs.
#[derive(Debug)]
pub(crate) struct Running<'m>(&'m Meter);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.running -= 1;
        if state.running == 0 {
            state.progress = Progress::default();
        }
    }
}

/// The meters of a store.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) compaction: Meter,
    pub(crate) scrub: Meter,
    pub(crate) backup: Meter,
}

impl Meters {
    pub(crate) fn read(&self) -> MaintenanceProgress {
        MaintenanceProgress { compaction: self.compaction.read(), scrub: self.scrub.read(), backup: self.backup.read() }
    }
}
