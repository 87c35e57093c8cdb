//! Long work on a data directory: the running node does it and is asked how it stands, else this program opens the directory itself.
//!
//! A scrub takes longer than any answer should, and a person who interrupts the command must not leave half a backup behind; so the node works on its own, and here it is only waited for.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{OpenError, Options, Store};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use server::backup;
use server::maintenance::{JobAnswer, Progress};

use crate::args::Local;
use crate::configure;
use crate::failure::Failure;
use crate::http::Request;
use crate::refusal::{accepted, not_understood, parse};
use crate::socket::call_node_if_any;
use crate::text::size;

/// How often a job is asked about, at first and at last.
const ASK_AFTER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// A data directory that work is done on.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) data: PathBuf,
    allow_network_filesystem: bool,
}

/// The node's answer to a call for work.
#[derive(Debug, Deserialize)]
struct Begun {
    job: u64,
}

impl Site {
    /// The directory that was named, else that of the settings.
    pub(crate) fn find(directory: Option<&Path>, config: Option<&Path>) -> Result<Site, Failure> {
        let local = Local { data: directory.map(Path::to_path_buf), config: config.map(Path::to_path_buf) };
        let settings = configure::local_settings(&local)?;
        Ok(Site {
            data: configure::data_directory(&settings)?,
            allow_network_filesystem: configure::allows_network_filesystem(&settings)?,
        })
    }

