//! The command line of `strongroom user`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};

use super::{Listing, Named, NamedList, Revert, Versions};

pub(super) const HELP: &str = "\
Example: strongroom user create eve --role auditor
         strongroom user link eve";

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user; without a password a one-time link is made, by which they choose one
    #[command(after_help = "\
Example: strongroom user create eve --role auditor
         strongroom user create eve --role admin --password-file eve.password")]
    Create(UserCreate),
    /// List users
    #[command(after_help = "Example: strongroom user list --sort role")]
    List(Listing),
    /// Show a user
    #[command(after_help = "Example: strongroom user show eve")]
    Show(Named),
    /// Change a user's role; their password has a command of its own
    #[command(after_help = "Example: strongroom user edit eve --role storage-admin")]
    Edit(UserEdit),
    /// Delete users: their sessions end
    #[command(after_help = "Example: strongroom user delete eve --yes")]
    Delete(NamedList),
    /// Let a user sign in again
    #[command(after_help = "Example: strongroom user enable eve")]
    Enable(Named),
    /// Let a user sign in no more; their sessions end
    #[command(after_help = "Example: strongroom user disable eve")]
    Disable(Named),
    /// List the versions of a user, newest first, with what changed; passwords are not in them
    #[command(after_help = "Example: strongroom user history eve --diff")]
    History(Versions),
    /// Go back to an earlier version: its role and status; the password stays
    #[command(after_help = "Example: strongroom user revert eve 3")]
    Revert(Revert),
    /// Make a link by which a user chooses a password, once and within 15 minutes
    #[command(after_help = "Example: strongroom user link eve")]
    Link(Named),
    /// Set a user's password, or one's own; their sessions end
    #[command(after_help = "\
The new password is asked for on a terminal, twice, or read from a file; never given on the command line, where everyone on the machine sees it. \
Who signs in as a user changes their own password, whatever their role, when they name themselves or nobody.

Example: strongroom user password eve
         strongroom user password eve --password-file eve.password
         strongroom user password --endpoint https://nas.example:9001 --user eve")]
    Password {
        /// Name or id [default: the user who signs in]
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: Option<String>,
        /// File whose first line is the new password; - is standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct UserCreate {
    /// 1 to 128 letters, digits and - _ . @ + = , with inner spaces
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// What the user may do
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: UserRole,
    /// Create the user disabled
    #[arg(long)]
    pub(crate) disabled: bool,
    /// File whose first line is the password, of 8 to 256 bytes; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UserEdit {
    #[command(flatten)]
    pub(crate) named: Named,
    /// What the user may do from now on
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: UserRole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UserRole {
    /// Everything in the account
    Admin,
    /// Permissions, service accounts, buckets and objects; not users
    StorageAdmin,
    /// See permissions, service accounts, buckets, usage and audit records; change nothing
    Auditor,
}

impl UserRole {
    /// As the API spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            UserRole::Admin => "admin",
            UserRole::StorageAdmin => "storage-admin",
            UserRole::Auditor => "auditor",
        }
    }
}
