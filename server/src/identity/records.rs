//! All records of a node in memory, and how a change is made of them.
//!
//! A change is made on a copy, checked as a whole, stored, and only then shown: whatever the verbs and their order, what they leave behind keeps the rules.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use imbl::OrdSet;
use jiff::Timestamp;

use super::account_records::AccountRecords;
use super::change::{Change, Refused};
use super::compiled::{CompiledPermission, PolicyRefused};
use super::config_rows::RowChange;
use super::former_key::FormerKeys;
use super::history::{self, Versioned};
use super::name::{AccountId, Id, Invalid, Name, PermissionName};
use super::permission::Permission;
use super::rows::{Damage, Record, RowKey, account_key, permission_key, root_key, service_account_key, user_key};
use super::sealed::MasterKey;

/// Names that stand for other callers where somebody asks what a caller may do, or for another place in a path, so that no new service account or user gets one.
const RESERVED_NAMES: [&str; 4] = ["root", "anonymous", ".", ".."];

/// The users of a permission that nobody uses.
static NOBODY: LazyLock<OrdSet<Name>> = LazyLock::new(OrdSet::new);

/// The records of a node.
#[derive(Clone, Default)]
pub(super) struct Records {
    pub(super) accounts: BTreeMap<AccountId, Arc<AccountRecords>>,
    /// Rows that couldn't be read, and why.
    pub(super) damaged: BTreeMap<RowKey, Damage>,
    /// Rows whose very key couldn't be read: namespace and key. Nobody can use them; they are reported.
    pub(super) unnamed: Vec<(String, String)>,
    /// Whose keys those were that nobody has any more.
    pub(super) former_keys: FormerKeys,
}

/// A stored row, read.
pub(super) struct Loaded {
    /// What its key names; namespace and key where not even that can be read.
    row: Result<RowKey, (String, String)>,
    /// What its value holds.
    record: Result<Record, Damage>,
}

impl Loaded {
    /// Reads a row.
    pub(super) fn decode(namespace: &str, key: String, value: &[u8], master: &MasterKey) -> Loaded {
        match RowKey::parse(namespace, &key) {
            None => Loaded {
                row: Err((namespace.to_owned(), key)),
                record: Err(Damage("its key can't be read".to_owned())),
            },
            Some(row) => Loaded { record: Record::decode(&row, value, master), row: Ok(row) },
        }
    }

    /// What it holds, where that can be read.
    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_ref().ok()
    }
}

/// What a change touches, where few records are: enough to tell what follows from it without a look at all the others.
#[derive(Default)]
pub(super) struct Touched {
    /// Names of service accounts, before and after; `None` where an account or a root is touched, on which everything depends.
    pub(super) service_accounts: Option<Vec<(AccountId, Name)>>,
    /// Permissions.
    pub(super) permissions: Vec<(AccountId, Id)>,
    /// Accounts whose users are touched.
    pub(super) users_of: Vec<AccountId>,
}

impl Touched {
    /// What `changes` touch of `before`.
    pub(super) fn by(changes: &[Change], before: &Records) -> Touched {
        let mut touched = Touched::default();
        let mut service_accounts = Vec::new();
        for change in changes {
            match change {
                Change::Put(Record::Permission(it)) => {
                    touched.permissions.push((it.account_id.clone(), it.id.clone()));
                }
                Change::Put(Record::ServiceAccount(it)) => {
                    let records = before.account(&it.account_id);
                    let name = records.and_then(|records| records.service_account_names.get(&it.id));
                    service_accounts.extend(name.map(|name| (it.account_id.clone(), name.clone())));
                    service_accounts.push((it.account_id.clone(), it.name.clone()));
                }
                Change::Put(Record::User(it)) => touched.users_of.push(it.account_id.clone()),
                Change::Delete(RowKey::Permission { account, id, .. }) => {
                    touched.permissions.push((account.clone(), id.clone()));
                }
                Change::Delete(RowKey::ServiceAccount { account, name, .. }) => {
                    service_accounts.push((account.clone(), name.clone()));
                }
                Change::Delete(RowKey::User { account, .. }) => touched.users_of.push(account.clone()),
                Change::Put(Record::Account(_) | Record::Root(_))
                | Change::Delete(RowKey::Account { .. } | RowKey::Root { .. }) => return Touched::default(),
            }
        }
        touched.service_accounts = Some(service_accounts);
        touched
    }
}

impl Records {
    /// Takes one stored row in. A row that can't be read becomes damage under its name.
    pub(super) fn load(&mut self, loaded: Loaded) {
        let row = match loaded.row {
            Ok(row) => row,
            Err(unnamed) => return self.unnamed.push(unnamed),
        };
        match loaded.record {
            Ok(record) if self.is_taken(&record) => {
                self.damaged.insert(row, Damage("another row has its place".to_owned()));
            }
            Ok(Record::Permission(permission)) => self.insert_permission(CompiledPermission::stored(permission)),
            Ok(record) => self.insert_other(record),
            Err(damage) => {
                self.damaged.insert(row, damage);
            }
        }
    }

