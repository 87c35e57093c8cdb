//! The JSON objects that rows hold: one form per noun, each written and read here only.
//!
//! They carry a version and take no unknown field, since a field that an older program doesn't understand may be the one that restricts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::account::{Account, RootKey};
use super::name::{AccessKey, AccountId, CanonicalId, Id, Name, PermissionName};
use super::permission::{Definition, DefinitionFields, Permission, Scope};
use super::rows::{Damage, Record, RowKey};
use super::sealed::MasterKey;
use super::service_account::ServiceAccount;
use super::user::{PasswordHash, Role, User};

/// The version of every row that this program writes, and the only one that it reads.
const ROW_VERSION: u32 = 1;
/// How a row of that version begins, as it is written here.
const ROW_BEGIN: &[u8] = b"{\"version\":1,";

impl Record {
    /// The row's value; secrets in it are sealed.
    ///
    /// # Errors
    /// The operating system's generator failed.
    pub(super) fn encode(&self, master: &MasterKey) -> std::io::Result<Vec<u8>> {
        let json = match self {
            Record::Account(account) => serde_json::to_vec(&AccountRow::from(account)),
            Record::Root(root) => serde_json::to_vec(&RootRow {
                version: ROW_VERSION,
                account_id: root.account_id.to_string(),
                access_key: root.access_key.to_string(),
                sealed_secret: master.seal(&root.secret, &root.account_id, &root.access_key)?,
            }),
            Record::Permission(permission) => serde_json::to_vec(&PermissionRow {
                created_by: permission.created_by.clone(),
                revision: later_revision(permission.revision),
                update_time: later_time(permission.created_at, permission.updated_at),
                ..PermissionRow::from(permission)
            }),
            Record::ServiceAccount(account) => serde_json::to_vec(&ServiceAccountRow::new(account, master)?),
            Record::User(user) => serde_json::to_vec(&UserRow::from(user)),
        };
        Ok(json.expect("rows have text keys and no failing serializer"))
    }

    /// Reads the value of the row `key`.
    ///
    /// # Errors
    /// Why it can't be read, without its content.
    pub(super) fn decode(key: &RowKey, value: &[u8], master: &MasterKey) -> Result<Record, Damage> {
        // The version comes first: a newer row is told as such, not by the first field that is new in it. Thousands of rows begin as this program writes them, and are read once.
        if !value.starts_with(ROW_BEGIN) {
            let version = read::<Versioned>(value)?.version;
            if version != ROW_VERSION {
                return Err(Damage(format!("its row has version {version}; this program reads version {ROW_VERSION}")));
            }
        }
        let record = match key {
            RowKey::Account { .. } => Record::Account(read::<AccountRow>(value)?.into_account()?),
            RowKey::Root { .. } => Record::Root(read::<RootRow>(value)?.into_root(master)?),
            RowKey::Permission { .. } => Record::Permission(read::<PermissionRow>(value)?.into_permission()?),
            RowKey::ServiceAccount { .. } => {
                Record::ServiceAccount(read::<ServiceAccountRow>(value)?.into_service_account(master)?)
            }
            RowKey::User { .. } => Record::User(read::<UserRow>(value)?.into_user()?),
        };
        if record.key() != *key {
            return Err(Damage("its row holds another record than its key names".to_owned()));
        }
        Ok(record)
    }
}

impl Permission {
    /// A version of it as histories hold it: whole, but for who made it, which they tell themselves.
    pub(super) fn to_row(&self) -> Vec<u8> {
        serde_json::to_vec(&PermissionRow::from(self)).expect("rows have text keys and no failing serializer")
    }

