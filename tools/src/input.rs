//! Reads files that a command line names, with a limit.
//!
//! One place says how much is read and what an unreadable, binary or endless file is called.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::text::visible_line;

/// Longest configuration file: far beyond what its keys need.
pub(crate) const SETTINGS_FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest file with one secret.
const SECRET_BYTES_MAX: u64 = 4 << 10;
/// Longest state file: 100,000 permissions of 600 bytes.
pub(crate) const STATE_BYTES_MAX: u64 = 64 << 20;
/// Longest file of many policy cases.
pub(crate) const CASES_BYTES_MAX: u64 = 1 << 30;

/// A file as messages name it: standard input as compilers do.
pub(crate) fn shown_name(file: &Path) -> String {
    if file == Path::new("-") { "<stdin>".to_owned() } else { visible_line(&file.display().to_string()) }
}

/// Reads a UTF-8 file of at most `bytes_max` bytes; `-` is standard input.
///
/// # Errors
/// A short text that completes `PATH: ...`: missing, unreadable, too long or not UTF-8, with what to do.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let bytes = read_start(path, bytes_max + 1)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("is longer than the {bytes_max} bytes that are read"));
    }
    String::from_utf8(bytes).map_err(|error| match error.as_bytes() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "is UTF-16; save it as UTF-8".to_owned(),
        _ => "is not UTF-8; save it as UTF-8".to_owned(),
    })
}

/// The first line of a file with a secret, since editors and `echo` end it with a newline; `-` is standard input.
///
/// # Errors
/// As [`read_text`], or that line is empty.
pub(crate) fn read_secret(path: &Path) -> Result<String, String> {
    let text = read_text(path, SECRET_BYTES_MAX)?;
    // Windows' editors put a mark before the first character, which nobody means.
    match text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default() {
        "" => Err("has an empty first line; put the secret there".to_owned()),
        secret => Ok(secret.to_owned()),
    }
}

/// The permission bits of a file that every user of the machine may read; none of another one, and of what is no file.
pub(crate) fn mode_open_to_all(path: &Path) -> Option<u32> {
    let found = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mode = found.permissions().mode() & 0o7777;
    (mode & 0o004 != 0).then_some(mode)
}

/// The first `bytes_max` bytes of a file, for readers that judge length and encoding themselves; `-` is standard input.
///
/// # Errors
/// As [`read_text`], for what is missing or unreadable.
pub(crate) fn read_start(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(bytes_max).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes))
    };
    read.map(|_| bytes).map_err(|error| reason(&error))
}

/// An I/O error without the operating system's number, and with what to do where that is clear.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist; check the path".into(),
        io::ErrorKind::PermissionDenied => "may not be read by this user; check its mode and owner".into(),
        io::ErrorKind::IsADirectory => "is a directory; name a file".into(),
        _ => error.to_string(),
    }
}
