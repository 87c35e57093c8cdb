//! The command line of what works on a data directory: `fsck`, `inspect`, `scrub`, `compact`, `backup`, `restore`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

pub(super) const FSCK_HELP: &str = "\
It changes nothing, unless --repair-index is given, so it works on a disk that is mounted read-only too. Each damage is one line: bucket, key, version, what is wrong, and where. The index is no data: what is wrong with it alone is repaired by --repair-index, and by serve.

Exit codes: 0 nothing is wrong; 1 something is, or the directory can't be checked, for example since a node runs on it (strongroom scrub checks that); 3 there is no such data directory.

Example: strongroom fsck ./strongroom-data
         strongroom fsck ./strongroom-data --repair-index";

pub(super) const SCRUB_HELP: &str = "\
The running node does it, at its --scrub-bytes-per-second or --maintenance-rate, while it serves; without one this program does. A disk that is mounted read-only can be read too. Nothing is repaired: each damage is one line with bucket, key, version and place. A scrub that is under way already is waited for. Interrupting this command doesn't end the node's scrub.

Exit codes: 0 nothing is damaged; 1 something is, or the scrub failed; 3 there is no such data directory.

Example: strongroom scrub ./strongroom-data";

pub(super) const COMPACT_HELP: &str = "\
A node does this by itself where it pays; this does all that is left. Interrupting this command doesn't end the node's compaction.

Example: strongroom compact ./strongroom-data";

pub(super) const INSPECT_HELP: &str = "\
Ids of segments are their files' names in log/; a disk that is mounted read-only can be looked at too. rows prints the table and what each row says (place, size, version, kind, ...); with --json fields, and key and value as bytes. The tables meta, usage and segstat are not printed. With --json each answer is an array.

Example: strongroom inspect ./strongroom-data
         strongroom inspect ./strongroom-data records 0000000000000001
         strongroom inspect ./strongroom-data rows --json";

pub(super) const BACKUP_HELP: &str = "\
The backup is of one instant; requests go on meanwhile. Into an earlier backup of the same node only what is new is written. On the same file system files are linked, which costs no space: for the day that the disk fails, name a directory on another one. A disk that is mounted read-only can be saved too. The running node writes it, so that its user must be able to.

secret.key, under which the node's secret keys are sealed, is left out unless --with-key is given; keep it elsewhere then, since a restored node starts only with it.

Exit codes: 0 the backup is complete; 1 it failed, and an earlier one is intact; 3 there is no such data directory; 5 the destination is something else, or the log is damaged.

Example: strongroom backup ./strongroom-data /mnt/usb/strongroom";

pub(super) const RESTORE_HELP: &str = "\
Everything is copied, so the backup can be restored again. Without secret.key in it, put the key into the new directory before serve.

Exit codes: 0 restored; 1 it failed; 3 there is no backup; 5 the directory holds something already.

Example: strongroom restore /mnt/usb/strongroom ./strongroom-data";
#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// Data directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Set the index aside and make it anew from the log
    #[arg(long)]
    pub(crate) repair_index: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Data directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// What is printed
    #[arg(value_name = "WHAT", default_value = "segments")]
    pub(crate) what: Inspected,
    /// Segment whose records are printed
    #[arg(value_name = "ID", required_if_eq("what", "records"))]
    pub(crate) id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Inspected {
    /// The log's segments
    Segments,
    /// The records of one segment
    Records,
    /// The rows of the index
    Rows,
}

/// A data directory, of a running node or not.
#[derive(Debug, Args)]
pub(crate) struct Directory {
    /// Data directory [default: that of the settings, ./strongroom-data]
    #[arg(value_name = "DIR", conflicts_with = "data")]
    directory: Option<PathBuf>,
    /// Data directory; the same as DIR
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file with the node's settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Directory {
    /// The directory that is named, either way.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.directory.as_deref().or(self.data.as_deref())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Data directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Where the backup is written: a directory that is missing, empty, or an earlier backup of this node
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
    /// Take secret.key and root-credentials.json along
    #[arg(long)]
    pub(crate) with_key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Directory that strongroom backup wrote
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: PathBuf,
    /// The new data directory: missing or empty
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}
