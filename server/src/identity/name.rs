//! Identifiers of accounts, access keys and names: parsed once, valid from then on.
//!
//! They become parts of ARNs, of signatures' credential scopes and of row keys, so what would be ambiguous in one of these is refused here and nowhere else.

use std::fmt;
use std::sync::Arc;

/// A value that breaks a rule, in words that follow the name of its field: `name` + `is longer than 128 characters`.
///
/// The text never repeats the value, since it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field as the state file and the API call it.
    pub field: &'static str,
    /// What is wrong, as the rest of a sentence that begins with the field.
    pub reason: String,
}

impl Invalid {
    pub(super) fn new(field: &'static str, reason: impl Into<String>) -> Invalid {
        Invalid { field, reason: reason.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.reason)
    }
}

impl std::error::Error for Invalid {}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text`.
            ///
            /// # Errors
            /// The rule that it breaks.
            pub fn parse(text: &str) -> Result<$name, Invalid> {
                let check: fn(&str) -> Result<(), Invalid> = $check;
                check(text)?;
                Ok($name(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_type!(
    /// An account's id: 12 digits, as in the account field of an ARN.
    AccountId,
    |text| {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(());
        }
        Err(Invalid::new("accountId", "must have exactly 12 digits"))
    }
);

impl AccountId {
    /// The ARN of the account's root.
    pub fn root_arn(&self) -> String {
        format!("arn:aws:iam::{self}:root")
    }

    /// The ARN of a service account, which is an IAM user.
    pub fn user_arn(&self, name: &Name) -> String {
        format!("arn:aws:iam::{self}:user/{name}")
    }
}

text_type!(
    /// An account's canonical id, which ACLs and owners are written with: 1 to 256 printable ASCII characters without spaces; a made one is 64 hexadecimal digits.
    CanonicalId,
    |text| {
        if (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(());
        }
        Err(Invalid::new("canonicalId", "must have 1 to 256 printable ASCII characters without spaces"))
    }
);

text_type!(
    /// An access key id: 3 to 128 letters, digits and `-_.@+$`. `/`, `:` and `,` would be ambiguous in an Authorization header.
    AccessKey,
    |text| {
        if !(3..=128).contains(&text.chars().count()) {
            return Err(Invalid::new("accessKey", "must have 3 to 128 characters"));
        }
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@+$".contains(&byte)) {
            return Ok(());
        }
        Err(Invalid::new("accessKey", "may only have letters, digits and the characters - _ . @ + $"))
    }
);

text_type!(
    /// A permission's name: 1 to 128 letters, digits, `-`, `_` and inner spaces.
    PermissionName,
    |text| name_rule(text, b"-_ ", "letters, digits, - and _, with spaces only between them")
);

text_type!(
    /// The name of an account, a service account or a user: 1 to 128 of a permission name's characters and IAM's `. @ + = ,`, so that an e-mail address is a name too.
    Name,
    |text| name_rule(text, b"-_ .@+=,", "letters, digits and the characters - _ . @ + = , with spaces only between them")
);

text_type!(
    /// The random id of a permission or service account. It stays when the name changes, and a later namesake gets another.
    Id,
    |text| {
        if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(());
        }
        Err(Invalid::new("id", "must have 1 to 64 letters and digits"))
    }
);

fn name_rule(text: &str, punctuation: &[u8], allowed: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("name", "is empty"));
    }
    if text.chars().count() > 128 {
        return Err(Invalid::new("name", "is longer than 128 characters"));
    }
    // Leading and trailing spaces would make two names that look the same.
    let spaced = text.starts_with(' ') || text.ends_with(' ');
    if spaced || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || punctuation.contains(&byte)) {
        return Err(Invalid::new("name", format!("may only have {allowed}")));
    }
    Ok(())
}

/// The longest description, in characters.
pub const DESCRIPTION_CHARACTERS_MAX: usize = 1_000;

/// Checks a description: at most [`DESCRIPTION_CHARACTERS_MAX`] characters, no control characters but tab and line ends.
///
/// # Errors
/// The rule that it breaks.
pub fn check_description(text: &str) -> Result<(), Invalid> {
    if text.chars().count() > DESCRIPTION_CHARACTERS_MAX {
        return Err(Invalid::new("description", "is longer than 1,000 characters"));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return Err(Invalid::new("description", "has control characters"));
    }
    Ok(())
}

/// Checks an account's display name: 1 to 256 characters, none of them a control character.
///
/// # Errors
/// The rule that it breaks.
pub fn check_display_name(text: &str) -> Result<(), Invalid> {
    if text.is_empty() || text.chars().count() > 256 || text.chars().any(char::is_control) {
        return Err(Invalid::new("displayName", "must have 1 to 256 characters and no control characters"));
    }
    Ok(())
}

/// Checks an e-mail address as far as a store needs it: something on both sides of an `@`, no spaces, at most 254 characters (RFC 5321).
///
/// # Errors
/// The rule that it breaks.
pub fn check_email(text: &str) -> Result<(), Invalid> {
    let parts = text.rsplit_once('@');
    let shaped = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if !shaped || text.len() > 254 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Invalid::new("email", "must be an address like user@example.com of at most 254 characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_letters_digits_hyphen_underscore_and_inner_spaces() {
        for good in ["a", "read only_2-x", &"n".repeat(128)] {
            assert!(PermissionName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " a", "a ", "a/b", "a\nb", "ä", "a.b", &"n".repeat(129)] {
            assert!(PermissionName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Name::parse("eve@example.com").is_ok());
        assert!(Name::parse("a/b").is_err());
    }

    #[test]
    fn access_keys_have_3_to_128_characters_that_fit_a_credential_scope() {
        for good in ["abc", "0555b35654ad1656d804", "AAAAAAAAAAAAAAAAAAaa", &"k".repeat(128)] {
            assert!(AccessKey::parse(good).is_ok(), "{good}");
        }
        for bad in ["ab", "a/b/c", "a:bc", "a,bc", "a bc", &"k".repeat(129)] {
            assert!(AccessKey::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn account_ids_are_twelve_digits() {
        assert!(AccountId::parse("100000000001").is_ok());
        for bad in ["", "10000000000", "1000000000011", "10000000000a", "１００００００００００１"] {
            assert!(AccountId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
