//! Backups of a whole node: the engine's segments, and beside them what names or holds the key of its secrets.
//!
//! The engine's backup knows nothing of keys. Without the key a restored node starts with none of its secrets, so each backup records which key it needs, and the key itself goes with it only when somebody asked for that.

mod unusable;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use engine::{BackupReport, Store};

use crate::identity::private_file::{self, MASTER_KEY_FILE, PrivateFileError, ROOT_CREDENTIALS_FILE};
use crate::identity::sealed::MasterKey;
use crate::identity::store::IdentityStore;
use crate::identity_rows::EngineRows;

pub use unusable::{why_unopened, why_unusable};

/// The file of a backup that names the key which its secrets are sealed under: the fingerprint, and a line end.
pub const FINGERPRINT_FILE: &str = "secret.key.fingerprint";
/// The engine's list of what belongs to a backup; a backup without it was never finished, and no data directory has it.
const LIST_FILE: &str = "BACKUP";
/// What only a data directory has, which a backup must never be written over.
const DATA_FILES: [&str; 3] = ["LOCK", "index.redb", "admin.sock"];
/// The longest private file that is taken along, in bytes.
const PRIVATE_BYTES_MAX: u64 = 64 << 10;

/// Why a backup or a restore was not done. One line that says what to do.
#[derive(Debug)]
pub enum BackupError {
    /// What was named is not there.
    NotFound(String),
    /// What is there already forbids it.
    Conflict(String),
    /// It failed.
    Failed(String),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::NotFound(text) | BackupError::Conflict(text) | BackupError::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for BackupError {}

fn failed(path: &Path, error: impl fmt::Display) -> BackupError {
    BackupError::Failed(format!("{}: {error}", path.display()))
}

fn unusable(path: &Path, error: &io::Error) -> BackupError {
    BackupError::Failed(why_unusable(path, error))
}

/// Why the engine took no backup into `destination`. What an earlier backup there has is whole in any case.
fn not_taken(destination: &Path, error: engine::Error) -> BackupError {
    let shown = destination.display();
    match error {
        engine::Error::Invalid { what } => BackupError::Conflict(format!("{shown}: {what}")),
        engine::Error::NoSpace => BackupError::Failed(unusable::full(destination)),
        engine::Error::Io(error) => unusable(destination, &error),
        engine::Error::Closed => BackupError::Failed(format!(
            "{shown}: the node ended before the backup was complete: take it again, it goes on from there"
        )),
        error => failed(destination, error),
    }
}

/// Refuses to open a backup as if it were a data directory: its files may be those of the store that it was taken of.
///
/// # Errors
/// `directory` is a backup.
pub fn check_is_no_backup(directory: &Path) -> Result<(), BackupError> {
    if !directory.join(LIST_FILE).exists() {
        return Ok(());
    }
    let shown = directory.display();
    Err(BackupError::Conflict(format!(
        "{shown} is a backup: make a data directory of it with strongroom restore {shown} DIR"
    )))
}

/// A backup that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What the engine took.
    pub report: BackupReport,
    /// The fingerprint of the key that the backup's secrets are sealed under; none for a store without secrets.
    pub fingerprint: Option<String>,
    /// Whether the key lies in the backup, from now or from before.
    pub key_included: bool,
}

/// Takes a backup of the open `store` in the directory `data` into the directory `destination`, which is made, empty, or an earlier backup of the same store: then only what is new is taken. Blocks for as long as it takes.
///
/// # Errors
/// A destination that is something else or lies in the data directory, a damaged store, a full disk.
pub fn take(store: &Store, data: &Path, destination: &Path, with_key: bool) -> Result<Taken, BackupError> {
    let fingerprint = IdentityStore::key_fingerprint(&EngineRows(store.clone()))
        .map_err(|error| BackupError::Failed(format!("the key's fingerprint can't be read: {error}")))?;
    check_destination(data, destination, fingerprint.as_deref())?;
    let key = match (with_key, &fingerprint) {
        (true, Some(fingerprint)) => Some(read_key(&data.join(MASTER_KEY_FILE), fingerprint)?.ok_or_else(|| {
            BackupError::NotFound(format!(
                "{} is missing, so it can't be taken along: a key that is kept elsewhere has a backup of its own",
                data.join(MASTER_KEY_FILE).display()
            ))
        })?),
        _ => None,
    };
    // Others may not look into it: what was deleted or forbidden since may still be readable there.
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(destination);
    made.map_err(|error| unusable(destination, &error))?;
    let write = |name: &str, content: &[u8]| write_private(&destination.join(name), content);
    if let Some(fingerprint) = &fingerprint {
        // First: it marks the directory as a backup of this store, also if what follows is cut off.
        write(FINGERPRINT_FILE, format!("{fingerprint}\n").as_bytes())?;
    }
    let report = store.backup(destination, true).map_err(|error| not_taken(destination, error))?;
    if let Some(key) = key {
        write(MASTER_KEY_FILE, &key)?;
        // Root's secret can be read by whoever has the key, so it is no further secret.
        if let Some(root) = read_private(&data.join(ROOT_CREDENTIALS_FILE))? {
            write(ROOT_CREDENTIALS_FILE, &root)?;
        }
    }
    Ok(Taken { report, fingerprint, key_included: destination.join(MASTER_KEY_FILE).exists() })
}

