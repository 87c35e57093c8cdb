//! Users and accounts.
//!
//! They share their rules: names that stay, and secrets that are only ever sent in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service_account::Credentials;
use super::{given, present};

/// A user as it is sent. On PUT an absent field stays as it is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct UserBody {
    /// On POST only: a user's name stays.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub(in crate::admin) name: Option<String>,
    /// `admin`, `storage-admin` or `auditor`.
    pub(in crate::admin) role: Option<String>,
    /// 8 to 256 bytes. A user that is made without one gets it by a one-time link.
    pub(in crate::admin) password: Option<String>,
    pub(in crate::admin) enabled: Option<bool>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct User {
    /// The name, which stands for the user in paths.
    pub(in crate::admin) id: String,
    pub(in crate::admin) name: String,
    pub(in crate::admin) role: &'static str,
    pub(in crate::admin) enabled: bool,
    pub(in crate::admin) create_time: String,
    pub(in crate::admin) update_time: String,
}

/// One version of a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct UserRevision {
    pub(in crate::admin) revision: u32,
    pub(in crate::admin) time: String,
    /// Who made it: an ARN, or the state file that declared it and who applied it.
    pub(in crate::admin) by: String,
    /// The fields that differ from the version before; `password` where it was another one, which is never told.
    pub(in crate::admin) changed: Vec<String>,
    pub(in crate::admin) role: String,
    pub(in crate::admin) enabled: bool,
}

/// An account as it is sent. On PUT an absent field stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct AccountBody {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub(in crate::admin) name: Option<String>,
    pub(in crate::admin) display_name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(in crate::admin) email: Option<Option<String>>,
    /// 12 digits, on POST only; random ones otherwise.
    pub(in crate::admin) account_id: Option<String>,
    /// On POST only; a random one otherwise.
    pub(in crate::admin) canonical_id: Option<String>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Account {
    /// 12 digits.
    pub(in crate::admin) id: String,
    pub(in crate::admin) name: String,
    pub(in crate::admin) display_name: String,
    pub(in crate::admin) email: Option<String>,
    pub(in crate::admin) canonical_id: String,
    /// Whether it is the operator's, whose root and admins manage accounts and the node.
    pub(in crate::admin) operator: bool,
    pub(in crate::admin) create_time: String,
}

/// An account that was just made, with its root's key, which is told here and nowhere else.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct NewAccount {
    #[serde(flatten)]
    pub(in crate::admin) account: Account,
    pub(in crate::admin) root: Credentials,
}