    /// Applies `change`, which `by` makes, and appends the rows that it writes.
    ///
    /// # Errors
    /// The step can't be made; the records are then not to be used further.
    pub(super) fn apply(
        &mut self,
        change: Change,
        master: &MasterKey,
        by: &str,
        rows: &mut Vec<RowChange>,
    ) -> Result<(), Refused> {
        match change {
            Change::Put(mut record) => {
                match &mut record {
                    Record::Permission(it) => {
                        let before = self.permission_by_id(&it.account_id, &it.id).map(|it| &it.permission);
                        it.revision = next_revision(before);
                        it.created_by = author(before, by);
                        rows.extend(history::written(before, it, by));
                    }
                    Record::ServiceAccount(it) => {
                        let records = self.account(&it.account_id);
                        let before = records.and_then(|records| records.service_account_by_id(&it.id));
                        let before = before.map(Arc::as_ref);
                        let is_reserved = RESERVED_NAMES.contains(&it.name.as_str());
                        if is_reserved && before.is_none_or(|before| before.name != it.name) {
                            return Err(Refused::Invalid { record: service_account_key(it), invalid: reserved() });
                        }
                        it.revision = next_revision(before);
                        it.created_by = author(before, by);
                        rows.extend(history::written(before, it, by));
                    }
                    Record::User(it) => {
                        let before = self.account(&it.account_id).and_then(|records| records.users.get(&it.name));
                        let before = before.map(Arc::as_ref);
                        if before.is_none() && RESERVED_NAMES.contains(&it.name.as_str()) {
                            return Err(Refused::Invalid { record: user_key(it), invalid: reserved() });
                        }
                        it.revision = next_revision(before);
                        it.created_by = author(before, by);
                        rows.extend(history::written(before, it, by));
                    }
                    Record::Account(it) => {
                        let is_new = self.account(&it.account_id).is_none();
                        // It stands in paths, and names no caller.
                        if is_new && [".", ".."].contains(&it.name.as_str()) {
                            return Err(Refused::Invalid { record: account_key(it), invalid: reserved() });
                        }
                    }
                    Record::Root(_) => {}
                }
                let key = record.key();
                check_record(&record).map_err(|invalid| Refused::Invalid { record: key.clone(), invalid })?;
                let value = record.encode(master).map_err(|error| Refused::Generator { message: error.to_string() })?;
                let orphan = !matches!(record, Record::Account(_)) && self.account(key.account()).is_none();
                let damaged = |row: &RowKey| matches!(row, RowKey::Account { .. }) && row.account() == key.account();
                if orphan && !self.damaged.keys().any(damaged) {
                    return Err(Refused::NotFound { record: key });
                }
                if let Some(old) = self.predecessor(&record)
                    && old != key
                {
                    self.remove(&old);
                    rows.push(RowChange::delete(&old));
                }
                if self.names_another(&record) {
                    return Err(Refused::NameInUse { record: key });
                }
                self.damaged.remove(&key);
                self.insert(record).map_err(|refused| Refused::Policy { record: key.clone(), refused })?;
                rows.push(RowChange::put(&key, value));
            }
            Change::Delete(key) => self.delete(key, rows)?,
        }
        Ok(())
    }

    /// Notes which access keys have come to be nobody's by a change that writes `rows`, and adds the rows that keep it.
    pub(super) fn note_former_keys(
        &mut self,
        rows: &mut BTreeMap<(String, String), Option<Vec<u8>>>,
        by: &str,
        at: Timestamp,
    ) {
        let remains = |row: &RowKey| {
            self.accounts.get(row.account()).is_some_and(|records| match row {
                RowKey::Root { .. } => records.root.is_some(),
                RowKey::ServiceAccount { name, .. } => records.service_accounts.contains_key(name),
                RowKey::Account { .. } | RowKey::Permission { .. } | RowKey::User { .. } => false,
            })
        };
        self.former_keys.follow(rows, remains, by, at);
    }

    /// Whether `change` takes the place of something: then it may be a revocation.
    pub(super) fn replaces(&self, change: &Change) -> bool {
        match change {
            Change::Put(record) => self.predecessor(record).is_some() || self.is_taken(record),
            Change::Delete(_) => true,
        }
    }

    /// Whether there are secrets and all of them are damaged, as under a wrong master key.
    pub(super) fn no_secret_opens(&self) -> bool {
        let sealed = |row: &RowKey| matches!(row, RowKey::Root { .. } | RowKey::ServiceAccount { .. });
        let opened = self.accounts.values().any(|it| it.root.is_some() || !it.service_accounts.is_empty());
        !opened && self.damaged.keys().any(sealed)
    }

