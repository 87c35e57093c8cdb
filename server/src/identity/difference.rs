//! In which fields two versions of a record differ: for the line of a plan, for histories, and so that what changes nothing writes nothing.

use std::collections::BTreeSet;
use std::fmt;

use super::account::Account;
use super::name::Id;
use super::permission::{Definition, Permission, Scope};
use super::service_account::ServiceAccount;
use super::user::User;

/// The names of the fields that an update changes, as the state file and the API call them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<&'static str>);

impl Fields {
    /// Between two versions of an account.
    pub fn of_accounts(old: &Account, new: &Account) -> Fields {
        let mut fields = Fields::default();
        fields.differ("name", old.name != new.name);
        fields.differ("displayName", old.display_name != new.display_name);
        fields.differ("email", old.email != new.email);
        fields
    }

    /// Between two versions of a permission.
    pub fn of_permissions(old: &Permission, new: &Permission) -> Fields {
        let mut fields = Fields::default();
        fields.differ("name", old.name != new.name);
        fields.differ("description", old.description != new.description);
        fields.differ("enabled", old.enabled != new.enabled);
        fields.definition(&old.definition, &new.definition);
        fields
    }

    /// Between two versions of a service account.
    pub fn of_service_accounts(old: &ServiceAccount, new: &ServiceAccount) -> Fields {
        let ids = |it: &ServiceAccount| it.permissions.iter().cloned().collect::<BTreeSet<Id>>();
        let mut fields = Fields::default();
        fields.differ("name", old.name != new.name);
        fields.differ("accessKey", old.access_key != new.access_key);
        fields.differ("secretKey", !old.secret.matches(&new.secret));
        fields.differ("description", old.description != new.description);
        fields.differ("permissions", ids(old) != ids(new));
        fields.differ("enabled", old.enabled != new.enabled);
        fields.differ("expirationDate", old.expires_at != new.expires_at);
        fields
    }

    /// Between two versions of a user.
    pub fn of_users(old: &User, new: &User) -> Fields {
        let mut fields = Fields::default();
        fields.differ("role", old.role != new.role);
        fields.differ("password", old.password != new.password);
        fields.differ("enabled", old.enabled != new.enabled);
        fields
    }

    /// Whether the versions are the same.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }

    fn differ(&mut self, field: &'static str, differs: bool) {
        if differs {
            self.0.push(field);
        }
    }

    fn definition(&mut self, old: &Definition, new: &Definition) {
        let before = self.0.len();
        self.differ("type", old.type_name() != new.type_name());
        match (old, new) {
            (Definition::Bucket { scope: a, actions: old }, Definition::Bucket { scope: b, actions: new }) => {
                self.differ("actions", old != new);
                self.differ("buckets", matches!((a, b), (Scope::Names(a), Scope::Names(b)) if a != b));
                self.differ("prefix", matches!((a, b), (Scope::Prefix(a), Scope::Prefix(b)) if a != b));
            }
            (Definition::Policy { dialect: old, text: a }, Definition::Policy { dialect: new, text: b }) => {
                self.differ("dialect", old != new);
                self.differ("policy", a != b);
            }
            _ => {}
        }
        debug_assert_eq!(self.0.len() > before, old != new, "each difference has a field");
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}
