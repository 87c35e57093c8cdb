//! The rows in which identities lie in the store: one JSON object each, named by what it is.
//!
//! A row's key repeats the account, the name and the access key that its value holds, so that a value which can't be read still says whom it is about: that identity is refused by name, and its name and access key stay taken. It begins with what the row is looked up by while not all rows are read: the access key, the permission's id. What it was before is kept in [rows of its own](super::history).

use std::fmt;

use super::account::{Account, RootKey};
use super::name::{AccessKey, AccountId, Id, Name, PermissionName};
use super::permission::Permission;
use super::service_account::ServiceAccount;
use super::user::User;

pub(super) const ACCOUNTS: &str = "identity.account";
const ROOTS: &str = "identity.root";
pub(super) const PERMISSIONS: &str = "identity.permission";
pub(super) const SERVICE_ACCOUNTS: &str = "identity.service-account";
const USERS: &str = "identity.user";
/// Which master key the secrets are sealed under; one row, [`MASTER_KEY_ROW`].
pub(super) const MASTER_KEY: &str = "identity.master-key";
/// The one key of [`MASTER_KEY`].
pub(super) const MASTER_KEY_ROW: &str = "fingerprint";

/// The namespaces of identities, read whole when a node starts; what refers to something comes after it.
pub const NAMESPACES: [&str; 5] = [ACCOUNTS, ROOTS, PERMISSIONS, SERVICE_ACCOUNTS, USERS];
/// Those of them that a start waits for.
pub(super) const FIRST_NAMESPACES: [&str; 2] = [ACCOUNTS, ROOTS];
/// The others.
pub(super) const FURTHER_NAMESPACES: [&str; 3] = [PERMISSIONS, SERVICE_ACCOUNTS, USERS];

/// Names a row. Its parts can't hold a `/`, which separates them in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// An account.
    Account {
        /// Its id.
        account: AccountId,
        /// Its name.
        name: Name,
    },
    /// The root key of an account.
    Root {
        /// The account.
        account: AccountId,
        /// Its access key.
        access_key: AccessKey,
    },
    /// A permission.
    Permission {
        /// Its account.
        account: AccountId,
        /// Its name.
        name: PermissionName,
        /// Its id.
        id: Id,
    },
    /// A service account.
    ServiceAccount {
        /// Its account.
        account: AccountId,
        /// Its name.
        name: Name,
        /// Its access key.
        access_key: AccessKey,
    },
    /// A user.
    User {
        /// Their account.
        account: AccountId,
        /// Their name.
        name: Name,
    },
}

impl RowKey {
    /// The account that the row is about.
    pub fn account(&self) -> &AccountId {
        match self {
            RowKey::Account { account, .. }
            | RowKey::Root { account, .. }
            | RowKey::Permission { account, .. }
            | RowKey::ServiceAccount { account, .. }
            | RowKey::User { account, .. } => account,
        }
    }

