//! What a valid document says that its author may not have meant.
//!
//! Findings never refuse a document. They carry the names of IAM Access Analyzer's policy checks where it has one, so that
//! what they mean can be looked up.

mod fit;
mod grants;
mod shape;
mod values;
mod view;
mod whole;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::PolicyError;
use crate::json;
use crate::parse::{Dialect, ParseOptions, parse};
use crate::policy::PolicyKind;

use view::View;

/// The result of checking a document, in the form that `strongroom policy check --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// Whether the document can be stored.
    pub valid: bool,
    /// The first error in the dialect's own words.
    pub message: Option<String>,
    /// Every error.
    pub errors: Vec<PolicyError>,
    /// What is worth knowing about a valid document.
    pub findings: Vec<Finding>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// Grants more, or refuses less, than it seems to.
    #[serde(rename = "security warning")]
    SecurityWarning,
    /// Has no effect, or another one than it seems to.
    #[serde(rename = "warning")]
    Warning,
    /// Could be said better.
    #[serde(rename = "suggestion")]
    Suggestion,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its name.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What the document says there.
    pub message: String,
    /// JSON pointer of the element.
    pub pointer: String,
    /// One-based line.
    pub line: u32,
    /// One-based column, in characters.
    pub column: u32,
    /// What to do.
    pub resolution: String,
}

/// Most findings that are reported for one document.
const FINDINGS_MAX: usize = 200;

/// The findings of one document while they are collected.
struct Findings<'t> {
    text: &'t str,
    list: Vec<Finding>,
}

impl Findings<'_> {
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        (pointer, offset): (String, usize),
        message: String,
        resolution: &str,
    ) {
        if self.list.len() < FINDINGS_MAX {
            let (line, column) = json::line_and_column(self.text, offset);
            self.list.push(Finding {
                code,
                severity,
                message,
                pointer,
                line,
                column,
                resolution: resolution.to_owned(),
            });
        }
    }
}

/// Checks a document: its errors, or, when it has none, its findings.
pub fn check(document: &[u8], options: ParseOptions<'_>) -> CheckReport {
    let policy = match parse(document, options) {
        Ok(policy) => policy,
        Err(errors) => {
            let message = Some(errors.message);
            return CheckReport { valid: false, message, errors: errors.errors, findings: Vec::new() };
        }
    };
    let mut findings = Findings { text: policy.source(), list: Vec::new() };
    // The document was read before, so it can be read again; positions then count without the byte order mark.
    let text = policy.source().trim_start_matches('\u{feff}');
    if let Ok(root) = json::read(text) {
        findings.text = text;
        shape::document(&root, options.dialect, &mut findings);
        let views: Vec<View<'_>> =
            policy.statements.iter().filter_map(|statement| View::new(&root, statement)).collect();
        for view in &views {
            grants::statement(view, policy.kind, &mut findings);
            fit::statement(view, policy.kind, &mut findings);
            values::statement(view, &mut findings);
            shape::statement(view, &mut findings);
        }
        whole::document(text, policy.kind, &views, &mut findings);
    }
    let mut findings = findings.list;
    findings.sort_by_key(|finding| finding.severity);
    CheckReport { valid: true, message: None, errors: Vec::new(), findings }
}

#[derive(Deserialize)]
struct BatchCase {
    #[serde(default)]
    id: serde_json::Value,
    document_text: String,
    dialect: Option<Dialect>,
    kind: Option<PolicyKind>,
    bucket: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum BatchAnswer {
    Checked {
        id: serde_json::Value,
        #[serde(flatten)]
        report: CheckReport,
    },
    /// The case itself isn't one, so that nothing can be said about its document.
    Refused { id: serde_json::Value, error: String },
}

/// Checks many documents: a JSON array of `{id, document_text, dialect, kind, bucket?}`, answered with an array of
/// `{id, valid, message, errors, findings}`, or `{id, error}` for what is no such case. `bucket` stands for cases that name none.
///
/// # Errors
///
/// The text is not an array.
pub fn check_batch(text: &str, bucket: Option<&str>) -> Result<String, String> {
    let cases: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| format!("not an array of documents: {error}"))?;
    let answers: Vec<BatchAnswer> = cases.into_iter().map(|case| check_case(case.get(), bucket)).collect();
    serde_json::to_string_pretty(&answers).map_err(|error| error.to_string())
}

fn check_case(text: &str, bucket: Option<&str>) -> BatchAnswer {
    let case: BatchCase = match serde_json::from_str(text) {
        Ok(case) => case,
        Err(error) => {
            let case = serde_json::from_str::<serde_json::Value>(text).ok();
            let id = case.and_then(|case| case.get("id").cloned()).unwrap_or_default();
            return BatchAnswer::Refused { id, error: error.to_string() };
        }
    };
    let dialect = case.dialect.unwrap_or(Dialect::Aws);
    // A permission file is an identity policy, whatever else a case calls it.
    let kind = match dialect {
        Dialect::Lyve => PolicyKind::Identity,
        Dialect::Aws => case.kind.unwrap_or(PolicyKind::Identity),
    };
    let bucket = case.bucket.as_deref().or(bucket);
    let options = ParseOptions { kind, dialect, bucket, ..ParseOptions::identity() };
    BatchAnswer::Checked { report: check(case.document_text.as_bytes(), options), id: case.id }
}
