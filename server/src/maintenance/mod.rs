//! Long work on the store, one job of a kind at a time, and the watch over its health.
//!
//! A scrub of a large disk takes hours, so whoever asks for one gets a number and asks again, and a caller who goes away ends nothing. The same place starts the scrub that is due, and tells the log when the store stops taking writes or meets damage, since nobody may be looking at that moment.

mod contents;
mod disk;
mod report;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::{Health, Store};
use serde::{Deserialize, Serialize};

pub use disk::DiskUse;
pub use report::{BackedUp, Compacted, Damage, JobAnswer, Progress, Scrubbed};

use crate::backup::{self, BackupError};
use crate::clock;

/// How long the outcome of a job is kept at least: whoever waits for it asks once a second.
const OUTCOME_KEPT_FOR: Duration = Duration::from_secs(60);
/// The last jobs of each kind whose outcome is kept however long they are over.
const OUTCOMES_OF_A_KIND: usize = 16;
/// The most jobs that are remembered, but for the last of each kind.
const JOBS_KEPT_MAX: usize = 1_024;
/// Damage that a scrub writes to the log, a line each; the rest is counted.
const DAMAGE_LOGGED_MAX: usize = 100;
/// How often health and the schedule are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// A store that was never scrubbed is, this long after the start.
const FIRST_SCRUB_AFTER: Duration = Duration::from_secs(3600);
/// Where the last scrub's result is kept, as a configuration row.
const NAMESPACE: &str = "maintenance";
const LAST_SCRUB: &str = "last-scrub";

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reads everything and compares checksums, ETags included.
    Scrub,
    /// Frees what is dead in the log.
    Compact,
    /// Takes a backup.
    Backup {
        /// Where to.
        destination: PathBuf,
        /// Whether `secret.key` is taken along.
        with_key: bool,
    },
}

impl Work {
    fn kind(&self) -> &'static str {
        match self {
            Work::Scrub => "scrub",
            Work::Compact => "compact",
            Work::Backup { .. } => "backup",
        }
    }

    /// Whether it is about one instant, so that what has begun before it was asked for isn't what was asked for.
    fn is_of_an_instant(&self) -> bool {
        matches!(self, Work::Backup { .. })
    }
}

/// When the last scrub ended and what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastScrub {
    /// Seconds since 1970.
    pub ended_seconds: i64,
    /// Damage found, what is replaced or deleted included.
    pub damage: u64,
    /// Damage of what is stored.
    pub alive: u64,
}

#[derive(Debug)]
struct Job {
    id: u64,
    work: Work,
    began: Instant,
    /// Whether the work itself has begun: a backup waits for the one before it.
    under_way: bool,
    ended: Option<Instant>,
    progress: Progress,
}

/// The jobs of one store.
pub struct Maintenance {
    store: Store,
    data: PathBuf,
    jobs: Mutex<VecDeque<Job>>,
    /// Held while a backup is taken.
    backing_up: Mutex<()>,
    last_scrub: Mutex<Option<LastScrub>>,
    damaged_reads: AtomicU64,
    /// Damaged reads that were met before the last scrub began: it says what became of them.
    damaged_reads_scrubbed: AtomicU64,
    disk: disk::Cache,
}

