//! A file system whose changes stay in memory: whoever examines a data directory opens it on one, and recovery runs as
//! it would without a byte being written.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use super::{OpenMode, Probe, Space, VFile, Vfs};
use crate::sync::lock_below;

const PAGE_BYTES: u64 = 4096;

/// Reads through to another file system and keeps what is written.
#[derive(Debug)]
pub(crate) struct OverlayVfs {
    below: Arc<dyn Vfs>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Files that were opened for writing or renamed here, by their names now.
    files: BTreeMap<String, Arc<OverlayFile>>,
    /// Names below that are gone here.
    removed: BTreeSet<String>,
    directories: BTreeSet<String>,
}

impl OverlayVfs {
    pub(crate) fn new(below: Arc<dyn Vfs>) -> OverlayVfs {
        OverlayVfs { below, state: Mutex::default() }
    }

    /// Likewise, where an open file has this name, whatever has it below.
    pub(crate) fn with_file(below: Arc<dyn Vfs>, path: &str, file: Arc<dyn VFile>) -> io::Result<OverlayVfs> {
        let length = file.length()?;
        let content = Content { pages: BTreeMap::new(), length, below_length: length };
        let file = Arc::new(OverlayFile { below: Some(file), content: Mutex::new(content) });
        let state = State { files: BTreeMap::from([(path.to_owned(), file)]), ..State::default() };
        Ok(OverlayVfs { below, state: Mutex::new(state) })
    }

    /// The file of this name as it is seen here, taken over so that it can be changed.
    fn adopt(&self, state: &mut State, path: &str) -> io::Result<Arc<OverlayFile>> {
        if let Some(file) = state.files.get(path) {
            return Ok(Arc::clone(file));
        }
        if state.removed.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = self.below.open(path, OpenMode::Read)?;
        let length = below.length()?;
        let content = Content { pages: BTreeMap::new(), length, below_length: length };
        let file = Arc::new(OverlayFile { below: Some(below), content: Mutex::new(content) });
        state.files.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

impl Vfs for OverlayVfs {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn VFile>> {
        let mut state = lock_below(&self.state);
        let found = self.adopt(&mut state, path);
        match (found, mode) {
            (Ok(_), OpenMode::CreateNew) => Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(file), _) => Ok(file),
            (Err(error), OpenMode::Create | OpenMode::CreateNew) if error.kind() == io::ErrorKind::NotFound => {
                let file = Arc::new(OverlayFile { below: None, content: Mutex::default() });
                state.files.insert(path.to_owned(), Arc::clone(&file));
                Ok(file)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        lock_below(&self.state).directories.insert(path.to_owned());
        Ok(())
    }

    fn read_dir(&self, path: &str) -> io::Result<Vec<String>> {
        let state = lock_below(&self.state);
        let start = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = match self.below.read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let ours = state.directories.contains(path);
                if ours { Vec::new() } else { return Err(error) }
            }
            names => names?,
        };
        let mut names: BTreeSet<String> =
            below.into_iter().filter(|name| !state.removed.contains(&format!("{start}{name}"))).collect();
        for known in state.files.keys().chain(&state.directories) {
            let name = known.strip_prefix(&start).and_then(|rest| rest.split('/').next());
            names.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
        }
        Ok(names.into_iter().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = lock_below(&self.state);
        let file = self.adopt(&mut state, from)?;
        state.files.remove(from);
        state.removed.insert(from.to_owned());
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = lock_below(&self.state);
        self.adopt(&mut state, path)?;
        state.files.remove(path);
        state.removed.insert(path.to_owned());
        Ok(())
    }

    fn sync_dir(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &str, _mode: OpenMode) -> io::Result<Box<dyn Any + Send + Sync>> {
        match self.below.lock(path, OpenMode::Write) {
            // Who has the directory open has made it; and it is not made here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(())),
            // What the kernel makes of a file system that fails can still be examined.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => self.below.lock(path, OpenMode::Read),
            taken => taken,
        }
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space { free_bytes: u64::MAX / 2, ..self.below.space()? })
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.below.random(bytes)
    }

    fn probe(&self) -> io::Result<Probe> {
        self.below.probe()
    }
}

#[derive(Debug)]
struct OverlayFile {
    below: Option<Arc<dyn VFile>>,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    pages: BTreeMap<u64, Vec<u8>>,
    length: u64,
    /// How much of the file below is still seen.
    below_length: u64,
}

impl OverlayFile {
    /// The bytes of one page, as far as they are within the file below or were written.
    fn page(&self, content: &Content, index: u64) -> io::Result<Vec<u8>> {
        if let Some(page) = content.pages.get(&index) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE_BYTES as usize];
        let start = index * PAGE_BYTES;
        let seen = content.below_length.saturating_sub(start).min(PAGE_BYTES) as usize;
        if let Some(below) = self.below.as_ref().filter(|_| seen > 0) {
            below.read_at(&mut page[..seen], start)?;
        }
        Ok(page)
    }
}

