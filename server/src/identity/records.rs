//! All records of a node in memory, and the rules between them.
//!
//! A change is made on a copy, checked as a whole, stored, and only then shown: whatever the verbs and their order, what they leave behind keeps the rules.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::account::{Account, RootKey};
use super::compiled::{CompiledPermission, PolicyRefused};
use super::name::{AccessKey, AccountId, Id, Invalid, Name, PermissionName};
use super::rows::{Damage, Record, RowKey, account_key, permission_key, root_key, service_account_key, user_key};
use super::sealed::MasterKey;
use super::service_account::ServiceAccount;
use super::store::RowChange;
use super::user::User;

/// How many accounts a node may have.
pub const ACCOUNTS_MAX: usize = 10_000;
/// How many permissions an account may have.
pub const PERMISSIONS_PER_ACCOUNT_MAX: usize = 50_000;
/// How many service accounts an account may have.
pub const SERVICE_ACCOUNTS_PER_ACCOUNT_MAX: usize = 50_000;
/// How many users an account may have.
pub const USERS_PER_ACCOUNT_MAX: usize = 10_000;

/// One step of a change. The steps of a change are made durable and shown together.
#[derive(Clone, Debug)]
pub enum Change {
    /// Creates the record, or replaces the one with its id (a user: with its name; a root key: with its account).
    Put(Record),
    /// Removes the record; an account goes with all that it has.
    Delete(RowKey),
}

/// Why a change can't be made. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A field breaks its rule.
    Invalid {
        /// Whose field.
        record: RowKey,
        /// Which field and what is wrong.
        invalid: Invalid,
    },
    /// A permission's policy was refused.
    Policy {
        /// The permission.
        record: RowKey,
        /// The policy crate's error.
        refused: PolicyRefused,
    },
    /// Another record has the name.
    NameInUse {
        /// The record that wanted it.
        record: RowKey,
    },
    /// Another record has the access key: two identities with one key would be one.
    AccessKeyInUse {
        /// The key.
        access_key: AccessKey,
        /// One of its holders.
        first: RowKey,
        /// The other one.
        second: RowKey,
    },
    /// Two accounts have the same name, canonical id or e-mail address, each of which stands for one account in sign-ins and ACLs.
    AccountFieldInUse {
        /// `name`, `canonicalId` or `email`.
        field: &'static str,
        /// One of the accounts.
        first: RowKey,
        /// The other one.
        second: RowKey,
    },
    /// The permission is used and can't be deleted.
    PermissionInUse {
        /// The permission's name.
        permission: PermissionName,
        /// The names of the service accounts that use it, in order.
        service_accounts: Vec<Name>,
    },
    /// The operator's account can't be deleted, nor a second one be made.
    Operator,
    /// The record to delete, or the account to put it in, doesn't exist.
    NotFound {
        /// Its name.
        record: RowKey,
    },
    /// The operating system's random generator failed, so that a secret couldn't be sealed.
    Generator {
        /// Its error.
        message: String,
    },
    /// There are too many of a kind.
    TooMany {
        /// Of what, in words.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Invalid { record, invalid } => write!(f, "{record}: {invalid}"),
            Refused::Policy { record, refused } => write!(f, "{record}: {refused}"),
            Refused::NameInUse { record } => write!(f, "{record}: the name is already in use"),
            Refused::AccessKeyInUse { access_key, first, second } => {
                write!(
                    f,
                    "access key {access_key} belongs to {first} and can't also belong to {second}: access keys are unique across all accounts"
                )
            }
            Refused::AccountFieldInUse { field, first, second } => {
                write!(f, "{first} and {second} have the same {field}, which must be unique")
            }
            Refused::PermissionInUse { permission, service_accounts } => {
                let names: Vec<String> = service_accounts.iter().map(|name| format!("\"{name}\"")).collect();
                write!(
                    f,
                    "permission \"{permission}\" is used by service account {} and can't be deleted",
                    names.join(", ")
                )
            }
            Refused::Operator => f.write_str("a node has exactly one operator's account, which can't be deleted"),
            Refused::NotFound { record } => write!(f, "{record} doesn't exist"),
            Refused::Generator { message } => f.write_str(message),
            Refused::TooMany { what, limit } => write!(f, "there can't be more than {limit} {what}"),
        }
    }
}

impl std::error::Error for Refused {}

/// The records of one account. Shared between snapshots, copied when one of them changes.
#[derive(Clone, Default)]
pub(super) struct AccountRecords {
    /// Absent when its row is damaged; the identities of the account are then refused.
    pub(super) account: Option<Arc<Account>>,
    pub(super) root: Option<RootKey>,
    pub(super) permissions: BTreeMap<PermissionName, Arc<CompiledPermission>>,
    pub(super) service_accounts: BTreeMap<Name, Arc<ServiceAccount>>,
    pub(super) users: BTreeMap<Name, Arc<User>>,
}

/// The records of a node.
#[derive(Clone, Default)]
pub(super) struct Records {
    pub(super) accounts: BTreeMap<AccountId, Arc<AccountRecords>>,
    /// Rows that couldn't be read, and why.
    pub(super) damaged: BTreeMap<RowKey, Damage>,
    /// Rows whose very key couldn't be read: namespace and key. Nobody can use them; they are reported.
    pub(super) unnamed: Vec<(String, String)>,
}