    /// Whether no row was ever read, readable or not.
    pub(super) fn is_pristine(&self) -> bool {
        self.accounts.is_empty() && self.damaged.is_empty() && self.unnamed.is_empty()
    }

    /// Whether all rows could be read.
    pub(super) fn is_intact(&self) -> bool {
        self.damaged.is_empty() && self.unnamed.is_empty()
    }

    /// The records of an account.
    pub(super) fn account(&self, account: &AccountId) -> Option<&Arc<AccountRecords>> {
        self.accounts.get(account)
    }

    /// The permission of an account with this id.
    pub(super) fn permission_by_id(&self, account: &AccountId, id: &Id) -> Option<&Arc<CompiledPermission>> {
        self.accounts.get(account)?.permission_by_id(id)
    }

    /// The operator's account.
    pub(super) fn operator(&self) -> Option<&Arc<AccountRecords>> {
        self.accounts.values().find(|records| records.account.as_ref().is_some_and(|account| account.operator))
    }

    /// The damaged permission with this id, which its key still tells.
    pub(super) fn damaged_permission(&self, account: &AccountId, wanted: &Id) -> Option<&PermissionName> {
        self.damaged.keys().find_map(|row| match row {
            RowKey::Permission { account: owner, name, id } if owner == account && id == wanted => Some(name),
            _ => None,
        })
    }

    fn delete(&mut self, key: RowKey, rows: &mut Vec<RowChange>) -> Result<(), Refused> {
        let account = key.account().clone();
        if let RowKey::Account { .. } = key {
            let records = self.accounts.get(&account);
            let operator = records.and_then(|it| it.account.as_ref()).is_some_and(|it| it.operator);
            // Where no operator can be read, the account to delete may be the operator's.
            if operator || self.operator().is_none() {
                return Err(Refused::Operator);
            }
            let of_account: Vec<RowKey> = records.into_iter().flat_map(|it| it.keys()).collect();
            let damaged: Vec<RowKey> = self.damaged.keys().filter(|row| *row.account() == account).cloned().collect();
            if !of_account.contains(&key) && !damaged.contains(&key) {
                return Err(Refused::NotFound { record: key });
            }
            let permissions = records.into_iter().flat_map(|it| it.permissions.values());
            rows.extend(permissions.flat_map(|it| history::removed(&it.permission)));
            let service_accounts = records.into_iter().flat_map(|it| it.service_accounts.values());
            rows.extend(service_accounts.flat_map(|it| history::removed(it.as_ref())));
            let users = records.into_iter().flat_map(|it| it.users.values());
            rows.extend(users.flat_map(|it| history::removed(it.as_ref())));
            rows.extend(of_account.iter().chain(&damaged).map(RowChange::delete));
            self.accounts.remove(&account);
            self.damaged.retain(|row, _| *row.account() != account);
            return Ok(());
        }
        if let RowKey::Permission { account, name, id } = &key {
            let service_accounts: Vec<Name> = self.users_of(account, id).cloned().collect();
            if !service_accounts.is_empty() {
                return Err(Refused::PermissionInUse { permission: name.clone(), service_accounts });
            }
            rows.extend(self.permission_by_id(account, id).into_iter().flat_map(|it| history::removed(&it.permission)));
        }
        if let RowKey::ServiceAccount { name, .. } = &key {
            let found = self.account(&account).and_then(|records| records.service_accounts.get(name));
            rows.extend(found.into_iter().flat_map(|it| history::removed(it.as_ref())));
        }
        if let RowKey::User { name, .. } = &key {
            let found = self.account(&account).and_then(|records| records.users.get(name));
            rows.extend(found.into_iter().flat_map(|it| history::removed(it.as_ref())));
        }
        if !self.remove(&key) && self.damaged.remove(&key).is_none() {
            return Err(Refused::NotFound { record: key });
        }
        rows.push(RowChange::delete(&key));
        Ok(())
    }

