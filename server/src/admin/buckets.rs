//! Buckets as an administrator sees them: what they hold, whether the public may see it, their policies.

use std::sync::Arc;

use engine::{Bucket, BucketChange, BucketName, Versioning};
use http::{StatusCode, header};
use jiff::Timestamp;
use policy::{Action, BUCKET_POLICY_BYTES_MAX, ParseOptions};

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::page::{Listing, Row};
use super::wire;
use crate::declare::{VERSIONING_RULE, bucket_state, versioning_from, versioning_name};
use crate::protocol::error::Code;
use crate::quota::{QUOTA_BYTES_MAX, Quota};
use crate::s3::bucket::create;
use crate::state::State;

/// S3's header by which the author of a bucket policy confirms that it may lock them out.
const CONFIRM_HEADER: &str = "x-amz-confirm-remove-self-bucket-access";

/// What a list of buckets can be sorted by.
pub(super) const SORTS: [&str; 4] = ["name", "bytes", "objects", "createTime"];

/// `POST /buckets`
pub(super) async fn create(call: &Call) -> Result<Answer> {
    let body: wire::BucketBody = call.json()?;
    let name = body.name.as_deref().ok_or_else(|| Refusal::invalid("name", "is missing"))?;
    let rule = "must have 3 to 63 lower-case letters, digits, dots and hyphens";
    let name = BucketName::parse(name).map_err(|_| Refusal::invalid("name", rule))?;
    let versioning = body.versioning.as_deref().map(read_versioning).transpose()?;
    let quota = body.quota.flatten().map(read_quota).transpose()?;
    let account = call.account_id()?;
    let kept = call.state.keep_account(account.as_str()).await.ok_or_else(Refusal::account_not_found)?;
    let made = create::make(&call.state, &name, kept).await;
    let made = made.map_err(|error| match error.code {
        Code::BucketAlreadyExists | Code::BucketAlreadyOwnedByYou => Refusal::conflict(
            "BucketNameAlreadyExists",
            "The bucket name is already in use. Please use a different name.",
        ),
        Code::InvalidBucketName => Refusal::invalid("name", "is reserved"),
        _ => error.into(),
    })?;
    let made = match versioning.filter(|it| *it != Versioning::Unversioned) {
        None => made,
        Some(versioning) => set(call, &made, versioning).await?,
    };
    if quota.is_some() {
        call.state.quotas.set(&call.state.store, made.id, quota).await?;
    }
    call.note_made(serde_json::json!({"name": made.name.to_string()}));
    Ok(Answer::created(&show(&call.state, &made))?.with(header::ETAG, etag(&call.state, &made)))
}

/// `GET /buckets`
pub(super) async fn list(call: &Call) -> Result<Answer> {
    let listing = Listing::asked(call, &SORTS)?;
    let account = call.account_id()?;
    let buckets = call.state.store.buckets();
    let wanted = buckets.iter().filter(|it| {
        it.owner == account.as_str()
            && listing.name.as_ref().is_none_or(|name| *it.name == **name)
            && listing.finds(&[&it.name])
    });
    let rows = wanted.map(|it| {
        let key = match listing.sort {
            "bytes" => format!("{:020}", call.state.store.bucket_usage(it.id).bytes),
            "objects" => format!("{:020}", call.state.store.bucket_usage(it.id).objects),
            "createTime" => format!("{:020}", it.created_ms),
            _ => it.name.to_string(),
        };
        Row { key, id: it.name.to_string(), item: it }
    });
    listing.answer(rows.collect(), |it| show(&call.state, it))
}

/// `GET /buckets/{name}`
pub(super) async fn read(call: &Call) -> Result<Answer> {
    let bucket = find(call)?;
    shown(call, &bucket)
}

