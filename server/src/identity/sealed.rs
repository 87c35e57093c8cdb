//! Secrets, and how they lie on disk: encrypted under the node's master key.
//!
//! A request's signature can only be checked with the secret itself, so secrets can't be hashed as passwords are; sealing them keeps a copied data directory, backup or index from being a set of working keys. ChaCha20-Poly1305 (RFC 8439) with a
//! random nonce per secret; the account id and access key are bound to the ciphertext, so that a row whose secret was exchanged for another row's doesn't open.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::name::{AccessKey, AccountId, Invalid};
use super::random;

const NONCE_BYTES: usize = 12;

/// The secret half of an S3 credential: 8 to 128 printable ASCII characters. Never printed: [`SecretKey::expose`] is the one way to its text.
#[derive(Clone)]
pub struct SecretKey {
    text: Arc<str>,
    /// A digest of the secret under its own label, made once: signing keys that are kept for a day are bound to it, so that a changed secret never meets a key derived from the old one.
    fingerprint: [u8; 32],
}

impl SecretKey {
    /// Checks `text`.
    ///
    /// # Errors
    /// The rule that it breaks, without the text.
    pub fn parse(text: &str) -> Result<SecretKey, Invalid> {
        if !(8..=128).contains(&text.chars().count()) {
            return Err(Invalid::new("secretKey", "must have 8 to 128 characters"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Invalid::new("secretKey", "may only have printable ASCII characters without spaces"));
        }
        let mut hash = Sha256::new();
        hash.update(b"strongroom signing key cache\0");
        hash.update(text.as_bytes());
        Ok(SecretKey { text: text.into(), fingerprint: hash.finalize().into() })
    }

    /// The secret itself, for a signature's key derivation, or to show it once to the one who made it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What tells it from another secret without showing it.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Whether both are the same secret, in time that depends on their lengths only.
    pub fn matches(&self, other: &SecretKey) -> bool {
        self.text.as_bytes().ct_eq(other.text.as_bytes()).into()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

/// The 32-byte key under which a node's secrets are sealed. Never printed.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> MasterKey {
        MasterKey(bytes)
    }

    /// A new random key.
    ///
    /// # Errors
    /// The operating system's generator failed.
    pub fn generate() -> std::io::Result<MasterKey> {
        let mut bytes = [0; 32];
        random::fill(&mut bytes)?;
        Ok(MasterKey(bytes))
    }

    /// Reads a key from its text: 64 hexadecimal digits, white space around them ignored. This is the form of the file `secret.key`, of the systemd credential and of the environment variable.
    ///
    /// # Errors
    /// The text is anything else; it isn't repeated.
    pub fn parse(text: &str) -> Result<MasterKey, Invalid> {
        let digits = text.trim().as_bytes();
        let wrong = || Invalid::new("secret.key", "must hold 64 hexadecimal digits");
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let nibble = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
            *byte = (nibble(pair[0])? << 4 | nibble(pair[1])?) as u8;
        }
        Ok(MasterKey(bytes))
    }

    /// The text that [`MasterKey::parse`] reads. This is the secret.
    pub fn expose_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Names the key without revealing it: 16 hexadecimal digits of a hash made for this purpose only. The store remembers it, so that a wrong key is told before any secret fails to open.
    pub fn fingerprint(&self) -> String {
        blake3::Hash::from(blake3::derive_key("strongroom 2026-11 master key fingerprint", &self.0)).to_hex()[..16]
            .to_owned()
    }

    /// Seals `secret` for the credential `access_key` of `account`: base64 of nonce and ciphertext.
    ///
    /// # Errors
    /// The operating system's generator failed.
    pub(super) fn seal(
        &self,
        secret: &SecretKey,
        account: &AccountId,
        access_key: &AccessKey,
    ) -> std::io::Result<String> {
        let mut nonce = [0; NONCE_BYTES];
        random::fill(&mut nonce)?;
        let payload = Payload { msg: secret.expose().as_bytes(), aad: &binding(account, access_key) };
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| std::io::Error::other("a secret could not be encrypted"))?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(STANDARD.encode(bytes))
    }

    /// Opens what [`MasterKey::seal`] made for the same account and access key. `None`: another key, another credential's secret, or damage; these can't be told apart.
    pub(super) fn open(&self, sealed: &str, account: &AccountId, access_key: &AccessKey) -> Option<SecretKey> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        let payload = Payload { msg: ciphertext, aad: &binding(account, access_key) };
        let plain = self.cipher().decrypt(&Nonce::from(nonce), payload).ok()?;
        SecretKey::parse(std::str::from_utf8(&plain).ok()?).ok()
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&Key::from(self.0))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// The associated data. An account id has a fixed length, so no two pairs share a text.
fn binding(account: &AccountId, access_key: &AccessKey) -> Vec<u8> {
    format!("strongroom secret v1\n{account}\n{access_key}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (MasterKey, SecretKey, AccountId, AccessKey) {
        let secret = SecretKey::parse("correct-horse-battery").unwrap();
        let account = AccountId::parse("123456789012").unwrap();
        (MasterKey::from_bytes([7; 32]), secret, account, AccessKey::parse("AKWORK").unwrap())
    }

    #[test]
    fn sealed_secret_opens_only_for_its_own_key_account_and_access_key() {
        let (key, secret, account, access_key) = parts();
        let sealed = key.seal(&secret, &account, &access_key).unwrap();
        assert!(!sealed.contains("correct"));
        assert!(key.open(&sealed, &account, &access_key).unwrap().matches(&secret));
        assert_ne!(sealed, key.seal(&secret, &account, &access_key).unwrap(), "each sealing has its own nonce");
        assert!(MasterKey::from_bytes([8; 32]).open(&sealed, &account, &access_key).is_none());
        assert!(key.open(&sealed, &AccountId::parse("123456789013").unwrap(), &access_key).is_none());
        assert!(key.open(&sealed, &account, &AccessKey::parse("AKOTHER").unwrap()).is_none());
    }

    #[test]
    fn every_flipped_bit_of_a_sealed_secret_is_noticed() {
        let (key, secret, account, access_key) = parts();
        let bytes = STANDARD.decode(key.seal(&secret, &account, &access_key).unwrap()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(&STANDARD.encode(flipped), &account, &access_key).is_none(), "bit {bit}");
        }
        for short in 0..bytes.len() {
            assert!(key.open(&STANDARD.encode(&bytes[..short]), &account, &access_key).is_none(), "{short} bytes");
        }
    }

    #[test]
    fn d16_debug_prints_no_secret() {
        let (key, secret, ..) = parts();
        assert_eq!(format!("{key:?} {secret:?}"), "MasterKey(redacted) SecretKey(redacted)");
        assert!(!SecretKey::parse("hunter2").unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn master_key_text_is_read_back_and_anything_else_is_refused() {
        let key = MasterKey::generate().unwrap();
        assert_eq!(MasterKey::parse(&format!("{}\n", key.expose_hex())).unwrap().fingerprint(), key.fingerprint());
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(63), &"ä".repeat(32)] {
            assert!(MasterKey::parse(bad).is_err(), "{bad:?}");
        }
    }
}
