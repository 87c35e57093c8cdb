//! An external sort, so that an index of any size is rebuilt in key order within a fixed amount of memory.
//!
//! Rows applied in the order of their keys cost a B-tree a small part of what random ones do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;

use crate::format::u32_at;
use crate::vfs::{OpenMode, VFile, Vfs, read_exact_at};

/// Items in memory beyond which a run is written to the file.
const RUN_BYTES_MAX: usize = 64 << 20;
/// How much of a run is read at a time.
const READ_BYTES: usize = 256 << 10;
/// The lengths before an item in a run.
const PREFIX_BYTES: usize = 8;

/// Takes items in any order, gives them back ascending by key.
pub(crate) struct Sorter {
    vfs: Arc<dyn Vfs>,
    path: &'static str,
    file: Option<Arc<dyn VFile>>,
    written: u64,
    /// Where each run begins and ends in the file.
    runs: Vec<(u64, u64)>,
    arena: Vec<u8>,
    /// Where each item begins in the arena, the end of its key and its own.
    items: Vec<(usize, usize, usize)>,
    run_bytes_max: usize,
}

impl Sorter {
    /// `path` is where runs are written if there are too many items for memory.
    pub(crate) fn new(vfs: Arc<dyn Vfs>, path: &'static str) -> Sorter {
        Sorter {
            vfs,
            path,
            file: None,
            written: 0,
            runs: Vec::new(),
            arena: Vec::new(),
            items: Vec::new(),
            run_bytes_max: RUN_BYTES_MAX,
        }
    }

    /// Adds an item; both are what the closures append.
    pub(crate) fn push(
        &mut self,
        key: impl FnOnce(&mut Vec<u8>),
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let start = self.arena.len();
        key(&mut self.arena);
        let key_end = self.arena.len();
        payload(&mut self.arena);
        self.items.push((start, key_end, self.arena.len()));
        if self.arena.len() + 24 * self.items.len() >= self.run_bytes_max { self.spill() } else { Ok(()) }
    }

    fn sort(&mut self) {
        let arena = &self.arena;
        self.items.sort_unstable_by(|a, b| arena[a.0..a.1].cmp(&arena[b.0..b.1]));
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.items.is_empty() {
            return Ok(());
        }
        self.sort();
        if self.file.is_none() {
            self.file = Some(self.vfs.open(self.path, OpenMode::Create)?);
        }
        let Some(file) = &self.file else { return Ok(()) };
        let start = self.written;
        let mut buffer = Vec::with_capacity(READ_BYTES * 5);
        for (from, key_end, end) in self.items.drain(..) {
            buffer.extend_from_slice(&((key_end - from) as u32).to_le_bytes());
            buffer.extend_from_slice(&((end - key_end) as u32).to_le_bytes());
            buffer.extend_from_slice(&self.arena[from..end]);
            if buffer.len() >= 4 * READ_BYTES {
                file.write_at(&buffer, self.written)?;
                self.written += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.write_at(&buffer, self.written)?;
        self.written += buffer.len() as u64;
        self.runs.push((start, self.written));
        self.arena.clear();
        Ok(())
    }

    /// The items, ascending by key.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.sort();
            return Ok(Sorted { sorter: self, next: 0, runs: Vec::new(), heap: BinaryHeap::new(), last: None });
        }
        self.spill()?;
        self.arena = Vec::new();
        let Some(file) = self.file.clone() else { return Err(io::ErrorKind::NotFound.into()) };
        let mut runs = Vec::new();
        let mut heap = BinaryHeap::new();
        for (position, (start, end)) in self.runs.iter().enumerate() {
            let mut run = Run { file: Arc::clone(&file), offset: *start, end: *end, buffer: Vec::new(), at: 0 };
            if let Some(key) = run.key()? {
                heap.push(Reverse((key, position)));
            }
            runs.push(run);
        }
        Ok(Sorted { sorter: self, next: 0, runs, heap, last: None })
    }
}

