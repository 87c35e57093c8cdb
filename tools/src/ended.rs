//! The end of a command that would go on for ever: Ctrl-C, SIGTERM, or a reader that went away.
//!
//! Waiting for all three takes an event loop; commands are plain threads, so one small loop of its own tells them.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Whether an end by Ctrl-C or SIGTERM is a command's own to come to.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Whether somebody waits for Ctrl-C and SIGTERM, so that others leave these to them.
pub(crate) fn is_watched() -> bool {
    WATCHED.load(Ordering::Acquire)
}

/// Tells when a command is to end.
#[derive(Debug)]
pub(crate) struct Ended(Receiver<()>);

impl Ended {
    /// From now on signals end nothing by themselves; a second one does, for whoever doesn't want to wait for a call that is under way.
    ///
    /// # Errors
    /// The system has no thread or no signals left.
    pub(crate) fn watch() -> Result<Ended, Failure> {
        let failed = |error: io::Error| Failure::failed(format!("signals can't be handled: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let entered = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        drop(entered);
        let (tell, told) = mpsc::channel();
        let watched = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    () = reader_went() => {}
                }
                // Who listens no longer has ended already.
                let _ = tell.send(());
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                process::exit(130);
            });
        };
        std::thread::Builder::new().name("ended".to_owned()).spawn(watched).map_err(failed)?;
        WATCHED.store(true, Ordering::Release);
        Ok(Ended(told))
    }

    /// Waits for so long; true at once when the command is to end.
    pub(crate) fn within(&self, time: Duration) -> bool {
        !matches!(self.0.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}

/// Resolves when nobody reads standard output any more. A file and a terminal have no reader that could go.
async fn reader_went() {
    // Unchecked, since the check makes it non-blocking, for everybody who has it. Epoll doesn't take what isn't a pipe or socket.
    let watched = |out: OwnedFd| Sender::from_owned_fd_unchecked(out).ok();
    let out = io::stdout();
    let out = if out.is_terminal() { None } else { out.as_fd().try_clone_to_owned().ok().and_then(watched) };
    match out {
        Some(out) => {
            let _gone = out.ready(Interest::ERROR).await;
        }
        None => std::future::pending().await,
    }
}
