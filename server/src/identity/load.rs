//! Reads the identities of a node from their rows, once, when it starts.
//!
//! Accounts and root keys are few and tell whether a node is new: a start waits for them. Permissions, service accounts and users may be tens of thousands, each with a document to parse or a secret to open: they are read beside the start, and only who asks for identities meanwhile waits, for what is left of it.

use std::sync::Arc;
use std::thread;

use super::records::{Loaded, Records};
use super::rows::{FIRST_NAMESPACES, FURTHER_NAMESPACES};
use super::sealed::MasterKey;
use super::snapshot::Snapshot;
use super::store::{ConfigRows, OpenError, Shared};

/// The part of reading identities that a start needn't wait for.
///
/// Where it fails, or is dropped, no identities are ever shown and whoever asks for them waits for ever: end the node.
#[must_use = "identities are asked for in vain until it is finished"]
pub struct Loading {
    shared: Arc<Shared>,
    records: Records,
    fingerprint_stored: bool,
}

impl Loading {
    pub(super) fn new(shared: Arc<Shared>, records: Records, fingerprint_stored: bool) -> Loading {
        Loading { shared, records, fingerprint_stored }
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
            let threads = FURTHER_NAMESPACES.map(|namespace| scope.spawn(move || decode(rows, namespace, master)));
            threads.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for read in read {
            read?.into_iter().for_each(|it| records.load(it));
        }
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
        decode(rows, namespace, master)?.into_iter().for_each(|it| records.load(it));
    }
    Ok(records)
}

fn decode(rows: &dyn ConfigRows, namespace: &'static str, master: &MasterKey) -> Result<Vec<Loaded>, OpenError> {
    let rows = rows.rows(namespace).map_err(OpenError::Rows)?;
    Ok(rows.into_iter().map(|(key, value)| Loaded::decode(namespace, key, &value, master)).collect())
}
