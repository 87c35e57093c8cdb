//! The identities of a node: read from the store once, changed by one writer at a time, read by everybody without a lock.
//!
//! A change is prepared on a copy, written as one atomic durable batch, and only then shown. Nobody is told that a key works, or no longer works, before that survives a power cut.
//!
//! What is read lies in [`load`]: a node needn't wait for it, whoever asks for identities does.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::SetOnce;

use super::account::Account;
use super::account_records::AccountRecords;
use super::change::{Change, Refused};
use super::config_rows::{ConfigRows, RowChange, RowsError, batches};
use super::load::{self, Loading, Wanted};
use super::name::AccessKey;
use super::records::{Records, Touched};
use super::rows::{MASTER_KEY, MASTER_KEY_ROW};
use super::sealed::{MasterKey, SecretKey};
use super::snapshot::Snapshot;
use crate::clock;

/// Why the identities can't be read at start.
#[derive(Debug)]
pub enum OpenError {
    /// The row store failed.
    Rows(RowsError),
    /// The secrets are sealed under another key than the given one.
    WrongMasterKey {
        /// Fingerprint of the key that the store needs; `None` when only its secrets tell.
        needed: Option<String>,
        /// Fingerprint of the given key.
        given: String,
    },
    /// The root credential given at start breaks a rule, such as having the access key of a service account.
    RootCredentials(Refused),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Rows(error) => write!(f, "the identities can't be read: {error}"),
            OpenError::WrongMasterKey { needed: Some(needed), given } => {
                write!(
                    f,
                    "secret.key is not this store's key: its secrets are sealed under key {needed}, secret.key holds key {given}; put the right secret.key back from its backup"
                )
            }
            OpenError::WrongMasterKey { needed: None, given } => {
                write!(
                    f,
                    "secret.key is not this store's key: none of its secrets opens with key {given}; put the right secret.key back from its backup"
                )
            }
            OpenError::RootCredentials(Refused::AccessKeyInUse { access_key, holders }) => {
                let [holder, _] = holders.as_ref();
                write!(
                    f,
                    "the root access key {access_key} that was given at start is already that of {holder}: give another one"
                )
            }
            OpenError::RootCredentials(refused) => {
                write!(f, "the root access key given at start can't be used: {refused}")
            }
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OpenError::Rows(error) => Some(error.as_ref()),
            OpenError::RootCredentials(refused) => Some(refused),
            OpenError::WrongMasterKey { .. } => None,
        }
    }
}

/// Why a change wasn't made durable.
#[derive(Debug)]
pub enum CommitError {
    /// Another change came in between; prepare it again.
    Changed,
    /// The row store failed.
    Storage {
        /// Its error.
        source: RowsError,
        /// Whether the change holds in memory all the same, until a restart or until a later change takes it along. It does when it updates or deletes, since it may be a revocation; a change that only creates is dropped.
        in_effect: bool,
    },
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Changed => f.write_str("another change came in between: try again"),
            CommitError::Storage { source, in_effect: true } => {
                write!(f, "the change is in effect but not durable, and may be undone by a restart: {source}")
            }
            CommitError::Storage { source, in_effect: false } => write!(f, "the change could not be stored: {source}"),
        }
    }
}

impl Error for CommitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CommitError::Storage { source, .. } => Some(source.as_ref()),
            CommitError::Changed => None,
        }
    }
}

/// A change that keeps all rules, ready to be written.
pub struct Prepared {
    base: Arc<Snapshot>,
    next: Arc<Snapshot>,
    rows: Vec<RowChange>,
    revokes: bool,
}

impl Prepared {
    /// The rows that the change writes; none when it changes nothing.
    pub fn rows(&self) -> &[RowChange] {
        &self.rows
    }

