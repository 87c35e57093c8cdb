//! What a service account can do, and who can do what to a bucket: read from the policies themselves, not found out by trying.
//!
//! A statement with conditions may apply or not, so the answer has three parts: what is allowed whatever the circumstances, what is allowed in some, and the statements that say so.

use std::sync::Arc;

use engine::Bucket;
use policy::{
    Action, AttachedPolicy, EmptyContext, Outcome, ParseOptions, Policy, PolicyKind, Principal, Resource, ResourceType,
};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, Result};
use super::buckets;
use super::call::Call;
use super::page::{Listing, Row};
use super::service_accounts;
use super::simulate;
use super::wire;
use crate::identity::credential::{AttachedPermission, Identity};

/// Buckets that are looked at for one service account.
const BUCKETS_MAX: usize = 100;
/// What a list of who can do what can be sorted by.
pub(super) const SORTS: [&str; 1] = ["name"];

/// `GET /service-accounts/{id}/access`
pub(super) async fn of_service_account(call: &Call) -> Result<Answer> {
    let (snapshot, account) = (call.snapshot(), call.account_id()?);
    let found = service_accounts::find(&snapshot, &account, call.name())?;
    let (identity, status) = simulate::identity(&snapshot, found, call)?;
    let own: Vec<Attached> = attached(&identity)?;
    let mut shown = Vec::new();
    let all = call.state.store.buckets();
    for bucket in all.iter().filter(|it| it.owner == account.as_str()).take(BUCKETS_MAX) {
        let policies = with_bucket(call, bucket, &own)?;
        let (allowed, conditional) = actions(&identity, bucket, &policies);
        shown.push(wire::BucketActions { bucket: bucket.name.to_string(), allowed, conditional });
    }
    Answer::ok(&wire::Access {
        service_account: wire::Reference { id: found.id.to_string(), name: found.name.to_string() },
        status,
        grants: own.into_iter().flat_map(|it| it.grants).collect(),
        buckets: shown,
    })
}

/// `GET /buckets/{name}/access`: a page of service accounts, with what each can do to it.
pub(super) async fn of_bucket(call: &Call) -> Result<Answer> {
    let listing = Listing::of(&call.query, &SORTS)?;
    let (snapshot, account, bucket) = (call.snapshot(), call.account_id()?, buckets::find(call)?);
    let wanted = snapshot.service_accounts(account.as_str()).filter(|it| listing.finds(&[it.name.as_str()]));
    let rows = wanted.map(|it| Row { key: it.name.as_str().to_lowercase(), id: it.id.to_string(), item: it });
    listing.answer(rows.collect(), |it| {
        let (id, name) = (it.id.to_string(), it.name.to_string());
        // One whose permissions can't be read is refused with all its requests.
        let none = wire::BucketAccess {
            id: id.clone(),
            name: name.clone(),
            status: "damaged",
            allowed: Vec::new(),
            conditional: Vec::new(),
            grants: Vec::new(),
        };
        let Ok((identity, status)) = simulate::identity(&snapshot, it, call) else { return none };
        let Ok(policies) = attached(&identity).and_then(|own| with_bucket(call, &bucket, &own)) else { return none };
        let (allowed, conditional) = actions(&identity, &bucket, &policies);
        let grants = policies.into_iter().flat_map(|it| it.grants).filter(|it| bears_on(it, &bucket)).collect();
        wire::BucketAccess { id, name, status, allowed, conditional, grants }
    })
}

/// A policy taken apart for questions that leave the circumstances open.
#[derive(Clone)]
struct Attached {
    role: PolicyKind,
    enabled: bool,
    grants: Vec<wire::Grant>,
    /// Its Allows without those that have conditions, and all of its Denies, without their conditions: what it allows for certain.
    certain: Option<Arc<Policy>>,
    /// All of its Allows without their conditions, and its Denies but those that have conditions: what it may allow.
    possible: Option<Arc<Policy>>,
}

