//! Access keys that nobody has any more: whose they were, and what became of them.
//!
//! Such a key answers like an unknown one. Who runs the node is told whose it was: a forgotten job that still signs with it is found by a name, and not by a text that nobody knows. Nothing is allowed by what is here, and it is asked only of keys that nobody has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::config_rows::{ConfigRows, RowsError};
use super::name::{AccessKey, AccountId, Name};
use super::rows::RowKey;
use crate::audit::UserIdentity;

/// Where the rows are, each under its access key.
const NAMESPACE: &str = "identity.former-key";
/// The version of a row, and the only one that is read.
const ROW_VERSION: u32 = 1;
/// How many are kept, the newest ones.
const FORMER_KEYS_MAX: usize = 10_000;

/// An access key that somebody had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerKey {
    /// The account of who had it.
    pub account: AccountId,
    /// The service account that had it; `None` for a root.
    pub name: Option<Name>,
    /// What became of it.
    pub end: KeyEnd,
    /// When.
    pub at: Timestamp,
    /// By whom: an ARN, or the state file that declared it and who applied it.
    pub by: String,
    arn: String,
}

/// How somebody comes not to have an access key any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyEnd {
    /// They were deleted.
    Deleted,
    /// They have another one.
    Replaced,
}

/// The access keys that were given up last; `None` for one whose row can't be read. Clones share what neither changes.
#[derive(Clone, Default)]
pub(super) struct FormerKeys(OrdMap<AccessKey, Option<Arc<FormerKey>>>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FormerKeyRow {
    version: u32,
    account_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    end: KeyEnd,
    time: String,
    by: String,
}

impl FormerKeys {
    /// Reads those that are kept. One that can't be read is told as an unknown key is.
    ///
    /// # Errors
    /// The row store's.
    pub(super) fn read(rows: &dyn ConfigRows) -> Result<FormerKeys, RowsError> {
        let mut keys = OrdMap::new();
        for (key, value) in rows.rows(NAMESPACE, "")? {
            let read = FormerKey::decode(&value).map(Arc::new);
            if read.is_none() {
                tracing::warn!(access_key = %key, "whose access key this was can't be read");
            }
            if let Ok(access_key) = AccessKey::parse(&key) {
                keys.insert(access_key, read);
            }
        }
        Ok(FormerKeys(keys))
    }

    pub(super) fn get(&self, access_key: &str) -> Option<&Arc<FormerKey>> {
        self.0.get(access_key)?.as_ref()
    }

    /// Follows a change that writes `rows`, whose last value by namespace and key they are, and adds those that it writes itself. `remains` tells whether who had a key is still there.
    pub(super) fn follow(
        &mut self,
        rows: &mut BTreeMap<(String, String), Option<Vec<u8>>>,
        remains: impl Fn(&RowKey) -> bool,
        by: &str,
        at: Timestamp,
    ) {
        let (mut taken, mut given_up) = (BTreeSet::new(), Vec::new());
        for ((namespace, key), value) in &*rows {
            let Some(row) = RowKey::parse(namespace, key) else { continue };
            let (RowKey::Root { access_key, .. } | RowKey::ServiceAccount { access_key, .. }) = &row else { continue };
            match value {
                Some(_) => _ = taken.insert(access_key.clone()),
                None => given_up.push((access_key.clone(), row)),
            }
        }
        // Who is given another name keeps the key, in another row.
        given_up.retain(|(access_key, _)| !taken.contains(access_key));
        given_up.truncate(FORMER_KEYS_MAX);
        taken.retain(|access_key| self.0.contains_key(access_key));
        if taken.is_empty() && given_up.is_empty() {
            return;
        }
        let keys = &mut self.0;
        for access_key in taken {
            keys.remove(&access_key);
            rows.insert(place(&access_key), None);
        }
        for (access_key, row) in given_up {
            let end = if remains(&row) { KeyEnd::Replaced } else { KeyEnd::Deleted };
            let account = row.account().clone();
            let name = if let RowKey::ServiceAccount { name, .. } = row { Some(name) } else { None };
            let it = FormerKey::new(account, name, end, at, by.to_owned());
            rows.insert(place(&access_key), Some(it.encode()));
            keys.insert(access_key, Some(Arc::new(it)));
        }
        let surplus = keys.len().saturating_sub(FORMER_KEYS_MAX);
        if surplus > 0 {
            let at = |it: &Option<Arc<FormerKey>>| it.as_ref().map(|it| it.at);
            let mut by_time: Vec<(Option<Timestamp>, AccessKey)> =
                keys.iter().map(|(key, it)| (at(it), key.clone())).collect();
            by_time.sort_unstable();
            for (_, oldest) in by_time.drain(..surplus) {
                keys.remove(&oldest);
                rows.insert(place(&oldest), None);
            }
        }
    }
}

impl FormerKey {
    fn new(account: AccountId, name: Option<Name>, end: KeyEnd, at: Timestamp, by: String) -> FormerKey {
        let arn = match &name {
            Some(name) => account.user_arn(name),
            None => account.root_arn(),
        };
        FormerKey { account, name, end, at, by, arn }
    }

    /// Who had it, as the audit log has them.
    pub(super) fn audited(&self) -> UserIdentity<'_> {
        UserIdentity {
            arn: Some(&self.arn),
            account_id: Some(self.account.as_str()),
            user_name: self.name.as_ref().map(Name::as_str),
            ..UserIdentity::default()
        }
    }

    fn encode(&self) -> Vec<u8> {
        let row = FormerKeyRow {
            version: ROW_VERSION,
            account_id: self.account.to_string(),
            name: self.name.as_ref().map(Name::to_string),
            end: self.end,
            time: self.at.to_string(),
            by: self.by.clone(),
        };
        serde_json::to_vec(&row).expect("rows have text keys and no failing serializer")
    }

    fn decode(value: &[u8]) -> Option<FormerKey> {
        let row: FormerKeyRow = serde_json::from_slice(value).ok()?;
        let name = row.name.as_deref().map(Name::parse).transpose().ok()?;
        let (account, at) = (AccountId::parse(&row.account_id).ok()?, row.time.parse().ok()?);
        Some(FormerKey::new(account, name, row.end, at, row.by)).filter(|_| row.version == ROW_VERSION)
    }
}

impl fmt::Display for FormerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.end) {
            (Some(name), _) => write!(f, "service account \"{name}\"")?,
            (None, KeyEnd::Deleted) => write!(f, "account {}, whose root had this key,", self.account)?,
            (None, KeyEnd::Replaced) => write!(f, "the root of account {}", self.account)?,
        }
        let end = match self.end {
            KeyEnd::Deleted => "was deleted",
            KeyEnd::Replaced => "was given another access key",
        };
        write!(f, " {end} at {:.0} by {}", self.at, self.by)
    }
}

fn place(access_key: &AccessKey) -> (String, String) {
    (NAMESPACE.to_owned(), access_key.to_string())
}