    /// The identities as they will be.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.next
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// The identities of a node. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct IdentityStore {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) rows: Arc<dyn ConfigRows>,
    pub(super) master: MasterKey,
    pub(super) root_override: Option<(AccessKey, SecretKey)>,
    /// Accounts and root keys as they were at the start.
    pub(super) first: Arc<Snapshot>,
    /// Empty until all rows are read.
    current: OnceLock<ArcSwap<Snapshot>>,
    /// Set after `current`, for those who may not block a thread.
    loaded: SetOnce<()>,
    /// Set before anybody waits for either.
    pub(super) wanted: Wanted,
    /// Whether the operator's account had a root key when accounts and root keys were read.
    had_operator: bool,
    writer: tokio::sync::Mutex<Writer>,
    /// Whether the writer has pending rows, for those who only ask.
    undurable: AtomicBool,
}

#[derive(Default)]
struct Writer {
    /// Whether the store remembers the master key's fingerprint.
    fingerprint_stored: bool,
    /// Rows that are in effect but could not be made durable. The next commit takes them along, so that memory and store can't stay apart.
    pending: BTreeMap<(String, String), Option<Vec<u8>>>,
}

impl IdentityStore {
    /// The fingerprint of the master key that the store's secrets are sealed under; `None` for a store without identities. [`load_or_create_key`](super::private_file::load_or_create_key) takes it.
    ///
    /// # Errors
    /// The row store's.
    pub fn key_fingerprint(rows: &dyn ConfigRows) -> Result<Option<String>, RowsError> {
        let found = rows.rows(MASTER_KEY, MASTER_KEY_ROW)?.into_iter().find(|(key, _)| key == MASTER_KEY_ROW);
        // A row that holds anything else is lost, and the secrets themselves tell the key.
        let fingerprint = found.and_then(|(_, value)| String::from_utf8(value.to_vec()).ok());
        Ok(fingerprint.filter(|text| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())))
    }

    /// Reads all identities. `root_override` is the root credential that the operator gave at start: it takes the place of the stored root key of the operator's account and isn't stored.
    ///
    /// Damaged rows don't fail it: they are refused one by one and listed by [`Snapshot::damaged`].
    ///
    /// # Errors
    /// The rows can't be read at all, the master key is another one, or the given root credential collides.
    pub fn open(
        rows: Arc<dyn ConfigRows>,
        master: MasterKey,
        root_override: Option<(AccessKey, SecretKey)>,
    ) -> Result<IdentityStore, OpenError> {
        let (store, loading) = IdentityStore::begin(rows, master, root_override)?;
        loading.finish()?;
        Ok(store)
    }

    /// As [`IdentityStore::open`], with accounts and root keys read and the rest left to [`Loading::finish`], on whichever thread that runs. Whoever asks for identities before waits.
    ///
    /// # Errors
    /// As [`IdentityStore::open`]. A collision that only damaged rows show is found by [`Loading::finish`].
    pub fn begin(
        rows: Arc<dyn ConfigRows>,
        master: MasterKey,
        root_override: Option<(AccessKey, SecretKey)>,
    ) -> Result<(IdentityStore, Loading), OpenError> {
        let needed = IdentityStore::key_fingerprint(rows.as_ref()).map_err(OpenError::Rows)?;
        let given = master.fingerprint();
        let fingerprint_stored = needed.is_some();
        if needed.as_ref().is_some_and(|needed| *needed != given) {
            return Err(OpenError::WrongMasterKey { needed, given });
        }
        let records = load::first(rows.as_ref(), &master)?;
        if let Some((access_key, _)) = &root_override {
            let records = load::with_holders(&records, access_key, rows.as_ref(), &master)?;
            if let Some(refused) = records.collision(access_key) {
                return Err(OpenError::RootCredentials(refused));
            }
        }
        let has_root = |it: &Arc<AccountRecords>| it.root.is_some() || root_override.is_some();
        let shared = Arc::new(Shared {
            had_operator: records.operator().is_some_and(has_root),
            first: Arc::new(Snapshot::new(records.clone(), root_override.as_ref())),
            rows,
            master,
            root_override,
            current: OnceLock::new(),
            loaded: SetOnce::new(),
            wanted: Wanted::default(),
            writer: tokio::sync::Mutex::new(Writer { fingerprint_stored, pending: BTreeMap::new() }),
            undurable: AtomicBool::new(false),
        });
        let loading = Loading::new(Arc::clone(&shared), records, fingerprint_stored);
        Ok((IdentityStore { shared }, loading))
    }

    /// Resolves when all identities are read: at once, but for the first moments of a node that has thousands.
    pub async fn loaded(&self) {
        if self.shared.current.get().is_none() {
            self.shared.wanted.set();
            self.shared.loaded.wait().await;
        }
    }

    /// While identities are still read: those that a request with this access key needs, for a request without one accounts and root keys. `None` once all are read, which it waits for where the rows of one holder don't tell.
    pub async fn early(&self, access_key: impl FnOnce() -> Option<String>) -> Option<Arc<Snapshot>> {
        let shared = &self.shared;
        if shared.current.get().is_some() {
            return None;
        }
        let found = match access_key() {
            None => Some(shared.first.clone()),
            Some(access_key) => load::of_holder(shared, &access_key),
        };
        // Changes are made only once all are read: until then nothing that was read here has changed meanwhile.
        if found.is_some() && shared.current.get().is_none() {
            return found;
        }
        self.loaded().await;
        None
    }

    /// The account with this id. Doesn't wait: accounts are there from the start.
    pub fn account(&self, id: &str) -> Option<Arc<Account>> {
        match self.shared.current.get() {
            Some(current) => current.load().account(id).cloned(),
            None => self.shared.first.account(id).cloned(),
        }
    }

    /// Whether the operator's account had a root key, stored or given, when accounts and root keys were read; it can't be deleted.
    pub fn had_operator(&self) -> bool {
        self.shared.had_operator
    }

    /// The identities now, without a lock. Take it once a request. Blocks until they are [read](IdentityStore::loaded): a node that knows nobody yet must not take that for nobody being there.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.shared.current().load()
    }

    /// Prepares a change of `base` that `by` makes (an ARN, or what else names its author in histories): its steps are made on a copy and checked as a whole.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn prepare(&self, base: &Arc<Snapshot>, changes: Vec<Change>, by: &str) -> Result<Prepared, Refused> {
        let shared = &self.shared;
        let mut records = base.records.clone();
        let mut rows = Vec::new();
        let mut revokes = false;
        let touched = Touched::by(&changes, &base.records);
        for change in changes {
            revokes |= records.replaces(&change);
            records.apply(change, &shared.master, by, &mut rows)?;
        }
        // A row that was removed and written again by one change is written once.
        let mut last: BTreeMap<_, _> = rows.into_iter().map(|row| ((row.namespace, row.key), row.value)).collect();
        records.note_former_keys(&mut last, by, clock::now_microseconds());
        let next = match base.changed(&records, &touched) {
            Some(next) => next,
            None => shared.anew(records, base)?,
        };
        let rows = last.into_iter().map(|((namespace, key), value)| RowChange { namespace, key, value }).collect();
        Ok(Prepared { base: base.clone(), next: Arc::new(next), rows, revokes })
    }

    /// Makes a prepared change durable, then shows it. It is finished even when the caller goes away meanwhile: a change that is durable but not shown would be a revoked key that still opens.
    ///
    /// # Errors
    /// Another change came in between, or the row store failed.
    pub async fn commit(&self, prepared: Prepared) -> Result<(), CommitError> {
        let shared = self.shared.clone();
        let task = tokio::spawn(async move { shared.commit(prepared).await });
        // The task ends otherwise only when the runtime is shut down or the row store panics.
        task.await.unwrap_or_else(|error| Err(CommitError::Storage { source: error.into(), in_effect: false }))
    }

    /// Prepares and commits `changes` of the current identities, again when another change came in between.
    ///
    /// # Errors
    /// As [`IdentityStore::prepare`] and [`IdentityStore::commit`].
    pub async fn change(&self, changes: Vec<Change>, by: &str) -> Result<(), ChangeError> {
        self.change_with(by, |_| Ok::<_, ChangeError>((changes.clone(), ()))).await.map(|_| ())
    }

    /// Commits the changes that `make` makes of the current identities, and asks it again when another change came in between, so that what it looked at still holds. Answers the identities with the change, and what `make` answered beside it. No change writes nothing.
    ///
    /// # Errors
    /// Those of `make`; as [`IdentityStore::prepare`] and [`IdentityStore::commit`].
    pub async fn change_with<T, E: From<ChangeError>>(
        &self,
        by: &str,
        mut make: impl FnMut(&Snapshot) -> Result<(Vec<Change>, T), E>,
    ) -> Result<(Arc<Snapshot>, T), E> {
        loop {
            let base = self.shared.current().load_full();
            let (changes, made) = make(&base)?;
            if changes.is_empty() && !self.has_undurable_changes() {
                return Ok((base, made));
            }
            let prepared = self.prepare(&base, changes, by).map_err(ChangeError::Refused)?;
            let next = prepared.snapshot().clone();
            match self.commit(prepared).await {
                // Somebody else's change was made meanwhile, so this ends.
                Err(CommitError::Changed) => {}
                Err(error) => return Err(ChangeError::Commit(error).into()),
                Ok(()) => return Ok((next, made)),
            }
        }
    }

    /// Whether changes are in effect that could not be made durable. The next change, also an empty one, takes them along.
    pub fn has_undurable_changes(&self) -> bool {
        self.shared.undurable.load(Ordering::Acquire)
    }

    /// Where the rows are kept.
    pub(super) fn rows(&self) -> &dyn ConfigRows {
        self.shared.rows.as_ref()
    }

    /// Whether the operator gave root's credential at start.
    pub fn root_is_given(&self) -> bool {
        self.shared.root_override.is_some()
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub enum ChangeError {
    /// It breaks a rule.
    Refused(Refused),
    /// It could not be made durable.
    Commit(CommitError),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::Refused(refused) => refused.fmt(f),
            ChangeError::Commit(error) => error.fmt(f),
        }
    }
}

