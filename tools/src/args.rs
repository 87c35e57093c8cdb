//! The command line: commands, their flags, and help with an example for each.
//!
//! One noun or kind of work a file below; here are the list of commands and how a line that is wrong is answered.

mod account;
mod audit;
mod bucket;
mod connection;
mod node;
mod noun;
mod permission;
mod policy;
mod serve;
mod service_account;
mod storage;
mod usage;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::failure::{Failure, one_line};

pub(crate) use account::{AccountCommand, AccountCreate, AccountEdit};
pub(crate) use audit::{AuditCommand, AuditSearch, AuditSettings};
pub(crate) use bucket::{BucketCommand, BucketPolicyFile, Quota, Versioning};
pub(crate) use connection::Connection;
pub(crate) use node::{Apply, Health, Local};
pub(crate) use noun::{Listing, Named, NamedList, NewSecret, NounArguments, Revert, Versions};
pub(crate) use permission::{PermissionCommand, PermissionCreate, PermissionDefinition, PermissionEdit, PolicyFile};
pub(crate) use policy::{Policy, PolicyCheck, PolicyDialect, PolicyExplain, PolicyKind};
pub(crate) use serve::{ConfigCommand, Serve, Test};
pub(crate) use service_account::{ServiceAccountCommand, ServiceAccountCreate, ServiceAccountEdit};
pub(crate) use storage::{Backup, Directory, Fsck, Inspect, Inspected, Restore};
pub(crate) use usage::UsageCommand;
pub(crate) use user::{UserCommand, UserCreate};

use serve::{SERVE_HELP, TEST_HELP};
use storage::{BACKUP_HELP, COMPACT_HELP, FSCK_HELP, INSPECT_HELP, RESTORE_HELP, SCRUB_HELP};

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
    /// Permissions: what service accounts may do
    #[command(after_help = permission::HELP)]
    Permission(NounArguments<PermissionCommand>),
    /// Service accounts: access keys for S3, with their permissions
    #[command(after_help = service_account::HELP)]
    ServiceAccount(NounArguments<ServiceAccountCommand>),
    /// Users, who sign in to administer
    #[command(after_help = user::HELP)]
    User(NounArguments<UserCommand>),
    /// Accounts, which own buckets, permissions, service accounts and users
    #[command(after_help = account::HELP)]
    Account(NounArguments<AccountCommand>),
    /// Buckets, as an administrator sees them: what they hold, who may do what
    #[command(after_help = bucket::HELP)]
    Bucket(NounArguments<BucketCommand>),
    /// What buckets hold, and held over the months
    #[command(after_help = usage::HELP)]
    Usage(NounArguments<UsageCommand>),
    /// The audit log: every request, who made it and how it was judged
    #[command(after_help = audit::HELP)]
    Audit(NounArguments<AuditCommand>),
    /// Show how a running node is: health, disk, last scrub, requests; for the operator
    #[command(after_help = "Example: strongroom status --endpoint https://nas.example:9001 --user eve")]
    Status(Connection),
    /// Bring a running node to a declared state
    #[command(after_help = "\
Example: strongroom apply -f state.json --dry-run
         strongroom apply -f state.json --prune --profile nas")]
    Apply(Apply),
    /// Print the declared state of a running node
    #[command(after_help = "Example: strongroom state --data ./data > state.json")]
    State(Connection),
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
    #[command(after_help = "\
Example: strongroom health
         strongroom health https://nas.example:9001 --ca nas.pem")]
    Health(Health),
    /// Print a completion script for a shell
    #[command(after_help = "Example: strongroom completions bash > /etc/bash_completion.d/strongroom")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page of strongroom(1), or write those of all commands into a directory
    #[command(after_help = "\
Example: strongroom man | man -l -
         strongroom man --output /usr/local/share/man/man1")]
    Man {
        /// Write all pages, one a command, into this directory, created when absent
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Show or check the settings that serve would take, with the place that each comes from
    #[command(after_help = "\
Example: strongroom config show
         strongroom config check --config strongroom.toml")]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// What the command line asks for: a command, or a text that is printed (help, version).
pub(crate) enum Asked {
    Command(Box<Cli>),
    Print(String),
}

/// Reads the command line.
///
/// # Errors
/// Everything that clap refuses, as one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, Failure> {
    use clap::error::ErrorKind;
    let arguments = with_help(arguments.into_iter().collect());
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => Ok(Asked::Command(Box::new(cli))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Asked::Print(error.render().to_string())),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                Err(Failure::usage(no_command(&error.render().to_string())))
            }
            ErrorKind::InvalidUtf8 => Err(Failure::usage(not_text(&arguments))),
            _ => Err(Failure::usage(usage_line(&error.render().to_string()))),
        },
    }
}

