//! The rules between records: what each change must leave as it found it.
//!
//! They are asked of all records together, whatever was changed, so that no verb of administration can forget one.

use std::collections::HashMap;

use super::change::{ACCOUNTS_MAX, Refused};
use super::name::{AccessKey, AccountId, Invalid};
use super::records::Records;
use super::rows::{RowKey, account_key, service_account_key};
use super::service_account::ServiceAccount;

impl Records {
    /// Every rule between records that is broken. `override_key` is the access key of the root credential that the operator gave at start.
    ///
    /// All of them, not the first: a store that damage has brought out of order must still take a change that breaks nothing more, since it may be the revocation of a key.
    pub(super) fn violations(&self, override_key: Option<&AccessKey>) -> Vec<Refused> {
        let mut broken = Vec::new();
        self.check_accounts(&mut broken);
        self.check_access_keys(override_key, &mut broken);
        self.check_references(&mut broken);
        too_many("accounts", self.accounts.len(), ACCOUNTS_MAX, &mut broken);
        for (what, count, limit) in self.accounts.values().flat_map(|it| it.counts()) {
            too_many(what, count, limit, &mut broken);
        }
        let namesakes = self.damaged.keys().filter(|row| self.has_namesake(row));
        broken.extend(namesakes.map(|row| Refused::NameInUse { record: row.clone() }));
        broken
    }

    /// Why the operator's root can't have the access key that was given at start: somebody else, the first of the holders, has it.
    pub(super) fn collision(&self, given: &AccessKey) -> Option<Refused> {
        let operator = self.operator()?.account.as_ref()?;
        let root = Holder::Root(&operator.account_id, given);
        let (_, other) = self.access_keys().find(|&(key, holder)| key == given && !root.is_one_root_with(holder))?;
        let holders = Box::new([other.key(), root.key()]);
        Some(Refused::AccessKeyInUse { access_key: given.clone(), holders })
    }

    /// All access keys and who has them.
    fn access_keys(&self) -> impl Iterator<Item = (&AccessKey, Holder<'_>)> {
        let damaged = self.damaged.keys().filter_map(|row| match row {
            RowKey::Root { access_key, .. } | RowKey::ServiceAccount { access_key, .. } => {
                Some((access_key, Holder::Damaged(row)))
            }
            _ => None,
        });
        let of_accounts = self.accounts.iter().flat_map(|(account, records)| {
            let root = records.root.iter().map(|root| (&root.access_key, Holder::Root(account, &root.access_key)));
            root.chain(records.service_accounts.values().map(|it| (&it.access_key, Holder::ServiceAccount(it))))
        });
        of_accounts.chain(damaged)
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
                    let accounts = Box::new([first, key.clone()]);
                    broken.push(Refused::AccountFieldInUse { field, accounts });
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
        let mut holders: HashMap<&AccessKey, Holder<'_>> = HashMap::new();
        let mut take = |access_key, holder| Holder::take(&mut holders, access_key, holder, broken);
        // The given root key stands for the same identity as the stored one, so these two may be equal.
        let operator = self.operator().and_then(|records| records.account.as_ref());
        if let Some((access_key, operator)) = override_key.zip(operator) {
            take(access_key, Holder::Root(&operator.account_id, access_key));
        }
        self.access_keys().for_each(|(access_key, holder)| take(access_key, holder));
    }

    fn check_references(&self, broken: &mut Vec<Refused>) {
        for (account, records) in &self.accounts {
            for it in records.service_accounts.values() {
                for id in &it.permissions {
                    if !records.permission_names.contains_key(id) && self.damaged_permission(account, id).is_none() {
                        let invalid =
                            Invalid::new("permissions", format!("names the id {id}, which no permission has"));
                        broken.push(Refused::Invalid { record: service_account_key(it), invalid });
                    }
                }
            }
        }
    }
}

/// Who has an access key; named only when two have it.
#[derive(Clone, Copy)]
enum Holder<'a> {
    Root(&'a AccountId, &'a AccessKey),
    ServiceAccount(&'a ServiceAccount),
    Damaged(&'a RowKey),
}

impl<'a> Holder<'a> {
    /// Notes that `holder` has the key. Two different holders break the rule; an account's given and stored root are one.
    fn take(
        holders: &mut HashMap<&'a AccessKey, Holder<'a>>,
        access_key: &'a AccessKey,
        holder: Holder<'a>,
        broken: &mut Vec<Refused>,
    ) {
        let Some(first) = holders.insert(access_key, holder) else { return };
        if !first.is_one_root_with(holder) {
            let (access_key, holders) = (access_key.clone(), Box::new([first.key(), holder.key()]));
            broken.push(Refused::AccessKeyInUse { access_key, holders });
        }
    }

    fn is_one_root_with(self, other: Holder<'_>) -> bool {
        matches!((self, other), (Holder::Root(a, _), Holder::Root(b, _)) if a == b)
    }

    fn key(&self) -> RowKey {
        match *self {
            Holder::Root(account, access_key) => {
                RowKey::Root { account: account.clone(), access_key: access_key.clone() }
            }
            Holder::ServiceAccount(it) => service_account_key(it),
            Holder::Damaged(row) => row.clone(),
        }
    }
}

fn too_many(what: &'static str, count: usize, limit: usize, broken: &mut Vec<Refused>) {
    if count > limit {
        broken.push(Refused::TooMany { what, limit });
    }
}
