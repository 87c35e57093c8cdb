//! The versions of a permission, service account or user, each a row of its own, written with the change that made it.
//!
//! Whoever mends a permission that went wrong has to see what it was before, and who changed it; and one durable batch holds both the change and its place in the history, so that neither is there without the other.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::difference::Fields;
use super::name::{AccountId, Id, Name};
use super::permission::Permission;
use super::service_account::ServiceAccount;
use super::store::{IdentityStore, RowChange, RowsError};
use super::user::User;

/// How many versions of one of them are kept.
pub const REVISIONS_MAX: u32 = 100;
/// The version of a history row, and the only one that is read.
const ROW_VERSION: u32 = 1;

/// One version of a permission.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Who made it: an ARN, or the state file that declared it.
    pub by: String,
    /// When it was made.
    pub at: Timestamp,
    /// The permission as it then was, with the number of the version.
    pub permission: Permission,
}

/// One version of a service account. Its secret is not in it, only whether it was another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceAccountRevision {
    /// The number of the version.
    pub revision: u32,
    /// Who made it: an ARN, or the state file that declared it.
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

impl ServiceAccountRevision {
    fn new(it: &ServiceAccount, before: Option<&ServiceAccount>, by: &str) -> ServiceAccountRevision {
        let changed = before.map(|before| Fields::of_service_accounts(before, it));
        ServiceAccountRevision {
            revision: it.revision,
            by: by.to_owned(),
            time: format!("{:.3}", it.updated_at),
            changed: changed.iter().flat_map(|fields| fields.names()).map(|&name| name.to_owned()).collect(),
            name: it.name.to_string(),
            access_key: it.access_key.to_string(),
            description: it.description.clone(),
            permissions: it.permissions.iter().map(Id::to_string).collect(),
            enabled: it.enabled,
            expiration_date: it.expires_at.map(|at| at.to_string()),
        }
    }
}

/// One version of a user. Neither their password nor its hash is in it, only whether it was another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UserRevision {
    /// The number of the version.
    pub revision: u32,
    /// Who made it: an ARN, or the state file that declared it.
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

