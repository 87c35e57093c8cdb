//! Who could do what, and why: a request judged as it would be, without being made.

use std::net::IpAddr;
use std::sync::Arc;

use engine::Versioning;
use policy::{Action, AttachedPolicy, ConditionKey, MapContext, Outcome, Principal, Resource, ResourceType, Value};

use super::answer::{Answer, Refusal, Result};
use super::call::Call;
use super::service_accounts;
use super::wire;
use crate::bucket_policy::BucketPolicy;
use crate::identity::account::Account;
use crate::identity::credential::Identity;
use crate::identity::service_account::ServiceAccount;
use crate::identity::snapshot::{Refusal as KeyRefusal, Snapshot};
use crate::identity::user::User;
use crate::protocol::operation::{On, also_denied_by};

/// Facts of one simulated request.
const CONTEXT_KEYS_MAX: usize = 100;
/// Values of one fact.
const CONTEXT_VALUES_MAX: usize = 100;

/// Keys that follow from who calls and what is called; a simulation can't say them otherwise.
pub(super) const DERIVED: [&str; 8] = [
    "aws:username",
    "aws:userid",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principaltype",
    "aws:resourceaccount",
    "s3:resourceaccount",
    "aws:requestedregion",
];

/// `POST /simulate`
pub(super) async fn run(call: &Call) -> Result<Answer> {
    let body: wire::SimulationBody = call.json()?;
    let snapshot = call.snapshot();
    // Whose permissions and whose bucket is for the eyes of those who may change accounts; others ask within theirs.
    let spans_accounts = call.caller()?.account().operator && call.require(Action::StrongroomUpdateAccount).is_ok();
    let other = account_of(&body.principal).filter(|_| spans_accounts).and_then(|id| snapshot.account(id));
    let account = other.unwrap_or(call.account()?);
    let action = Action::from_name(&body.action).ok_or_else(|| {
        let shown: String = body.action.chars().take(128).collect();
        Refusal::invalid("action", format!("{shown:?} is not an action of S3"))
    })?;
    let account_id = account.account_id.as_str();
    let who = who(&snapshot, account, &body.principal)?;
    let (identity, key_status) = match &who {
        Who::Root | Who::Anonymous => (None, "enabled"),
        Who::User { user, .. } => (None, if user.enabled { "enabled" } else { "disabled" }),
        Who::ServiceAccount(found) => {
            let (identity, status) = identity(&snapshot, found, call)?;
            (Some(identity), status)
        }
    };
    let principal = match (&who, &identity) {
        (Who::Root, _) => Principal::Root { account: account_id },
        (Who::User { user, arn }, _) => Principal::User { account: account_id, name: user.name.as_str(), arn },
        (Who::ServiceAccount(_), Some(identity)) => identity.principal(),
        (Who::Anonymous | Who::ServiceAccount(_), _) => Principal::Anonymous,
    };
    require_fit(action, &body.resource)?;
    let Place { owner, bucket_policy, is_unversioned } = place(call, &body.resource, account_id, spans_accounts)?;
    let resource = Resource::from_arn(&body.resource, &owner);
    let mut context = MapContext::new();
    context.insert("aws:CurrentTime", Value::Seconds(call.now));
    context.insert("aws:EpochTime", Value::Seconds(call.now));
    context.insert("aws:SecureTransport", Value::Boolean(call.peer.secure));
    read_context(&body.context, &mut context)?;
    add_network(&body.context, &mut context, call);
    derive(&mut context, call, &principal, identity.as_deref(), &owner);
    let policies = || {
        let own = identity.iter().flat_map(|it| it.policies());
        let role = match &who {
            Who::User { user, .. } => Some(AttachedPolicy::new(user.role.policy(), user.role.as_str())),
            _ => None,
        };
        own.chain(role).chain(bucket_policy.as_ref().map(|it| AttachedPolicy::new(&it.policy, "bucket policy")))
    };
    let request = |action, resource| policy::Request {
        principal,
        action,
        resource,
        context: &context,
        canonical_user: (principal != Principal::Anonymous).then(|| account.canonical_id.as_str()),
    };
    // What its request is refused by though nothing need allow it.
    let denied =
        also_denied_by(action, is_unversioned).iter().map(|&(action, on)| request(action, on_resource(on, resource)));
    let decide = |request: &policy::Request<'_>| policy::decide(policies(), request);
    let own = request(action, resource);
    let denied = denied.filter(|_| decide(&own).is_allowed()).find(|it| decide(it).outcome == Outcome::ExplicitDeny);
    let request = denied.unwrap_or(own);
    let explanation = policy::explain(policies(), &request);
    let decision = policy::decide(policies(), &request);
    Answer::ok(&wire::Simulation {
        allowed: decision.is_allowed() && key_status == "enabled",
        decision: match decision.outcome {
            Outcome::Allow => "Allow",
            Outcome::ExplicitDeny => "ExplicitDeny",
            Outcome::ImplicitDeny => "ImplicitDeny",
        },
        policy: decision.deciding.map(|it| it.policy.to_owned()),
        sid: decision.deciding.map(|it| it.statement.name()),
        because: explanation.because.clone(),
        key_status,
        explanation: serde_json::to_value(&explanation).map_err(|error| Refusal::internal(&error))?,
    })
}

