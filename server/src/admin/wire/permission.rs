//! Permissions, their versions, and what a check of one says.
//!
//! A permission is read and shown in one shape, whatever its type, so that what was shown can be sent back.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{given, present};

/// A permission as it is sent. On PUT an absent field stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct PermissionBody {
    /// 1 to 128 letters, digits, `-`, `_` and inner spaces.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub(in crate::admin) name: Option<String>,
    /// At most 1,000 characters; without one the permission is described in plain words.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(in crate::admin) description: Option<Option<String>>,
    /// `bucket-names`, `bucket-prefix`, `all-buckets` or `policy`.
    #[serde(rename = "type")]
    pub(in crate::admin) type_name: Option<String>,
    /// `all-operations`, `read-only` or `write-only`.
    pub(in crate::admin) actions: Option<String>,
    /// 1 to 64 characters that bucket names begin with.
    pub(in crate::admin) prefix: Option<String>,
    /// Names of buckets that exist.
    pub(in crate::admin) buckets: Option<Vec<String>>,
    /// A policy document: an object, kept byte for byte, or a string that holds the file.
    #[schema(value_type = Option<serde_json::Value>)]
    pub(in crate::admin) policy: Option<Box<RawValue>>,
    /// `lyve` (default) or `aws`.
    pub(in crate::admin) dialect: Option<String>,
    /// Whether it grants; `true` unless said.
    pub(in crate::admin) enabled: Option<bool>,
}

/// The service accounts that use a permission.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(in crate::admin) struct Users {
    /// How many.
    pub(in crate::admin) count: usize,
    /// Their names, at most 100.
    pub(in crate::admin) names: Vec<String>,
}

/// A permission in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct PermissionSummary {
    pub(in crate::admin) id: String,
    pub(in crate::admin) name: String,
    pub(in crate::admin) description: String,
    #[serde(rename = "type")]
    pub(in crate::admin) type_name: &'static str,
    /// Always true: a change is in effect before it is answered.
    pub(in crate::admin) ready_state: bool,
    pub(in crate::admin) enabled: bool,
    pub(in crate::admin) create_time: String,
    pub(in crate::admin) update_time: String,
    pub(in crate::admin) service_accounts: Users,
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Permission {
    #[serde(flatten)]
    pub(in crate::admin) summary: PermissionSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::admin) actions: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::admin) prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::admin) buckets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::admin) dialect: Option<&'static str>,
    /// The file as it was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(in crate::admin) policy: Option<Box<RawValue>>,
    /// Counts the permission's versions from 1.
    pub(in crate::admin) revision: u32,
    /// What is worth knowing of its policy, when it was saved by this call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub(in crate::admin) findings: Vec<policy::Finding>,
}

/// One version of a permission.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Revision {
    pub(in crate::admin) revision: u32,
    pub(in crate::admin) time: String,
    /// Who made it: an ARN, or the state file that declared it and who applied it.
    pub(in crate::admin) by: String,
    /// The fields that differ from the version before.
    pub(in crate::admin) changed: Vec<&'static str>,
    /// The policy's lines that differ from the version before, with `-`, `+` or a space before each; a bucket permission's are those of its lowered document.
    pub(in crate::admin) diff: String,
    /// The permission as it then was.
    pub(in crate::admin) permission: Permission,
}

/// Which version to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct RevertBody {
    pub(in crate::admin) revision: u32,
}

/// What a permission would be, without its being saved.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Checked {
    /// Whether it could be saved, under a name that is free.
    pub(in crate::admin) valid: bool,
    /// The first error in the dialect's own words.
    pub(in crate::admin) message: Option<String>,
    /// Every error with its place.
    #[schema(value_type = Vec<Object>)]
    pub(in crate::admin) errors: serde_json::Value,
    /// What is worth knowing about a valid one.
    #[schema(value_type = Vec<Object>)]
    pub(in crate::admin) findings: serde_json::Value,
    /// It in plain words.
    pub(in crate::admin) description: Option<String>,
    /// The document that it comes to.
    pub(in crate::admin) document: Option<String>,
}