    /// Has the node that runs there do the work, and waits for its report; none when no node runs there.
    ///
    /// # Errors
    /// What the node says, as this program's failure.
    pub(crate) fn on_node<R: DeserializeOwned>(&self, target: &str, body: &str) -> Result<Option<R>, Failure> {
        let headers = [("content-type", "application/json")];
        let request = Request { method: "POST", target, host: "strongroom", headers: &headers, body: body.as_bytes() };
        let name = target.trim_start_matches('/');
        let Some(answer) = call_node_if_any(&self.data, request)? else { return Ok(None) };
        let begun: Begun = parse(&accepted(answer, name)?)?;
        let target = format!("/jobs/{}", begun.job);
        let ask = Request { method: "GET", target: &target, host: "strongroom", headers: &[], body: b"" };
        let mut line = ProgressLine { shown: false };
        let mut pause = ASK_AFTER.0;
        loop {
            let answer = call_node_if_any(&self.data, ask)?.ok_or_else(|| {
                Failure::failed(format!("the node ended before the {name} did: start it and try again"))
            })?;
            if answer.status == 404 {
                // A node that was started meanwhile knows no work of the one before, and outcomes are kept for a while only.
                return Err(Failure::failed(format!(
                    "what became of the {name} is not known any more: the node was started anew, or has ended much other work since; its log has it"
                )));
            }
            let job: JobAnswer = parse(&accepted(answer, name)?)?;
            match job.progress {
                Progress::Running if line.is_seen() => {
                    line.show(&format!("{name}: {} s{}", job.seconds, self.how_far(name)));
                }
                Progress::Running => {}
                Progress::Done { report } => {
                    return serde_json::from_value(report).map(Some).map_err(|error| not_understood(&error));
                }
                Progress::Failed { code, message } => {
                    let failure = match code.as_str() {
                        "NotFound" => Failure::not_found,
                        "Conflict" => Failure::conflict,
                        _ => Failure::failed,
                    };
                    return Err(failure(message));
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(ASK_AFTER.1);
        }
    }

    /// What the running node says of its health: `ok`, `read-only` or `damaged`; none when no node runs there, or it doesn't say.
    pub(crate) fn health(&self) -> Option<String> {
        let ask = Request { method: "GET", target: "/health/ready", host: "strongroom", headers: &[], body: b"" };
        let answer = call_node_if_any(&self.data, ask).ok().flatten()?;
        Some(String::from_utf8_lossy(&answer.body).trim().to_owned())
    }

    /// How far the node is with its work, for a line that is looked at; nothing where it doesn't say.
    fn how_far(&self, name: &str) -> String {
        let ask = Request { method: "GET", target: "/api/v1/status", host: "strongroom", headers: &[], body: b"" };
        let answer = call_node_if_any(&self.data, ask).ok().flatten().filter(|answer| answer.status == 200);
        let status: Option<serde_json::Value> = answer.and_then(|answer| serde_json::from_slice(&answer.body).ok());
        let of = |field: &str| {
            // The work is called as its call is, but for compaction.
            let name = if name == "compact" { "compaction" } else { name };
            status.as_ref()?["maintenance"][name][field].as_u64()
        };
        match (of("bytesDone"), of("bytesTotal")) {
            (Some(done), Some(total)) => format!(", {} of {}", size(done), size(total)),
            _ => String::new(),
        }
    }

    /// Opens the directory, works on it, and closes it: for when no node runs there.
    ///
    /// # Errors
    /// There is no data directory, it can't be written, somebody has it open, or the work fails.
    pub(crate) fn offline<R>(&self, work: impl FnOnce(&Store) -> Result<R, Failure>) -> Result<R, Failure> {
        self.open_and(Store::open, work)
    }

    /// As [`Site::offline`], for work that only reads: a disk that is mounted read-only, as one that fails is, can be worked on too.
    ///
    /// # Errors
    /// There is no data directory, somebody has it open, or the work fails.
    pub(crate) fn offline_reading<R>(&self, work: impl FnOnce(&Store) -> Result<R, Failure>) -> Result<R, Failure> {
        let open = |path: &Path, options: Options| match Store::open(path, options.clone()) {
            Err(OpenError::NotWritable(_, source) | OpenError::Io { source, .. })
                if source.kind() == ErrorKind::ReadOnlyFilesystem =>
            {
                Store::open_unwritten(path, options)
            }
            opened => opened,
        };
        self.open_and(open, work)
    }

    fn open_and<R>(
        &self,
        open: impl FnOnce(&Path, Options) -> Result<Store, OpenError>,
        work: impl FnOnce(&Store) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        if let Err(error) = std::fs::metadata(self.data.join("FORMAT")) {
            let path = &self.data;
            return Err(match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => no_data_directory(path),
                _ => Failure::failed(backup::why_unusable(path, &error)),
            });
        }
        backup::check_is_no_backup(&self.data).map_err(|error| Failure::conflict(error.to_string()))?;
        let options = Options {
            allow_network_filesystem: self.allow_network_filesystem,
            // Nobody is kept waiting by it.
            maintenance_bytes_per_second: None,
            ..Options::default()
        };
        let store = open(&self.data, options).map_err(|error| unopened(&self.data, &error))?;
        let done = work(&store)?;
        store.close().map_err(|error| Failure::failed(format!("{}: {error}", self.data.display())))?;
        Ok(done)
    }
}

/// Why a data directory can't be opened by a command that makes none.
pub(crate) fn unopened(directory: &Path, error: &OpenError) -> Failure {
    let is_none = !matches!(directory.join("FORMAT").try_exists(), Ok(true));
    match error {
        OpenError::NotADataDirectory(_) => no_data_directory(directory),
        OpenError::Io { source, .. } | OpenError::NotWritable(_, source)
            if is_none && matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            no_data_directory(directory)
        }
        error => Failure::failed(backup::why_unopened(directory, error)),
    }
}

fn no_data_directory(directory: &Path) -> Failure {
    let shown = directory.display();
    let what = match directory.symlink_metadata() {
        Err(_) => "is not there",
        Ok(found) if found.is_file() => "is a file",
        Ok(_) => "is no data directory",
    };
    Failure::not_found(format!("{shown} {what}: name a data directory, which strongroom serve makes"))
}

/// One line on a terminal that is written over and over, and is gone at the end.
struct ProgressLine {
    shown: bool,
}

impl ProgressLine {
    fn is_seen(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    fn show(&mut self, text: &str) {
        let mut terminal = std::io::stderr().lock();
        // Whoever can't see it misses nothing.
        let _ = write!(terminal, "\r{text}\x1b[K").and_then(|()| terminal.flush());
        self.shown = true;
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
