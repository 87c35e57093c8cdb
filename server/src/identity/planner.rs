//! Compares what is declared with what is there, noun by noun.
//!
//! Each noun is planned in the same shape: find the existing record, leave it when bootstrapping, build the declared one, and settle what differs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::account::{Account, RootKey};
use super::change::Change;
use super::decode::Place;
use super::difference::Fields;
use super::name::{AccountId, Id, PermissionName};
use super::permission::Permission;
use super::plan::{Mode, PlanLine};
use super::random;
use super::rows::{Record, RowKey, account_key, permission_key, service_account_key, user_key};
use super::service_account::ServiceAccount;
use super::snapshot::Snapshot;
use super::state::{
    DeclaredAccount, DeclaredBucket, DeclaredPermission, DeclaredRoot, DeclaredServiceAccount, DeclaredUser, State,
    StateError,
};
use super::timestamp::whole_seconds;
use super::user::{PasswordHash, User};

/// Collects what a declared state asks for.
pub(super) struct Planner<'a> {
    base: &'a Snapshot,
    mode: Mode,
    now: Timestamp,
    pub(super) lines: Vec<PlanLine>,
    pub(super) notes: Vec<String>,
    pub(super) buckets: Vec<(AccountId, DeclaredBucket)>,
    pub(super) replaced_roots: Vec<AccountId>,
    pub(super) named_buckets: Vec<(AccountId, PermissionName, String)>,
    pub(super) deleted_accounts: Vec<AccountId>,
    pub(super) first: Vec<Change>,
    pub(super) puts: Vec<Change>,
    pub(super) last: Vec<Change>,
    /// Accounts that the state declares, by the ids that they have or get.
    declared: BTreeSet<AccountId>,
}

/// A declared account that is being planned: its id and its permissions by name, damaged ones included.
struct Current {
    id: AccountId,
    suffix: String,
    place: Place,
    permission_ids: HashMap<PermissionName, Id>,
}

