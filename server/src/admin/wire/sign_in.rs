//! Signing in and out.
//!
//! What is sent here are secrets, so that none of it is printed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service_account::Reference;

/// What signs in: an access key and its secret, a user and their password, or, for a session only, a one-time link and a new password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct SignInBody {
    pub(in crate::admin) access_key: Option<String>,
    pub(in crate::admin) secret: Option<String>,
    pub(in crate::admin) user: Option<String>,
    pub(in crate::admin) password: Option<String>,
    /// The user's account, by name or id; the operator's unless said.
    pub(in crate::admin) account: Option<String>,
    /// A one-time link's token; `password` is then the one to be.
    pub(in crate::admin) link: Option<String>,
}

/// A token for `Authorization: Bearer`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Token {
    pub(in crate::admin) token: String,
    pub(in crate::admin) expiration_sec: i64,
}

/// How long a token still holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct TokenTime {
    pub(in crate::admin) expiration_sec: i64,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Session {
    pub(in crate::admin) name: String,
    /// `root`, `service-account` or `user`.
    pub(in crate::admin) kind: &'static str,
    pub(in crate::admin) arn: String,
    /// A user's role.
    pub(in crate::admin) role: Option<&'static str>,
    pub(in crate::admin) account: Reference,
    /// Whether the account is the operator's.
    pub(in crate::admin) operator: bool,
    /// The `strongroom:*` actions that the caller may do from here.
    pub(in crate::admin) actions: Vec<&'static str>,
    /// For the header `X-CSRF-Token` of calls that change something, in a cookie session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::admin) csrf_token: Option<String>,
    pub(in crate::admin) expiration_sec: Option<i64>,
}

/// A user's own new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct PasswordBody {
    /// The one that holds now.
    pub(in crate::admin) password: String,
    pub(in crate::admin) new_password: String,
}

/// Whom a one-time link is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct LinkBody {
    pub(in crate::admin) user: String,
}

/// A one-time link.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Link {
    /// Goes with a new password to `POST /auth/session`.
    pub(in crate::admin) link: String,
    /// The same as a path of the console.
    pub(in crate::admin) path: String,
    pub(in crate::admin) expiration_sec: i64,
}
