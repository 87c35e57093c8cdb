//! The state file: accounts, permissions, service accounts, users and buckets as an operator declares them, in JSON or TOML.
//!
//! It is read by a decoder of our own: derived ones quote the offending value, which may be a secret, and can't say whose field is wrong. Every error names the file, the account, the noun and the field, and never repeats a value.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::decode::{Document, Object, Place};
use super::name::{
    AccessKey, AccountId, CanonicalId, Invalid, Name, PermissionName, check_description, check_display_name,
    check_email,
};
use super::permission::{Definition, DefinitionFields, check_bucket_name};
use super::sealed::SecretKey;
use super::service_account::PERMISSIONS_PER_SERVICE_ACCOUNT_MAX;
use super::timestamp::parse_timestamp;
use super::user::{Password, Role};

pub use super::decode::StateError;

/// The largest state file, in bytes.
pub const STATE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A state file that was read and checked by itself, not yet against what is there.
#[derive(Clone, Debug)]
pub struct State {
    /// The file's name, for messages and histories.
    pub file: String,
    /// The ARN of who applies it, for histories; none of a node that starts with it.
    pub applied_by: Option<String>,
    /// The accounts in the file's order. On an empty node the first is the operator's.
    pub accounts: Vec<DeclaredAccount>,
}

/// A declared account. In all declarations an absent optional field is not managed: it gets its default where the record is made, and stays as it is where the record exists.
#[derive(Clone, Debug)]
pub struct DeclaredAccount {
    /// `name`.
    pub name: Name,
    /// `accountId`; a random one by default. Where it is there, the account is known by it and `name` may change.
    pub account_id: Option<AccountId>,
    /// `canonicalId`; a random one by default.
    pub canonical_id: Option<CanonicalId>,
    /// `displayName`; the name by default.
    pub display_name: Option<String>,
    /// `email`; `null` removes it.
    pub email: Option<Option<String>>,
    /// `root`.
    pub root: Option<DeclaredRoot>,
    /// `permissions`.
    pub permissions: Vec<DeclaredPermission>,
    /// `serviceAccounts`.
    pub service_accounts: Vec<DeclaredServiceAccount>,
    /// `users`.
    pub users: Vec<DeclaredUser>,
    /// `buckets`.
    pub buckets: Vec<DeclaredBucket>,
    /// Which of its lists are there at all: what is in a list that isn't there isn't managed, and pruned from it is nothing.
    pub managed: Managed,
}

/// Lists of an account that a state file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Managed {
    /// `permissions`.
    pub permissions: bool,
    /// `serviceAccounts`.
    pub service_accounts: bool,
    /// `users`.
    pub users: bool,
}

/// A declared root key.
#[derive(Clone, Debug)]
pub struct DeclaredRoot {
    /// `accessKey`.
    pub access_key: AccessKey,
    /// `secretKey`; may be absent where the same access key is stored.
    pub secret: Option<SecretKey>,
}

/// A declared permission.
#[derive(Clone, Debug)]
pub struct DeclaredPermission {
    /// `name`.
    pub name: PermissionName,
    /// `description`; `null` leaves it to the summary.
    pub description: Option<Option<String>>,
    /// `type`, `actions`, `buckets`, `prefix`, `dialect` and `policy`.
    pub definition: Definition,
    /// `enabled`.
    pub enabled: Option<bool>,
    /// Where the policy stands in the file, line and column from 1, when it is an object in JSON.
    pub policy_position: Option<(usize, usize)>,
}

/// A declared service account.
#[derive(Clone, Debug)]
pub struct DeclaredServiceAccount {
    /// `name`.
    pub name: Name,
    /// `accessKey`; may be absent where the service account exists.
    pub access_key: Option<AccessKey>,
    /// `secretKey`; may be absent where the service account exists.
    pub secret: Option<SecretKey>,
    /// `description`; `null` removes it.
    pub description: Option<Option<String>>,
    /// `permissions`: names or ids, at least one.
    pub permissions: Vec<String>,
    /// `enabled`.
    pub enabled: Option<bool>,
    /// `expirationDate`; `null` removes it.
    pub expires_at: Option<Option<Timestamp>>,
}

