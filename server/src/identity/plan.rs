//! From a declared state to the changes that lead there: what is created, changed and deleted, before anything is.
//!
//! The plan is complete before it is executed: it is what a dry run prints, and it holds exactly the rows that executing it writes, so that the two can't differ.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::change::Refused;
use super::decode::Place;
use super::name::{AccountId, PermissionName};
use super::planner::Planner;
use super::rows::RowKey;
use super::snapshot::Snapshot;
use super::state::{DeclaredAccount, DeclaredBucket, State, StateError, message_with_place};
use super::store::{CommitError, IdentityStore, Prepared};

/// What a declared state is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Creates what is absent; changes and deletes nothing.
    Bootstrap,
    /// Creates and updates.
    Apply {
        /// Also deletes what isn't declared, but for the operator's account and root keys.
        prune: bool,
    },
}

/// What is to be done to reach a declared state.
#[derive(Debug)]
pub struct Plan {
    /// The changes for people, in the order of the file.
    pub lines: Vec<PlanLine>,
    /// What was left as it is and would deserve a look.
    pub notes: Vec<String>,
    /// The declared buckets with their owners; the caller creates those that are absent, and sets what is declared of them.
    pub buckets: Vec<(AccountId, DeclaredBucket)>,
    /// The accounts that get another root key than the one they have.
    pub replaced_roots: Vec<AccountId>,
    /// Buckets that a permission is made to name, each with its account and the permission.
    pub named_buckets: Vec<(AccountId, PermissionName, String)>,
    /// The accounts that are deleted; the caller refuses the plan when one of them still owns buckets.
    pub deleted_accounts: Vec<AccountId>,
    prepared: Prepared,
}

/// One change for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLine {
    /// `+`, `~` or `-`.
    pub sign: char,
    /// What it is about, and for an update which fields; without values.
    pub text: String,
}

impl Plan {
    /// Whether the identities are as declared already, and durable.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The identities as they will be.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.prepared.snapshot()
    }
}

impl fmt::Display for PlanLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.text)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl IdentityStore {
    /// What has to be done so that the identities are as `state` declares, at `now`. Nothing is done yet. Declared passwords are hashed on the way, tens of milliseconds each: not for a thread that serves requests.
    ///
    /// # Errors
    /// The declared state contradicts what is there or itself, or a policy is refused.
    pub fn plan(&self, state: &State, mode: Mode, now: Timestamp) -> Result<Plan, StateError> {
        let base = Arc::clone(&self.snapshot());
        let mut planner = Planner::new(&base, mode, now);
        let top = Place::file(&state.file);
        for (index, declared) in state.accounts.iter().enumerate() {
            let place = top.within(&format!("account {:?}", declared.name.as_str()));
            planner.account(place, declared, index == 0)?;
        }
        if mode == (Mode::Apply { prune: true }) {
            planner.prune(state);
        }
        let Planner { mut lines, notes, buckets, replaced_roots, named_buckets, deleted_accounts, .. } = planner;
        let Planner { first, puts, last, .. } = planner;
        // What goes first frees names and access keys; permissions go last, when nobody uses them any more.
        let changes = [first, puts, last].concat();
        let by = match &state.applied_by {
            None => format!("state file {}", state.file),
            Some(arn) => format!("state file {}, applied by {arn}", state.file),
        };
        let prepared = self.prepare(&base, changes, &by).map_err(|refused| explain(refused, state, &base))?;
        // What is in effect but not durable is not done yet: executing the plan writes it.
        if self.has_undurable_changes() {
            lines.push(PlanLine { sign: '~', text: "earlier changes that are in effect but not durable".to_owned() });
        }
        Ok(Plan { lines, notes, buckets, replaced_roots, named_buckets, deleted_accounts, prepared })
    }

    /// Executes a plan: one durable batch, then it is shown. A plan that changes nothing writes nothing.
    ///
    /// # Errors
    /// The identities changed since it was made, or the row store failed.
    pub async fn execute(&self, plan: Plan) -> Result<(), CommitError> {
        self.commit(plan.prepared).await
    }
}

/// Whether a change is refused for what is there already, and not for what it is itself.
fn is_conflict(refused: &Refused) -> bool {
    match refused {
        Refused::NameInUse { .. }
        | Refused::AccessKeyInUse { .. }
        | Refused::AccountFieldInUse { .. }
        | Refused::PermissionInUse { .. }
        | Refused::Operator
        | Refused::TooMany { .. } => true,
        Refused::Invalid { .. } | Refused::Policy { .. } | Refused::NotFound { .. } | Refused::Generator { .. } => {
            false
        }
    }
}

/// A refused change in the state file's terms.
fn explain(refused: Refused, state: &State, base: &Snapshot) -> StateError {
    let top = Place::file(&state.file);
    let Refused::Policy { record: RowKey::Permission { account, name, .. }, refused } = &refused else {
        let error = top.error(refused.to_string());
        return if is_conflict(&refused) { error.as_conflict() } else { error };
    };
    let declares = |it: &&DeclaredAccount| {
        let id = it.account_id.as_ref().or_else(|| Some(&base.account_by_name(it.name.as_str())?.account_id));
        id.is_none_or(|id| id == account) && it.permissions.iter().any(|it| it.name == *name)
    };
    let declared = state.accounts.iter().find(declares);
    let place = declared.map_or(top.clone(), |it| top.within(&format!("account {:?}", it.name.as_str())));
    let permission = declared.and_then(|it| it.permissions.iter().find(|it| it.name == *name));
    let place = place.within(&format!("permission {:?}", name.as_str()));
    let position = permission.and_then(|it| it.policy_position);
    place.error(message_with_place(&refused.message(), position, refused.position()))
}
