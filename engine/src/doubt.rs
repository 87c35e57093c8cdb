//! What a damaged log leaves in doubt: the keys of which a newer record may have been lost.
//!
//! An answer that a lost record may have made wrong is an error, never an older version, a "no such key", or a listing
//! that is short without a word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Error;
use crate::format::file;
use crate::sync::atomic::{AtomicBool, Ordering};

/// What may have been lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubt {
    /// The number of the newest record that was lost of which nobody knows what it was about.
    hole: Option<u64>,
    /// By bucket and key, where that much is known: the number of the newest record that was lost.
    keys: BTreeMap<(u64, Vec<u8>), u64>,
    /// Rows of configuration of which a record was lost, by namespace and key.
    rows: BTreeSet<(String, String)>,
    /// Whether the index was found to be damaged, so that it may not show what is there.
    index: Arc<AtomicBool>,
}

impl Doubt {
    /// A record of this key was lost.
    pub(crate) fn lose_key(&mut self, bucket: u64, object_key: &[u8], orig_seq: u64) {
        let newest = self.keys.entry((bucket, object_key.to_vec())).or_default();
        *newest = orig_seq.max(*newest);
    }

    /// Records up to this number were lost, and what they were about.
    pub(crate) fn lose_up_to(&mut self, seq: u64) {
        self.hole = self.hole.max(Some(seq));
    }

    /// A record of this row of configuration was lost.
    pub(crate) fn lose_row(&mut self, namespace: &str, row_key: &str) {
        self.rows.insert((namespace.to_owned(), row_key.to_owned()));
    }

    /// The index is damaged.
    pub(crate) fn lose_index(&self) {
        self.index.store(true, Ordering::Release);
    }

    /// The keys of the rows of a namespace of which a record was lost: they fail closed, by name. Where nothing is known of
    /// what was lost, configuration is answered as it is known, or nobody could look at the damage.
    pub(crate) fn rows(&self, namespace: &str) -> BTreeSet<&str> {
        let first = (namespace.to_owned(), String::new());
        let rows = self.rows.range(first..).take_while(|(of, _)| of == namespace);
        rows.map(|(_, row_key)| row_key.as_str()).collect()
    }

    /// Whether the newest record that is known of a key is its newest, where `orig_seq` is the number of that; none for
    /// a key that is not there.
    ///
    /// # Errors
    /// `Damaged`, when a newer one may have been lost.
    pub(crate) fn check_key(&self, bucket: u64, object_key: &[u8], orig_seq: Option<u64>) -> Result<(), Error> {
        let newer = |lost: u64| orig_seq.is_none_or(|known| known <= lost);
        if self.hole.is_some_and(newer) {
            return Err(unknown());
        }
        if orig_seq.is_none() {
            self.check_index()?;
        }
        if self.keys.is_empty() {
            return Ok(());
        }
        match self.keys.get(&(bucket, object_key.to_vec())) {
            Some(lost) if newer(*lost) => Err(named(object_key)),
            _ => Ok(()),
        }
    }

    /// Whether all keys that begin with `prefix` are known.
    ///
    /// # Errors
    /// `Damaged`, when there may be others.
    pub(crate) fn check_prefix(&self, bucket: u64, prefix: &[u8]) -> Result<(), Error> {
        if self.hole.is_some() {
            return Err(unknown());
        }
        self.check_index()?;
        let first = self.keys.range((bucket, prefix.to_vec())..).next();
        match first.filter(|((of, object_key), _)| *of == bucket && object_key.starts_with(prefix)) {
            Some(((_, object_key), _)) => Err(named(object_key)),
            None => Ok(()),
        }
    }

    /// Whether the index shows all that is there.
    fn check_index(&self) -> Result<(), Error> {
        if self.index.load(Ordering::Acquire) {
            return Err(Error::damaged("the index is damaged and may not show what is there", file::INDEX));
        }
        Ok(())
    }
}

fn unknown() -> Error {
    Error::damaged("records of unknown keys were lost, and may have been newer than what is known", "the log")
}

fn named(object_key: &[u8]) -> Error {
    let place = format!("the log, key {}", object_key.escape_ascii());
    Error::damaged("a record was lost that may have been newer than what is known", place)
}

/// Follows the numbers of records, which are contiguous, and notes where some are missing.
#[derive(Debug)]
pub(crate) struct Sequence {
    next: u64,
}

impl Sequence {
    /// The record with the number `next` is expected.
    pub(crate) fn from(next: u64) -> Sequence {
        Sequence { next }
    }

    /// A segment begins, whose predecessor was freed or not.
    pub(crate) fn begin(&mut self, first_seq: u64, after_freed: bool, doubt: &mut Doubt) {
        if self.next < first_seq {
            if !after_freed {
                doubt.lose_up_to(first_seq - 1);
            }
            self.next = first_seq;
        }
    }

    /// A record was met, or it is known which one was lost here.
    pub(crate) fn meet(&mut self, seq: u64, doubt: &mut Doubt) {
        if self.next < seq {
            doubt.lose_up_to(seq - 1);
        }
        self.next = seq + 1;
    }

    /// A segment ends, after the record of this number if that is known.
    pub(crate) fn end(&mut self, last_seq: Option<u64>, doubt: &mut Doubt) {
        if let Some(last_seq) = last_seq.filter(|last_seq| self.next <= *last_seq) {
            doubt.lose_up_to(last_seq);
            self.next = last_seq + 1;
        }
    }

    /// The log ends before its last record.
    pub(crate) fn cut(self, doubt: &mut Doubt) {
        doubt.lose_up_to(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_a_hole_is_certain_and_nothing_else_is() {
        let mut doubt = Doubt::default();
        let mut sequence = Sequence::from(1);
        sequence.begin(1, false, &mut doubt);
        (1..5).for_each(|seq| sequence.meet(seq, &mut doubt));
        sequence.end(Some(4), &mut doubt);
        sequence.begin(9, true, &mut doubt);
        assert!(
            doubt.check_key(1, b"k", None).is_ok() && doubt.check_prefix(1, b"").is_ok(),
            "what was freed is no hole"
        );
        sequence.meet(9, &mut doubt);
        sequence.meet(12, &mut doubt);
        assert!(doubt.check_key(1, b"k", Some(12)).is_ok());
        for older in [None, Some(4), Some(11)] {
            assert!(matches!(doubt.check_key(1, b"k", older), Err(Error::Damaged { .. })), "{older:?}");
        }
        assert!(doubt.check_prefix(1, b"x").is_err());
    }

    #[test]
    fn a_key_that_is_known_to_be_lost_leaves_all_others_certain() {
        let mut doubt = Doubt::default();
        doubt.lose_key(3, b"a/b", 7);
        assert!(doubt.check_key(3, b"a/b", Some(8)).is_ok(), "it was written again later");
        assert!(doubt.check_key(3, b"a/b", Some(7)).is_err());
        assert!(doubt.check_key(3, b"a/b", None).is_err());
        assert!(doubt.check_key(3, b"a/c", None).is_ok() && doubt.check_key(2, b"a/b", None).is_ok());
        assert!(doubt.check_prefix(3, b"a/").is_err() && doubt.check_prefix(3, b"").is_err());
        assert!(doubt.check_prefix(3, b"b").is_ok() && doubt.check_prefix(2, b"").is_ok());
    }
}
