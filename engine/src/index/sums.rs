//! The checksums of the blocks of an index file, kept for the next start.
//!
//! redb keeps the checksum of a page with what leads to the page, so comparing them all means walking the tree; with these the file is read
//! once, from front to back. They are those of what was written, or of what a walk found whole, never of what merely lies on the disk: rot
//! would be sealed by them.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::CHECKED_AT_START_BYTES_MAX;
use super::backend::Home;
use super::comparing::{Comparing, holds};
use crate::format::{checksum, file, index_sums as layout, u32_at, u64_at};
use crate::sync::lock_below;
use crate::vfs::{OpenMode, VFile, Vfs, read_exact_at};

/// redb's pages are of this size, or of several times it.
pub(super) const BLOCK_BYTES: usize = 4096;
/// What is smaller is read at once, sooner than a thread is made.
const AHEAD_BYTES_MIN: u64 = 1 << 20;
/// In place of the checksum of a block that has none.
pub(super) const UNKNOWN: u32 = 0;

/// The checksum of each block of a file that is being used.
#[derive(Debug)]
pub(super) struct Sums(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By number; that of the first block is never known, for the header in it is written piece by piece.
    blocks: Vec<u32>,
    /// Whether all that something leads to is among them.
    complete: bool,
    /// Whether some were lost. A walk doesn't bring them back: what was written since it began is not in what it reads.
    lost: bool,
    /// Compares the file with what it held when it was opened.
    comparing: Option<Comparing>,
}

/// Begins to compare the index with what was left of it, if it is large enough for that to take a while and is not to be
/// compared later. Nobody may have it open yet.
pub(super) fn compare_ahead(vfs: &dyn Vfs) -> io::Result<Option<Comparing>> {
    let index = vfs.open(file::INDEX, OpenMode::Read)?;
    if !(AHEAD_BYTES_MIN..=CHECKED_AT_START_BYTES_MAX).contains(&index.length()?) {
        return Ok(None);
    }
    Ok(read_left(vfs, &*index)?.map(|sums| Comparing::begin(index, sums)))
}

impl Sums {
    /// Those of an empty file, or of one that is about to be walked.
    pub(super) fn of_nothing() -> Sums {
        Sums(Mutex::new(Known { complete: true, ..Known::default() }))
    }

    /// Those of a file of which nothing is known.
    pub(super) fn unknown() -> Sums {
        Sums(Mutex::default())
    }

    /// Those that were left, which are taken away; unknown ones if they are not of the file as it is. They were read
    /// already if it is being compared with them.
    pub(super) fn take(home: &Home, comparing: Option<Comparing>) -> Sums {
        let left = match &comparing {
            Some(comparing) => Some(comparing.sums().to_vec()),
            None => read_left(home.vfs(), &*home.file).ok().flatten(),
        };
        // One that stays is of another state of the index as soon as that is written to.
        let _ = home.vfs().remove(file::INDEX_SUMS);
        Sums(Mutex::new(Known {
            complete: left.is_some(),
            blocks: left.unwrap_or_default(),
            comparing,
            ..Known::default()
        }))
    }

    /// Notes what was written at `offset`, or was read there by a walk.
    pub(super) fn note(&self, offset: u64, bytes: &[u8]) {
        lock_below(&self.0).note(offset, bytes);
    }

    /// Forgets what is about to be written, in case that fails.
    pub(super) fn forget(&self, offset: u64, length: usize) {
        let mut known = lock_below(&self.0);
        let blocks = blocks_of(offset, length);
        let end = blocks.end.min(known.blocks.len());
        if let Some(stale) = known.blocks.get_mut(blocks.start.min(end)..end) {
            stale.fill(UNKNOWN);
        }
    }

    /// The file has another length now.
    pub(super) fn resize(&self, length: u64) {
        let mut known = lock_below(&self.0);
        if (length as usize).div_ceil(BLOCK_BYTES) < known.blocks.len() {
            known.blocks.truncate((length as usize).div_ceil(BLOCK_BYTES));
        }
    }

    /// What is written is not known any more.
    pub(super) fn lose(&self) {
        *lock_below(&self.0) = Known { lost: true, ..Known::default() };
    }

