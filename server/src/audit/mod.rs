//! The audit log: who did what, from where, and which statement let them or didn't; a line of JSON for every request.
//!
//! It must not slow a request down, so a request only hands its record to a bounded queue; one thread writes. Where the disk can't keep up, records are dropped and counted rather than requests held up. It isn't what durability is promised for: after a power cut the last records may be missing.

mod files;
mod record;
mod search;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use files::Files;
pub use record::{Authorization, Record, Resource, UserIdentity};
pub use search::{Cursor, Search};
pub use settings::AuditSettings;

/// Records that wait to be written.
const QUEUE_MAX: usize = 8_192;
/// How long records are gathered before they are written.
const GATHERED_FOR: Duration = Duration::from_millis(10);
/// What is kept of the log in all, in bytes, unless the settings say otherwise.
pub const KEPT_BYTES_DEFAULT: u64 = 1 << 30;

/// Which S3 requests are recorded. Calls of the admin API always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Requests {
    /// All of them.
    All,
    /// Those that were denied or failed.
    Denied,
    /// None.
    None,
}

impl Requests {
    /// All choices.
    pub const CHOICES: [Requests; 3] = [Requests::All, Requests::Denied, Requests::None];

    /// Its name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Requests::All => "all",
            Requests::Denied => "denied",
            Requests::None => "none",
        }
    }
}

/// The audit log of a node.
pub struct Audit {
    sender: Option<SyncSender<Message>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    path: Option<PathBuf>,
    shared: Arc<Shared>,
}

/// What the writer is sent.
enum Message {
    Record(Box<Record>),
    End,
}

/// What the writer and those who hand records to it share.
struct Shared {
    requests: AtomicU8,
    kept_bytes: AtomicU64,
    dropped: AtomicU64,
    written: AtomicU64,
}

impl Audit {
    /// A log that records nothing.
    pub fn off() -> Audit {
        let shared = Arc::new(Shared {
            requests: AtomicU8::new(Requests::None as u8),
            kept_bytes: AtomicU64::new(KEPT_BYTES_DEFAULT),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
        });
        Audit { sender: None, writer: Mutex::default(), path: None, shared }
    }

    /// A log whose newest records are in the file `path`, and older ones in files beside it.
    ///
    /// # Errors
    /// The file can't be opened, or the thread not be started.
    pub fn start(path: &Path, requests: Requests, kept_bytes: u64) -> std::io::Result<Audit> {
        let mut audit = Audit::off();
        audit.set(requests, kept_bytes);
        let files = Files::open(path)?;
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let shared = Arc::clone(&audit.shared);
        let writer = std::thread::Builder::new().name("audit".to_owned());
        let writer = writer.spawn(move || write(&receiver, files, &shared))?;
        audit.sender = Some(sender);
        audit.writer = Mutex::new(Some(writer));
        audit.path = Some(path.to_owned());
        Ok(audit)
    }

    /// Which S3 requests are recorded, and how much of the log is kept.
    pub fn settings(&self) -> (Requests, u64) {
        let requests = self.shared.requests.load(Relaxed);
        let requests = Requests::CHOICES.into_iter().find(|it| *it as u8 == requests).unwrap_or(Requests::All);
        (requests, self.shared.kept_bytes.load(Relaxed))
    }

    /// Changes what [`Audit::settings`] answers, from the next request on.
    pub fn set(&self, requests: Requests, kept_bytes: u64) {
        self.shared.requests.store(requests as u8, Relaxed);
        self.shared.kept_bytes.store(kept_bytes, Relaxed);
    }

    /// Whether an S3 request is recorded.
    pub fn wants(&self, is_refused: bool) -> bool {
        self.path.is_some()
            && match self.settings().0 {
                Requests::All => true,
                Requests::Denied => is_refused,
                Requests::None => false,
            }
    }

    /// Whether anything is recorded at all.
    pub fn is_on(&self) -> bool {
        self.path.is_some()
    }

    /// The file with the newest records.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Hands a record to the writer; one that it has no room for is counted.
    pub fn record(&self, record: Box<Record>) {
        let Some(sender) = &self.sender else { return };
        if sender.try_send(Message::Record(record)).is_err() {
            self.shared.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Records that were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    /// Records that were written since the start.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Relaxed)
    }

    /// Writes what waits, and ends the writer. Waits for it.
    pub fn close(&self) {
        // A writer that is gone already needs no word.
        let _ = self.sender.as_ref().map(|sender| sender.send(Message::End));
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the audit log's writer ended badly");
        }
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("path", &self.path).field("settings", &self.settings()).finish_non_exhaustive()
    }
}

fn write(receiver: &Receiver<Message>, mut files: Files, shared: &Shared) {
    let mut failing = false;
    while let Ok(Message::Record(first)) = receiver.recv() {
        // A moment's records are written together, so that this thread isn't woken for each.
        std::thread::sleep(GATHERED_FOR);
        let mut ended = false;
        let mut records = vec![first];
        for message in receiver.try_iter().take(QUEUE_MAX) {
            match message {
                Message::Record(record) => records.push(record),
                Message::End => ended = true,
            }
        }
        let kept_bytes = shared.kept_bytes.load(Relaxed);
        let count = records.len() as u64;
        let append =
            |record: &Record, files: &mut Files| record.to_line().and_then(|line| files.append(&line, kept_bytes));
        let written = records.iter().try_for_each(|record| append(record, &mut files)).and_then(|()| files.flush());
        match written {
            Ok(()) => {
                shared.written.fetch_add(count, Relaxed);
                failing = false;
            }
            Err(error) => {
                // Some of them may have been written; which isn't known.
                shared.dropped.fetch_add(count, Relaxed);
                // Told once, not for every request.
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "the audit log can't be written: records are dropped");
                }
            }
        }
        if ended {
            return;
        }
    }
}
