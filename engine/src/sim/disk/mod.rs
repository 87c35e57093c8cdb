//! The disk: names, files, and what goes wrong with them.

mod file;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use file::SimFile;

use super::Rng;
use super::inode::Inode;
use crate::sync::{lock_below, step};
use crate::vfs::{OpenMode, Probe, Space, VFile, Vfs};

/// A disk with one directory tree.
#[derive(Debug)]
pub struct SimDisk {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// Names as programs see them, and as they are on the platter.
    names: BTreeMap<Arc<str>, u64>,
    durable_names: BTreeMap<Arc<str>, u64>,
    /// Changes of names that no `sync_dir` has made durable, in order.
    pending_names: Vec<NameChange>,
    /// Directories, likewise.
    directories: BTreeSet<Arc<str>>,
    durable_directories: BTreeSet<Arc<str>>,
    locked: bool,
    /// Calls that may change the disk, so far.
    effects: u64,
    faults: Faults,
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// After this many effects the power is gone: every call fails.
    pub power_off_at: Option<u64>,
    /// The sync with this number of effects before it fails.
    pub sync_fails_at: Option<u64>,
    /// The write with this number of effects before it fails, and writes only a part.
    pub write_fails_at: Option<u64>,
    /// Bytes that fit on the disk.
    pub capacity: Option<u64>,
    /// What is written over takes room too, as where blocks are never written in place.
    pub copies_on_write: bool,
    /// No file can be made: there is no room for names.
    pub names_are_full: bool,
    /// The first write to the index with at least this number of effects before it goes wrong in this way.
    pub index_write: Option<(u64, Mishap)>,
    /// Reads of the index fail.
    pub index_reads_fail: bool,
}

/// What may become of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It fails, and wrote a part.
    Fails,
    /// It is said to be done, and nothing was written.
    IsLost,
    /// It is said to be done, and was done elsewhere in the file.
    IsMisdirected,
    /// It is said to be done, and only its beginning was.
    IsTorn,
}

#[derive(Clone, Debug)]
struct NameChange {
    directory: Arc<str>,
    remove: Option<Arc<str>>,
    insert: Option<(Arc<str>, u64)>,
    /// A directory that was made.
    make: Option<Arc<str>>,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Arc<SimDisk> {
        Arc::new(SimDisk {
            state: Mutex::new(State {
                rng: Rng::new(seed),
                inodes: BTreeMap::new(),
                next_inode: 1,
                names: BTreeMap::new(),
                durable_names: BTreeMap::new(),
                pending_names: Vec::new(),
                directories: BTreeSet::from([Arc::from("")]),
                durable_directories: BTreeSet::from([Arc::from("")]),
                locked: false,
                effects: 0,
                faults: Faults::default(),
            }),
        })
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        lock_below(&self.state).faults = faults;
    }

    /// Calls that may have changed the disk, so far.
    #[must_use]
    pub fn effects(&self) -> u64 {
        lock_below(&self.state).effects
    }

    /// Bytes in files.
    #[must_use]
    pub fn used(&self) -> u64 {
        lock_below(&self.state).used()
    }

    /// The process is killed: what it wrote stays in the page cache, synced or not.
    pub fn kill(&self) {
        let mut state = lock_below(&self.state);
        state.locked = false;
        state.faults = Faults::default();
    }

    /// The power is cut: of what was not synced, any part may be there, in any order.
    pub fn cut_power(&self) {
        let mut state = lock_below(&self.state);
        let State { rng, inodes, durable_names, durable_directories, pending_names, .. } = &mut *state;
        for inode in inodes.values_mut() {
            inode.cut_power(rng);
        }
        // The changes of one directory become durable in their order, those of different ones independently.
        let mut cut: BTreeMap<Arc<str>, bool> = BTreeMap::new();
        for change in std::mem::take(pending_names) {
            let is_cut = cut.entry(change.directory.clone()).or_default();
            *is_cut = *is_cut || rng.below(3) == 0;
            if !*is_cut {
                apply_name(durable_names, durable_directories, &change);
            }
        }
        // What was made durable in a directory whose own name is gone, is gone with it.
        let mut reachable = BTreeSet::from([Arc::from("")]);
        for directory in std::mem::take(durable_directories) {
            if reachable.contains(parent(&directory)) {
                reachable.insert(directory);
            }
        }
        durable_names.retain(|name, _| reachable.contains(parent(name)));
        state.directories.clone_from(&reachable);
        state.durable_directories = reachable;
        state.names = state.durable_names.clone();
        let alive: BTreeSet<u64> = state.names.values().copied().collect();
        state.inodes.retain(|id, _| alive.contains(id));
        state.locked = false;
        state.faults = Faults::default();
    }

