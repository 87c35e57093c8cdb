//! Service accounts: S3 credentials with permissions, the IAM users of an account.

use jiff::Timestamp;

use super::name::{AccessKey, AccountId, Id, Invalid, Name, check_description};
use super::sealed::SecretKey;

/// How many permissions one service account may have. Each is judged at every request.
pub const PERMISSIONS_PER_SERVICE_ACCOUNT_MAX: usize = 100;

/// An access key and a secret for S3, and what they may do.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// Stable and random: `aws:userid`. A later namesake gets another, so it doesn't inherit what was granted to this one.
    pub id: Id,
    /// The account that it belongs to.
    pub account_id: AccountId,
    /// Unique in its account: `aws:username`.
    pub name: Name,
    /// Unique among all access keys of the node.
    pub access_key: AccessKey,
    /// Its secret; sealed where it is stored.
    pub secret: SecretKey,
    /// Free text.
    pub description: Option<String>,
    /// The ids of its permissions, at least one, without repetition. Their union decides, a Deny of any of them first.
    pub permissions: Vec<Id>,
    /// A disabled one answers like an unknown one.
    pub enabled: bool,
    /// From this moment on it answers like an unknown one.
    pub expires_at: Option<Timestamp>,
    /// Who made it: an ARN, or what else named its author, such as the state file that declared it; `None` for what was stored before this was kept. Set where it is made, whatever the caller puts here.
    pub created_by: Option<String>,
    /// Counts the versions of the service account from 1. Set where a change is made, whatever the caller puts here.
    pub revision: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl ServiceAccount {
    /// Checks what types don't.
    ///
    /// # Errors
    /// The first field that breaks its rule.
    pub fn check(&self) -> Result<(), Invalid> {
        self.description.as_deref().map_or(Ok(()), check_description)?;
        if self.permissions.is_empty() {
            return Err(Invalid::new("permissions", "is empty: a service account needs at least one permission"));
        }
        if self.permissions.len() > PERMISSIONS_PER_SERVICE_ACCOUNT_MAX {
            return Err(Invalid::new(
                "permissions",
                format!("has more than {PERMISSIONS_PER_SERVICE_ACCOUNT_MAX} entries"),
            ));
        }
        let repeated = self.permissions.iter().enumerate().any(|(index, id)| self.permissions[..index].contains(id));
        if repeated {
            return Err(Invalid::new("permissions", "names a permission twice"));
        }
        Ok(())
    }

    /// The ARN of who made it; `None` for one that a state file declared. What is about other people's keys is asked of it.
    pub fn creator(&self) -> Option<&str> {
        self.created_by.as_deref().filter(|by| by.starts_with("arn:"))
    }

    /// The ARN of the IAM user that it is.
    pub fn arn(&self) -> String {
        self.account_id.user_arn(&self.name)
    }
}
