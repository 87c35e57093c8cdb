//! A node's first start: an account to begin with, and a root key that nobody else has.
//!
//! There is no default password anywhere. A node that nobody declared anything for makes an account, and the operator's account gets a random root key unless the operator gave or declared one.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::account::{Account, RootKey};
use super::change::Change;
use super::name::Name;
use super::private_file::PrivateFileError;
use super::random;
use super::rows::{Record, RowKey};
use super::store::{ChangeError, IdentityStore};
use super::timestamp::whole_seconds;

/// The name of the account that a node makes for itself.
pub const FIRST_ACCOUNT_NAME: &str = "main";

/// Why the first account or its root key couldn't be made.
#[derive(Debug)]
pub enum FirstStartError {
    /// The operating system's generator failed.
    Generator(std::io::Error),
    /// The root key couldn't be handed to the operator, so it wasn't made.
    Credentials(PrivateFileError),
    /// It couldn't be stored.
    Change(ChangeError),
}

impl fmt::Display for FirstStartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FirstStartError::Generator(error) => error.fmt(f),
            FirstStartError::Credentials(error) => write!(f, "the new root key can't be kept: {error}"),
            FirstStartError::Change(error) => write!(f, "the first account can't be made: {error}"),
        }
    }
}

impl std::error::Error for FirstStartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FirstStartError::Generator(error) => Some(error),
            FirstStartError::Credentials(error) => Some(error),
            FirstStartError::Change(error) => Some(error),
        }
    }
}

impl IdentityStore {
    /// Makes what the node lacks to be used by its operator: the account `main` when there is no account at all, and a root key for the operator's account when none is stored, given at start, or damaged. Call it at every start, after the bootstrap state was executed, so that the first account declared
    /// there is the operator's.
    ///
    /// `keep` gets a new root key before it is stored ([`write_root_credentials`](super::private_file::write_root_credentials)): after a crash in between, the file holds a key that opens nothing and is replaced at the next start; the other way round there would be a root key that nobody knows.
    ///
    /// Returns the new root key, to be shown once.
    ///
    /// # Errors
    /// The key couldn't be made, kept or stored.
    pub async fn ensure_first_account(
        &self,
        now: Timestamp,
        keep: impl FnOnce(&RootKey) -> Result<(), PrivateFileError>,
    ) -> Result<Option<RootKey>, FirstStartError> {
        // They have what this would make, and needn't be waited for.
        if self.had_operator() {
            return Ok(None);
        }
        let snapshot = Arc::clone(&self.snapshot());
        // Where an account's row can't be read, the operator's account may be there: a new one would take its place.
        if snapshot.operator().is_none() && (snapshot.accounts().next().is_some() || !snapshot.records.is_pristine()) {
            return Ok(None);
        }
        let mut changes = Vec::new();
        let operator = match snapshot.operator() {
            Some(operator) => operator.account_id.clone(),
            None => {
                let account = first_account(now).map_err(FirstStartError::Generator)?;
                let id = account.account_id.clone();
                changes.push(Change::Put(Record::Account(account)));
                id
            }
        };
        // A damaged root key isn't replaced by itself: the operator gives one at start and repairs the row by `apply`.
        let root_row = |row: &RowKey| matches!(row, RowKey::Root { account, .. } if *account == operator);
        let has_root = snapshot.root(operator.as_str()).is_some() || snapshot.records.damaged.keys().any(root_row);
        let mut made = None;
        if !has_root && !self.root_is_given() {
            let access_key = random::access_key().map_err(FirstStartError::Generator)?;
            let secret = random::secret_key().map_err(FirstStartError::Generator)?;
            let root = RootKey { account_id: operator, access_key, secret };
            keep(&root).map_err(FirstStartError::Credentials)?;
            changes.push(Change::Put(Record::Root(root.clone())));
            made = Some(root);
        }
        if !changes.is_empty() {
            self.change(changes, "first start").await.map_err(FirstStartError::Change)?;
        }
        Ok(made)
    }
}

fn first_account(now: Timestamp) -> std::io::Result<Account> {
    Ok(Account {
        account_id: random::account_id()?,
        canonical_id: random::canonical_id()?,
        name: Name::parse(FIRST_ACCOUNT_NAME).expect("the first account's name is a name"),
        display_name: FIRST_ACCOUNT_NAME.to_owned(),
        email: None,
        operator: true,
        created_at: whole_seconds(now),
    })
}
