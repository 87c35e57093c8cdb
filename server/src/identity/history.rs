//! The versions of a permission, service account or user, each a row of its own, written with the change that made it.
//!
//! Whoever mends a permission that went wrong has to see what it was before, and who changed it; and one durable batch holds both the change and its place in the history, so that neither is there without the other. Most are never changed: the first version of one is told from the row that holds it, and gets a row of its own with the second.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::config_rows::{RowChange, RowsError};
use super::difference::Fields;
use super::name::{AccountId, Id};
use super::permission::Permission;
use super::service_account::ServiceAccount;
use super::store::IdentityStore;
use super::user::User;

/// How many versions of one of them are kept.
pub const REVISIONS_MAX: u32 = 100;
/// The version of a history row, and the only one that is read.
const ROW_VERSION: u32 = 1;

/// What has a history: a permission, a service account, a user.
pub trait Versioned {
    /// One version of it.
    type Revision;

    /// The account that it belongs to.
    fn account_id(&self) -> &AccountId;

    /// What its history is called among those of its account, for as long as it is there.
    fn history_name(&self) -> String;

    /// The number of this version.
    fn revision(&self) -> u32;

    /// Who made its first version, where that is known.
    fn created_by(&self) -> Option<&str>;

    /// This version, which `by` made of the one `before`.
    fn to_revision(&self, before: Option<&Self>, by: &str) -> Self::Revision;

    /// The number of a version.
    fn number(revision: &Self::Revision) -> u32;

    /// The value of a version's row.
    fn encode(revision: &Self::Revision) -> Vec<u8>;

    /// Reads what [`Versioned::encode`] wrote; `None` where it can't be read.
    fn decode(value: &[u8]) -> Option<Self::Revision>;
}

impl IdentityStore {
    /// The versions of `it` that are kept, newest first. One whose row is damaged is left out, but for the current one, of which then only the author isn't known.
    ///
    /// Reads the store, and so may wait for the disk.
    ///
    /// # Errors
    /// The row store's.
    pub fn history<T: Versioned>(&self, it: &T) -> Result<Vec<T::Revision>, RowsError> {
        if let Some(by) = first_author(it) {
            return Ok(vec![it.to_revision(None, by)]);
        }
        let rows = self.rows().rows(&namespace(it), "")?;
        let mut revisions: Vec<T::Revision> = rows.iter().filter_map(|(_, value)| T::decode(value)).collect();
        // Rows of a later number are from before its own row was damaged and replaced.
        revisions.retain(|revision| T::number(revision) <= it.revision());
        revisions.sort_by_key(|revision| std::cmp::Reverse(T::number(revision)));
        // One that was stored before versions were kept has none.
        if revisions.first().is_none_or(|newest| T::number(newest) != it.revision()) {
            revisions.insert(0, it.to_revision(None, ""));
        }
        Ok(revisions)
    }
}

/// The rows of history that `by` writes by making `it` of what was `before`: that of the new version, with the first change also that of the first, and the removal of the one that is too old by now. None for what is new.
pub(super) fn written<T: Versioned>(before: Option<&T>, it: &T, by: &str) -> Vec<RowChange> {
    let Some(before) = before else { return Vec::new() };
    let first = first_author(before).map(|by| T::encode(&before.to_revision(None, by)));
    let mut rows: Vec<RowChange> = first.map(|value| change(before, 1, Some(value))).into_iter().collect();
    rows.push(change(it, it.revision(), Some(T::encode(&it.to_revision(Some(before), by)))));
    let old = it.revision().checked_sub(REVISIONS_MAX).filter(|&old| old > 0);
    rows.extend(old.map(|old| change(it, old, None)));
    rows
}

/// The removal of all rows of history of what is deleted.
pub(super) fn removed<T: Versioned>(it: &T) -> impl Iterator<Item = RowChange> + '_ {
    let oldest = it.revision().saturating_sub(REVISIONS_MAX - 1).max(1);
    (oldest..=it.revision()).map(move |revision| change(it, revision, None))
}

/// Who made `it`, where it was never changed and its row alone tells its history. What was made before authors were kept there has a row of its first version.
fn first_author<T: Versioned>(it: &T) -> Option<&str> {
    it.created_by().filter(|_| it.revision() == 1)
}

fn change<T: Versioned>(it: &T, revision: u32, value: Option<Vec<u8>>) -> RowChange {
    // Numbers of one length sort as numbers do.
    RowChange { namespace: namespace(it), key: format!("{revision:010}"), value }
}

fn namespace<T: Versioned>(it: &T) -> String {
    format!("identity.history/{}/{}", it.account_id(), it.history_name())
}

/// One version of a permission.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Who made it: an ARN, or the state file that declared it and who applied it.
    pub by: String,
    /// When it was made.
    pub at: Timestamp,
    /// The permission as it then was, with the number of the version.
    pub permission: Permission,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionHistoryRow {
    version: u32,
    by: String,
    permission: Box<RawValue>,
}

impl Versioned for Permission {
    type Revision = Revision;

    fn account_id(&self) -> &AccountId {
        &self.account_id
    }

    fn history_name(&self) -> String {
        self.id.to_string()
    }

    fn revision(&self) -> u32 {
        self.revision
    }

    fn created_by(&self) -> Option<&str> {
        self.created_by.as_deref()
    }

