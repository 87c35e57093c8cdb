//! Permissions with their policies compiled: what a definition means.
//!
//! This is the one place where stored definitions meet the policy crate. A permission is compiled when it is saved or loaded, never at a request.

use std::fmt;
use std::sync::Arc;

use policy::{ParseOptions, Policy, PolicyErrors};

use super::lowering::lower;
use super::permission::{Definition, Dialect, Permission};

/// A permission and the policy that it comes to.
#[derive(Debug)]
pub struct CompiledPermission {
    /// What was written.
    pub permission: Permission,
    policy: Arc<Policy>,
}

impl CompiledPermission {
    /// Compiles `permission`.
    ///
    /// # Errors
    /// Its policy file is refused.
    pub fn new(permission: Permission) -> Result<CompiledPermission, PolicyRefused> {
        let policy = compile(&permission.definition)?;
        Ok(CompiledPermission { permission, policy: Arc::new(policy) })
    }

    /// The compiled policy. Its source is the file as it was written, or the document that a bucket permission was lowered to.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }
}

/// Compiles a definition.
///
/// # Errors
/// Its policy file is refused.
pub fn compile(definition: &Definition) -> Result<Policy, PolicyRefused> {
    match definition {
        Definition::Policy { dialect: Dialect::Lyve, text } => policy::parse(text.as_bytes(), ParseOptions::lyve()),
        Definition::Policy { dialect: Dialect::Aws, text } => policy::parse(text.as_bytes(), ParseOptions::identity()),
        Definition::Bucket { scope, actions } => lower(scope, *actions),
    }
    .map_err(PolicyRefused)
}

/// Why a permission's policy file can't be used: every error with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRefused(pub PolicyErrors);

impl PolicyRefused {
    /// The first error in its dialect's own words, which scripts compare.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Line and column, from 1, of the first error that has details.
    pub fn position(&self) -> (usize, usize) {
        self.0.errors.first().map_or((1, 1), |error| (error.line as usize, error.column as usize))
    }
}

impl fmt::Display for PolicyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "{} (line {line}, column {column} of the policy)", self.message())
    }
}

impl std::error::Error for PolicyRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
