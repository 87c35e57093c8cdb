//! The command line of `strongroom service-account`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::{Listing, Named, NamedList, NewSecret, Revert, Versions};

pub(super) const HELP: &str = "\
Example: strongroom service-account create worker --permission lightly
         strongroom service-account rotate worker --secret-file worker.secret";

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAccountCommand {
    /// Create a service account; its secret is told once, here
    #[command(after_help = "\
Example: strongroom service-account create worker --permission lightly --permission reports --expires 2027-01-31
         strongroom service-account create worker --permission lightly --secret-file worker.secret")]
    Create(ServiceAccountCreate),
    /// List service accounts
    #[command(after_help = "Example: strongroom service-account list --sort expirationDate")]
    List(Listing),
    /// Show a service account
    #[command(after_help = "Example: strongroom service-account show worker")]
    Show(Named),
    /// Change what is given, and leave the rest as it is
    #[command(after_help = "\
Example: strongroom service-account edit worker --add-permission reports --remove-permission lightly
         strongroom service-account edit worker --no-expiry")]
    Edit(ServiceAccountEdit),
    /// Delete service accounts: their keys open nothing any more
    #[command(after_help = "Example: strongroom service-account delete worker --yes")]
    Delete(NamedList),
    /// Let a service account be used again
    #[command(after_help = "Example: strongroom service-account enable worker")]
    Enable(Named),
    /// Let the key answer like an unknown one
    #[command(after_help = "Example: strongroom service-account disable worker")]
    Disable(Named),
    /// List the versions of a service account, newest first, with what changed; secrets are not in them
    #[command(after_help = "Example: strongroom service-account history worker --diff")]
    History(Versions),
    /// Go back to an earlier version: its description, permissions, status and expiry; name, key and secret stay
    #[command(after_help = "Example: strongroom service-account revert worker 3")]
    Revert(Revert),
    /// Print what a service account can do: its statements, and what they come to on each bucket
    #[command(after_help = "Example: strongroom service-account access worker")]
    Access(Named),
    /// Give a service account another secret, told once, here; the old one opens nothing any more
    #[command(after_help = "Example: strongroom service-account rotate worker --secret-file worker.secret")]
    Rotate {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        secret: NewSecret,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServiceAccountCreate {
    /// 1 to 128 letters, digits and - _ . @ + = , with inner spaces
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Permission that it has, by name or id; repeatable
    #[arg(short, long = "permission", value_name = "PERMISSION", required = true)]
    pub(crate) permissions: Vec<String>,
    /// At most 1,000 characters
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Refuse the key from this date (0:00 UTC) or RFC 3339 time on, or never
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<String>,
    /// Create it disabled
    #[arg(long)]
    pub(crate) disabled: bool,
    /// An access key of one's own, of 3 to 128 characters [default: a random one]
    #[arg(long, value_name = "KEY")]
    pub(crate) key_id: Option<String>,
    /// File with a secret of one's own, of 8 to 128 characters; - is standard input [default: a random one]
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secret: NewSecret,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceAccountEdit {
    #[command(flatten)]
    pub(crate) named: Named,
    /// The new name; policies that name the old one no longer match
    #[arg(long = "name", id = "new_name", value_name = "NEW")]
    pub(crate) new_name: Option<String>,
    /// The new description; an empty one removes it
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// All permissions that it has from now on; repeatable
    #[arg(short, long = "permission", value_name = "PERMISSION", conflicts_with_all = ["add", "remove"])]
    pub(crate) permissions: Vec<String>,
    /// Give it this permission too; repeatable
    #[arg(long = "add-permission", id = "add", value_name = "PERMISSION")]
    pub(crate) add: Vec<String>,
    /// Take this permission from it; repeatable
    #[arg(long = "remove-permission", id = "remove", value_name = "PERMISSION")]
    pub(crate) remove: Vec<String>,
    /// Refuse the key from this date (0:00 UTC) or RFC 3339 time on, or never
    #[arg(long, value_name = "DATE", conflicts_with = "no_expiry")]
    pub(crate) expires: Option<String>,
    /// Let the key never expire
    #[arg(long)]
    pub(crate) no_expiry: bool,
}
