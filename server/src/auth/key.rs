//! The signing keys derived from secrets, and a small cache of them.
//!
//! Deriving a version 4 key costs four HMACs and holds for a day, so a node that serves one client over and over does
//! it once.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::credential::Credential;
use crate::identity::sealed::SecretKey;

/// A version 4 signing key: HMAC-SHA256, keyed for one secret, day, region and service.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Derives the key.
    ///
    /// Source: "Create a signed AWS API request", step 4,
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
    pub fn derive(secret: &SecretKey, day: &str, region: &str, service: &str) -> Self {
        let mut start = Vec::with_capacity(4 + secret.expose().len());
        start.extend_from_slice(b"AWS4");
        start.extend_from_slice(secret.expose().as_bytes());
        let mut key = Self::keyed(&start);
        for part in [day, region, service, "aws4_request"] {
            key = Self::keyed(&key.sign(part.as_bytes()));
        }
        key
    }

    /// HMAC-SHA256 of `message` under this key.
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    fn keyed(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Derived signing keys per (access key, day, region, service).
///
/// A fixed table in which a newcomer replaces whoever holds its place: bounded without bookkeeping, and requests of
/// different keys lock different places. A place is only ever a shortcut; a miss derives the key again.
pub struct SigningKeyCache {
    hasher: RandomState,
    places: Box<[Mutex<Option<Arc<Place>>>]>,
}

struct Place {
    access_key: Box<str>,
    day: Box<str>,
    region: Box<str>,
    service: Box<str>,
    fingerprint: [u8; 32],
    key: SigningKey,
}

impl SigningKeyCache {
    /// A cache of at most `keys_max` keys (at least one).
    pub fn new(keys_max: usize) -> Self {
        let places = (0..keys_max.max(1)).map(|_| Mutex::new(None)).collect();
        Self { hasher: RandomState::new(), places }
    }

    /// The signing key of `credential` under `secret`, from the cache or derived now.
    pub fn signing_key(&self, credential: &Credential, secret: &SecretKey) -> SigningKey {
        let hash =
            self.hasher.hash_one((&credential.access_key, &credential.day, &credential.region, &credential.service));
        // A table of 2^16 places is far more than a node needs, so the low bits choose evenly enough.
        let place = &self.places[hash as usize % self.places.len()];
        // A poisoned lock means a thread died while it held a complete value: there is nothing half-written to protect
        // from.
        let held = place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(held) = held
            && *held.access_key == *credential.access_key
            && *held.day == *credential.day
            && *held.region == *credential.region
            && *held.service == *credential.service
            && held.fingerprint == *secret.fingerprint()
        {
            return held.key.clone();
        }
        let key = SigningKey::derive(secret, &credential.day, &credential.region, &credential.service);
        let newcomer = Place {
            access_key: credential.access_key.as_str().into(),
            day: credential.day.as_str().into(),
            region: credential.region.as_str().into(),
            service: credential.service.as_str().into(),
            fingerprint: *secret.fingerprint(),
            key: key.clone(),
        };
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(newcomer));
        key
    }
}

impl Default for SigningKeyCache {
    fn default() -> Self {
        Self::new(1024)
    }
}

impl std::fmt::Debug for SigningKeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKeyCache({} places)", self.places.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(access_key: &str, day: &str) -> Credential {
        Credential { access_key: access_key.into(), day: day.into(), region: "us-east-1".into(), service: "iam".into() }
    }

    /// The derived key that AWS prints in "Examples of how to derive a signing key": secret wJalr...EXAMPLEKEY with
    /// `+`, 20120215, us-east-1, iam. Signing with it is compared, since the key itself stays inside.
    #[test]
    fn derivation_matches_the_published_signing_key() {
        let secret = SecretKey::parse("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").unwrap();
        let derived = SigningKey::derive(&secret, "20120215", "us-east-1", "iam");
        let published: Vec<u8> = (0..32)
            .map(|i| {
                let hex = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
                u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()
            })
            .collect();
        assert_eq!(derived.sign(b"message"), SigningKey::keyed(&published).sign(b"message"));
    }

    #[test]
    fn a_changed_secret_is_never_answered_from_the_cache() {
        let cache = SigningKeyCache::new(1);
        let (old, new) = (SecretKey::parse("old-secret").unwrap(), SecretKey::parse("new-secret").unwrap());
        let credential = credential("AK", "20260101");
        let first = cache.signing_key(&credential, &old).sign(b"m");
        assert_eq!(first, cache.signing_key(&credential, &old).sign(b"m"));
        let second = cache.signing_key(&credential, &new).sign(b"m");
        assert_ne!(first, second);
        assert_eq!(second, SigningKey::derive(&new, "20260101", "us-east-1", "iam").sign(b"m"));
        assert_eq!(first, cache.signing_key(&credential, &old).sign(b"m"));
    }

    #[test]
    fn keys_that_share_a_place_do_not_mix() {
        let cache = SigningKeyCache::new(1);
        let secret = SecretKey::parse("one-secret").unwrap();
        for access_key in ["A", "B", "A"] {
            for day in ["20260101", "20260102"] {
                let expected = SigningKey::derive(&secret, day, "us-east-1", "iam").sign(b"m");
                assert_eq!(expected, cache.signing_key(&credential(access_key, day), &secret).sign(b"m"));
            }
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = SecretKey::parse("hush-hush").unwrap();
        assert!(!format!("{secret:?}").contains("hush"));
    }
}
