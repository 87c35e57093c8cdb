//! Permissions with their policies compiled: what a definition means.
//!
//! This is the one place where stored definitions meet the policy crate. A permission is compiled when it is saved, so that what is wrong is told then; one that was stored is compiled when it is first needed, so that a start waits for none of thousands.

use std::fmt;
use std::sync::{Arc, OnceLock};

use policy::{BucketActions, BucketScope, LowerError, ParseOptions, Policy, PolicyErrors};

use super::permission::{Actions, Definition, Dialect, Permission, Scope};

/// A permission and the policy that it comes to.
#[derive(Debug)]
pub struct CompiledPermission {
    /// What was written.
    pub permission: Permission,
    policy: OnceLock<Result<Arc<Policy>, PolicyRefused>>,
    description: OnceLock<String>,
}

impl CompiledPermission {
    /// Compiles `permission`.
    ///
    /// # Errors
    /// Its policy file is refused.
    pub fn new(permission: Permission) -> Result<CompiledPermission, PolicyRefused> {
        let policy = Arc::new(compile(&permission.definition)?);
        Ok(CompiledPermission { permission, policy: OnceLock::from(Ok(policy)), description: OnceLock::new() })
    }

    /// A permission that was compiled before it was stored.
    pub(super) fn stored(permission: Permission) -> CompiledPermission {
        CompiledPermission { permission, policy: OnceLock::new(), description: OnceLock::new() }
    }

    /// Its description, or where there is none a summary in plain words, which is made when somebody first asks: a start with thousands of permissions waits for none of them.
    pub fn description(&self) -> &str {
        self.description.get_or_init(|| self.permission.description_or_summary())
    }

    /// The compiled policy. Its source is the file as it was written, or the document that a bucket permission was lowered to.
    ///
    /// # Errors
    /// It was stored by a program that understood it otherwise, and is refused by this one.
    pub fn policy(&self) -> Result<&Arc<Policy>, &PolicyRefused> {
        self.policy.get_or_init(|| compile(&self.permission.definition).map(Arc::new)).as_ref()
    }

    /// The file as it was written, or the document that a bucket permission was lowered to; empty where that is refused.
    pub fn document(&self) -> &str {
        match &self.permission.definition {
            Definition::Policy { text, .. } => text,
            Definition::Bucket { .. } => self.policy().map_or("", |policy| policy.source()),
        }
    }
}

/// Compiles a definition.
///
/// # Errors
/// Its policy file is refused.
pub fn compile(definition: &Definition) -> Result<Policy, PolicyRefused> {
    let (dialect, text) = match definition {
        Definition::Bucket { scope, actions } => {
            let lowered = with_scope(scope, |scope| policy::lower(scope, lowered_actions(*actions)));
            return lowered.map_err(PolicyRefused::Scope);
        }
        Definition::Policy { dialect, text } => (dialect, text),
    };
    let options = match dialect {
        Dialect::Lyve => ParseOptions::lyve(),
        Dialect::Aws => ParseOptions::identity(),
    };
    policy::parse(text.as_bytes(), options).map_err(|errors| PolicyRefused::File(Box::new(errors)))
}

/// Why a permission's policy can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyRefused {
    /// Its file is refused: every error with its place.
    File(Box<PolicyErrors>),
    /// Its buckets are refused.
    Scope(LowerError),
}

impl PolicyRefused {
    /// The first error in its dialect's own words, which scripts compare.
    pub fn message(&self) -> String {
        match self {
            PolicyRefused::File(errors) => errors.message.clone(),
            PolicyRefused::Scope(error) => error.to_string(),
        }
    }

    /// Line and column, from 1, of the first error in the file.
    pub fn position(&self) -> Option<(usize, usize)> {
        let PolicyRefused::File(errors) = self else { return None };
        errors.errors.first().map(|error| (error.line as usize, error.column as usize))
    }
}

impl fmt::Display for PolicyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position() {
            Some((line, column)) => write!(f, "{} (line {line}, column {column} of the policy)", self.message()),
            None => f.write_str(&self.message()),
        }
    }
}

impl std::error::Error for PolicyRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PolicyRefused::File(errors) => Some(errors.as_ref()),
            PolicyRefused::Scope(error) => Some(error),
        }
    }
}

/// What a bucket permission allows, in one sentence, and what "all operations" leaves out, which its name doesn't tell.
pub(super) fn describe(scope: &Scope, actions: Actions) -> String {
    let sentence = with_scope(scope, |scope| policy::describe(scope, lowered_actions(actions)));
    if actions != Actions::AllOperations {
        return sentence;
    }
    let making = if *scope == Scope::All { "" } else { "making buckets, " };
    format!(
        "{} Not among them: {making}handing out access (bucket policies, ACLs, public access, object ownership) and bypassing governance retention.",
        sentence
    )
}

fn with_scope<T>(scope: &Scope, then: impl FnOnce(BucketScope<'_>) -> T) -> T {
    match scope {
        Scope::Names(names) => then(BucketScope::Names(&names.iter().map(String::as_str).collect::<Vec<_>>())),
        Scope::Prefix(prefix) => then(BucketScope::Prefix(prefix)),
        Scope::All => then(BucketScope::All),
    }
}

fn lowered_actions(actions: Actions) -> BucketActions {
    match actions {
        Actions::AllOperations => BucketActions::AllOperations,
        Actions::ReadOnly => BucketActions::ReadOnly,
        Actions::WriteOnly => BucketActions::WriteOnly,
    }
}
