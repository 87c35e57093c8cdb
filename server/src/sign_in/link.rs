//! One-time links: how somebody without a password comes to one, or the operator in at the first start.
//!
//! A link signs nobody in by itself. It lets its holder choose the user's password, once and soon.

use std::collections::HashMap;
use std::sync::Mutex;

use blake3::Hash;

use super::{Lifetime, hash_of, lock, new_token};
use crate::identity::name::{AccountId, Name};
use crate::identity::user::PasswordHash;

/// How long a link can be used, in seconds.
pub const LINK_SECONDS: i64 = 15 * 60;
/// The most links that wait at once; the one that ends first gives way.
const LINKS_MAX: usize = 1_000;

/// Whose password a link sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Their account.
    pub account: AccountId,
    /// Their name.
    pub user: Name,
    /// The password that the user had when the link was made: it is for this user and no later namesake, and not for one who has chosen another since. `None` for the first start's link, which makes the user, as an admin.
    pub password: Option<PasswordHash>,
    lifetime: Lifetime,
}

/// The links that wait to be used.
#[derive(Debug, Default)]
pub struct Links {
    links: Mutex<HashMap<Hash, Link>>,
}

impl Links {
    /// Makes a link for a user and answers its token; an earlier one for the same user ends.
    ///
    /// # Errors
    /// The operating system's generator failed.
    pub fn make(
        &self,
        account: AccountId,
        user: Name,
        password: Option<PasswordHash>,
        now: i64,
    ) -> std::io::Result<String> {
        let (token, hash) = new_token()?;
        let link = Link { account, user, password, lifetime: Lifetime::new(LINK_SECONDS, now) };
        let mut links = lock(&self.links);
        links.retain(|_, it| it.lifetime.left(now) > 0 && (&it.account, &it.user) != (&link.account, &link.user));
        if links.len() >= LINKS_MAX
            && let Some(first) = links.iter().min_by_key(|(_, it)| it.lifetime.left(now)).map(|(hash, _)| *hash)
        {
            links.remove(&first);
        }
        links.insert(hash, link);
        Ok(token)
    }

    /// Takes a link out: whoever asks next finds none.
    pub fn take(&self, token: &str, now: i64) -> Option<Link> {
        lock(&self.links).remove(&hash_of(token)).filter(|link| link.lifetime.left(now) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_one_use_within_15_minutes_and_a_newer_one_replaces_it() {
        let links = Links::default();
        let make = |user: &str, now| {
            links.make(AccountId::parse("123456789012").unwrap(), Name::parse(user).unwrap(), None, now).unwrap()
        };
        let token = make("eve", 0);
        assert_eq!(links.take(&token, 899).unwrap().user.as_str(), "eve");
        assert_eq!(links.take(&token, 899), None);
        let late = make("eve", 0);
        assert_eq!(links.take(&late, 900), None);
        let (first, other) = (make("eve", 0), make("tom", 0));
        let second = make("eve", 1);
        assert_eq!(links.take(&first, 2), None);
        assert!(links.take(&second, 2).is_some() && links.take(&other, 2).is_some());
    }
}