impl Error for ChangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ChangeError::Refused(refused) => Some(refused),
            ChangeError::Commit(error) => Some(error),
        }
    }
}

impl fmt::Debug for IdentityStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityStore").field("snapshot", &*self.snapshot()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Shows the identities as they were read.
    pub(super) fn show(&self, first: Snapshot) {
        self.current.get_or_init(|| ArcSwap::from_pointee(first));
        // Fails when it was set already, which shows nothing else.
        let _ = self.loaded.set(());
    }

    fn current(&self) -> &ArcSwap<Snapshot> {
        self.current.get().unwrap_or_else(|| {
            self.wanted.set();
            self.current.wait()
        })
    }

    /// The snapshot of changed records, made from all of them.
    fn anew(&self, records: Records, base: &Snapshot) -> Result<Snapshot, Refused> {
        let override_key = self.root_override.as_ref().map(|(access_key, _)| access_key);
        let broken = records.violations(override_key);
        if !broken.is_empty() {
            let before = base.records.violations(override_key);
            if let Some(refused) = broken.into_iter().find(|it| !before.contains(it)) {
                return Err(refused);
            }
        }
        Ok(Snapshot::new(records, self.root_override.as_ref()))
    }

    async fn commit(&self, prepared: Prepared) -> Result<(), CommitError> {
        let mut writer = self.writer.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current.load(), &prepared.base) {
            return Err(CommitError::Changed);
        }
        let mut batch = writer.pending.clone();
        batch.extend(prepared.rows.into_iter().map(|row| ((row.namespace, row.key), row.value)));
        if batch.is_empty() {
            return Ok(());
        }
        if !writer.fingerprint_stored {
            let key = (MASTER_KEY.to_owned(), MASTER_KEY_ROW.to_owned());
            batch.insert(key, Some(self.master.fingerprint().into_bytes()));
        }
        let mut part_written = false;
        for changes in batches(&batch) {
            if let Err(source) = self.rows.commit(changes).await {
                // With a part of it written, the whole is the only consistent state that is still in reach.
                let in_effect = prepared.revokes || part_written;
                if in_effect {
                    writer.pending = batch;
                    self.undurable.store(true, Ordering::Release);
                    current.store(prepared.next);
                }
                return Err(CommitError::Storage { source, in_effect });
            }
            part_written = true;
        }
        writer.fingerprint_stored = true;
        writer.pending.clear();
        self.undurable.store(false, Ordering::Release);
        current.store(prepared.next);
        Ok(())
    }
}
