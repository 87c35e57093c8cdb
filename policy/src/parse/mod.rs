//! From a text to a compiled policy, or to every error in it.
//!
//! All that can fail fails here: what this module accepts can be decided without an error. Unknown elements, operators and
//! keys are refused, because a misspelt condition that is skipped turns a restricted grant into an open one.

mod condition;
mod document;
mod fault;
mod statement;
pub(crate) mod suggest;
mod wrapped;

use crate::error::{ERRORS_MAX, PolicyError, PolicyErrors};
use crate::json::{self, JsonErrorKind, Node};
use crate::policy::{Policy, PolicyKind};

pub(crate) use document::stored_characters;
use fault::Fault;
pub use fault::IMPORT_AS_AWS;
pub(crate) use statement::Reach;

/// The two dialects of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// AWS's language, as S3 uses it.
    Aws,
    /// Lyve Cloud's permission files: a subset with its own error texts.
    Lyve,
}

/// How much of a document is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Everything: what a document must be to be stored.
    Storage,
    /// The grammar only, for simulation: unknown actions and keys, other buckets and wrong values are taken and match
    /// nothing.
    Grammar,
}

/// What a document is expected to be.
#[derive(Debug, Clone, Copy)]
pub struct ParseOptions<'a> {
    /// What the policy will be attached to.
    pub kind: PolicyKind,
    /// Its dialect.
    pub dialect: Dialect,
    /// The bucket of a bucket policy; resources of other buckets are then refused.
    pub bucket: Option<&'a str>,
    /// How much is checked.
    pub level: Level,
}

impl<'a> ParseOptions<'a> {
    /// An identity policy in AWS's dialect, to be stored.
    pub fn identity() -> ParseOptions<'a> {
        ParseOptions { kind: PolicyKind::Identity, dialect: Dialect::Aws, bucket: None, level: Level::Storage }
    }

    /// A permission file in Lyve Cloud's dialect, to be stored.
    pub fn lyve() -> ParseOptions<'a> {
        ParseOptions { dialect: Dialect::Lyve, ..ParseOptions::identity() }
    }

    /// The policy of a bucket, to be stored.
    pub fn bucket(bucket: &'a str) -> ParseOptions<'a> {
        ParseOptions { kind: PolicyKind::Bucket, bucket: Some(bucket), ..ParseOptions::identity() }
    }

    /// A session policy, to be stored.
    pub fn session() -> ParseOptions<'a> {
        ParseOptions { kind: PolicyKind::Session, ..ParseOptions::identity() }
    }

    /// A policy of this kind for simulation.
    pub fn grammar(kind: PolicyKind) -> ParseOptions<'a> {
        ParseOptions { kind, level: Level::Grammar, ..ParseOptions::identity() }
    }
}

/// Most bytes of a document of any kind: what is larger is not even read.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Most bytes of a stored bucket policy.
pub const BUCKET_POLICY_BYTES_MAX: usize = 20 * 1024;
/// Most characters of a stored identity or session policy, not counting white space.
pub const IDENTITY_POLICY_CHARACTERS_MAX: usize = 6_144;

/// Parses and compiles a document.
///
/// # Errors
///
/// Every error in the document, each with its place; the first is the one that the dialect reports.
pub fn parse(document: &[u8], options: ParseOptions<'_>) -> Result<Policy, PolicyErrors> {
    let mut faults = Faults { options, text: "", line_ends: Vec::new(), list: Vec::new() };
    let policy = read(document, &mut faults);
    match (policy, faults.list.is_empty()) {
        (Some(policy), true) => Ok(policy),
        _ => Err(faults.into_errors(document)),
    }
}

fn read<'t>(bytes: &'t [u8], faults: &mut Faults<'_, 't>) -> Option<Policy> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        let fault = Fault::TooLarge { size: bytes.len(), limit: DOCUMENT_BYTES_MAX, unit: "bytes" };
        faults.document(fault, 0);
        return None;
    }
    if wrapped::is_utf16(bytes) {
        faults.document(Fault::Utf16, 0);
        return None;
    }
    let source = match std::str::from_utf8(bytes) {
        Ok(source) => source,
        Err(_) => {
            faults.document(Fault::NotUtf8, 0);
            return None;
        }
    };
    faults.text = source;
    faults.line_ends = source.match_indices('\n').map(|(at, _)| at).collect();
    // Positions count from the start of the file; a byte order mark has no width in a column.
    let text = source.strip_prefix('\u{feff}').unwrap_or(source);
    let skipped = source.len() - text.len();
    if wrapped::is_url_encoded(text) {
        faults.document(Fault::UrlEncoded, 0);
        return None;
    }
    let root = match json::read(text) {
        Ok(root) => shift(root, skipped),
        Err(error) => {
            let fault = match error.kind {
                JsonErrorKind::Syntax(_) if !text.trim_start().starts_with('{') => Fault::NotAnObject,
                JsonErrorKind::Syntax(expected) => Fault::Json(expected),
                JsonErrorKind::DuplicateKey(key) => Fault::DuplicateKey(key),
                JsonErrorKind::TooDeep => Fault::TooDeep,
            };
            faults.document(fault, error.offset + skipped);
            return None;
        }
    };
    document::read(&root, source, faults)
}