/// A declared user.
#[derive(Clone, Debug)]
pub struct DeclaredUser {
    /// `name`.
    pub name: Name,
    /// `role`.
    pub role: Role,
    /// `password`; may be absent where the user exists.
    pub password: Option<Password>,
    /// `enabled`.
    pub enabled: Option<bool>,
}

/// A declared bucket. Whoever makes it compiles its policy and knows what can be set on a bucket that is there.
#[derive(Clone, Debug)]
pub struct DeclaredBucket {
    /// `name`.
    pub name: String,
    /// `versioning`: `off`, `enabled` or `suspended`.
    pub versioning: Option<String>,
    /// The text of `policy`; `null` removes it.
    pub policy: Option<Option<String>>,
    /// `quota`, in bytes; `null` removes it.
    pub quota: Option<Option<u64>>,
    /// Where the policy stands in the file, line and column from 1, when it is an object in JSON.
    pub policy_position: Option<(usize, usize)>,
    place: Place,
}

impl DeclaredBucket {
    /// An error about a field of this bucket.
    pub fn error(&self, field: &str, message: impl Into<String>) -> StateError {
        self.place.field_error(field, message)
    }

    /// An error about its policy, of which the first fault stands at this line and column of the document.
    pub fn policy_error(&self, message: &str, fault: Option<(usize, usize)>) -> StateError {
        self.error("policy", message_with_place(message, self.policy_position, fault))
    }
}

/// A message with its place: in the state file where that is known, else in the policy.
pub(super) fn message_with_place(
    message: &str,
    policy: Option<(usize, usize)>,
    fault: Option<(usize, usize)>,
) -> String {
    match (policy, fault) {
        (Some((line, column)), Some((below, inside))) => {
            let column = if below == 1 { column + inside - 1 } else { inside };
            format!("{message} (line {}, column {column} of this file)", line + below - 1)
        }
        (None, Some((line, column))) => format!("{message} (line {line}, column {column} of the policy)"),
        (_, None) => message.to_owned(),
    }
}

impl State {
    /// Reads a state file's `text`: TOML when `file` ends in `.toml`, else JSON.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(file: &str, text: &str) -> Result<State, StateError> {
        let top = Place::file(file);
        if text.len() > STATE_BYTES_MAX {
            return Err(top.error(format!("is larger than {STATE_BYTES_MAX} bytes")));
        }
        let document = Document::read(&top, text)?;
        let mut object = Object::read(top.clone(), document.root()?)?;
        let mut accounts: Vec<DeclaredAccount> = Vec::new();
        // An empty file must not read as "declare nothing", which a pruning apply would take at its word.
        if !object.has("accounts") {
            return Err(top.field_error("accounts", "is missing"));
        }
        for (index, raw) in object.list("accounts")?.into_iter().enumerate() {
            let account = account(top.item("account", "accounts", index, raw), raw, &document)?;
            let twice = |it: &DeclaredAccount| {
                it.name == account.name || (it.account_id.is_some() && it.account_id == account.account_id)
            };
            if accounts.iter().any(twice) {
                return Err(top.item("account", "accounts", index, raw).error("is declared twice"));
            }
            accounts.push(account);
        }
        object.finish(&["accounts"])?;
        Ok(State { file: file.to_owned(), applied_by: None, accounts })
    }
}

