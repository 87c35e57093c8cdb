//! What the commands of several nouns share: names, pages, answers to questions, new secrets.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::Connection;

/// A noun's command line: which node, and the verb.
#[derive(Debug, Args)]
pub(crate) struct NounArguments<C: Subcommand> {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: C,
}

/// One resource.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
}

/// One or more resources, to be deleted.
#[derive(Debug, Args)]
pub(crate) struct NamedList {
    /// Names or ids
    #[arg(value_name = "NAME", required = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) names: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// The versions of a resource.
#[derive(Debug, Args)]
pub(crate) struct Versions {
    #[command(flatten)]
    pub(crate) named: Named,
    /// Also print what changed, before and after; of a policy its lines
    #[arg(long)]
    pub(crate) diff: bool,
}

/// A version that a resource goes back to.
#[derive(Debug, Args)]
pub(crate) struct Revert {
    #[command(flatten)]
    pub(crate) named: Named,
    /// Number of the version, as history lists it
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) revision: u32,
}

/// Which resources are listed, and in which order.
#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// Only those that have this text in what is shown, in any case
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Field of the API by which they are sorted, such as name or createTime
    #[arg(long, value_name = "FIELD")]
    pub(crate) sort: Option<String>,
    /// Last ones first
    #[arg(long)]
    pub(crate) descending: bool,
    /// At most so many [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
}

/// Where a secret goes that is told once.
#[derive(Debug, Args)]
pub(crate) struct NewSecret {
    /// Write the secret into this new file, mode 0600, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}
