//! What this machine can do at best: the disk, memory and hash rates that a node's numbers are judged by.
//!
//! They are taken in the same run as the rest because a shared machine's rates change by the minute.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use md5::Md5;
use rustix::fs::fdatasync;
use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::failure::{Context, Result};
use crate::report::Fact;

/// How long each rate is measured.
const WINDOW: Duration = Duration::from_millis(500);
const SMALL_BYTES: usize = 4096;
const LARGE_BYTES: usize = 64 << 20;
const CHUNK_BYTES: usize = 1 << 20;

/// All rates, measured by one thread on a file in `directory`.
pub(crate) fn measure(directory: &Path) -> Result<Vec<Fact>> {
    let path = directory.join("limits");
    let file = zeroed(&path)?;
    let chunk = Content::of(CHUNK_BYTES as u64, 3).chunk(0).to_vec();
    let mut facts = Vec::new();

    let mut offset = 0;
    let rate = repeat(|| {
        file.write_all_at(&chunk[..SMALL_BYTES], offset).context("writing")?;
        offset = (offset + SMALL_BYTES as u64) % LARGE_BYTES as u64;
        fdatasync(&file).context("syncing")
    })?;
    facts.push(Fact::new("limit: pwrite 4 KiB + fdatasync, pre-zeroed file, 1 thread", rate, "1/s"));

    let rate = repeat(|| {
        for start in (0..LARGE_BYTES).step_by(CHUNK_BYTES) {
            file.write_all_at(&chunk, start as u64).context("writing")?;
        }
        fdatasync(&file).context("syncing")
    })?;
    facts.push(Fact::new(
        "limit: pwrite 64 MiB + fdatasync, pre-zeroed file, 1 thread",
        mebibytes(LARGE_BYTES, rate),
        "MiB/s",
    ));

    let mut buffer = vec![0; CHUNK_BYTES];
    let rate = repeat(|| {
        for start in (0..LARGE_BYTES).step_by(CHUNK_BYTES) {
            file.read_exact_at(&mut buffer, start as u64).context("reading")?;
        }
        Ok(())
    })?;
    facts.push(Fact::new("limit: pread from the page cache", mebibytes(LARGE_BYTES, rate), "MiB/s"));

    let source = vec![0x5a_u8; LARGE_BYTES];
    let mut target = vec![0_u8; LARGE_BYTES];
    let rate = repeat(|| {
        black_box(&mut target).copy_from_slice(black_box(&source));
        Ok(())
    })?;
    facts.push(Fact::new("limit: memcpy of 64 MiB", mebibytes(LARGE_BYTES, rate), "MiB/s"));

    let rate = repeat(|| {
        black_box(Md5::digest(black_box(&chunk)));
        Ok(())
    })?;
    facts.push(Fact::new("limit: MD5 on one core", mebibytes(CHUNK_BYTES, rate), "MiB/s"));

    let rate = repeat(|| {
        black_box(Sha256::digest(black_box(&chunk)));
        Ok(())
    })?;
    facts.push(Fact::new("limit: SHA-256 on one core", mebibytes(CHUNK_BYTES, rate), "MiB/s"));

    std::fs::remove_file(&path).context(format!("removing {}", path.display()))?;
    Ok(facts)
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

fn mebibytes(bytes: usize, rate: f64) -> f64 {
    bytes as f64 * rate / f64::from(1 << 20)
}
