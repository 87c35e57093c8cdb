//! FORMAT: which store this is, which version it has, and which segment was the newest when it was last noted.
//!
//! A directory is judged by it before anything is written, for what is refused must stay as it is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::OpenError;
use crate::format::{FORMAT_VERSION, checksum, file, newest, seed, superblock, u32_at, u64_at};
use crate::report::Damage;
use crate::vfs::{OpenMode, VFile, Vfs, is_full, read_exact_at};

fn failed(what: &str) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::io(what, source)
}

/// What is in FORMAT.
pub(crate) struct Superblock {
    file: Arc<dyn VFile>,
    uuid: [u8; 16],
    intact: [u8; superblock::BYTES],
    /// Where the copies lie that are to be written anew.
    bad: Vec<u64>,
}

/// Reads FORMAT and changes nothing. None in a directory that holds nothing of anybody else, where it may be made.
pub(crate) fn find_format(vfs: &dyn Vfs) -> Result<Option<Superblock>, OpenError> {
    let names = vfs.read_dir("").map_err(failed("reading the data directory"))?;
    if names.iter().any(|name| name == file::FORMAT) {
        return read_format(vfs).map(Some);
    }
    let ours = |name: &String| {
        let name = name.as_str();
        [file::LOCK, file::LOG, file::BULK, file::INDEX, file::INDEX_SUMS, "lost+found", "FORMAT.tmp"].contains(&name)
            || file::TRANSIENT.contains(&name)
            || file::SERVER.contains(&name)
    };
    let segments = match vfs.read_dir(file::LOG) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Vec::new(),
        names => names.map_err(failed("reading log/"))?,
    };
    let has_bulk = || -> io::Result<bool> {
        for directory in vfs.read_dir(file::BULK)? {
            let is_empty = match vfs.read_dir(&format!("{}/{directory}", file::BULK)) {
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
                names => names?.is_empty(),
            };
            if !is_empty {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let has_bulk = match has_bulk() {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => false,
        has_bulk => has_bulk.map_err(failed("reading bulk/"))?,
    };
    if !names.iter().all(ours) || segments.iter().any(|name| name.ends_with(".seg")) || has_bulk {
        return Err(OpenError::NotADataDirectory(PathBuf::new()));
    }
    Ok(None)
}

/// The copies in FORMAT that are not intact, where another one is.
pub(crate) fn damage(vfs: &dyn Vfs) -> Result<Vec<Damage>, OpenError> {
    let bad = find_format(vfs)?.map_or(Vec::new(), |found| found.bad);
    let named = |offset| Damage {
        what: "a copy of the store's identity does not match its checksum: it is written again at the next start"
            .to_owned(),
        place: format!("{}, offset {offset}", file::FORMAT),
        ..Damage::default()
    };
    Ok(bad.into_iter().map(named).collect())
}

/// An opened FORMAT.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) uuid: [u8; 16],
    /// Whether this start made the store.
    pub(crate) made: bool,
    pub(crate) newest: Newest,
}

/// The note of the newest segment: nothing else would know that one is missing when the index is lost with it.
#[derive(Debug)]
pub(crate) struct Newest {
    file: Arc<dyn VFile>,
    seed: u32,
}

impl Newest {
    /// The newest segment that was noted; `None` if no note is intact.
    pub(crate) fn read(&self) -> Option<u64> {
        let slot = |offset| {
            let mut slot = [0; newest::BYTES];
            read_exact_at(&*self.file, &mut slot, offset).ok()?;
            let intact = slot[..newest::ID] == newest::MAGIC_VALUE
                && u32_at(&slot, newest::CRC) == checksum(self.seed, &slot[..newest::CRC]);
            intact.then(|| u64_at(&slot, newest::ID))
        };
        newest::SLOTS.into_iter().filter_map(slot).max()
    }

    /// Notes a segment whose name is durable, before a record in it is acknowledged.
    pub(crate) fn note(&self, id: u64, sync: bool) -> io::Result<()> {
        let mut slot = [0; newest::BYTES];
        slot[newest::MAGIC..newest::ID].copy_from_slice(&newest::MAGIC_VALUE);
        slot[newest::ID..newest::CRC].copy_from_slice(&id.to_le_bytes());
        let crc = checksum(self.seed, &slot[..newest::CRC]);
        slot[newest::CRC..].copy_from_slice(&crc.to_le_bytes());
        self.file.write_at(&slot, newest::SLOTS[(id & 1) as usize])?;
        if sync { self.file.sync_data() } else { Ok(()) }
    }
}

/// Reads FORMAT and repairs it, or makes it.
pub(crate) fn open_format(vfs: &dyn Vfs) -> Result<Identity, OpenError> {
    let Some(found) = find_format(vfs)? else {
        let uuid = make_format(vfs).map_err(|error| OpenError::NotWritable(PathBuf::new(), error))?;
        let file = vfs.open(file::FORMAT, OpenMode::Write).map_err(failed("opening FORMAT"))?;
        return Ok(Identity { uuid, made: true, newest: Newest { file, seed: seed(&uuid, 0) } });
    };
    if !found.bad.is_empty() {
        let repaired = found.bad.iter().try_for_each(|offset| found.file.write_at(&found.intact, *offset));
        match repaired.and_then(|()| found.file.sync_data()) {
            // One copy is enough to start from, and on a full disk it has to be.
            Err(error) if is_full(&error) => {}
            repaired => repaired.map_err(failed("repairing FORMAT"))?,
        }
    }
    let newest = Newest { file: found.file, seed: seed(&found.uuid, 0) };
    Ok(Identity { uuid: found.uuid, made: false, newest })
}

/// One sync of the directory makes FORMAT, `log/` and `bulk/` durable together. It comes before the first segment is
/// named, also with relaxed durability: segments without a FORMAT would be somebody else's.
fn make_format(vfs: &dyn Vfs) -> io::Result<[u8; 16]> {
    let mut uuid = [0; 16];
    vfs.random(&mut uuid)?;
    vfs.create_dir(file::LOG)?;
    vfs.create_dir(file::BULK)?;
    write_copy(vfs, &uuid, 0)?;
    Ok(uuid)
}

/// Writes a FORMAT whose note is `newest`, under another name first, and syncs its directory.
pub(crate) fn write_copy(vfs: &dyn Vfs, uuid: &[u8; 16], newest_id: u64) -> io::Result<()> {
    let mut copy = [0; superblock::BYTES];
    let mut field = |offset: usize, bytes: &[u8]| copy[offset..offset + bytes.len()].copy_from_slice(bytes);
    field(superblock::MAGIC, &superblock::MAGIC_VALUE);
    field(superblock::VERSION, &FORMAT_VERSION.to_le_bytes());
    field(superblock::UUID, uuid);
    let crc = crc32fast::hash(&copy[..superblock::CRC]);
    copy[superblock::CRC..].copy_from_slice(&crc.to_le_bytes());
    let making = "FORMAT.tmp";
    let format = vfs.open(making, OpenMode::Create)?;
    for offset in superblock::COPIES {
        format.write_at(&copy, offset)?;
    }
    // The slots of the note are allocated now, so that noting a segment needs no space.
    let slots = newest::SLOTS[1] + newest::BYTES as u64 - newest::SLOTS[0];
    format.write_at(&vec![0; slots as usize], newest::SLOTS[0])?;
    if newest_id > 0 {
        Newest { file: Arc::clone(&format), seed: seed(uuid, 0) }.note(newest_id, false)?;
    }
    format.sync_data()?;
    vfs.rename(making, file::FORMAT)?;
    vfs.sync_dir("")
}

/// The first copy that is intact counts.
fn read_format(vfs: &dyn Vfs) -> Result<Superblock, OpenError> {
    let file = vfs.open(file::FORMAT, OpenMode::Write).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable(PathBuf::new(), error)
        }
        _ => OpenError::io("opening FORMAT", error),
    })?;
    let mut good = None;
    let mut bad = Vec::new();
    for offset in superblock::COPIES {
        let mut copy = [0; superblock::BYTES];
        let intact = read_exact_at(&*file, &mut copy, offset).is_ok()
            && copy[..superblock::VERSION] == superblock::MAGIC_VALUE
            && u32_at(&copy, superblock::CRC) == crc32fast::hash(&copy[..superblock::CRC]);
        if intact {
            good.get_or_insert(copy);
        } else {
            bad.push(offset);
        }
    }
    let Some(intact) = good else {
        return Err(OpenError::LostFormat(PathBuf::new()));
    };
    let found = u32_at(&intact, superblock::VERSION);
    let incompatible = u64_at(&intact, superblock::INCOMPAT) | u64_at(&intact, superblock::RO_COMPAT);
    if found > FORMAT_VERSION {
        return Err(OpenError::NewerFormat { path: PathBuf::new(), found, supported: FORMAT_VERSION });
    }
    if incompatible != 0 {
        return Err(OpenError::UnknownFeatures { path: PathBuf::new(), bits: incompatible });
    }
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&intact[superblock::UUID..superblock::COMPAT]);
    Ok(Superblock { file, uuid, intact, bad })
}