impl VFile for OverlayFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = lock_below(&self.content);
        let count = content.length.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut done = 0;
        while done < count {
            let at = offset + done as u64;
            // Up to the next page that was written the file below is read as a whole, not page by page.
            let changed =
                content.pages.range(at / PAGE_BYTES..).next().map_or(u64::MAX, |(index, _)| index * PAGE_BYTES);
            let intact = changed.min(content.below_length).saturating_sub(at).min((count - done) as u64) as usize;
            if let Some(below) = self.below.as_ref().filter(|_| intact > 0) {
                let read = below.read_at(&mut buffer[done..done + intact], at)?;
                if read < intact {
                    return Ok(done + read);
                }
                done += read;
                continue;
            }
            let page = self.page(&content, at / PAGE_BYTES)?;
            let from = (at % PAGE_BYTES) as usize;
            let step = (page.len() - from).min(count - done);
            buffer[done..done + step].copy_from_slice(&page[from..from + step]);
            done += step;
        }
        Ok(count)
    }

    fn read_at_nowait(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut content = lock_below(&self.content);
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let mut page = self.page(&content, at / PAGE_BYTES)?;
            let from = (at % PAGE_BYTES) as usize;
            let step = (page.len() - from).min(bytes.len() - done);
            page[from..from + step].copy_from_slice(&bytes[done..done + step]);
            content.pages.insert(at / PAGE_BYTES, page);
            done += step;
        }
        content.length = content.length.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(lock_below(&self.content).length)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut content = lock_below(&self.content);
        if length < content.length {
            let last = length / PAGE_BYTES;
            let mut page = self.page(&content, last)?;
            page[(length % PAGE_BYTES) as usize..].fill(0);
            content.pages.retain(|index, _| *index < last);
            content.pages.insert(last, page);
            content.below_length = content.below_length.min(last * PAGE_BYTES);
        }
        content.length = length;
        Ok(())
    }

    fn reserve(&self, _length: u64) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Rng, SimDisk};

    #[test]
    fn an_overlay_reads_like_a_file_that_was_changed_and_changes_nothing_below() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let disk = SimDisk::new(seed);
            let below: Arc<dyn Vfs> = Arc::new(Arc::clone(&disk));
            let mut expected: Vec<u8> = (0..rng.below(20_000)).map(|_| rng.below(256) as u8).collect();
            below.open("f", OpenMode::Create).unwrap().write_at(&expected, 0).unwrap();
            let original = expected.clone();
            let overlay = OverlayVfs::new(Arc::clone(&below));
            let file = overlay.open("f", OpenMode::Write).unwrap();
            for _ in 0..20 {
                let offset = rng.below(25_000) as usize;
                if rng.below(3) == 0 {
                    file.set_length(offset as u64).unwrap();
                    expected.resize(offset, 0);
                } else {
                    let bytes = vec![rng.below(256) as u8; rng.below(9000) as usize];
                    file.write_at(&bytes, offset as u64).unwrap();
                    expected.resize(expected.len().max(offset + bytes.len()), 0);
                    expected[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
                let mut found = vec![9; 40_000];
                let count = file.read_at(&mut found, 0).unwrap();
                assert_eq!(found[..count], expected, "seed {seed}");
            }
            overlay.rename("f", "g").unwrap();
            assert_eq!(overlay.read_dir("").unwrap(), ["g"]);
            let mut untouched = vec![0; original.len() + 1];
            let count = below.open("f", OpenMode::Read).unwrap().read_at(&mut untouched, 0).unwrap();
            assert_eq!(untouched[..count], original);
        }
    }
}
