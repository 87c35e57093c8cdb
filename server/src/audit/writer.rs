//! The thread that writes the log: portion by portion, as long as the disk has room for it.
//!
//! The last of a disk is kept for deletes and for changes of identities, which is how a full node is mended: below the store's low-water mark nothing more is written here either.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::files::Files;
use super::queue::PORTION_BYTES;
use super::{Shared, WriterState};

/// The free space is looked at again after so many bytes, or so long.
const LOOKED_AT_EVERY: (u64, Duration) = (4 << 20, Duration::from_secs(1));
/// A buffer that has grown beyond this isn't kept.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// Tells how many bytes must stay free where the log is.
pub type LowWater = Box<dyn Fn() -> u64 + Send>;

pub(super) struct Writer<'a> {
    files: Files,
    low_water: LowWater,
    shared: &'a Shared,
    looked: Option<Instant>,
    written_since: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(files: Files, low_water: LowWater, shared: &'a Shared) -> Writer<'a> {
        Writer { files, low_water, shared, looked: None, written_since: 0 }
    }

    /// Writes what comes until the queue ends.
    pub(super) fn run(mut self) {
        let mut lines = Vec::new();
        loop {
            let goes_on = self.shared.queue.take(&mut lines);
            let mut rest = lines.as_slice();
            while !rest.is_empty() {
                let (portion, behind) = rest.split_at(portion_end(rest));
                self.write(portion);
                rest = behind;
            }
            lines.clear();
            lines.shrink_to(BUFFER_BYTES_KEPT);
            self.shared.queue.settle();
            if !goes_on {
                return;
            }
        }
    }

    fn write(&mut self, portion: &[u8]) {
        let count = portion.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let state = match self.has_room() {
            false => WriterState::Paused,
            true => match self.files.append(portion, self.shared.kept_bytes.load(Relaxed)) {
                Ok(()) => WriterState::Writes,
                Err(error) => {
                    // Told once, not for every request.
                    if self.shared.state() != WriterState::Fails {
                        tracing::error!(%error, "the audit log can't be written: records are dropped");
                    }
                    WriterState::Fails
                }
            },
        };
        let before = self.shared.change_state(state);
        match state {
            WriterState::Writes => {
                self.written_since += portion.len() as u64;
                self.shared.written.fetch_add(count, Relaxed);
            }
            WriterState::Paused | WriterState::Fails => {
                self.shared.dropped.fetch_add(count, Relaxed);
            }
        }
        if state == WriterState::Paused && before != state {
            tracing::warn!("the disk is nearly full: the audit log is not written until there is room again");
        }
        if state == WriterState::Writes && before != state {
            tracing::info!(dropped = self.shared.dropped.load(Relaxed), "the audit log is written again");
        }
    }

    /// Whether what must stay free stays free; asked of the file system now and then.
    fn has_room(&mut self) -> bool {
        let (bytes, time) = LOOKED_AT_EVERY;
        let is_fresh = self.looked.is_some_and(|looked| looked.elapsed() < time) && self.written_since < bytes;
        if is_fresh {
            return self.shared.state() != WriterState::Paused;
        }
        (self.looked, self.written_since) = (Some(Instant::now()), 0);
        let low_water_bytes = (self.low_water)();
        // What can't be asked is found out by writing.
        low_water_bytes == 0 || self.files.free_bytes().is_none_or(|free| free >= low_water_bytes + bytes)
    }
}

/// Where a portion ends: with the last line that fits, or with the first if none does.
fn portion_end(lines: &[u8]) -> usize {
    if lines.len() <= PORTION_BYTES {
        return lines.len();
    }
    let fits = lines[..PORTION_BYTES].iter().rposition(|&byte| byte == b'\n');
    let end = fits.or_else(|| lines.iter().position(|&byte| byte == b'\n'));
    end.map_or(lines.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_end_with_a_line() {
        let long = [vec![b'x'; PORTION_BYTES], b"\n".to_vec()].concat();
        assert_eq!(portion_end(b"a\nb\n"), 4);
        assert_eq!(portion_end(&[b"a\n", long.as_slice()].concat()), 2);
        assert_eq!(portion_end(&[long.as_slice(), b"a\n"].concat()), PORTION_BYTES + 1);
    }
}
