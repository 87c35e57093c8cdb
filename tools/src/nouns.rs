//! The command line's nouns of administration, each with the same verbs: create, list, show, edit, delete, and what is its own.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Which node is spoken to, and as whom.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Node")]
pub(crate) struct Target {
    /// Data directory of a node on this machine, which is spoken to through its socket [default: that of the settings, ./strongroom-data]
    #[arg(long, value_name = "DIR", global = true, conflicts_with = "endpoint")]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file with that node's settings
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "endpoint")]
    pub(crate) config: Option<PathBuf>,
    /// Console URL of a node elsewhere, such as https://nas:9001
    #[arg(long, value_name = "URL", global = true, env = "STRONGROOM_ENDPOINT")]
    pub(crate) endpoint: Option<String>,
    /// Profile of ~/.aws/credentials that signs the calls to an endpoint [default: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a token in STRONGROOM_TOKEN, else the profile default]
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) profile: Option<String>,
    /// Certificates in PEM that an endpoint's must be signed by [default: those of the system]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Name or id of the account whose nouns are meant, for the operator
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) account: Option<String>,
}

/// Which of them are listed.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those with this text in what is shown
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) query: Option<String>,
    /// Field to sort by
    #[arg(long, value_name = "FIELD", default_value = "name")]
    pub(crate) sort: String,
    /// The last first
    #[arg(long)]
    pub(crate) reverse: bool,
}

/// One of them.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PermissionVerb {
    /// Create a permission
    #[command(after_help = "\
Example: strongroom permission create reads --actions read-only --bucket datalake
         strongroom permission create team --actions all-operations --prefix team-
         strongroom permission create lightly --policy lightly.json")]
    Create {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        fields: PermissionFields,
    },
    /// List permissions
    #[command(after_help = "Example: strongroom permission list --sort serviceAccounts --reverse")]
    List(List),
    /// Show a permission
    Show(Named),
    /// Change a permission; it holds for the next request
    #[command(after_help = "Example: strongroom permission edit reads --actions all-operations")]
    Edit {
        #[command(flatten)]
        named: Named,
        /// Another name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        #[command(flatten)]
        fields: PermissionFields,
    },
    /// Delete a permission that no service account uses
    Delete(Named),
    /// Let a permission grant again
    Enable(Named),
    /// Disable a permission: it grants nothing, its Denies stay
    Disable(Named),
    /// Print the policy file byte for byte, or the document that a bucket permission comes to
    #[command(after_help = "Example: strongroom permission policy lightly > lightly.json")]
    Policy(Named),
    /// Print the versions of a permission, newest first, with what changed
    History(Named),
    /// Go back to an earlier version
    #[command(after_help = "Example: strongroom permission revert lightly 3")]
    Revert {
        #[command(flatten)]
        named: Named,
        /// Number of the version, as history prints it
        #[arg(value_name = "REVISION")]
        revision: u32,
    },
}