/// Whose request is simulated.
enum Who<'a> {
    Root,
    Anonymous,
    ServiceAccount(&'a ServiceAccount),
    User { user: &'a User, arn: String },
}

/// Finds whom a text names: `root`, `anonymous`, or the name, id, ARN or access key of a service account, by each of which logs and answers name callers; where there is none such the ARN or name of a user.
fn who<'a>(snapshot: &'a Snapshot, account: &Account, text: &str) -> Result<Who<'a>> {
    let id = account.account_id.as_str();
    // One that was named so before such names were refused is meant by its name; root has an ARN of its own.
    if let Ok(found) = service_accounts::find(snapshot, &account.account_id, text) {
        return Ok(Who::ServiceAccount(found));
    }
    let is_root = snapshot.root(id).is_some_and(|root| root.access_key.as_str() == text);
    if text == "root" || text == account.root_arn() || is_root {
        return Ok(Who::Root);
    }
    if text == "anonymous" {
        return Ok(Who::Anonymous);
    }
    let is_meant = |it: &&Arc<ServiceAccount>| it.access_key.as_str() == text || it.arn() == text;
    if let Some(found) = snapshot.service_accounts(id).find(is_meant) {
        return Ok(Who::ServiceAccount(found));
    }
    let user = snapshot.users(id).find(|it| it.name.as_str() == text || it.arn() == text);
    let user = user.ok_or_else(Refusal::service_account_not_found)?;
    Ok(Who::User { user, arn: user.arn() })
}

/// The resource of an action that is judged beside the one on `resource`.
pub(super) fn on_resource(on: On, resource: Resource<'_>) -> Resource<'_> {
    match (on, resource) {
        (On::EveryObject, Resource::Bucket { account, bucket }) => {
            Resource::Object { account, bucket, key: On::EVERY_KEY }
        }
        _ => resource,
    }
}

/// Refuses to judge what no request is: an action on objects asked of a bucket, or the other way round.
fn require_fit(action: Action, arn: &str) -> Result<()> {
    let tail = tail_of(arn)?;
    let has_key = tail.contains('/');
    let (name, bucket) = (action.name(), tail.split('/').next().unwrap_or_default());
    match action.resource_type() {
        ResourceType::Object if !has_key => Err(Refusal::invalid(
            "resource",
            format!("is a bucket, but {name} is about objects: arn:aws:s3:::{bucket}/KEY"),
        )),
        ResourceType::Bucket if has_key => Err(Refusal::invalid(
            "resource",
            format!("is an object, but {name} is about buckets: arn:aws:s3:::{bucket}"),
        )),
        _ => Ok(()),
    }
}

/// Adds the network that a given address belongs to, as it would be added to a request from there.
fn add_network(given: &serde_json::Map<String, serde_json::Value>, context: &mut MapContext, call: &Call) {
    let is_given = |name: &str| given.keys().any(|key| key.eq_ignore_ascii_case(name));
    let address = given.iter().find(|(key, _)| key.eq_ignore_ascii_case("aws:SourceIp"));
    let address = address.and_then(|(_, value)| value.as_str()?.parse::<IpAddr>().ok());
    let Some(network) = address.and_then(|address| call.state.config.network_of(address)) else { return };
    let text = |text: &str| Value::String(text.to_owned().into());
    if !is_given("aws:SourceVpc") {
        context.insert("aws:SourceVpc", text(&network.vpc));
    }
    if let Some(vpce) = network.vpce.as_ref().filter(|_| !is_given("aws:SourceVpce")) {
        context.insert("aws:SourceVpce", text(vpce));
    }
}

/// The identity behind a service account, also while its key is refused, and what its key is.
pub(super) fn identity(
    snapshot: &Snapshot,
    service_account: &ServiceAccount,
    call: &Call,
) -> Result<(Arc<Identity>, &'static str)> {
    match snapshot.credential(service_account.access_key.as_str(), call.time()) {
        Ok(identity) => Ok((identity.clone(), "enabled")),
        Err(KeyRefusal::Disabled(identity)) => Ok((identity.clone(), "disabled")),
        Err(KeyRefusal::Expired(identity)) => Ok((identity.clone(), "expired")),
        Err(
            refusal @ (KeyRefusal::Damaged(_) | KeyRefusal::Unknown | KeyRefusal::Former(_) | KeyRefusal::Overridden),
        ) => Err(Refusal::conflict("ServiceAccountDamaged", format!("The service account can't be used: {refusal}."))),
    }
}

/// What an ARN says behind the service.
fn tail_of(arn: &str) -> Result<&str> {
    let rule = "must be an ARN such as arn:aws:s3:::BUCKET or arn:aws:s3:::BUCKET/KEY";
    arn.strip_prefix("arn:aws:s3:::").ok_or_else(|| Refusal::invalid("resource", rule))
}

/// What bears on a request beside its caller: the owner and the policy of the bucket, and whether it never kept versions.
struct Place {
    owner: String,
    bucket_policy: Option<Arc<BucketPolicy>>,
    is_unversioned: bool,
}

/// The account that the ARN of a caller names.
fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:aws:iam::")?.split_once(':').map(|(account, _)| account)
}

