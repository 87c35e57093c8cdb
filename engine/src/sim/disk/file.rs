//! An open file on the disk: what is read, written and synced, and how each of these goes wrong.

use std::io;
use std::sync::Arc;

use super::{SimDisk, State};
use crate::sim::inode::Inode;
use crate::sync::{lock_below, step};
use crate::vfs::VFile;

#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: Arc<SimDisk>,
    pub(super) inode: u64,
    pub(super) is_ours: bool,
    pub(super) is_index: bool,
}

impl SimFile {
    fn with<R>(&self, effect: bool, act: impl FnOnce(&mut State, &mut Inode) -> io::Result<R>) -> io::Result<R> {
        if self.is_ours {
            step();
        }
        let mut state = lock_below(&self.disk.state);
        state.powered()?;
        if effect {
            state.effect()?;
        }
        let mut inode = std::mem::take(state.inodes.entry(self.inode).or_default());
        let outcome = act(&mut state, &mut inode);
        state.inodes.insert(self.inode, inode);
        outcome
    }
}

impl VFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(false, |state, inode| {
            if self.is_index && state.faults.index_reads_fail {
                return Err(io::Error::other("a read failed"));
            }
            Ok(inode.cache.read(buffer, offset as usize))
        })
    }

    fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(true, |state, inode| {
            if state.faults.write_fails_at.is_some_and(|at| state.effects >= at) {
                state.faults.write_fails_at = None;
                let part = state.rng.below(bytes.len() as u64 + 1) as usize;
                if part > 0 {
                    inode.write(&bytes[..part], offset as usize);
                }
                return Err(io::Error::other("a write failed"));
            }
            if let Some((at, mishap)) = state.faults.index_write.filter(|_| self.is_index)
                && state.effects >= at
            {
                state.faults.index_write = None;
                return state.go_wrong(inode, mishap, bytes, offset as usize);
            }
            let grows = (offset + bytes.len() as u64).saturating_sub(inode.allocated());
            let room = state.room(inode);
            let over = (inode.cache.len() as u64).saturating_sub(offset).min(bytes.len() as u64);
            if state.faults.copies_on_write && grows + over > room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let fits = bytes.len().saturating_sub(grows.saturating_sub(room) as usize);
            if fits > 0 {
                inode.write(&bytes[..fits], offset as usize);
            }
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(true, |state, inode| {
            if state.faults.sync_fails_at.is_some_and(|at| state.effects >= at) {
                state.faults.sync_fails_at = None;
                inode.lose(&mut state.rng);
                return Err(io::Error::other("a sync failed"));
            }
            inode.sync();
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(false, |_, inode| Ok(inode.cache.len() as u64))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.with(true, |state, inode| {
            let grows = length.saturating_sub(inode.allocated());
            if length <= inode.cache.len() as u64 {
                // What was set aside beyond the end goes with it.
                inode.reserved = inode.reserved.min(length);
            }
            if grows > state.room(inode) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            inode.set_length(length as usize);
            Ok(())
        })
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        self.with(true, |state, inode| {
            if length.saturating_sub(inode.allocated()) > state.room(inode) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            inode.reserved = inode.reserved.max(length);
            Ok(())
        })
    }
}
