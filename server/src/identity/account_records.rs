//! The records of one account in memory, with the ways from one to another.
//!
//! An account may have tens of thousands: whatever is asked by id or by who uses it is looked up, never searched for.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::account::{Account, RootKey};
use super::change::{PERMISSIONS_PER_ACCOUNT_MAX, SERVICE_ACCOUNTS_PER_ACCOUNT_MAX, USERS_PER_ACCOUNT_MAX};
use super::compiled::CompiledPermission;
use super::name::{Id, Name, PermissionName};
use super::rows::{RowKey, account_key, permission_key, root_key, service_account_key, user_key};
use super::service_account::ServiceAccount;
use super::user::User;

/// The records of one account. Snapshots share what a change between them leaves alone.
#[derive(Clone, Default)]
pub(super) struct AccountRecords {
    /// Absent when its row is damaged; the identities of the account are then refused.
    pub(super) account: Option<Arc<Account>>,
    pub(super) root: Option<RootKey>,
    pub(super) permissions: OrdMap<PermissionName, Arc<CompiledPermission>>,
    pub(super) service_accounts: OrdMap<Name, Arc<ServiceAccount>>,
    pub(super) users: OrdMap<Name, Arc<User>>,
    /// The name of each permission by its id.
    pub(super) permission_names: OrdMap<Id, PermissionName>,
    /// The name of each service account by its id.
    pub(super) service_account_names: OrdMap<Id, Name>,
    /// The names of the service accounts that use a permission, by its id.
    permission_users: OrdMap<Id, OrdSet<Name>>,
}

impl AccountRecords {
    /// The permission with this id.
    pub(super) fn permission_by_id(&self, id: &Id) -> Option<&Arc<CompiledPermission>> {
        self.permissions.get(self.permission_names.get(id)?)
    }

    /// The service account with this id.
    pub(super) fn service_account_by_id(&self, id: &Id) -> Option<&Arc<ServiceAccount>> {
        self.service_accounts.get(self.service_account_names.get(id)?)
    }

    /// The names of the service accounts that use a permission; `None` for none.
    pub(super) fn users_of(&self, permission: &Id) -> Option<&OrdSet<Name>> {
        self.permission_users.get(permission)
    }

    /// Whether there is more of something than there may be.
    pub(super) fn has_too_many(&self) -> bool {
        self.counts().into_iter().any(|(_, count, limit)| count > limit)
    }

    /// How many there are of what, and may be.
    pub(super) fn counts(&self) -> [(&'static str, usize, usize); 3] {
        [
            ("permissions in one account", self.permissions.len(), PERMISSIONS_PER_ACCOUNT_MAX),
            ("service accounts in one account", self.service_accounts.len(), SERVICE_ACCOUNTS_PER_ACCOUNT_MAX),
            ("users in one account", self.users.len(), USERS_PER_ACCOUNT_MAX),
        ]
    }

    /// Inserts a service account, in the place of one of its name.
    pub(super) fn insert_service_account(&mut self, it: ServiceAccount) {
        self.remove_service_account(&it.name);
        for id in &it.permissions {
            self.permission_users.entry(id.clone()).or_default().insert(it.name.clone());
        }
        self.service_account_names.insert(it.id.clone(), it.name.clone());
        self.service_accounts.insert(it.name.clone(), Arc::new(it));
    }

    /// Removes a service account; whether there was one.
    pub(super) fn remove_service_account(&mut self, name: &Name) -> bool {
        let Some(removed) = self.service_accounts.remove(name) else { return false };
        for id in &removed.permissions {
            if let Some(users) = self.permission_users.get_mut(id) {
                users.remove(name);
                if users.is_empty() {
                    self.permission_users.remove(id);
                }
            }
        }
        self.service_account_names.remove(&removed.id).is_some()
    }

    /// The rows of all records.
    pub(super) fn keys(&self) -> Vec<RowKey> {
        let account = self.account.iter().map(|it| account_key(it));
        let root = self.root.iter().map(root_key);
        let permissions = self.permissions.values().map(|it| permission_key(&it.permission));
        let service_accounts = self.service_accounts.values().map(|it| service_account_key(it));
        let users = self.users.values().map(|it| user_key(it));
        account.chain(root).chain(permissions).chain(service_accounts).chain(users).collect()
    }
}
