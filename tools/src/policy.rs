//! `strongroom policy check | eval | explain`: brings documents and cases to the policy crate and its answers to people and programs.
//!
//! What is valid and what is allowed is decided there; here are files, text and exit codes.

use std::path::Path;
use std::process::ExitCode;

use policy::{
    CheckReport, DOCUMENT_BYTES_MAX, Dialect, Explanation, Level, Outcome, ParseOptions, PolicyKind, Severity,
};
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
    let bucket = arguments.bucket.as_deref();
    let report = policy::check(&document, ParseOptions { kind, dialect, bucket, level: Level::Storage });
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&text_of(&report, &file.display().to_string(), Paint::for_stdout()))?;
    }
    Ok(if report.valid { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

/// `FILE:LINE:COLUMN: error: ...` as compilers say it, so that editors find the place; the verdict last, for a refused document in the dialect's own words.
fn text_of(report: &CheckReport, file: &str, paint: Paint) -> String {
    let file = visible(file);
    let mut text = String::new();
    let mut line = |place: (u32, u32), label: String, message: &str, advice: &str| {
        let place = paint.bold(&format!("{file}:{}:{}:", place.0, place.1));
        text.push_str(&format!("{place} {label} {}\n", visible(message)));
        if !advice.is_empty() {
            text.push_str(&format!("    {}\n", visible(advice)));
        }
    };
    for error in &report.errors {
        // The message already asks "did you mean"; the suggestion is for programs.
        line((error.line, error.column), paint.red("error:"), &error.message, &error.resolution);
    }
    for finding in &report.findings {
        let label = match finding.severity {
            Severity::SecurityWarning => paint.red("security warning:"),
            Severity::Warning => paint.yellow("warning:"),
            Severity::Suggestion => paint.green("suggestion:"),
        };
        line((finding.line, finding.column), label, &finding.message, &finding.resolution);
    }
    let verdict = match &report.message {
        None => paint.green("valid"),
        Some(message) => format!("{} {}", paint.red("not valid:"), visible(message)),
    };
    text.push_str(&format!("{file}: {verdict}\n"));
    text
}

fn check_batch(cases: &Path, bucket: Option<&str>) -> Result<ExitCode, Failure> {
    let text = read_cases(cases)?;
    let answers =
        policy::check_batch(&text, bucket).map_err(|error| Failure::usage(format!("{}: {error}", cases.display())))?;
    output::print(&answers)?;
    Ok(ExitCode::SUCCESS)
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
