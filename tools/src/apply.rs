//! `strongroom apply` and `strongroom state`: a node's declared accounts, permissions, keys and buckets, sent and printed.
//!
//! The node compares and changes; these commands bring it the file and show what it says.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;

use crate::admin::{Answer, Request, call_node};
use crate::args::{Apply, Local};
use crate::configure;
use crate::failure::{Exit, Failure};
use crate::input::{self, STATE_BYTES_MAX};
use crate::output::{self, Paint, visible};

/// The node's answer to a state.
#[derive(Debug, Deserialize)]
struct Applied {
    /// One line for each change, starting with `+`, `-` or `~`.
    changes: Vec<String>,
    /// What was left as it is and would deserve a look.
    #[serde(default)]
    notes: Vec<String>,
    applied: bool,
}

/// The node's answer to what it refuses.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// Sends a state file and prints what changes.
pub(crate) fn apply(arguments: &Apply, json: bool) -> Result<ExitCode, Failure> {
    let data = data_directory(&arguments.local)?;
    let name =
        if arguments.file == Path::new("-") { "standard input".into() } else { arguments.file.display().to_string() };
    let text = input::read_text(&arguments.file, STATE_BYTES_MAX)
        .map_err(|error| Failure::usage(format!("state file {name}: {error}")))?;
    let target = format!("/apply?dryRun={}&prune={}", arguments.dry_run, arguments.prune);
    let headers = [("x-strongroom-state-name", header_value(&name)), ("content-type", content_type(&name).into())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let request =
        Request { method: "POST", target: &target, host: "strongroom", headers: &headers, body: text.as_bytes() };
    let body = accepted(call_node(&data, request)?, &name)?;
    if json {
        output::print(&body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let applied: Applied = serde_json::from_str(&body).map_err(|error| not_understood(&error))?;
    output::print(&report(&applied, Paint::for_stdout()))?;
    for note in &applied.notes {
        output::warn(note);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the state of a node: indented for people and files, in one line with `--json`. Policies in it are strings, so that they keep their bytes either way.
pub(crate) fn state(arguments: &Local, json: bool) -> Result<ExitCode, Failure> {
    let data = data_directory(arguments)?;
    let request = Request { method: "GET", target: "/state", host: "strongroom", headers: &[], body: b"" };
    let body = accepted(call_node(&data, request)?, "state")?;
    if json {
        output::print(&body)?;
    } else {
        let state: serde_json::Value = serde_json::from_str(&body).map_err(|error| not_understood(&error))?;
        output::print_json(&state)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn data_directory(local: &Local) -> Result<PathBuf, Failure> {
    configure::data_directory(&configure::local_settings(local)?)
}

pub(crate) fn not_understood(error: &serde_json::Error) -> Failure {
    Failure::failed(format!("the node's answer is not understood: {error}"))
}

fn content_type(name: &str) -> &'static str {
    if name.ends_with(".toml") { "application/toml" } else { "application/json" }
}

/// A file name as a header's value: what can't stand there is percent-encoded.
fn header_value(name: &str) -> String {
    let mut value = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' || byte == b' ' {
            value.push(byte as char);
        } else {
            value.push_str(&format!("%{byte:02X}"));
        }
    }
    value
}

/// The body of a 2xx answer, else the refusal as this program's error.
pub(crate) fn accepted(answer: Answer, input: &str) -> Result<String, Failure> {
    let text = String::from_utf8(answer.body).map_err(|_| Failure::failed("the node's answer is not UTF-8"))?;
    if (200..300).contains(&answer.status) {
        return Ok(text);
    }
    let exit = match answer.status {
        401 | 403 => Exit::Denied,
        404 => Exit::NotFound,
        409 | 412 => Exit::Conflict,
        _ => Exit::Failed,
    };
    let message = match serde_json::from_str::<Refusal>(&text) {
        Ok(refusal) if refusal.message.is_empty() => format!("{input}: refused: {}", refusal.code),
        Ok(refusal) if refusal.message.contains(input) => refusal.message,
        Ok(refusal) => format!("{input}: {}", refusal.message),
        Err(_) => format!("{input}: the node answered {} without saying why", answer.status),
    };
    Err(Failure { exit, message })
}

fn report(applied: &Applied, paint: Paint) -> String {
    let mut text = String::new();
    for change in &applied.changes {
        let change = visible(change);
        text.push_str(&match change.as_bytes().first() {
            Some(b'+') => paint.green(&change),
            Some(b'-') => paint.red(&change),
            Some(b'~') => paint.yellow(&change),
            _ => change,
        });
        text.push('\n');
    }
    let changes = match applied.changes.len() {
        0 => return "nothing to change\n".into(),
        1 => "1 change".to_owned(),
        many => format!("{many} changes"),
    };
    let outcome = if applied.applied { "applied" } else { "would be applied; nothing was changed" };
    format!("{text}{changes} {outcome}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_node_s_message_with_its_exit_code() {
        let refused = |status, body: &str| {
            let failure = accepted(Answer { status, body: body.into() }, "s.json").unwrap_err();
            (failure.exit, failure.to_string())
        };
        assert_eq!(
            refused(422, r#"{"code": "InvalidState", "message": "line 3: unknown field"}"#),
            (Exit::Failed, "s.json: line 3: unknown field".into())
        );
        assert_eq!(
            refused(409, r#"{"code": "PermissionInUse", "message": "s.json: in use"}"#),
            (Exit::Conflict, "s.json: in use".into())
        );
        assert_eq!(refused(403, "<html>"), (Exit::Denied, "s.json: the node answered 403 without saying why".into()));
        assert_eq!(
            refused(404, r#"{"code": "NoSuchAccount", "message": ""}"#),
            (Exit::NotFound, "s.json: refused: NoSuchAccount".into())
        );
    }

    #[test]
    fn changes_are_counted_and_control_characters_shown() {
        let plain = Paint::for_stdout();
        assert!(!plain.is_on(), "tests have no terminal");
        let applied =
            Applied { changes: vec!["+ bucket \"a\u{1b}[2J\"".into(), "- key".into()], notes: vec![], applied: true };
        assert_eq!(report(&applied, plain), "+ bucket \"a\\u{1b}[2J\"\n- key\n2 changes applied\n");
        let dry = Applied { changes: vec!["~ x".into()], notes: vec![], applied: false };
        assert_eq!(report(&dry, plain), "~ x\n1 change would be applied; nothing was changed\n");
        assert_eq!(report(&Applied { changes: vec![], notes: vec![], applied: true }, plain), "nothing to change\n");
    }

    #[test]
    fn a_file_name_can_t_add_a_header() {
        assert_eq!(header_value("my state.json"), "my state.json");
        assert_eq!(header_value("a\r\nx: y%é"), "a%0D%0Ax: y%25%C3%A9");
    }
}
