//! `strongroom health`: asks a node whether it is ready, for people, containers and service managers.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::args::{Health, Local};
use crate::configure;
use crate::failure::Failure;
use crate::http::{Answer, Request};
use crate::output;
use crate::remote::Endpoint;
use crate::socket::{SOCKET_FILE, call_node};
use crate::text::visible;

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
        Some(url) => (url.clone(), ask_url(url, arguments.ca.as_deref())?),
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

/// Asks what stands at a URL; one without a path is asked for `/health/ready`.
fn ask_url(url: &str, ca: Option<&Path>) -> Result<Answer, Failure> {
    let endpoint = Endpoint::open(url, ca)?;
    let target = if endpoint.has_path() { "" } else { READY_PATH };
    let request = Request { method: "GET", target, host: "", headers: &[], body: b"" };
    endpoint.call_within(request, TIMEOUT, TIMEOUT)
}

/// Asks the node that the settings describe: through its socket, which needs no certificate, else at its console's address.
fn ask_own_node(local: &Local) -> Result<(String, Answer), Failure> {
    let settings = configure::local_settings(local)?;
    let data = configure::data_directory(&settings)?;
    let request = Request { method: "GET", target: READY_PATH, host: "strongroom", headers: &[], body: b"" };
    let url = configure::console_url(&settings)?;
    match call_node(&data, request) {
        // A node that answers 404 there knows its health only over HTTP.
        Ok(answer) if answer.status != 404 => Ok((data.join(SOCKET_FILE).display().to_string(), answer)),
        // Another node may listen on the default address: the answer would be about that one. And a certificate is for those who know the node by its name.
        Err(failure) if local.data.is_some() || url.starts_with("https://") => Err(failure),
        Ok(_) | Err(_) => ask_url(&url, None).map(|answer| (url, answer)),
    }
}

/// The first line, since a body may go on for machines.
fn state_of(body: &str) -> &str {
    body.lines().next().unwrap_or_default().trim()
}
