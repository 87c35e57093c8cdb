//! The operating system's file system, through rustix: `pread`, `pwrite`, `fdatasync`, `preadv2(RWF_NOWAIT)`, `flock`.
//!
//! All names are looked up below the directory that was opened once, so that a file system that is unmounted or mounted
//! over while it is used never gets a part of what belongs to another.

use std::any::Any;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Dir, FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::{OpenMode, Probe, Space, VFile, Vfs};

/// A directory of the operating system.
#[derive(Debug)]
pub struct RealVfs {
    root: OwnedFd,
    /// Cleared for good by the first answer that `RWF_NOWAIT` is not supported (ZFS, old kernels).
    nowait: Arc<AtomicBool>,
}

impl RealVfs {
    /// The tree below `root`, which is made if it is not there.
    ///
    /// # Errors
    /// Those of the operating system.
    #[expect(clippy::disallowed_methods, reason = "this module is the file system")]
    pub fn new(root: &Path) -> io::Result<RealVfs> {
        std::fs::create_dir_all(root)?;
        RealVfs::at(root)
    }

    /// The tree below `root`, which must be there.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn at(root: &Path) -> io::Result<RealVfs> {
        let root = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(RealVfs { root, nowait: Arc::new(AtomicBool::new(true)) })
    }

    fn open_file(&self, path: &str, flags: OFlags) -> io::Result<File> {
        let path = if path.is_empty() { "." } else { path };
        let mode = Mode::from_raw_mode(0o600);
        Ok(File::from(rustix::fs::openat(&self.root, path, flags | OFlags::CLOEXEC, mode)?))
    }
}

impl Vfs for RealVfs {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn VFile>> {
        Ok(Arc::new(RealFile { file: self.open_file(path, flags(mode))?, nowait: Arc::clone(&self.nowait) }))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]).filter(|end| *end > 0);
        for end in ends {
            match rustix::fs::mkdirat(&self.root, &path[..end], Mode::from_raw_mode(0o777)) {
                Err(error) if error != Errno::EXIST => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_dir(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::new(self.open_file(path, OFlags::RDONLY | OFlags::DIRECTORY)?)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.root, from, &self.root, to)?)
    }

    fn link(&self, path: &str, target: &Path) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.root, path, CWD, target, AtFlags::empty())?)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.root, path, AtFlags::empty())?)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.open_file(path, OFlags::RDONLY | OFlags::DIRECTORY)?)?)
    }

    fn lock(&self, path: &str, mode: OpenMode) -> io::Result<Box<dyn Any + Send + Sync>> {
        let file = self.open_file(path, flags(mode))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::fstatvfs(&self.root)?;
        Ok(Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::other)
    }

    fn probe(&self) -> io::Result<Probe> {
        let magic = u64::try_from(rustix::fs::fstatfs(&self.root)?.f_type).unwrap_or(0) & 0xffff_ffff;
        let known = FILESYSTEMS.iter().find(|(value, _, _)| *value == magic);
        Ok(known.map_or_else(
            || Probe { kind: format!("a file system of type {magic:#x}"), network: false, in_place: false },
            |(_, kind, network)| Probe {
                kind: (*kind).to_owned(),
                network: *network,
                in_place: IN_PLACE.contains(kind),
            },
        ))
    }
}

fn flags(mode: OpenMode) -> OFlags {
    match mode {
        OpenMode::Read => OFlags::RDONLY,
        OpenMode::Write => OFlags::RDWR,
        OpenMode::Create => OFlags::RDWR | OFlags::CREATE,
        OpenMode::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
    }
}

/// Journalling file systems that write blocks where they are; all others are taken to copy on write.
const IN_PLACE: [&str; 2] = ["ext4", "xfs"];

/// `f_type` of statfs(2), its name, and whether locks and syncs promise less there.
const FILESYSTEMS: [(u64, &str, bool); 15] = [
    (0xef53, "ext4", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683e, "btrfs", false),
    (0x2fc1_2fc1, "zfs", false),
    (0x0102_1994, "tmpfs", false),
    (0xf2f5_2010, "f2fs", false),
    (0x794c_7630, "overlayfs", false),
    (0xca45_1a4e, "bcachefs", false),
    (0x6969, "NFS", true),
    (0xff53_4d42, "SMB (cifs)", true),
    (0xfe53_4d42, "SMB", true),
    (0x517b, "SMB", true),
    (0x6573_5546, "FUSE", true),
    (0x0102_1997, "9p", true),
    (0x00c3_6400, "CephFS", true),
];

#[derive(Debug)]
struct RealFile {
    file: File,
    nowait: Arc<AtomicBool>,
}

impl VFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match rustix::io::pread(&self.file, &mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if !self.nowait.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let wanted = buffer.len();
        let mut slices = [io::IoSliceMut::new(buffer)];
        match rustix::io::preadv2(&self.file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
            Ok(count) if count == wanted => Ok(count),
            // Part of it is not in memory, or the file ends: the waiting read tells which.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.nowait.store(false, Ordering::Relaxed);
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match rustix::io::pwrite(&self.file, &bytes[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    fn length(&self) -> io::Result<u64> {
        let length = rustix::fs::fstat(&self.file)?.st_size;
        u64::try_from(length).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&self.file, length)?)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, length)?)
    }
}
