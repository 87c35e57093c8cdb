//! `strongroom health`: asks a node whether it is ready, for people, containers and service managers.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::admin::{Request, call_host};
use crate::args::Health;
use crate::configure;
use crate::failure::Failure;
use crate::output::{self, visible};
use crate::settings::{Settings, Surroundings, Values};

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
struct Report<'a> {
    url: &'a str,
    status: u16,
    state: &'a str,
}

/// Exit 0 when the node serves reads (its answer is 200), with what it says of itself: `ok`, `read-only` or `damaged`.
pub(crate) fn health(arguments: &Health, json: bool) -> Result<ExitCode, Failure> {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => {
            let settings = Settings::load(&Values::new(), arguments.config.as_deref(), &Surroundings::of_process())?;
            own_url(&settings)?
        }
    };
    let Target { authority, path } = target(&url)?;
    let request = Request { method: "GET", target: &path, host: &authority, headers: &[], body: b"" };
    let address = if has_port(&authority) { authority.clone() } else { format!("{authority}:80") };
    let answer = call_host(&address, request, TIMEOUT).map_err(|error| {
        Failure::failed(format!("{url}: {error}; is the node running, and is this its console or S3 address?"))
    })?;
    let body = String::from_utf8_lossy(&answer.body);
    let state = state_of(&body);
    if answer.status != 200 {
        return Err(Failure::failed(format!("{url} is not ready: {} {state}", answer.status)));
    }
    if json {
        output::print_json(&Report { url: &url, status: answer.status, state })?;
    } else {
        output::print(&visible(state))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The console of the node that these settings describe; a node that listens everywhere is asked on loopback.
fn own_url(settings: &Settings) -> Result<String, Failure> {
    let mut address = configure::console_address(settings)?;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let scheme = if configure::tls(settings)?.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{address}"))
}

struct Target {
    authority: String,
    path: String,
}

/// Splits a URL; one without a path asks `/health/ready`.
fn target(url: &str) -> Result<Target, Failure> {
    if url.starts_with("https://") {
        return Err(Failure::usage(format!("{url}: only http:// can be asked")));
    }
    let form = || Failure::usage(format!("{url}: write a URL such as http://127.0.0.1:9001"));
    let rest = url.strip_prefix("http://").ok_or_else(form)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let fit = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if authority.is_empty() || authority.contains('@') || !fit(authority) || !fit(path) {
        return Err(form());
    }
    let path = if path.is_empty() { "/health/ready".into() } else { format!("/{path}") };
    Ok(Target { authority: authority.to_owned(), path })
}

fn has_port(authority: &str) -> bool {
    let after_address = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    after_address.contains(':')
}

/// The first line, since a body may go on for machines.
fn state_of(body: &str) -> &str {
    body.lines().next().unwrap_or_default().trim()
}
