//! A compiled policy: immutable, shared, and still the text that was written.

use crate::effect::Effect;
use crate::index::StatementIndex;
use crate::scope::PolicyScope;
use crate::statement::Statement;

/// What a policy is attached to, which decides the elements that it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyKind {
    /// Attached to users and service accounts; names no principal.
    Identity,
    /// Attached to a bucket; names principals.
    Bucket,
    /// Passed when a session is made; it only limits.
    Session,
}

/// A policy that was parsed without error and compiled. Put it into an `Arc` to share it.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) kind: PolicyKind,
    pub(crate) id: Option<Box<str>>,
    pub(crate) statements: Box<[Statement]>,
    pub(crate) source: Box<str>,
    pub(crate) asks_for_object_tags: bool,
    pub(crate) index: StatementIndex,
}

/// A statement of a policy, for answers and listings.
#[derive(Debug, Clone, Copy)]
pub struct StatementRef<'p> {
    pub(crate) statement: &'p Statement,
}

impl Policy {
    /// The document exactly as it was parsed, byte for byte.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What the policy can be attached to.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// What the policy can be about, for lists of policies that are to be passed over quickly.
    pub fn scope(&self) -> PolicyScope {
        PolicyScope::new(self.index.actions(), self.index.start())
    }

    /// The document's `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The statements in document order.
    pub fn statements(&self) -> impl Iterator<Item = StatementRef<'_>> {
        self.statements.iter().map(|statement| StatementRef { statement })
    }

    /// Whether any statement asks for the tags of the object (`s3:ExistingObjectTag/<key>`).
    pub fn asks_for_object_tags(&self) -> bool {
        self.asks_for_object_tags
    }
}

impl<'p> StatementRef<'p> {
    /// The Sid as written, `None` when there is none.
    pub fn sid(&self) -> Option<&'p str> {
        self.statement.sid.as_deref()
    }

    /// The Sid, or `#2` for the second statement when it has none.
    pub fn name(&self) -> String {
        self.statement.name()
    }

    /// Zero-based position in the document.
    pub fn index(&self) -> usize {
        self.statement.index
    }

    /// One-based line where the statement begins.
    pub fn line(&self) -> u32 {
        self.statement.line
    }

    /// What it does.
    pub fn effect(&self) -> Effect {
        self.statement.effect
    }
}

impl PartialEq for StatementRef<'_> {
    fn eq(&self, other: &StatementRef<'_>) -> bool {
        std::ptr::eq(self.statement, other.statement)
    }
}

impl Eq for StatementRef<'_> {}
