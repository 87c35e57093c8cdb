//! Users: people who sign in to the console and the admin API with a password.

use std::fmt;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash as PhcString;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use jiff::Timestamp;

use super::name::{AccountId, Invalid, Name};

/// A person's sign-in.
#[derive(Clone, Debug)]
pub struct User {
    /// The account that they belong to.
    pub account_id: AccountId,
    /// Unique in its account.
    pub name: Name,
    /// What they may do.
    pub role: Role,
    /// The hash of their password.
    pub password: PasswordHash,
    /// A disabled user can't sign in.
    pub enabled: bool,
    /// The number of this version, counted by the store.
    pub revision: u32,
    /// Who made them: an ARN, or what else named its author, such as the state file that declared them; `None` for whoever was stored before this was kept. Set where they are made, whatever the caller puts here.
    pub created_by: Option<String>,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// Their ARN. Its path keeps a user apart from a service account of the same name, whose name can have no `/`.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:user/console/{}", self.account_id, self.name)
    }
}

/// What a user may do. A role is a policy over `strongroom:*` actions, judged like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything in the account.
    Admin,
    /// Everything but users, accounts, audit settings and the expiry of other people's keys.
    StorageAdmin,
    /// Lists and views, no contents of objects.
    Auditor,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Admin, Role::StorageAdmin, Role::Auditor];

    /// Its name in rows, state files and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::StorageAdmin => "storage-admin",
            Role::Auditor => "auditor",
        }
    }

    /// Reads [`Role::as_str`]'s text.
    ///
    /// # Errors
    /// It is another text.
    pub fn parse(text: &str) -> Result<Role, Invalid> {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| Invalid::new("role", "must be admin, storage-admin or auditor"))
    }
}

/// A password as somebody gave it: 8 to 256 bytes of any characters. Never printed, never stored.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Checks `text`.
    ///
    /// # Errors
    /// It is too short or too long; the text isn't repeated.
    pub fn parse(text: &str) -> Result<Password, Invalid> {
        if !(8..=256).contains(&text.len()) {
            return Err(Invalid::new("password", "must have 8 to 256 bytes"));
        }
        Ok(Password(text.to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// An argon2id hash with its parameters and salt, as a PHC string. Not printed either: it can be guessed against at leisure.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes `password` with OWASP's parameters for argon2id (19 MiB, 2 passes, 1 lane), which are the library's defaults: some tens of milliseconds of one core.
    ///
    /// # Errors
    /// The operating system's generator failed.
    pub fn new(password: &Password) -> std::io::Result<PasswordHash> {
        let hash = Argon2::default().hash_password(password.0.as_bytes());
        let hash = hash.map_err(|error| std::io::Error::other(format!("a password could not be hashed: {error}")))?;
        Ok(PasswordHash(hash.to_string()))
    }

    /// Whether `password` is the one that was hashed. As expensive as [`PasswordHash::new`].
    pub fn verify(&self, password: &Password) -> bool {
        let Ok(hash) = PhcString::new(&self.0) else { return false };
        Argon2::default().verify_password(password.0.as_bytes(), &hash).is_ok()
    }

    /// Reads a stored PHC string; only argon2id is accepted.
    pub(super) fn from_phc(text: String) -> Option<PasswordHash> {
        let argon2id = PhcString::new(&text).is_ok_and(|hash| hash.algorithm == argon2::Algorithm::Argon2id.ident());
        argon2id.then_some(PasswordHash(text))
    }

    /// The PHC string for storage.
    pub(super) fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_hash_is_argon2id_and_verifies_only_its_password() {
        let password = Password::parse("open sesame").unwrap();
        let hash = PasswordHash::new(&password).unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_phc());
        assert!(hash.verify(&password));
        assert!(!hash.verify(&Password::parse("open sesamE").unwrap()));
        let stored = PasswordHash::from_phc(hash.as_phc().to_owned()).unwrap();
        assert!(stored.verify(&password));
        assert!(PasswordHash::from_phc("$2b$12$abcdefghijklmnopqrstuv".to_owned()).is_none());
    }

    #[test]
    fn d16_debug_prints_neither_password_nor_hash() {
        let password = Password::parse("open sesame").unwrap();
        let hash = PasswordHash::new(&password).unwrap();
        assert_eq!(format!("{password:?} {hash:?}"), "Password(redacted) PasswordHash(redacted)");
    }
}
