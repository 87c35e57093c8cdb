//! `strongroom policy explain`: why one request is decided as it is.

use std::process::ExitCode;

use policy::{DOCUMENT_BYTES_MAX, Explanation, Outcome};
use serde_json::{Map, Value, json};

use super::read_cases;
use crate::args::PolicyExplain;
use crate::failure::Failure;
use crate::input;
use crate::output::{self, Paint, visible};

pub(super) fn explain(arguments: &PolicyExplain, json: bool) -> Result<ExitCode, Failure> {
    let (case, name) = match &arguments.case {
        Some(file) => (read_cases(file)?, file.display().to_string()),
        None => (case_of(arguments)?.to_string(), "the request".to_owned()),
    };
    let explanation = policy::explain_case(&case).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    if json {
        output::print_json(&explanation)?;
    } else {
        output::print(&explained(&explanation, Paint::for_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The explanation's own text, with its second line, the outcome, coloured.
fn explained(explanation: &Explanation, paint: Paint) -> String {
    let text = visible(&explanation.to_string());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(outcome) = lines.get_mut(1) {
        *outcome = match explanation.decision {
            Outcome::Allow => paint.green(outcome),
            Outcome::ExplicitDeny | Outcome::ImplicitDeny => paint.red(outcome),
        };
    }
    lines.join("\n")
}

/// The case that flags describe: documents as text, so that errors have the lines of the file.
fn case_of(arguments: &PolicyExplain) -> Result<Value, Failure> {
    let missing =
        |flag: &str| Failure::usage(format!("{flag} is missing; give a CASE file or a whole request; see --help"));
    let mut policies = Vec::new();
    for (kind, files) in
        [("identity", &arguments.policy), ("bucket", &arguments.bucket_policy), ("session", &arguments.session_policy)]
    {
        for file in files {
            let document = input::read_text(file, DOCUMENT_BYTES_MAX as u64)
                .map_err(|error| Failure::usage(format!("policy document {}: {error}", file.display())))?;
            policies.push(json!({ "kind": kind, "document": document, "name": file.display().to_string() }));
        }
    }
    Ok(json!({
        "policies": policies,
        "request": {
            "principal": arguments.principal,
            "action": arguments.action.as_ref().ok_or_else(|| missing("--action"))?,
            "resource": arguments.resource.as_ref().ok_or_else(|| missing("--resource"))?,
            "context": context_of(&arguments.context)?,
        },
    }))
}

/// `KEY=VALUE` pairs; a key that is given twice has several values.
fn context_of(pairs: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut context = Map::new();
    for pair in pairs {
        let (key, value) = pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Failure::usage(format!("--context: \"{pair}\": write KEY=VALUE, such as aws:SourceIp=21.21.21.7"))
        })?;
        match context.get_mut(key) {
            None => drop(context.insert(key.to_owned(), json!(value))),
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(single) => *single = json!([single.take(), value]),
        }
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_key_given_twice_has_several_values() {
        let pairs = ["a=1", "b=x=y", "a=2", "a=3"].map(str::to_owned);
        assert_eq!(Value::Object(context_of(&pairs).unwrap()), json!({"a": ["1", "2", "3"], "b": "x=y"}));
        assert!(context_of(&["=x".to_owned()]).is_err());
    }
}
