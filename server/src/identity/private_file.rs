//! The two files that hold secrets in the clear: `secret.key` and `root-credentials.json`.
//!
//! They are written whole, synced and renamed into place with mode 0600 from their first byte, so that no crash leaves half a key and no moment shows one to another user.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::account::RootKey;
use super::name::{AccessKey, Invalid};
use super::sealed::MasterKey;

/// Where the master key is kept, in the data directory.
pub const MASTER_KEY_FILE: &str = "secret.key";
/// Where the first root key is kept, in the data directory.
pub const ROOT_CREDENTIALS_FILE: &str = "root-credentials.json";

/// Why a file with a secret can't be used. The messages name the file and what to do; none repeats its content.
#[derive(Debug)]
pub enum PrivateFileError {
    /// The file system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done, such as `read`.
        verb: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// Others than the owner may read the file; what they may have read is no secret any more.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content isn't a master key.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Invalid,
    },
    /// The store was written under a key, and no key is there. Making a new one would only hide that.
    Missing {
        /// Where the key was looked for.
        path: PathBuf,
        /// The fingerprint of the key that the store needs.
        fingerprint: String,
    },
}

impl std::fmt::Display for PrivateFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PrivateFileError::Io { path, verb, source } => write!(f, "cannot {verb} {}: {source}", path.display()),
            PrivateFileError::Exposed { path, mode } => {
                let path = path.display();
                write!(
                    f,
                    "{path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`, and rotate the secrets if others had access"
                )
            }
            PrivateFileError::Malformed { path, source } => {
                write!(f, "{} is not a master key: {source}", path.display())
            }
            PrivateFileError::Missing { path, fingerprint } => {
                write!(
                    f,
                    "{} is missing, and this store's secrets are sealed under it (key {fingerprint}): put it back from its backup, or give it as master-key if it is kept elsewhere",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for PrivateFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PrivateFileError::Io { source, .. } => Some(source),
            PrivateFileError::Malformed { source, .. } => Some(source),
            PrivateFileError::Exposed { .. } | PrivateFileError::Missing { .. } => None,
        }
    }
}

/// The master key in the file `path`, made at the first start. `needed` is the fingerprint that the store remembers ([`IdentityStore::key_fingerprint`](super::store::IdentityStore::key_fingerprint)): a store that has one never gets a new key.
///
/// # Errors
/// The file can't be read or written, is open to others, holds something else, or is missing though the store needs it.
pub fn load_or_create_key(path: &Path, needed: Option<&str>) -> Result<MasterKey, PrivateFileError> {
    match File::open(path) {
        Ok(file) => load_key(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match needed {
            Some(fingerprint) => {
                Err(PrivateFileError::Missing { path: path.to_owned(), fingerprint: fingerprint.to_owned() })
            }
            None => {
                let key = MasterKey::generate().map_err(|source| io_error(path, "make a key for", source))?;
                write_private(path, format!("{}\n", key.expose_hex()).as_bytes())?;
                Ok(key)
            }
        },
        Err(source) => Err(io_error(path, "read", source)),
    }
}

/// Writes `root-credentials.json`: `{"accountId","accessKey","secretKey"}`, mode 0600, replacing the file whole and synced with its directory.
///
/// # Errors
/// The file system refused.
pub fn write_root_credentials(path: &Path, root: &RootKey) -> Result<(), PrivateFileError> {
    let text = serde_json::json!({
        "accountId": root.account_id.as_str(),
        "accessKey": root.access_key.as_str(),
        "secretKey": root.secret.expose(),
    });
    write_private(path, format!("{text:#}\n").as_bytes())
}

/// Removes the file with the root credentials if it holds those of this access key; whether it did.
///
/// # Errors
/// The file system refused.
pub fn remove_root_credentials_of(path: &Path, access_key: &AccessKey) -> Result<bool, PrivateFileError> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(4_096).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        read => _ = read.map_err(|source| io_error(path, "read", source))?,
    }
    let held: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    if held.is_none_or(|held| held["accessKey"] != access_key.as_str()) {
        return Ok(false);
    }
    std::fs::remove_file(path).map_err(|source| io_error(path, "remove", source))?;
    Ok(true)
}

fn load_key(path: &Path, file: File) -> Result<MasterKey, PrivateFileError> {
    let mode = file.metadata().map_err(|source| io_error(path, "read", source))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    // A key has 65 bytes; the bound keeps a file that isn't one out of memory.
    file.take(1_024).read_to_end(&mut bytes).map_err(|source| io_error(path, "read", source))?;
    let text = String::from_utf8_lossy(&bytes);
    MasterKey::parse(&text).map_err(|source| PrivateFileError::Malformed { path: path.to_owned(), source })
}

/// Replaces `path` with `content`, mode 0600. The temporary name lies in the same directory, since a rename is atomic only there.
///
/// # Errors
/// The file system refused.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = directory.join(name);
    let write = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        // A file left by a crash may have another mode: it is replaced, never reused.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| io_error(path, "write", source))
}

fn io_error(path: &Path, verb: &'static str, source: io::Error) -> PrivateFileError {
    PrivateFileError::Io { path: path.to_owned(), verb, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_made_once_with_mode_0600_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        let key = load_or_create_key(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = load_or_create_key(&path, Some(&key.fingerprint())).unwrap();
        assert_eq!(again.fingerprint(), key.fingerprint());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn missing_key_of_a_store_with_secrets_is_named_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        let error = load_or_create_key(&path, Some("0123456789abcdef")).unwrap_err().to_string();
        assert!(error.contains("secret.key is missing") && error.contains("0123456789abcdef"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn key_open_to_others_or_malformed_is_refused_without_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        load_or_create_key(&path, None).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create_key(&path, None).unwrap_err().to_string();
        assert!(error.contains("mode 0644") && error.contains("chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "not-a-key").unwrap();
        let error = load_or_create_key(&path, None).unwrap_err().to_string();
        assert!(error.contains("secret.key") && !error.contains("not-a-key"), "{error}");
    }
}
