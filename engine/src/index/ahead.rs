//! Reads ahead in a file whose pages are visited in the order of keys.
//!
//! An index that was loaded in order has neighbours beside each other, and a call to the system for each page is most of what its check takes; one
//! whose rows came at random has them anywhere, and a block for each page would be read for nothing. So a block is read at its second page.

use std::collections::VecDeque;
use std::io;

use crate::vfs::{VFile, read_exact_at};

const BLOCK_BYTES: usize = 64 << 10;
/// Several runs are read in turns: leaves, and what leads to them.
const BLOCKS_MAX: usize = 16;

/// The blocks that were visited last.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    blocks: VecDeque<Block>,
}

#[derive(Debug)]
struct Block {
    number: u64,
    /// Empty after the first visit; shorter than a block at the end of the file.
    bytes: Vec<u8>,
}

impl ReadAhead {
    /// Fills `out` with what the file holds at `offset`.
    ///
    /// # Errors
    /// The file's.
    pub(super) fn read(&mut self, file: &dyn VFile, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let number = offset / BLOCK_BYTES as u64;
        let start = (offset % BLOCK_BYTES as u64) as usize;
        let Some(place) = self.blocks.iter().position(|block| block.number == number) else {
            // The memory of the oldest one serves again.
            let oldest = if self.blocks.len() == BLOCKS_MAX { self.blocks.pop_front() } else { None };
            let mut bytes = oldest.map_or(Vec::new(), |block| block.bytes);
            bytes.clear();
            self.blocks.push_back(Block { number, bytes });
            return read_exact_at(file, out, offset);
        };
        let block = &mut self.blocks[place];
        if block.bytes.is_empty() {
            block.fill(file)?;
        }
        match block.bytes.get(start..start + out.len()) {
            Some(bytes) => out.copy_from_slice(bytes),
            // It goes on in the next block, or the file ends.
            None => read_exact_at(file, out, offset)?,
        }
        Ok(())
    }

    /// Forgets what was read, for something is written.
    pub(super) fn forget(&mut self) {
        self.blocks.clear();
    }
}

impl Block {
    fn fill(&mut self, file: &dyn VFile) -> io::Result<()> {
        self.bytes.resize(BLOCK_BYTES, 0);
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            let at = self.number * BLOCK_BYTES as u64 + filled as u64;
            match file.read_at(&mut self.bytes[filled..], at)? {
                0 => break,
                count => filled += count,
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::{OpenMode, RealVfs, Vfs};

    #[test]
    fn what_is_read_ahead_is_what_the_file_holds() {
        let directory = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|n| (n ^ (n >> 8)) as u8).collect();
        let file = RealVfs::at(directory.path()).unwrap().open("f", OpenMode::Create).unwrap();
        file.write_at(&content, 0).unwrap();
        let mut ahead = ReadAhead::default();
        let mut out = vec![0; 4096];
        for step in 0..400_usize {
            // In order, back and forth, and across the edges of blocks.
            let offset = [step * 700, (step * 7919) % 290_000, 65_000 + step % 3 * 65_536][step % 3] % 295_000;
            ahead.read(&*file, offset as u64, &mut out).unwrap();
            assert_eq!(out, content[offset..offset + 4096], "at {offset}");
            assert!(ahead.blocks.len() <= BLOCKS_MAX);
        }
        assert!(ahead.blocks.iter().any(|block| !block.bytes.is_empty()));
        let beyond = ahead.read(&*file, 299_000, &mut out).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
        ahead.forget();
        assert!(ahead.blocks.is_empty());
    }
}