impl Records {
    /// Takes one stored row in. A row that can't be read becomes damage under its name.
    pub(super) fn load(&mut self, namespace: &str, key: String, value: &[u8], master: &MasterKey) {
        let Some(row) = RowKey::parse(namespace, &key) else {
            self.unnamed.push((namespace.to_owned(), key));
            return;
        };
        let loaded = Record::decode(&row, value, master).and_then(|record| {
            if self.is_taken(&record) {
                return Err(Damage("another row has its place".to_owned()));
            }
            self.insert(record).map_err(|refused| Damage(format!("its policy is refused: {refused}")))
        });
        if let Err(damage) = loaded {
            self.damaged.insert(row, damage);
        }
    }

    /// Applies `change` and appends the rows that it writes.
    ///
    /// # Errors
    /// The step can't be made; the records are then not to be used further.
    pub(super) fn apply(
        &mut self,
        change: Change,
        master: &MasterKey,
        rows: &mut Vec<RowChange>,
    ) -> Result<(), Refused> {
        match change {
            Change::Put(record) => {
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

    /// Every rule between records that is broken. `override_key` is the access key of the root credential that the operator gave at start.
    ///
    /// All of them, not the first: a store that damage has brought out of order must still take a change that breaks nothing more, since it may be the revocation of a key.
    pub(super) fn violations(&self, override_key: Option<&AccessKey>) -> Vec<Refused> {
        let mut broken = Vec::new();
        self.check_accounts(&mut broken);
        self.check_access_keys(override_key, &mut broken);
        self.check_references(&mut broken);
        too_many("accounts", self.accounts.len(), ACCOUNTS_MAX, &mut broken);
        for it in self.accounts.values() {
            too_many("permissions in one account", it.permissions.len(), PERMISSIONS_PER_ACCOUNT_MAX, &mut broken);
            let count = it.service_accounts.len();
            too_many("service accounts in one account", count, SERVICE_ACCOUNTS_PER_ACCOUNT_MAX, &mut broken);
            too_many("users in one account", it.users.len(), USERS_PER_ACCOUNT_MAX, &mut broken);
        }
        let namesakes = self.damaged.keys().filter(|row| self.has_namesake(row));
        broken.extend(namesakes.map(|row| Refused::NameInUse { record: row.clone() }));
        broken
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

    /// The records of an account.
    pub(super) fn account(&self, account: &AccountId) -> Option<&Arc<AccountRecords>> {
        self.accounts.get(account)
    }

    /// The operator's account.
    pub(super) fn operator(&self) -> Option<&Arc<AccountRecords>> {
        self.accounts.values().find(|records| records.account.as_ref().is_some_and(|account| account.operator))
    }

    fn check_accounts(&self, broken: &mut Vec<Refused>) {
        let mut fields: HashMap<(&'static str, &str), RowKey> = HashMap::new();
        let mut operators = 0;
        for account in self.accounts.values().filter_map(|records| records.account.as_ref()) {
            let key = account_key(account);
            operators += usize::from(account.operator);
            let named = [
                ("name", Some(account.name.as_str())),
                ("canonicalId", Some(account.canonical_id.as_str())),
                ("email", account.email.as_deref()),
            ];
            for (field, value) in named {
                let Some(value) = value else { continue };
                if let Some(first) = fields.insert((field, value), key.clone()) {
                    broken.push(Refused::AccountFieldInUse { field, first, second: key.clone() });
                }
            }
        }
        // With a damaged account row the operator may be the one that can't be read: then there is none for now.
        let damaged = self.damaged.keys().any(|row| matches!(row, RowKey::Account { .. }));
        if operators > 1 || (operators == 0 && !self.accounts.is_empty() && !damaged) {
            broken.push(Refused::Operator);
        }
    }

    fn check_access_keys(&self, override_key: Option<&AccessKey>, broken: &mut Vec<Refused>) {
        let mut holders: HashMap<&AccessKey, RowKey> = HashMap::new();
        let mut take = |access_key, holder: RowKey| {
            if let Some(first) = holders.insert(access_key, holder.clone())
                && first != holder
            {
                broken.push(Refused::AccessKeyInUse { access_key: access_key.clone(), first, second: holder });
            }
        };
        // The given root key stands for the same identity as the stored one, so these two may be equal.
        let operator = self.operator().and_then(|records| records.account.as_ref());
        if let Some((access_key, operator)) = override_key.zip(operator) {
            take(access_key, RowKey::Root { account: operator.account_id.clone(), access_key: access_key.clone() });
        }
        for records in self.accounts.values() {
            if let Some(root) = &records.root {
                take(&root.access_key, root_key(root));
            }
            for it in records.service_accounts.values() {
                take(&it.access_key, service_account_key(it));
            }
        }
        for row in self.damaged.keys() {
            if let RowKey::Root { access_key, .. } | RowKey::ServiceAccount { access_key, .. } = row {
                take(access_key, row.clone());
            }
        }
    }

    fn check_references(&self, broken: &mut Vec<Refused>) {
        for (account, records) in &self.accounts {
            let known: HashSet<&Id> = records.permissions.values().map(|it| &it.permission.id).collect();
            for it in records.service_accounts.values() {
                for id in it.permissions.iter().filter(|id| !known.contains(id)) {
                    if self.damaged_permission(account, id).is_none() {
                        let invalid =
                            Invalid::new("permissions", format!("names the id {id}, which no permission has"));
                        broken.push(Refused::Invalid { record: service_account_key(it), invalid });
                    }
                }
            }
        }
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
            rows.extend(of_account.iter().chain(&damaged).map(RowChange::delete));
            self.accounts.remove(&account);
            self.damaged.retain(|row, _| *row.account() != account);
            return Ok(());
        }
        if let RowKey::Permission { account, name, id } = &key {
            let service_accounts = self.users_of(account, id);
            if !service_accounts.is_empty() {
                return Err(Refused::PermissionInUse { permission: name.clone(), service_accounts });
            }
        }
        if !self.remove(&key) && self.damaged.remove(&key).is_none() {
            return Err(Refused::NotFound { record: key });
        }
        rows.push(RowChange::delete(&key));
        Ok(())
    }

    /// The service accounts that use the permission, by name.
    pub(super) fn users_of(&self, account: &AccountId, permission: &Id) -> Vec<Name> {
        let records = self.accounts.get(account);
        let service_accounts = records.into_iter().flat_map(|it| it.service_accounts.values());
        service_accounts.filter(|it| it.permissions.contains(permission)).map(|it| it.name.clone()).collect()
    }

    /// Removes a readable record; whether there was one.
    fn remove(&mut self, key: &RowKey) -> bool {
        let Some(records) = self.accounts.get_mut(key.account()) else { return false };
        let records = Arc::make_mut(records);
        match key {
            RowKey::Account { .. } => false,
            RowKey::Root { access_key, .. } => records.root.take_if(|root| root.access_key == *access_key).is_some(),
            RowKey::Permission { name, .. } => records.permissions.remove(name).is_some(),
            RowKey::ServiceAccount { name, .. } => records.service_accounts.remove(name).is_some(),
            RowKey::User { name, .. } => records.users.remove(name).is_some(),
        }
    }

    /// The row of the record that `record` replaces.
    fn predecessor(&self, record: &Record) -> Option<RowKey> {
        let records = self.accounts.get(record.key().account())?;
        match record {
            Record::Account(_) => records.account.as_deref().map(account_key),
            Record::Root(_) => records.root.as_ref().map(root_key),
            Record::Permission(new) => {
                // Most often the name is the same; only a renamed one is searched for.
                let same = records.permissions.get(&new.name).filter(|it| it.permission.id == new.id);
                let old = same.or_else(|| records.permissions.values().find(|it| it.permission.id == new.id));
                old.map(|it| permission_key(&it.permission))
            }
            Record::ServiceAccount(new) => {
                let same = records.service_accounts.get(&new.name).filter(|it| it.id == new.id);
                let old = same.or_else(|| records.service_accounts.values().find(|it| it.id == new.id));
                old.map(|it| service_account_key(it))
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
    fn has_namesake(&self, row: &RowKey) -> bool {
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
        let account = record.key().account().clone();
        if let Record::Permission(permission) = record {
            let compiled = Arc::new(CompiledPermission::new(permission)?);
            let records = Arc::make_mut(self.accounts.entry(account).or_default());
            records.permissions.insert(compiled.permission.name.clone(), compiled);
            return Ok(());
        }
        let records = Arc::make_mut(self.accounts.entry(account).or_default());
        match record {
            Record::Account(it) => records.account = Some(Arc::new(it)),
            Record::Root(it) => records.root = Some(it),
            Record::ServiceAccount(it) => {
                records.service_accounts.insert(it.name.clone(), Arc::new(it));
            }
            Record::User(it) => {
                records.users.insert(it.name.clone(), Arc::new(it));
            }
            Record::Permission(_) => {}
        }
        Ok(())
    }
}

impl AccountRecords {
    /// The rows of all records.
    fn keys(&self) -> Vec<RowKey> {
        let account = self.account.iter().map(|it| account_key(it));
        let root = self.root.iter().map(root_key);
        let permissions = self.permissions.values().map(|it| permission_key(&it.permission));
        let service_accounts = self.service_accounts.values().map(|it| service_account_key(it));
        let users = self.users.values().map(|it| user_key(it));
        account.chain(root).chain(permissions).chain(service_accounts).chain(users).collect()
    }
}

fn check_record(record: &Record) -> Result<(), Invalid> {
    match record {
        Record::Account(it) => it.check(),
        Record::Permission(it) => it.check(),
        Record::ServiceAccount(it) => it.check(),
        Record::Root(_) | Record::User(_) => Ok(()),
    }
}

fn too_many(what: &'static str, count: usize, limit: usize, broken: &mut Vec<Refused>) {
    if count > limit {
        broken.push(Refused::TooMany { what, limit });
    }
}
