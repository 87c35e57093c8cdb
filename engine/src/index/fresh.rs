//! The blocks that a file has grown by and that nobody has written to yet.
//!
//! redb writes its pages one by one, in no order, and the page cache keeps what it is given in pieces as it is given it: a page that came alone
//! is found, copied and sent to the disk by itself, then and at each later read. So the first write to a new block fills all of it, and what
//! comes later to it lies beside.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

use crate::vfs::{VFile, is_full};

const BLOCK_BYTES: u64 = 64 << 10;

/// The numbers of new blocks, of a file of so many bytes.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    blocks: BTreeSet<u64>,
    length: u64,
}

impl Fresh {
    /// The file has `length` bytes now, and had `before`.
    pub(super) fn resize(&mut self, before: u64, length: u64) {
        self.length = length;
        // Of a block that was there in part nobody knows what is in it.
        self.blocks.extend(before.div_ceil(BLOCK_BYTES)..length.div_ceil(BLOCK_BYTES));
        self.blocks.split_off(&length.div_ceil(BLOCK_BYTES));
    }

    /// Writes the whole block, with zeros around `bytes`, if they lie in a new one. Answers whether they were written; from then on the block is not new.
    /// Nobody else may write to the file until this returns: the zeros would lie over what they wrote.
    ///
    /// # Errors
    /// Those of the file; but where there is no space for a block, there may be for `bytes`.
    pub(super) fn fill(&mut self, file: &dyn VFile, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let end = offset + bytes.len() as u64;
        let touched = offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES);
        let Some(block) = self.take(touched) else { return Ok(false) };
        let mut filled = vec![0; (block.end - block.start) as usize];
        let start = (offset - block.start) as usize;
        filled[start..start + bytes.len()].copy_from_slice(bytes);
        match file.write_at(&filled, block.start) {
            Err(error) if is_full(&error) => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// None of these blocks is new any more. If it is one, and was: where it lies.
    fn take(&mut self, touched: Range<u64>) -> Option<Range<u64>> {
        let is_one = touched.end - touched.start == 1;
        let mut was_new = false;
        for block in touched.clone() {
            was_new = self.blocks.remove(&block);
        }
        let end = (touched.end * BLOCK_BYTES).min(self.length);
        (is_one && was_new).then_some(touched.start * BLOCK_BYTES..end)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sync::lock_below;
    use crate::vfs::{OpenMode, RealVfs, Vfs, read_exact_at};

    const PAGE_BYTES: usize = 4096;

    /// A file that notes where it is written, and has space for so much at a time.
    #[derive(Debug)]
    struct Noting {
        file: Arc<dyn VFile>,
        writes: Mutex<Vec<(u64, usize)>>,
        at_once_bytes_max: usize,
    }

    impl VFile for Noting {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.file.read_at(buffer, offset)
        }
        fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.file.read_at_nowait(buffer, offset)
        }
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            if bytes.len() > self.at_once_bytes_max {
                return Err(io::ErrorKind::StorageFull.into());
            }
            lock_below(&self.writes).push((offset, bytes.len()));
            self.file.write_at(bytes, offset)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.file.sync_data()
        }
        fn length(&self) -> io::Result<u64> {
            self.file.length()
        }
        fn set_length(&self, length: u64) -> io::Result<()> {
            self.file.set_length(length)
        }
        fn reserve(&self, length: u64) -> io::Result<()> {
            self.file.reserve(length)
        }
    }

    /// What stands between redb and a file, as far as it is about new blocks.
    struct Written {
        _directory: tempfile::TempDir,
        file: Noting,
        fresh: Mutex<Fresh>,
    }

    impl Written {
        fn new(at_once_bytes_max: usize) -> Written {
            let directory = tempfile::tempdir().unwrap();
            let file = RealVfs::at(directory.path()).unwrap().open("f", OpenMode::Create).unwrap();
            let file = Noting { file, writes: Mutex::default(), at_once_bytes_max };
            Written { _directory: directory, file, fresh: Mutex::default() }
        }

        fn resize(&self, length: u64) {
            let before = self.file.length().unwrap();
            self.file.set_length(length).unwrap();
            lock_below(&self.fresh).resize(before, length);
        }

        fn write(&self, bytes: &[u8], offset: u64) {
            let filled = lock_below(&self.fresh).fill(&self.file, bytes, offset).unwrap();
            if !filled {
                self.file.write_at(bytes, offset).unwrap();
            }
        }

        fn content(&self) -> Vec<u8> {
            let mut content = vec![0; self.file.length().unwrap() as usize];
            read_exact_at(&self.file, &mut content, 0).unwrap();
            content
        }
    }

    #[test]
    fn the_first_write_to_a_new_block_fills_it_and_later_ones_are_themselves() {
        let written = Written::new(usize::MAX);
        written.resize(3 * BLOCK_BYTES / 2);
        let page = [7; PAGE_BYTES];
        for offset in [8192, 0, BLOCK_BYTES + 4096, BLOCK_BYTES] {
            written.write(&page, offset);
        }
        written.resize(5 * BLOCK_BYTES);
        // Over the edge of two blocks, and then in each of them; in the block that was there in part; in the next one.
        for (offset, pages) in [(4 * BLOCK_BYTES - 4096, 2), (3 * BLOCK_BYTES, 1), (4 * BLOCK_BYTES + 8192, 1)] {
            written.write(&page.repeat(pages), offset);
        }
        written.write(&page, 2 * BLOCK_BYTES - 4096);
        written.write(&page, 2 * BLOCK_BYTES);
        let (block, half) = (BLOCK_BYTES as usize, BLOCK_BYTES as usize / 2);
        let expected = [
            (0, block),
            (0, PAGE_BYTES),
            (BLOCK_BYTES, half),
            (BLOCK_BYTES, PAGE_BYTES),
            (4 * BLOCK_BYTES - 4096, 2 * PAGE_BYTES),
            (3 * BLOCK_BYTES, PAGE_BYTES),
            (4 * BLOCK_BYTES + 8192, PAGE_BYTES),
            (2 * BLOCK_BYTES - 4096, PAGE_BYTES),
            (2 * BLOCK_BYTES, block),
        ];
        assert_eq!(*lock_below(&written.file.writes), expected);
    }

    #[test]
    fn a_file_holds_what_was_written_to_it_however_it_grew_and_shrank() {
        for at_once_bytes_max in [usize::MAX, 3 * PAGE_BYTES] {
            let written = Written::new(at_once_bytes_max);
            let mut model: Vec<u8> = Vec::new();
            let mut rng = crate::sim::Rng::new(5);
            for step in 0..3_000_u32 {
                if step == 0 || rng.below(40) == 0 {
                    let pages = 1 + rng.below(80);
                    written.resize(pages * PAGE_BYTES as u64);
                    model.resize(pages as usize * PAGE_BYTES, 0);
                }
                let pages = 1 + rng.below(3) as usize;
                let offset = rng.below((model.len() / PAGE_BYTES) as u64) as usize * PAGE_BYTES;
                let bytes = vec![step as u8; (pages * PAGE_BYTES).min(model.len() - offset)];
                written.write(&bytes, offset as u64);
                model[offset..offset + bytes.len()].copy_from_slice(&bytes);
                assert!(written.content() == model, "step {step}");
            }
        }
    }

    #[test]
    fn threads_that_write_to_the_same_new_block_write_over_nothing_of_each_other() {
        let (threads, blocks) = (4, 8);
        for round in 0..50 {
            let written = Written::new(usize::MAX);
            written.resize(blocks * BLOCK_BYTES);
            let pages = blocks * BLOCK_BYTES / PAGE_BYTES as u64;
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let written = &written;
                    scope.spawn(move || {
                        for page in (thread..pages).step_by(threads as usize) {
                            written.write(&[1 + page as u8; PAGE_BYTES], page * PAGE_BYTES as u64);
                        }
                    });
                }
            });
            let content = written.content();
            let lost = content.chunks(PAGE_BYTES).zip(0..).position(|(page, n)| *page != [1 + n as u8; PAGE_BYTES]);
            assert_eq!(lost, None, "round {round}");
        }
    }
}
