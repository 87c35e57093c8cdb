//! What every request reads: all identities at one moment, immutable, looked up without a lock.
//!
//! A change makes a new snapshot and swaps it in whole, so that a request sees either all of a change or nothing of it, and a revoked key is gone for the next request. What a change leaves alone is shared between the two, so that it costs what it changes, not what there is.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use policy::{AttachedPolicy, Policy, PolicyKind, PolicyScope, Principal, ScopeQuery};

use super::account::{Account, RootKey};
use super::compiled::CompiledPermission;
use super::name::{AccessKey, AccountId, CanonicalId, Id, Name, PermissionName};
use super::records::{AccountRecords, Records, Touched};
use super::rows::RowKey;
use super::sealed::SecretKey;
use super::service_account::ServiceAccount;
use super::shards::Shards;
use super::user::User;
use crate::audit::UserIdentity;

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

#[derive(Clone)]
enum Credential {
    Known(Arc<Identity>),
    Damaged(Arc<str>),
}

/// Whom an access key stands for, and everything that judging its requests needs.
pub struct Identity {
    /// The account.
    pub account: Arc<Account>,
    /// Root or a service account.
    pub kind: IdentityKind,
    /// The access key.
    pub access_key: AccessKey,
    /// Its secret, to check signatures with.
    pub secret: SecretKey,
    /// Whether the key may be used; root's always may.
    pub enabled: bool,
    /// From this moment on the key may not be used.
    pub expires_at: Option<Timestamp>,
    /// `arn:aws:iam::ACCOUNT:root` or `arn:aws:iam::ACCOUNT:user/NAME`.
    pub arn: String,
    /// `aws:userid`: a service account's stable id, root's account id.
    pub user_id: String,
    /// Its permissions; none for root, which may do everything in its account.
    permissions: Permissions,
}

/// The permissions of an identity, compiled when its key is first used.
#[derive(Default)]
struct Permissions {
    given: Vec<Arc<CompiledPermission>>,
    attached: OnceLock<Result<Vec<AttachedPermission>, String>>,
}

/// The kind of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// The root of an account.
    Root,
    /// A service account.
    ServiceAccount {
        /// Its stable id.
        id: Id,
        /// Its name: `aws:username`.
        name: Name,
    },
}

/// One permission of an identity, compiled.
#[derive(Clone)]
pub struct AttachedPermission {
    /// The permission's name, by which decisions name it.
    pub name: PermissionName,
    /// What it was compiled to.
    pub policy: Arc<Policy>,
    /// What the policy can be about.
    pub scope: PolicyScope,
    /// Whether it grants. The Denies of a disabled permission stay.
    pub enabled: bool,
}

/// Why an access key isn't accepted. The client is told the same for all of them; this is for the log.
#[derive(Clone, Copy)]
pub enum Refusal<'a> {
    /// Nobody has it.
    Unknown,
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
            None => return Err(Refusal::Unknown),
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

    /// Whoever has this access key, whether or not it is accepted; none where they can't be read.
    pub fn holder(&self, access_key: &str) -> Option<&Arc<Identity>> {
        match self.credentials.get(access_key)? {
            Credential::Known(identity) => Some(identity),
            Credential::Damaged(_) => None,
        }
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

impl Identity {
    /// Its name in words for logs: `root` or the service account's name.
    pub fn name(&self) -> &str {
        match &self.kind {
            IdentityKind::Root => "root",
            IdentityKind::ServiceAccount { name, .. } => name.as_str(),
        }
    }

    /// All its policies, as an explanation takes them.
    pub fn policies(&self) -> impl Iterator<Item = AttachedPolicy<'_>> {
        self.permissions().iter().map(AttachedPermission::attached)
    }

    /// Its permissions, compiled.
    pub fn permissions(&self) -> &[AttachedPermission] {
        // Nobody gets an identity whose policies are refused.
        self.compiled().unwrap_or_default()
    }

    fn compiled(&self) -> Result<&[AttachedPermission], &str> {
        let name = self.name();
        let compiled = self.permissions.attached.get_or_init(|| {
            let attach = |it: &Arc<CompiledPermission>| match it.policy() {
                Ok(policy) => Ok(AttachedPermission {
                    name: it.permission.name.clone(),
                    policy: policy.clone(),
                    scope: policy.scope(),
                    enabled: it.permission.enabled,
                }),
                Err(refused) => {
                    let permission = &it.permission.name;
                    Err(format!("service account \"{name}\" has the permission \"{permission}\", whose policy is refused: {refused}"))
                }
            };
            self.permissions.given.iter().map(attach).collect()
        });
        compiled.as_deref().map_err(String::as_str)
    }

    /// Those of its policies that can be about what is asked, as a decision takes them, without allocation.
    pub fn policies_about(&self, query: ScopeQuery) -> impl Iterator<Item = AttachedPolicy<'_>> {
        self.permissions().iter().filter(move |it| it.scope.may_cover(&query)).map(AttachedPermission::attached)
    }

    /// The principal that it is in a decision.
    pub fn principal(&self) -> Principal<'_> {
        let account = self.account.account_id.as_str();
        match &self.kind {
            IdentityKind::Root => Principal::Root { account },
            IdentityKind::ServiceAccount { name, .. } => {
                Principal::User { account, name: name.as_str(), arn: &self.arn }
            }
        }
    }

    /// Who it is, as the audit log has it.
    pub fn audited(&self) -> UserIdentity<'_> {
        UserIdentity {
            kind: if self.is_root() { "Root" } else { "IAMUser" },
            principal_id: Some(&self.user_id),
            arn: Some(&self.arn),
            account_id: Some(self.account.account_id.as_str()),
            access_key_id: Some(self.access_key.as_str()),
            user_name: (!self.is_root()).then(|| self.name()),
        }
    }

    /// Whether it is the root of its account.
    pub fn is_root(&self) -> bool {
        self.kind == IdentityKind::Root
    }
}

