//! The command line of `strongroom account`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::{Listing, Named, NamedList, NewSecret};

pub(super) const HELP: &str = "\
Commands of other nouns take --account NAME.

Example: strongroom account create research --email research@example.com
         strongroom permission list --account research";

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account; its root's secret is told once, here
    #[command(
        after_help = "Example: strongroom account create research --email research@example.com --secret-file research.secret"
    )]
    Create(AccountCreate),
    /// List accounts
    #[command(after_help = "Example: strongroom account list")]
    List(Listing),
    /// Show an account
    #[command(after_help = "Example: strongroom account show research")]
    Show(Named),
    /// Change what is given, and leave the rest as it is
    #[command(after_help = "Example: strongroom account edit research --display-name \"Research and Development\"")]
    Edit(AccountEdit),
    /// Delete accounts that own no buckets, with all else that they have
    #[command(after_help = "Example: strongroom account delete research --yes")]
    Delete(NamedList),
}

#[derive(Debug, Args)]
pub(crate) struct AccountCreate {
    /// 1 to 128 letters, digits and - _ . @ + = , with inner spaces
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Name that S3 shows for the owner [default: the name]
    #[arg(long, value_name = "TEXT")]
    pub(crate) display_name: Option<String>,
    /// E-mail address of whoever answers for it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// 12 digits [default: random ones]
    #[arg(long, value_name = "DIGITS")]
    pub(crate) id: Option<String>,
    /// Canonical id, by which ACLs name the account: 1 to 256 printable ASCII characters without spaces [default: 64 random hexadecimal digits]
    #[arg(long, value_name = "ID")]
    pub(crate) canonical_id: Option<String>,
    #[command(flatten)]
    pub(crate) secret: NewSecret,
}

#[derive(Debug, Args)]
pub(crate) struct AccountEdit {
    #[command(flatten)]
    pub(crate) named: Named,
    /// The new name
    #[arg(long = "name", id = "new_name", value_name = "NEW")]
    pub(crate) new_name: Option<String>,
    /// Name that S3 shows for the owner
    #[arg(long, value_name = "TEXT")]
    pub(crate) display_name: Option<String>,
    /// E-mail address of whoever answers for it; an empty one removes it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
}