/// The bucket that an ARN names; one that isn't there would be the caller's own.
fn place(call: &Call, arn: &str, own: &str, spans_accounts: bool) -> Result<Place> {
    let name = tail_of(arn)?.split('/').next().unwrap_or_default();
    match call.state.store.bucket(name) {
        // What another account's bucket policy says is not for everybody's eyes.
        Ok(bucket) if bucket.owner == own || spans_accounts => Ok(Place {
            owner: bucket.owner.clone(),
            bucket_policy: call.state.bucket_policies.of(bucket.id)?,
            is_unversioned: bucket.versioning == Versioning::Unversioned,
        }),
        Ok(_) => Err(Refusal::bucket_not_found()),
        Err(_) => Ok(Place { owner: own.to_owned(), bucket_policy: None, is_unversioned: false }),
    }
}

fn read_context(given: &serde_json::Map<String, serde_json::Value>, context: &mut MapContext) -> Result<()> {
    if given.len() > CONTEXT_KEYS_MAX {
        return Err(Refusal::invalid("context", format!("has more than {CONTEXT_KEYS_MAX} keys")));
    }
    for (key, value) in given {
        let invalid = |reason: &str| Refusal::invalid("context", format!("{key} {reason}"));
        let known = ConditionKey::new(key);
        if known.known().is_none() {
            return Err(invalid("is not a condition key"));
        }
        if DERIVED.contains(&known.canonical()) {
            return Err(invalid("follows from the principal and the resource"));
        }
        let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
        if known.canonical() == "aws:sourceip" && !value.as_str().is_some_and(is_address) {
            return Err(invalid("must be an address, such as 10.1.2.3"));
        }
        let one = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => Some(match text.parse::<IpAddr>() {
                Ok(address) if known.canonical() == "aws:sourceip" => Value::Address(address),
                _ => Value::String(text.clone().into()),
            }),
            serde_json::Value::Bool(boolean) => Some(Value::Boolean(*boolean)),
            serde_json::Value::Number(number) => {
                Some(number.as_i64().map_or_else(|| Value::String(number.to_string().into()), Value::Number))
            }
            _ => None,
        };
        let wrong = || invalid("must be a text, a number, true or false, or a list of these");
        match value {
            serde_json::Value::Array(values) if values.len() > CONTEXT_VALUES_MAX => {
                return Err(invalid("has too many values"));
            }
            serde_json::Value::Array(values) => {
                let values: Option<Vec<Value<'static>>> = values.iter().map(one).collect();
                context.insert_many(key, values.ok_or_else(wrong)?);
            }
            value => context.insert(key, one(value).ok_or_else(wrong)?),
        }
    }
    Ok(())
}

/// Adds what follows from who calls and what is called.
pub(super) fn derive(
    context: &mut MapContext,
    call: &Call,
    principal: &Principal<'_>,
    identity: Option<&Identity>,
    owner: &str,
) {
    let text = |text: &str| Value::String(text.to_owned().into());
    context.insert("aws:RequestedRegion", text(&call.state.config.region));
    context.insert("aws:ResourceAccount", text(owner));
    context.insert("s3:ResourceAccount", text(owner));
    context.insert("aws:ViaAWSService", Value::Boolean(false));
    context.insert("aws:PrincipalIsAWSService", Value::Boolean(false));
    let kind = match principal {
        Principal::Anonymous => "Anonymous",
        Principal::Root { .. } => "Account",
        Principal::User { .. } | Principal::Session { .. } => "User",
    };
    context.insert("aws:PrincipalType", text(kind));
    if let Some(account) = principal.account() {
        context.insert("aws:PrincipalAccount", text(account));
        context.insert("aws:PrincipalArn", text(&principal.to_string()));
    }
    match (identity, principal) {
        (Some(identity), _) => {
            context.insert("aws:username", text(identity.name()));
            context.insert("aws:userid", text(&identity.user_id));
        }
        // Users of the console have names only.
        (None, Principal::User { name, .. }) => context.insert("aws:username", text(name)),
        (None, _) => context.insert("aws:userid", text(principal.account().unwrap_or("anonymous"))),
    }
}
