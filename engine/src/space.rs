//! What each segment holds: how much of it is alive, and what must be known before anything of it is dropped.
//!
//! Counted with each record like the usage of buckets, in memory and, with the same transaction as the rows, in the
//! index. A recount over all rows gives the same numbers.

use crate::codec::{Decoder, Encoder, Malformed};

/// The counts of one segment, or what changes in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentStat {
    /// Bytes of records that a row points to.
    pub(crate) live_bytes: i64,
    /// The lowest `orig_seq` of a record here that once had a row and has none any more; `u64::MAX` for none. Such a
    /// record would come back at a rebuild, were it not for a later one that outdoes it.
    pub(crate) dead_from: u64,
    /// Bytes of records that take something away: they have no rows.
    pub(crate) tombstone_bytes: i64,
    /// The highest `orig_seq` of these; 0 for none.
    pub(crate) tombstone_to: u64,
}

impl Default for SegmentStat {
    fn default() -> SegmentStat {
        SegmentStat { live_bytes: 0, dead_from: u64::MAX, tombstone_bytes: 0, tombstone_to: 0 }
    }
}

/// One change of the counts of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A row points to these bytes from now on.
    Live { bytes: u64 },
    /// No row points to these bytes any more.
    Dead { bytes: u64, orig_seq: u64 },
    /// A record lies here that no row points to, and none did: a copy that came too late.
    Stillborn { orig_seq: u64 },
    /// A record that takes something away.
    Tombstone { bytes: u64, orig_seq: u64 },
}

impl SegmentStat {
    pub(crate) fn change(&mut self, change: Change) {
        match change {
            Change::Live { bytes } => self.live_bytes += bytes.cast_signed(),
            Change::Dead { bytes, orig_seq } => {
                self.live_bytes -= bytes.cast_signed();
                self.dead_from = self.dead_from.min(orig_seq);
            }
            Change::Stillborn { orig_seq } => self.dead_from = self.dead_from.min(orig_seq),
            Change::Tombstone { bytes, orig_seq } => {
                self.tombstone_bytes += bytes.cast_signed();
                self.tombstone_to = self.tombstone_to.max(orig_seq);
            }
        }
    }

    /// Adds what changed.
    pub(crate) fn merge(&mut self, delta: &SegmentStat) {
        self.live_bytes += delta.live_bytes;
        self.dead_from = self.dead_from.min(delta.dead_from);
        self.tombstone_bytes += delta.tombstone_bytes;
        self.tombstone_to = self.tombstone_to.max(delta.tombstone_to);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(32);
        encoder.u64(self.live_bytes.cast_unsigned()).u64(self.dead_from);
        encoder.u64(self.tombstone_bytes.cast_unsigned()).u64(self.tombstone_to);
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentStat, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let stat = SegmentStat {
            live_bytes: decoder.u64()?.cast_signed(),
            dead_from: decoder.u64()?,
            tombstone_bytes: decoder.u64()?.cast_signed(),
            tombstone_to: decoder.u64()?,
        };
        decoder.end()?;
        Ok(stat)
    }
}
