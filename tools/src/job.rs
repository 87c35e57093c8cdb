//! Long work on a data directory: the running node does it and is asked how it stands, else this program opens the directory itself.
//!
//! A scrub takes longer than any answer should, and a person who interrupts the command must not leave half a backup behind; so the node works on its own, and here it is only waited for.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Options, Store};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use server::backup;
use server::maintenance::{JobAnswer, Progress};

use crate::admin::{Request, call_node_if_any};
use crate::args::Local;
use crate::configure;
use crate::failure::Failure;
use crate::refusal::{accepted, not_understood};

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
            let answer = call_node_if_any(&self.data, ask)?.filter(|answer| answer.status != 404);
            let answer = answer.ok_or_else(|| Failure::failed(format!("the node ended before the {name} did")))?;
            let job: JobAnswer = parse(&accepted(answer, name)?)?;
            match job.progress {
                Progress::Running => line.show(&format!("{name}: {} s", job.seconds)),
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

    /// Opens the directory, works on it, and closes it: for when no node runs there.
    ///
    /// # Errors
    /// There is no data directory, somebody has it open, or the work fails.
    pub(crate) fn offline<R>(&self, work: impl FnOnce(&Store) -> Result<R, Failure>) -> Result<R, Failure> {
        if !self.data.join("FORMAT").is_file() {
            let data = self.data.display();
            return Err(Failure::not_found(format!(
                "{data} is no data directory: name one that strongroom serve made"
            )));
        }
        backup::check_is_no_backup(&self.data).map_err(|error| Failure::conflict(error.to_string()))?;
        let options = Options {
            allow_network_filesystem: self.allow_network_filesystem,
            // Nobody is kept waiting by it.
            maintenance_bytes_per_second: None,
            ..Options::default()
        };
        let store = Store::open(&self.data, options).map_err(|error| Failure::failed(error.to_string()))?;
        let done = work(&store)?;
        store.close().map_err(|error| Failure::failed(format!("{}: {error}", self.data.display())))?;
        Ok(done)
    }
}

fn parse<T: DeserializeOwned>(body: &str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(|error| not_understood(&error))
}

/// One line on a terminal that is written over and over, and is gone at the end.
struct ProgressLine {
    shown: bool,
}

impl ProgressLine {
    fn show(&mut self, text: &str) {
        let mut terminal = std::io::stderr().lock();
        if terminal.is_terminal() {
            // Whoever can't see it misses nothing.
            let _ = write!(terminal, "\r{text}\x1b[K").and_then(|()| terminal.flush());
            self.shown = true;
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