    /// Takes over what a walk that found everything whole has read; what was written since its beginning is known already.
    pub(super) fn adopt(&self, walked: &Sums) {
        let walked = std::mem::take(&mut *lock_below(&walked.0));
        if !walked.complete {
            return;
        }
        let mut known = lock_below(&self.0);
        if known.lost {
            return;
        }
        if known.blocks.len() < walked.blocks.len() {
            known.blocks.resize(walked.blocks.len(), UNKNOWN);
        }
        for (sum, walked) in known.blocks.iter_mut().zip(walked.blocks) {
            if *sum == UNKNOWN {
                *sum = walked;
            }
        }
        known.complete = true;
    }

    /// Whether all blocks are known, and the file holds what they say. If it does not, nothing is known any more, as of a file of which
    /// nothing is: asked before anything is written.
    pub(super) fn hold(&self, file: &Arc<dyn VFile>) -> bool {
        let mut known = lock_below(&self.0);
        let hold = match known.comparing.take() {
            Some(comparing) => comparing.outcome() && known.complete,
            None => known.complete && holds(file, &known.blocks),
        };
        if !hold {
            *known = Known::default();
        }
        hold
    }

    /// The first block of which `walked` says something else.
    #[cfg(test)]
    pub(super) fn differs_from(&self, walked: &Sums) -> Option<usize> {
        let (known, walked) = (lock_below(&self.0), lock_below(&walked.0));
        let of = |number: usize| known.blocks.get(number).copied().unwrap_or(UNKNOWN);
        (0..walked.blocks.len()).find(|&number| walked.blocks[number] != UNKNOWN && walked.blocks[number] != of(number))
    }

    /// Leaves them to the next start, if all are known. Nobody may be writing to the file; what is written to it later differs from them.
    pub(super) fn leave(&self, home: &Home) {
        let known = lock_below(&self.0);
        if known.complete && known.write(home).is_err() {
            // A torn one is told by its checksum.
            let _ = home.vfs().remove(file::INDEX_SUMS);
        }
    }
}

impl Known {
    fn note(&mut self, offset: u64, bytes: &[u8]) {
        let blocks = blocks_of(offset, bytes.len());
        if blocks.end <= 1 {
            return;
        }
        if !offset.is_multiple_of(BLOCK_BYTES as u64) || !bytes.len().is_multiple_of(BLOCK_BYTES) {
            // redb does no such thing.
            (self.complete, self.lost) = (false, true);
            return;
        }
        if self.blocks.len() < blocks.end {
            self.blocks.resize(blocks.end, UNKNOWN);
        }
        for (number, block) in blocks.zip(bytes.chunks_exact(BLOCK_BYTES)) {
            if number > 0 {
                self.blocks[number] = sum_of(block);
            }
        }
    }