    /// The service accounts that use the permission, by name.
    pub(super) fn users_of<'a>(
        &'a self,
        account: &AccountId,
        permission: &Id,
    ) -> impl ExactSizeIterator<Item = &'a Name> + use<'a> {
        let none = || NOBODY.iter();
        self.accounts.get(account).and_then(|it| it.users_of(permission)).map_or_else(none, OrdSet::iter)
    }

    /// Removes a readable record; whether there was one.
    fn remove(&mut self, key: &RowKey) -> bool {
        let Some(records) = self.accounts.get_mut(key.account()) else { return false };
        let records = Arc::make_mut(records);
        match key {
            RowKey::Account { .. } => false,
            RowKey::Root { access_key, .. } => records.root.take_if(|root| root.access_key == *access_key).is_some(),
            RowKey::Permission { name, .. } => {
                let removed = records.permissions.remove(name);
                removed.is_some_and(|it| records.permission_names.remove(&it.permission.id).is_some())
            }
            RowKey::ServiceAccount { name, .. } => records.remove_service_account(name),
            RowKey::User { name, .. } => records.users.remove(name).is_some(),
        }
    }

    /// The row of the record that `record` replaces.
    fn predecessor(&self, record: &Record) -> Option<RowKey> {
        let records = self.accounts.get(record.key().account())?;
        match record {
            Record::Account(_) => records.account.as_deref().map(account_key),
            Record::Root(_) => records.root.as_ref().map(root_key),
            Record::Permission(new) => records.permission_by_id(&new.id).map(|it| permission_key(&it.permission)),
            Record::ServiceAccount(new) => {
                let name = records.service_account_names.get(&new.id)?;
                records.service_accounts.get(name).map(|it| service_account_key(it))
            }
            Record::User(_) => None,
        }
    }

    /// Whether another record than `record`'s predecessor has its name.
    fn names_another(&self, record: &Record) -> bool {
        let Some(records) = self.accounts.get(record.key().account()) else { return false };
        match record {
            Record::Permission(new) => records.permissions.get(&new.name).is_some_and(|it| it.permission.id != new.id),
            Record::ServiceAccount(new) => records.service_accounts.get(&new.name).is_some_and(|it| it.id != new.id),
            Record::Account(_) | Record::Root(_) | Record::User(_) => false,
        }
    }

    /// Whether a readable record has the name of a damaged row.
    pub(super) fn has_namesake(&self, row: &RowKey) -> bool {
        let records = self.accounts.get(row.account());
        match row {
            RowKey::Account { account, name } => self
                .accounts
                .values()
                .filter_map(|it| it.account.as_ref())
                .any(|it| it.name == *name || it.account_id == *account),
            RowKey::Root { .. } => records.is_some_and(|it| it.root.is_some()),
            RowKey::Permission { name, .. } => records.is_some_and(|it| it.permissions.contains_key(name)),
            RowKey::ServiceAccount { name, .. } => records.is_some_and(|it| it.service_accounts.contains_key(name)),
            RowKey::User { name, .. } => records.is_some_and(|it| it.users.contains_key(name)),
        }
    }

    /// Whether a record with the place of this one was loaded already. One row of the two must be wrong, and which can't be told.
    fn is_taken(&self, record: &Record) -> bool {
        let Some(records) = self.accounts.get(record.key().account()) else { return false };
        match record {
            Record::Account(_) => records.account.is_some(),
            Record::Root(_) => records.root.is_some(),
            Record::Permission(it) => records.permissions.contains_key(&it.name),
            Record::ServiceAccount(it) => records.service_accounts.contains_key(&it.name),
            Record::User(it) => records.users.contains_key(&it.name),
        }
    }

    /// Inserts a record; a permission's policy is compiled on the way.
    fn insert(&mut self, record: Record) -> Result<(), PolicyRefused> {
        match record {
            Record::Permission(permission) => self.insert_permission(CompiledPermission::new(permission)?),
            record => self.insert_other(record),
        }
        Ok(())
    }

    fn insert_permission(&mut self, compiled: CompiledPermission) {
        let Permission { account_id, id, name, .. } = &compiled.permission;
        let records = Arc::make_mut(self.accounts.entry(account_id.clone()).or_default());
        records.permission_names.insert(id.clone(), name.clone());
        records.permissions.insert(name.clone(), Arc::new(compiled));
    }

    fn insert_other(&mut self, record: Record) {
        let account = record.key().account().clone();
        let records = Arc::make_mut(self.accounts.entry(account).or_default());
        match record {
            Record::Account(it) => records.account = Some(Arc::new(it)),
            Record::Root(it) => records.root = Some(it),
            Record::ServiceAccount(it) => records.insert_service_account(it),
            Record::User(it) => {
                records.users.insert(it.name.clone(), Arc::new(it));
            }
            Record::Permission(_) => {}
        }
    }
}

/// The number of the version that follows `before`.
fn next_revision<T: Versioned>(before: Option<&T>) -> u32 {
    before.map_or(1, |before| before.revision().saturating_add(1))
}

/// Who made what was `before`, or makes it now.
fn author<T: Versioned>(before: Option<&T>, by: &str) -> Option<String> {
    before.map_or_else(|| Some(by.to_owned()), |before| before.created_by().map(str::to_owned))
}

fn reserved() -> Invalid {
    Invalid::new("name", "is reserved: root and anonymous are others, and . and .. no names in a path")
}

fn check_record(record: &Record) -> Result<(), Invalid> {
    match record {
        Record::Account(it) => it.check(),
        Record::Permission(it) => it.check(),
        Record::ServiceAccount(it) => it.check(),
        Record::Root(_) | Record::User(_) => Ok(()),
    }
}
