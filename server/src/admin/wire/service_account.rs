//! Service accounts, their secrets, and their versions.
//!
//! Of what is answered only [`Credentials`] holds a secret: whoever adds a field to another type here needn't think of one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{given, present};

/// One version of a service account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ServiceAccountRevision {
    pub(in crate::admin) revision: u32,
    pub(in crate::admin) time: String,
    /// Who made it: an ARN, or the state file that declared it and who applied it.
    pub(in crate::admin) by: String,
    /// The fields that differ from the version before; `secretKey` where it got another secret, which is never told.
    pub(in crate::admin) changed: Vec<String>,
    pub(in crate::admin) name: String,
    pub(in crate::admin) access_key: String,
    pub(in crate::admin) description: String,
    /// Names of its permissions; ids of those that aren't there any more.
    pub(in crate::admin) permissions: Vec<String>,
    pub(in crate::admin) enabled: bool,
    pub(in crate::admin) expiration_date: Option<String>,
}

/// A service account as it is sent. On PUT an absent field stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct ServiceAccountBody {
    /// 1 to 128 letters, digits and `- _ . @ + = ,` with inner spaces.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub(in crate::admin) name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(in crate::admin) description: Option<Option<String>>,
    /// Ids or names of permissions, 1 to 100.
    pub(in crate::admin) permissions: Option<Vec<String>>,
    /// From then on the key is refused: a date, or a time in RFC 3339 form.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(in crate::admin) expiration_date: Option<Option<String>>,
    /// An access key of one's own, on POST only; a random one otherwise.
    pub(in crate::admin) access_key: Option<String>,
    /// A secret of one's own, on POST only; a random one otherwise.
    pub(in crate::admin) secret: Option<String>,
    /// Whether it may be used; `true` unless said.
    pub(in crate::admin) enabled: Option<bool>,
}

/// A key that was just made. The secret is told here and nowhere else.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Credentials {
    pub(in crate::admin) id: String,
    pub(in crate::admin) access_key: String,
    pub(in crate::admin) secret: String,
    pub(in crate::admin) expiration_date: Option<String>,
}

/// The name and id of a permission.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct Reference {
    pub(in crate::admin) id: String,
    pub(in crate::admin) name: String,
}

/// A service account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ServiceAccount {
    pub(in crate::admin) id: String,
    pub(in crate::admin) name: String,
    pub(in crate::admin) description: String,
    /// `arn:aws:iam::ACCOUNT:user/NAME`
    pub(in crate::admin) arn: String,
    pub(in crate::admin) access_key: String,
    pub(in crate::admin) permissions: Vec<Reference>,
    pub(in crate::admin) ready_state: bool,
    pub(in crate::admin) enabled: bool,
    /// `enabled`, `disabled` or `expired`.
    pub(in crate::admin) status: &'static str,
    pub(in crate::admin) expiration_date: Option<String>,
    /// The ARN of who made it.
    pub(in crate::admin) created_by: Option<String>,
    pub(in crate::admin) create_time: String,
    pub(in crate::admin) update_time: String,
}