/// Why a job was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Maintenance {
    /// The jobs of a store, none of which runs yet.
    pub fn new(store: Store, data: &Path) -> Arc<Maintenance> {
        let row = store.config(NAMESPACE, LAST_SCRUB).ok().flatten();
        // One that can't be read counts as none: the next scrub writes it anew.
        let last_scrub = row.and_then(|row| serde_json::from_slice(&row.value).ok());
        Arc::new(Maintenance {
            store,
            data: data.to_path_buf(),
            jobs: Mutex::default(),
            backing_up: Mutex::default(),
            last_scrub: Mutex::new(last_scrub),
            damaged_reads: AtomicU64::new(0),
            damaged_reads_scrubbed: AtomicU64::new(0),
            disk: disk::Cache::default(),
        })
    }

    /// Begins a job and answers its number; that of the running one where the same is under way. A backup that is under way
    /// doesn't hold what was stored since: the same again waits for its end.
    ///
    /// # Errors
    /// Another job of this kind runs.
    pub fn begin(self: &Arc<Self>, work: Work) -> Result<u64, Busy> {
        let mut jobs = lock(&self.jobs);
        let running = jobs.iter().filter(|job| job.progress == Progress::Running && job.work.kind() == work.kind());
        for job in running {
            if job.work != work {
                return Err(Busy);
            }
            if !(job.under_way && work.is_of_an_instant()) {
                return Ok(job.id);
            }
        }
        // Numbers of two runs of the node differ, so that nobody takes another run's job for the one it began.
        let id = jobs.back().map_or(clock::now_seconds().unsigned_abs(), |job| job.id + 1);
        let (kind, began) = (work.kind(), Instant::now());
        forget_old(&mut jobs, began);
        jobs.push_back(Job {
            id,
            work: work.clone(),
            began,
            under_way: false,
            ended: None,
            progress: Progress::Running,
        });
        drop(jobs);
        tracing::info!(job = id, "{kind} begins");
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let worker = Arc::clone(&this);
            let done = tokio::task::spawn_blocking(move || worker.perform(id, &work)).await;
            let progress = done.unwrap_or_else(|error| Progress::Failed {
                code: "Failed".to_owned(),
                message: format!("the {kind} ended unexpectedly: {error}"),
            });
            match &progress {
                Progress::Failed { code, message } if code == "Ended" => tracing::info!(job = id, "{kind}: {message}"),
                Progress::Failed { message, .. } => tracing::error!(job = id, "{kind} failed: {message}"),
                _ => tracing::info!(job = id, "{kind} ended"),
            }
            this.end(id, progress);
        });
        Ok(id)
    }

    /// How a job stands; none when there is no such job, or it is long over.
    pub fn job(&self, id: u64) -> Option<JobAnswer> {
        let jobs = lock(&self.jobs);
        let job = jobs.iter().find(|job| job.id == id)?;
        let seconds = job.ended.unwrap_or_else(Instant::now).duration_since(job.began).as_secs();
        Some(JobAnswer { job: id, kind: job.work.kind().to_owned(), seconds, progress: job.progress.clone() })
    }

    fn end(&self, id: u64, progress: Progress) {
        if let Some(job) = lock(&self.jobs).iter_mut().find(|job| job.id == id) {
            job.ended = Some(Instant::now());
            job.progress = progress;
        }
    }

    fn perform(&self, id: u64, work: &Work) -> Progress {
        let _turn = work.is_of_an_instant().then(|| lock(&self.backing_up));
        if let Some(job) = lock(&self.jobs).iter_mut().find(|job| job.id == id) {
            job.under_way = true;
        }
        let failed = |code: &str, message: String| Err(Progress::Failed { code: code.to_owned(), message });
        let stopped = |error: engine::Error| match error {
            engine::Error::Closed => failed("Ended", "the node ended meanwhile".to_owned()),
            error => failed("Failed", error.to_string()),
        };
        let done = match work {
            Work::Scrub => self.scrub().map(serde_json::to_value).or_else(stopped),
            Work::Compact => {
                self.store.compact().map(|done| serde_json::to_value(Compacted::from(done))).or_else(stopped)
            }
            Work::Backup { destination, with_key } => {
                let taken = backup::take(&self.store, &self.data, destination, *with_key);
                taken.map(|taken| serde_json::to_value(BackedUp::taken(&taken))).or_else(|error| match error {
                    BackupError::NotFound(message) => failed("NotFound", message),
                    BackupError::Conflict(message) => failed("Conflict", message),
                    BackupError::Failed(message) => failed("Failed", message),
                })
            }
        };
        match done {
            Ok(Ok(report)) => Progress::Done { report },
            Ok(Err(error)) => {
                Progress::Failed { code: "Failed".to_owned(), message: format!("the answer has no JSON form: {error}") }
            }
            Err(failed) => failed,
        }
    }

    fn scrub(&self) -> Result<Scrubbed, engine::Error> {
        let reads_before = self.damaged_reads.load(Relaxed);
        let report = self.store.scrub_contents(contents::match_what_was_said)?;
        for damage in report.damage.iter().take(DAMAGE_LOGGED_MAX) {
            tracing::error!(alive = damage.alive, "scrub found damage: {damage}");
        }
        let alive = report.damage.iter().filter(|damage| damage.alive).count() as u64;
        let scrubbed = Scrubbed::from(&report);
        let last = LastScrub {
            ended_seconds: clock::now_seconds(),
            damage: scrubbed.damage_count(),
            alive: alive + scrubbed.unnamed,
        };
        *lock(&self.last_scrub) = Some(last);
        self.damaged_reads_scrubbed.store(reads_before, Relaxed);
        let value = serde_json::to_vec(&last).expect("numbers have a JSON form");
        // Where the store takes no writes, this process alone remembers it.
        if let Err(error) = self.store.put_config(NAMESPACE, LAST_SCRUB, Bytes::from(value), None).wait() {
            tracing::warn!("the time of the scrub is not stored: {error}");
        }
        Ok(scrubbed)
    }

    /// Notes that a read met damage, for health and metrics.
    pub fn read_was_damaged(&self) {
        self.damaged_reads.fetch_add(1, Relaxed);
    }

    /// Reads that met damage since the start.
    pub fn damaged_reads(&self) -> u64 {
        self.damaged_reads.load(Relaxed)
    }

    /// The last scrub, of this process or one before.
    pub fn last_scrub(&self) -> Option<LastScrub> {
        *lock(&self.last_scrub)
    }

    /// The store's health, with what scrubs and reads have found since it was opened.
    pub fn health(&self) -> Health {
        let health = self.store.health();
        if health != Health::Ok {
            return health;
        }
        let mut damage = Vec::new();
        if let Some(last) = self.last_scrub().filter(|last| last.alive > 0) {
            damage.push(format!("the last scrub found {} damaged", last.alive));
        }
        let met = self.damaged_reads().saturating_sub(self.damaged_reads_scrubbed.load(Relaxed));
        if met > 0 {
            damage.push(format!("{met} reads met damage"));
        }
        if damage.is_empty() { Health::Ok } else { Health::Damaged { damage } }
    }

    /// What the data directory takes on disk, at most a minute old. Blocks.
    pub fn disk_use(&self) -> DiskUse {
        self.disk.look(&self.data)
    }

    /// Watches the store, and begins a scrub whenever the last one is older than `scrub_interval`. Ends with its task.
    pub async fn watch(self: Arc<Self>, scrub_interval: Option<Duration>) {
        let began = Instant::now();
        let mut before = self.health();
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let now = self.health();
            if std::mem::discriminant(&now) != std::mem::discriminant(&before) {
                match &now {
                    Health::Ok => tracing::info!("the store is in order again"),
                    Health::ReadOnly { reason } => tracing::error!(
                        "the store takes no writes any more: {reason}; reads go on, and what was acknowledged is safe; look at the disk, then start the node again"
                    ),
                    Health::Damaged { damage } => {
                        tracing::error!("stored data is damaged: {}; strongroom scrub names it", damage.join("; "));
                    }
                }
            }
            before = now;
            let Some(interval) = scrub_interval else { continue };
            let due = match self.last_scrub() {
                Some(last) => {
                    let age = clock::now_seconds().saturating_sub(last.ended_seconds);
                    u64::try_from(age).is_ok_and(|age| age >= interval.as_secs())
                }
                None => began.elapsed() >= FIRST_SCRUB_AFTER.min(interval),
            };
            if due && !self.is_scrubbing_or_failed() {
                // Busy only when one runs, which is as good.
                let _ = self.begin(Work::Scrub);
            }
        }
    }

    /// Whether a scrub runs, or failed within the last hour: what failed is not tried again each second.
    fn is_scrubbing_or_failed(&self) -> bool {
        let jobs = lock(&self.jobs);
        jobs.iter().filter(|job| job.work == Work::Scrub).any(|job| match job.progress {
            Progress::Running => true,
            Progress::Failed { .. } => job.began.elapsed() < FIRST_SCRUB_AFTER,
            Progress::Done { .. } => false,
        })
    }
}

