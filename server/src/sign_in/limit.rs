//! How often a sign-in may fail: passwords and secrets are guessed online otherwise.
//!
//! An attempt is counted when it begins and forgiven when it succeeds, so that many at once can't slip through. Names are counted together with the network that they come from: who guesses at a name locks out themselves, not the one who has it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use blake3::Hash;

use super::lock;

/// The length of a window, in seconds.
pub const WINDOW_SECONDS: i64 = 60;
/// Failures of one name from one network in a window.
pub const FAILURES_PER_NAME_MAX: u32 = 10;
/// Failures of all names from one network in a window.
const FAILURES_PER_NETWORK_MAX: u32 = 60;
/// The most windows that are kept; the oldest gives way.
const WINDOWS_MAX: usize = 20_000;

/// There were too many failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// When it is worth trying again, in seconds from now.
    pub retry_after_seconds: i64,
}

/// Failed sign-ins of the last minute.
#[derive(Debug, Default)]
pub struct Limit {
    windows: Mutex<HashMap<Hash, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: i64,
    failures: u32,
}

impl Limit {
    /// Counts an attempt to sign in as `name` from `address`.
    ///
    /// # Errors
    /// Too many failed in this minute; this one isn't to be tried.
    pub fn attempt(&self, name: &str, address: IpAddr, now: i64) -> Result<(), TooMany> {
        let mut windows = lock(&self.windows);
        let keys = keys(name, address);
        for (key, failures_max) in keys {
            if let Some(window) = windows.get(&key).filter(|window| window.began + WINDOW_SECONDS > now)
                && window.failures >= failures_max
            {
                return Err(TooMany { retry_after_seconds: (window.began + WINDOW_SECONDS - now).max(1) });
            }
        }
        if windows.len() + keys.len() > WINDOWS_MAX {
            windows.retain(|_, window| window.began + WINDOW_SECONDS > now);
        }
        if windows.len() + keys.len() > WINDOWS_MAX
            && let Some(oldest) = windows.iter().min_by_key(|(_, window)| window.began).map(|(key, _)| *key)
        {
            windows.remove(&oldest);
        }
        for (key, _) in keys {
            let window = windows.entry(key).or_insert(Window { began: now, failures: 0 });
            if window.began + WINDOW_SECONDS <= now {
                *window = Window { began: now, failures: 0 };
            }
            window.failures += 1;
        }
        Ok(())
    }

    /// Forgives an attempt that succeeded, and the failures of its name before it.
    pub fn succeeded(&self, name: &str, address: IpAddr) {
        let mut windows = lock(&self.windows);
        let [(own, _), (network, _)] = keys(name, address);
        windows.remove(&own);
        if let Some(window) = windows.get_mut(&network) {
            window.failures = window.failures.saturating_sub(1);
        }
    }
}

/// What is counted, and up to which number: the name from its network, and the network.
fn keys(name: &str, address: IpAddr) -> [(Hash, u32); 2] {
    let network = match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        // A customer has at least a /64 and can change addresses within it at will.
        IpAddr::V6(address) => format!("{:x?}", &address.segments()[..4]),
    };
    let hash = |text: String| blake3::hash(text.as_bytes());
    [
        (hash(format!("name\0{network}\0{name}")), FAILURES_PER_NAME_MAX),
        (hash(format!("network\0{network}")), FAILURES_PER_NETWORK_MAX),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn failures_are_bounded_by_name_and_network_and_forgotten_after_a_minute() {
        let limit = Limit::default();
        for _ in 0..FAILURES_PER_NAME_MAX {
            limit.attempt("eve", address("10.0.0.1"), 0).unwrap();
        }
        assert_eq!(limit.attempt("eve", address("10.0.0.1"), 20), Err(TooMany { retry_after_seconds: 40 }));
        assert_eq!(limit.attempt("eve", address("10.0.0.2"), 20), Ok(()), "another network isn't locked out");
        assert_eq!(limit.attempt("tom", address("10.0.0.1"), 20), Ok(()));
        assert_eq!(limit.attempt("eve", address("10.0.0.1"), 60), Ok(()));
    }

    #[test]
    fn one_network_can_t_guess_at_many_names() {
        let limit = Limit::default();
        for n in 0..FAILURES_PER_NETWORK_MAX {
            limit.attempt(&format!("n{n}"), address(&format!("2001:db8::{n:x}")), 0).unwrap();
        }
        assert!(limit.attempt("other", address("2001:db8::ffff"), 0).is_err());
        assert!(limit.attempt("other", address("2001:db8:0:1::1"), 0).is_ok());
    }

    #[test]
    fn success_forgives() {
        let limit = Limit::default();
        for _ in 0..5 * FAILURES_PER_NETWORK_MAX {
            limit.attempt("eve", address("10.0.0.1"), 0).unwrap();
            limit.succeeded("eve", address("10.0.0.1"));
        }
    }
}