    /// Flips a bit of a file, in the cache and on the platter.
    pub fn flip(&self, path: &str, bit: u64) {
        let mut state = lock_below(&self.state);
        let Some(inode) = state.names.get(path).copied() else { return };
        let Some(inode) = state.inodes.get_mut(&inode) else { return };
        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        for content in [&mut inode.cache, &mut inode.durable] {
            let mut flipped = [0];
            if content.read(&mut flipped, byte) == 1 {
                content.write(&[flipped[0] ^ mask], byte);
            }
        }
    }

    /// Writes the content of one file, from an offset on, where another one has its own: a misdirected write.
    pub fn misdirect(&self, from: &str, to: &str, offset: usize) {
        let mut state = lock_below(&self.state);
        let (Some(from), Some(to)) = (state.names.get(from).copied(), state.names.get(to).copied()) else { return };
        let Some(source) = state.inodes.get(&from).map(|inode| inode.cache.bytes_from(offset)) else { return };
        let Some(target) = state.inodes.get_mut(&to) else { return };
        for content in [&mut target.cache, &mut target.durable] {
            let count = content.len().saturating_sub(offset).min(source.len());
            content.write(&source[..count], offset);
        }
    }

    /// The first file below a directory that has changes which no sync made durable.
    #[cfg(all(test, loom))]
    pub(super) fn unsynced(&self, below: &str) -> Option<String> {
        let state = lock_below(&self.state);
        let mut names = state.names.iter().filter(|(name, _)| name.starts_with(below));
        names.find(|(_, inode)| state.inodes[inode].is_dirty()).map(|(name, _)| name.to_string())
    }

    /// Takes a file away, from the cache and the platter.
    pub fn lose(&self, path: &str) {
        let mut state = lock_below(&self.state);
        state.names.remove(path);
        state.durable_names.remove(path);
        // Nor does a power cut bring it back.
        for change in &mut state.pending_names {
            change.insert.take_if(|(name, _)| **name == *path);
        }
    }

    /// The files below a directory, with their lengths.
    #[must_use]
    pub fn files(&self, below: &str) -> Vec<(String, u64)> {
        let state = lock_below(&self.state);
        let names = state.names.iter().filter(|(name, _)| name.starts_with(below));
        names.map(|(name, inode)| (name.to_string(), state.inodes[inode].cache.len() as u64)).collect()
    }
}

fn apply_name(names: &mut BTreeMap<Arc<str>, u64>, directories: &mut BTreeSet<Arc<str>>, change: &NameChange) {
    directories.extend(change.make.clone());
    if let Some(removed) = &change.remove {
        names.remove(removed);
    }
    if let Some((name, inode)) = &change.insert {
        names.insert(name.clone(), *inode);
    }
}

