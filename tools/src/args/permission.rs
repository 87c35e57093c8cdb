//! The command line of `strongroom permission`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};

use super::{Listing, Named, NamedList, PolicyDialect, Revert, Versions};

pub(super) const HELP: &str = "\
A change holds for the next request. Names and ids are taken alike.

Example: strongroom permission create reports --prefix reports- --actions read-only
         strongroom permission create lightly --policy lightly.json
         strongroom permission history lightly";

#[derive(Debug, Subcommand)]
pub(crate) enum PermissionCommand {
    /// Create a permission of a policy file, or for buckets
    #[command(after_help = CREATE_HELP)]
    Create(PermissionCreate),
    /// List permissions
    #[command(after_help = "Example: strongroom permission list --search lightly --sort createTime --descending")]
    List(Listing),
    /// Show a permission with its policy
    #[command(after_help = "Example: strongroom permission show lightly")]
    Show(Named),
    /// Change what is given, and leave the rest as it is
    #[command(after_help = "\
Example: strongroom permission edit reports --prefix report
         strongroom permission edit lightly --name lightly-2026 --description \"Read by Lightly's worker\"")]
    Edit(PermissionEdit),
    /// Delete permissions that no service account uses
    #[command(after_help = "Example: strongroom permission delete reports --yes")]
    Delete(NamedList),
    /// Let a permission grant again
    #[command(after_help = "Example: strongroom permission enable lightly")]
    Enable(Named),
    /// Let a permission grant nothing; what it denies stays denied
    #[command(after_help = "Example: strongroom permission disable lightly")]
    Disable(Named),
    /// List the versions of a permission, newest first, with what changed
    #[command(after_help = "Example: strongroom permission history lightly --diff")]
    History(Versions),
    /// Go back to an earlier version: its description, definition and status; the name stays
    #[command(after_help = "Example: strongroom permission revert lightly 3")]
    Revert(Revert),
    /// Download or replace the policy file of a permission
    #[command(after_help = "Example: strongroom permission policy download lightly --output lightly.json")]
    Policy {
        #[command(subcommand)]
        command: PolicyFile,
    },
    /// Say whether a permission could be saved and what it comes to, and save nothing
    #[command(after_help = "\
Exit codes: 0 it could be saved; 1 it has errors, a line each; 3 a bucket that it names isn't there.

Example: strongroom permission check --policy lightly.json
         strongroom permission check --prefix reports- --actions read-only")]
    Check(PermissionDefinition),
}

const CREATE_HELP: &str = "\
A file that is refused is answered by every error with its line and column.

Example: strongroom permission create lightly --policy lightly.json
         strongroom permission create reports --bucket reports --bucket archive --actions read-only
         strongroom permission create team --prefix team- --actions write-only
         strongroom permission create everything --all-buckets --actions all-operations";

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyFile {
    /// Print the policy file byte for byte, or the document that a bucket permission comes to
    #[command(after_help = "Example: strongroom permission policy download lightly --output lightly.json")]
    Download {
        #[command(flatten)]
        named: Named,
        /// Write it into this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Replace the policy file; it holds for the next request
    #[command(after_help = "Example: strongroom permission policy replace lightly lightly.json")]
    Replace {
        #[command(flatten)]
        named: Named,
        /// The new file; - is standard input
        file: PathBuf,
        /// Rules that the file follows [default: as before]
        #[arg(long, value_name = "DIALECT")]
        dialect: Option<PolicyDialect>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PermissionCreate {
    /// 1 to 128 letters, digits, -, _ and inner spaces
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// At most 1,000 characters [default: what it grants, in plain words]
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Create it disabled
    #[arg(long)]
    pub(crate) disabled: bool,
    #[command(flatten)]
    pub(crate) definition: PermissionDefinition,
}

#[derive(Debug, Args)]
pub(crate) struct PermissionEdit {
    #[command(flatten)]
    pub(crate) named: Named,
    /// The new name
    #[arg(long = "name", id = "new_name", value_name = "NEW")]
    pub(crate) new_name: Option<String>,
    /// The new description; an empty one is replaced by plain words
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    #[command(flatten)]
    pub(crate) definition: PermissionDefinition,
}

/// What a permission grants.
#[derive(Debug, Args)]
pub(crate) struct PermissionDefinition {
    /// Policy file; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["buckets", "prefix", "all_buckets", "actions"])]
    pub(crate) policy: Option<PathBuf>,
    /// Rules that the policy file follows [default: lyve]
    #[arg(long, value_name = "DIALECT", conflicts_with_all = ["buckets", "prefix", "all_buckets", "actions"])]
    pub(crate) dialect: Option<PolicyDialect>,
    /// Bucket that exists; repeatable, or several with commas between
    #[arg(long = "bucket", id = "buckets", value_name = "NAME", value_delimiter = ',', conflicts_with_all = ["prefix", "all_buckets"])]
    pub(crate) buckets: Vec<String>,
    /// All buckets, also later ones, whose names begin with these 1 to 64 characters
    #[arg(long, value_name = "PREFIX", conflicts_with = "all_buckets")]
    pub(crate) prefix: Option<String>,
    /// All buckets, also later ones
    #[arg(long)]
    pub(crate) all_buckets: bool,
    /// What may be done in these buckets
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) actions: Option<BucketActions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BucketActions {
    /// Everything but to hand out access
    AllOperations,
    /// List and read
    ReadOnly,
    /// Upload, without reading back, listing or deleting
    WriteOnly,
}

impl BucketActions {
    /// As the API spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            BucketActions::AllOperations => "all-operations",
            BucketActions::ReadOnly => "read-only",
            BucketActions::WriteOnly => "write-only",
        }
    }
}