/// Moves every offset of a tree, for text in front of the document.
fn shift(mut node: Node, by: usize) -> Node {
    if by == 0 {
        return node;
    }
    node.offset += by;
    match &mut node.value {
        json::JsonValue::Array(items) => {
            let moved = std::mem::take(items).into_iter().map(|item| shift(item, by)).collect();
            *items = moved;
        }
        json::JsonValue::Object(members) => {
            for member in members {
                member.key_offset += by;
                let value = std::mem::replace(&mut member.value, Node { value: json::JsonValue::Null, offset: 0 });
                member.value = shift(value, by);
            }
        }
        _ => {}
    }
    node
}

/// Where in the order of the first error a fault stands: the smallest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Document,
    Statement,
    Version,
    /// A fault of one statement, by its position and by what is checked first.
    InStatement(usize, Phase),
    Elements,
    Sid,
}

/// Most faults that are kept. The order is by rank, so a fault can be the first although it was found late: more are kept
/// than reported.
const FAULTS_MAX: usize = ERRORS_MAX * 10;

/// The order of checks within a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Required,
    Empty,
    Value,
    ConditionName,
    ConditionKey,
    Element,
}

/// The faults found so far.
pub(crate) struct Faults<'o, 't> {
    pub(crate) options: ParseOptions<'o>,
    text: &'t str,
    /// Offsets of the line ends, so that a document of many statements isn't counted through for each.
    line_ends: Vec<usize>,
    list: Vec<Found>,
}

struct Found {
    rank: Rank,
    fault: Fault,
    pointer: String,
    offset: usize,
}

impl Faults<'_, '_> {
    pub(crate) fn document(&mut self, fault: Fault, offset: usize) {
        self.add(Rank::Document, fault, String::new(), offset);
    }

    pub(crate) fn add(&mut self, rank: Rank, fault: Fault, pointer: String, offset: usize) {
        if self.options.level == Level::Grammar && !fault.breaks_grammar() {
            return;
        }
        if !self.is_full() {
            self.list.push(Found { rank, fault, pointer, offset });
        }
    }

    /// One-based line of an offset.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        let before = self.line_ends.partition_point(|end| *end < offset);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    /// Whether no more faults are kept, so that nobody need look for suggestions.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= FAULTS_MAX
    }

    fn into_errors(mut self, document: &[u8]) -> PolicyErrors {
        self.list.sort_by_key(|found| found.rank);
        let options = self.options;
        // What the other dialect says is asked, not guessed, so that the advice to import the file there is never wrong.
        let only_aws = options.dialect == Dialect::Lyve
            && options.level == Level::Storage
            && parse(document, ParseOptions { dialect: Dialect::Aws, ..options }).is_ok();
        let code = match (options.dialect, options.kind) {
            (Dialect::Lyve, _) => "FileImportFailed",
            (Dialect::Aws, PolicyKind::Bucket) => "MalformedPolicy",
            (Dialect::Aws, PolicyKind::Identity | PolicyKind::Session) => "MalformedPolicyDocument",
        };
        let message = self.list.first().map(|found| found.fault.text(&options)).unwrap_or_default();
        let errors = self.list.iter().take(ERRORS_MAX).map(|found| {
            let (line, column) = json::line_and_column(self.text, found.offset);
            PolicyError {
                code: found.fault.code(),
                message: found.fault.message(&options),
                pointer: found.pointer.clone(),
                line,
                column,
                suggestion: found.fault.suggestion(),
                resolution: found.fault.resolution(&options, only_aws),
            }
        });
        PolicyErrors { code, message, errors: errors.collect() }
    }
}

/// Escapes one part of a JSON pointer (RFC 6901).
pub(crate) fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