/// What a restored directory still needs before secrets can be used in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoredKey {
    /// The key came with the backup.
    Present,
    /// The backup was taken without its key, whose fingerprint is this.
    Missing(String),
    /// The backup doesn't say that it needs one.
    Unknown,
}

/// A directory that was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the engine copied.
    pub report: BackupReport,
    /// Whether its secrets can be used.
    pub key: RestoredKey,
}

/// Makes a data directory of the backup at `backup`. Copies everything, also the key, where the backup has it.
///
/// # Errors
/// `backup` is none or is damaged, its key is another one than the one it needs, or `data` holds anything.
pub fn restore(backup: &Path, data: &Path) -> Result<Restored, BackupError> {
    let shown = backup.display();
    match fs::metadata(backup.join(LIST_FILE)) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(BackupError::NotFound(format!(
                "{shown} holds no finished backup ({LIST_FILE} is missing): name the directory that strongroom backup wrote"
            )));
        }
        Err(error) => return Err(unusable(backup, &error)),
    }
    let there = names_in(data)?;
    if !there.is_empty() {
        let shown = data.display();
        // FORMAT comes last, so that these are what a restore leaves that was cut off.
        let is_cut_off = there.iter().all(|name| name == "log" || name == "bulk");
        let what =
            if is_cut_off { "holds what a restore left that was cut off: remove it, or" } else { "is not empty:" };
        return Err(BackupError::Conflict(format!("{shown} {what} name a directory that is missing or empty")));
    }
    let fingerprint = read_fingerprint(backup)?;
    let key_path = backup.join(MASTER_KEY_FILE);
    let key = match &fingerprint {
        Some(fingerprint) => read_key(&key_path, fingerprint)?,
        None => read_private(&key_path)?,
    };
    let root = read_private(&backup.join(ROOT_CREDENTIALS_FILE))?;
    let report = engine::restore(backup, data).map_err(|error| match error {
        engine::OpenError::Io { path, source, .. } => unusable(&path, &source),
        engine::OpenError::Damaged { what, .. } => BackupError::Failed(format!(
            "the backup in {shown} is damaged: {what}: restore another one, and remove what came into {}",
            data.display()
        )),
        error => BackupError::Failed(error.to_string()),
    })?;
    let write = |name: &str, content: &[u8]| write_private(&data.join(name), content);
    if let Some(root) = root {
        write(ROOT_CREDENTIALS_FILE, &root)?;
    }
    let key = match (key, fingerprint) {
        (Some(key), _) => {
            write(MASTER_KEY_FILE, &key)?;
            RestoredKey::Present
        }
        (None, Some(fingerprint)) => RestoredKey::Missing(fingerprint),
        (None, None) => RestoredKey::Unknown,
    };
    Ok(Restored { report, key })
}

/// Refuses a destination in which a backup would destroy something, or would destroy itself.
fn check_destination(data: &Path, destination: &Path, fingerprint: Option<&str>) -> Result<(), BackupError> {
    let (whole, shown) = (resolved(destination)?, destination.display());
    let own = resolved(data)?;
    if whole.starts_with(&own) || own.starts_with(&whole) {
        let own = data.display();
        return Err(BackupError::Conflict(format!(
            "{shown} and the data directory {own} lie in each other: name another directory"
        )));
    }
    let names = names_in(destination)?;
    let has = |name: &str| names.iter().any(|found| found == name);
    // Who examined a backup may have left a lock in it.
    if let Some(found) = DATA_FILES.iter().find(|name| has(name) && !has(LIST_FILE)) {
        return Err(BackupError::Conflict(format!(
            "{shown} is a data directory (it has {found}): name another directory"
        )));
    }
    if !names.is_empty() && !has(LIST_FILE) && !has(FINGERPRINT_FILE) {
        return Err(BackupError::Conflict(format!("{shown} is neither empty nor a backup: name another directory")));
    }
    match (read_fingerprint(destination)?, fingerprint) {
        (Some(found), Some(own)) if found != own => Err(BackupError::Conflict(format!(
            "{shown} holds a backup of another store (its key is {found}, this store's {own}): name another directory"
        ))),
        _ => Ok(()),
    }
}

