//! The blocks that a file has grown by and that nobody has written to yet.
//!
//! redb writes its pages one by one, in no order, and the page cache keeps what it is given in pieces as it is given it: a page that came alone
//! is found, copied and sent to the disk by itself, then and at each later read. So the first write to a new block fills all of it, and what
//! comes later to it lies beside.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

use crate::sync::lock_below;
use crate::vfs::{VFile, is_full};

const BLOCK_BYTES: u64 = 64 << 10;

/// The numbers of the new blocks of a file. What is written to it and how long it is goes through here.
#[derive(Debug, Default)]
pub(super) struct Fresh(Mutex<BTreeSet<u64>>);

impl Fresh {
    /// Gives the file another length.
    ///
    /// # Errors
    /// The file's.
    pub(super) fn set_length(&self, file: &dyn VFile, length: u64) -> io::Result<()> {
        let mut blocks = lock_below(&self.0);
        let before = file.length()?;
        file.set_length(length)?;
        // Of a block that was there in part nobody knows what is in it.
        blocks.extend(before.div_ceil(BLOCK_BYTES)..length.div_ceil(BLOCK_BYTES));
        blocks.split_off(&length.div_ceil(BLOCK_BYTES));
        Ok(())
    }

    /// Writes `bytes`, with zeros up to the edges of the new blocks that they begin or end in. No two writes at a time: the zeros of one would lie over the other.
    ///
    /// # Errors
    /// The file's.
    pub(super) fn write(&self, file: &dyn VFile, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut blocks = lock_below(&self.0);
        let end = offset + bytes.len() as u64;
        let (first, behind) = (offset / BLOCK_BYTES, end.div_ceil(BLOCK_BYTES));
        let (begins_new, ends_new) = (blocks.contains(&first), blocks.contains(&behind.saturating_sub(1)));
        if !begins_new && !ends_new {
            return file.write_at(bytes, offset);
        }
        let from = if begins_new { first * BLOCK_BYTES } else { offset };
        let to = if ends_new { (behind * BLOCK_BYTES).min(file.length()?).max(end) } else { end };
        (first..behind).for_each(|block| _ = blocks.remove(&block));
        let mut filled = vec![0; (to - from) as usize];
        let start = (offset - from) as usize;
        filled[start..start + bytes.len()].copy_from_slice(bytes);
        match file.write_at(&filled, from) {
            Err(error) if is_full(&error) => {
                // What is left is for what has to be written.
                blocks.clear();
                file.write_at(bytes, offset)
            }
            written => written,
        }
    }
}

#[cfg(test)]
pub(in crate::index) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::vfs::{OpenMode, RealVfs, Vfs, read_exact_at};

    const PAGE_BYTES: usize = 4096;

    /// A file that notes where it is written, and of a write takes so much at most before its disk is full.
    #[derive(Debug)]
    pub(in crate::index) struct Noting {
        pub(in crate::index) file: Arc<dyn VFile>,
        pub(in crate::index) writes: Mutex<Vec<(u64, usize)>>,
        pub(in crate::index) at_once_bytes_max: usize,
    }

    impl VFile for Noting {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.file.read_at(buffer, offset)
        }
        fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.file.read_at_nowait(buffer, offset)
        }
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            lock_below(&self.writes).push((offset, bytes.len()));
            let fits = &bytes[..bytes.len().min(self.at_once_bytes_max)];
            self.file.write_at(fits, offset)?;
            if fits.len() < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
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

    struct Written {
        _directory: tempfile::TempDir,
        file: Noting,
        fresh: Fresh,
    }

    impl Written {
        fn new(at_once_bytes_max: usize) -> Written {
            let directory = tempfile::tempdir().unwrap();
            let file = RealVfs::at(directory.path()).unwrap().open("f", OpenMode::Create).unwrap();
            let file = Noting { file, writes: Mutex::default(), at_once_bytes_max };
            Written { _directory: directory, file, fresh: Fresh::default() }
        }

        fn resize(&self, length: u64) {
            self.fresh.set_length(&self.file, length).unwrap();
        }

        fn write(&self, bytes: &[u8], offset: u64) {
            self.fresh.write(&self.file, bytes, offset).unwrap();
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
            (3 * BLOCK_BYTES, 2 * block),
            (3 * BLOCK_BYTES, PAGE_BYTES),
            (4 * BLOCK_BYTES + 8192, PAGE_BYTES),
            (2 * BLOCK_BYTES - 4096, PAGE_BYTES),
            (2 * BLOCK_BYTES, block),
        ];
        assert_eq!(*lock_below(&written.file.writes), expected);
    }

    #[test]
    fn where_the_disk_is_full_no_more_blocks_are_filled() {
        let written = Written::new(3 * PAGE_BYTES);
        written.resize(3 * BLOCK_BYTES);
        for offset in [8192, BLOCK_BYTES, 2 * BLOCK_BYTES] {
            written.write(&[7; PAGE_BYTES], offset);
        }
        let expected =
            [(0, BLOCK_BYTES as usize), (8192, PAGE_BYTES), (BLOCK_BYTES, PAGE_BYTES), (2 * BLOCK_BYTES, PAGE_BYTES)];
        assert_eq!(*lock_below(&written.file.writes), expected);
    }

    #[test]
    fn a_file_holds_what_was_written_to_it_however_it_grew_and_shrank() {
        for at_once_bytes_max in [usize::MAX, 3 * PAGE_BYTES] {
            let written = Written::new(at_once_bytes_max);
            let mut model: Vec<u8> = Vec::new();
            let mut state = 5_u64;
            let mut below = |limit: u64| {
                // Knuth's MMIX.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % limit
            };
            for step in 0..3_000_u32 {
                if step == 0 || below(40) == 0 {
                    let pages = 1 + below(80);
                    written.resize(pages * PAGE_BYTES as u64);
                    model.resize(pages as usize * PAGE_BYTES, 0);
                }
                let pages = 1 + below(3) as usize;
                let offset = below((model.len() / PAGE_BYTES) as u64) as usize * PAGE_BYTES;
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
