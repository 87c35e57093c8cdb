//! Answers of the admin API: a resource as JSON, or a refusal with a code that programs compare and a text for people.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::UserIdentity;
use crate::http::body::Body;
use crate::identity::change::Refused;
use crate::identity::compiled::PolicyRefused;
use crate::identity::credential::{Holder, claimed};
use crate::identity::name::{AccountId, Invalid, Name};
use crate::identity::rows::RowKey;
use crate::identity::store::{ChangeError, CommitError};
use crate::protocol::error::S3Error;
use crate::protocol::respond::{self, Response};

/// Names of service accounts in a message, which is one line; the details have all of them.
const NAMES_TOLD_MAX: usize = 10;

/// What a handler answers.
pub(super) type Result<T> = std::result::Result<T, Refusal>;

/// An answer to a call that succeeded.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Option<(&'static str, Bytes)>,
    headers: Vec<(HeaderName, String)>,
}

impl Answer {
    /// `200 OK` with a resource.
    pub(super) fn ok(resource: &impl Serialize) -> Result<Answer> {
        Answer::json(StatusCode::OK, resource)
    }

    /// `201 Created` with the resource.
    pub(super) fn created(resource: &impl Serialize) -> Result<Answer> {
        Answer::json(StatusCode::CREATED, resource)
    }

    /// `204 No Content`.
    pub(super) fn nothing() -> Answer {
        Answer { status: StatusCode::NO_CONTENT, body: None, headers: Vec::new() }
    }

    /// A resource as JSON.
    pub(super) fn json(status: StatusCode, resource: &impl Serialize) -> Result<Answer> {
        let text = serde_json::to_vec(resource).map_err(|error| Refusal::internal(&error))?;
        Ok(Answer { status, body: Some(("application/json", text.into())), headers: Vec::new() })
    }

    /// `200 OK` with bytes as they are.
    pub(super) fn bytes(content_type: &'static str, bytes: impl Into<Bytes>) -> Answer {
        Answer { status: StatusCode::OK, body: Some((content_type, bytes.into())), headers: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = match self.body {
            None => respond::empty(self.status),
            Some((content_type, bytes)) => {
                let mut response = respond::with_body(self.status, Body::Full(bytes));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
                response
            }
        };
        add(&mut response, &self.headers);
        response
    }
}

/// Why a call was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    details: Option<Value>,
    headers: Vec<(HeaderName, String)>,
    /// Why, for the log alone.
    pub(super) cause: Option<String>,
    /// Whoever claimed to be who they could not prove to be.
    pub(super) claimant: Option<Claimant>,
}

/// Whom a call said to be who made it: until that is proved a claim, which the log has as such.
#[derive(Debug)]
pub(super) enum Claimant {
    /// Who has this access key, and whose it is or was where this node knows.
    Key { access_key: String, holder: Option<Holder> },
    /// A user, as far as this node knows them: what isn't a name here may be a password in the wrong place.
    User { account: Option<AccountId>, name: Option<Name> },
}