fn attached(identity: &Identity) -> Result<Vec<Attached>> {
    let one =
        |it: &AttachedPermission| Attached::new(it.name.as_str(), it.policy.source(), PolicyKind::Identity, it.enabled);
    identity.permissions().iter().map(one).collect()
}

fn with_bucket(call: &Call, bucket: &Bucket, own: &[Attached]) -> Result<Vec<Attached>> {
    let mut policies = own.to_vec();
    if let Some(stored) = call.state.bucket_policies.of(bucket.id)? {
        policies.push(Attached::new("bucket policy", stored.policy.source(), PolicyKind::Bucket, true)?);
    }
    Ok(policies)
}

impl Attached {
    fn new(name: &str, source: &str, role: PolicyKind, enabled: bool) -> Result<Attached> {
        let unreadable = || Refusal::internal(&format!("policy {name} can't be read again"));
        let document: Value = serde_json::from_str(source.trim_start_matches('\u{feff}')).map_err(|_| unreadable())?;
        let version = document.get("Version").cloned().unwrap_or_else(|| "2008-10-17".into());
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        let has_condition = |statement: &Value| statement["Condition"].as_object().is_some_and(|it| !it.is_empty());
        let pick = |certain: bool| -> Result<Option<Arc<Policy>>> {
            let kept = statements.iter().filter(|statement| {
                let allows = statement["Effect"] == "Allow";
                !has_condition(statement) || allows != certain
            });
            let bare: Vec<Value> = kept
                .map(|statement| {
                    let mut statement = statement.clone();
                    statement.as_object_mut().map(|it| it.remove("Condition"));
                    statement
                })
                .collect();
            if bare.is_empty() {
                return Ok(None);
            }
            let text = json!({"Version": version, "Statement": bare}).to_string();
            let parsed = policy::parse(text.as_bytes(), ParseOptions::grammar(role)).map_err(|_| unreadable())?;
            Ok(Some(Arc::new(parsed)))
        };
        let grant = |(index, statement): (usize, &Value)| wire::Grant {
            policy: name.to_owned(),
            sid: statement["Sid"].as_str().map_or_else(|| format!("#{}", index + 1), str::to_owned),
            effect: statement["Effect"].as_str().unwrap_or_default().to_owned(),
            in_force: enabled || statement["Effect"] == "Deny",
            actions: named_actions(statement),
            resource: statement.get("Resource").cloned().unwrap_or_else(|| json!({"not": statement["NotResource"]})),
            condition: statement.get("Condition").cloned(),
            principal: statement
                .get("Principal")
                .cloned()
                .or_else(|| statement.get("NotPrincipal").map(|not| json!({"not": not}))),
        };
        Ok(Attached {
            role,
            enabled,
            grants: statements.iter().enumerate().map(grant).collect(),
            certain: pick(true)?,
            possible: pick(false)?,
        })
    }
}

/// The S3 actions that can be asked on buckets and objects.
fn s3_actions() -> impl Iterator<Item = Action> {
    Action::all().filter(|action| {
        action.name().starts_with("s3:")
            && matches!(action.resource_type(), ResourceType::Bucket | ResourceType::Object)
    })
}

/// The S3 actions that a statement names, written out.
fn named_actions(statement: &Value) -> Vec<&'static str> {
    let element = if statement.get("NotAction").is_some() { "NotAction" } else { "Action" };
    let text = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", element: statement[element], "Resource": "*"}});
    let Ok(policy) = policy::parse(text.to_string().as_bytes(), ParseOptions::grammar(PolicyKind::Identity)) else {
        return Vec::new();
    };
    let principal = Principal::User { account: "1", name: "it", arn: "arn:aws:iam::1:user/it" };
    let names = |action: &Action| {
        let resource = Resource::Bucket { account: "1", bucket: "b" };
        let request =
            policy::Request { principal, action: *action, resource, context: &EmptyContext, canonical_user: None };
        policy::decide([AttachedPolicy::new(&policy, "it")], &request).is_allowed()
    };
    Action::all().filter(|it| it.name().starts_with("s3:")).filter(names).map(Action::name).collect()
}

