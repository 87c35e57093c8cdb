//! The command line.
//!
//! Everything that changes what is measured is an argument, and the defaults are what published numbers are taken with.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures a Strongroom node, alone or beside another S3 endpoint. Numbers are printed and written, never judged.
#[derive(Debug, Parser)]
#[command(name = "benches")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Our node against bare hyper and this machine's limits, with starts, recovery, memory and disk.
    Node(Common),
    /// The same with any other S3 endpoint taking its turn in each round.
    Compare {
        #[command(flatten)]
        endpoint: Endpoint,
        #[command(flatten)]
        common: Common,
    },
    /// The policy engine alone: what a decision costs, over policies of many sizes and shapes.
    Decide(Decide),
    /// The storage engine alone: durable puts beside the disk's own rate, lists, and an index made anew.
    Engine(Engine),
    /// Serve fixed bytes from bare hyper, as the limit that nodes are set in relation to.
    #[command(hide = true)]
    Bare,
}

/// What every command that measures on a disk takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Turns {
    /// Where stores are made, in a temporary directory; use the disk to be measured.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub(crate) directory: PathBuf,
    /// How often each server, or each work, gets its turn.
    #[arg(long, default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) rounds: usize,
    /// How long a turn lasts, in seconds; large puts end after four objects.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Write what was measured as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The strongroom binary.
    #[arg(long, value_name = "PATH", default_value = "target/release/strongroom")]
    pub(crate) bin: PathBuf,
    /// Further argument of `strongroom serve`; may be given again.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) serve_arg: Vec<String>,
    /// What our node does before it acknowledges a write.
    #[arg(long, default_value = "strict", value_parser = ["strict", "relaxed"])]
    pub(crate) durability: String,
    /// Objects in the bucket that is listed and recovered.
    #[arg(long, default_value_t = 100_000, value_parser = RangedU64ValueParser::<usize>::new().range(2_000..=1_000_000))]
    pub(crate) objects: usize,
    /// Length of the object that is streamed, in GiB; S3 takes at most 5 in one put.
    #[arg(long, value_name = "GIB", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=5))]
    pub(crate) stream_gibibytes: u64,
    /// Do only these parts; may be given again.
    #[arg(long, value_enum)]
    pub(crate) only: Vec<Part>,
    #[command(flatten)]
    pub(crate) turns: Turns,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Decide {
    /// How often each shape gets its turn.
    #[arg(long, default_value_t = 11, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) rounds: usize,
    /// How long a turn lasts, in seconds.
    #[arg(long, default_value_t = 0.05, value_parser = turn_seconds)]
    pub(crate) seconds: f64,
    /// Write everything as JSON, each round included.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Engine {
    /// Prefixes with 10, with 100 and with 1,000 keys each, in the store that is listed and rebuilt.
    #[arg(long, default_value_t = 1000, value_parser = RangedU64ValueParser::<usize>::new().range(2..=1000))]
    pub(crate) prefixes: usize,
    #[command(flatten)]
    pub(crate) turns: Turns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Rates of disk, memory and hashes.
    Limits,
    /// Gets and puts of 4 KiB.
    Small,
    /// Gets and puts of 1 MiB and 64 MiB.
    Large,
    /// Gets of 4 KiB by callers with policies of 1, 100 and 1,000 statements.
    Policies,
    /// Starts, gets, changes and lists with 10,000 permissions and service accounts.
    Identities,
    /// Pages of lists.
    List,
    /// Starts on an empty directory and after kill -9.
    Start,
    /// Peak memory of a long stream.
    Memory,
    /// Puts beside compaction and scrub, and puts of random keys for ten memtables.
    Upkeep,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Endpoint {
    /// The other server: http://HOST:PORT. Two buckets are made there and removed in the end.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: String,
    /// What the table calls it.
    #[arg(long, default_value = "other")]
    pub(crate) name: String,
    /// Its access key.
    #[arg(long, env = "AWS_ACCESS_KEY_ID")]
    pub(crate) access_key: String,
    /// Its secret key.
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub(crate) secret_key: String,
    /// The region in its signatures.
    #[arg(long, default_value = "us-east-1")]
    pub(crate) region: String,
    /// Its process on this machine, for its processor time.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.05 to 600, shorter than a signature is valid".into()),
    }
}

fn turn_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.001 to 60".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
