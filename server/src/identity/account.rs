//! Accounts, the owners of buckets, and the root key of each.

use jiff::Timestamp;

use super::name::{AccessKey, AccountId, CanonicalId, Invalid, Name, check_display_name, check_email};
use super::sealed::SecretKey;

/// An owner of buckets. All other nouns belong to one account, and their names are unique in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// 12 digits; the account field of ARNs.
    pub account_id: AccountId,
    /// What ACLs and `Owner` elements name it by.
    pub canonical_id: CanonicalId,
    /// Unique on the node; a sign-in names it.
    pub name: Name,
    /// Shown in `Owner` elements and the console.
    pub display_name: String,
    /// Unique on the node where it is there; an ACL grant may name it.
    pub email: Option<String>,
    /// Whether this is the operator's account, whose root and admins manage the node itself. Exactly one account of a node is; it can't be deleted.
    pub operator: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Account {
    /// Checks what types don't.
    ///
    /// # Errors
    /// The first field that breaks its rule.
    pub fn check(&self) -> Result<(), Invalid> {
        check_display_name(&self.display_name)?;
        self.email.as_deref().map_or(Ok(()), check_email)
    }

    /// The ARN of its root, which in a policy stands for the whole account.
    pub fn root_arn(&self) -> String {
        self.account_id.root_arn()
    }
}

/// The credential of an account's root.
#[derive(Clone, Debug)]
pub struct RootKey {
    /// The account.
    pub account_id: AccountId,
    /// Unique among all access keys of the node.
    pub access_key: AccessKey,
    /// Its secret.
    pub secret: SecretKey,
}