/// What a permission is. Its type follows: buckets, a prefix or a policy file, else all buckets.
#[derive(Debug, Args)]
pub(crate) struct PermissionFields {
    /// What may be done in the buckets
    #[arg(long, value_name = "ACTIONS", conflicts_with = "policy")]
    pub(crate) actions: Option<Actions>,
    /// Bucket that it applies to; repeatable
    #[arg(long, value_name = "NAME", conflicts_with_all = ["prefix", "policy", "all_buckets"])]
    pub(crate) bucket: Vec<String>,
    /// Beginning of the names of the buckets that it applies to, also later ones
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["policy", "all_buckets"])]
    pub(crate) prefix: Option<String>,
    /// It applies to all buckets, also later ones
    #[arg(long, conflicts_with = "policy")]
    pub(crate) all_buckets: bool,
    /// Policy file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Dialect of the policy file
    #[arg(long, value_name = "DIALECT", requires = "policy")]
    pub(crate) dialect: Option<Dialect>,
    /// What it is for; an empty text leaves it to a description in plain words
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Actions {
    /// Everything but handing out access
    AllOperations,
    /// Lists and gets
    ReadOnly,
    /// Puts, without gets
    WriteOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// Permission files of Lyve Cloud
    Lyve,
    /// AWS's policy language
    Aws,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAccountVerb {
    /// Create a service account and print its key; the secret is shown here only
    #[command(after_help = "Example: strongroom service-account create worker --permission reads --expires 2027-01-31")]
    Create {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        fields: ServiceAccountFields,
    },
    /// List service accounts
    List(List),
    /// Show a service account
    Show(Named),
    /// Change a service account
    #[command(after_help = "Example: strongroom service-account edit worker --permission reads --permission writes")]
    Edit {
        #[command(flatten)]
        named: Named,
        /// Another name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// It never expires
        #[arg(long, conflicts_with = "expires")]
        no_expiry: bool,
        #[command(flatten)]
        fields: ServiceAccountFields,
    },
    /// Delete a service account
    Delete(Named),
    /// Enable a service account
    Enable(Named),
    /// Disable a service account: its key answers like an unknown one
    Disable(Named),
    /// Give a service account another secret and print it; it is shown here only
    Rotate(Named),
    /// Print what a service account can do
    Access(Named),
}

#[derive(Debug, Args)]
pub(crate) struct ServiceAccountFields {
    /// Name or id of a permission; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) permission: Vec<String>,
    /// Date, or time in RFC 3339 form, from which on the key is refused
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserVerb {
    /// Create a user; without a password they choose one by a one-time link
    #[command(after_help = "Example: strongroom user create eve --role auditor")]
    Create {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        fields: UserFields,
    },
    /// List users
    List(List),
    /// Show a user
    Show(Named),
    /// Change a user
    Edit {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        fields: UserFields,
    },
    /// Delete a user; their sessions end
    Delete(Named),
    /// Let a user sign in again
    Enable(Named),
    /// Let a user sign in no more; their sessions end
    Disable(Named),
    /// Print a one-time link by which a user chooses a password within 15 minutes
    Link(Named),
}

#[derive(Debug, Args)]
pub(crate) struct UserFields {
    /// What they may do
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    /// File with the password; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Everything in the account
    Admin,
    /// Everything but users, accounts, settings and the expiry of other people's keys
    StorageAdmin,
    /// Lists and views, no contents of objects
    Auditor,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountVerb {
    /// Create an account and print its root's key; the secret is shown here only
    #[command(after_help = "Example: strongroom account create customers --email it@example.com")]
    Create {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        fields: AccountFields,
    },
    /// List accounts
    List(List),
    /// Show an account
    Show(Named),
    /// Change an account
    Edit {
        #[command(flatten)]
        named: Named,
        /// Another name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        #[command(flatten)]
        fields: AccountFields,
    },
    /// Delete an account that owns no buckets, with all else that it has
    Delete(Named),
}

#[derive(Debug, Args)]
pub(crate) struct AccountFields {
    /// Name that owners are shown with
    #[arg(long, value_name = "TEXT")]
    pub(crate) display_name: Option<String>,
    /// E-mail address; an empty text removes it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BucketVerb {
    /// Create a bucket
    #[command(after_help = "Example: strongroom bucket create datalake --versioning enabled")]
    Create {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        fields: BucketFields,
    },
    /// List buckets with what they hold
    List(List),
    /// Show a bucket
    Show(Named),
    /// Change a bucket
    Edit {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        fields: BucketFields,
    },
    /// Delete an empty bucket
    Delete(Named),
    /// Print who can do what to a bucket
    Access(Named),
}

#[derive(Debug, Args)]
pub(crate) struct BucketFields {
    /// Whether it keeps earlier versions
    #[arg(long, value_name = "STATE")]
    pub(crate) versioning: Option<Versioning>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Versioning {
    /// Each put makes a version
    Enabled,
    /// Puts replace the newest version; earlier ones stay
    Suspended,
}