impl<'a> Planner<'a> {
    /// Begins a plan on what is there.
    pub(super) fn new(base: &'a Snapshot, mode: Mode, now: Timestamp) -> Planner<'a> {
        Planner {
            base,
            mode,
            now,
            lines: Vec::new(),
            notes: Vec::new(),
            buckets: Vec::new(),
            replaced_roots: Vec::new(),
            named_buckets: Vec::new(),
            deleted_accounts: Vec::new(),
            first: Vec::new(),
            puts: Vec::new(),
            last: Vec::new(),
            declared: BTreeSet::new(),
        }
    }

    /// Plans an account with all that is declared in it. `is_first` is whether it is the first of its file.
    pub(super) fn account(
        &mut self,
        place: Place,
        declared: &DeclaredAccount,
        is_first: bool,
    ) -> Result<(), StateError> {
        let Some(mut current) = self.account_itself(place, declared, is_first)? else { return Ok(()) };
        self.declared.insert(current.id.clone());
        if let Some(root) = &declared.root {
            self.root(&current, root)?;
        }
        for permission in &declared.permissions {
            self.permission(&mut current, permission)?;
        }
        for service_account in &declared.service_accounts {
            self.service_account(&current, service_account)?;
        }
        for user in &declared.users {
            self.user(&current, user)?;
        }
        self.buckets.extend(declared.buckets.iter().map(|bucket| (current.id.clone(), bucket.clone())));
        Ok(())
    }

    /// Plans the account's own record; `None` when the account is to be left alone.
    fn account_itself(
        &mut self,
        place: Place,
        declared: &DeclaredAccount,
        is_first: bool,
    ) -> Result<Option<Current>, StateError> {
        let base = self.base;
        let by_id = declared.account_id.as_ref().and_then(|id| base.account(id.as_str()));
        let existing = by_id.or_else(|| base.account_by_name(declared.name.as_str())).map(Arc::as_ref);
        if let (Some(existing), Some(id)) = (existing, &declared.account_id)
            && existing.account_id != *id
        {
            let message = format!("differs from {}, which the account has: it can't be changed", existing.account_id);
            return Err(place.field_error("accountId", message));
        }
        if let (Some(existing), Some(canonical_id)) = (existing, &declared.canonical_id)
            && existing.canonical_id != *canonical_id
            && self.mode != Mode::Bootstrap
        {
            return Err(place.field_error("canonicalId", "differs from the account's: it can't be changed"));
        }
        let damaged = base.records.damaged.keys().find_map(|row| match row {
            RowKey::Account { account, name } if existing.is_none() => {
                (*name == declared.name || declared.account_id.as_ref() == Some(account)).then_some(account)
            }
            _ => None,
        });
        if damaged.is_some() && self.mode == Mode::Bootstrap {
            self.note(format!("account \"{}\" can't be read and is left as it is", declared.name));
            return Ok(None);
        }
        if damaged.is_some() && declared.canonical_id.is_none() {
            let message = "is missing: the row of this account is damaged and can only be replaced with it";
            return Err(place.field_error("canonicalId", message));
        }
        let id = match (existing, &declared.account_id, damaged) {
            (Some(existing), ..) => existing.account_id.clone(),
            (None, Some(id), _) => id.clone(),
            (None, None, Some(damaged)) => damaged.clone(),
            (None, None, None) => generated(&place, random::account_id())?,
        };
        let no_account_row = !base.records.damaged.keys().any(|row| matches!(row, RowKey::Account { .. }));
        let canonical_id = match (existing, &declared.canonical_id) {
            (Some(existing), _) => existing.canonical_id.clone(),
            (None, Some(canonical_id)) => canonical_id.clone(),
            (None, None) => generated(&place, random::canonical_id())?,
        };
        let account = Account {
            account_id: id.clone(),
            canonical_id,
            name: declared.name.clone(),
            display_name: declared.display_name.clone().unwrap_or_else(|| match existing {
                Some(existing) => existing.display_name.clone(),
                None => declared.name.to_string(),
            }),
            email: declared.email.clone().unwrap_or_else(|| existing.and_then(|it| it.email.clone())),
            operator: existing
                .map_or(is_first && base.operator().is_none() && (no_account_row || damaged.is_some()), |it| {
                    it.operator
                }),
            created_at: existing.map_or(self.now, |it| it.created_at),
        };
        let operator = account.operator;
        let words = format!("account \"{}\"", existing.map_or(&account.name, |it| &it.name));
        if existing.is_none() || self.mode != Mode::Bootstrap {
            self.settle(&words, existing.map(|it| Fields::of_accounts(it, &account)), Record::Account(account));
        }
        let suffix = if operator { String::new() } else { format!(" (account \"{}\")", declared.name) };
        let ids = base.permissions(id.as_str()).map(|it| (it.permission.name.clone(), it.permission.id.clone()));
        let damaged_ids = base.records.damaged.keys().filter_map(|row| match row {
            RowKey::Permission { account, name, id: permission } if *account == id => {
                Some((name.clone(), permission.clone()))
            }
            _ => None,
        });
        let permission_ids = damaged_ids.chain(ids).collect();
        Ok(Some(Current { id, suffix, place, permission_ids }))
    }

    fn root(&mut self, current: &Current, declared: &DeclaredRoot) -> Result<(), StateError> {
        let existing = self.base.root(current.id.as_str());
        let same = existing.is_some_and(|root| {
            let same_secret = declared.secret.as_ref().is_none_or(|secret| secret.matches(&root.secret));
            root.access_key == declared.access_key && same_secret
        });
        let words = format!("root key{}", current.suffix);
        if same || (existing.is_some() && self.mode == Mode::Bootstrap) {
            return Ok(());
        }
        let damaged = self.damaged(|row| matches!(row, RowKey::Root { account, .. } if *account == current.id));
        if self.leaves(&words, damaged.is_some()) {
            return Ok(());
        }
        self.first.extend(damaged.map(Change::Delete));
        let secret = declared.secret.clone().ok_or_else(|| {
            current.place.within("root").field_error("secretKey", "is missing: a new root key needs its secret")
        })?;
        self.line(if existing.is_some() { '~' } else { '+' }, words);
        self.replaced_roots.extend(existing.map(|_| current.id.clone()));
        self.put(Record::Root(RootKey {
            account_id: current.id.clone(),
            access_key: declared.access_key.clone(),
            secret,
        }));
        Ok(())
    }

    fn permission(&mut self, current: &mut Current, declared: &DeclaredPermission) -> Result<(), StateError> {
        let existing = self.base.permission(current.id.as_str(), declared.name.as_str()).map(|it| &it.permission);
        let words = format!("permission \"{}\"{}", declared.name, current.suffix);
        if existing.is_some() && self.mode == Mode::Bootstrap {
            return Ok(());
        }
        let damaged = self.damaged(|row| {
            matches!(row, RowKey::Permission { account, name, .. } if *account == current.id && *name == declared.name)
        });
        if self.leaves(&words, damaged.is_some()) {
            return Ok(());
        }
        // A damaged row's key still tells the id, so what refers to it stays right.
        let id = match (existing, current.permission_ids.get(&declared.name)) {
            (Some(existing), _) => existing.id.clone(),
            (None, Some(id)) => id.clone(),
            (None, None) => generated(&current.place, random::permission_id())?,
        };
        current.permission_ids.insert(declared.name.clone(), id.clone());
        let before = existing.map(|it| it.definition.buckets()).unwrap_or_default();
        let named = declared.definition.buckets().iter().filter(|name| !before.contains(name));
        self.named_buckets.extend(named.map(|name| (current.id.clone(), declared.name.clone(), name.clone())));
        let permission = Permission {
            id,
            account_id: current.id.clone(),
            name: declared.name.clone(),
            description: declared.description.clone().unwrap_or_else(|| existing.and_then(|it| it.description.clone())),
            definition: declared.definition.clone(),
            enabled: declared.enabled.unwrap_or(existing.is_none_or(|it| it.enabled)),
            created_by: existing.and_then(|it| it.created_by.clone()),
            revision: existing.map_or(1, |it| it.revision),
            created_at: existing.map_or(self.now, |it| it.created_at),
            updated_at: self.now,
        };
        self.settle(&words, existing.map(|it| Fields::of_permissions(it, &permission)), Record::Permission(permission));
        Ok(())
    }

    fn service_account(&mut self, current: &Current, declared: &DeclaredServiceAccount) -> Result<(), StateError> {
        let existing = self.base.service_account(current.id.as_str(), declared.name.as_str()).map(Arc::as_ref);
        let words = format!("service account \"{}\"{}", declared.name, current.suffix);
        let place = current.place.within(&format!("service account {:?}", declared.name.as_str()));
        if existing.is_some() && self.mode == Mode::Bootstrap {
            return Ok(());
        }
        let damaged = self.damaged(|row| {
            matches!(row, RowKey::ServiceAccount { account, name, .. } if *account == current.id && *name == declared.name)
        });
        if self.leaves(&words, damaged.is_some()) {
            return Ok(());
        }
        self.first.extend(damaged.map(Change::Delete));
        let access_key = declared.access_key.clone().or_else(|| existing.map(|it| it.access_key.clone()));
        let access_key = access_key
            .ok_or_else(|| place.field_error("accessKey", "is missing: a new service account needs its access key"))?;
        // A stored secret belongs to its access key; a new key comes with its own.
        let stored = existing.filter(|it| it.access_key == access_key).map(|it| it.secret.clone());
        let secret = declared
            .secret
            .clone()
            .or(stored)
            .ok_or_else(|| place.field_error("secretKey", "is missing: a new access key needs its secret"))?;
        let permissions = permission_ids(&place, current, &declared.permissions)?;
        let service_account = ServiceAccount {
            id: existing.map_or_else(|| generated(&place, random::user_id()), |it| Ok(it.id.clone()))?,
            account_id: current.id.clone(),
            name: declared.name.clone(),
            access_key,
            secret,
            description: declared.description.clone().unwrap_or_else(|| existing.and_then(|it| it.description.clone())),
            permissions,
            enabled: declared.enabled.unwrap_or(existing.is_none_or(|it| it.enabled)),
            expires_at: declared
                .expires_at
                .map_or_else(|| existing.and_then(|it| it.expires_at), |at| at.map(whole_seconds)),
            created_by: existing.and_then(|it| it.created_by.clone()),
            revision: existing.map_or(1, |it| it.revision),
            created_at: existing.map_or(self.now, |it| it.created_at),
            updated_at: self.now,
        };
        let fields = existing.map(|it| Fields::of_service_accounts(it, &service_account));
        self.settle(&words, fields, Record::ServiceAccount(service_account));
        Ok(())
    }

    fn user(&mut self, current: &Current, declared: &DeclaredUser) -> Result<(), StateError> {
        let existing = self.base.user(current.id.as_str(), declared.name.as_str()).map(Arc::as_ref);
        let words = format!("user \"{}\"{}", declared.name, current.suffix);
        let place = current.place.within(&format!("user {:?}", declared.name.as_str()));
        if existing.is_some() && self.mode == Mode::Bootstrap {
            return Ok(());
        }
        let damaged = self.damaged(
            |row| matches!(row, RowKey::User { account, name } if *account == current.id && *name == declared.name),
        );
        if self.leaves(&words, damaged.is_some()) {
            return Ok(());
        }
        // Hashes of one password differ by their salts, so equality is asked of the password.
        let kept = existing.filter(|it| declared.password.as_ref().is_none_or(|given| it.password.verify(given)));
        let password = match (kept, &declared.password) {
            (Some(kept), _) => kept.password.clone(),
            (None, Some(given)) => generated(&place, PasswordHash::new(given))?,
            (None, None) => return Err(place.field_error("password", "is missing: a new user needs one")),
        };
        let user = User {
            account_id: current.id.clone(),
            name: declared.name.clone(),
            role: declared.role,
            password,
            enabled: declared.enabled.unwrap_or(existing.is_none_or(|it| it.enabled)),
            created_by: existing.and_then(|it| it.created_by.clone()),
            revision: existing.map_or(1, |it| it.revision),
            created_at: existing.map_or(self.now, |it| it.created_at),
            updated_at: self.now,
        };
        self.settle(&words, existing.map(|it| Fields::of_users(it, &user)), Record::User(user));
        Ok(())
    }

    /// Plans the deletion of what isn't declared.
    pub(super) fn prune(&mut self, state: &State) {
        let base = self.base;
        for account in base.accounts() {
            if self.declared.contains(&account.account_id) {
                let declared = state
                    .accounts
                    .iter()
                    .find(|it| it.account_id.as_ref() == Some(&account.account_id) || it.name == account.name);
                if let Some(declared) = declared {
                    self.prune_account(account, declared);
                }
            } else if account.operator {
                self.note(format!(
                    "account \"{}\" isn't declared, but is the operator's: it is kept with all it has",
                    account.name
                ));
            } else {
                self.line('-', format!("account \"{}\" with all it has", account.name));
                self.deleted_accounts.push(account.account_id.clone());
                self.last.push(Change::Delete(account_key(account)));
            }
        }
    }

    fn prune_account(&mut self, account: &Account, declared: &DeclaredAccount) {
        let base = self.base;
        let managed = declared.managed;
        let id = account.account_id.as_str();
        let suffix = if account.operator { String::new() } else { format!(" (account \"{}\")", account.name) };
        for it in base.service_accounts(id).filter(|_| managed.service_accounts) {
            if declared.service_accounts.iter().all(|kept| kept.name != it.name) {
                self.line('-', format!("service account \"{}\"{suffix}", it.name));
                self.first.push(Change::Delete(service_account_key(it)));
            }
        }
        for it in base.users(id).filter(|_| managed.users) {
            if declared.users.iter().all(|kept| kept.name != it.name) {
                self.line('-', format!("user \"{}\"{suffix}", it.name));
                self.first.push(Change::Delete(user_key(it)));
            }
        }
        for it in base.permissions(id).filter(|_| managed.permissions) {
            if declared.permissions.iter().all(|kept| kept.name != it.permission.name) {
                self.line('-', format!("permission \"{}\"{suffix}", it.permission.name));
                self.last.push(Change::Delete(permission_key(&it.permission)));
            }
        }
        for row in base.records.damaged.keys().filter(|row| *row.account() == account.account_id) {
            let replaced = match row {
                RowKey::Account { .. } => true,
                RowKey::Root { .. } => declared.root.is_some(),
                RowKey::Permission { name, .. } => {
                    !managed.permissions || declared.permissions.iter().any(|it| it.name == *name)
                }
                RowKey::ServiceAccount { name, .. } => {
                    !managed.service_accounts || declared.service_accounts.iter().any(|it| it.name == *name)
                }
                RowKey::User { name, .. } => !managed.users || declared.users.iter().any(|it| it.name == *name),
            };
            if !replaced {
                self.line('-', format!("{row}, whose row is damaged"));
                self.last.push(Change::Delete(row.clone()));
            }
        }
    }

    /// Whether a damaged record is left alone, which is then noted.
    fn leaves(&mut self, words: &str, damaged: bool) -> bool {
        let leaves = damaged && self.mode == Mode::Bootstrap;
        if leaves {
            self.note(format!("{words} can't be read and is left as it is"));
        }
        leaves
    }

    fn damaged(&self, is_it: impl Fn(&RowKey) -> bool) -> Option<RowKey> {
        self.base.records.damaged.keys().find(|row| is_it(row)).cloned()
    }

    /// Plans a record: created where `changed` is none, else updated when a field of it is another.
    fn settle(&mut self, words: &str, changed: Option<Fields>, record: Record) {
        match changed {
            None => self.line('+', words.to_owned()),
            Some(fields) if fields.is_empty() => return,
            Some(fields) => self.line('~', format!("{words}: {fields}")),
        }
        self.put(record);
    }

    fn put(&mut self, record: Record) {
        self.puts.push(Change::Put(record));
    }

    fn line(&mut self, sign: char, text: String) {
        self.lines.push(PlanLine { sign, text });
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

/// The ids of permissions that are named by name or id.
fn permission_ids(place: &Place, current: &Current, names: &[String]) -> Result<Vec<Id>, StateError> {
    let find = |name: &String| {
        let by_name = current.permission_ids.get(name.as_str());
        let found = by_name.or_else(|| current.permission_ids.values().find(|id| id.as_str() == name));
        found.cloned().ok_or_else(|| {
            let shown: String = name.chars().take(128).collect();
            place.field_error("permissions", format!("names {shown:?}, which the account doesn't have"))
        })
    };
    names.iter().map(find).collect()
}

fn generated<T>(place: &Place, result: std::io::Result<T>) -> Result<T, StateError> {
    result.map_err(|error| place.error(error.to_string()))
}
