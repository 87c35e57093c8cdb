//! How the maintenance worker is woken, and sleeps in between.

use std::sync::PoisonError;
use std::time::Duration;

use crate::sync::{Condvar, Mutex, lock};

/// What there is to do is looked at again after this.
const INTERVAL: Duration = Duration::from_secs(2);

/// How the worker is told that there is work.
#[derive(Debug, Default)]
pub(crate) struct Wakeup {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    requested: bool,
    closed: bool,
}

impl Wakeup {
    pub(crate) fn request(&self) {
        lock(&self.state).requested = true;
        self.changed.notify_all();
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    /// Waits for a request; false once closed.
    pub(crate) fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        if !state.requested && !state.closed {
            state = self.changed.wait_timeout(state, INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.requested = false;
        !state.closed
    }

    /// Does nothing for a while, or until closed.
    pub(crate) fn pause(&self, duration: Duration) {
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, duration, |state| !state.closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
