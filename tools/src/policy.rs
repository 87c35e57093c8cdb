//! `strongroom policy check | eval | explain`: brings documents and cases to the policy crate and its answers to people and programs.
//!
//! What is valid and what is allowed is decided there; here are files, text and exit codes.

use std::path::Path;
use std::process::ExitCode;

use policy::{DOCUMENT_BYTES_MAX, Dialect, Explanation, Level, Outcome, ParseOptions, PolicyError, PolicyKind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::args::{self, PolicyCheck, PolicyEval, PolicyExplain};
use crate::failure::{Exit, Failure};
use crate::input::{self, CASES_BYTES_MAX};
use crate::output::{self, Paint, visible};

pub(crate) fn policy(command: args::Policy, json: bool) -> Result<ExitCode, Failure> {
    match command {
        args::Policy::Check(arguments) => match &arguments.batch {
            Some(cases) => check_batch(cases, arguments.bucket.as_deref()),
            None => check(&arguments, json),
        },
        args::Policy::Eval(arguments) => eval(&arguments),
        args::Policy::Explain(arguments) => explain(&arguments, json),
    }
}

/// What was found in one document.
#[derive(Debug, Serialize)]
struct Report {
    valid: bool,
    /// The first error in the words of the dialect; null for a valid document.
    message: Option<String>,
    errors: Vec<PolicyError>,
    /// What is valid and still deserves a look.
    findings: Vec<Value>,
}

fn report(document: &[u8], kind: PolicyKind, dialect: Dialect, bucket: Option<&str>) -> Report {
    let bucket = bucket.filter(|_| kind == PolicyKind::Bucket);
    match policy::parse(document, ParseOptions { kind, dialect, bucket, level: Level::Storage }) {
        Ok(_) => Report { valid: true, message: None, errors: Vec::new(), findings: Vec::new() },
        Err(refused) => {
            Report { valid: false, message: Some(refused.message), errors: refused.errors, findings: Vec::new() }
        }
    }
}

fn check(arguments: &PolicyCheck, json: bool) -> Result<ExitCode, Failure> {
    let file = arguments.file.as_deref().ok_or_else(|| Failure::usage("no policy document given"))?;
    // One byte more than the language takes, so that the parser itself says that a document is too long.
    let document = input::read_start(file, DOCUMENT_BYTES_MAX as u64 + 1)
        .map_err(|error| Failure::usage(format!("policy document {}: {error}", file.display())))?;
    let (kind, dialect) = (kind_of(arguments.kind), dialect_of(arguments.dialect));
    if dialect == Dialect::Lyve && kind != PolicyKind::Identity {
        return Err(Failure::usage("--dialect lyve is for permission files: it goes with --kind identity only"));
    }
    if arguments.bucket.is_some() && kind != PolicyKind::Bucket {
        return Err(Failure::usage("--bucket goes with --kind bucket or --batch only"));
    }
    let report = report(&document, kind, dialect, arguments.bucket.as_deref());
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&text_of(&report, &file.display().to_string(), Paint::for_stdout()))?;
    }
    Ok(if report.valid { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

/// `FILE:LINE:COLUMN: error: ...` as compilers say it, so that editors find the place; the dialect's own message last.
fn text_of(report: &Report, file: &str, paint: Paint) -> String {
    let file = visible(file);
    let Some(message) = &report.message else { return format!("{file}: {}\n", paint.green("valid")) };
    let mut text = String::new();
    for error in &report.errors {
        let place = paint.bold(&format!("{file}:{}:{}:", error.line, error.column));
        text.push_str(&format!("{place} {} {}\n", paint.red("error:"), visible(&error.message)));
        if let Some(suggestion) = &error.suggestion {
            text.push_str(&format!("    did you mean {}?\n", paint.green(&visible(suggestion))));
        }
        if !error.resolution.is_empty() {
            text.push_str(&format!("    {}\n", visible(&error.resolution)));
        }
    }
    text.push_str(&format!("{file}: {} {}\n", paint.red("not valid:"), visible(message)));
    text
}

/// One case of `policy check --batch`.
#[derive(Debug, Deserialize)]
struct CheckCase {
    #[serde(default)]
    id: Value,
    document_text: String,
    #[serde(default)]
    dialect: Option<Dialect>,
    #[serde(default)]
    kind: Option<PolicyKind>,
    bucket: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum CheckAnswer {
    Checked {
        id: Value,
        #[serde(flatten)]
        report: Report,
    },
    /// The case itself is malformed.
    Refused { id: Value, error: String },
}

fn check_batch(cases: &Path, bucket: Option<&str>) -> Result<ExitCode, Failure> {
    let text = read_cases(cases)?;
    let cases_raw: Vec<&RawValue> = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{}: not an array of cases: {error}", cases.display())))?;
    let answers: Vec<CheckAnswer> = cases_raw.into_iter().map(|case| check_case(case.get(), bucket)).collect();
    output::print_json(&answers)?;
    Ok(ExitCode::SUCCESS)
}

fn check_case(text: &str, bucket: Option<&str>) -> CheckAnswer {
    match serde_json::from_str::<CheckCase>(text) {
        Ok(case) => {
            let (kind, dialect) = (case.kind.unwrap_or(PolicyKind::Identity), case.dialect.unwrap_or(Dialect::Aws));
            let bucket = case.bucket.as_deref().or(bucket);
            CheckAnswer::Checked { id: case.id, report: report(case.document_text.as_bytes(), kind, dialect, bucket) }
        }
        Err(error) => {
            // The id, where there is one, still says which case it was.
            let id = serde_json::from_str::<Value>(text).ok().and_then(|case| case.get("id").cloned());
            CheckAnswer::Refused { id: id.unwrap_or_default(), error: error.to_string() }
        }
    }
}

fn eval(arguments: &PolicyEval) -> Result<ExitCode, Failure> {
    let text = read_cases(&arguments.cases)?;
    let answers =
        policy::eval_cases(&text).map_err(|error| Failure::usage(format!("{}: {error}", arguments.cases.display())))?;
    output::print(&answers)?;
    Ok(ExitCode::SUCCESS)
}

fn explain(arguments: &PolicyExplain, json: bool) -> Result<ExitCode, Failure> {
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

fn read_cases(file: &Path) -> Result<String, Failure> {
    input::read_text(file, CASES_BYTES_MAX)
        .map_err(|error| Failure::usage(format!("case file {}: {error}", file.display())))
}

fn kind_of(kind: args::PolicyKind) -> PolicyKind {
    match kind {
        args::PolicyKind::Identity => PolicyKind::Identity,
        args::PolicyKind::Bucket => PolicyKind::Bucket,
        args::PolicyKind::Session => PolicyKind::Session,
    }
}

fn dialect_of(dialect: args::PolicyDialect) -> Dialect {
    match dialect {
        args::PolicyDialect::Aws => Dialect::Aws,
        args::PolicyDialect::Lyve => Dialect::Lyve,
    }
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