/// `PUT /buckets/{name}`
pub(super) async fn update(call: &Call) -> Result<Answer> {
    let body: wire::BucketBody = call.json()?;
    let versioning = body.versioning.as_deref().map(read_versioning).transpose()?;
    let quota = body.quota.map(|quota| quota.map(read_quota).transpose()).transpose()?;
    let _turn = call.state.settings_turn.lock().await;
    let bucket = find(call)?;
    if body.name.as_ref().is_some_and(|name| **name != *bucket.name) {
        return Err(Refusal::invalid("name", "can't be changed"));
    }
    call.require_match(&etag(&call.state, &bucket))?;
    let bucket = match versioning.filter(|it| *it != bucket.versioning) {
        None => bucket,
        Some(Versioning::Unversioned) => {
            return Err(Refusal::invalid("versioning", "can be suspended, but not off again"));
        }
        Some(versioning) => {
            require_undenied(call, &bucket, Action::PutBucketVersioning)?;
            set(call, &bucket, versioning).await?
        }
    };
    if let Some(quota) = quota {
        call.state.quotas.set(&call.state.store, bucket.id, quota).await?;
    }
    shown(call, &bucket)
}

/// `DELETE /buckets/{name}`: an empty one.
pub(super) async fn delete(call: &Call) -> Result<Answer> {
    let _turn = call.state.settings_turn.lock().await;
    let bucket = find(call)?;
    require_undenied(call, &bucket, Action::DeleteBucket)?;
    call.require_match(&etag(&call.state, &bucket))?;
    call.state.store.delete_bucket(bucket.id).await.map_err(crate::protocol::error::S3Error::from)?;
    call.state.bucket_policies.forget(bucket.id);
    call.state.quotas.forget(bucket.id);
    Ok(Answer::nothing())
}

/// `GET /buckets/{name}/policy`
pub(super) async fn read_policy(call: &Call) -> Result<Answer> {
    let bucket = find(call)?;
    require_undenied(call, &bucket, Action::GetBucketPolicy)?;
    let policy = call.state.bucket_policies.of(bucket.id)?;
    let policy = policy.ok_or_else(|| Refusal::not_found("NoSuchBucketPolicy", "The bucket policy does not exist"))?;
    let answer = Answer::bytes("application/json", policy.policy.source().to_owned());
    Ok(answer.with(header::ETAG, etag(&call.state, &bucket)))
}

/// `PUT /buckets/{name}/policy`: the body is the file.
pub(super) async fn replace_policy(call: &Call) -> Result<Answer> {
    let _turn = call.state.settings_turn.lock().await;
    let bucket = find(call)?;
    require_undenied(call, &bucket, Action::PutBucketPolicy)?;
    call.require_match(&etag(&call.state, &bucket))?;
    if call.body.len() > BUCKET_POLICY_BYTES_MAX {
        return Err(Refusal::invalid("policy", format!("is larger than {BUCKET_POLICY_BYTES_MAX} bytes")));
    }
    let policy = policy::parse(&call.body, ParseOptions::bucket(&bucket.name)).map_err(|errors| {
        let details = serde_json::to_value(&errors.errors).unwrap_or_default();
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, errors.code, errors.message).details(details)
    })?;
    let confirmed =
        call.head.headers.get(CONFIRM_HEADER).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if !confirmed && call.caller()?.is_denied_by(&call.circumstances(), Action::PutBucketPolicy, &bucket, &policy) {
        let message = format!(
            "The policy would keep you from changing it again. Send {CONFIRM_HEADER}: true to store it all the same."
        );
        return Err(Refusal::denied(message));
    }
    call.state.bucket_policies.set(&call.state.store, bucket.id, Some(policy)).await?;
    shown(call, &bucket)
}

/// `DELETE /buckets/{name}/policy`
pub(super) async fn remove_policy(call: &Call) -> Result<Answer> {
    let _turn = call.state.settings_turn.lock().await;
    let bucket = find(call)?;
    require_undenied(call, &bucket, Action::DeleteBucketPolicy)?;
    call.require_match(&etag(&call.state, &bucket))?;
    call.state.bucket_policies.set(&call.state.store, bucket.id, None).await?;
    Ok(Answer::nothing())
}

