//! The log: lines on standard error, for people or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::configure::LogFormat;
use crate::output::Paint;

/// Starts logging. `RUST_LOG` narrows or widens what is logged (`RUST_LOG=server=debug`); what it doesn't name is logged from `info` on.
pub(crate) fn start(format: LogFormat) {
    let wanted = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()).unwrap_or_default();
    let (filter, mistake) = match filter(&wanted) {
        Ok(filter) => (filter, None),
        Err(mistake) => (Targets::new().with_default(LevelFilter::INFO), Some(mistake)),
    };
    // The filter decides alone.
    let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(Paint::for_stderr().is_on()).with_target(!std::io::stderr().is_terminal());
            lines.finish().with(filter).init();
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            lines.finish().with(filter).init();
        }
    }
    if let Some(error) = mistake {
        tracing::warn!("RUST_LOG={wanted:?} is not used: {error}");
    }
}

/// Levels by module: `server=debug,warn`. No patterns on spans and fields, whose matcher would be a twentieth of the binary.
fn filter(wanted: &str) -> Result<Targets, ParseError> {
    // The empty text is read as a module without a name.
    let filter: Targets = if wanted.is_empty() { Targets::new() } else { wanted.parse()? };
    Ok(if filter.default_level().is_some() { filter } else { filter.with_default(LevelFilter::INFO) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn what_is_not_named_is_logged_from_info_on() {
        let logged = |wanted: &str, target: &str, level| filter(wanted).unwrap().would_enable(target, &level);
        assert!(logged("", "engine", Level::INFO) && !logged("", "engine", Level::DEBUG));
        assert!(logged("server=debug", "server::node", Level::DEBUG));
        assert!(logged("server=debug", "engine", Level::INFO) && !logged("server=debug", "engine", Level::DEBUG));
        assert!(logged("warn,server=off", "engine", Level::WARN) && !logged("warn,server=off", "engine", Level::INFO));
        assert!(!logged("warn,server=off", "server", Level::ERROR));
        assert!(filter("server=loud").is_err());
    }
}
