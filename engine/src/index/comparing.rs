//! Compares a file with the checksums of its blocks, beside whatever else a start does.
//!
//! Nearly all of it is waiting for memory, as what the page cache has is copied. So it begins before anybody asks for the outcome, and whoever
//! asks takes part.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::sums::{BLOCK_BYTES, UNKNOWN, sum_of};
use crate::vfs::{VFile, read_exact_at};

/// What is read at once: little enough to stay in the caches of a processor until its checksums are made.
const BLOCKS_AT_ONCE: usize = 16;
/// A further thread has at least so much to read.
const THREAD_BYTES: usize = 4 << 20;
const THREADS_MAX: usize = 4;

/// What all who take part share.
#[derive(Debug)]
struct Comparison {
    file: Arc<dyn VFile>,
    sums: Vec<u32>,
    /// The first block that nobody has taken on.
    next: AtomicUsize,
    /// A block differs or can't be read, or nobody wants to know any more.
    given_up: AtomicBool,
}

impl Comparison {
    fn of(file: Arc<dyn VFile>, sums: Vec<u32>) -> Comparison {
        Comparison { file, sums, next: AtomicUsize::default(), given_up: AtomicBool::default() }
    }

    /// Compares blocks that nobody else has taken on, until there are none left.
    fn take_part(&self) {
        let mut buffer = [0; BLOCKS_AT_ONCE * BLOCK_BYTES];
        while !self.given_up.load(Ordering::Relaxed) {
            let from = self.next.fetch_add(BLOCKS_AT_ONCE, Ordering::Relaxed);
            let Some(sums) = self.sums.get(from..) else { return };
            let sums = &sums[..sums.len().min(BLOCKS_AT_ONCE)];
            if !self.holds(from, sums, &mut buffer).unwrap_or(false) {
                self.given_up.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Takes part with as many threads as there are beside the caller's of [`Comparing::outcome`].
    fn take_part_in_numbers(&self) {
        // Asking takes a while, so nobody else waits for it.
        let processors = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let threads = (self.sums.len() * BLOCK_BYTES / THREAD_BYTES).min(processors.saturating_sub(1));
        thread::scope(|scope| {
            for _ in 1..threads {
                // Where there can't be another one, those that are there read more.
                let _ = thread::Builder::new().spawn_scoped(scope, || self.take_part());
            }
            self.take_part();
        });
    }

    /// Whether the file holds, from block `from` on, what these checksums say.
    fn holds(&self, from: usize, sums: &[u32], buffer: &mut [u8]) -> io::Result<bool> {
        let mut next = 0;
        while let Some(skipped) = sums[next..].iter().position(|&sum| sum != UNKNOWN) {
            next += skipped;
            let known = sums[next..].iter().take_while(|&&sum| sum != UNKNOWN).count();
            let bytes = &mut buffer[..known * BLOCK_BYTES];
            read_exact_at(&*self.file, bytes, ((from + next) * BLOCK_BYTES) as u64)?;
            let mut read = bytes.chunks_exact(BLOCK_BYTES).map(sum_of);
            if !sums[next..next + known].iter().all(|&sum| read.next() == Some(sum)) {
                return Ok(false);
            }
            next += known;
        }
        Ok(true)
    }
}

/// Whether `file` holds all that these checksums say; nobody takes part but the caller.
pub(super) fn holds(file: &Arc<dyn VFile>, sums: &[u32]) -> bool {
    let comparison = Comparison::of(Arc::clone(file), sums.to_vec());
    comparison.take_part();
    !comparison.given_up.into_inner()
}

/// A comparison that others are at. Dropped, it is given up.
#[derive(Debug)]
pub(crate) struct Comparing {
    comparison: Arc<Comparison>,
    others: Option<JoinHandle<()>>,
}

impl Comparing {
    /// Begins to compare. A block that is written from now on may count as different.
    pub(super) fn begin(file: Arc<dyn VFile>, sums: Vec<u32>) -> Comparing {
        let comparison = Arc::new(Comparison::of(file, sums));
        let shared = Arc::clone(&comparison);
        let others =
            thread::Builder::new().name("comparer".to_owned()).spawn(move || shared.take_part_in_numbers()).ok();
        Comparing { comparison, others }
    }

    /// What the file is compared with.
    pub(super) fn sums(&self) -> &[u32] {
        &self.comparison.sums
    }

    /// Whether the file holds all of it. Takes part in what is left.
    pub(super) fn outcome(mut self) -> bool {
        self.comparison.take_part();
        let finished = self.others.take().is_none_or(|others| others.join().is_ok());
        finished && !self.comparison.given_up.load(Ordering::Relaxed)
    }
}

impl Drop for Comparing {
    fn drop(&mut self) {
        self.comparison.given_up.store(true, Ordering::Relaxed);
        // It reads files, of which somebody may make something else now.
        if let Some(others) = self.others.take() {
            let _ = others.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::{OpenMode, RealVfs, Vfs};

    #[test]
    fn several_threads_find_what_one_finds() {
        let directory = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..3_500 * BLOCK_BYTES as u32).map(|n| (n ^ (n >> 9)) as u8).collect();
        let file = RealVfs::at(directory.path()).unwrap().open("f", OpenMode::Create).unwrap();
        file.write_at(&content, 0).unwrap();
        let mut sums: Vec<u32> = content.chunks_exact(BLOCK_BYTES).map(sum_of).collect();
        // Holes of every length, across the edges of what is read at once.
        for n in 0..60 {
            sums[n * 57..][..n % 9].fill(UNKNOWN);
        }
        let both = || [holds(&file, &sums), Comparing::begin(Arc::clone(&file), sums.clone()).outcome()];
        assert_eq!(both(), [true; 2]);
        for number in (1..3_500).step_by(83).chain([3_499]) {
            let mut block = content[number * BLOCK_BYTES..][..BLOCK_BYTES].to_vec();
            block[number % BLOCK_BYTES] ^= 1;
            file.write_at(&block, (number * BLOCK_BYTES) as u64).unwrap();
            assert_eq!(both(), [sums[number] == UNKNOWN; 2], "block {number}");
            block[number % BLOCK_BYTES] ^= 1;
            file.write_at(&block, (number * BLOCK_BYTES) as u64).unwrap();
        }
        drop(Comparing::begin(Arc::clone(&file), sums.clone()));
        file.set_length(3_499 * BLOCK_BYTES as u64).unwrap();
        assert_eq!(both(), [false; 2], "what can't be read doesn't hold");
    }
}
