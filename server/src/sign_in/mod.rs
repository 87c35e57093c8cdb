//! Who is signed in: bearer tokens, cookie sessions, one-time links, and how often a sign-in may fail.
//!
//! All of it is in memory and ends with the process. A session holds no rights: it names an identity, which is looked up again at each request, so that whoever is disabled, deleted or given another secret is out with the next one.

mod limit;
mod link;
mod session;

use std::time::{Duration, Instant};

use blake3::Hash;

pub use limit::{FAILURES_PER_NAME_MAX, Limit, TooMany, WINDOW_SECONDS};
pub use link::{LINK_SECONDS, Link, Links};
pub use session::{Kind, SESSION_SECONDS, Session, Sessions, SignedIn};

/// All that is known of sign-ins.
#[derive(Debug, Default)]
pub struct SignIns {
    /// Tokens and cookies.
    pub sessions: Sessions,
    /// One-time links.
    pub links: Links,
    /// Failed attempts.
    pub limit: Limit,
}

/// A token of 32 random bytes in base64url, and the hash that is kept of it: whoever reads the process's memory by chance finds nothing to sign in with, and finding it by hash takes no time that depends on it.
fn new_token() -> std::io::Result<(String, Hash)> {
    use base64::Engine as _;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash_of(&token);
    Ok((token, hash))
}

/// How long something is good for: by the clock on the wall, and by the one that only goes forward, so that setting the former back makes nothing last longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lifetime {
    /// In seconds since the epoch.
    expires_at: i64,
    began: Instant,
    seconds: i64,
}

impl Lifetime {
    fn new(seconds: i64, now: i64) -> Lifetime {
        Lifetime { expires_at: now + seconds, began: Instant::now(), seconds }
    }

    /// The seconds that are left: none, or a negative number, once it has ended.
    fn left(&self, now: i64) -> i64 {
        self.left_after(now, self.began.elapsed())
    }

    fn left_after(&self, now: i64, elapsed: Duration) -> i64 {
        let elapsed = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        (self.expires_at - now).min(self.seconds - elapsed)
    }
}

fn hash_of(token: &str) -> Hash {
    blake3::hash(token.as_bytes())
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A holder that panicked left whole entries behind.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_or_forth_makes_nothing_last_longer() {
        let lifetime = Lifetime::new(60, 1_000);
        let after = |now, seconds| lifetime.left_after(now, Duration::from_secs(seconds));
        assert_eq!((after(1_000, 0), after(1_059, 59), after(1_060, 60)), (60, 1, 0));
        assert_eq!((after(1, 0), after(1, 59), after(1, 60)), (60, 1, 0), "set back");
        assert_eq!(after(9_000, 1), 1_060 - 9_000, "set forth");
    }
}
