//! Lines on their way from the requests to the writer: bytes behind one lock that is held as long as copying a line takes.
//!
//! A request that waited for the disk here would make an audit log the slowest part of a node; so what doesn't fit is refused, and counted by whom it is handed to.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines that wait to be written, in bytes.
pub(super) const WAITING_BYTES_MAX: usize = 16 << 20;
/// Lines that are worth a write, in bytes: enough to make writes rare, and few enough that each takes a core for a moment only.
pub(super) const PORTION_BYTES: usize = 64 << 10;
/// How long lines are gathered before they are written, if they are few.
const GATHERED_FOR: Duration = Duration::from_millis(10);

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    written_to: Condvar,
    settled: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    ended: bool,
    /// The writer waits for the first line, or for a whole portion.
    waits_for: Option<usize>,
    /// Whether somebody waits for the lines to be written.
    hurried: bool,
    /// How often lines were taken, and how often those that were taken were dealt with.
    taken: u64,
    dealt_with: u64,
}

impl Queue {
    /// Takes a line, unless it has no room for it.
    pub(super) fn push(&self, line: &[u8]) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.ended || state.lines.len() + line.len() > WAITING_BYTES_MAX {
            return false;
        }
        state.lines.extend_from_slice(line);
        // The writer is woken once for what it waits for, not for each line.
        let wakes = state.waits_for.take_if(|bytes| state.lines.len() >= *bytes).is_some();
        drop(guard);
        if wakes {
            self.written_to.notify_one();
        }
        true
    }

    /// Waits for lines, and swaps them for the empty `lines`. Whether more may come.
    pub(super) fn take(&self, lines: &mut Vec<u8>) -> bool {
        let mut state = self.lock();
        while state.lines.is_empty() && !state.ended {
            state.waits_for = Some(1);
            state = self.written_to.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + GATHERED_FOR;
        while state.lines.len() < PORTION_BYTES && !state.ended && !state.hurried {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.waits_for = Some(PORTION_BYTES);
            state = self.written_to.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waits_for = None;
        state.hurried = false;
        state.taken += 1;
        std::mem::swap(&mut state.lines, lines);
        !state.ended
    }

    /// Tells those who wait that what was taken last is dealt with.
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        state.dealt_with = state.taken;
        drop(state);
        self.settled.notify_all();
    }

    /// Waits until all lines that are here now are dealt with, or so long. Not for a thread that serves requests.
    pub(super) fn wait(&self, at_most: Duration) {
        let mut state = self.lock();
        let wanted = state.taken + u64::from(!state.lines.is_empty());
        state.hurried = !state.lines.is_empty();
        self.written_to.notify_one();
        let until = Instant::now() + at_most;
        while state.dealt_with < wanted && !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes no more lines, and lets the writer end.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.written_to.notify_one();
        self.settled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Bytes are appended whole, so that a panic elsewhere leaves nothing torn.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_fits_again_when_the_writer_was_there() {
        let queue = Queue::default();
        let line = vec![b'x'; 1 << 20];
        let taken = (0..20).filter(|_| queue.push(&line)).count();
        assert_eq!(taken, 16);
        let mut lines = Vec::new();
        assert!(queue.take(&mut lines));
        assert_eq!(lines.len(), WAITING_BYTES_MAX);
        assert!(queue.push(&line));
        queue.end();
        assert!(!queue.push(b"late"));
        lines.clear();
        assert!(!queue.take(&mut lines));
        assert_eq!(lines.len(), 1 << 20);
    }

    #[test]
    fn every_line_of_many_threads_arrives_whole() {
        let queue = Queue::default();
        let mut seen = Vec::new();
        std::thread::scope(|scope| {
            let pushers: Vec<_> = (0..4)
                .map(|thread| {
                    let queue = &queue;
                    scope.spawn(move || {
                        for n in 0..5_000 {
                            assert!(queue.push(format!("{thread} {n}\n").as_bytes()));
                        }
                    })
                })
                .collect();
            let taker = scope.spawn(|| {
                let mut lines = Vec::new();
                loop {
                    let goes_on = queue.take(&mut lines);
                    seen.append(&mut lines);
                    if !goes_on {
                        break;
                    }
                }
            });
            for pusher in pushers {
                pusher.join().unwrap();
            }
            queue.end();
            taker.join().unwrap();
        });
        let text = String::from_utf8(seen).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 20_000);
    }
}
