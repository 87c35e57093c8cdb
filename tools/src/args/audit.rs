//! The command line of `strongroom audit`.

use clap::{Args, Subcommand, ValueEnum};

pub(super) const HELP: &str = "\
Example: strongroom audit search --bucket datalake --refused
         strongroom audit settings --requests denied";

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Search the audit log, newest records first
    #[command(after_help = "\
With --json each record is a line of its own, in the shape of AWS CloudTrail's.

Example: strongroom audit search --by worker --refused --from 2026-11-01
         strongroom audit search --event DeleteBucket --limit 1000 --json
         strongroom audit search --follow --refused")]
    Search(AuditSearch),
    /// Show what the audit log records and keeps, or change it; for the operator
    #[command(after_help = "\
Example: strongroom audit settings
         strongroom audit settings --requests denied --keep-mib 4096")]
    Settings(AuditSettings),
}

#[derive(Debug, Args)]
pub(crate) struct AuditSearch {
    /// Only those from this date or RFC 3339 time on
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<String>,
    /// Only those before this date or RFC 3339 time
    #[arg(long, value_name = "DATE")]
    pub(crate) to: Option<String>,
    /// Only this operation, such as GetObject, in any case; * stands for any characters ('Create*')
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Option<String>,
    /// Only requests of this caller: a name, an ARN, an access key, or root
    #[arg(long, value_name = "CALLER")]
    pub(crate) by: Option<String>,
    /// Only those about this bucket and its objects
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// Only refused and failed ones
    #[arg(long, conflicts_with = "accepted")]
    pub(crate) refused: bool,
    /// Only those that succeeded
    #[arg(long)]
    pub(crate) accepted: bool,
    /// Only those that have this text anywhere, in any case
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// At most so many; with --follow, end after so many [default: 100; with --follow without a bound]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Print what is recorded from now on, until Ctrl-C
    #[arg(short, long, conflicts_with_all = ["from", "to"])]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditSettings {
    /// Which S3 requests are recorded; calls that administer always are
    #[arg(long, value_name = "WHICH")]
    pub(crate) requests: Option<AuditedRequests>,
    /// How much of the log is kept, in MiB, at least 64
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    pub(crate) keep_mib: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditedRequests {
    /// Every one
    All,
    /// Refused and failed ones
    Denied,
    /// None
    None,
}

impl AuditedRequests {
    /// As the API spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            AuditedRequests::All => "all",
            AuditedRequests::Denied => "denied",
            AuditedRequests::None => "none",
        }
    }
}
