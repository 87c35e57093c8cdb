//! `strongroom apply` and `strongroom state`: a node's declared accounts, permissions, keys and buckets, sent and printed.
//!
//! The node compares and changes; these commands bring it the file and show what it says.

mod difference;
mod missing;
mod policies;

use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use crate::args::{Apply, Connection};
use crate::failure::{Exit, Failure};
use crate::input::{self, STATE_BYTES_MAX};
use crate::output::{self, Paint};
use crate::references;
use crate::refusal::parse;
use crate::remote::{Call, Node};
use crate::text::visible;

use difference::Difference;
use missing::missing;

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

/// Sends a state file and prints what changes.
pub(crate) fn apply(arguments: &Apply, json: bool) -> Result<ExitCode, Failure> {
    let node = Node::open_whole(&arguments.connection)?;
    let name =
        if arguments.file == Path::new("-") { "standard input".into() } else { arguments.file.display().to_string() };
    let text = input::read_text(&arguments.file, STATE_BYTES_MAX)
        .map_err(|error| Failure::usage(format!("state file {name}: {error}")))?;
    let text = references::resolve(&name, &arguments.file, text)?;
    // Looked at before anything changes; a program gets the node's own words.
    let states = if json { None } else { states_of(&node, &name, &text)? };
    let call = Call::new("POST", "/state", &name)
        .query("dryRun", arguments.dry_run.to_string())
        .query("prune", arguments.prune.to_string())
        .header("x-strongroom-state-name", header_value(&name))
        .bytes(content_type(&name), text.clone().into_bytes());
    let body = node.text(call).map_err(|failure| {
        // The node names the file as the header does.
        let message = failure.message.replace(&format!("{name}: {}: ", header_value(&name)), &format!("{name}: "));
        let failure = Failure { message, ..failure };
        if json || !matches!(failure.exit, Exit::Failed | Exit::Conflict) {
            return failure;
        }
        let mut details = states.as_ref().map(|(before, declared)| missing(before, declared)).unwrap_or_default();
        details.extend(policies::faults(&name, &text));
        Failure { details, ..failure }
    })?;
    if json {
        output::print(&body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut difference = states.map(|(before, declared)| Difference::new(&before, &declared));
    let applied: Applied = parse(&body)?;
    output::print(&report(&applied, difference.as_mut(), Paint::for_stdout()))?;
    for note in &applied.notes {
        output::warn(note);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the state of a node: indented for people and files, in one line with `--json`. Policies in it are strings, so that they keep their bytes either way.
pub(crate) fn state(connection: &Connection, json: bool) -> Result<ExitCode, Failure> {
    let body = Node::open_whole(connection)?.text(Call::new("GET", "/state", "state"))?;
    if json {
        output::print(&body)?;
    } else {
        let state: Value = parse(&body)?;
        output::print_json(&state)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The node's state and the file's, which are compared; none of a file that isn't understood, which the node will refuse with the place of its fault.
fn states_of(node: &Node, name: &str, text: &str) -> Result<Option<(Value, Value)>, Failure> {
    let declared: Option<Value> =
        if is_toml(name) { toml::from_str(text).ok() } else { serde_json::from_str(text).ok() };
    let Some(declared) = declared else { return Ok(None) };
    match node.read::<Value>(Call::new("GET", "/state", name)) {
        Ok(before) => Ok(Some((before, declared))),
        // Who may not see the state may perhaps not apply one either: the node says so.
        Err(failure) if failure.exit == Exit::Denied => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// As the node tells TOML from JSON.
fn is_toml(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".toml")
}

fn content_type(name: &str) -> &'static str {
    if is_toml(name) { "application/toml" } else { "application/json" }
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

fn report(applied: &Applied, mut difference: Option<&mut Difference>, paint: Paint) -> String {
    let mut text = String::new();
    let mut write = |indent: &str, line: &str| {
        let line = visible(line);
        let painted = match line.trim_start().as_bytes().first() {
            Some(b'+') => paint.green(&line),
            Some(b'-') => paint.red(&line),
            Some(b'~') => paint.yellow(&line),
            _ => line,
        };
        text.push_str(&format!("{indent}{painted}\n"));
    };
    for change in &applied.changes {
        write("", change);
        for line in difference.iter_mut().flat_map(|difference| difference.below(change)) {
            write("    ", &line);
        }
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
    fn changes_are_counted_and_control_characters_shown() {
        let plain = Paint::for_stdout();
        assert!(!plain.is_on(), "tests have no terminal");
        let applied =
            Applied { changes: vec!["+ bucket \"a\u{1b}[2J\"".into(), "- key".into()], notes: vec![], applied: true };
        assert_eq!(report(&applied, None, plain), "+ bucket \"a\\u{1b}[2J\"\n- key\n2 changes applied\n");
        let dry = Applied { changes: vec!["~ x".into()], notes: vec![], applied: false };
        assert_eq!(report(&dry, None, plain), "~ x\n1 change would be applied; nothing was changed\n");
        assert_eq!(
            report(&Applied { changes: vec![], notes: vec![], applied: true }, None, plain),
            "nothing to change\n"
        );
    }

    #[test]
    fn a_file_name_can_t_add_a_header() {
        assert_eq!(header_value("my state.json"), "my state.json");
        assert_eq!(header_value("a\r\nx: y%é"), "a%0D%0Ax: y%25%C3%A9");
    }
}
