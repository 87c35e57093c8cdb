//! The command line of `strongroom bucket`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{Subcommand, ValueEnum};

use super::{Listing, Named, NamedList};
use crate::size::bytes_of;

pub(super) const HELP: &str = "\
Example: strongroom bucket create datalake --versioning enabled
         strongroom bucket access datalake";

#[derive(Debug, Subcommand)]
pub(crate) enum BucketCommand {
    /// Create a bucket
    #[command(after_help = "\
Example: strongroom bucket create datalake --versioning enabled
         strongroom bucket create scratch --quota 500GiB")]
    Create {
        /// 3 to 63 lower-case letters, digits, dots and hyphens
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Whether it keeps earlier versions [default: no]
        #[arg(long, value_name = "STATE")]
        versioning: Option<Versioning>,
        /// The most that its objects and versions may hold, such as 500GiB; none is no limit
        #[arg(long, value_name = "SIZE")]
        quota: Option<Quota>,
    },
    /// List buckets with what they hold
    #[command(after_help = "Example: strongroom bucket list --sort bytes --descending")]
    List(Listing),
    /// Show a bucket
    #[command(after_help = "Example: strongroom bucket show datalake")]
    Show(Named),
    /// Change what is given, and leave the rest as it is
    #[command(after_help = "\
Example: strongroom bucket edit datalake --versioning suspended
         strongroom bucket edit scratch --quota none")]
    Edit {
        #[command(flatten)]
        named: Named,
        /// Whether it keeps earlier versions
        #[arg(long, value_name = "STATE")]
        versioning: Option<Versioning>,
        /// The most that its objects and versions may hold, such as 500GiB; none takes the limit away
        #[arg(long, value_name = "SIZE")]
        quota: Option<Quota>,
    },
    /// Delete empty buckets
    #[command(after_help = "Example: strongroom bucket delete datalake --yes")]
    Delete(NamedList),
    /// Print who can do what to a bucket: anyone, root, roles, whom its policy names, service accounts
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
        /// Store it even if it keeps you from changing it again (x-amz-confirm-remove-self-bucket-access)
        #[arg(long)]
        confirm_lockout: bool,
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

/// The most that a bucket may hold, in bytes; none is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota(pub(crate) Option<u64>);

impl FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Quota, String> {
        if text == "none" {
            return Ok(Quota(None));
        }
        let bytes = bytes_of(text).filter(|bytes| (1..=QUOTA_BYTES_MAX).contains(bytes));
        bytes
            .map(|bytes| Quota(Some(bytes)))
            .ok_or_else(|| "write a size such as 500GiB, 2.5TB or 1048576, or none".to_owned())
    }
}

/// Beyond what any file system holds, and exact in JSON's numbers.
const QUOTA_BYTES_MAX: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_size_with_a_unit_or_none() {
        let bytes = |text: &str| text.parse::<Quota>().map(|quota| quota.0);
        assert_eq!(bytes("none"), Ok(None));
        assert_eq!(bytes("500GiB"), Ok(Some(500 << 30)));
        for wrong in ["", "0", "1.5", "9PiB", "9000TiB", "0.0001kb", "None"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
