//! Tokens and cookies: random, short-lived, revocable, each for one identity.

use std::collections::HashMap;
use std::sync::Mutex;

use blake3::Hash;
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::{Lifetime, hash_of, lock, new_token};
use crate::identity::name::{AccessKey, AccountId, Name};
use crate::identity::snapshot::Snapshot;
use crate::identity::user::PasswordHash;

/// How long a session lasts, in seconds.
pub const SESSION_SECONDS: i64 = 12 * 60 * 60;
/// The most sessions of one identity; the oldest of them ends for a new one.
const SESSIONS_PER_IDENTITY_MAX: usize = 32;
/// The most sessions of a node; the oldest of all ends for a new one.
const SESSIONS_MAX: usize = 20_000;

/// Whose a session is. It says nothing of what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedIn {
    /// Root or a service account, by its access key, as long as that has the same secret.
    Key {
        /// The access key.
        access_key: AccessKey,
        /// What tells its secret from another one.
        fingerprint: [u8; 32],
    },
    /// A user, as long as their password is the same; a later namesake has another hash.
    User {
        /// Their account.
        account: AccountId,
        /// Their name.
        name: Name,
        /// The password that they signed in with.
        password: PasswordHash,
    },
}

impl SignedIn {
    /// Whether whoever it is may still be signed in: they are there with the same secret or password, enabled and not expired.
    pub fn is_current(&self, snapshot: &Snapshot, now: Timestamp) -> bool {
        match self {
            SignedIn::Key { access_key, fingerprint } => {
                let found = snapshot.credential(access_key.as_str(), now).ok();
                found.is_some_and(|it| bool::from(it.secret.fingerprint().ct_eq(fingerprint)))
            }
            SignedIn::User { account, name, password } => {
                let found = snapshot.user(account.as_str(), name.as_str());
                found.is_some_and(|it| it.enabled && it.password == *password)
            }
        }
    }
}

/// How a session is carried. One is never taken for the other: a cookie is sent without anybody's asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Authorization: Bearer`.
    Bearer,
    /// A cookie, with a second token in a header of every request that changes something.
    Cookie,
}

/// A session that is under way.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose it is.
    pub signed_in: SignedIn,
    /// How it is carried.
    pub kind: Kind,
    lifetime: Lifetime,
    /// Whether it was found to have ended by time, which nothing undoes.
    has_ended: bool,
    csrf: String,
    number: u64,
}

impl Session {
    /// The seconds that are left of it.
    pub fn seconds_left(&self, now: i64) -> i64 {
        self.lifetime.left(now)
    }

    /// The token that requests of a cookie session which change something carry in a header.
    pub fn csrf_token(&self) -> &str {
        &self.csrf
    }

    /// Whether a request carries the right one, in time that doesn't depend on it.
    pub fn has_csrf_token(&self, given: &str) -> bool {
        self.csrf.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// All sessions of a node.
#[derive(Debug, Default)]
pub struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<Hash, Session>,
    count: u64,
}

impl Sessions {
    /// Begins a session and answers its token, which is kept nowhere.
    ///
    /// # Errors
    /// The operating system's generator failed.
    pub fn begin(&self, signed_in: SignedIn, kind: Kind, now: i64) -> std::io::Result<(String, Session)> {
        let (token, hash) = new_token()?;
        let (csrf, _) = new_token()?;
        let mut inner = lock(&self.inner);
        inner.count += 1;
        let lifetime = Lifetime::new(SESSION_SECONDS, now);
        let session = Session { signed_in, kind, lifetime, has_ended: false, csrf, number: inner.count };
        inner.make_room(&session.signed_in, now);
        inner.sessions.insert(hash, session.clone());
        Ok((token, session))
    }

