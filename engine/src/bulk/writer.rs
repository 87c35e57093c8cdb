//! Writing a bulk segment, of a length that may not be known before, in constant memory.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::{BULK_BYTES_MAX, BulkSegments, file_bytes};
use crate::bugs::{Bug, seeded};
use crate::error::Error;
use crate::format::{BLOCK_BYTES, FORMAT_VERSION, checksum, file, seed, trailer};
use crate::meta::BulkName;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::vfs::VFile;

/// A body is synced whenever this much was written since the last time, so that the final sync is short.
const SYNC_BYTES: u64 = 16 << 20;
/// Free space is looked at whenever this much was written.
const LOOK_BYTES: u64 = 1 << 20;
/// Writes reach the file in this size.
const WRITE_BYTES: usize = 1 << 20;

/// A segment that no published record names; dropped, its file is removed.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) segments: Arc<BulkSegments>,
    pub(super) id: u64,
}

impl Drop for Making {
    fn drop(&mut self) {
        if !lock(&self.segments.state).in_making.contains(&self.id) {
            return;
        }
        // Its space is given back at once; the unlinker makes that durable, or tries again.
        let _ = self.segments.vfs.remove(&file::bulk(self.id));
        let mut state = lock(&self.segments.state);
        state.releasing.entry(self.id).or_default();
        state.in_making.remove(&self.id);
        drop(state);
        self.segments.released.notify_all();
    }
}

/// Streams a body of any length into a bulk segment in constant memory. Dropped before `finish`, it removes the file.
pub struct BulkWriter {
    making: Making,
    file: Arc<dyn VFile>,
    /// Bytes taken in; those of `buffer` have not reached the file.
    length: u64,
    synced: u64,
    /// Where free space was last looked at.
    looked: u64,
    buffer: Vec<u8>,
    hasher: crc32fast::Hasher,
    block_filled: usize,
    crcs: Vec<u32>,
    failed: bool,
}

impl fmt::Debug for BulkWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkWriter").field("id", &self.making.id).field("length", &self.length).finish()
    }
}

impl BulkWriter {
    pub(super) fn new(making: Making) -> Result<BulkWriter, Error> {
        let (segments, id) = (&making.segments, making.id);
        let file = segments.create(id)?;
        Ok(BulkWriter {
            hasher: crc32fast::Hasher::new_with_initial(seed(&segments.uuid, id)),
            making,
            file,
            length: 0,
            synced: 0,
            looked: 0,
            buffer: Vec::new(),
            block_filled: 0,
            crcs: Vec::new(),
            failed: false,
        })
    }

    /// Appends `bytes`. Blocks while the disk is behind; synced every 16 MiB.
    ///
    /// # Errors
    /// `NoSpace`, `Io`, `TooLarge` above 5 GiB; the writer is of no use afterwards.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Invalid { what: "a bulk segment whose writing failed before" });
        }
        let written = self.take_in(bytes);
        self.failed = written.is_err();
        written
    }

    fn take_in(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.length + bytes.len() as u64 > BULK_BYTES_MAX {
            return Err(Error::TooLarge { what: "a body above 5 GiB" });
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(BLOCK_BYTES - self.block_filled));
            self.hasher.update(head);
            self.block_filled += head.len();
            if self.block_filled == BLOCK_BYTES {
                self.end_block();
            }
            rest = tail;
        }
        self.length += bytes.len() as u64;
        if self.buffer.is_empty() && bytes.len() >= WRITE_BYTES {
            self.file.write_at(bytes, self.length - bytes.len() as u64)?;
        } else {
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        let on_file = self.length - self.buffer.len() as u64;
        if on_file - self.looked >= LOOK_BYTES {
            self.looked = on_file;
            let segments = &self.making.segments;
            if segments.vfs.space()?.free_bytes < segments.wanted_free_bytes.load(Ordering::Relaxed) {
                return Err(Error::NoSpace);
            }
        }
        if on_file - self.synced >= SYNC_BYTES {
            self.sync()?;
            self.synced = on_file;
        }
        Ok(())
    }

    /// Syncs the file and its directory entry. Blocks.
    ///
    /// # Errors
    /// `NoSpace`, `Io`; the file is removed.
    pub fn finish(mut self) -> Result<BulkBody, Error> {
        if self.failed {
            return Err(Error::Invalid { what: "a bulk segment whose writing failed before" });
        }
        if self.block_filled > 0 {
            self.end_block();
        }
        let trailer = self.trailer();
        self.buffer.extend_from_slice(&trailer);
        let start = self.length - (self.buffer.len() - trailer.len()) as u64;
        self.file.write_at(&self.buffer, start)?;
        self.sync()?;
        let segments = &self.making.segments;
        segments.sync_name(self.making.id)?;
        segments.bytes.fetch_add(self.length, Ordering::Relaxed);
        let digest = *blake3::hash(&trailer).as_bytes();
        let name = BulkName { id: self.making.id, length: self.length, digest };
        Ok(BulkBody { name, making: self.making })
    }

    /// Bytes written so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    fn end_block(&mut self) {
        let fresh = crc32fast::Hasher::new_with_initial(seed(&self.making.segments.uuid, self.making.id));
        self.crcs.push(std::mem::replace(&mut self.hasher, fresh).finalize());
        self.block_filled = 0;
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.length - self.buffer.len() as u64)?;
        self.buffer.clear();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if !self.making.segments.relaxed && !seeded(Bug::NoSyncOfBulk) {
            self.making.segments.syncs.fetch_add(1, Ordering::Relaxed);
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn trailer(&self) -> Vec<u8> {
        let mut bytes = vec![0; trailer::BYTES];
        let mut field = |offset: usize, value: &[u8]| bytes[offset..offset + value.len()].copy_from_slice(value);
        field(trailer::MAGIC, &trailer::MAGIC_VALUE);
        field(trailer::VERSION, &FORMAT_VERSION.to_le_bytes());
        let blocks = u32::try_from(self.crcs.len()).expect("bounded by BULK_BYTES_MAX / BLOCK_BYTES");
        field(trailer::BLOCKS, &blocks.to_le_bytes());
        field(trailer::UUID, &self.making.segments.uuid);
        field(trailer::ID, &self.making.id.to_le_bytes());
        field(trailer::LENGTH, &self.length.to_le_bytes());
        for crc in &self.crcs {
            bytes.extend_from_slice(&crc.to_le_bytes());
        }
        let crc = checksum(seed(&self.making.segments.uuid, self.making.id), &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// A finished bulk segment that no record names yet. Dropped unused, its file is removed.
#[derive(Debug)]
pub struct BulkBody {
    pub(crate) name: BulkName,
    making: Making,
}

impl BulkBody {
    /// Its length, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.name.length
    }

    /// A published record names it: the file is kept from now on.
    pub(crate) fn keep(self) {
        self.making.segments.stored.add(file_bytes(self.name.length));
        lock(&self.making.segments.state).in_making.remove(&self.name.id);
    }

    /// The record that names it may be durable, or not: the next start decides.
    pub(crate) fn leave(self) {
        std::mem::forget(self.making);
    }
}
