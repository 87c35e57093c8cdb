//! `Commit`: the pending outcome of a mutation, for callers with an executor and for callers without one.
//!
//! It is a plain future, so the engine needs no runtime and the server needs no thread a request.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::error::Error;
use crate::sync::commit::thread::{self, Thread};

/// A mutation that was asked for. Nothing happens until it is polled or waited for; once its record is queued,
/// dropping it cancels nothing.
#[must_use = "a mutation does nothing unless it is awaited or waited for"]
pub struct Commit<T> {
    future: Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>,
}

impl<T> Commit<T> {
    pub(crate) fn new(future: impl Future<Output = Result<T, Error>> + Send + 'static) -> Commit<T> {
        Commit { future: Box::pin(future) }
    }

    /// Blocks the calling thread until the mutation is durable and visible, or has failed.
    ///
    /// # Errors
    /// Those of the mutation.
    pub fn wait(self) -> Result<T, Error> {
        block_on(self.future)
    }
}

impl<T> Future for Commit<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for Commit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commit")
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
