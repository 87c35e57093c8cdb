//! `strongroom policy check | eval | explain`: brings documents and cases to the policy crate and its answers to people and programs.
//!
//! What is valid and what is allowed is decided there; here are files, text and exit codes.

mod batch;
mod case;
mod check;
mod excerpt;
mod explain;
mod question;
mod statement;
mod trace;

use std::path::Path;
use std::process::ExitCode;

use policy::{Dialect, IMPORT_AS_AWS, ParseOptions, PolicyKind};

use crate::args;
use crate::failure::Failure;
use crate::input::{self, CASES_BYTES_MAX, shown_name};

pub(crate) use question::request_of;
pub(crate) use trace::Trace;

use batch::Batch;

/// Longest file that is read as a policy document: beyond what the language takes, so that its parser can say how long a document is that is too long.
const POLICY_FILE_BYTES_MAX: u64 = 64 << 20;

pub(crate) fn policy(command: args::Policy, json: bool) -> Result<ExitCode, Failure> {
    match command {
        args::Policy::Check(arguments) => match &arguments.batch {
            Some(cases) => check_batch(cases, arguments.bucket.as_deref()),
            None => check::check(&arguments, json),
        },
        args::Policy::Eval(arguments) => eval(&arguments.cases),
        args::Policy::Explain(arguments) => explain::explain(&arguments, json),
    }
}

/// A dialect as flags and state files call it.
pub(crate) fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Aws => "aws",
        Dialect::Lyve => "lyve",
    }
}

/// Whether a document that another dialect refuses is one of AWS's: what that dialect says is asked.
pub(crate) fn is_for_aws(document: &[u8], refused_by: ParseOptions<'_>) -> bool {
    let options = ParseOptions { dialect: Dialect::Aws, ..refused_by };
    refused_by.dialect != Dialect::Aws && policy::check(document, options).valid
}

/// Whether a node that refused a document says that AWS's dialect takes it. It says so of each error that this helps against, and of none where another one is left.
pub(crate) fn is_told_for_aws<'a>(resolutions: impl IntoIterator<Item = &'a str>) -> bool {
    resolutions.into_iter().any(|resolution| resolution.ends_with(IMPORT_AS_AWS))
}

/// By which rules a document was refused and, where it is one of AWS's, `how` to ask for these.
pub(crate) fn judged_by(dialect: Dialect, is_for_aws: bool, how: &str) -> String {
    let judged = format!("judged by dialect {}", dialect_name(dialect));
    if is_for_aws { format!("{judged}; to import it as an AWS policy, {how}") } else { judged }
}

fn check_batch(cases: &Path, bucket: Option<&str>) -> Result<ExitCode, Failure> {
    let answer = |cases: &str| policy::check_batch(cases, bucket);
    let batch = Batch { form: case::CHECK_FORM, shape: case::check_shape, answer: &answer };
    batch::run(&shown_name(cases), &read_cases(cases)?, &batch)?;
    Ok(ExitCode::SUCCESS)
}

fn eval(cases: &Path) -> Result<ExitCode, Failure> {
    let batch = Batch { form: case::EVAL_FORM, shape: case::eval_shape, answer: &policy::eval_cases };
    batch::run(&shown_name(cases), &read_cases(cases)?, &batch)?;
    Ok(ExitCode::SUCCESS)
}

fn read_cases(file: &Path) -> Result<String, Failure> {
    input::read_text(file, CASES_BYTES_MAX)
        .map_err(|error| Failure::usage(format!("case file {}: {error}", shown_name(file))))
}

fn kind_of(kind: args::PolicyKind) -> PolicyKind {
    match kind {
        args::PolicyKind::Identity => PolicyKind::Identity,
        args::PolicyKind::Bucket => PolicyKind::Bucket,
        args::PolicyKind::Session => PolicyKind::Session,
    }
}

pub(crate) fn dialect_of(dialect: args::PolicyDialect) -> Dialect {
    match dialect {
        args::PolicyDialect::Aws => Dialect::Aws,
        args::PolicyDialect::Lyve => Dialect::Lyve,
    }
}
