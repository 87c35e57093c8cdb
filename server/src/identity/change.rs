//! Changes of identities, and why one is refused.
//!
//! Every verb of administration is a list of these two steps, so that the rules stand in one place, whoever asks.

use std::fmt;

use super::compiled::PolicyRefused;
use super::name::{AccessKey, Invalid, Name, PermissionName};
use super::rows::{Record, RowKey};

/// How many accounts a node may have.
pub const ACCOUNTS_MAX: usize = 10_000;
/// How many permissions an account may have.
pub const PERMISSIONS_PER_ACCOUNT_MAX: usize = 50_000;
/// How many service accounts an account may have.
pub const SERVICE_ACCOUNTS_PER_ACCOUNT_MAX: usize = 50_000;
/// How many users an account may have.
pub const USERS_PER_ACCOUNT_MAX: usize = 10_000;

/// One step of a change. The steps of a change are made durable and shown together.
#[derive(Clone, Debug)]
pub enum Change {
    /// Creates the record, or replaces the one with its id (a user: with its name; a root key: with its account).
    Put(Record),
    /// Removes the record; an account goes with all that it has.
    Delete(RowKey),
}

/// Why a change can't be made. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A field breaks its rule.
    Invalid {
        /// Whose field.
        record: RowKey,
        /// Which field and what is wrong.
        invalid: Invalid,
    },
    /// A permission's policy was refused.
    Policy {
        /// The permission.
        record: RowKey,
        /// The policy crate's error.
        refused: PolicyRefused,
    },
    /// Another record has the name.
    NameInUse {
        /// The record that wanted it.
        record: RowKey,
    },
    /// Another record has the access key: two identities with one key would be one.
    AccessKeyInUse {
        /// The key.
        access_key: AccessKey,
        /// Its two holders.
        holders: Box<[RowKey; 2]>,
    },
    /// Two accounts have the same name, canonical id or e-mail address, each of which stands for one account in sign-ins and ACLs.
    AccountFieldInUse {
        /// `name`, `canonicalId` or `email`.
        field: &'static str,
        /// The two accounts.
        accounts: Box<[RowKey; 2]>,
    },
    /// The permission is used and can't be deleted.
    PermissionInUse {
        /// The permission's name.
        permission: PermissionName,
        /// The names of the service accounts that use it, in order.
        service_accounts: Vec<Name>,
    },
    /// The operator's account can't be deleted, nor a second one be made.
    Operator,
    /// The record to delete, or the account to put it in, doesn't exist.
    NotFound {
        /// Its name.
        record: RowKey,
    },
    /// The operating system's random generator failed, so that a secret couldn't be sealed.
    Generator {
        /// Its error.
        message: String,
    },
    /// There are too many of a kind.
    TooMany {
        /// Of what, in words.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Invalid { record, invalid } => write!(f, "{record}: {invalid}"),
            Refused::Policy { record, refused } => write!(f, "{record}: {refused}"),
            Refused::NameInUse { record } => write!(f, "{record}: the name is already in use"),
            Refused::AccessKeyInUse { access_key, holders } => {
                let [first, second] = holders.as_ref();
                write!(
                    f,
                    "{first} and {second} can't both have access key {access_key}: access keys are unique across all accounts"
                )
            }
            Refused::AccountFieldInUse { field, accounts } => {
                let [first, second] = accounts.as_ref();
                write!(f, "{first} and {second} have the same {field}, which must be unique")
            }
            Refused::PermissionInUse { permission, service_accounts } => {
                let names: Vec<String> = service_accounts.iter().map(|name| format!("\"{name}\"")).collect();
                write!(
                    f,
                    "permission \"{permission}\" is used by service account {} and can't be deleted",
                    names.join(", ")
                )
            }
            Refused::Operator => f.write_str("a node has exactly one operator's account, which can't be deleted"),
            Refused::NotFound { record } => write!(f, "{record} doesn't exist"),
            Refused::Generator { message } => f.write_str(message),
            Refused::TooMany { what, limit } => write!(f, "there can't be more than {limit} {what}"),
        }
    }
}

impl std::error::Error for Refused {}
