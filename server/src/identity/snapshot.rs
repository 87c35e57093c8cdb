//! What every request reads: all identities at one moment, immutable, looked up without a lock.
//!
//! A change makes a new snapshot and swaps it in whole, so that a request sees either all of a change or nothing of it, and a revoked key is gone for the next request. What a change leaves alone is shared between the two, so that it costs what it changes, not what there is.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::account::{Account, RootKey};
use super::compiled::CompiledPermission;
use super::credential::{Credential, Holder, Identity, add_credentials, attached, service_account_identity};
use super::former_key::FormerKey;
use super::name::{AccessKey, AccountId, CanonicalId, Id, Name};
use super::records::{Records, Touched};
use super::rows::RowKey;
use super::sealed::SecretKey;
use super::service_account::ServiceAccount;
use super::shards::Shards;
use super::user::User;

/// All identities at one moment.
pub struct Snapshot {
    pub(super) records: Records,
    credentials: Shards<Credential>,
    account_fields: Arc<AccountFields>,
    /// Whether the records keep all rules; asked of them by the first change.
    is_sound: OnceLock<bool>,
}

/// What accounts are found by beside their id.
#[derive(Default)]
struct AccountFields {
    names: HashMap<Name, AccountId>,
    canonical_ids: HashMap<CanonicalId, AccountId>,
    emails: HashMap<String, AccountId>,
}

