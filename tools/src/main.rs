//! The `strongroom` binary: the node and every command around it.
//!
//! It reads the command line, the environment and files, speaks to people and to systemd, and leaves the work to the libraries: `server` runs a node, `policy` judges documents.

mod apply;
mod args;
mod backup;
mod broken;
mod config;
mod configure;
mod documents;
mod ended;
mod examine;
mod failure;
mod health;
mod http;
mod inherit;
mod input;
mod job;
mod logging;
mod maintain;
mod notify;
mod output;
mod policy;
mod ready;
mod references;
mod refusal;
mod remote;
mod serve;
mod settings;
mod size;
mod socket;
mod test;
mod text;

use std::process::ExitCode;

use args::{Asked, Command};
use failure::Failure;

/// What to do about a data directory that a command gave up on.
const CHECK_IT: &str = "check the data directory with strongroom fsck";

fn main() -> ExitCode {
    let done = match args::parse(std::env::args_os()) {
        Ok(Asked::Command(cli)) => run(*cli),
        Ok(Asked::Print(text)) => output::print(&text).map(|()| ExitCode::SUCCESS),
        Err(failure) => Err(failure),
    };
    done.unwrap_or_else(|failure| {
        output::complain(&failure);
        ExitCode::from(failure.exit as u8)
    })
}

fn run(cli: args::Cli) -> Result<ExitCode, Failure> {
    let json = cli.json;
    match cli.command {
        Command::Serve(arguments) => serve::serve(arguments, json),
        Command::Test(arguments) => test::test(arguments),
        Command::Policy { command: args::Policy::Explain(arguments) } if arguments.caller.is_some() => {
            remote::explain(&arguments, json)
        }
        Command::Policy { command } => policy::policy(command, json),
        Command::Permission(noun) => remote::permission(&noun, json),
        Command::ServiceAccount(noun) => remote::service_account(&noun, json),
        Command::User(noun) => remote::user(&noun, json),
        Command::Account(noun) => remote::account(&noun, json),
        Command::Bucket(noun) => remote::bucket(&noun, json),
        Command::Usage(noun) => remote::usage(&noun, json),
        Command::Audit(noun) => remote::audit(&noun, json),
        Command::Status(connection) => remote::status(&connection, json),
        Command::Apply(arguments) => apply::apply(&arguments, json),
        Command::State(arguments) => apply::state(&arguments, json),
        Command::Fsck(arguments) => examine::fsck(&arguments, json),
        Command::Inspect(arguments) => broken::guarded(CHECK_IT, || examine::inspect(&arguments, json)),
        Command::Scrub(arguments) => broken::guarded(CHECK_IT, || maintain::scrub(&arguments, json)),
        Command::Compact(arguments) => broken::guarded(CHECK_IT, || maintain::compact(&arguments, json)),
        Command::Backup(arguments) => broken::guarded(CHECK_IT, || backup::backup(&arguments, json)),
        Command::Restore(arguments) => broken::guarded(CHECK_IT, || backup::restore(&arguments, json)),
        Command::Completions { shell } => documents::completions(shell),
        Command::Man { output } => documents::man(output.as_deref()),
        Command::Config { command } => config::config(command, json),
        Command::Health(arguments) => health::health(&arguments, json),
    }
}