impl AttachedPermission {
    /// As a decision takes it.
    pub fn attached(&self) -> AttachedPolicy<'_> {
        AttachedPolicy {
            policy: &self.policy,
            role: PolicyKind::Identity,
            name: self.name.as_str(),
            enabled: self.enabled,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Identity");
        debug.field("arn", &self.arn).field("access_key", &self.access_key).field("enabled", &self.enabled);
        debug.field("expires_at", &self.expires_at).finish_non_exhaustive()
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

/// The credentials of an account.
fn add_credentials(
    credentials: &mut Shards<Credential>,
    all: &Records,
    id: &AccountId,
    records: &AccountRecords,
    root_override: Option<&(AccessKey, SecretKey)>,
) {
    let Some(account) = &records.account else {
        let keys = records.root.iter().map(|root| &root.access_key);
        for key in keys.chain(records.service_accounts.values().map(|it| &it.access_key)) {
            let reason = format!("the row of its account {id} can't be read");
            credentials.insert(key.clone(), Credential::Damaged(reason.into()));
        }
        return;
    };
    // What the operator gives at start takes the place of the stored key, which then opens nothing.
    let given = root_override.filter(|_| account.operator).map(|(access_key, secret)| (access_key, secret));
    let stored = records.root.as_ref().map(|root| (&root.access_key, &root.secret));
    if let Some((access_key, secret)) = given.or(stored) {
        let identity = root_identity(account, access_key.clone(), secret.clone());
        credentials.insert(access_key.clone(), Credential::Known(Arc::new(identity)));
    }
    for service_account in records.service_accounts.values() {
        let credential = match attached(all, records, service_account) {
            Ok(permissions) => {
                Credential::Known(Arc::new(service_account_identity(account, service_account, permissions)))
            }
            Err(reason) => Credential::Damaged(format!("service account \"{}\" {reason}", service_account.name).into()),
        };
        credentials.insert(service_account.access_key.clone(), credential);
    }
}

fn root_identity(account: &Arc<Account>, access_key: AccessKey, secret: SecretKey) -> Identity {
    Identity {
        account: account.clone(),
        kind: IdentityKind::Root,
        access_key,
        secret,
        enabled: true,
        expires_at: None,
        arn: account.root_arn(),
        user_id: account.account_id.to_string(),
        permissions: Permissions::default(),
    }
}

fn service_account_identity(
    account: &Arc<Account>,
    service_account: &ServiceAccount,
    permissions: Vec<Arc<CompiledPermission>>,
) -> Identity {
    Identity {
        account: account.clone(),
        kind: IdentityKind::ServiceAccount { id: service_account.id.clone(), name: service_account.name.clone() },
        access_key: service_account.access_key.clone(),
        secret: service_account.secret.clone(),
        enabled: service_account.enabled,
        expires_at: service_account.expires_at,
        arn: service_account.arn(),
        user_id: service_account.id.to_string(),
        permissions: Permissions { given: permissions, attached: OnceLock::new() },
    }
}

/// The policies of a service account. One that can't be read refuses it whole, since its Denies can't be known.
fn attached(
    all: &Records,
    records: &AccountRecords,
    service_account: &ServiceAccount,
) -> Result<Vec<Arc<CompiledPermission>>, String> {
    let attach = |id: &Id| match records.permission_by_id(id) {
        Some(compiled) => Ok(compiled.clone()),
        None => Err(match all.damaged_permission(&service_account.account_id, id) {
            Some(name) => format!("has the permission \"{name}\", which can't be read"),
            None => format!("has the permission id {id}, which doesn't exist"),
        }),
    };
    service_account.permissions.iter().map(attach).collect()
}
