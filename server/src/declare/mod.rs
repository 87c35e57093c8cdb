//! Declared state: what `--bootstrap` makes at start and `strongroom apply` at any time, through the same plan.

mod bucket;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::clock;
use crate::identity::compiled::CompiledPermission;
use crate::identity::name::{AccessKey, AccountId};
use crate::identity::permission::Permission;
use crate::identity::plan::{Mode, Plan};
use crate::identity::private_file::{self, ROOT_CREDENTIALS_FILE};
use crate::identity::state as declared;
use crate::identity::store::CommitError;
use crate::s3::receive::blocking;
use crate::state::State;
use bucket::NotDone;

pub use bucket::{VERSIONING_RULE, bucket_state, versioning_from, versioning_name};

/// Who brings a node to a declared state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// Whoever starts the node, or has root's rights on it.
    Root,
    /// A user, by their role.
    User,
}

/// What a declared state came to.
#[derive(Debug)]
pub struct Applied {
    /// The changes for people, a line each: `+ permission "x"`.
    pub changes: Vec<String>,
    /// What was left as it is and would deserve a look.
    pub notes: Vec<String>,
    /// The permissions that went, as they were.
    pub deleted_permissions: Vec<Arc<CompiledPermission>>,
    /// What became of it where only the identities and the buckets before one were made.
    pub failed: Option<ApplyError>,
}

/// Why a declared state was not made.
#[derive(Debug)]
pub enum ApplyError {
    /// The file contradicts itself, or names something that can't be.
    Refused(String),
    /// What is there already stands against it.
    Conflict(String),
    /// Its author may not make it.
    Denied(String),
    /// It could not be stored.
    Storage(String),
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplyError::Refused(text)
            | ApplyError::Conflict(text)
            | ApplyError::Denied(text)
            | ApplyError::Storage(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ApplyError {}

/// How a state file is applied.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// What is done about what is there.
    pub mode: Mode,
    /// Only says what would be made.
    pub dry_run: bool,
    /// Who applies it.
    pub author: Author,
    /// Their ARN, for histories; none of a node that starts with the file.
    pub by: Option<String>,
}

impl ApplyOptions {
    /// By the node itself, for good.
    pub fn new(mode: Mode) -> ApplyOptions {
        ApplyOptions { mode, dry_run: false, author: Author::Root, by: None }
    }
}

/// Told where the root key is changed that another one stands in for.
const ROOT_IS_GIVEN: &str = "the node was started with a root key of its own: that one stays in force, and the declared one opens nothing, until the node is started with another or without one";

/// Makes what the state file called `file` declares.
pub async fn apply(state: &State, file: &str, text: &str, options: ApplyOptions) -> Result<Applied, ApplyError> {
    let ApplyOptions { mode, dry_run, author, by } = options;
    let mut parsed = declared::State::parse(file, text).map_err(|error| bucket::refused(&error))?;
    parsed.applied_by = by;
    let before = Arc::clone(&state.identities.snapshot());
    // Passwords are hashed while planning, which takes too long for a thread that serves requests.
    let identities = state.identities.clone();
    let plan = blocking(move || identities.plan(&parsed, mode, clock::now_microseconds())).await;
    let plan =
        plan.map_err(|error| ApplyError::Storage(error.message.clone()))?.map_err(|error| bucket::refused(&error))?;
    let buckets = bucket::steps(state, &plan, mode)?;
    // Nobody makes a bucket for an account that is about to go.
    let alone = if plan.deleted_accounts.is_empty() { None } else { Some(state.owners.write().await) };
    for account in &plan.deleted_accounts {
        if let Some(bucket) = state.store.buckets().iter().find(|bucket| bucket.owner == account.as_str()) {
            return Err(ApplyError::Conflict(format!(
                "{file}: account {account} would be deleted, but it owns bucket {:?}: delete or keep both",
                bucket.name.to_string()
            )));
        }
    }
    let root = state.identities.snapshot().operator().map(|it| it.account_id.clone());
    let root = root.filter(|operator| plan.replaced_roots.contains(operator));
    if root.is_some() && author == Author::User {
        return Err(ApplyError::Denied(format!(
            "{file}: the root key of the operator's account is changed by root alone"
        )));
    }
    let mut changes: Vec<String> = plan.lines.iter().map(ToString::to_string).collect();
    changes.extend(buckets.iter().map(bucket::BucketStep::line));
    let after = plan.snapshot().clone();
    let is_gone = |it: &&Arc<CompiledPermission>| {
        let Permission { account_id, id, .. } = &it.permission;
        after.permission_by_id(account_id.as_str(), id).is_none()
    };
    let all = before.accounts().flat_map(|it| before.permissions(it.account_id.as_str()));
    let deleted_permissions = all.filter(is_gone).cloned().collect();
    let mut applied = Applied { changes, notes: plan.notes.clone(), deleted_permissions, failed: None };
    applied.notes.extend(absent_buckets(state, &plan));
    if root.is_some() && state.identities.root_is_given() {
        applied.notes.push(ROOT_IS_GIVEN.to_owned());
    }
    if dry_run || applied.changes.is_empty() {
        return Ok(applied);
    }
    if let engine::Health::ReadOnly { reason } = state.store.health()
        && mode == Mode::Bootstrap
    {
        return Err(ApplyError::Storage(format!("{file}: the store is read-only ({reason}): nothing was created")));
    }
    let former = root.and_then(|root| Some(state.identities.snapshot().root(root.as_str())?.access_key.clone()));
    state.end_stale_sessions();
    let executed = state.identities.execute(plan).await;
    state.end_stale_sessions();
    executed.map_err(|error| match error {
        CommitError::Changed => ApplyError::Conflict(format!("{file}: {error}")),
        CommitError::Storage { .. } => ApplyError::Storage(format!("{file}: {error}")),
    })?;
    if let Some(former) = former {
        applied.notes.extend(forget_former_root(&state.config.data, &former));
    }
    drop(alone);
    let _turn = state.settings_turn.lock().await;
    for step in buckets {
        let line = step.line();
        let Err(error) = step.execute(state).await else { continue };
        let told = format!("{file}: not done: {line}");
        applied.failed = Some(match error {
            NotDone::AccountGone => ApplyError::Conflict(format!("{told}: its account was deleted meanwhile")),
            NotDone::Failed(error) => {
                ApplyError::Storage(format!("{told}: {}", error.cause.as_ref().unwrap_or(&error.message)))
            }
        });
        break;
    }
    Ok(applied)
}

/// Buckets that permissions are made to name and that nobody has made: a file may come before its buckets, or have a name wrong.
fn absent_buckets(state: &State, plan: &Plan) -> Vec<String> {
    let is_there = |account: &AccountId, name: &str| {
        plan.buckets.iter().any(|(owner, declared)| owner == account && declared.name == name)
            || state.store.bucket(name).is_ok_and(|bucket| bucket.owner == account.as_str())
    };
    let absent = plan.named_buckets.iter().filter(|(account, _, name)| !is_there(account, name));
    absent
        .map(|(_, by, name)| format!("permission \"{by}\" names the bucket {name:?}, which isn't there yet"))
        .collect()
}

/// Removes the file with the root credentials once they open nothing any more; answers what is to be told of it.
fn forget_former_root(data: &Path, former: &AccessKey) -> Option<String> {
    let path = data.join(ROOT_CREDENTIALS_FILE);
    match private_file::remove_root_credentials_of(&path, former) {
        Ok(false) => None,
        Ok(true) => Some(format!("{} held the former root key and was removed", path.display())),
        Err(error) => Some(format!("{} may hold the former root key: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests;
