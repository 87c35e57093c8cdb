//! The identities as a state file: what `strongroom state` prints.
//!
//! It holds no secret, and can be applied again as it is: what a state file leaves out stays as it was.

use serde_json::{Map, Value, json};

use super::compiled::CompiledPermission;
use super::permission::{Definition, Dialect, Scope};
use super::service_account::ServiceAccount;
use super::snapshot::Snapshot;

/// The state of `snapshot` in the form that [`State::parse`](super::state::State::parse) reads, without secrets and passwords. `buckets` answers an account's buckets in that form, which are not identities.
///
/// A policy is printed as a string, so that the file's bytes stay what they are.
pub fn state_of(snapshot: &Snapshot, buckets: impl Fn(&str) -> Vec<Value>) -> Value {
    // The operator's account comes first, as it must on an empty node.
    let mut accounts: Vec<_> = snapshot.accounts().collect();
    accounts.sort_by_key(|account| !account.operator);
    let accounts = accounts.into_iter().map(|account| {
        let id = account.account_id.as_str();
        let mut object = Map::new();
        object.insert("name".into(), account.name.as_str().into());
        object.insert("accountId".into(), id.into());
        object.insert("canonicalId".into(), account.canonical_id.as_str().into());
        object.insert("displayName".into(), account.display_name.as_str().into());
        if let Some(email) = &account.email {
            object.insert("email".into(), email.as_str().into());
        }
        if let Some(root) = snapshot.root(id) {
            object.insert("root".into(), json!({"accessKey": root.access_key.as_str()}));
        }
        object.insert("permissions".into(), snapshot.permissions(id).map(|it| permission(it)).collect());
        let service_accounts = snapshot.service_accounts(id).map(|it| service_account(snapshot, it));
        object.insert("serviceAccounts".into(), service_accounts.collect());
        let users = snapshot
            .users(id)
            .map(|user| json!({"name": user.name.as_str(), "role": user.role.as_str(), "enabled": user.enabled}));
        object.insert("users".into(), users.collect());
        object.insert("buckets".into(), buckets(id).into());
        Value::Object(object)
    });
    json!({"accounts": accounts.collect::<Vec<Value>>()})
}

fn permission(compiled: &CompiledPermission) -> Value {
    let permission = &compiled.permission;
    let mut object = Map::new();
    object.insert("name".into(), permission.name.as_str().into());
    if let Some(description) = &permission.description {
        object.insert("description".into(), description.as_str().into());
    }
    object.insert("type".into(), permission.definition.type_name().into());
    match &permission.definition {
        Definition::Bucket { scope, actions } => {
            object.insert("actions".into(), actions.as_str().into());
            match scope {
                Scope::Names(names) => object.insert("buckets".into(), names.clone().into()),
                Scope::Prefix(prefix) => object.insert("prefix".into(), prefix.as_str().into()),
                Scope::All => None,
            };
        }
        Definition::Policy { dialect, text } => {
            if *dialect != Dialect::default() {
                object.insert("dialect".into(), dialect.as_str().into());
            }
            object.insert("policy".into(), text.as_ref().into());
        }
    }
    object.insert("enabled".into(), permission.enabled.into());
    Value::Object(object)
}

fn service_account(snapshot: &Snapshot, service_account: &ServiceAccount) -> Value {
    let account = service_account.account_id.as_str();
    let names = service_account.permissions.iter().map(|id| {
        let found = snapshot.permission_by_id(account, id);
        // The id of a permission that can't be read stands for it: a state file takes ids too.
        found.map_or(id.as_str(), |it| it.permission.name.as_str()).to_owned()
    });
    let mut object = Map::new();
    object.insert("name".into(), service_account.name.as_str().into());
    object.insert("accessKey".into(), service_account.access_key.as_str().into());
    if let Some(description) = &service_account.description {
        object.insert("description".into(), description.as_str().into());
    }
    object.insert("permissions".into(), names.collect::<Vec<String>>().into());
    object.insert("enabled".into(), service_account.enabled.into());
    if let Some(expires_at) = service_account.expires_at {
        object.insert("expirationDate".into(), expires_at.to_string().into());
    }
    Value::Object(object)
}
