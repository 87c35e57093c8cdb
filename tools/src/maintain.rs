//! `strongroom scrub` and `strongroom compact`: work on a data directory that its node goes on serving.

use std::process::ExitCode;

use server::maintenance::{Compacted, Scrubbed};

use crate::args::Directory;
use crate::examine::{damage_lines, summary};
use crate::failure::{Exit, Failure};
use crate::job::Site;
use crate::output;
use crate::text::{counted, size};

/// Reads everything; exit 1 when something is damaged.
pub(crate) fn scrub(arguments: &Directory, json: bool) -> Result<ExitCode, Failure> {
    let site = Site::find(arguments.named(), arguments.config.as_deref())?;
    let scrubbed: Scrubbed = match site.on_node("/scrub", "")? {
        Some(scrubbed) => scrubbed,
        None => site.offline_reading(|store| match store.scrub() {
            Ok(report) => Ok(Scrubbed::from(&report)),
            Err(error) => Err(Failure::failed(format!("{}: {error}", site.data.display()))),
        })?,
    };
    if json {
        output::print_json(&scrubbed)?;
    } else {
        output::print(&format!("{}{}\n", damage_lines(&scrubbed), summary(&scrubbed)))?;
    }
    Ok(if scrubbed.clean { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

/// Frees what is dead in the log.
pub(crate) fn compact(arguments: &Directory, json: bool) -> Result<ExitCode, Failure> {
    let site = Site::find(arguments.named(), arguments.config.as_deref())?;
    let done: Compacted = match site.on_node("/compact", "")? {
        Some(done) => done,
        None => site.offline(|store| match store.compact() {
            Ok(done) => Ok(Compacted::from(done)),
            Err(error) => Err(Failure::failed(format!("{}: {error}", site.data.display()))),
        })?,
    };
    if json {
        output::print_json(&done)?;
    } else {
        let freed = counted(done.segments_freed, "segment");
        output::print(&format!("{freed} freed, {}; {} copied", size(done.bytes_freed), size(done.bytes_copied)))?;
    }
    Ok(ExitCode::SUCCESS)
}