    /// The session of a token: `None` for one that nobody has, `Err` for one that has ended by time.
    pub fn find(&self, token: &str, kind: Kind, now: i64) -> Option<Result<Session, Expired>> {
        let mut inner = lock(&self.inner);
        let session = inner.sessions.get_mut(&hash_of(token)).filter(|session| session.kind == kind)?;
        session.has_ended |= session.seconds_left(now) <= 0;
        Some(if session.has_ended { Err(Expired) } else { Ok(session.clone()) })
    }

    /// Ends all sessions but those of whom `keep` says so. One that isn't ended when its owner is shut out would go on when they are let in again.
    pub fn retain(&self, keep: impl Fn(&SignedIn) -> bool) {
        lock(&self.inner).sessions.retain(|_, session| keep(&session.signed_in));
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        lock(&self.inner).sessions.remove(&hash_of(token));
    }
}

/// The session has ended by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl Inner {
    fn make_room(&mut self, signed_in: &SignedIn, now: i64) {
        // One that ended is still told as such for a while, before it is forgotten.
        self.sessions.retain(|_, session| session.seconds_left(now) + SESSION_SECONDS > 0);
        let oldest = |sessions: &HashMap<Hash, Session>, of: Option<&SignedIn>| {
            let fitting = sessions.iter().filter(|(_, session)| of.is_none_or(|of| session.signed_in == *of));
            fitting.min_by_key(|(_, session)| session.number).map(|(hash, _)| *hash)
        };
        let own = self.sessions.values().filter(|session| session.signed_in == *signed_in).count();
        let full = [(own >= SESSIONS_PER_IDENTITY_MAX, Some(signed_in)), (self.sessions.len() >= SESSIONS_MAX, None)];
        for (is_full, of) in full {
            if is_full && let Some(hash) = oldest(&self.sessions, of) {
                self.sessions.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> SignedIn {
        SignedIn::Key { access_key: AccessKey::parse(text).unwrap(), fingerprint: [7; 32] }
    }

    #[test]
    fn a_session_is_found_by_its_token_and_kind_until_it_ends() {
        let sessions = Sessions::default();
        let (token, session) = sessions.begin(key("AKONE"), Kind::Bearer, 100).unwrap();
        assert_eq!(token.len(), 43);
        assert_eq!(sessions.find(&token, Kind::Bearer, 101).unwrap().unwrap().signed_in, key("AKONE"));
        assert!(sessions.find(&token, Kind::Cookie, 101).is_none(), "a bearer token is no cookie");
        assert!(sessions.find("other", Kind::Bearer, 101).is_none());
        assert!(session.has_csrf_token(session.csrf_token()) && !session.has_csrf_token(""));
        let end = 100 + SESSION_SECONDS;
        assert_eq!(sessions.find(&token, Kind::Bearer, end).unwrap().unwrap_err(), Expired);
        assert!(sessions.find(&token, Kind::Bearer, 101).unwrap().is_err(), "it ends for good");
        sessions.end(&token);
        assert!(sessions.find(&token, Kind::Bearer, 101).is_none());
    }

    #[test]
    fn an_identity_has_a_bounded_number_of_sessions_and_evicts_only_its_own() {
        let sessions = Sessions::default();
        let (other, _) = sessions.begin(key("AKTWO"), Kind::Bearer, 0).unwrap();
        let tokens: Vec<String> =
            (0..=SESSIONS_PER_IDENTITY_MAX).map(|_| sessions.begin(key("AKONE"), Kind::Bearer, 0).unwrap().0).collect();
        assert!(sessions.find(&tokens[0], Kind::Bearer, 1).is_none());
        assert!(sessions.find(&tokens[1], Kind::Bearer, 1).is_some());
        assert!(sessions.find(&other, Kind::Bearer, 1).is_some());
    }

    #[test]
    fn d16_a_token_is_kept_as_its_hash_only() {
        let sessions = Sessions::default();
        let (token, _) = sessions.begin(key("AKONE"), Kind::Bearer, 0).unwrap();
        assert!(!format!("{sessions:?}").contains(&token));
    }
}
