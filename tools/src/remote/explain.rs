//! `strongroom policy explain --as NAME`: why a node would decide a request of a caller that it knows as it would, without the request being made.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Value, json};

use super::node::{Call, Node, parse};
use crate::args::PolicyExplain;
use crate::failure::Failure;
use crate::output::{self, Paint};
use crate::policy::request_of;
use crate::text::{counted, visible_line};

/// The node's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Simulation {
    allowed: bool,
    decision: String,
    because: String,
    key_status: String,
    explanation: Explanation,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    request: String,
    deciding: Option<Trace>,
    nearly: Vec<Trace>,
    nearly_omitted: u64,
    insufficient: Vec<Trace>,
}

/// A statement, and how the request compares to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    policy: String,
    role: String,
    sid: String,
    line: u64,
    effect: String,
    disabled: bool,
    action_matches: bool,
    principal_matches: bool,
    resource_matches: bool,
    actions: Texts,
    resources: Texts,
    conditions: Vec<Condition>,
    conditions_omitted: u64,
}

#[derive(Deserialize)]
struct Texts {
    shown: Vec<String>,
    omitted: u64,
}

#[derive(Deserialize)]
struct Condition {
    operator: String,
    key: String,
    wanted: Texts,
    found: Value,
    holds: bool,
}

/// Asks the node and prints its answer.
pub(crate) fn explain(arguments: &PolicyExplain, json: bool) -> Result<ExitCode, Failure> {
    let caller = arguments.caller.as_deref().unwrap_or_default();
    let request = request_of(arguments)?;
    for warning in &request.warnings {
        output::warn(warning);
    }
    let (action, resource, context) = (request.action, request.resource, request.context);
    let body = json!({"principal": caller, "action": action, "resource": resource, "context": context});
    let node = Node::open(&arguments.connection)?;
    let answer = node.text(Call::new("POST", "/simulate", format!("caller {caller:?}")).json(&body))?;
    output::print(&if json { answer } else { text_of(&parse(&answer)?, Paint::for_stdout()) })?;
    Ok(ExitCode::SUCCESS)
}

fn text_of(it: &Simulation, paint: Paint) -> String {
    let because = visible_line(&it.because);
    let mut text = match (it.allowed, it.decision.as_str()) {
        (true, _) => format!("{}: {because}\n", paint.green("allowed")),
        (false, "Allow") => {
            // Users are disabled too, and have no key; what expires is a key.
            let status = match it.key_status.as_str() {
                "expired" => "the caller's key has expired".to_owned(),
                status => format!("the caller is {}", visible_line(status)),
            };
            format!("{}: {status}; else it would be allowed: {because}\n", paint.red("denied"))
        }
        (false, "ExplicitDeny") => format!("{}: {because}\n", paint.red("denied by a statement")),
        (false, _) => format!("{}: {because}\n", paint.red("denied")),
    };
    let explanation = &it.explanation;
    text.push_str(&format!("  {}\n", visible_line(&explanation.request)));
    if let Some(trace) = &explanation.deciding {
        let verb = if trace.effect == "Allow" { "allowed" } else { "denied" };
        write_trace(&mut text, verb, "", trace, paint);
    }
    for trace in &explanation.insufficient {
        write_trace(&mut text, "allowed", ", which is not enough", trace, paint);
    }
    for trace in &explanation.nearly {
        write_trace(&mut text, "nearly allowed", "", trace, paint);
    }
    if explanation.nearly_omitted > 0 {
        text.push_str(&format!("\nand {} that come less near\n", counted(explanation.nearly_omitted, "statement")));
    }
    text
}

fn write_trace(text: &mut String, verb: &str, but: &str, trace: &Trace, paint: Paint) {
    let of = if trace.role == "bucket" { trace.policy.clone() } else { format!("permission {:?}", trace.policy) };
    let heading = format!("{verb} by statement {} of {of}, line {}{but}", trace.sid, trace.line);
    text.push_str(&format!("\n{}\n", paint.bold(&visible_line(&heading))));
    let mut remark = |holds: bool, sentence: &str| {
        let label = if holds { paint.green("holds: ") } else { paint.red("fails: ") };
        text.push_str(&format!("  {label}{}\n", visible_line(sentence)));
    };
    match (trace.disabled, trace.effect.as_str()) {
        (true, "Deny") => remark(true, "the permission is disabled, and what it denies stays denied"),
        (true, _) => remark(false, "the permission is disabled"),
        (false, _) => {}
    }
    if !trace.action_matches {
        remark(false, &format!("it doesn't name this action: {}", list(&trace.actions)));
    }
    if !trace.principal_matches {
        remark(false, "it doesn't name this caller");
    }
    if !trace.resource_matches {
        remark(false, &format!("it doesn't name this resource: {}", list(&trace.resources)));
    }
    for condition in &trace.conditions {
        let Condition { operator, key, wanted, found, holds } = condition;
        remark(*holds, &format!("{operator} {key} {}; {}", list(wanted), found_text(found)));
    }
    if trace.conditions_omitted > 0 {
        text.push_str(&format!("  and {}\n", counted(trace.conditions_omitted, "more condition")));
    }
}

/// What the request has under a condition's key.
fn found_text(found: &Value) -> String {
    let values = found.get("values");
    match (found.get("state").and_then(Value::as_str), values) {
        (Some("absent"), _) => "the request has no such key".to_owned(),
        (Some("unreadable"), _) => "the value could not be read".to_owned(),
        (_, Some(Value::String(text))) if text.is_empty() => "the request has an empty text".to_owned(),
        (Some("malformed"), Some(Value::String(text))) => {
            format!("the request has {text}, which is not of the operator's type")
        }
        (_, Some(Value::String(text))) => format!("the request has {text}"),
        (_, Some(values)) => match serde_json::from_value::<Texts>(values.clone()) {
            Ok(texts) if texts.shown.is_empty() => "the request has an empty list".to_owned(),
            Ok(texts) => format!("the request has the list {}", list(&texts)),
            Err(_) => format!("the request has {values}"),
        },
        _ => "the request has another value".to_owned(),
    }
}

fn list(texts: &Texts) -> String {
    let listed = if texts.shown.is_empty() { "no value".to_owned() } else { texts.shown.join(", ") };
    if texts.omitted == 0 { listed } else { format!("{listed} and {} more", texts.omitted) }
}
