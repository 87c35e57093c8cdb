//! The versions of a permission, each a row of its own, written with the change that made it.
//!
//! Whoever mends a permission that went wrong has to see what it was before, and who changed it; and one durable batch holds both the change and its place in the history, so that neither is there without the other.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::name::{AccountId, Id};
use super::permission::Permission;
use super::store::{IdentityStore, RowChange, RowsError};

/// How many versions of a permission are kept.
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
        let rows = self.rows().rows(&namespace(&permission.account_id, &permission.id))?;
        let mut revisions: Vec<Revision> = rows.iter().filter_map(|(_, value)| read(value)).collect();
        // Rows of a later number are from before the permission's own row was damaged and replaced.
        revisions.retain(|it| it.permission.revision <= permission.revision);
        revisions.sort_by_key(|it| std::cmp::Reverse(it.permission.revision));
        Ok(revisions)
    }
}

/// The rows that a new version writes: itself, and the removal of the one that is too old by now.
pub(super) fn written(permission: &Permission, by: &str) -> Vec<RowChange> {
    let text = String::from_utf8(permission.to_row()).expect("JSON is UTF-8");
    let permission_row = RawValue::from_string(text).expect("a row is JSON");
    let row = HistoryRow { version: ROW_VERSION, by: by.to_owned(), permission: permission_row };
    let value = serde_json::to_vec(&row).expect("rows have text keys and no failing serializer");
    let mut rows = vec![change(permission, permission.revision, Some(value))];
    rows.extend(
        permission.revision.checked_sub(REVISIONS_MAX).filter(|&old| old > 0).map(|old| change(permission, old, None)),
    );
    rows
}

/// The rows that go with a permission that is deleted.
pub(super) fn removed(permission: &Permission) -> impl Iterator<Item = RowChange> + '_ {
    let oldest = permission.revision.saturating_sub(REVISIONS_MAX - 1).max(1);
    (oldest..=permission.revision).map(|revision| change(permission, revision, None))
}

fn change(permission: &Permission, revision: u32, value: Option<Vec<u8>>) -> RowChange {
    // Numbers of one length sort as numbers do.
    RowChange { namespace: namespace(&permission.account_id, &permission.id), key: format!("{revision:010}"), value }
}

fn namespace(account: &AccountId, permission: &Id) -> String {
    format!("identity.history/{account}/{permission}")
}

fn read(value: &[u8]) -> Option<Revision> {
    let row: HistoryRow = serde_json::from_slice(value).ok().filter(|row: &HistoryRow| row.version == ROW_VERSION)?;
    let permission = Permission::from_row(row.permission.get().as_bytes()).ok()?;
    Some(Revision { by: row.by, at: permission.updated_at, permission })
}
