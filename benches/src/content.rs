//! Bodies of any length made of one repeated block.
//!
//! Streaming gigabytes must cost the load generator neither memory nor random numbers, and what comes back must still be comparable with what was sent.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A body: `block` repeated until `length` bytes.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    block: Bytes,
    length: u64,
}

/// The largest block that a body is made of.
const BLOCK_BYTES: u64 = 1 << 20;

impl Content {
    /// No body.
    pub(crate) fn empty() -> Content {
        Content { block: Bytes::new(), length: 0 }
    }

    /// `length` bytes that don't compress and differ by `seed`.
    pub(crate) fn of(length: u64, seed: u64) -> Content {
        let bytes = length.min(BLOCK_BYTES) as usize;
        let mut state = seed | 1;
        let mut block = Vec::with_capacity(bytes + 8);
        while block.len() < bytes {
            // xorshift64*: quick, and good enough to defeat compression.
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            block.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        block.truncate(bytes);
        Content { block: block.into(), length }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The longest run of bytes from `offset` on; empty at the end.
    pub(crate) fn chunk(&self, offset: u64) -> &[u8] {
        let left = self.length.saturating_sub(offset);
        if left == 0 {
            return &[];
        }
        let start = (offset % self.block.len() as u64) as usize;
        let end = self.block.len().min(start + usize::try_from(left).unwrap_or(usize::MAX - start));
        &self.block[start..end]
    }

    /// Whether `bytes` are what this body holds from `offset` on.
    pub(crate) fn matches(&self, mut offset: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let here = self.chunk(offset);
            let common = here.len().min(bytes.len());
            if common == 0 || here[..common] != bytes[..common] {
                return false;
            }
            offset += common as u64;
            bytes = &bytes[common..];
        }
        true
    }

    /// SHA-256 of the whole, in hexadecimal, as `x-amz-content-sha256` wants it.
    pub(crate) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let mut offset = 0;
        while offset < self.length {
            let chunk = self.chunk(offset);
            hash.update(chunk);
            offset += chunk.len() as u64;
        }
        crate::sign::hexadecimal(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_longer_than_its_block_repeats_it_and_ends_in_time() {
        let body = Content::of(BLOCK_BYTES * 2 + 5, 7);
        assert_eq!(body.chunk(BLOCK_BYTES * 2).len(), 5);
        assert_eq!(body.chunk(BLOCK_BYTES * 2 + 5).len(), 0);
        let mut across = body.chunk(BLOCK_BYTES - 3).to_vec();
        across.extend_from_slice(&body.chunk(0)[..4]);
        assert!(body.matches(BLOCK_BYTES - 3, &across));
        across[5] ^= 1;
        assert!(!body.matches(BLOCK_BYTES - 3, &across));
        assert!(!body.matches(BLOCK_BYTES * 2 + 4, &[body.chunk(4)[0], 0]), "past its end nothing matches");
    }
}