/// One sorted run in the file.
struct Run {
    file: Arc<dyn VFile>,
    /// Of what was not read into the buffer.
    offset: u64,
    end: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl Run {
    /// Makes `count` bytes of the next item available; false at the end.
    fn fill(&mut self, count: usize) -> io::Result<bool> {
        if self.buffer.len() - self.at >= count {
            return Ok(true);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let have = self.buffer.len();
        let more = (count.max(READ_BYTES) - have).min(usize::try_from(self.end - self.offset).unwrap_or(usize::MAX));
        self.buffer.resize(have + more, 0);
        read_exact_at(&*self.file, &mut self.buffer[have..], self.offset)?;
        self.offset += more as u64;
        Ok(self.buffer.len() >= count)
    }

    /// Where the next item's key and payload end in the buffer; all of it is there then.
    fn item(&mut self) -> io::Result<Option<(usize, usize)>> {
        if !self.fill(PREFIX_BYTES)? {
            return Ok(None);
        }
        let key = u32_at(&self.buffer, self.at) as usize;
        let payload = u32_at(&self.buffer, self.at + 4) as usize;
        if !self.fill(PREFIX_BYTES + key + payload)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let key_end = self.at + PREFIX_BYTES + key;
        Ok(Some((key_end, key_end + payload)))
    }

    fn key(&mut self) -> io::Result<Option<Vec<u8>>> {
        let item = self.item()?;
        Ok(item.map(|(key_end, _)| self.buffer[self.at + PREFIX_BYTES..key_end].to_vec()))
    }
}

/// What a sorter gives back.
pub(crate) struct Sorted {
    sorter: Sorter,
    next: usize,
    runs: Vec<Run>,
    heap: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    last: Option<(usize, usize)>,
}

impl Sorted {
    /// The next key and payload.
    pub(crate) fn next(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        if self.runs.is_empty() {
            let Some((start, key_end, end)) = self.sorter.items.get(self.next).copied() else { return Ok(None) };
            self.next += 1;
            let arena = &self.sorter.arena;
            return Ok(Some((&arena[start..key_end], &arena[key_end..end])));
        }
        if let Some((position, end)) = self.last.take() {
            let run = &mut self.runs[position];
            run.at = end;
            if let Some(key) = run.key()? {
                self.heap.push(Reverse((key, position)));
            }
        }
        let Some(Reverse((_, position))) = self.heap.pop() else { return Ok(None) };
        let Some((key_end, end)) = self.runs[position].item()? else { return Ok(None) };
        self.last = Some((position, end));
        let run = &self.runs[position];
        Ok(Some((&run.buffer[run.at + PREFIX_BYTES..key_end], &run.buffer[key_end..end])))
    }
}

impl Drop for Sorter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What cannot be removed now is removed at the next start.
            let _ = self.vfs.remove(self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Rng, SimDisk};

    #[test]
    fn items_come_back_in_the_order_of_their_keys_also_when_they_are_too_many_for_memory() {
        for run_bytes_max in [RUN_BYTES_MAX, 3000, 200] {
            let disk = SimDisk::new(1);
            let mut sorter = Sorter::new(Arc::new(Arc::clone(&disk)), "sort");
            sorter.run_bytes_max = run_bytes_max;
            let mut rng = Rng::new(7);
            let mut expected = Vec::new();
            for n in 0..500u32 {
                let key = rng.bits().to_be_bytes()[..(rng.below(8) + 1) as usize].to_vec();
                let key = [key, n.to_be_bytes().to_vec()].concat();
                sorter.push(|out| out.extend_from_slice(&key), |out| out.resize(out.len() + n as usize, 3)).unwrap();
                expected.push((key, vec![3; n as usize]));
            }
            expected.sort();
            let mut sorted = sorter.finish().unwrap();
            let mut found = Vec::new();
            while let Some((key, payload)) = sorted.next().unwrap() {
                found.push((key.to_vec(), payload.to_vec()));
            }
            assert_eq!(found, expected);
            drop(sorted);
            assert!(disk.files("").is_empty());
        }
    }
}
