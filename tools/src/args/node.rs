//! The command line of what speaks to the node of a data directory: `apply`, `state`, `health`.

use std::path::PathBuf;

use clap::Args;

use super::Connection;

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// State file (JSON, or TOML when its name ends in .toml); - is standard input. A secret is written there (secretKey), or named: secretKeyFile, secretKeyEnvironment, secretKeyCredential
    #[arg(short, long, value_name = "STATE")]
    pub(crate) file: PathBuf,
    /// Print what would change and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also delete what the file doesn't declare, but no bucket
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Which node on this machine a command speaks to.
#[derive(Debug, Args)]
pub(crate) struct Local {
    /// Data directory of the node [default: that of the settings, ./strongroom-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file with the node's settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Console or S3 URL of the node [default: the node of the data directory, else http://127.0.0.1:9001]
    #[arg(value_name = "URL", conflicts_with_all = ["data", "config"])]
    pub(crate) url: Option<String>,
    /// Certificates in PEM that the URL's must lead to [default: those that the system trusts]
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) local: Local,
}
