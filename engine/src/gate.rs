//! Gates: locks that are waited for by a future and held by an owned token.
//!
//! Waiting never blocks the polling thread, and a token goes with its record to the committer, so that it is released
//! at publication also when the caller went away.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, lock};

/// A lock that many hold shared or one exclusively, granted in the order of asking.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shared: usize,
    exclusive: bool,
    waiting: VecDeque<Arc<Waiter>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Shared,
    Exclusive,
}

#[derive(Debug)]
struct Waiter {
    mode: Mode,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
enum Progress {
    Waiting(Waker),
    Granted,
    Gone,
}

/// The right to pass; released when it is dropped.
#[derive(Debug)]
pub(crate) struct Token {
    gate: Arc<Gate>,
    mode: Mode,
}

impl State {
    fn admits(&self, mode: Mode) -> bool {
        match mode {
            Mode::Shared => !self.exclusive,
            Mode::Exclusive => !self.exclusive && self.shared == 0,
        }
    }

    fn enter(&mut self, mode: Mode) {
        match mode {
            Mode::Shared => self.shared += 1,
            Mode::Exclusive => self.exclusive = true,
        }
    }
}

impl Gate {
    pub(crate) fn shared(self: &Arc<Gate>) -> Entering {
        Entering { gate: Arc::clone(self), mode: Mode::Shared, waiter: None }
    }

    pub(crate) fn exclusive(self: &Arc<Gate>) -> Entering {
        Entering { gate: Arc::clone(self), mode: Mode::Exclusive, waiter: None }
    }

    fn leave(&self, mode: Mode) {
        let mut wakers = Vec::new();
        let mut state = lock(&self.state);
        match mode {
            Mode::Shared => state.shared -= 1,
            Mode::Exclusive => state.exclusive = false,
        }
        while let Some(next) = state.waiting.front() {
            if !state.admits(next.mode) {
                break;
            }
            let Some(next) = state.waiting.pop_front() else { break };
            let mut progress = lock(&next.progress);
            if let Progress::Waiting(waker) = std::mem::replace(&mut *progress, Progress::Granted) {
                state.enter(next.mode);
                wakers.push(waker);
            }
        }
        drop(state);
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.gate.leave(self.mode);
    }
}

/// A future that ends with a token.
#[derive(Debug)]
pub(crate) struct Entering {
    gate: Arc<Gate>,
    mode: Mode,
    waiter: Option<Arc<Waiter>>,
}

impl Future for Entering {
    type Output = Token;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Token> {
        if let Some(waiter) = self.waiter.clone() {
            let mut progress = lock(&waiter.progress);
            if let Progress::Waiting(waker) = &mut *progress {
                waker.clone_from(context.waker());
                return Poll::Pending;
            }
            drop(progress);
            self.waiter = None;
            return Poll::Ready(Token { gate: Arc::clone(&self.gate), mode: self.mode });
        }
        let gate = Arc::clone(&self.gate);
        let mut state = lock(&gate.state);
        if state.waiting.is_empty() && state.admits(self.mode) {
            state.enter(self.mode);
            return Poll::Ready(Token { gate: Arc::clone(&gate), mode: self.mode });
        }
        let progress = Mutex::new(Progress::Waiting(context.waker().clone()));
        let waiter = Arc::new(Waiter { mode: self.mode, progress });
        state.waiting.push_back(Arc::clone(&waiter));
        self.waiter = Some(waiter);
        Poll::Pending
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let before = std::mem::replace(&mut *lock(&waiter.progress), Progress::Gone);
        if matches!(before, Progress::Granted) {
            // Granted but never taken up: pass it on.
            self.gate.leave(self.mode);
            return;
        }
        // Who waits behind may be admitted now that this one is gone.
        let mut state = lock(&self.gate.state);
        state.waiting.retain(|other| !Arc::ptr_eq(other, &waiter));
        if state.admits(Mode::Shared) {
            state.shared += 1;
            drop(state);
            self.gate.leave(Mode::Shared);
        }
    }
}

/// A fixed number of gates, chosen by a hash of bucket and key, and made when they are first asked for.
#[derive(Debug)]
pub(crate) struct Stripes {
    rows: [OnceLock<Row>; ROWS],
}

const ROWS: usize = 64;
const ROW_GATES: usize = 64;

type Row = Box<[OnceLock<Arc<Gate>>; ROW_GATES]>;

impl Stripes {
    pub(crate) fn new() -> Stripes {
        Stripes { rows: [const { OnceLock::new() }; ROWS] }
    }

    pub(crate) fn enter(&self, bucket: u64, key: &[u8]) -> Entering {
        let hash = crate::format::checksum(bucket as u32 ^ (bucket >> 32) as u32, key) as usize;
        let (row, gate) = (hash / ROW_GATES % ROWS, hash % ROW_GATES);
        let row = self.rows[row].get_or_init(|| Box::new([const { OnceLock::new() }; ROW_GATES]));
        row[gate].get_or_init(Arc::default).exclusive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::commit::Commit;

    fn wait(entering: Entering) -> Token {
        Commit::new(async { Ok(entering.await) }).wait().unwrap()
    }

    fn poll(entering: &mut Entering) -> Poll<Token> {
        Pin::new(entering).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_at_a_time_passes_exclusively() {
        let gate = Arc::new(Gate::default());
        let inside = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let token = wait(gate.exclusive());
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(token);
                        drop(wait(gate.shared()));
                    }
                });
            }
        });
    }

    #[test]
    fn a_future_dropped_while_it_waits_lets_others_pass() {
        let gate = Arc::new(Gate::default());
        let reader = wait(gate.shared());
        let mut writer = gate.exclusive();
        let mut second = gate.shared();
        assert!(poll(&mut writer).is_pending());
        assert!(poll(&mut second).is_pending(), "the writer asked first");
        drop(writer);
        assert!(poll(&mut second).is_ready());
        drop(reader);
    }

    #[test]
    fn a_grant_that_is_never_taken_up_is_passed_on() {
        let gate = Arc::new(Gate::default());
        let first = wait(gate.exclusive());
        let mut second = gate.exclusive();
        let mut third = gate.exclusive();
        assert!(poll(&mut second).is_pending());
        assert!(poll(&mut third).is_pending());
        drop(first);
        drop(second);
        assert!(poll(&mut third).is_ready());
    }
}
