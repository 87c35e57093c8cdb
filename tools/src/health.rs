//! `strongroom health`: asks a node whether it is ready, for people, containers and service managers.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::admin::{Answer, Request, SOCKET_FILE, call_host, call_node};
use crate::args::{Health, Local};
use crate::configure;
use crate::failure::Failure;
use crate::output::{self, visible};
use crate::settings::Settings;

const TIMEOUT: Duration = Duration::from_secs(5);
const READY_PATH: &str = "/health/ready";

#[derive(Debug, Serialize)]
struct Report<'a> {
    url: &'a str,
    status: u16,
    state: &'a str,
}

/// Exit 0 when the node serves reads (its answer is 200), with what it says of itself: `ok`, `read-only` or `damaged`.
pub(crate) fn health(arguments: &Health, json: bool) -> Result<ExitCode, Failure> {
    let (url, answer) = match &arguments.url {
        Some(url) => (url.clone(), ask_url(url)?),
        None => ask_own_node(&arguments.local)?,
    };
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

fn ask_url(url: &str) -> Result<Answer, Failure> {
    let Target { authority, path } = target(url)?;
    let request = Request { method: "GET", target: &path, host: &authority, headers: &[], body: b"" };
    let address = if has_port(&authority) { authority.clone() } else { format!("{authority}:80") };
    call_host(&address, request, TIMEOUT).map_err(|error| {
        Failure::failed(format!("{url}: {error}; is the node running, and is this its console or S3 address?"))
    })
}

/// Asks the node that the settings describe: through its socket, which needs no certificate, else at its console's address.
fn ask_own_node(local: &Local) -> Result<(String, Answer), Failure> {
    let settings = configure::local_settings(local)?;
    let data = configure::data_directory(&settings)?;
    let request = Request { method: "GET", target: READY_PATH, host: "strongroom", headers: &[], body: b"" };
    match call_node(&data, request) {
        // A node that answers 404 there knows its health only over HTTP.
        Ok(answer) if answer.status != 404 => Ok((data.join(SOCKET_FILE).display().to_string(), answer)),
        // Another node may listen on the default address: the answer would be about that one.
        Err(failure) if local.data.is_some() => Err(failure),
        Ok(_) | Err(_) => {
            let url = own_url(&settings)?;
            ask_url(&url).map(|answer| (url, answer))
        }
    }
}

/// The console of the node that these settings describe; a node that listens everywhere is asked on loopback.
pub(crate) fn own_url(settings: &Settings) -> Result<String, Failure> {
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
        return Err(Failure::usage(format!(
            "{url}: only http:// can be asked; on the node's own machine leave the URL out"
        )));
    }
    let form = || Failure::usage(format!("{url}: write a URL such as http://127.0.0.1:9001"));
    let rest = url.strip_prefix("http://").ok_or_else(form)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let fit = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if authority.is_empty() || authority.contains('@') || !fit(authority) || !fit(path) {
        return Err(form());
    }
    let path = if path.is_empty() { READY_PATH.into() } else { format!("/{path}") };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Values;

    #[test]
    fn a_url_without_a_path_asks_for_readiness() {
        let parts = |url: &str| target(url).map(|target| (target.authority, target.path)).map_err(|error| error.exit);
        assert_eq!(parts("http://127.0.0.1:9001"), Ok(("127.0.0.1:9001".into(), READY_PATH.into())));
        assert_eq!(parts("http://[::1]:9001/"), Ok(("[::1]:9001".into(), READY_PATH.into())));
        assert_eq!(parts("http://host/health/live"), Ok(("host".into(), "/health/live".into())));
        for wrong in ["host", "http://", "http://a b", "http://a\r\nx: y", "https://host", "http://u@host"] {
            assert_eq!(parts(wrong), Err(crate::failure::Exit::Usage), "{wrong}");
        }
        assert!(has_port("[::1]:1") && has_port("a:1") && !has_port("[::1]") && !has_port("a"));
    }

    #[test]
    fn a_node_that_listens_everywhere_is_asked_on_loopback() {
        let url = |name: &'static str, value: &str| {
            let flags = Values::from([(name, vec![value.into()])]);
            own_url(&Settings::from_flags(&flags)).unwrap()
        };
        assert_eq!(url("console", "0.0.0.0:7"), "http://127.0.0.1:7");
        assert_eq!(url("console", "[::]:7"), "http://[::1]:7");
        assert_eq!(url("tls-self-signed", "true"), "https://127.0.0.1:9001");
    }
}