/// What is allowed on a bucket and all its objects for certain, and what in some circumstances or on some objects.
fn actions(identity: &Identity, bucket: &Bucket, policies: &[Attached]) -> (Vec<&'static str>, Vec<&'static str>) {
    let outcome = |action: Action, key: Option<&str>, certain: bool| {
        let account = bucket.owner.as_str();
        let resource = match key {
            Some(key) => Resource::Object { account, bucket: &bucket.name, key },
            None => Resource::Bucket { account, bucket: &bucket.name },
        };
        let attached = policies.iter().filter_map(|it| {
            let policy = if certain { &it.certain } else { &it.possible };
            Some(AttachedPolicy { policy: policy.as_deref()?, role: it.role, name: "it", enabled: it.enabled })
        });
        let request = policy::Request {
            principal: identity.principal(),
            action,
            resource,
            context: &EmptyContext,
            canonical_user: Some(identity.account.canonical_id.as_str()),
        };
        policy::decide(attached, &request).outcome
    };
    // Keys that the statements themselves speak of, each as an object that its pattern covers.
    let keys: Vec<String> =
        policies.iter().flat_map(|it| &it.grants).flat_map(|it| sample_keys(&it.resource, bucket)).collect();
    let (mut allowed, mut conditional) = (Vec::new(), Vec::new());
    for action in s3_actions() {
        let is_on_object = action.resource_type() == ResourceType::Object;
        // The key that only statements about all objects cover; a Deny of some objects speaks against all.
        let every = is_on_object.then_some("*");
        let sure = outcome(action, every, true) == Outcome::Allow
            && keys.iter().all(|key| !is_on_object || outcome(action, Some(key), true) != Outcome::ExplicitDeny);
        let may = || {
            outcome(action, every, false) == Outcome::Allow
                || is_on_object && keys.iter().any(|key| outcome(action, Some(key), false) == Outcome::Allow)
        };
        if sure {
            allowed.push(action.name());
        } else if may() {
            conditional.push(action.name());
        }
    }
    (allowed, conditional)
}

/// For each resource of a statement that names objects of the bucket, the name of one.
fn sample_keys(resource: &Value, bucket: &Bucket) -> Vec<String> {
    let texts: Vec<&str> = match resource {
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    };
    let tails = texts.into_iter().filter_map(|text| text.strip_prefix("arn:aws:s3:::")?.split_once('/'));
    let named = tails.filter(|(name, key)| *key != "*" && (name.contains(['*', '?', '$']) || **name == *bucket.name));
    named.map(|(_, key)| key.replace(['*', '?'], "x")).collect()
}

/// Whether a statement speaks of the bucket or of objects in it.
fn bears_on(grant: &wire::Grant, bucket: &Bucket) -> bool {
    let texts: Vec<&str> = match &grant.resource {
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        // What it leaves out is told by the statement itself.
        _ => return true,
    };
    texts.iter().any(|text| {
        let Some(tail) = text.strip_prefix("arn:aws:s3:::") else { return *text == "*" };
        let name = tail.split('/').next().unwrap_or_default();
        let document = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": format!("arn:aws:s3:::{name}")}});
        let Ok(policy) = policy::parse(document.to_string().as_bytes(), ParseOptions::grammar(PolicyKind::Identity)) else {
            return true;
        };
        let request = policy::Request {
            principal: Principal::User { account: &bucket.owner, name: "it", arn: "arn:aws:iam::1:user/it" },
            action: Action::ListBucket,
            resource: Resource::Bucket { account: &bucket.owner, bucket: &bucket.name },
            context: &EmptyContext,
            canonical_user: None,
        };
        policy::decide([AttachedPolicy::new(&policy, "it")], &request).is_allowed()
    })
}
