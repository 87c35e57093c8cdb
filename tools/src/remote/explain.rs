//! `strongroom policy explain --as NAME`: why a node would decide a request of a caller that it knows as it would, without the request being made.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::node::{Call, Node, parse};
use crate::args::PolicyExplain;
use crate::failure::Failure;
use crate::output::{self, Paint};
use crate::policy::{Trace, request_of};
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
    deciding: Option<Statement>,
    nearly: Vec<Statement>,
    nearly_omitted: u64,
    insufficient: Vec<Statement>,
}

/// A statement, where it stands, and how the request compares to it.
#[derive(Deserialize)]
struct Statement {
    policy: String,
    role: String,
    sid: String,
    line: u64,
    #[serde(flatten)]
    trace: Trace,
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
    if let Some(deciding) = &explanation.deciding {
        let verb = if deciding.trace.effect == "Allow" { "allowed" } else { "denied" };
        write_statement(&mut text, verb, "", deciding, paint);
    }
    for statement in &explanation.insufficient {
        write_statement(&mut text, "allowed", ", which is not enough", statement, paint);
    }
    for statement in &explanation.nearly {
        write_statement(&mut text, "nearly allowed", "", statement, paint);
    }
    if explanation.nearly_omitted > 0 {
        text.push_str(&format!("\nand {} that come less near\n", counted(explanation.nearly_omitted, "statement")));
    }
    text
}

fn write_statement(text: &mut String, verb: &str, but: &str, it: &Statement, paint: Paint) {
    let of = if it.role == "bucket" { it.policy.clone() } else { format!("permission {:?}", it.policy) };
    let heading = format!("{verb} by statement {} of {of}, line {}{but}", it.sid, it.line);
    text.push_str(&format!("\n{}\n", paint.bold(&visible_line(&heading))));
    for remark in it.trace.remarks(&[]) {
        text.push_str(&format!("  {}\n", remark.line(paint)));
    }
}
