//! `strongroom backup` and `strongroom restore`.

use std::path::Path;
use std::process::ExitCode;

use server::backup::{self, BackupError, RestoredKey};
use server::identity::private_file::MASTER_KEY_FILE;
use server::identity::sealed::MasterKey;
use server::maintenance::BackedUp;

use crate::args::{Backup, Restore};
use crate::failure::Failure;
use crate::job::Site;
use crate::text::{counted, size};
use crate::{input, output};

/// Takes a backup: by the node that runs on the directory, else by this program.
pub(crate) fn backup(arguments: &Backup, json: bool) -> Result<ExitCode, Failure> {
    let site = Site::find(Some(&arguments.directory), None)?;
    // The node has another working directory.
    let destination = std::path::absolute(&arguments.destination)
        .map_err(|error| Failure::usage(format!("{}: {error}", arguments.destination.display())))?;
    let text = destination.to_str().ok_or_else(|| {
        Failure::usage(format!("{}: the path is not UTF-8; name another directory", destination.display()))
    })?;
    let call = serde_json::json!({"destination": text, "withKey": arguments.with_key}).to_string();
    let done: BackedUp = match site.on_node("/backup", &call)? {
        Some(done) => done,
        None => site.offline_reading(|store| {
            let taken = backup::take(store, &site.data, &destination, arguments.with_key).map_err(failure)?;
            Ok(BackedUp::taken(&taken))
        })?,
    };
    if json {
        output::print_json(&done)?;
    } else {
        let BackedUp { sequence, files_linked, files_kept, .. } = done;
        let (files, copied) = (counted(done.files_copied, "file"), size(done.bytes_copied));
        output::print(&format!(
            "backed up to record {sequence}: {files} copied ({copied}), {files_linked} linked, {files_kept} there already"
        ))?;
    }
    if site.health().as_deref() == Some("damaged") {
        output::warn(
            "what the node knows to be damaged (strongroom status says what) is in this backup too: keep earlier ones",
        );
    }
    if let (Some(fingerprint), false) = (&done.key_fingerprint, done.key_included) {
        // Said to people only: a script has it in the answer.
        if !json {
            let advice = match key_of_file(&site.data) {
                Found::Key(found) if found == *fingerprint => {
                    format!(
                        "{MASTER_KEY_FILE} (key {fingerprint}) is not in it: keep a copy elsewhere, or pass --with-key"
                    )
                }
                // A file that was left behind when the key was given is another one.
                Found::Nothing | Found::Key(_) => format!(
                    "key {fingerprint}, which the node is given as master-key, is not in it: keep a copy elsewhere"
                ),
                Found::Unreadable => format!("key {fingerprint} is not in it: keep a copy elsewhere"),
            };
            output::print(&advice)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is where a data directory has its key, unless the node is given one.
enum Found {
    Nothing,
    /// A key with this fingerprint.
    Key(String),
    Unreadable,
}

fn key_of_file(data: &Path) -> Found {
    let file = data.join(MASTER_KEY_FILE);
    if let Ok(false) = file.try_exists() {
        return Found::Nothing;
    }
    let key = input::read_secret(&file).ok().and_then(|text| MasterKey::parse(&text).ok());
    key.map_or(Found::Unreadable, |key| Found::Key(key.fingerprint()))
}

/// Makes a data directory of a backup.
pub(crate) fn restore(arguments: &Restore, json: bool) -> Result<ExitCode, Failure> {
    let restored = backup::restore(&arguments.backup, &arguments.directory).map_err(failure)?;
    let done = BackedUp::restored(&restored);
    let data = arguments.directory.display();
    if json {
        output::print_json(&done)?;
    } else {
        let (files, copied) = (counted(done.files_copied, "file"), size(done.bytes_copied));
        output::print(&format!("restored up to record {}: {files}, {copied}", done.sequence))?;
    }
    match restored.key {
        RestoredKey::Present => {}
        RestoredKey::Missing(fingerprint) => output::warn(&format!(
            "the backup was taken without its key: put the secret.key with fingerprint {fingerprint} into {data} (mode 0600) before serve, or give it as master-key"
        )),
        RestoredKey::Unknown => output::warn(&format!(
            "the backup names no key: if secrets were stored, put their secret.key into {data} (mode 0600) before serve, or give it as master-key"
        )),
    }
    Ok(ExitCode::SUCCESS)
}

fn failure(error: BackupError) -> Failure {
    match error {
        BackupError::NotFound(text) => Failure::not_found(text),
        BackupError::Conflict(text) => Failure::conflict(text),
        BackupError::Failed(text) => Failure::failed(text),
    }
}
