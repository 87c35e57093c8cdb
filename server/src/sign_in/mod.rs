//! Who is signed in: bearer tokens, cookie sessions, one-time links, and how often a sign-in may fail.
//!
//! All of it is in memory and ends with the process. A session holds no rights: it names an identity, which is looked up again at each request, so that whoever is disabled, deleted or given another secret is out with the next one.

mod limit;
mod link;
mod session;

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

fn hash_of(token: &str) -> Hash {
    blake3::hash(token.as_bytes())
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A holder that panicked left whole entries behind.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
