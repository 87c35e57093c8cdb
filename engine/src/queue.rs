//! The commit queue: what waits for the committer, and how whoever waits for its outcome is told.
//!
//! It is all that callers and the committer share on the way to the log, so a model checker tries every order of it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};

use crate::apply::{Change, Prior};
use crate::bugs::{Bug, seeded};
use crate::bulk::{BulkBody, Pin};
use crate::error::Error;
use crate::gate::Token;
use crate::record::{Frame, Kind};
use crate::sync::commit::{Condvar, Mutex, lock};

/// A mutation on its way to the committer.
pub(crate) struct Pending {
    pub(crate) frame: Frame,
    pub(crate) change: Change,
    pub(crate) prior: Prior,
    /// Released at publication.
    pub(crate) tokens: Vec<Token>,
    pub(crate) body: Option<BulkBody>,
    pub(crate) pin: Option<Pin>,
    pub(crate) promise: Promise,
}

impl Pending {
    /// Whether the record stores something, so that it is refused on a full disk.
    pub(crate) fn takes_space(&self) -> bool {
        let own = self.frame.orig_seq.is_some();
        let stores = match self.frame.kind {
            Kind::Put | Kind::Part | Kind::UploadInit => true,
            // Completing an upload stores nothing that is not there.
            Kind::Manifest => !matches!(self.change, Change::Object { upload: Some(_), .. }),
            _ => false,
        };
        stores && !own
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("kind", &self.frame.kind).finish_non_exhaustive()
    }
}

/// The outcome of one mutation, once there is one: the record's number.
#[derive(Debug, Default)]
struct Done {
    state: Mutex<DoneState>,
}

#[derive(Debug, Default)]
struct DoneState {
    outcome: Option<Result<u64, Error>>,
    waker: Option<Waker>,
}

/// Owes a mutation its outcome: dropped without one, it answers `Closed`, so that nobody waits for ever.
#[derive(Debug, Default)]
pub(crate) struct Promise {
    done: Arc<Done>,
    kept: bool,
}

impl Promise {
    /// Waits for the outcome.
    pub(crate) fn outcome(&self) -> impl Future<Output = Result<u64, Error>> + Send + use<> {
        let done = Arc::clone(&self.done);
        poll_fn(move |context| {
            let mut state = lock(&done.state);
            if let Some(outcome) = state.outcome.take() {
                return Poll::Ready(outcome);
            }
            if seeded(Bug::RegisterLate) {
                drop(state);
                state = lock(&done.state);
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
    }

    pub(crate) fn keep(mut self, outcome: Result<u64, Error>) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Result<u64, Error>) {
        self.kept = true;
        let mut state = lock(&self.done.state);
        state.outcome = Some(outcome);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.kept {
            self.finish(Err(Error::Closed));
        }
    }
}

/// Records waiting for the committer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    pending: Vec<Pending>,
    bytes: usize,
    closed: bool,
}

/// Beyond this much waiting, more is refused with `Busy`.
const QUEUE_RECORDS_MAX: usize = 16 * 1024;
const QUEUE_BYTES_MAX: usize = 128 << 20;

impl Queue {
    /// Takes a record in; unless it is `limited`, also beyond what may wait.
    pub(crate) fn push(&self, pending: Pending, limited: bool) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Error::Closed);
        }
        let bytes = pending.frame.length();
        if limited && (state.pending.len() >= QUEUE_RECORDS_MAX || state.bytes + bytes > QUEUE_BYTES_MAX) {
            return Err(Error::Busy);
        }
        state.bytes += bytes;
        state.pending.push(pending);
        let was_empty = state.pending.len() == 1;
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// The next group: as much as one write should hold. Nothing if nothing waits and `wait` is false, or if the queue
    /// is closed and empty.
    pub(crate) fn take(&self, wait: bool, bytes_max: usize, records_max: usize) -> Option<Vec<Pending>> {
        let mut state = lock(&self.state);
        while state.pending.is_empty() {
            if state.closed || !wait {
                return None;
            }
            if seeded(Bug::SleepUnlooked) {
                drop(state);
                state = lock(&self.state);
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let mut count = 0;
        for pending in &state.pending {
            let next = bytes + pending.frame.length();
            if count == records_max || (count > 0 && next > bytes_max) {
                break;
            }
            bytes = next;
            count += 1;
        }
        state.bytes -= bytes;
        let rest = state.pending.split_off(count);
        Some(std::mem::replace(&mut state.pending, rest))
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.filled.notify_all();
    }

    /// Closes, and lets go of what waits: nobody will come for it.
    pub(crate) fn abandon(&self) {
        self.close();
        let abandoned = std::mem::take(&mut lock(&self.state).pending);
        drop(abandoned);
    }
}
