//! Declared state: what `--bootstrap` makes at start and `strongroom apply` at any time, through the same plan.

use std::fmt;

use engine::{NewBucket, Versioning};
use jiff::Timestamp;

use crate::identity::name::AccountId;
use crate::identity::plan::{Mode, Plan};
use crate::identity::state as declared;
use crate::identity::store::CommitError;
use crate::protocol::name;
use crate::s3::receive::blocking;
use crate::state::State;

/// What a declared state came to.
#[derive(Debug)]
pub struct Applied {
    /// The changes for people, a line each: `+ permission "x"`.
    pub changes: Vec<String>,
    /// What was left as it is and would deserve a look.
    pub notes: Vec<String>,
}

/// Why a declared state was not made.
#[derive(Debug)]
pub enum ApplyError {
    /// The file contradicts itself or what is there, or names something that can't be.
    Refused(String),
    /// It could not be stored.
    Storage(String),
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplyError::Refused(text) | ApplyError::Storage(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ApplyError {}

/// Makes what a state file declares; with `dry_run` only says what would be made.
pub async fn apply(state: &State, file: &str, text: &str, mode: Mode, dry_run: bool) -> Result<Applied, ApplyError> {
    let refused = |error: &dyn fmt::Display| ApplyError::Refused(error.to_string());
    let parsed = declared::State::parse(file, text).map_err(|error| refused(&error))?;
    // Passwords are hashed while planning, which takes too long for a thread that serves requests.
    let identities = state.identities.clone();
    let plan = blocking(move || identities.plan(&parsed, mode, Timestamp::now())).await;
    let plan = plan.map_err(|error| ApplyError::Storage(error.message.clone()))?.map_err(|error| refused(&error))?;
    let buckets = new_buckets(state, &plan)?;
    for account in &plan.deleted_accounts {
        if let Some(bucket) = state.store.buckets().iter().find(|bucket| bucket.owner == account.as_str()) {
            return Err(ApplyError::Refused(format!(
                "{file}: account {account} would be deleted, but it owns bucket {:?}: delete or keep both",
                bucket.name.to_string()
            )));
        }
    }
    let mut changes: Vec<String> = plan.lines.iter().map(ToString::to_string).collect();
    changes.extend(buckets.iter().map(|(_, bucket)| format!("+ bucket \"{bucket}\"")));
    let applied = Applied { changes, notes: plan.notes.clone() };
    if dry_run || applied.changes.is_empty() {
        return Ok(applied);
    }
    if let engine::Health::ReadOnly { reason } = state.store.health()
        && mode == Mode::Bootstrap
    {
        return Err(ApplyError::Storage(format!("{file}: the store is read-only ({reason}): nothing was created")));
    }
    state.identities.execute(plan).await.map_err(|error| match error {
        CommitError::Changed => ApplyError::Refused(format!("{file}: {error}")),
        CommitError::Storage { .. } => ApplyError::Storage(format!("{file}: {error}")),
    })?;
    for (owner, bucket) in buckets {
        let new = NewBucket {
            name: bucket,
            owner: owner.to_string(),
            versioning: Versioning::Unversioned,
            attributes: Default::default(),
        };
        match state.store.create_bucket(new).await {
            Ok(_) => {}
            Err(engine::Error::BucketExists(existing)) if existing.owner == owner.as_str() => {}
            Err(error) => return Err(ApplyError::Storage(format!("{file}: a bucket can't be created: {error}"))),
        }
    }
    Ok(applied)
}

/// The declared buckets that aren't there yet.
fn new_buckets(state: &State, plan: &Plan) -> Result<Vec<(AccountId, engine::BucketName)>, ApplyError> {
    let mut buckets = Vec::new();
    for (owner, bucket) in &plan.buckets {
        let parsed = engine::BucketName::parse(bucket).ok().filter(|name| !name::is_reserved(name));
        let Some(parsed) = parsed else {
            return Err(ApplyError::Refused(format!(
                "bucket {bucket:?} is not a valid bucket name: 3 to 63 lower-case letters, digits, dots and hyphens"
            )));
        };
        match state.store.bucket(bucket) {
            Err(_) => buckets.push((owner.clone(), parsed)),
            Ok(existing) if existing.owner == owner.as_str() => {}
            Ok(existing) => {
                return Err(ApplyError::Refused(format!(
                    "bucket {bucket:?} belongs to account {}: a bucket's owner can't be changed",
                    existing.owner
                )));
            }
        }
    }
    Ok(buckets)
}
