//! Measures a node, alone or beside any other S3 endpoint: `cargo run --release -p benches -- node`.
//!
//! Speed is promised as ratios on one machine in one run; this is where the ratios come from. People run it and read it; nothing is asserted.
//!
//! Read bottom up: `sign`, `content` and `http` make one request cheap, `load` sends many, `process` and `machine` watch, `limits` bounds, `work` takes turns, `node`, `identities` and `upkeep` have what only a node of ours does, `run` decides what is run, `report` shows it. `engine` measures the storage engine by itself, `shape` and `decide` the policy engine.

mod arguments;
mod bare;
mod callers;
mod content;
mod decide;
mod engine;
mod fact;
mod failure;
mod http;
mod identities;
mod limits;
mod load;
mod machine;
mod node;
mod process;
mod report;
mod run;
mod shape;
mod sign;
mod target;
mod upkeep;
mod work;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{Arguments, Command, Common, Endpoint};
use crate::failure::{Context, Failure, Result};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Node(common) => measure(&common, None),
        Command::Compare { endpoint, common } => measure(&common, Some(&endpoint)),
        Command::Decide(arguments) => decide::run(&arguments),
        Command::Engine(arguments) => engine::run(&arguments),
        Command::Bare => bare::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(common: &Common, other: Option<&Endpoint>) -> Result<()> {
    // One thread: the server is to have the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = run::run(common, other) => report,
            // Dropping the run kills its servers and removes their data.
            interrupted = interruption() => interrupted.and_then(|()| Err(Failure::new("interrupted"))),
        }
    })?;
    print!("{}", report.text());
    if let Some(path) = &common.turns.json {
        std::fs::write(path, format!("{:#}\n", report.json())).context(format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Ends when someone asks for the end of the run.
async fn interruption() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