fn account(place: Place, raw: &RawValue, document: &Document<'_>) -> Result<DeclaredAccount, StateError> {
    let mut object = Object::read(place.clone(), raw)?;
    let managed = Managed {
        permissions: object.has("permissions"),
        service_accounts: object.has("serviceAccounts"),
        users: object.has("users"),
    };
    let declared = DeclaredAccount {
        managed,
        name: object.required("name", Name::parse)?,
        account_id: object.optional("accountId", AccountId::parse)?,
        canonical_id: object.optional("canonicalId", CanonicalId::parse)?,
        display_name: object.optional("displayName", |text| check_display_name(text).map(|()| text.to_owned()))?,
        email: object.nullable("email", |text| check_email(text).map(|()| text.to_owned()))?,
        root: object.value("root").map(|raw| root(place.within("root"), raw)).transpose()?,
        permissions: items(&mut object, &place, "permission", "permissions", |place, raw| {
            permission(place, raw, document)
        })?,
        service_accounts: items(&mut object, &place, "service account", "serviceAccounts", service_account)?,
        users: items(&mut object, &place, "user", "users", user)?,
        buckets: items(&mut object, &place, "bucket", "buckets", |place, raw| bucket(place, raw, document))?,
    };
    let known = ["name", "accountId", "canonicalId", "displayName", "email", "root"];
    object.finish(&[&known[..], &["permissions", "serviceAccounts", "users", "buckets"]].concat())?;
    unique(&place, "permission", declared.permissions.iter().map(|it| it.name.as_str()))?;
    unique(&place, "service account", declared.service_accounts.iter().map(|it| it.name.as_str()))?;
    unique(&place, "user", declared.users.iter().map(|it| it.name.as_str()))?;
    unique(&place, "bucket", declared.buckets.iter().map(|it| it.name.as_str()))?;
    Ok(declared)
}

fn root(place: Place, raw: &RawValue) -> Result<DeclaredRoot, StateError> {
    let mut object = Object::read(place, raw)?;
    let access_key = object.required("accessKey", AccessKey::parse)?;
    let secret = object.optional("secretKey", SecretKey::parse)?;
    object.finish(&["accessKey", "secretKey"])?;
    Ok(DeclaredRoot { access_key, secret })
}

fn permission(place: Place, raw: &RawValue, document: &Document<'_>) -> Result<DeclaredPermission, StateError> {
    let mut object = Object::read(place.clone(), raw)?;
    let name = object.required("name", PermissionName::parse)?;
    let description = object.nullable("description", |text| check_description(text).map(|()| text.to_owned()))?;
    let enabled = object.boolean("enabled")?;
    let type_name = object.text("type")?.ok_or_else(|| place.field_error("type", "is missing"))?;
    let (actions, prefix, dialect) = (object.text("actions")?, object.text("prefix")?, object.text("dialect")?);
    let buckets = object.texts("buckets")?;
    let policy_value = object.value("policy");
    let policy = policy_value.map(|raw| policy_text(&place, raw)).transpose()?;
    let fields = DefinitionFields {
        type_name: &type_name,
        actions: actions.as_deref(),
        buckets,
        prefix: prefix.as_deref(),
        dialect: dialect.as_deref(),
        policy: policy.as_deref(),
    };
    let definition = fields.into_definition().map_err(|invalid| place.field_error(invalid.field, invalid.reason))?;
    object.finish(&["name", "description", "enabled", "type", "actions", "prefix", "dialect", "buckets", "policy"])?;
    let policy_position = policy_value.filter(|raw| raw.get().starts_with('{')).and_then(|raw| document.position(raw));
    Ok(DeclaredPermission { name, description, definition, enabled, policy_position })
}

/// A policy is an object, kept byte for byte, or a string that holds the file's bytes.
fn policy_text(place: &Place, raw: &RawValue) -> Result<String, StateError> {
    let text = raw.get();
    if text.starts_with('{') {
        return Ok(text.to_owned());
    }
    serde_json::from_str(text)
        .map_err(|_| place.field_error("policy", "must be a policy document: an object, or a string that holds one"))
}