impl Claimant {
    /// As the audit log has it.
    pub(super) fn audited(&self) -> UserIdentity<'_> {
        match self {
            Claimant::Key { access_key, holder } => claimed(access_key, holder.as_ref()),
            Claimant::User { account, name } => UserIdentity {
                account_id: account.as_ref().map(AccountId::as_str),
                user_name: name.as_ref().map(Name::as_str),
                ..UserIdentity::unverified()
            },
        }
    }

    /// The name by which this node knows them.
    pub(super) fn known_name(&self) -> Option<&str> {
        match self {
            Claimant::Key { access_key, holder } => holder.as_ref().map(|it| it.name().unwrap_or(access_key)),
            Claimant::User { name, .. } => name.as_ref().map(Name::as_str),
        }
    }
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal { status, code, message, details: None, headers: Vec::new(), cause: None, claimant: None }
    }

    /// Adds what only the log says.
    #[must_use]
    pub(super) fn because(mut self, cause: impl Into<String>) -> Refusal {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what a program or a form can use.
    #[must_use]
    pub(super) fn details(mut self, details: Value) -> Refusal {
        self.details = Some(details);
        self
    }

    /// Adds a header.
    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Refusal {
        self.headers.push((name, value.into()));
        self
    }

    /// A field that breaks its rule.
    pub(super) fn invalid(field: &str, reason: impl Into<String>) -> Refusal {
        let reason = reason.into();
        Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", format!("{field} {reason}"))
            .details(json!([{"field": field, "message": reason}]))
    }

    pub(super) fn denied(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::CONFLICT, code, message)
    }

    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn permission_not_found() -> Refusal {
        Refusal::not_found("PermissionNotFound", "A permission was not found.")
    }

    pub(super) fn service_account_not_found() -> Refusal {
        Refusal::not_found("ServiceAccountNotFound", "A service account was not found.")
    }

    pub(super) fn user_not_found() -> Refusal {
        Refusal::not_found("UserNotFound", "A user was not found.")
    }

    pub(super) fn account_not_found() -> Refusal {
        Refusal::not_found("AccountNotFound", "An account was not found.")
    }

    pub(super) fn bucket_not_found() -> Refusal {
        Refusal::not_found("BucketNotFound", "A bucket was not found.")
    }

    /// Something of the node's own failed; the cause is for the log.
    pub(super) fn internal(cause: &dyn std::fmt::Display) -> Refusal {
        tracing::error!(%cause, "an admin call failed");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The call failed; the node's log says why.")
    }

    fn not_ready(message: &str) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceNotReady", message)
    }

    pub(super) fn into_response(self) -> Response {
        let mut body = json!({"code": self.code, "message": self.message});
        if let (Some(details), Some(object)) = (self.details, body.as_object_mut()) {
            object.insert("details".into(), details);
        }
        let mut response = respond::with_body(self.status, Body::from(body.to_string()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        add(&mut response, &self.headers);
        response
    }
}

fn add(response: &mut Response, headers: &[(HeaderName, String)]) {
    for (name, value) in headers {
        // Values are made here, of names and tokens that headers can carry.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(name, value);
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Refusal {
        Refusal::invalid(invalid.field, invalid.reason)
    }
}

impl From<PolicyRefused> for Refusal {
    fn from(refused: PolicyRefused) -> Refusal {
        match refused {
            PolicyRefused::File(errors) => {
                let details = serde_json::to_value(&errors.errors).unwrap_or_default();
                Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, errors.code, errors.message).details(details)
            }
            PolicyRefused::Scope(error) => Refusal::invalid("buckets", error.to_string()),
        }
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Refusal {
        match error {
            ChangeError::Refused(refused) => refused.into(),
            ChangeError::Commit(CommitError::Changed) => {
                Refusal::not_ready("The server is not ready to handle the request. Please retry the request later.")
            }
            ChangeError::Commit(CommitError::Storage { source, in_effect }) => {
                tracing::error!(%source, in_effect, "a change of identities could not be stored");
                Refusal::not_ready(if in_effect {
                    "The change is in effect, but could not be made durable: a restart may undo it."
                } else {
                    "The change could not be stored."
                })
            }
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        let in_use = |what: &str| format!("The {what} is already in use. Please use a different name.");
        match refused {
            Refused::Invalid { invalid, .. } => invalid.into(),
            Refused::Policy { refused, .. } => refused.into(),
            Refused::NameInUse { record } => match record {
                RowKey::Permission { .. } => {
                    Refusal::conflict("PermissionNameAlreadyExists", in_use("permission name"))
                }
                RowKey::ServiceAccount { .. } => {
                    Refusal::conflict("ServiceAccountNameAlreadyExists", in_use("service account name"))
                }
                RowKey::User { .. } => Refusal::conflict("UserNameAlreadyExists", in_use("user name")),
                RowKey::Account { .. } | RowKey::Root { .. } => {
                    Refusal::conflict("AccountNameAlreadyExists", in_use("account name"))
                }
            },
            Refused::AccessKeyInUse { .. } => Refusal::conflict(
                "AccessKeyAlreadyExists",
                "The access key is already in use. Please use a different access key.",
            ),
            Refused::AccountFieldInUse { field, .. } => Refusal::conflict(
                "AccountNameAlreadyExists",
                format!("The account's {field} is already in use. Please use a different one."),
            )
            .details(json!([{"field": field, "message": "is already in use"}])),
            Refused::PermissionInUse { service_accounts, .. } => {
                let names: Vec<&str> = service_accounts.iter().map(|name| name.as_str()).collect();
                let (told, more) = names.split_at(names.len().min(NAMES_TOLD_MAX));
                let more = if more.is_empty() { String::new() } else { format!(", ... and {} more", more.len()) };
                let told = told.join(", ");
                Refusal::conflict(
                    "PermissionInUse",
                    format!("The permission is used by service accounts and can't be deleted: {told}{more}."),
                )
                .details(json!({"serviceAccounts": names}))
            }
            Refused::Operator => Refusal::conflict(
                "OperatorAccount",
                "A node has exactly one operator's account, which can't be deleted.",
            ),
            Refused::NotFound { record } => match record {
                RowKey::Permission { .. } => Refusal::permission_not_found(),
                RowKey::ServiceAccount { .. } => Refusal::service_account_not_found(),
                RowKey::User { .. } => Refusal::user_not_found(),
                RowKey::Account { .. } | RowKey::Root { .. } => Refusal::account_not_found(),
            },
            Refused::Generator { message } => Refusal::internal(&message),
            Refused::TooMany { what, limit } => {
                Refusal::conflict("LimitExceeded", format!("There can't be more than {limit} {what}."))
            }
        }
    }
}

/// What the S3 side refuses keeps its code and text.
impl From<S3Error> for Refusal {
    fn from(error: S3Error) -> Refusal {
        if error.code.status().is_server_error() {
            tracing::error!(cause = error.cause.as_deref().unwrap_or_default(), "an admin call failed");
        }
        Refusal::new(error.code.status(), error.code.name(), error.message.clone())
    }
}
