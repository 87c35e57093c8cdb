//! Names that were checked once, where they entered: bucket names and object keys.
//!
//! Everything below this module may rely on their form, so no later code validates again.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The longest object key, in bytes of UTF-8
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
pub const KEY_BYTES_MAX: usize = 1024;

/// A bucket name by the rules of general purpose buckets
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>): 3 to 63 lower-case letters,
/// digits, dots and hyphens, beginning and ending with a letter or digit, no two adjacent dots, not an IPv4 address.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

/// An object key: 1 to [`KEY_BYTES_MAX`] bytes of UTF-8, opaque. It is never a path and never normalised.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The bucket name breaks a naming rule.
    InvalidBucketName,
    /// The key is empty.
    KeyEmpty,
    /// The key is longer than [`KEY_BYTES_MAX`] bytes.
    KeyTooLong,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::InvalidBucketName => "the bucket name breaks the naming rules",
            NameError::KeyEmpty => "the key is empty",
            NameError::KeyTooLong => "the key is longer than 1024 bytes",
        })
    }
}

impl std::error::Error for NameError {}

impl BucketName {
    /// Checks `name` against the naming rules.
    ///
    /// # Errors
    /// [`NameError::InvalidBucketName`].
    pub fn parse(name: &str) -> Result<BucketName, NameError> {
        let bytes = name.as_bytes();
        let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let valid = (3..=63).contains(&bytes.len())
            && bytes.iter().all(|b| edge(b) || *b == b'.' || *b == b'-')
            && bytes.first().is_some_and(edge)
            && bytes.last().is_some_and(edge)
            && !name.contains("..")
            && name.parse::<std::net::Ipv4Addr>().is_err();
        if valid { Ok(BucketName(name.into())) } else { Err(NameError::InvalidBucketName) }
    }
}

impl ObjectKey {
    /// Checks the length of `key`; every other property of a key is the client's business.
    ///
    /// # Errors
    /// [`NameError::KeyEmpty`], [`NameError::KeyTooLong`].
    pub fn parse(key: &str) -> Result<ObjectKey, NameError> {
        match key.len() {
            0 => Err(NameError::KeyEmpty),
            1..=KEY_BYTES_MAX => Ok(ObjectKey(key.into())),
            _ => Err(NameError::KeyTooLong),
        }
    }
}

macro_rules! string_like {
    ($name:ident) => {
        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
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
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

string_like!(BucketName);
string_like!(ObjectKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_general_purpose_buckets() {
        for name in ["abc", "a-b.c", "123", "datalake", &"a".repeat(63)] {
            assert!(BucketName::parse(name).is_ok(), "{name}");
        }
        for name in ["ab", "Abc", "a_b", "-ab", "ab-", ".ab", "a..b", "192.168.0.1", "", &"a".repeat(64), ".minio.sys"]
        {
            assert_eq!(BucketName::parse(name), Err(NameError::InvalidBucketName), "{name}");
        }
    }

    #[test]
    fn keys_are_opaque_and_limited_in_bytes() {
        for key in ["a", "../x", "a//b", "\u{0}", &"k".repeat(1024)] {
            assert!(ObjectKey::parse(key).is_ok(), "{key}");
        }
        assert_eq!(ObjectKey::parse(""), Err(NameError::KeyEmpty));
        assert_eq!(ObjectKey::parse(&"ü".repeat(513)), Err(NameError::KeyTooLong));
    }
}