    fn write(&self, home: &Home) -> io::Result<()> {
        let length = home.length()?;
        let count = (length as usize).div_ceil(BLOCK_BYTES);
        let mut bytes = Vec::with_capacity(layout::BLOCKS + 4 * count + 4);
        bytes.extend_from_slice(&layout::MAGIC_VALUE);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(front(&*home.file)?.as_bytes());
        for number in 0..count {
            bytes.extend_from_slice(&self.blocks.get(number).unwrap_or(&UNKNOWN).to_le_bytes());
        }
        let crc = checksum(0, &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let file = home.vfs().open(file::INDEX_SUMS, OpenMode::Create)?;
        file.set_length(bytes.len() as u64)?;
        file.write_at(&bytes, 0)
    }
}

/// The digest of the first block, which has the header.
fn front(file: &dyn VFile) -> io::Result<blake3::Hash> {
    let mut block = [0; BLOCK_BYTES];
    read_exact_at(file, &mut block, 0)?;
    Ok(blake3::hash(&block))
}

/// What was left of this index; none if it is not of that state.
fn read_left(vfs: &dyn Vfs, index: &dyn VFile) -> io::Result<Option<Vec<u32>>> {
    let file = vfs.open(file::INDEX_SUMS, OpenMode::Read)?;
    let length = index.length()?;
    let count = (length as usize).div_ceil(BLOCK_BYTES);
    let bytes = layout::BLOCKS + 4 * count + 4;
    if file.length()? != bytes as u64 {
        return Ok(None);
    }
    let mut bytes = vec![0; bytes];
    read_exact_at(&*file, &mut bytes, 0)?;
    let (body, crc) = bytes.split_at(layout::BLOCKS + 4 * count);
    let is_of_now = body.starts_with(&layout::MAGIC_VALUE)
        && u32_at(crc, 0) == checksum(0, body)
        && u64_at(body, layout::LENGTH) == length
        && body[layout::FRONT..layout::BLOCKS] == *front(index)?.as_bytes();
    Ok(is_of_now.then(|| body[layout::BLOCKS..].chunks_exact(4).map(|sum| u32_at(sum, 0)).collect()))
}

/// The numbers of the blocks that `length` bytes from `offset` on touch.
fn blocks_of(offset: u64, length: usize) -> Range<usize> {
    let start = offset as usize / BLOCK_BYTES;
    start..(offset as usize + length).div_ceil(BLOCK_BYTES)
}

pub(super) fn sum_of(block: &[u8]) -> u32 {
    crc32fast::hash(block).max(1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::index::{Checkup, Index};
    use crate::memtable::{Mark, Memtable};
    use crate::row::Table;
    use crate::vfs::{RealVfs, Vfs};

    const UUID: [u8; 16] = [7; 16];

    fn vfs(directory: &Path) -> Arc<dyn Vfs> {
        Arc::new(RealVfs::at(directory).unwrap())
    }

    fn index(directory: &Path) -> Index {
        Index::open(&vfs(directory), &UUID, 1 << 20, None).unwrap().0
    }

    /// An index of some rows in several tables, closed in order.
    fn make(directory: &Path) {
        let mut index = index(directory);
        let mark = Mark { seq: 9, ..Mark::default() };
        let filled = index.load(&Memtable::new(), Some((&mark, &UUID)), |loader| {
            for n in 0..3_000_u32 {
                loader.insert(Table::Current, &n.to_be_bytes(), &[n as u8; 100])?;
            }
            loader.insert(Table::Config, b"large", &[1; 100_000])?;
            Ok(())
        });
        filled.unwrap();
        index.end();
    }

    fn read(directory: &Path, name: &str) -> Vec<u8> {
        let file = vfs(directory).open(name, OpenMode::Read).unwrap();
        let mut bytes = vec![0; file.length().unwrap() as usize];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        bytes
    }

    fn write(directory: &Path, name: &str, bytes: &[u8]) {
        vfs(directory).open(name, OpenMode::Create).unwrap().write_at(bytes, 0).unwrap();
    }

    #[test]
    fn an_index_that_was_closed_in_order_is_as_left_until_a_byte_of_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let intact = read(directory.path(), file::INDEX);
        let known = {
            let index = index(directory.path());
            assert!(index.is_as_left());
            let blocks = lock_below(&index.sums.0).blocks.clone();
            index.checkup().and_then(Checkup::run).unwrap();
            assert_eq!(lock_below(&index.sums.0).blocks, blocks, "a walk finds what was written");
            assert_eq!(index.differs_from_a_walk(), None);
            blocks
        };
        // It was dropped, not ended, and left nothing.
        assert!(vfs(directory.path()).open(file::INDEX_SUMS, OpenMode::Read).is_err());
        assert!(!index(directory.path()).is_as_left());
        write(directory.path(), file::INDEX, &intact);
        let mut index = index(directory.path());
        index.checkup().and_then(Checkup::run).unwrap();
        let walked = lock_below(&index.sums.0).blocks.clone();
        assert!(walked.iter().filter(|&&sum| sum != UNKNOWN).count() > 90);
        assert!(walked.iter().zip(&known).all(|(walked, known)| *walked == UNKNOWN || walked == known));
        index.end();
        for (nth, number) in (1..walked.len()).filter(|&number| walked[number] != UNKNOWN).enumerate() {
            let other = tempfile::tempdir().unwrap();
            let mut bytes = read(directory.path(), file::INDEX);
            bytes[number * BLOCK_BYTES + nth * 911 % BLOCK_BYTES] ^= 1 << (nth % 8);
            write(other.path(), file::INDEX, &bytes);
            write(other.path(), file::INDEX_SUMS, &read(directory.path(), file::INDEX_SUMS));
            // redb itself reads some of them as it opens the file.
            let Ok((index, _)) = Index::open(&vfs(other.path()), &UUID, 1 << 20, None) else { continue };
            assert!(!index.is_as_left(), "block {number}");
            assert!(lock_below(&index.sums.0).blocks.is_empty(), "none of them is left again");
        }
    }

    #[test]
    fn what_a_walk_finds_wrong_is_not_left_as_sound_even_if_it_was_written_so() {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let mut index = index(directory.path());
        assert!(index.is_as_left());
        // As if bits had changed in memory before the pages were written.
        let known = lock_below(&index.sums.0).blocks.clone();
        for number in (0..known.len()).filter(|&number| known[number] != UNKNOWN) {
            let (mut block, offset) = ([0; BLOCK_BYTES], (number * BLOCK_BYTES) as u64);
            read_exact_at(&*index.home.file, &mut block, offset).unwrap();
            block[17] ^= 4;
            index.home.file.write_at(&block, offset).unwrap();
            index.sums.note(offset, &block);
        }
        index.leave_sums();
        assert!(index.checkup().and_then(Checkup::run).is_err());
        index.give_up_sums();
        assert!(vfs(directory.path()).open(file::INDEX_SUMS, OpenMode::Read).is_err());
        index.end();
        assert!(vfs(directory.path()).open(file::INDEX_SUMS, OpenMode::Read).is_err());
    }

    #[test]
    fn what_is_written_after_a_walk_began_is_not_taken_from_it() {
        let (sums, walked) = (Sums::unknown(), Sums::of_nothing());
        walked.note(4096, &[1; 8192]);
        sums.note(8192, &[2; 4096]);
        sums.adopt(&walked);
        let known = lock_below(&sums.0);
        assert_eq!(known.blocks, [UNKNOWN, sum_of(&[1; 4096]), sum_of(&[2; 4096])]);
        assert!(known.complete);
    }

    #[test]
    fn a_write_that_fails_or_is_no_whole_block_leaves_nothing_to_rely_on() {
        let of_three = || {
            let sums = Sums::of_nothing();
            sums.note(4096, &[1; 12288]);
            sums
        };
        let is_complete = |sums: &Sums| lock_below(&sums.0).complete;
        let sums = of_three();
        sums.note(0, &[9; 320]);
        assert!(is_complete(&sums), "the header is written piece by piece");
        sums.note(4096, &[9; 320]);
        assert!(!is_complete(&sums));
        let sums = of_three();
        sums.lose();
        assert!(!is_complete(&sums) && lock_below(&sums.0).blocks.is_empty());
        let spoilt = of_three();
        spoilt.lose();
        let sums = Sums::unknown();
        sums.adopt(&spoilt);
        assert!(!is_complete(&sums), "such a walk tells nothing");
        // A page was written since the walk began, another one couldn't be, and then it could.
        let (sums, walked) = (of_three(), of_three());
        sums.note(16384, &[2; 4096]);
        sums.lose();
        sums.note(20480, &[3; 4096]);
        sums.adopt(&walked);
        assert!(!is_complete(&sums), "the first of them is in neither");
        let sums = of_three();
        sums.forget(8000, 200);
        assert_eq!(lock_below(&sums.0).blocks[1..], [UNKNOWN, UNKNOWN, sum_of(&[1; 4096])]);
        sums.resize(8192);
        assert_eq!(lock_below(&sums.0).blocks.len(), 2);
    }

    #[test]
    fn what_a_killed_process_left_is_as_left_unless_something_was_written_since() {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let index = index(directory.path());
        assert!(index.is_as_left());
        index.leave_sums();
        let names = [file::INDEX, file::INDEX_SUMS];
        let left = names.map(|name| read(directory.path(), name));
        let is_as_left = |content: [&[u8]; 2]| {
            let copy = tempfile::tempdir().unwrap();
            names.iter().zip(content).for_each(|(name, bytes)| write(copy.path(), name, bytes));
            Index::open(&vfs(copy.path()), &UUID, 1 << 20, None).unwrap().0.is_as_left()
        };
        assert!(is_as_left([&left[0], &left[1]]));
        assert!(!is_as_left([&left[0], &left[1][..300]]), "torn");
        let filled = index.load(&Memtable::new(), Some((&Mark { seq: 10, ..Mark::default() }, &UUID)), |loader| {
            Ok(loader.insert(Table::Config, b"more", &[2; 100])?)
        });
        filled.unwrap();
        let written = read(directory.path(), file::INDEX);
        assert!(!is_as_left([&written, &left[1]]), "stale");
        index.leave_sums();
        assert!(is_as_left([&written, &read(directory.path(), file::INDEX_SUMS)]));
    }
}