fn service_account(place: Place, raw: &RawValue) -> Result<DeclaredServiceAccount, StateError> {
    let mut object = Object::read(place.clone(), raw)?;
    let declared = DeclaredServiceAccount {
        name: object.required("name", Name::parse)?,
        access_key: object.optional("accessKey", AccessKey::parse)?,
        secret: object.optional("secretKey", SecretKey::parse)?,
        description: object.nullable("description", |text| check_description(text).map(|()| text.to_owned()))?,
        permissions: object.texts("permissions")?.unwrap_or_default(),
        enabled: object.boolean("enabled")?,
        expires_at: object.nullable("expirationDate", |text| parse_timestamp("expirationDate", text))?,
    };
    let known = ["name", "accessKey", "secretKey", "description", "permissions", "enabled", "expirationDate"];
    object.finish(&known)?;
    if !(1..=PERMISSIONS_PER_SERVICE_ACCOUNT_MAX).contains(&declared.permissions.len()) {
        let message = format!("must name 1 to {PERMISSIONS_PER_SERVICE_ACCOUNT_MAX} permissions");
        return Err(place.field_error("permissions", message));
    }
    Ok(declared)
}

fn user(place: Place, raw: &RawValue) -> Result<DeclaredUser, StateError> {
    let mut object = Object::read(place, raw)?;
    let name = object.required("name", Name::parse)?;
    let role = object.required("role", Role::parse)?;
    let password = object.optional("password", Password::parse)?;
    let enabled = object.boolean("enabled")?;
    object.finish(&["name", "role", "password", "enabled"])?;
    Ok(DeclaredUser { name, role, password, enabled })
}

/// A bucket is an object, or just its name.
fn bucket(place: Place, raw: &RawValue, document: &Document<'_>) -> Result<DeclaredBucket, StateError> {
    let check = |text: &str| match check_bucket_name("name", text) {
        Ok(()) => Ok(text.to_owned()),
        Err(_) => Err(Invalid::new("name", "must have 3 to 63 lower-case letters, digits, . and -")),
    };
    if let Ok(name) = serde_json::from_str::<String>(raw.get()) {
        let name = check(&name).map_err(|invalid| place.field_error(invalid.field, invalid.reason))?;
        let place = place.within(&format!("bucket {name:?}"));
        return Ok(DeclaredBucket { name, versioning: None, policy: None, quota: None, policy_position: None, place });
    }
    let mut object = Object::read(place.clone(), raw)?;
    let name = object.required("name", check)?;
    let versioning = object.text("versioning")?;
    let policy = object.nullable_value("policy");
    let text = policy.map(|raw| raw.map(|raw| policy_text(&place, raw)).transpose()).transpose()?;
    let position = policy.flatten().filter(|raw| raw.get().starts_with('{')).and_then(|raw| document.position(raw));
    let quota = object.nullable_value("quota").map(|raw| raw.map(|raw| quota(&place, raw)).transpose()).transpose()?;
    object.finish(&["name", "versioning", "policy", "quota"])?;
    Ok(DeclaredBucket { name, versioning, policy: text, quota, policy_position: position, place })
}

fn quota(place: &Place, raw: &RawValue) -> Result<u64, StateError> {
    let place = place.within("quota");
    let mut object = Object::read(place.clone(), raw)?;
    let bytes = object.number("bytes")?.ok_or_else(|| place.field_error("bytes", "is missing"))?;
    object.finish(&["bytes"])?;
    Ok(bytes)
}

/// Reads the list `field` of things that are called `noun`.
fn items<'a, T>(
    object: &mut Object<'a>,
    place: &Place,
    noun: &str,
    field: &'static str,
    read: impl Fn(Place, &'a RawValue) -> Result<T, StateError>,
) -> Result<Vec<T>, StateError> {
    let raws = object.list(field)?.into_iter().enumerate();
    raws.map(|(index, raw)| read(place.item(noun, field, index, raw), raw)).collect()
}

fn unique<'a>(place: &Place, noun: &str, names: impl Iterator<Item = &'a str>) -> Result<(), StateError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(place.within(&format!("{noun} \"{name}\"")).error("is declared twice"));
        }
    }
    Ok(())
}