    /// Reads what [`Permission::to_row`] wrote.
    pub(super) fn from_row(value: &[u8]) -> Result<Permission, Damage> {
        read::<PermissionRow>(value)?.into_permission()
    }
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AccountRow {
    version: u32,
    account_id: String,
    canonical_id: String,
    name: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    operator: bool,
    create_time: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RootRow {
    version: u32,
    account_id: String,
    access_key: String,
    sealed_secret: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PermissionRow {
    version: u32,
    id: String,
    account_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buckets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    create_time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    update_time: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ServiceAccountRow {
    version: u32,
    id: String,
    account_id: String,
    name: String,
    access_key: String,
    sealed_secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    permissions: Vec<String>,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    create_time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    update_time: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UserRow {
    version: u32,
    account_id: String,
    name: String,
    role: String,
    password_hash: String,
    enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    create_time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    update_time: Option<String>,
}

/// The revision, as rows have it: there are thousands that are of the first, and leave it out.
fn later_revision(revision: u32) -> Option<u32> {
    Some(revision).filter(|&it| it != 1)
}

/// When it was last changed, where that isn't when it was made.
fn later_time(created_at: Timestamp, updated_at: Timestamp) -> Option<String> {
    (updated_at != created_at).then(|| updated_at.to_string())
}

/// Reads JSON. The parser's own message may quote the value, which may be a hash: only the place is told.
fn read<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, Damage> {
    serde_json::from_slice(value).map_err(|error| {
        Damage(format!("its row can't be decoded: wrong content at line {}, column {}", error.line(), error.column()))
    })
}

fn read_time(text: &str) -> Result<Timestamp, Damage> {
    text.parse().map_err(|_| Damage("its row is invalid: a time is not in RFC 3339 form".to_owned()))
}

impl From<&Account> for AccountRow {
    fn from(account: &Account) -> AccountRow {
        AccountRow {
            version: ROW_VERSION,
            account_id: account.account_id.to_string(),
            canonical_id: account.canonical_id.to_string(),
            name: account.name.to_string(),
            display_name: account.display_name.clone(),
            email: account.email.clone(),
            operator: account.operator,
            create_time: account.created_at.to_string(),
        }
    }
}

impl AccountRow {
    fn into_account(self) -> Result<Account, Damage> {
        let account = Account {
            account_id: AccountId::parse(&self.account_id)?,
            canonical_id: CanonicalId::parse(&self.canonical_id)?,
            name: Name::parse(&self.name)?,
            display_name: self.display_name,
            email: self.email,
            operator: self.operator,
            created_at: read_time(&self.create_time)?,
        };
        account.check()?;
        Ok(account)
    }
}

impl RootRow {
    fn into_root(self, master: &MasterKey) -> Result<RootKey, Damage> {
        let account_id = AccountId::parse(&self.account_id)?;
        let access_key = AccessKey::parse(&self.access_key)?;
        let secret = master.open(&self.sealed_secret, &account_id, &access_key).ok_or_else(secret_damage)?;
        Ok(RootKey { account_id, access_key, secret })
    }
}

impl From<&Permission> for PermissionRow {
    fn from(permission: &Permission) -> PermissionRow {
        let mut row = PermissionRow {
            version: ROW_VERSION,
            id: permission.id.to_string(),
            account_id: permission.account_id.to_string(),
            name: permission.name.to_string(),
            description: permission.description.clone(),
            type_name: permission.definition.type_name().to_owned(),
            actions: None,
            buckets: None,
            prefix: None,
            dialect: None,
            policy: None,
            enabled: permission.enabled,
            created_by: None,
            revision: Some(permission.revision),
            create_time: permission.created_at.to_string(),
            update_time: Some(permission.updated_at.to_string()),
        };
        match &permission.definition {
            Definition::Bucket { scope, actions } => {
                row.actions = Some(actions.as_str().to_owned());
                match scope {
                    Scope::Names(names) => row.buckets = Some(names.clone()),
                    Scope::Prefix(prefix) => row.prefix = Some(prefix.clone()),
                    Scope::All => {}
                }
            }
            Definition::Policy { dialect, text } => {
                row.dialect = Some(dialect.as_str().to_owned());
                row.policy = Some(text.to_string());
            }
        }
        row
    }
}

impl PermissionRow {
    fn into_permission(self) -> Result<Permission, Damage> {
        let fields = DefinitionFields {
            type_name: &self.type_name,
            actions: self.actions.as_deref(),
            buckets: self.buckets,
            prefix: self.prefix.as_deref(),
            dialect: self.dialect.as_deref(),
            policy: self.policy.as_deref(),
        };
        let permission = Permission {
            id: Id::parse(&self.id)?,
            account_id: AccountId::parse(&self.account_id)?,
            name: PermissionName::parse(&self.name)?,
            description: self.description,
            definition: fields.into_definition()?,
            enabled: self.enabled,
            created_by: self.created_by,
            revision: self.revision.unwrap_or(1),
            created_at: read_time(&self.create_time)?,
            updated_at: read_time(self.update_time.as_ref().unwrap_or(&self.create_time))?,
        };
        permission.check()?;
        Ok(permission)
    }
}

impl ServiceAccountRow {
    fn new(account: &ServiceAccount, master: &MasterKey) -> std::io::Result<ServiceAccountRow> {
        Ok(ServiceAccountRow {
            version: ROW_VERSION,
            id: account.id.to_string(),
            account_id: account.account_id.to_string(),
            name: account.name.to_string(),
            access_key: account.access_key.to_string(),
            sealed_secret: master.seal(&account.secret, &account.account_id, &account.access_key)?,
            description: account.description.clone(),
            permissions: account.permissions.iter().map(Id::to_string).collect(),
            enabled: account.enabled,
            expire_time: account.expires_at.map(|time| time.to_string()),
            created_by: account.created_by.clone(),
            revision: later_revision(account.revision),
            create_time: account.created_at.to_string(),
            update_time: later_time(account.created_at, account.updated_at),
        })
    }

    fn into_service_account(self, master: &MasterKey) -> Result<ServiceAccount, Damage> {
        let account_id = AccountId::parse(&self.account_id)?;
        let access_key = AccessKey::parse(&self.access_key)?;
        let secret = master.open(&self.sealed_secret, &account_id, &access_key).ok_or_else(secret_damage)?;
        let account = ServiceAccount {
            id: Id::parse(&self.id)?,
            account_id,
            name: Name::parse(&self.name)?,
            access_key,
            secret,
            description: self.description,
            permissions: self.permissions.iter().map(|id| Id::parse(id)).collect::<Result<_, _>>()?,
            enabled: self.enabled,
            expires_at: self.expire_time.as_deref().map(read_time).transpose()?,
            created_by: self.created_by,
            revision: self.revision.unwrap_or(1),
            created_at: read_time(&self.create_time)?,
            updated_at: read_time(self.update_time.as_ref().unwrap_or(&self.create_time))?,
        };
        account.check()?;
        Ok(account)
    }
}

impl From<&User> for UserRow {
    fn from(user: &User) -> UserRow {
        UserRow {
            version: ROW_VERSION,
            account_id: user.account_id.to_string(),
            name: user.name.to_string(),
            role: user.role.as_str().to_owned(),
            password_hash: user.password.as_phc().to_owned(),
            enabled: user.enabled,
            created_by: user.created_by.clone(),
            revision: later_revision(user.revision),
            create_time: user.created_at.to_string(),
            update_time: later_time(user.created_at, user.updated_at),
        }
    }
}

impl UserRow {
    fn into_user(self) -> Result<User, Damage> {
        Ok(User {
            account_id: AccountId::parse(&self.account_id)?,
            name: Name::parse(&self.name)?,
            role: Role::parse(&self.role)?,
            password: PasswordHash::from_phc(self.password_hash)
                .ok_or_else(|| Damage("its row is invalid: the password is not an argon2id hash".to_owned()))?,
            enabled: self.enabled,
            created_by: self.created_by,
            revision: self.revision.unwrap_or(1),
            created_at: read_time(&self.create_time)?,
            updated_at: read_time(self.update_time.as_ref().unwrap_or(&self.create_time))?,
        })
    }
}

fn secret_damage() -> Damage {
    Damage("its secret can't be opened with the node's key (secret.key, or master-key where that is given)".to_owned())
}
