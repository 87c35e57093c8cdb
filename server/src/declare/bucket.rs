//! Buckets of a state file: what is set on them, compared with what is declared, made and changed.
//!
//! A bucket's policy and quota are rows of their own beside it, written after it. So that a node that ends in between doesn't leave a bucket without the policy that it was declared with, a new bucket is marked until all of it is set, and a marked one is made by the next start or apply as if it weren't there.

use std::sync::Arc;

use engine::{Bucket, BucketChange, BucketName, Bytes, NewBucket, Versioning};
use policy::{ParseOptions, Policy};
use serde_json::{Value, json};

use super::ApplyError;
use crate::bucket_name;
use crate::identity::name::AccountId;
use crate::identity::plan::{Mode, Plan};
use crate::identity::state::{DeclaredBucket, StateError};
use crate::protocol::error::S3Error;
use crate::quota::{QUOTA_BYTES_MAX, Quota};
use crate::s3::bucket::create::BUCKETS_PER_ACCOUNT_MAX;
use crate::state::State;

/// What [`versioning_from`] takes.
pub const VERSIONING_RULE: &str = "must be off, enabled or suspended";

/// The attributes of a bucket that is being made and isn't all that it was declared as.
const UNFINISHED: &[u8] = b"unfinished";

/// The versioning of a bucket as the API and state files call it.
pub fn versioning_name(versioning: Versioning) -> &'static str {
    match versioning {
        Versioning::Unversioned => "off",
        Versioning::Enabled => "enabled",
        Versioning::Suspended => "suspended",
    }
}

/// Reads what [`versioning_name`] answers.
pub fn versioning_from(text: &str) -> Option<Versioning> {
    [Versioning::Unversioned, Versioning::Enabled, Versioning::Suspended]
        .into_iter()
        .find(|it| versioning_name(*it) == text)
}

/// A bucket as a state file declares it: its name and what is set on it. What can't be read is left out, so that applying the state leaves it as it is.
pub fn bucket_state(state: &State, bucket: &Bucket) -> Value {
    let mut object = json!({"name": bucket.name.to_string()});
    if bucket.versioning != Versioning::Unversioned {
        object["versioning"] = versioning_name(bucket.versioning).into();
    }
    // As a string, so that the document's bytes stay what they are.
    if let Ok(Some(stored)) = state.bucket_policies.of(bucket.id) {
        object["policy"] = stored.policy.source().into();
    }
    if let Ok(Some(quota)) = state.quotas.of(bucket.id) {
        object["quota"] = json!({"bytes": quota.bytes});
    }
    object
}

/// Why it wasn't done.
pub(super) enum NotDone {
    /// Its account was deleted meanwhile.
    AccountGone,
    /// What the store refused.
    Failed(S3Error),
}

impl<E: Into<S3Error>> From<E> for NotDone {
    fn from(error: E) -> NotDone {
        NotDone::Failed(error.into())
    }
}

/// What has to be done for one declared bucket. A field that stays as it is is absent.
#[derive(Debug)]
pub(super) struct BucketStep {
    owner: AccountId,
    name: BucketName,
    /// Absent for one that has to be made.
    existing: Option<Arc<Bucket>>,
    versioning: Option<Versioning>,
    policy: Option<Option<Policy>>,
    quota: Option<Option<Quota>>,
}

impl BucketStep {
    /// The change for people: `+ bucket "x"`, or `~ bucket "x": versioning, quota`.
    pub(super) fn line(&self) -> String {
        let name = &self.name;
        if self.is_new() {
            return format!("+ bucket \"{name}\"");
        }
        let fields = [
            ("versioning", self.versioning.is_some()),
            ("policy", self.policy.is_some()),
            ("quota", self.quota.is_some()),
        ];
        let fields: Vec<&str> = fields.into_iter().filter(|(_, changes)| *changes).map(|(field, _)| field).collect();
        format!("~ bucket \"{name}\": {}", fields.join(", "))
    }

    fn is_new(&self) -> bool {
        self.existing.as_ref().is_none_or(|it| is_unfinished(it))
    }

    /// Makes the bucket, or sets what is declared of it.
    ///
    /// # Errors
    /// Its account was deleted meanwhile; what the store refuses.
    pub(super) async fn execute(self, state: &State) -> Result<(), NotDone> {
        let sets_rows = self.policy.is_some() || self.quota.is_some();
        let bucket = match &self.existing {
            Some(existing) => match self.versioning {
                None => existing.clone(),
                Some(versioning) => {
                    let change = BucketChange { versioning: Some(versioning), ..BucketChange::default() };
                    state.store.set_bucket(existing.id, change).await?
                }
            },
            None => {
                let new = NewBucket {
                    name: self.name,
                    owner: self.owner.to_string(),
                    versioning: self.versioning.unwrap_or(Versioning::Unversioned),
                    attributes: if sets_rows { Bytes::from_static(UNFINISHED) } else { Bytes::new() },
                };
                let _kept = state.keep_account(self.owner.as_str()).await.ok_or(NotDone::AccountGone)?;
                match state.store.create_bucket(new).await {
                    // Somebody made it meanwhile: it is there, as declared, and the next apply sets what is missing.
                    Err(engine::Error::BucketExists(existing)) if existing.owner == self.owner.as_str() => {
                        return Ok(());
                    }
                    made => made?,
                }
            }
        };
        if let Some(policy) = self.policy {
            state.bucket_policies.set(&state.store, bucket.id, policy).await?;
        }
        if let Some(quota) = self.quota {
            state.quotas.set(&state.store, bucket.id, quota).await?;
        }
        if is_unfinished(&bucket) {
            let change = BucketChange { attributes: Some(Bytes::new()), ..BucketChange::default() };
            state.store.set_bucket(bucket.id, change).await?;
        }
        Ok(())
    }
}

