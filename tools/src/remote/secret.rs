//! Secrets that come from files and go to files: never longer in the open than they must be.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::NewSecret;
use crate::failure::Failure;
use crate::input;
use crate::output;

/// A key that was just made, as the API tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret: String,
    pub(super) expiration_date: Option<String>,
}

/// The first line of a file with a secret; `-` is standard input.
///
/// # Errors
/// It can't be read, or is empty.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let name = if file == Path::new("-") { "standard input".into() } else { file.display().to_string() };
    input::read_secret(file).map_err(|error| Failure::usage(format!("secret in {name}: {error}")))
}

/// Where a new secret goes. A file is made before the secret is, so that none is lost for want of a place.
pub(super) struct Destination {
    file: Option<(PathBuf, File)>,
    written: bool,
}

impl Destination {
    /// Makes the file, when one is named.
    ///
    /// # Errors
    /// It is there already, or can't be made.
    pub(super) fn open(secret: &NewSecret) -> Result<Destination, Failure> {
        let Some(path) = &secret.secret_file else { return Ok(Destination { file: None, written: false }) };
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::usage(format!("secret file {}: it is there already; name a new file", path.display()))
            }
            _ => Failure::usage(format!("secret file {}: {error}", path.display())),
        })?;
        Ok(Destination { file: Some((path.clone(), file)), written: false })
    }

    /// Whether the secret goes to a file.
    pub(super) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// Writes the secret to its file; answers what to print in its place.
    ///
    /// # Errors
    /// The file can't be written; the secret is lost then.
    pub(super) fn keep(&mut self, secret: &str) -> Result<String, Failure> {
        let Some((path, file)) = &mut self.file else { return Ok(format!("{secret}  (not shown again)")) };
        self.written = true;
        writeln!(file, "{secret}").and_then(|()| file.sync_all()).map_err(|error| {
            Failure::failed(format!(
                "secret file {}: {error}; the secret is lost: make another with strongroom service-account rotate",
                path.display()
            ))
        })?;
        Ok(format!("in {} (mode 0600)", path.display()))
    }
}

/// Prints a text with a secret that is told once. Whoever goes away before it is told must learn that they have it not.
///
/// # Errors
/// Standard output can't be written, or nobody reads it.
pub(super) fn print_once(text: &str, another: &str) -> Result<(), Failure> {
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    if output::write(&[text, newline])? {
        return Ok(());
    }
    Err(Failure::failed(format!("nobody reads standard output, and the secret is not shown again: {another}")))
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let (Some((path, _)), false) = (&self.file, self.written) {
            // The empty file of a call that failed is in nobody's way for long.
            let _ = std::fs::remove_file(path);
        }
    }
}
