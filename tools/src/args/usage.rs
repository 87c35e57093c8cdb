//! The command line of `strongroom usage`.

use clap::Subcommand;

pub(super) const HELP: &str = "\
Example: strongroom usage current
         strongroom usage monthly --from 2026-10";

#[derive(Debug, Subcommand)]
pub(crate) enum UsageCommand {
    /// Print what the account's buckets hold now
    #[command(after_help = "Example: strongroom usage current")]
    Current,
    /// Print what the account's buckets held, month by month, deleted ones too
    #[command(after_help = "Example: strongroom usage monthly --from 2026-10 --to 2026-11")]
    Monthly {
        /// The first month [default: this one]
        #[arg(long, value_name = "YYYY-MM")]
        from: Option<String>,
        /// The last month; at most 24 months are printed [default: this one]
        #[arg(long, value_name = "YYYY-MM")]
        to: Option<String>,
    },
}
