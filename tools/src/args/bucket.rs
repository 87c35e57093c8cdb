//! The command line of `strongroom bucket`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Subcommand, ValueEnum};

use super::{Listing, Named, NamedList};

pub(super) const HELP: &str = "\
Example: strongroom bucket create datalake --versioning enabled
         strongroom bucket access datalake";

#[derive(Debug, Subcommand)]
pub(crate) enum BucketCommand {
    /// Create a bucket
    #[command(after_help = "Example: strongroom bucket create datalake --versioning enabled")]
    Create {
        /// 3 to 63 lower-case letters, digits, dots and hyphens
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Whether it keeps earlier versions [default: no]
        #[arg(long, value_name = "STATE")]
        versioning: Option<Versioning>,
    },
    /// List buckets with what they hold
    #[command(after_help = "Example: strongroom bucket list --sort bytes --descending")]
    List(Listing),
    /// Show a bucket
    #[command(after_help = "Example: strongroom bucket show datalake")]
    Show(Named),
    /// Change a bucket
    #[command(after_help = "Example: strongroom bucket edit datalake --versioning suspended")]
    Edit {
        #[command(flatten)]
        named: Named,
        /// Whether it keeps earlier versions
        #[arg(long, value_name = "STATE")]
        versioning: Versioning,
    },
    /// Delete empty buckets
    #[command(after_help = "Example: strongroom bucket delete datalake --yes")]
    Delete(NamedList),
    /// Print what each service account can do to a bucket
    #[command(after_help = "Example: strongroom bucket access datalake --search worker")]
    Access {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        listing: Listing,
    },
    /// Download, replace or remove the policy of a bucket
    #[command(after_help = "Example: strongroom bucket policy download datalake --output datalake.json")]
    Policy {
        #[command(subcommand)]
        command: BucketPolicyFile,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BucketPolicyFile {
    /// Print the bucket's policy byte for byte
    #[command(after_help = "Example: strongroom bucket policy download datalake --output datalake.json")]
    Download {
        #[command(flatten)]
        named: Named,
        /// Write it into this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Replace the bucket's policy; it holds for the next request
    #[command(after_help = "Example: strongroom bucket policy replace datalake datalake.json")]
    Replace {
        #[command(flatten)]
        named: Named,
        /// The new file; - is standard input
        file: PathBuf,
    },
    /// Remove the bucket's policy
    #[command(after_help = "Example: strongroom bucket policy remove datalake")]
    Remove(Named),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Versioning {
    /// Each put makes a version
    Enabled,
    /// Puts replace the newest version; earlier ones stay
    Suspended,
}

impl Versioning {
    /// As the API spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Versioning::Enabled => "enabled",
            Versioning::Suspended => "suspended",
        }
    }
}
