//! A map by access key in many small maps, so that a change copies one of them instead of all.
//!
//! Every request looks a key up here, so it is a hash map like any other, one step further away.

use std::collections::HashMap;
use std::sync::Arc;

use super::name::AccessKey;

/// How many maps there are: a copy of the list takes a microsecond or two, and so does a copy of one map of an installation with 10,000 keys.
const SHARDS: usize = 256;

/// A map whose clones share what neither changes.
#[derive(Clone)]
pub(super) struct Shards<V>(Box<[Arc<HashMap<AccessKey, V>>]>);

impl<V> Default for Shards<V> {
    fn default() -> Shards<V> {
        Shards((0..SHARDS).map(|_| Arc::default()).collect())
    }
}

impl<V> Shards<V> {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.0[shard_of(key)].get(key)
    }

    /// All keys with their values.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&AccessKey, &V)> {
        self.0.iter().flat_map(|shard| shard.iter())
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.len()).sum()
    }
}

impl<V: Clone> Shards<V> {
    /// Sets the value of a key.
    pub(super) fn insert(&mut self, key: AccessKey, value: V) {
        Arc::make_mut(&mut self.0[shard_of(key.as_str())]).insert(key, value);
    }

    /// Removes a key.
    pub(super) fn remove(&mut self, key: &AccessKey) {
        Arc::make_mut(&mut self.0[shard_of(key.as_str())]).remove(key);
    }
}

/// Keys end differently even where they begin alike. Who makes keys that all fall into one shard has a slower node for changes, not for requests.
fn shard_of(key: &str) -> usize {
    let tail = &key.as_bytes()[key.len().saturating_sub(8)..];
    let mixed = tail
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The last bytes have moved the lower bits only, and are those that differ.
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 56).unwrap_or(0) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> AccessKey {
        AccessKey::parse(&format!("AKWORKER{n:06}")).unwrap()
    }

    #[test]
    fn clones_differ_in_what_was_changed_and_share_the_rest() {
        let mut before = Shards::default();
        for n in 0..10_000 {
            before.insert(key(n), n);
        }
        let mut after = before.clone();
        after.insert(key(1), 7);
        after.remove(&key(2));
        assert_eq!((before.get(key(1).as_str()), after.get(key(1).as_str())), (Some(&1), Some(&7)));
        assert_eq!((before.get(key(2).as_str()), after.get(key(2).as_str())), (Some(&2), None));
        assert_eq!((before.len(), after.len()), (10_000, 9_999));
        let copied = before.0.iter().zip(&after.0).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert!(copied <= 2, "{copied}");
        let largest = before.0.iter().map(|shard| shard.len()).max().unwrap();
        assert!(largest < 4 * 10_000 / SHARDS, "{largest}");
    }

    #[test]
    fn short_keys_have_a_place_too() {
        let mut shards = Shards::default();
        shards.insert(AccessKey::parse("abc").unwrap(), 1);
        assert_eq!(shards.get("abc"), Some(&1));
        assert_eq!(shards.get(""), None);
    }
}