/// Forgets jobs that are long over. Short jobs that follow each other quickly don't take the place of a long one's outcome before it was asked for.
fn forget_old(jobs: &mut VecDeque<Job>, now: Instant) {
    let mut of_kind: HashMap<&'static str, usize> = HashMap::new();
    let mut kept = 0;
    // From the newest on; jobs of one kind end in the order in which they began.
    let keeps = jobs.iter().rev().map(|job| {
        let newer = of_kind.entry(job.work.kind()).or_default();
        *newer += 1;
        let is_recent = job.ended.is_none_or(|ended| now.saturating_duration_since(ended) < OUTCOME_KEPT_FOR);
        let keep = *newer <= OUTCOMES_OF_A_KIND || (is_recent && kept < JOBS_KEPT_MAX);
        kept += usize::from(keep);
        keep
    });
    let mut keeps: Vec<bool> = keeps.collect();
    jobs.retain(|_| keeps.pop().unwrap_or(true));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is whole at every moment, also after a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(directory: &Path) -> Store {
        let options = engine::Options { durability: engine::Durability::Relaxed, ..engine::Options::default() };
        Store::open(directory, options).unwrap()
    }

    async fn ended(maintenance: &Maintenance, id: u64) -> Progress {
        loop {
            match maintenance.job(id).unwrap().progress {
                Progress::Running => tokio::time::sleep(Duration::from_millis(5)).await,
                progress => return progress,
            }
        }
    }

    #[tokio::test]
    async fn a_scrub_that_is_due_is_begun_and_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        let maintenance = Maintenance::new(store.clone(), directory.path());
        let watch = tokio::spawn(maintenance.clone().watch(Some(Duration::ZERO)));
        while maintenance.last_scrub().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        watch.abort();
        let last = maintenance.last_scrub().unwrap();
        assert_eq!((last.damage, last.alive), (0, 0));
        let id = maintenance.begin(Work::Scrub).unwrap();
        assert!(matches!(ended(&maintenance, id).await, Progress::Done { .. }));
        let next = Maintenance::new(store.clone(), directory.path());
        assert!(next.last_scrub().is_some());
        assert_eq!(next.job(1), None);
        // Not due again for a day.
        let watch = tokio::spawn(next.clone().watch(Some(Duration::from_secs(86_400))));
        tokio::time::sleep(WATCH_INTERVAL + Duration::from_millis(300)).await;
        watch.abort();
        assert!(lock(&next.jobs).is_empty());
    }

    #[tokio::test]
    async fn outcomes_are_kept_for_a_while_and_a_closed_store_is_no_failure_of_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        let maintenance = Maintenance::new(store.clone(), directory.path());
        let first = maintenance.begin(Work::Scrub).unwrap();
        ended(&maintenance, first).await;
        for _ in 0..20 {
            let id = maintenance.begin(Work::Compact).unwrap();
            ended(&maintenance, id).await;
        }
        assert!(maintenance.job(first).is_some(), "compactions beside a scrub don't evict its outcome");
        store.close().unwrap();
        let id = maintenance.begin(Work::Compact).unwrap();
        let progress = ended(&maintenance, id).await;
        assert!(matches!(&progress, Progress::Failed { code, .. } if code == "Ended"), "{progress:?}");
    }

    #[test]
    fn of_many_jobs_the_last_minute_and_the_last_of_each_kind_are_remembered() {
        let begin = Instant::now();
        let job = |id: u64, work: Work, second: u64| Job {
            id,
            work,
            began: begin,
            under_way: true,
            ended: Some(begin + Duration::from_secs(second)),
            progress: Progress::Done { report: serde_json::Value::Null },
        };
        let mut jobs: VecDeque<Job> = (0..2_000).map(|id| job(id, Work::Compact, 100)).collect();
        jobs.push_front(job(9_000, Work::Scrub, 1));
        forget_old(&mut jobs, begin + Duration::from_secs(110));
        let ids: Vec<u64> = jobs.iter().map(|job| job.id).collect();
        assert_eq!((ids[0], ids[1], ids.len()), (9_000, 2_000 - JOBS_KEPT_MAX as u64, JOBS_KEPT_MAX + 1));
        forget_old(&mut jobs, begin + Duration::from_secs(200));
        let ids: Vec<u64> = jobs.iter().map(|job| job.id).collect();
        assert_eq!((ids[0], ids[1], ids.len()), (9_000, 1_984, OUTCOMES_OF_A_KIND + 1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_backup_that_is_asked_for_beside_another_is_of_a_later_instant() {
        let directory = tempfile::tempdir().unwrap();
        let destination = tempfile::tempdir().unwrap();
        let maintenance = Maintenance::new(store(directory.path()), directory.path());
        let backup = Work::Backup { destination: destination.path().join("backup"), with_key: false };
        let under_way = |id| lock(&maintenance.jobs).iter().any(|job| job.id == id && job.under_way);
        let (first, waiting) = {
            // As if a large one were under way.
            let _large = lock(&maintenance.backing_up);
            let first = maintenance.begin(backup.clone()).unwrap();
            assert_eq!(maintenance.begin(backup.clone()), Ok(first), "it hasn't begun");
            lock(&maintenance.jobs).back_mut().unwrap().under_way = true;
            let waiting = maintenance.begin(backup.clone()).unwrap();
            assert_ne!(first, waiting);
            assert_eq!(maintenance.begin(backup), Ok(waiting), "one that waits is as good for the next");
            assert!(!under_way(waiting));
            let other = Work::Backup { destination: destination.path().join("other"), with_key: false };
            assert_eq!(maintenance.begin(other), Err(Busy));
            (first, waiting)
        };
        for id in [first, waiting] {
            let progress = ended(&maintenance, id).await;
            assert!(matches!(progress, Progress::Done { .. }) && under_way(id), "{progress:?}");
        }
    }

    #[test]
    fn health_is_damaged_from_a_damaged_read_to_the_next_clean_scrub() {
        let directory = tempfile::tempdir().unwrap();
        let maintenance = Maintenance::new(store(directory.path()), directory.path());
        assert_eq!(maintenance.health(), Health::Ok);
        maintenance.read_was_damaged();
        assert!(matches!(maintenance.health(), Health::Damaged { .. }));
        assert!(maintenance.scrub().unwrap().clean);
        assert_eq!((maintenance.health(), maintenance.damaged_reads()), (Health::Ok, 1));
    }
}