/// Whether no library stands between the engine and a file, so that another thread may go on at each call.
fn is_ours(path: &str) -> bool {
    path.starts_with("log") || path.starts_with("bulk")
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

impl State {
    fn powered(&self) -> io::Result<()> {
        match self.faults.power_off_at {
            Some(at) if self.effects >= at => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    /// Counts an effect; fails once the power is off.
    fn effect(&mut self) -> io::Result<()> {
        self.powered()?;
        self.effects += 1;
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|inode| self.inodes.get(inode)).map(Inode::allocated).sum()
    }

    /// What still fits, where `taken_out` is the file that grows.
    fn room(&self, taken_out: &Inode) -> u64 {
        let Some(capacity) = self.faults.capacity else { return u64::MAX };
        capacity.saturating_sub(self.used() + taken_out.allocated())
    }

    /// Carries out a write as the mishap has it.
    fn go_wrong(&mut self, inode: &mut Inode, mishap: Mishap, bytes: &[u8], offset: usize) -> io::Result<()> {
        let part = self.rng.below(bytes.len() as u64 + 1) as usize;
        match mishap {
            Mishap::IsLost => {}
            Mishap::Fails | Mishap::IsTorn => inode.write(&bytes[..part], offset),
            Mishap::IsMisdirected => {
                let pages = (inode.cache.len().saturating_sub(bytes.len()) / 4096).max(1) as u64;
                inode.write(bytes, self.rng.below(pages) as usize * 4096);
            }
        }
        if mishap == Mishap::Fails { Err(io::Error::other("a write failed")) } else { Ok(()) }
    }

    fn has_directory(&self, path: &str) -> io::Result<()> {
        if self.directories.contains(path) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn change_name(&mut self, change: NameChange) {
        apply_name(&mut self.names, &mut self.directories, &change);
        self.pending_names.push(change);
    }
}

impl Vfs for Arc<SimDisk> {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn VFile>> {
        let mut state = lock_below(&self.state);
        state.powered()?;
        let inode = match (state.names.get(path).copied(), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, OpenMode::Read | OpenMode::Write) => return Err(io::ErrorKind::NotFound.into()),
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                state.has_directory(parent(path))?;
                state.effect()?;
                if state.faults.names_are_full {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let inode = state.next_inode;
                state.next_inode += 1;
                state.inodes.insert(inode, Inode::default());
                let insert = Some((path.into(), inode));
                state.change_name(NameChange { directory: parent(path).into(), remove: None, insert, make: None });
                inode
            }
        };
        Ok(Arc::new(SimFile {
            disk: Arc::clone(self),
            inode,
            is_ours: is_ours(path),
            is_index: path.starts_with("index.redb"),
        }))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        let mut state = lock_below(&self.state);
        state.effect()?;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for directory in ends.map(|end| &path[..end]) {
            if !state.directories.contains(directory) {
                let make = Some(directory.into());
                state.change_name(NameChange { directory: parent(directory).into(), remove: None, insert: None, make });
            }
        }
        Ok(())
    }

    fn read_dir(&self, path: &str) -> io::Result<Vec<String>> {
        let state = lock_below(&self.state);
        state.powered()?;
        state.has_directory(path)?;
        let start = if path.is_empty() { String::new() } else { format!("{path}/") };
        let files = state.names.range::<str, _>((Bound::Included(&*start), Bound::Unbounded)).map(|(name, _)| name);
        let directories = state.directories.range::<str, _>((Bound::Included(&*start), Bound::Unbounded));
        let below = |name: &'_ Arc<str>| Some(name.strip_prefix(&start)?.split('/').next()?.to_owned());
        let names: BTreeSet<String> = files.map_while(below).chain(directories.map_while(below)).collect();
        Ok(names.into_iter().filter(|name| !name.is_empty()).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        step();
        let mut state = lock_below(&self.state);
        state.effect()?;
        state.has_directory(parent(to))?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let insert = Some((to.into(), inode));
        state.change_name(NameChange { directory: parent(to).into(), remove: Some(from.into()), insert, make: None });
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        if is_ours(path) {
            step();
        }
        let mut state = lock_below(&self.state);
        state.powered()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.effect()?;
        state.change_name(NameChange {
            directory: parent(path).into(),
            remove: Some(path.into()),
            insert: None,
            make: None,
        });
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        step();
        let mut state = lock_below(&self.state);
        state.effect()?;
        state.has_directory(path)?;
        let State { pending_names, durable_names, durable_directories, .. } = &mut *state;
        pending_names.retain(|change| {
            if *change.directory == *path {
                apply_name(durable_names, durable_directories, change);
            }
            *change.directory != *path
        });
        Ok(())
    }

    fn lock(&self, _path: &str, _mode: OpenMode) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut state = lock_below(&self.state);
        if std::mem::replace(&mut state.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Unlock(Arc::clone(self))))
    }

    fn space(&self) -> io::Result<Space> {
        let state = lock_below(&self.state);
        let total_bytes = state.faults.capacity.unwrap_or(1 << 40);
        Ok(Space { free_bytes: total_bytes.saturating_sub(state.used()), total_bytes })
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut state = lock_below(&self.state);
        bytes.fill_with(|| state.rng.below(256) as u8);
        Ok(())
    }

    fn probe(&self) -> io::Result<Probe> {
        Ok(Probe { kind: "simulated".to_owned(), network: false, in_place: true })
    }
}

struct Unlock(Arc<SimDisk>);

impl Drop for Unlock {
    fn drop(&mut self) {
        lock_below(&self.0.state).locked = false;
    }
}
