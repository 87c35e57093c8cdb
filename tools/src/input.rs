//! Reads files that a command line names, with a limit.
//!
//! One place says how much is read and what an unreadable, binary or endless file is called.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Longest configuration file: far beyond what its keys need.
pub(crate) const SETTINGS_FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest file with one secret.
pub(crate) const SECRET_BYTES_MAX: u64 = 4 << 10;
/// Longest state file: 100,000 permissions of 600 bytes.
pub(crate) const STATE_BYTES_MAX: u64 = 64 << 20;
/// Longest policy document that is checked; the language's own limits are far lower and have better messages.
pub(crate) const POLICY_BYTES_MAX: u64 = 1 << 20;
/// Longest file of many policy cases.
pub(crate) const CASES_BYTES_MAX: u64 = 1 << 30;

/// Reads a UTF-8 file of at most `bytes_max` bytes; `-` is standard input.
///
/// # Errors
/// A short text that completes `PATH: ...`: missing, unreadable, too long or not UTF-8, with what to do.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let bytes = read_bytes(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8; save it as UTF-8".to_owned())
}

/// Like [`read_text`], for files whose encoding is for someone else to judge.
pub(crate) fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(bytes_max + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) if bytes.len() as u64 > bytes_max => Err(format!("is longer than the {bytes_max} bytes that are read")),
        Ok(_) => Ok(bytes),
        Err(error) => Err(reason(&error)),
    }
}

/// An I/O error without the operating system's number, and with what to do where that is clear.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist; check the path".into(),
        io::ErrorKind::PermissionDenied => "may not be read by this user; check its mode and owner".into(),
        io::ErrorKind::IsADirectory => "is a directory; name a file".into(),
        _ => error.to_string(),
    }
}
