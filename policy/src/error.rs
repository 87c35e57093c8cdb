//! Why a document was refused: every error, with its place and what to do.

use serde::Serialize;

/// All errors of one document, in the order in which the first is the one that its dialect reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyErrors {
    /// The code of the dialect: `MalformedPolicy` for bucket policies, `MalformedPolicyDocument` for identity and session
    /// policies, `FileImportFailed` for permission files.
    pub code: &'static str,
    /// The first error in the dialect's own words, which scripts compare.
    pub message: String,
    /// Every error, at most [`ERRORS_MAX`], in plain English.
    pub errors: Vec<PolicyError>,
}

/// Most errors that are reported for one document.
pub const ERRORS_MAX: usize = 100;

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyError {
    /// A stable name of what is wrong, such as `Invalid action`; Access Analyzer's where it has one.
    pub code: &'static str,
    /// What is wrong, in plain English.
    pub message: String,
    /// JSON pointer (RFC 6901) of the element; empty for the whole document.
    pub pointer: String,
    /// One-based line.
    pub line: u32,
    /// One-based column, in characters.
    pub column: u32,
    /// The text that was probably meant, to put in place of the one at `pointer`.
    pub suggestion: Option<String>,
    /// What to do.
    pub resolution: String,
}

impl std::fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PolicyErrors {}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for PolicyError {}
