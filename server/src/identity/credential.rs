//! What stands behind an access key: whose it is, and everything that judging their requests needs.
//!
//! It is put together when a snapshot is made, so that a request looks one thing up.

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use policy::{AttachedPolicy, Policy, PolicyKind, PolicyScope, Principal, ScopeQuery};

use super::account::Account;
use super::account_records::AccountRecords;
use super::compiled::CompiledPermission;
use super::former_key::FormerKey;
use super::name::{AccessKey, AccountId, Id, Name, PermissionName};
use super::records::Records;
use super::sealed::SecretKey;
use super::service_account::ServiceAccount;
use super::shards::Shards;
use crate::audit::UserIdentity;

/// What stands behind an access key.
#[derive(Clone)]
pub(super) enum Credential {
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

    pub(super) fn compiled(&self) -> Result<&[AttachedPermission], &str> {
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

/// Whose an access key is, or was.
#[derive(Clone, Debug)]
pub enum Holder {
    /// Who has it.
    Now(Arc<Identity>),
    /// Who had it.
    Formerly(Arc<FormerKey>),
}

impl Holder {
    /// The name of a service account; a root has none.
    pub fn name(&self) -> Option<&str> {
        match self {
            Holder::Now(identity) => (!identity.is_root()).then(|| identity.name()),
            Holder::Formerly(former) => former.name.as_ref().map(Name::as_str),
        }
    }

    fn audited(&self) -> UserIdentity<'_> {
        match self {
            Holder::Now(identity) => identity.audited(),
            Holder::Formerly(former) => former.audited(),
        }
    }
}

/// Whoever named an access key without proving that they have it, as the audit log has them; `holder` is whose key it is.
pub fn claimed<'a>(access_key: &'a str, holder: Option<&'a Holder>) -> UserIdentity<'a> {
    let known = holder.map_or_else(UserIdentity::default, Holder::audited);
    UserIdentity { kind: UserIdentity::unverified().kind, access_key_id: Some(access_key), ..known }
}

/// The credentials of an account.
pub(super) fn add_credentials(
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

/// The identity of a service account with these permissions.
pub(super) fn service_account_identity(
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
pub(super) fn attached(
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
