//! The log: lines on standard error, for people or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::configure::LogFormat;
use crate::output::Paint;

/// Starts logging. `RUST_LOG` narrows or widens what is logged (`RUST_LOG=server=debug`); the default is `info`.
pub(crate) fn start(format: LogFormat) {
    let wanted = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let (filter, mistake) = match wanted.map(|text| EnvFilter::try_new(&text).map_err(|error| (text, error))) {
        None => (EnvFilter::new("info"), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(mistake)) => (EnvFilter::new("info"), Some(mistake)),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            lines.with_ansi(Paint::for_stderr().is_on()).with_target(!std::io::stderr().is_terminal()).init();
        }
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
    if let Some((text, error)) = mistake {
        tracing::warn!("RUST_LOG={text:?} is not used: {error}");
    }
}