/// `strongroom help bucket create` as `strongroom bucket create --help`, by which the help names itself.
fn with_help(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// Names the arguments that aren't UTF-8; files may be called so, names of a node's may not.
fn not_text(arguments: &[OsString]) -> String {
    let broken: Vec<String> =
        arguments.iter().skip(1).filter(|it| it.to_str().is_none()).map(|it| format!("{it:?}")).collect();
    format!("not UTF-8: {}; only files and directories may have such names", broken.join(", "))
}

/// Says which command lacks one below it, by the usage line in what clap says.
fn no_command(rendered: &str) -> String {
    let usage = rendered.lines().find_map(|line| line.trim_start().strip_prefix("Usage:")).unwrap_or("strongroom");
    let words: Vec<&str> = usage.split_whitespace().take_while(|word| !word.starts_with(['[', '<'])).collect();
    match words.as_slice() {
        [] | [_] => "no command given; strongroom --help lists them, strongroom serve runs a node".to_owned(),
        words => {
            let command = words.join(" ");
            format!("{command}: no command of it given; {command} --help lists them")
        }
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
    fn every_command_says_what_it_does_and_has_an_example() {
        fn walk(command: &clap::Command, path: &str) {
            for command in command.get_subcommands() {
                let path = format!("{path} {}", command.get_name());
                assert!(command.get_about().is_some(), "{path} doesn't say what it does");
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                let has_example = help.contains("Example: ") && help.contains(&path);
                assert!(has_example, "{path} has no example of its own: {help}");
                walk(command, &path);
            }
        }
        walk(&<Cli as clap::CommandFactory>::command(), "strongroom");
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
    fn help_is_a_word_too() {
        let printed = |line: &str| match parse(std::iter::once("strongroom").chain(line.split(' ')).map(Into::into)) {
            Ok(Asked::Print(text)) => text,
            Ok(Asked::Command(_)) => panic!("{line} is no command"),
            Err(failure) => failure.to_string(),
        };
        assert_eq!(printed("help"), printed("--help"));
        assert_eq!(printed("help bucket create"), printed("bucket create --help"));
        assert!(printed("help bucket").contains("Usage: strongroom bucket"), "{}", printed("help bucket"));
        assert!(printed("help fsc").starts_with("unrecognized subcommand 'fsc'"), "{}", printed("help fsc"));
    }

    #[test]
    fn an_argument_that_is_not_text_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let line = ["strongroom", "bucket", "show"].map(OsString::from);
        let failure = parse(line.into_iter().chain([OsString::from_vec(vec![b'a', 0xff])])).err().unwrap();
        assert_eq!(failure.to_string(), "not UTF-8: \"a\\xFF\"; only files and directories may have such names");
    }

    #[test]
    fn completions_know_the_values_of_settings_and_take_others_for_the_settings_to_refuse() {
        use clap::CommandFactory;
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let values = |flag: &str| {
            let flag = serve.get_arguments().find(|it| it.get_id() == flag).unwrap();
            flag.get_possible_values().iter().map(|it| it.get_name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            (values("durability"), values("sigv2")),
            (vec!["strict".into(), "relaxed".into()], vec!["on".into(), "off".into()])
        );
        assert_eq!(values("region"), Vec::<String>::new());
        let Command::Serve(serve) = asked("serve --durability lax").unwrap().command else { panic!("not serve") };
        assert_eq!(serve.settings.0["durability"], ["lax"]);
    }

    #[test]
    fn usage_errors_are_one_line() {
        for (line, expected) in [
            ("", "no command given; strongroom --help lists them, strongroom serve runs a node"),
            ("bucket", "strongroom bucket: no command of it given; strongroom bucket --help lists them"),
            (
                "permission policy --json",
                "strongroom permission policy: no command of it given; strongroom permission policy --help lists them",
            ),
            ("fsc", "unrecognized subcommand 'fsc'; tip: a similar subcommand exists: 'fsck'; see --help"),
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