/// Why an access key isn't accepted. The client is told the same for all of them; this is for the log.
#[derive(Clone, Copy)]
pub enum Refusal<'a> {
    /// Nobody has it.
    Unknown,
    /// Nobody has it any more.
    Former(&'a FormerKey),
    /// It is the operator's stored root key, in whose place another one was given at the start.
    Overridden,
    /// Its service account is disabled.
    Disabled(&'a Arc<Identity>),
    /// Its service account has expired.
    Expired(&'a Arc<Identity>),
    /// Something that it depends on can't be read: what and why.
    Damaged(&'a str),
}

/// A row that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRow {
    /// Whom it is about, or namespace and key where even that can't be read.
    pub what: String,
    /// Why.
    pub reason: String,
}

impl Snapshot {
    pub(super) fn new(records: Records, root_override: Option<&(AccessKey, SecretKey)>) -> Snapshot {
        let (mut fields, mut credentials) = (AccountFields::default(), Shards::default());
        for (id, account_records) in &records.accounts {
            if let Some(account) = &account_records.account {
                fields.names.insert(account.name.clone(), id.clone());
                fields.canonical_ids.insert(account.canonical_id.clone(), id.clone());
                fields.emails.extend(account.email.clone().map(|email| (email, id.clone())));
            }
            add_credentials(&mut credentials, &records, id, account_records, root_override);
        }
        for (row, damage) in &records.damaged {
            if let RowKey::Root { access_key, .. } | RowKey::ServiceAccount { access_key, .. } = row {
                let reason = format!("{row} can't be read: {}", damage.0);
                credentials.insert(access_key.clone(), Credential::Damaged(reason.into()));
            }
        }
        Snapshot { records, credentials, account_fields: Arc::new(fields), is_sound: OnceLock::new() }
    }

    /// What becomes of this snapshot by a change that touched so much of its records; `None` where only a look at all records can tell, or tell what is wrong: a snapshot made anew then.
    pub(super) fn changed(&self, records: &Records, touched: &Touched) -> Option<Snapshot> {
        let (service_accounts, permissions) = (touched.service_accounts.as_ref()?, &touched.permissions);
        // Where no rule is broken, only what was touched can break one.
        if !records.damaged.is_empty() || !*self.is_sound.get_or_init(|| self.records.violations(None).is_empty()) {
            return None;
        }
        let mut affected: BTreeSet<(&AccountId, &Name)> = service_accounts.iter().map(|(a, name)| (a, name)).collect();
        let users =
            permissions.iter().filter_map(|(account, id)| Some((account, records.account(account)?.users_of(id)?)));
        affected.extend(users.flat_map(|(account, names)| names.iter().map(move |name| (account, name))));
        let mut credentials = self.credentials.clone();
        for (account, name) in &affected {
            if let Some(before) = self.service_account(account.as_str(), name.as_str()) {
                credentials.remove(&before.access_key);
            }
        }
        let operator_root = records.operator().and_then(|it| it.root.as_ref()).map(|root| &root.access_key);
        for (account, name) in &affected {
            let of_account = records.account(account)?;
            let Some(service_account) = of_account.service_accounts.get(*name) else { continue };
            let access_key = &service_account.access_key;
            if credentials.get(access_key.as_str()).is_some() || operator_root == Some(access_key) {
                return None;
            }
            let permissions = attached(records, of_account, service_account).ok()?;
            let identity = service_account_identity(of_account.account.as_ref()?, service_account, permissions);
            credentials.insert(access_key.clone(), Credential::Known(Arc::new(identity)));
        }
        let accounts = service_accounts.iter().map(|(it, _)| it).chain(permissions.iter().map(|(it, _)| it));
        let accounts: BTreeSet<&AccountId> = accounts.chain(&touched.users_of).collect();
        if accounts.into_iter().any(|it| records.account(it).is_none_or(|it| it.has_too_many())) {
            return None;
        }
        let account_fields = Arc::clone(&self.account_fields);
        Some(Snapshot { records: records.clone(), credentials, account_fields, is_sound: OnceLock::from(true) })
    }

    /// Whom each key stands for, with what they may do, for comparisons.
    #[cfg(test)]
    pub(super) fn shown(&self) -> std::collections::BTreeMap<String, String> {
        let shown = |credential: &Credential| match credential {
            Credential::Damaged(reason) => reason.to_string(),
            Credential::Known(it) => {
                let permissions: Vec<String> =
                    it.permissions().iter().map(|it| format!("{} {} {:?}", it.name, it.enabled, it.policy)).collect();
                format!("{} {} {} {:?} {permissions:?}", it.arn, it.user_id, it.enabled, it.expires_at)
            }
        };
        self.credentials.iter().map(|(key, it)| (key.to_string(), shown(it))).collect()
    }

    /// The identity of `access_key` at `now`.
    ///
    /// # Errors
    /// The key isn't accepted, and why.
    pub fn credential(&self, access_key: &str, now: Timestamp) -> Result<&Arc<Identity>, Refusal<'_>> {
        let identity = match self.credentials.get(access_key) {
            None => return Err(self.why_nobodys(access_key)),
            Some(Credential::Damaged(reason)) => return Err(Refusal::Damaged(reason)),
            Some(Credential::Known(identity)) => identity,
        };
        // A policy that can't be read refuses the key whole, since its Denies can't be known.
        identity.compiled().map_err(Refusal::Damaged)?;
        match identity.expires_at {
            _ if !identity.enabled => Err(Refusal::Disabled(identity)),
            Some(at) if at <= now => Err(Refusal::Expired(identity)),
            _ => Ok(identity),
        }
    }

    /// Whoever has this access key, whether or not it is accepted, or had it last; none where they can't be read.
    pub fn holder(&self, access_key: &str) -> Option<Holder> {
        match self.credentials.get(access_key) {
            Some(Credential::Known(identity)) => Some(Holder::Now(identity.clone())),
            Some(Credential::Damaged(_)) => None,
            None => self.former_key(access_key).cloned().map(Holder::Formerly),
        }
    }

    fn why_nobodys(&self, access_key: &str) -> Refusal<'_> {
        let root = self.records.operator().and_then(|records| records.root.as_ref());
        match self.former_key(access_key) {
            _ if root.is_some_and(|root| root.access_key.as_str() == access_key) => Refusal::Overridden,
            Some(former) => Refusal::Former(former),
            None => Refusal::Unknown,
        }
    }

    fn former_key(&self, access_key: &str) -> Option<&Arc<FormerKey>> {
        self.records.former_keys.get(access_key)
    }

    /// The account with this id.
    pub fn account(&self, id: &str) -> Option<&Arc<Account>> {
        self.records.accounts.get(id)?.account.as_ref()
    }

    /// The account with this name.
    pub fn account_by_name(&self, name: &str) -> Option<&Arc<Account>> {
        self.account(self.account_fields.names.get(name)?.as_str())
    }

    /// The account with this canonical id.
    pub fn account_by_canonical_id(&self, canonical_id: &str) -> Option<&Arc<Account>> {
        self.account(self.account_fields.canonical_ids.get(canonical_id)?.as_str())
    }

    /// The account with this e-mail address.
    pub fn account_by_email(&self, email: &str) -> Option<&Arc<Account>> {
        self.account(self.account_fields.emails.get(email)?.as_str())
    }

    /// All accounts by id, those whose rows are damaged left out.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.records.accounts.values().filter_map(|records| records.account.as_ref())
    }

    /// The operator's account; `None` before the first start has made one, or when its row is damaged.
    pub fn operator(&self) -> Option<&Arc<Account>> {
        self.records.operator()?.account.as_ref()
    }

    /// The stored root key of an account.
    pub fn root(&self, account: &str) -> Option<&RootKey> {
        self.records.accounts.get(account)?.root.as_ref()
    }

    /// The permissions of an account by name.
    pub fn permissions(&self, account: &str) -> impl Iterator<Item = &Arc<CompiledPermission>> {
        self.records.accounts.get(account).into_iter().flat_map(|records| records.permissions.values())
    }

    /// The permission of this name.
    pub fn permission(&self, account: &str, name: &str) -> Option<&Arc<CompiledPermission>> {
        self.records.accounts.get(account)?.permissions.get(name)
    }

    /// The permission with this id.
    pub fn permission_by_id(&self, account: &str, id: &Id) -> Option<&Arc<CompiledPermission>> {
        self.records.accounts.get(account)?.permission_by_id(id)
    }

    /// The service account with this id.
    pub fn service_account_by_id(&self, account: &str, id: &Id) -> Option<&Arc<ServiceAccount>> {
        self.records.accounts.get(account)?.service_account_by_id(id)
    }

    /// The service accounts of an account by name.
    pub fn service_accounts(&self, account: &str) -> impl Iterator<Item = &Arc<ServiceAccount>> {
        self.records.accounts.get(account).into_iter().flat_map(|records| records.service_accounts.values())
    }

    /// The service account of this name.
    pub fn service_account(&self, account: &str, name: &str) -> Option<&Arc<ServiceAccount>> {
        self.records.accounts.get(account)?.service_accounts.get(name)
    }

    /// The names of the service accounts that use a permission.
    pub fn users_of_permission<'a>(
        &'a self,
        account: &AccountId,
        permission: &Id,
    ) -> impl ExactSizeIterator<Item = &'a Name> + use<'a> {
        self.records.users_of(account, permission)
    }

    /// The users of an account by name.
    pub fn users(&self, account: &str) -> impl Iterator<Item = &Arc<User>> {
        self.records.accounts.get(account).into_iter().flat_map(|records| records.users.values())
    }

    /// The user of this name.
    pub fn user(&self, account: &str, name: &str) -> Option<&Arc<User>> {
        self.records.accounts.get(account)?.users.get(name)
    }

    /// The keys of the rows that can't be read.
    pub fn damaged_rows(&self) -> impl Iterator<Item = &RowKey> {
        self.records.damaged.keys()
    }

    /// Every row that can't be read. What it is about is refused until it is replaced or deleted; report these at start.
    pub fn damaged(&self) -> Vec<DamagedRow> {
        let named = self.records.damaged.iter();
        let named = named.map(|(row, damage)| DamagedRow { what: row.to_string(), reason: damage.0.clone() });
        let unnamed = self.records.unnamed.iter().map(|(namespace, key)| DamagedRow {
            what: format!("the row {key:?} of {namespace}"),
            reason: "its key can't be read".to_owned(),
        });
        named.chain(unnamed).collect()
    }

    /// Permissions whose stored policies this program refuses. Compiles all that weren't needed yet, so not for a thread that serves requests.
    pub fn refused_policies(&self) -> impl Iterator<Item = DamagedRow> {
        self.records.accounts.values().flat_map(|records| records.permissions.values()).filter_map(|it| {
            let refused = it.policy().err()?;
            let reason = format!("its policy is refused: {refused}");
            Some(DamagedRow { what: super::rows::permission_key(&it.permission).to_string(), reason })
        })
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Snapshot");
        debug.field("accounts", &self.records.accounts.len()).field("credentials", &self.credentials.len());
        debug.field("damaged", &self.records.damaged.len()).finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unknown => f.write_str("unknown access key"),
            Refusal::Former(former) => former.fmt(f),
            Refusal::Overridden => {
                f.write_str("the stored root key, in whose place another one was given at the start")
            }
            Refusal::Disabled(identity) => write!(f, "service account \"{}\" is disabled", identity.name()),
            Refusal::Expired(identity) => write!(f, "service account \"{}\" has expired", identity.name()),
            Refusal::Damaged(reason) => f.write_str(reason),
        }
    }
}

impl fmt::Debug for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DamagedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused: {}", self.what, self.reason)
    }
}
