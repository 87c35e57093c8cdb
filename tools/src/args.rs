//! The command line: commands, their flags, and help with an example for each.
//!
//! Settings of a node are not spelt here a second time: their flags are made from the table in [`crate::settings`].

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command as Clap, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::failure::{Failure, one_line};
use crate::nouns::{AccountVerb, BucketVerb, PermissionVerb, ServiceAccountVerb, Target, UserVerb};
use crate::settings::{Kind, SETTINGS, Setting, Values};

/// An S3 storage node in one binary: durable by default, every request judged by policy.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, disable_help_subcommand = true, max_term_width = 120, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print JSON for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Example: strongroom serve ./data

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 conflict";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the node
    #[command(after_help = SERVE_HELP)]
    Serve(Serve),
    /// Run a throw-away node for tests; it ends with its standard input
    #[command(after_help = TEST_HELP)]
    Test(Test),
    /// Check policies, evaluate requests against them, explain a decision
    #[command(after_help = "\
Example: strongroom policy check permission.json
         strongroom policy explain --policy permission.json --action s3:GetObject --resource arn:aws:s3:::datalake/a.jpg")]
    Policy {
        #[command(subcommand)]
        command: Policy,
    },
    /// Create, list, show, edit and delete permissions
    Permission {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        verb: PermissionVerb,
    },
    /// Create, list, show, edit and delete service accounts: keys for S3
    ServiceAccount {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        verb: ServiceAccountVerb,
    },
    /// Create, list, show, edit and delete users of the console
    User {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        verb: UserVerb,
    },
    /// Create, list, show, edit and delete accounts, the owners of buckets
    Account {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        verb: AccountVerb,
    },
    /// Create, list, show, edit and delete buckets
    Bucket {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        verb: BucketVerb,
    },
    /// Bring a running node to a declared state
    #[command(after_help = "Example: strongroom apply -f state.json --dry-run")]
    Apply(Apply),
    /// Print the declared state of a running node
    #[command(after_help = "Example: strongroom state --data ./data > state.json")]
    State(Target),
    /// Check every record, bulk segment and index row of a data directory that no node runs on
    #[command(after_help = FSCK_HELP)]
    Fsck(Fsck),
    /// Read everything that is stored and compare checksums, also while the node runs
    #[command(after_help = SCRUB_HELP)]
    Scrub(Directory),
    /// Give the space of what was deleted and replaced back, also while the node runs
    #[command(after_help = COMPACT_HELP)]
    Compact(Directory),
    /// Print segments, records or index rows of a data directory that no node runs on
    #[command(after_help = INSPECT_HELP)]
    Inspect(Inspect),
    /// Back a node up, also while it runs
    #[command(after_help = BACKUP_HELP)]
    Backup(Backup),
    /// Make a data directory of a backup
    #[command(after_help = RESTORE_HELP)]
    Restore(Restore),
    /// Ask a node whether it is ready: exit 0 when it serves reads
    #[command(after_help = "Example: strongroom health http://127.0.0.1:9001")]
    Health(Health),
    /// Print a completion script for a shell
    #[command(after_help = "Example: strongroom completions bash > /etc/bash_completion.d/strongroom")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory
    #[command(after_help = "Example: strongroom man /usr/local/share/man/man1")]
    Man {
        /// Directory, created when absent
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Show or check the settings that serve would take, with the place that each comes from
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

const SERVE_HELP: &str = "\
Each setting is also the variable STRONGROOM_NAME (STRONGROOM_TRUSTED_PROXY; several values separated by spaces) and a key of strongroom.toml (trusted-proxy = [\"10.0.0.1\"]). Flags win over variables, variables over the file. \
Root's keys are also read from the files that STRONGROOM_ROOT_ACCESS_KEY_FILE and STRONGROOM_ROOT_SECRET_KEY_FILE name and from the systemd credentials root-access-key and root-secret-key.

Example: strongroom serve /srv/s3 --listen [::]:9000 --console [::]:9001 --tls-self-signed";

const TEST_HELP: &str = "\
It listens on free ports of 127.0.0.1, keeps its data in a temporary directory and removes that at its end; writes are not synced unless --durability strict is given, and denials are explained. It takes neither STRONGROOM variables nor strongroom.toml.

Example: strongroom test --bucket uploads";

const FSCK_HELP: &str = "\
It changes nothing, unless --repair-index is given. Each damage is one line: bucket, key, version, what is wrong, and where. The index is no data: what is wrong with it alone is repaired by --repair-index, and by serve.

Exit codes: 0 nothing is wrong; 1 something is, or the directory can't be checked, for example since a node runs on it (strongroom scrub checks that).

Example: strongroom fsck ./strongroom-data
         strongroom fsck ./strongroom-data --repair-index";

const SCRUB_HELP: &str = "\
The running node does it, at its --maintenance-rate, while it serves; without one this program does. Nothing is repaired: each damage is one line with bucket, key, version and place. A scrub that is under way already is waited for. Interrupting this command doesn't end the node's scrub.

Exit codes: 0 nothing is damaged; 1 something is, or the scrub failed; 3 there is no such data directory.

Example: strongroom scrub ./strongroom-data";

const COMPACT_HELP: &str = "\
A node does this by itself where it pays; this does all that is left. Interrupting this command doesn't end the node's compaction.

Example: strongroom compact ./strongroom-data";

const INSPECT_HELP: &str = "\
Ids of segments are their files' names in log/. With --json each answer is an array.

Example: strongroom inspect ./strongroom-data
         strongroom inspect ./strongroom-data records 0000000000000001
         strongroom inspect ./strongroom-data rows --json";

const BACKUP_HELP: &str = "\
The backup is of one instant; requests go on meanwhile. Into an earlier backup of the same node only what is new is written. On the same file system files are linked, which costs no space: for the day that the disk fails, name a directory on another one. The running node writes it, so that its user must be able to.

secret.key, under which the node's secret keys are sealed, is left out unless --with-key is given; keep it elsewhere then, since a restored node starts only with it.

Exit codes: 0 the backup is complete; 1 it failed, and an earlier one is intact; 3 there is no such data directory; 5 the destination is something else.

Example: strongroom backup ./strongroom-data /mnt/usb/strongroom";

const RESTORE_HELP: &str = "\
Everything is copied, so the backup can be restored again. Without secret.key in it, put the key into the new directory before serve.

Exit codes: 0 restored; 1 it failed; 3 there is no backup; 5 the directory holds something already.

Example: strongroom restore /mnt/usb/strongroom ./strongroom-data";

#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// Data directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Set the index aside and make it anew from the log
    #[arg(long)]
    pub(crate) repair_index: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Data directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// What is printed
    #[arg(value_name = "WHAT", default_value = "segments")]
    pub(crate) what: Inspected,
    /// Segment whose records are printed
    #[arg(value_name = "ID", required_if_eq("what", "records"))]
    pub(crate) id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Inspected {
    /// The log's segments
    Segments,
    /// The records of one segment
    Records,
    /// The rows of the index
    Rows,
}

/// A data directory, of a running node or not.
#[derive(Debug, Args)]
pub(crate) struct Directory {
    /// Data directory [default: that of the settings, ./strongroom-data]
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Configuration file with the node's settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Data directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Where the backup is written: a directory that is missing, empty, or an earlier backup of this node
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
    /// Take secret.key and root-credentials.json along
    #[arg(long)]
    pub(crate) with_key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Directory that strongroom backup wrote
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: PathBuf,
    /// The new data directory: missing or empty
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Data directory; the same as --data
    #[arg(value_name = "DIR", id = "directory", conflicts_with = "data")]
    pub(crate) directory: Option<PathBuf>,
    /// Configuration file [default: ./strongroom.toml, else /etc/strongroom/strongroom.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: ServeSettings,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Create this bucket before the node is ready; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Vec<String>,
    /// Print `export AWS_...` lines for a shell instead of the ready line
    #[arg(long)]
    pub(crate) env: bool,
    #[command(flatten)]
    pub(crate) settings: TestSettings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check policy documents: every error and finding with its place
    #[command(after_help = CHECK_HELP)]
    Check(PolicyCheck),
    /// Evaluate an array of requests against policies; prints JSON
    #[command(after_help = EVAL_HELP)]
    Eval(PolicyEval),
    /// Explain one decision: which statement decided, which nearly matched
    #[command(after_help = EXPLAIN_HELP)]
    Explain(PolicyExplain),
}

const CHECK_HELP: &str = "\
Colours are for terminals; NO_COLOR=1 switches them off, CLICOLOR_FORCE=1 on. With --json one file makes {valid, message, errors, findings}, several an array of those with their file.

A batch is answered by an array of {id, valid, message, errors, findings}, in order; a case that is no such object by {id, error}.

Exit codes: 0 all documents are valid, findings or not; 1 one has errors; 2 wrong usage or a file that can't be read. A batch that is answered exits 0 whatever the answers.

Example: strongroom policy check permission.json --dialect lyve
         strongroom policy check --kind bucket --bucket datalake policies/*.json
         aws iam get-role-policy ... --query PolicyDocument | strongroom policy check -
         strongroom policy check --batch cases.json";

const EVAL_HELP: &str = "\
The context of a request is complete: no key is added. Its bucket belongs to account 123456789012. The answer is an array of {id, decision, policy, sid}, in order, with decision Allow, ExplicitDeny or ImplicitDeny; a case that is malformed, or has a document that is refused, is answered by {id, error}.

Exit codes: 0 every case is answered, whatever the answers; 2 wrong usage, or a file that can't be read or is no array.

Example: strongroom policy eval cases.json > answers.json
         strongroom policy eval - < cases.json";

const EXPLAIN_HELP: &str = "\
The request is judged as policy eval judges it: with the given context and no other, on a bucket of account 123456789012.

Exit codes: 0 the decision is explained, whatever it is; 2 wrong usage, or a file that can't be read or judged.

Example: strongroom policy explain case.json
         strongroom policy explain --policy lightly.json --action s3:GetObject --resource arn:aws:s3:::datalake/a.jpg --context aws:SourceIp=21.21.21.7";

#[derive(Debug, Args)]
pub(crate) struct PolicyCheck {
    /// Policy documents; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "batch", conflicts_with = "batch")]
    pub(crate) files: Vec<PathBuf>,
    /// What the documents are attached to
    #[arg(long, value_name = "KIND", default_value = "identity", conflicts_with = "batch")]
    pub(crate) kind: PolicyKind,
    /// Rules that the documents must follow
    #[arg(long, value_name = "DIALECT", default_value = "aws", conflicts_with = "batch")]
    pub(crate) dialect: PolicyDialect,
    /// Bucket of the documents, with --kind bucket or --batch: resources of others are refused
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// Check an array of {id, document_text, dialect, kind, bucket?}; prints JSON; - is standard input
    #[arg(long, value_name = "CASES")]
    pub(crate) batch: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyKind {
    /// Of users and service accounts
    Identity,
    /// Of a bucket
    Bucket,
    /// Passed when a session is made
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyDialect {
    /// AWS's policy language, as S3 uses it
    Aws,
    /// Permission files of Lyve Cloud
    Lyve,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyEval {
    /// Array of {id, policies: [{kind, document}], request}; - is standard input
    #[arg(value_name = "CASES")]
    pub(crate) cases: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyExplain {
    /// One {policies: [{kind, document}], request}, or an array of one; - is standard input. Without it, the flags say the request
    #[arg(value_name = "CASE", conflicts_with_all = ["policy", "bucket_policy", "session_policy", "action", "resource", "context", "principal"])]
    pub(crate) case: Option<PathBuf>,
    /// Identity policy of the caller; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// Policy of the bucket; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) bucket_policy: Vec<PathBuf>,
    /// Session policy of the caller; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) session_policy: Vec<PathBuf>,
    /// ARN of the caller, or anonymous
    #[arg(long, value_name = "ARN", default_value = "arn:aws:iam::123456789012:user/someone")]
    pub(crate) principal: String,
    /// Action, such as s3:GetObject
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// ARN of the bucket or object
    #[arg(long, value_name = "ARN")]
    pub(crate) resource: Option<String>,
    /// Fact about the request, such as aws:SourceIp=21.21.21.7; repeatable, also for several values of a key
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) context: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// State file (JSON, or TOML when its name ends in .toml); - is standard input
    #[arg(short, long, value_name = "STATE")]
    pub(crate) file: PathBuf,
    /// Print what would change and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also delete what the file doesn't declare
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting, its value and where that comes from
    #[command(after_help = "Example: strongroom config show --config strongroom.toml")]
    Show(ConfigArguments),
    /// Check the settings: exit 0 when serve would take them, else 2
    #[command(after_help = "Example: strongroom config check --config strongroom.toml")]
    Check(ConfigArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Configuration file [default: ./strongroom.toml, else /etc/strongroom/strongroom.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: ServeSettings,
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
    #[command(flatten)]
    pub(crate) local: Local,
}

/// Flags of all settings.
#[derive(Debug)]
pub(crate) struct ServeSettings(pub(crate) Values);

/// Flags of the settings that a throw-away node takes: all but the data directory.
#[derive(Debug)]
pub(crate) struct TestSettings(pub(crate) Values);

/// Defaults of `strongroom test` where they differ from the table's, for its help.
const TEST_DEFAULTS: &[(&str, &str)] =
    &[("listen", "127.0.0.1:0"), ("console", "127.0.0.1:0"), ("durability", "relaxed"), ("explain-denials", "true")];

fn serve_default(setting: &Setting) -> &'static str {
    setting.default
}

fn test_default(setting: &Setting) -> &'static str {
    TEST_DEFAULTS.iter().find(|(name, _)| *name == setting.name).map_or(setting.default, |(_, default)| default)
}

fn setting_flags(command: Clap, take: fn(&str) -> bool, default: fn(&Setting) -> &'static str) -> Clap {
    command.next_help_heading("Settings").args(SETTINGS.iter().filter(|setting| take(setting.name)).map(|setting| {
        let help = match default(setting) {
            "" | "false" => setting.help.to_owned(),
            default => format!("{} [default: {default}]", setting.help),
        };
        let flag = Arg::new(setting.name).long(setting.name).help(help);
        let flag = flag.value_parser(clap::builder::OsStringValueParser::new());
        match setting.kind {
            Kind::One | Kind::Secret => flag.value_name(setting.value).action(ArgAction::Set),
            Kind::Many => flag.value_name(setting.value).action(ArgAction::Append),
            Kind::Switch => {
                flag.num_args(0..=1).require_equals(true).value_name("true|false").default_missing_value("true")
            }
        }
    }))
}

fn setting_values(matches: &ArgMatches, take: fn(&str) -> bool) -> Values {
    let taken = SETTINGS.iter().filter(|setting| take(setting.name));
    let values = taken.filter_map(|setting| {
        let values = matches.get_many::<std::ffi::OsString>(setting.name)?;
        Some((setting.name, values.cloned().collect()))
    });
    values.collect()
}

macro_rules! settings_as_args {
    ($type:ident, $take:expr, $default:expr) => {
        impl FromArgMatches for $type {
            fn from_arg_matches(matches: &ArgMatches) -> Result<$type, clap::Error> {
                Ok($type(setting_values(matches, $take)))
            }
            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = setting_values(matches, $take);
                Ok(())
            }
        }
        impl Args for $type {
            fn augment_args(command: Clap) -> Clap {
                setting_flags(command, $take, $default)
            }
            fn augment_args_for_update(command: Clap) -> Clap {
                setting_flags(command, $take, $default)
            }
        }
    };
}
settings_as_args!(ServeSettings, |_| true, serve_default);
settings_as_args!(TestSettings, |name| name != "data", test_default);

/// What the command line asks for: a command, or a text that is printed (help, version).
pub(crate) enum Asked {
    Command(Box<Cli>),
    Print(String),
}

/// Reads the command line.
///
/// # Errors
/// Everything that clap refuses, as one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Asked, Failure> {
    use clap::error::ErrorKind;
    match Cli::try_parse_from(arguments) {
        Ok(cli) => Ok(Asked::Command(Box::new(cli))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Asked::Print(error.render().to_string())),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                Err(Failure::usage("no command given; strongroom --help lists them, strongroom serve runs a node"))
            }
            _ => Err(Failure::usage(usage_line(&error.render().to_string()))),
        },
    }
}

/// What clap says in several lines, as one: the error, its tips and possible values; not the usage, which the help has.
fn usage_line(rendered: &str) -> String {
    let parts =
        rendered.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let mut message = String::new();
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        let part = part.strip_prefix("error: ").unwrap_or(part);
        let separator = match message.as_str() {
            "" => "",
            text if text.ends_with(':') || part.starts_with('[') => " ",
            _ => "; ",
        };
        message = format!("{message}{separator}{part}");
    }
    format!("{}; see --help", one_line(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Cli, String> {
        let arguments = std::iter::once("strongroom").chain(line.split_whitespace()).map(Into::into);
        match parse(arguments) {
            Ok(Asked::Command(cli)) => Ok(*cli),
            Ok(Asked::Print(text)) => panic!("printed {text}"),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_serve_are_the_settings() {
        let Command::Serve(serve) =
            asked("serve d --listen 1.2.3.4:1 --listen [::1]:2 --explain-denials --metrics-public=false")
                .unwrap()
                .command
        else {
            panic!("not serve")
        };
        assert_eq!(serve.directory.unwrap().to_str(), Some("d"));
        assert_eq!(serve.settings.0["listen"], ["1.2.3.4:1", "[::1]:2"]);
        assert_eq!(serve.settings.0["explain-denials"], ["true"]);
        assert_eq!(serve.settings.0["metrics-public"], ["false"]);
        assert_eq!(serve.settings.0.len(), 3);
    }

    #[test]
    fn usage_errors_are_one_line() {
        for (line, expected) in [
            ("", "no command given; strongroom --help lists them, strongroom serve runs a node"),
            ("inspec", "unrecognized subcommand 'inspec'; tip: a similar subcommand exists: 'inspect'; see --help"),
            (
                "serve --listn x",
                "unexpected argument '--listn' found; tip: a similar argument exists: '--listen'; see --help",
            ),
            ("serve a --data b", "the argument '[DIR]' cannot be used with '--data <DIR>'; see --help"),
            ("test --data x", "unexpected argument '--data' found"),
            ("policy check", "the following required arguments were not provided: <FILE>...; see --help"),
            (
                "policy check f --kind x",
                "invalid value 'x' for '--kind <KIND>' [possible values: identity, bucket, session]; see --help",
            ),
            ("apply", "the following required arguments were not provided: --file <STATE>; see --help"),
        ] {
            let error = asked(line).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains('\n'), "{line}: {error}");
        }
    }
}