fn is_unfinished(bucket: &Bucket) -> bool {
    bucket.attributes == UNFINISHED
}

/// What has to be done so that the buckets are as `plan` declares.
pub(super) fn steps(state: &State, plan: &Plan, mode: Mode) -> Result<Vec<BucketStep>, ApplyError> {
    let mut steps = Vec::new();
    for (owner, declared) in &plan.buckets {
        let parsed = BucketName::parse(&declared.name).ok().filter(|name| !bucket_name::is_reserved(name));
        let Some(name) = parsed else {
            let rule = "must have 3 to 63 lower-case letters, digits, dots and hyphens, and not be reserved";
            return Err(refused(&declared.error("name", rule)));
        };
        let existing = state.store.bucket(&name).ok();
        if let Some(other) = existing.as_ref().filter(|it| it.owner != owner.as_str()) {
            let message = format!("belongs to account {}: a bucket's owner can't be changed", other.owner);
            return Err(refused(&declared.error("name", message).as_conflict()));
        }
        let step = step(state, owner, name, existing, declared).map_err(|error| refused(&error))?;
        let changes = step.versioning.is_some() || step.policy.is_some() || step.quota.is_some();
        if step.is_new() || (changes && mode != Mode::Bootstrap) {
            steps.push(step);
        }
    }
    check_count(state, &steps)?;
    Ok(steps)
}

fn step(
    state: &State,
    owner: &AccountId,
    name: BucketName,
    existing: Option<Arc<Bucket>>,
    declared: &DeclaredBucket,
) -> Result<BucketStep, StateError> {
    let versioning = declared.versioning.as_deref();
    let versioning = versioning
        .map(|text| versioning_from(text).ok_or_else(|| declared.error("versioning", VERSIONING_RULE)))
        .transpose()?
        .filter(|wanted| *wanted != existing.as_ref().map_or(Versioning::Unversioned, |it| it.versioning));
    if versioning == Some(Versioning::Unversioned) {
        let message = "can't be off again: it can be suspended";
        return Err(declared.error("versioning", message));
    }
    let quota = declared.quota.map(|quota| quota.map(|bytes| Quota { bytes }));
    if quota.flatten().is_some_and(|quota| quota.bytes > QUOTA_BYTES_MAX) {
        return Err(declared.error("quota", format!("must have at most {QUOTA_BYTES_MAX} bytes")));
    }
    // One that can't be read differs from every declared one.
    let quota = quota.filter(|wanted| match &existing {
        None => wanted.is_some(),
        Some(bucket) => state.quotas.of(bucket.id).map_or(true, |stored| stored != *wanted),
    });
    let policy = match &declared.policy {
        None => None,
        Some(wanted) => {
            let stored = existing.as_ref().map(|bucket| state.bucket_policies.of(bucket.id));
            let same = match &stored {
                None => wanted.is_none(),
                Some(Ok(stored)) => stored.as_ref().map(|it| it.policy.source()) == wanted.as_deref(),
                Some(Err(_)) => false,
            };
            // One that is in force isn't parsed again: it stays, also when a later version would refuse to store it.
            if same { None } else { Some(wanted.as_deref().map(|text| parse(declared, &name, text)).transpose()?) }
        }
    };
    Ok(BucketStep { owner: owner.clone(), name, existing, versioning, policy, quota })
}

fn parse(declared: &DeclaredBucket, name: &BucketName, text: &str) -> Result<Policy, StateError> {
    policy::parse(text.as_bytes(), ParseOptions::bucket(name)).map_err(|refused| {
        let first = refused.errors.first().map(|error| (error.line as usize, error.column as usize));
        declared.policy_error(&refused.message, first)
    })
}

/// Refuses more buckets than an account may have.
fn check_count(state: &State, steps: &[BucketStep]) -> Result<(), ApplyError> {
    let made = || steps.iter().filter(|step| step.existing.is_none());
    let Some(first) = made().next() else { return Ok(()) };
    let buckets = state.store.buckets();
    for step in std::iter::once(first).chain(made()) {
        let there = buckets.iter().filter(|bucket| bucket.owner == step.owner.as_str()).count();
        let new = made().filter(|it| it.owner == step.owner).count();
        if there + new > BUCKETS_PER_ACCOUNT_MAX {
            let message = format!("account {} can't have more than {BUCKETS_PER_ACCOUNT_MAX} buckets", step.owner);
            return Err(ApplyError::Conflict(message));
        }
    }
    Ok(())
}

/// A fault of the file, or of the file against what is there.
pub(super) fn refused(error: &StateError) -> ApplyError {
    let text = error.to_string();
    if error.is_conflict { ApplyError::Conflict(text) } else { ApplyError::Refused(text) }
}