impl UserRevision {
    fn new(it: &User, before: Option<&User>, by: &str) -> UserRevision {
        let changed = before.map(|before| Fields::of_users(before, it));
        UserRevision {
            revision: it.revision,
            by: by.to_owned(),
            time: format!("{:.3}", it.updated_at),
            changed: changed.iter().flat_map(|fields| fields.names()).map(|&name| name.to_owned()).collect(),
            role: it.role.as_str().to_owned(),
            enabled: it.enabled,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserHistoryRow {
    version: u32,
    user: UserRevision,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ServiceAccountHistoryRow {
    version: u32,
    service_account: ServiceAccountRevision,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryRow {
    version: u32,
    by: String,
    permission: Box<RawValue>,
}

impl IdentityStore {
    /// The versions of a permission that are kept, newest first. One whose row is damaged is left out.
    ///
    /// Reads the store, and so may wait for the disk.
    ///
    /// # Errors
    /// The row store's.
    pub fn history(&self, permission: &Permission) -> Result<Vec<Revision>, RowsError> {
        let rows = self.rows().rows(&Kept::of_permission(permission).namespace(), "")?;
        let mut revisions: Vec<Revision> = rows.iter().filter_map(|(_, value)| read(value)).collect();
        // Rows of a later number are from before the permission's own row was damaged and replaced.
        revisions.retain(|it| it.permission.revision <= permission.revision);
        revisions.sort_by_key(|it| std::cmp::Reverse(it.permission.revision));
        Ok(revisions)
    }

    /// The versions of a service account that are kept, newest first. One whose row is damaged is left out.
    ///
    /// Reads the store, and so may wait for the disk.
    ///
    /// # Errors
    /// The row store's.
    pub fn service_account_history(&self, of: &ServiceAccount) -> Result<Vec<ServiceAccountRevision>, RowsError> {
        let rows = self.rows().rows(&Kept::of_service_account(of).namespace(), "")?;
        let read = |value: &[u8]| -> Option<ServiceAccountRevision> {
            let row: ServiceAccountHistoryRow = serde_json::from_slice(value).ok()?;
            Some(row.service_account).filter(|it| row.version == ROW_VERSION && it.revision <= of.revision)
        };
        let mut revisions: Vec<ServiceAccountRevision> = rows.iter().filter_map(|(_, value)| read(value)).collect();
        revisions.sort_by_key(|it| std::cmp::Reverse(it.revision));
        // One that was stored before its versions were kept is its first.
        if revisions.first().is_none_or(|it| it.revision != of.revision) {
            revisions.insert(0, ServiceAccountRevision::new(of, None, ""));
        }
        Ok(revisions)
    }

    /// The versions of a user that are kept, newest first. One whose row is damaged is left out.
    ///
    /// Reads the store, and so may wait for the disk.
    ///
    /// # Errors
    /// The row store's.
    pub fn user_history(&self, of: &User) -> Result<Vec<UserRevision>, RowsError> {
        let rows = self.rows().rows(&Kept::of_user(of).namespace(), "")?;
        let read = |value: &[u8]| -> Option<UserRevision> {
            let row: UserHistoryRow = serde_json::from_slice(value).ok()?;
            Some(row.user).filter(|it| row.version == ROW_VERSION && it.revision <= of.revision)
        };
        let mut revisions: Vec<UserRevision> = rows.iter().filter_map(|(_, value)| read(value)).collect();
        revisions.sort_by_key(|it| std::cmp::Reverse(it.revision));
        // One that was stored before their versions were kept is their first.
        if revisions.first().is_none_or(|it| it.revision != of.revision) {
            revisions.insert(0, UserRevision::new(of, None, ""));
        }
        Ok(revisions)
    }
}

/// What has a history: whose it is, and its newest version.
#[derive(Clone, Copy)]
struct Kept<'a> {
    account: &'a AccountId,
    what: What<'a>,
    revision: u32,
}

/// What tells it from all others of its account.
#[derive(Clone, Copy)]
enum What<'a> {
    Id(&'a Id),
    /// Users are known by their names, which stay.
    User(&'a Name),
}

impl<'a> Kept<'a> {
    fn of_permission(it: &'a Permission) -> Kept<'a> {
        Kept { account: &it.account_id, what: What::Id(&it.id), revision: it.revision }
    }

    fn of_service_account(it: &'a ServiceAccount) -> Kept<'a> {
        Kept { account: &it.account_id, what: What::Id(&it.id), revision: it.revision }
    }

    fn of_user(it: &'a User) -> Kept<'a> {
        Kept { account: &it.account_id, what: What::User(&it.name), revision: it.revision }
    }

    /// The rows that a new version writes: itself, and the removal of the one that is too old by now.
    fn written(self, value: Vec<u8>) -> Vec<RowChange> {
        let mut rows = vec![self.change(self.revision, Some(value))];
        let old = self.revision.checked_sub(REVISIONS_MAX).filter(|&old| old > 0);
        rows.extend(old.map(|old| self.change(old, None)));
        rows
    }

    /// The rows that go with what is deleted.
    fn removed(self) -> impl Iterator<Item = RowChange> + 'a {
        let oldest = self.revision.saturating_sub(REVISIONS_MAX - 1).max(1);
        (oldest..=self.revision).map(move |revision| self.change(revision, None))
    }

    fn change(self, revision: u32, value: Option<Vec<u8>>) -> RowChange {
        // Numbers of one length sort as numbers do.
        RowChange { namespace: self.namespace(), key: format!("{revision:010}"), value }
    }

    fn namespace(self) -> String {
        match self.what {
            What::Id(id) => format!("identity.history/{}/{id}", self.account),
            What::User(name) => format!("identity.history/{}/user:{name}", self.account),
        }
    }
}

/// The rows that a new version of a permission writes.
pub(super) fn written(permission: &Permission, by: &str) -> Vec<RowChange> {
    let text = String::from_utf8(permission.to_row()).expect("JSON is UTF-8");
    let permission_row = RawValue::from_string(text).expect("a row is JSON");
    let row = HistoryRow { version: ROW_VERSION, by: by.to_owned(), permission: permission_row };
    let value = serde_json::to_vec(&row).expect("rows have text keys and no failing serializer");
    Kept::of_permission(permission).written(value)
}

/// The rows that go with a permission that is deleted.
pub(super) fn removed(permission: &Permission) -> impl Iterator<Item = RowChange> + '_ {
    Kept::of_permission(permission).removed()
}

/// The rows that a new version of a service account writes.
pub(super) fn service_account_written(
    it: &ServiceAccount,
    before: Option<&ServiceAccount>,
    by: &str,
) -> Vec<RowChange> {
    let service_account = ServiceAccountRevision::new(it, before, by);
    let row = ServiceAccountHistoryRow { version: ROW_VERSION, service_account };
    let value = serde_json::to_vec(&row).expect("rows have text keys and no failing serializer");
    Kept::of_service_account(it).written(value)
}

/// The rows that go with a service account that is deleted.
pub(super) fn service_account_removed(it: &ServiceAccount) -> impl Iterator<Item = RowChange> + '_ {
    Kept::of_service_account(it).removed()
}

/// The rows that a new version of a user writes.
pub(super) fn user_written(it: &User, before: Option<&User>, by: &str) -> Vec<RowChange> {
    let row = UserHistoryRow { version: ROW_VERSION, user: UserRevision::new(it, before, by) };
    let value = serde_json::to_vec(&row).expect("rows have text keys and no failing serializer");
    Kept::of_user(it).written(value)
}

/// The rows that go with a user who is deleted.
pub(super) fn user_removed(it: &User) -> impl Iterator<Item = RowChange> + '_ {
    Kept::of_user(it).removed()
}

fn read(value: &[u8]) -> Option<Revision> {
    let row: HistoryRow = serde_json::from_slice(value).ok().filter(|row: &HistoryRow| row.version == ROW_VERSION)?;
    let permission = Permission::from_row(row.permission.get().as_bytes()).ok()?;
    Some(Revision { by: row.by, at: permission.updated_at, permission })
}
