//! Reads the identities of a node from their rows, once, when it starts.
//!
//! Accounts and root keys are few and tell whether a node is new: a start waits for them. Permissions, service accounts and users may be tens of thousands, each with a document to parse or a secret to open: they are read once somebody is served, or waits for them. Who asks for a holder of a key meanwhile gets what is known of that one, and only who asks for all of them waits.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::config_rows::ConfigRows;
use super::former_key::FormerKeys;
use super::name::AccessKey;
use super::records::{Loaded, Records};
use super::rows::{
    FIRST_NAMESPACES, FURTHER_NAMESPACES, PERMISSIONS, Record, SERVICE_ACCOUNTS, permission_prefix,
    service_account_prefix,
};
use super::sealed::MasterKey;
use super::snapshot::Snapshot;
use super::store::{OpenError, Shared};

/// The part of reading identities that a start needn't wait for.
///
/// Where it fails, or is dropped, no identities are ever shown and whoever asks for them waits for ever: end the node.
#[must_use = "identities are asked for in vain until it is finished"]
pub struct Loading {
    shared: Arc<Shared>,
    records: Records,
    fingerprint_stored: bool,
}

/// Whether somebody waits for all identities.
#[derive(Default)]
pub(super) struct Wanted {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Wanted {
    /// Somebody does.
    pub(super) fn set(&self) {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until somebody does, at most so long.
    fn wait(&self, at_most: Duration) {
        let is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever woke it, it is time.
        let _ = self.changed.wait_timeout_while(is_set, at_most, |is_set| !*is_set);
    }
}

impl Loading {
    pub(super) fn new(shared: Arc<Shared>, records: Records, fingerprint_stored: bool) -> Loading {
        Loading { shared, records, fingerprint_stored }
    }

    /// As [`Loading::finish`], but begins only when somebody waits for it, or after `delay`: it keeps all processors busy for a while, and whoever is served first needs one.
    ///
    /// # Errors
    /// As [`Loading::finish`].
    pub fn finish_when_wanted(self, delay: Duration) -> Result<(), OpenError> {
        self.shared.wanted.wait(delay);
        self.finish()
    }

    /// Reads what is left and shows it. Damaged rows don't fail it.
    ///
    /// # Errors
    /// The rows can't be read at all, the master key is another one, or the root credential given at start collides.
    pub fn finish(self) -> Result<(), OpenError> {
        let Loading { shared, mut records, fingerprint_stored } = self;
        let (rows, master) = (shared.rows.as_ref(), &shared.master);
        // What refers to something is taken in after it; decoding is most of the work and refers to nothing.
        let read: Vec<_> = thread::scope(|scope| {
            let threads = FURTHER_NAMESPACES.map(|namespace| scope.spawn(move || decode(rows, namespace, "", master)));
            threads.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for read in read {
            read?.into_iter().for_each(|it| records.load(it));
        }
        records.former_keys = FormerKeys::read(rows).map_err(OpenError::Rows)?;
        // The fingerprint row itself may be lost: then the secrets tell. One that opens proves the key.
        if !fingerprint_stored && records.no_secret_opens() {
            return Err(OpenError::WrongMasterKey { needed: None, given: master.fingerprint() });
        }
        let root = shared.root_override.as_ref();
        if let Some(refused) = root.and_then(|(access_key, _)| records.collision(access_key)) {
            return Err(OpenError::RootCredentials(refused));
        }
        shared.show(Snapshot::new(records, root));
        Ok(())
    }
}

/// The records that a start waits for.
pub(super) fn first(rows: &dyn ConfigRows, master: &MasterKey) -> Result<Records, OpenError> {
    let mut records = Records::default();
    for namespace in FIRST_NAMESPACES {
        decode(rows, namespace, "", master)?.into_iter().for_each(|it| records.load(it));
    }
    Ok(records)
}

/// `first` with every service account that has this access key.
pub(super) fn with_holders(
    first: &Records,
    access_key: &AccessKey,
    rows: &dyn ConfigRows,
    master: &MasterKey,
) -> Result<Records, OpenError> {
    let mut records = first.clone();
    holders(first, access_key, rows, master)?.into_iter().for_each(|it| records.load(it));
    Ok(records)
}

/// The identities as far as whoever has this access key needs them: accounts and root keys, and the service account with its permissions. `None` where only all rows can tell: nobody has the key or several do, or something can't be read.
pub(super) fn of_holder(shared: &Shared, access_key: &str) -> Option<Arc<Snapshot>> {
    let access_key = AccessKey::parse(access_key).ok()?;
    let (rows, master, first) = (shared.rows.as_ref(), &shared.master, &shared.first.records);
    let given = shared.root_override.as_ref();
    let stored = first.accounts.values().filter_map(|it| it.root.as_ref()).any(|root| root.access_key == access_key);
    let is_root = stored || given.is_some_and(|(given, _)| *given == access_key);
    let mut holders = holders(first, &access_key, rows, master).ok()?;
    match (is_root, holders.pop()) {
        (true, None) => first.is_intact().then(|| Arc::clone(&shared.first)),
        (false, Some(holder)) if holders.is_empty() => {
            let mut records = first.clone();
            let Some(Record::ServiceAccount(service_account)) = holder.record() else { return None };
            for id in &service_account.permissions {
                let prefix = permission_prefix(&service_account.account_id, id);
                let [permission] = decode(rows, PERMISSIONS, &prefix, master).ok()?.try_into().ok()?;
                records.load(permission);
            }
            records.load(holder);
            records.is_intact().then(|| Arc::new(Snapshot::new(records, given)))
        }
        _ => None,
    }
}

fn holders(
    first: &Records,
    access_key: &AccessKey,
    rows: &dyn ConfigRows,
    master: &MasterKey,
) -> Result<Vec<Loaded>, OpenError> {
    let mut holders = Vec::new();
    for account in first.accounts.keys() {
        holders.extend(decode(rows, SERVICE_ACCOUNTS, &service_account_prefix(account, access_key), master)?);
    }
    Ok(holders)
}

fn decode(
    rows: &dyn ConfigRows,
    namespace: &'static str,
    key_prefix: &str,
    master: &MasterKey,
) -> Result<Vec<Loaded>, OpenError> {
    let rows = rows.rows(namespace, key_prefix).map_err(OpenError::Rows)?;
    Ok(rows.into_iter().map(|(key, value)| Loaded::decode(namespace, key, &value, master)).collect())
}
