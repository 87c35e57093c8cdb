//! Identifiers and credentials made here, from the operating system's generator.
//!
//! Each is drawn without bias, since a secret's strength is the evenness of its characters.

use std::io;

use super::name::{AccessKey, AccountId, CanonicalId, Id};
use super::sealed::SecretKey;

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const DIGITS: &[u8] = b"0123456789";

/// An access key of 20 upper-case letters and digits: `AK` and 90 random bits.
///
/// # Errors
/// The operating system's generator failed.
pub fn access_key() -> io::Result<AccessKey> {
    Ok(AccessKey::parse(&format!("AK{}", draw(BASE32, 18)?)).expect("base32 fits an access key"))
}

/// A secret key of 40 letters and digits, 238 random bits, without characters that shells or URLs would need escaped.
///
/// # Errors
/// The operating system's generator failed.
pub fn secret_key() -> io::Result<SecretKey> {
    Ok(SecretKey::parse(&draw(ALPHANUMERIC, 40)?).expect("40 letters and digits are a secret key"))
}

/// A permission's id: 32 hexadecimal digits.
///
/// # Errors
/// The operating system's generator failed.
pub fn permission_id() -> io::Result<Id> {
    Ok(Id::parse(&draw(HEX, 32)?).expect("hexadecimal digits are an id"))
}

/// A service account's id, which is its `aws:userid`: shaped like an IAM user's, `AIDA` and 17 more.
///
/// # Errors
/// The operating system's generator failed.
pub fn user_id() -> io::Result<Id> {
    Ok(Id::parse(&format!("AIDA{}", draw(BASE32, 17)?)).expect("base32 is an id"))
}

/// An account id of 12 digits that doesn't begin with 0, since spreadsheets and YAML lose leading zeros.
///
/// # Errors
/// The operating system's generator failed.
pub fn account_id() -> io::Result<AccountId> {
    let text = format!("{}{}", draw(&DIGITS[1..], 1)?, draw(DIGITS, 11)?);
    Ok(AccountId::parse(&text).expect("12 digits are an account id"))
}

/// A canonical id of 64 hexadecimal digits.
///
/// # Errors
/// The operating system's generator failed.
pub fn canonical_id() -> io::Result<CanonicalId> {
    Ok(CanonicalId::parse(&draw(HEX, 64)?).expect("hexadecimal digits are a canonical id"))
}

/// Fills `bytes` from the operating system's generator.
pub(super) fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| io::Error::other(format!("the system's random generator failed: {error}")))
}

/// `length` characters of `alphabet`, each equally likely: bytes above the largest multiple of its size are thrown away.
fn draw(alphabet: &[u8], length: usize) -> io::Result<String> {
    let bound = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    let mut bytes = [0u8; 64];
    while text.len() < length {
        fill(&mut bytes)?;
        let fitting = bytes.iter().map(|&byte| usize::from(byte)).filter(|&value| value < bound);
        text.extend(fitting.map(|value| char::from(alphabet[value % alphabet.len()])).take(length - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_credentials_have_20_and_40_characters_and_differ() {
        let (first, second) = (access_key().unwrap(), access_key().unwrap());
        assert_eq!(first.as_str().len(), 20);
        assert!(first.as_str().bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        assert_ne!(first, second);
        let secret = secret_key().unwrap();
        assert_eq!(secret.expose().len(), 40);
        assert!(!secret.matches(&secret_key().unwrap()));
        assert_eq!(canonical_id().unwrap().as_str().len(), 64);
        assert!(!account_id().unwrap().as_str().starts_with('0'));
    }
}
