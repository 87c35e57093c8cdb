//! What this machine can do at best: the disk, memory and hash rates that a node's numbers are judged by.
//!
//! They are taken in the same run as the rest because a shared machine's rates change by the minute.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use md5::Md5;
use rustix::fs::fdatasync;
use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::fact::Fact;
use crate::failure::{Context, Result};

/// How long each rate is measured.
const WINDOW: Duration = Duration::from_millis(500);
/// The size of the synced writes that small puts are set in relation to.
pub(crate) const SMALL_BYTES: usize = 4096;
/// The size that large puts are set in relation to.
pub(crate) const LARGE_BYTES: usize = 64 << 20;
const CHUNK_BYTES: usize = 1 << 20;

/// What the disk and one core can do, measured whenever it is asked for.
pub(crate) struct Limits {
    path: PathBuf,
    file: File,
    chunk: Vec<u8>,
}

impl Limits {
    /// Prepares a file in `directory` whose blocks are allocated and written.
    pub(crate) fn new(directory: &Path) -> Result<Limits> {
        let path = directory.join("limits");
        let file = zeroed(&path)?;
        Ok(Limits { path, file, chunk: Content::of(CHUNK_BYTES as u64, 3).chunk(0).to_vec() })
    }

    /// 4 KiB written and synced, one after the other, a second.
    pub(crate) fn small_syncs(&self) -> Result<f64> {
        let mut offset = 0;
        repeat(|| {
            self.file.write_all_at(&self.chunk[..SMALL_BYTES], offset).context("writing")?;
            offset = (offset + SMALL_BYTES as u64) % LARGE_BYTES as u64;
            fdatasync(&self.file).context("syncing")
        })
    }

    /// 64 MiB written and synced once, a second.
    pub(crate) fn large_syncs(&self) -> Result<f64> {
        repeat(|| {
            for start in (0..LARGE_BYTES).step_by(CHUNK_BYTES) {
                self.file.write_all_at(&self.chunk, start as u64).context("writing")?;
            }
            fdatasync(&self.file).context("syncing")
        })
    }

    /// MiB whose MD5 one core computes, a second.
    pub(crate) fn md5(&self) -> Result<f64> {
        repeat(|| {
            black_box(Md5::digest(black_box(&self.chunk)));
            Ok(())
        })
    }

    /// All rates, those of memory and the page cache too.
    pub(crate) fn facts(&self) -> Result<Vec<Fact>> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let cached = repeat(|| {
            for start in (0..LARGE_BYTES).step_by(CHUNK_BYTES) {
                self.file.read_exact_at(&mut buffer, start as u64).context("reading")?;
            }
            Ok(())
        })?;
        let source = vec![0x5a_u8; LARGE_BYTES];
        let mut target = vec![0_u8; LARGE_BYTES];
        let copied = repeat(|| {
            black_box(&mut target).copy_from_slice(black_box(&source));
            Ok(())
        })?;
        let sha256 = repeat(|| {
            black_box(Sha256::digest(black_box(&self.chunk)));
            Ok(())
        })?;
        let large = |rate: f64| rate * (LARGE_BYTES >> 20) as f64;
        Ok(vec![
            Fact::new("limit: pwrite 4 KiB + fdatasync, pre-zeroed file, 1 thread", self.small_syncs()?, "1/s"),
            Fact::new(
                "limit: pwrite 64 MiB + fdatasync, pre-zeroed file, 1 thread",
                large(self.large_syncs()?),
                "MiB/s",
            ),
            Fact::new("limit: pread from the page cache", large(cached), "MiB/s"),
            Fact::new("limit: memcpy of 64 MiB", large(copied), "MiB/s"),
            Fact::new("limit: MD5 on one core", self.md5()?, "MiB/s"),
            Fact::new("limit: SHA-256 on one core", sha256, "MiB/s"),
        ])
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        // The directory around it is temporary; this only gives the space back earlier.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file whose blocks are allocated and written, as a log's segment is.
fn zeroed(path: &Path) -> Result<File> {
    let doing = || format!("preparing {}", path.display());
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).context(doing())?;
    let zeros = vec![0; CHUNK_BYTES];
    for start in (0..LARGE_BYTES).step_by(CHUNK_BYTES) {
        file.write_all_at(&zeros, start as u64).context(doing())?;
    }
    file.sync_all().context(doing())?;
    Ok(file)
}

/// How often a second `work` was done.
fn repeat(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    let mut times = 0_u32;
    while started.elapsed() < WINDOW {
        work()?;
        times += 1;
    }
    Ok(f64::from(times) / started.elapsed().as_secs_f64())
}