/// The names in a directory, without what file systems put there themselves; none for one that isn't there.
fn names_in(directory: &Path) -> Result<Vec<std::ffi::OsString>, BackupError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| unusable(directory, &error))?,
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>();
    let names = names.map_err(|error| unusable(directory, &error))?;
    Ok(names.into_iter().filter(|name| name != "lost+found").collect())
}

/// The absolute path without links, as far as it is there.
fn resolved(path: &Path) -> Result<PathBuf, BackupError> {
    let whole = std::path::absolute(path).map_err(|error| failed(path, error))?;
    let there = whole.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let (above, found) = there.ok_or_else(|| failed(path, "no such directory"))?;
    Ok(whole
        .strip_prefix(above)
        .map_or(found.clone(), |rest| if rest.as_os_str().is_empty() { found } else { found.join(rest) }))
}

fn read_fingerprint(backup: &Path) -> Result<Option<String>, BackupError> {
    let path = backup.join(FINGERPRINT_FILE);
    let Some(bytes) = read_private(&path)? else { return Ok(None) };
    let text = String::from_utf8(bytes).unwrap_or_default();
    let text = text.trim_end();
    if text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Some(text.to_owned()));
    }
    Err(failed(&path, "this is no key's fingerprint: restore the file, or remove it to go on without the check"))
}

/// The content of a key file, which must be the key of this fingerprint; none when it isn't there.
fn read_key(path: &Path, fingerprint: &str) -> Result<Option<Vec<u8>>, BackupError> {
    let Some(bytes) = read_private(path)? else { return Ok(None) };
    let key = MasterKey::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|error| failed(path, format!("this is not a master key: {error}")))?;
    if key.fingerprint() != fingerprint {
        let found = key.fingerprint();
        let text =
            format!("this is key {found}, but the secrets are sealed under key {fingerprint}: put that one there");
        return Err(failed(path, text));
    }
    Ok(Some(bytes))
}

/// A small file's content; none when it isn't there.
fn read_private(path: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| unusable(path, &error))?,
    };
    let mut bytes = Vec::new();
    file.take(PRIVATE_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| unusable(path, &error))?;
    Ok(Some(bytes))
}

fn write_private(path: &Path, content: &[u8]) -> Result<(), BackupError> {
    private_file::write_private(path, content).map_err(|error| match error {
        PrivateFileError::Io { source, .. } => unusable(path.parent().unwrap_or(path), &source),
        error => BackupError::Failed(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(result: Result<(), BackupError>) -> String {
        match result {
            Err(BackupError::Conflict(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_destination_that_a_backup_would_destroy_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (data, other) = (root.path().join("data"), root.path().join("other"));
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(&other).unwrap();
        let check = |destination: &Path| check_destination(&data, destination, Some("0123456789abcdef"));
        check(&other).unwrap();
        check(&root.path().join("a/b/c")).unwrap();
        assert!(conflict(check(&data)).contains("lie in each other"));
        assert!(conflict(check(&data.join("sub"))).contains("lie in each other"));
        assert!(conflict(check(root.path())).contains("lie in each other"));
        std::os::unix::fs::symlink(&data, root.path().join("link")).unwrap();
        assert!(conflict(check(&root.path().join("link/backup"))).contains("lie in each other"));
        fs::write(other.join("holiday.jpg"), "x").unwrap();
        assert!(conflict(check(&other)).contains("neither empty nor a backup"));
        fs::write(other.join(FINGERPRINT_FILE), "0123456789abcdef\n").unwrap();
        check(&other).unwrap();
        fs::write(other.join(FINGERPRINT_FILE), "fedcba9876543210\n").unwrap();
        assert!(conflict(check(&other)).contains("another store"));
        fs::write(other.join("LOCK"), "").unwrap();
        assert!(conflict(check(&other)).contains("is a data directory"));
    }

    #[test]
    fn a_directory_without_a_backup_is_not_restored() {
        let root = tempfile::tempdir().unwrap();
        let error = restore(root.path(), &root.path().join("new")).unwrap_err();
        assert!(matches!(&error, BackupError::NotFound(text) if text.contains("holds no finished backup")), "{error}");
        assert!(!root.path().join("new").exists());
        // What is left of a restore that was cut off is told from anything else.
        let (backup, half) = (root.path().join("backup"), root.path().join("half"));
        fs::create_dir_all(half.join("bulk")).unwrap();
        fs::create_dir(&backup).unwrap();
        fs::write(backup.join(LIST_FILE), "").unwrap();
        let error = restore(&backup, &half).unwrap_err();
        assert!(matches!(&error, BackupError::Conflict(text) if text.contains("was cut off: remove it")), "{error}");
        fs::write(half.join("holiday.jpg"), "").unwrap();
        let error = restore(&backup, &half).unwrap_err();
        assert!(matches!(&error, BackupError::Conflict(text) if text.contains("is not empty: name")), "{error}");
    }
}
