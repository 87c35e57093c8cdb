//! The audit log: who did what, from where, and which statement let them or didn't; a line of JSON for every request.
//!
//! It must not slow a request down, so a request only appends its line to a bounded queue in memory; one thread writes. Where the disk doesn't keep up or is nearly full, records are dropped and counted rather than requests held up. It isn't what durability is promised for: after a power cut the last records may be missing.

mod files;
mod json;
mod queue;
mod record;
mod search;
mod settings;
mod writer;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::files::Files;
use self::queue::Queue;
use self::writer::Writer;
pub use record::{Authorization, Record, Resource, UserIdentity};
pub use search::{Cursor, Search};
pub use settings::AuditSettings;
pub use writer::LowWater;

/// A thread's line that has grown beyond this isn't kept, in bytes.
const LINE_BYTES_KEPT: usize = 16 << 10;
/// How long a search waits for what was just recorded.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(1);
/// What is kept of the log in all, in bytes, unless the settings say otherwise; on a small disk that objects lie on less.
const KEPT_BYTES_DEFAULT: u64 = 1 << 30;
/// The share of a disk that the log takes where objects lie on it too, unless the settings say otherwise.
const DISK_SHARE: u64 = 4;

/// What is kept of the log in all, in bytes, unless the settings say otherwise. `disk_bytes` is the size of the disk if objects lie on it too.
pub fn kept_bytes_by_default(disk_bytes: Option<u64>) -> u64 {
    let share = disk_bytes.map_or(u64::MAX, |bytes| bytes / DISK_SHARE);
    share.clamp(files::FILE_BYTES_MAX, KEPT_BYTES_DEFAULT)
}

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

/// What the writer is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WriterState {
    /// It writes what comes.
    Writes,
    /// The disk is nearly full: it drops what comes.
    Paused,
    /// A write failed: it drops what came, and tries again with what comes next.
    Fails,
}

impl WriterState {
    const ALL: [WriterState; 3] = [WriterState::Writes, WriterState::Paused, WriterState::Fails];

    /// Its name in the node's status.
    pub fn as_str(self) -> &'static str {
        match self {
            WriterState::Writes => "writes",
            WriterState::Paused => "paused",
            WriterState::Fails => "fails",
        }
    }
}

/// The audit log of a node.
pub struct Audit {
    writer: Mutex<Option<JoinHandle<()>>>,
    path: Option<PathBuf>,
    shared: Arc<Shared>,
}

/// What the writer and those who hand records to it share.
struct Shared {
    queue: Queue,
    requests: AtomicU8,
    kept_bytes: AtomicU64,
    dropped: AtomicU64,
    written: AtomicU64,
    state: AtomicU8,
}

impl Shared {
    fn state(&self) -> WriterState {
        let state = self.state.load(Relaxed);
        WriterState::ALL.into_iter().find(|it| *it as u8 == state).unwrap_or(WriterState::Writes)
    }

    /// The state before.
    fn change_state(&self, state: WriterState) -> WriterState {
        let before = self.state();
        self.state.store(state as u8, Relaxed);
        before
    }
}

thread_local! {
    /// Where a thread puts a line together, so that the queue is held for a copy only.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Audit {
    /// A log that records nothing.
    pub fn off() -> Audit {
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            requests: AtomicU8::new(Requests::None as u8),
            kept_bytes: AtomicU64::new(KEPT_BYTES_DEFAULT),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
            state: AtomicU8::new(WriterState::Writes as u8),
        });
        Audit { writer: Mutex::default(), path: None, shared }
    }

    /// A log whose newest records are in the file `path`, and older ones in files beside it. `low_water` tells what must stay free there, 0 if nothing.
    ///
    /// # Errors
    /// The file can't be opened, or the thread not be started.
    pub fn start(path: &Path, requests: Requests, kept_bytes: u64, low_water: LowWater) -> std::io::Result<Audit> {
        let mut audit = Audit::off();
        audit.set(requests, kept_bytes);
        let files = Files::open(path)?;
        let shared = Arc::clone(&audit.shared);
        let writer = std::thread::Builder::new().name("audit".to_owned());
        let writer = writer.spawn(move || Writer::new(files, low_water, &shared).run())?;
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
    pub fn record(&self, record: &Record<'_>) {
        if self.path.is_none() {
            return;
        }
        let is_taken = LINE.with_borrow_mut(|line| {
            line.clear();
            record.write(line);
            let is_taken = self.shared.queue.push(line);
            line.shrink_to(LINE_BYTES_KEPT);
            is_taken
        });
        if !is_taken {
            self.shared.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Waits until what was recorded until now can be searched, for a second at most. Not for a thread that serves requests.
    pub fn flush(&self) {
        if self.path.is_some() {
            self.shared.queue.wait(FLUSH_TIME_MAX);
        }
    }

    /// What the writer is at; `None` where nothing is recorded.
    pub fn writer_state(&self) -> Option<WriterState> {
        self.path.is_some().then(|| self.shared.state())
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
        self.shared.queue.end();
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn until(what: impl Fn() -> bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !what() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    #[test]
    fn of_a_small_disk_that_objects_lie_on_a_quarter_is_kept() {
        let kept: Vec<u64> = [None, Some(1 << 40), Some(1 << 30), Some(200 << 20)].map(kept_bytes_by_default).into();
        assert_eq!(kept, [1 << 30, 1 << 30, 256 << 20, 64 << 20]);
    }

    #[test]
    fn all_that_was_recorded_is_there_when_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let audit = Audit::start(&path, Requests::All, 1 << 30, Box::new(|| 0)).unwrap();
        for n in 0..3_000 {
            audit.record(&Record::named(&format!("n{n}")));
        }
        audit.flush();
        assert_eq!(audit.written(), 3_000);
        audit.flush();
        audit.close();
        let text = std::fs::read_to_string(&path).unwrap();
        let names: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["eventName"].as_str().unwrap().into())
            .collect();
        assert_eq!(names, (0..3_000).map(|n| format!("n{n}")).collect::<Vec<_>>());
        assert_eq!((audit.written(), audit.dropped()), (3_000, 0));
        audit.record(&Record::named("late"));
        assert_eq!(audit.dropped(), 1);
    }

    #[test]
    fn below_the_low_water_mark_nothing_is_written_and_above_it_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let is_low = Arc::new(AtomicBool::new(true));
        let low = Arc::clone(&is_low);
        let low_water = move || if low.load(Relaxed) { u64::MAX / 2 } else { 1 };
        let audit = Audit::start(&path, Requests::All, 1 << 30, Box::new(low_water)).unwrap();
        audit.record(&Record::named("lost"));
        until(|| audit.dropped() == 1);
        assert_eq!(audit.writer_state(), Some(WriterState::Paused));
        is_low.store(false, Relaxed);
        until(|| {
            audit.record(&Record::named("kept"));
            audit.written() > 0
        });
        assert_eq!(audit.writer_state(), Some(WriterState::Writes));
        audit.close();
        assert!(!std::fs::read_to_string(&path).unwrap().contains("lost"));
    }
}