/// The account's bucket that the path names.
pub(super) fn find(call: &Call) -> Result<Arc<Bucket>> {
    let account = call.account_id()?;
    let found = call.state.store.bucket(call.name()).ok().filter(|it| it.owner == account.as_str());
    found.ok_or_else(Refusal::bucket_not_found)
}

/// Refuses what the bucket's own policy denies the caller: it holds here as on the S3 listener, where the operation has the action `action`.
fn require_undenied(call: &Call, bucket: &Bucket, action: Action) -> Result<()> {
    let caller = call.caller()?;
    let denied = match call.state.bucket_policies.of(bucket.id) {
        Ok(None) => false,
        Ok(Some(stored)) => caller.is_denied_by(&call.circumstances(), action, bucket, &stored.policy),
        // What it denies can't be known; root mends it.
        Err(_) => !matches!(caller.principal(), policy::Principal::Root { .. }),
    };
    if !denied {
        return Ok(());
    }
    Err(Refusal::denied(format!(
        "User: {} is not authorized to perform: {action} on resource: \"arn:aws:s3:::{}\" with an explicit deny in a resource-based policy",
        caller.principal(),
        bucket.name
    )))
}

/// A bucket with its entity tag.
fn shown(call: &Call, bucket: &Bucket) -> Result<Answer> {
    Ok(Answer::ok(&show(&call.state, bucket))?.with(header::ETAG, etag(&call.state, bucket)))
}

/// What stands for all that is set on a bucket, its policy included; not for what it holds.
fn etag(state: &State, bucket: &Bucket) -> String {
    let mut hash = blake3::Hasher::new_derive_key("strongroom 2026-11 entity tag of a bucket");
    hash.update(bucket_state(state, bucket).to_string().as_bytes());
    hash.update(format!("{:?} {}", bucket.id, bucket.created_ms).as_bytes());
    format!("\"{}\"", &hash.finalize().to_hex()[..32])
}

async fn set(call: &Call, bucket: &Bucket, versioning: Versioning) -> Result<Arc<Bucket>> {
    let change = BucketChange { versioning: Some(versioning), ..BucketChange::default() };
    let changed = call.state.store.set_bucket(bucket.id, change).await;
    Ok(changed.map_err(crate::protocol::error::S3Error::from)?)
}

fn read_versioning(text: &str) -> Result<Versioning> {
    versioning_from(text).ok_or_else(|| Refusal::invalid("versioning", VERSIONING_RULE))
}

fn read_quota(quota: wire::Quota) -> Result<Quota> {
    if quota.bytes > QUOTA_BYTES_MAX {
        return Err(Refusal::invalid("quota.bytes", format!("must be at most {QUOTA_BYTES_MAX}")));
    }
    Ok(Quota { bytes: quota.bytes })
}

fn usage_of(state: &State, bucket: &Bucket) -> wire::Usage {
    let usage = state.store.bucket_usage(bucket.id);
    wire::Usage { objects: usage.objects, bytes: usage.bytes }
}

/// When a bucket was created, from milliseconds since the epoch.
pub(super) fn create_time(created_ms: u64) -> String {
    let created = Timestamp::from_millisecond(i64::try_from(created_ms).unwrap_or(i64::MAX));
    format!("{:.3}", created.unwrap_or(Timestamp::UNIX_EPOCH))
}

fn show(state: &State, bucket: &Bucket) -> wire::Bucket {
    let policy = state.bucket_policies.of(bucket.id);
    // Nothing is written to a bucket whose quota can't be read.
    let quota = state.quotas.of(bucket.id).unwrap_or(Some(Quota { bytes: 0 }));
    wire::Bucket {
        name: bucket.name.to_string(),
        create_time: create_time(bucket.created_ms),
        versioning: versioning_name(bucket.versioning),
        usage: usage_of(state, bucket),
        quota: quota.map(|quota| wire::Quota { bytes: quota.bytes }),
        lock: false,
        // One that can't be read is there, and refuses everybody.
        has_policy: !matches!(policy, Ok(None)),
        public: matches!(policy, Ok(Some(policy)) if policy.policy.is_public()),
    }
}