    fn to_revision(&self, _before: Option<&Permission>, by: &str) -> Revision {
        Revision { by: by.to_owned(), at: self.updated_at, permission: self.clone() }
    }

    fn number(revision: &Revision) -> u32 {
        revision.permission.revision
    }

    fn encode(revision: &Revision) -> Vec<u8> {
        let text = String::from_utf8(revision.permission.to_row()).expect("JSON is UTF-8");
        let permission = RawValue::from_string(text).expect("a row is JSON");
        value(&PermissionHistoryRow { version: ROW_VERSION, by: revision.by.clone(), permission })
    }

    fn decode(value: &[u8]) -> Option<Revision> {
        let row: PermissionHistoryRow = serde_json::from_slice(value).ok()?;
        let permission = Permission::from_row(row.permission.get().as_bytes()).ok()?;
        let revision = Revision { by: row.by, at: permission.updated_at, permission };
        Some(revision).filter(|_| row.version == ROW_VERSION)
    }
}

/// One version of a service account. Its secret is not in it, only whether it was another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceAccountRevision {
    /// The number of the version.
    pub revision: u32,
    /// Who made it: an ARN, or the state file that declared it and who applied it.
    pub by: String,
    /// When it was made, in RFC 3339 form.
    pub time: String,
    /// The fields that differ from the version before, as the API calls them.
    pub changed: Vec<String>,
    /// Its name then.
    pub name: String,
    /// Its access key.
    pub access_key: String,
    /// Its description.
    pub description: Option<String>,
    /// The ids of its permissions.
    pub permissions: Vec<String>,
    /// Whether it was enabled.
    pub enabled: bool,
    /// When it was to expire, in RFC 3339 form.
    pub expiration_date: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ServiceAccountHistoryRow {
    version: u32,
    service_account: ServiceAccountRevision,
}

impl Versioned for ServiceAccount {
    type Revision = ServiceAccountRevision;

    fn account_id(&self) -> &AccountId {
        &self.account_id
    }

    fn history_name(&self) -> String {
        self.id.to_string()
    }

    fn revision(&self) -> u32 {
        self.revision
    }

    fn created_by(&self) -> Option<&str> {
        self.created_by.as_deref()
    }

    fn to_revision(&self, before: Option<&ServiceAccount>, by: &str) -> ServiceAccountRevision {
        ServiceAccountRevision {
            revision: self.revision,
            by: by.to_owned(),
            time: format!("{:.3}", self.updated_at),
            changed: names(before.map(|before| Fields::of_service_accounts(before, self))),
            name: self.name.to_string(),
            access_key: self.access_key.to_string(),
            description: self.description.clone(),
            permissions: self.permissions.iter().map(Id::to_string).collect(),
            enabled: self.enabled,
            expiration_date: self.expires_at.map(|at| at.to_string()),
        }
    }

    fn number(revision: &ServiceAccountRevision) -> u32 {
        revision.revision
    }

    fn encode(revision: &ServiceAccountRevision) -> Vec<u8> {
        value(&ServiceAccountHistoryRow { version: ROW_VERSION, service_account: revision.clone() })
    }

    fn decode(value: &[u8]) -> Option<ServiceAccountRevision> {
        let row: ServiceAccountHistoryRow = serde_json::from_slice(value).ok()?;
        Some(row.service_account).filter(|_| row.version == ROW_VERSION)
    }
}

/// One version of a user. Neither their password nor its hash is in it, only whether it was another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UserRevision {
    /// The number of the version.
    pub revision: u32,
    /// Who made it: an ARN, or the state file that declared it and who applied it.
    pub by: String,
    /// When it was made, in RFC 3339 form.
    pub time: String,
    /// The fields that differ from the version before, as the API calls them.
    pub changed: Vec<String>,
    /// The name of their role.
    pub role: String,
    /// Whether they could sign in.
    pub enabled: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserHistoryRow {
    version: u32,
    user: UserRevision,
}

impl Versioned for User {
    type Revision = UserRevision;

    fn account_id(&self) -> &AccountId {
        &self.account_id
    }

    fn history_name(&self) -> String {
        // Users are known by their names, which stay.
        format!("user:{}", self.name)
    }

    fn revision(&self) -> u32 {
        self.revision
    }

    fn created_by(&self) -> Option<&str> {
        self.created_by.as_deref()
    }

    fn to_revision(&self, before: Option<&User>, by: &str) -> UserRevision {
        UserRevision {
            revision: self.revision,
            by: by.to_owned(),
            time: format!("{:.3}", self.updated_at),
            changed: names(before.map(|before| Fields::of_users(before, self))),
            role: self.role.as_str().to_owned(),
            enabled: self.enabled,
        }
    }

    fn number(revision: &UserRevision) -> u32 {
        revision.revision
    }

    fn encode(revision: &UserRevision) -> Vec<u8> {
        value(&UserHistoryRow { version: ROW_VERSION, user: revision.clone() })
    }

    fn decode(value: &[u8]) -> Option<UserRevision> {
        let row: UserHistoryRow = serde_json::from_slice(value).ok()?;
        Some(row.user).filter(|_| row.version == ROW_VERSION)
    }
}

/// The names of the fields that a version changed; none for the first.
fn names(changed: Option<Fields>) -> Vec<String> {
    changed.iter().flat_map(|fields| fields.names()).map(|&name| name.to_owned()).collect()
}

fn value(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows have text keys and no failing serializer")
}