    /// Where the engine keeps the row.
    pub(super) fn namespace(&self) -> &'static str {
        match self {
            RowKey::Account { .. } => ACCOUNTS,
            RowKey::Root { .. } => ROOTS,
            RowKey::Permission { .. } => PERMISSIONS,
            RowKey::ServiceAccount { .. } => SERVICE_ACCOUNTS,
            RowKey::User { .. } => USERS,
        }
    }

    /// The row's key in its namespace.
    pub(super) fn text(&self) -> String {
        match self {
            RowKey::Account { account, name } | RowKey::User { account, name } => format!("{account}/{name}"),
            RowKey::Root { account, access_key } => format!("{account}/{access_key}"),
            RowKey::Permission { account, name, id } => format!("{}{name}", permission_prefix(account, id)),
            RowKey::ServiceAccount { account, name, access_key } => {
                format!("{}{name}", service_account_prefix(account, access_key))
            }
        }
    }

    /// Reads what [`RowKey::namespace`] and [`RowKey::text`] wrote.
    pub(super) fn parse(namespace: &str, text: &str) -> Option<RowKey> {
        let parts: Vec<&str> = text.split('/').collect();
        let account = AccountId::parse(parts.first()?).ok()?;
        match (namespace, &parts[1..]) {
            (ACCOUNTS, [name]) => Some(RowKey::Account { account, name: Name::parse(name).ok()? }),
            (ROOTS, [key]) => Some(RowKey::Root { account, access_key: AccessKey::parse(key).ok()? }),
            (PERMISSIONS, [id, name]) => {
                Some(RowKey::Permission { account, name: PermissionName::parse(name).ok()?, id: Id::parse(id).ok()? })
            }
            (SERVICE_ACCOUNTS, [key, name]) => {
                let (name, access_key) = (Name::parse(name).ok()?, AccessKey::parse(key).ok()?);
                Some(RowKey::ServiceAccount { account, name, access_key })
            }
            (USERS, [name]) => Some(RowKey::User { account, name: Name::parse(name).ok()? }),
            _ => None,
        }
    }
}

/// What the key of the permission with this id begins with; its name follows.
pub(super) fn permission_prefix(account: &AccountId, id: &Id) -> String {
    format!("{account}/{id}/")
}

/// What the key of the service account with this access key begins with; its name follows.
pub(super) fn service_account_prefix(account: &AccountId, access_key: &AccessKey) -> String {
    format!("{account}/{access_key}/")
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowKey::Account { account, name } => write!(f, "account \"{name}\" ({account})"),
            RowKey::Root { account, .. } => write!(f, "the root of account {account}"),
            RowKey::Permission { account, name, .. } => write!(f, "permission \"{name}\" of account {account}"),
            RowKey::ServiceAccount { account, name, .. } => {
                write!(f, "service account \"{name}\" of account {account}")
            }
            RowKey::User { account, name } => write!(f, "user \"{name}\" of account {account}"),
        }
    }
}

/// What a row holds.
#[derive(Clone, Debug)]
pub enum Record {
    /// An account.
    Account(Account),
    /// The root key of an account.
    Root(RootKey),
    /// A permission.
    Permission(Permission),
    /// A service account.
    ServiceAccount(ServiceAccount),
    /// A user.
    User(User),
}

impl Record {
    /// The name of its row.
    pub fn key(&self) -> RowKey {
        match self {
            Record::Account(account) => account_key(account),
            Record::Root(root) => root_key(root),
            Record::Permission(permission) => permission_key(permission),
            Record::ServiceAccount(service_account) => service_account_key(service_account),
            Record::User(user) => user_key(user),
        }
    }
}

/// The row of an account.
pub fn account_key(account: &Account) -> RowKey {
    RowKey::Account { account: account.account_id.clone(), name: account.name.clone() }
}

/// The row of a root key.
pub fn root_key(root: &RootKey) -> RowKey {
    RowKey::Root { account: root.account_id.clone(), access_key: root.access_key.clone() }
}

/// The row of a permission.
pub fn permission_key(permission: &Permission) -> RowKey {
    let (account, name, id) = (permission.account_id.clone(), permission.name.clone(), permission.id.clone());
    RowKey::Permission { account, name, id }
}

/// The row of a service account.
pub fn service_account_key(service_account: &ServiceAccount) -> RowKey {
    let ServiceAccount { account_id, name, access_key, .. } = service_account;
    RowKey::ServiceAccount { account: account_id.clone(), name: name.clone(), access_key: access_key.clone() }
}

/// The row of a user.
pub fn user_key(user: &User) -> RowKey {
    RowKey::User { account: user.account_id.clone(), name: user.name.clone() }
}

/// Why a row can't be read. The identity that it is about is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage(pub(super) String);

impl From<super::name::Invalid> for Damage {
    fn from(invalid: super::name::Invalid) -> Damage {
        Damage(format!("its row is invalid: {invalid}"))
    }
}
