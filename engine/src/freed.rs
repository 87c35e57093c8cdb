//! The segments that were freed: ranges of ids, so that a gap in the log without one is damage.
//!
//! Each SegmentFreed record holds all ranges, so only the newest is alive, and their number is bounded by that of the
//! segments between them.

use crate::codec::{Decoder, Encoder, Malformed};

/// Freed segments of adjoining ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FreedRange {
    pub(crate) first_id: u64,
    pub(crate) last_id: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// The valid length of the segment before the range, which the header of the first one freed said; 0 for none.
    pub(crate) length_before: u64,
}

/// All segments that were freed, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    ranges: Vec<FreedRange>,
}

impl Freed {
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.range_of(id).is_some()
    }

    fn range_of(&self, id: u64) -> Option<&FreedRange> {
        let after = self.ranges.partition_point(|range| range.first_id <= id);
        self.ranges[..after].last().filter(|range| id <= range.last_id)
    }

    /// If a range begins at `next_id`: the valid length of the segment before it, and the sequence number after that.
    pub(crate) fn before(&self, next_id: u64) -> Option<(u64, u64)> {
        let range = self.range_of(next_id)?;
        (range.first_id == next_id && range.length_before > 0).then_some((range.length_before, range.first_seq))
    }

    /// How many segments were freed.
    pub(crate) fn count(&self) -> u64 {
        self.ranges.iter().map(|range| range.last_id - range.first_id + 1).sum()
    }

    /// Adds a segment that is in none of the ranges.
    pub(crate) fn add(&mut self, one: FreedRange) {
        let at = self.ranges.partition_point(|range| range.first_id < one.first_id);
        self.ranges.insert(at, one);
        if self.ranges.get(at + 1).is_some_and(|next| next.first_id == one.last_id + 1) {
            let next = self.ranges.remove(at + 1);
            self.ranges[at].last_id = next.last_id;
            self.ranges[at].last_seq = next.last_seq;
        }
        if at > 0 && self.ranges[at - 1].last_id + 1 == one.first_id {
            let merged = self.ranges.remove(at);
            self.ranges[at - 1].last_id = merged.last_id;
            self.ranges[at - 1].last_seq = merged.last_seq;
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(40 * self.ranges.len());
        for range in &self.ranges {
            encoder.u64(range.first_id).u64(range.last_id).u64(range.first_seq).u64(range.last_seq);
            encoder.u64(range.length_before);
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Freed, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let mut ranges: Vec<FreedRange> = Vec::new();
        while !decoder.is_empty() {
            let range = FreedRange {
                first_id: decoder.u64()?,
                last_id: decoder.u64()?,
                first_seq: decoder.u64()?,
                last_seq: decoder.u64()?,
                length_before: decoder.u64()?,
            };
            let ascending = ranges.last().is_none_or(|before| before.last_id < range.first_id);
            if !ascending || range.first_id == 0 || range.first_id > range.last_id {
                return Err(Malformed);
            }
            ranges.push(range);
        }
        Ok(Freed { ranges })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(id: u64) -> FreedRange {
        let length_before = if id == 1 { 0 } else { 100 + id - 1 };
        FreedRange { first_id: id, last_id: id, first_seq: id * 10, last_seq: id * 10 + 9, length_before }
    }

    proptest! {
        #[test]
        fn ranges_hold_what_was_added_and_read_back_what_they_write(
            ids in proptest::collection::btree_set(1..60u64, 0..60).prop_map(Vec::from_iter).prop_shuffle()
        ) {
            let mut freed = Freed::default();
            for id in &ids {
                freed.add(one(*id));
            }
            for id in 1..62 {
                prop_assert_eq!(freed.contains(id), ids.contains(&id));
                let first = ids.contains(&id) && !ids.contains(&(id - 1)) && id > 1;
                prop_assert_eq!(freed.before(id), first.then_some((100 + id - 1, id * 10)));
            }
            let mut sorted = ids.clone();
            sorted.sort_unstable();
            prop_assert_eq!(freed.count(), sorted.len() as u64);
            prop_assert_eq!(Freed::decode(&freed.encode()), Ok(freed));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
            let _ = Freed::decode(&bytes);
        }
    }
}
