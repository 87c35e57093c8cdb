//! How a case of the corpus becomes a request over HTTP, or why it can't.
//!
//! A node computes the context itself, from what it verified. So a case can be carried when every condition key that its documents
//! name has, in a request that can be sent, the value that the case gives it; what they don't name makes no difference.

use std::collections::BTreeSet;

use policy::{Dialect, Level, ParseOptions, PolicyKind};
use serde_json::{Value, json};
use tests::node::ACCOUNT_ID;

use super::wire::{self, Keys, Wire};
use super::{is_refused, text};

/// A second account, for callers from outside.
pub(super) const GUEST_ACCOUNT_ID: &str = "210987654321";
/// Names that every case has for itself on the node.
const NAMES: &[&str] = &["datalake", "alice", "bob", "mallory"];

/// Why a case can't be carried.
pub(super) type Reason = &'static str;

/// Who sends the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Anonymous,
    Root,
    GuestRoot,
    /// A service account of the node's account, or of the guest's.
    User {
        name: String,
        is_guest: bool,
    },
}

/// A case as a node sees it.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) id: String,
    pub(super) decision: String,
    /// The statement that decides, where the case names one.
    pub(super) sid: Option<String>,
    pub(super) sender: Sender,
    pub(super) identity_policies: Vec<Value>,
    pub(super) bucket_policy: Option<Value>,
    /// The bucket that the bucket policy is for; it exists unless the request creates it.
    pub(super) bucket: String,
    pub(super) is_created: bool,
    /// An object that is there before: key and tags as a header.
    pub(super) object: Option<(String, String)>,
    pub(super) wire: Wire,
}

/// Calls `each` with operator and key of every condition in a document.
pub(super) fn conditions(document: &Value, each: &mut dyn FnMut(&str, &str)) {
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        statement => vec![statement],
    };
    for statement in statements {
        for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
            for key in keys.as_object().into_iter().flatten().map(|(key, _)| key) {
                each(operator, key);
            }
        }
    }
}

/// The same statements in a bucket policy that names the caller: an Allow or Deny for the user itself decides as one of the user's own.
/// None for cases that other callers or other policies have a part in.
pub(super) fn in_a_bucket_policy(case: &Value) -> Option<Value> {
    let principal = text(&case["request"], "principal");
    let [policy] = case["policies"].as_array().expect("policies").as_slice() else { return None };
    let is_user = principal.starts_with(&format!("arn:aws:iam::{ACCOUNT_ID}:user/"));
    if !is_user || policy["kind"] != "identity" || is_refused(case) {
        return None;
    }
    let mut moved = case.clone();
    moved["id"] = json!(format!("{}-in-a-bucket-policy", text(case, "id")));
    moved["policies"][0]["kind"] = json!("bucket");
    let name = |statement: &mut Value| statement["Principal"] = json!({"AWS": principal});
    match &mut moved["policies"][0]["document"]["Statement"] {
        Value::Array(statements) => statements.iter_mut().for_each(name),
        statement => name(statement),
    }
    Some(moved)
}

/// Makes the case with this number into a request.
pub(super) fn carry(case: &Value, number: usize) -> Result<Carried, Reason> {
    if is_refused(case) {
        return Err("a document that breaks the grammar");
    }
    let case = &renamed(case, number)?;
    let request = &case["request"];
    let bucket = format!("datalake{number:04}");
    let (mut identity_policies, mut bucket_policy) = (Vec::new(), None);
    for policy in case["policies"].as_array().expect("policies") {
        let document = policy["document"].clone();
        let kind = match text(policy, "kind") {
            "identity" => PolicyKind::Identity,
            "bucket" => PolicyKind::Bucket,
            _ => return Err("sessions aren't made over S3"),
        };
        let options = ParseOptions {
            kind,
            dialect: Dialect::Aws,
            bucket: (kind == PolicyKind::Bucket).then_some(bucket.as_str()),
            level: Level::Storage,
        };
        if policy::parse(document.to_string().as_bytes(), options).is_err() {
            return Err("a document that can only be simulated, not stored");
        }
        if kind == PolicyKind::Identity {
            identity_policies.push(document);
        } else if bucket_policy.replace(document).is_some() {
            return Err("a bucket has one policy");
        }
    }
    let sender = sender(text(request, "principal"))?;
    if !matches!(sender, Sender::User { .. }) && !identity_policies.is_empty() {
        return Err("root and anonymous callers have no policies of their own");
    }
    let (wire, object) = asked(case, &sender)?;
    if !wire.bucket.is_empty() && wire.bucket != bucket && bucket_policy.is_some() {
        return Err("the request is for another bucket than the policy");
    }
    let is_created = text(request, "action") == "s3:CreateBucket";
    if is_created && bucket_policy.is_some() {
        return Err("a bucket that isn't there has no policy");
    }
    if needs_more(case, &wire) {
        return Err("the request needs a second action that the policies don't allow");
    }
    Ok(Carried {
        id: text(case, "id").to_owned(),
        decision: text(&case["expect"], "decision").to_owned(),
        sid: case["expect"]["sid"].as_str().map(str::to_owned),
        sender,
        identity_policies,
        bucket_policy,
        is_created,
        bucket,
        object,
        wire,
    })
}

/// The case with names of its own; a case whose decision hangs on the names can't be carried.
fn renamed(case: &Value, number: usize) -> Result<Value, Reason> {
    let mut renamed = json!({"policies": case["policies"], "request": case["request"]}).to_string();
    for name in NAMES {
        renamed = renamed.replace(name, &format!("{name}{number:04}"));
    }
    let mut renamed: Value = serde_json::from_str(&renamed).expect("names are plain letters");
    renamed["id"] = case["id"].clone();
    renamed["expect"] = case["expect"].clone();
    if decide(&renamed) == decide(case) { Ok(renamed) } else { Err("the decision hangs on the names") }
}

pub(super) fn decide(case: &Value) -> Value {
    let answers = policy::eval_cases(&json!([case]).to_string()).expect("an array");
    let answers: Value = serde_json::from_str(&answers).expect("an array");
    answers[0]["decision"].clone()
}

fn sender(principal: &str) -> Result<Sender, Reason> {
    if principal == "anonymous" {
        return Ok(Sender::Anonymous);
    }
    let name = principal.splitn(6, ':').nth(5).expect("an ARN");
    match (account(principal).expect("an account"), name.split_once('/')) {
        (ACCOUNT_ID, None) => Ok(Sender::Root),
        (GUEST_ACCOUNT_ID, None) => Ok(Sender::GuestRoot),
        (account @ (ACCOUNT_ID | GUEST_ACCOUNT_ID), Some(("user", name))) => {
            Ok(Sender::User { name: name.to_owned(), is_guest: account == GUEST_ACCOUNT_ID })
        }
        (_, Some(("assumed-role", _))) => Err("sessions aren't made over S3"),
        _ => Err("a principal that the node doesn't have"),
    }
}

pub(super) fn account(principal: &str) -> Option<&str> {
    principal.split(':').nth(4)
}

/// The names of keys in documents: of conditions and of variables, in lower case up to the name of a tag.
fn named(case: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for policy in case["policies"].as_array().expect("policies") {
        let document = &policy["document"];
        conditions(document, &mut |_, key| {
            names.insert(key.to_ascii_lowercase());
        });
        for piece in document.to_string().split("${").skip(1) {
            let name = piece.split([',', '}']).next().unwrap_or_default().trim();
            if name.contains(':') {
                names.insert(name.to_ascii_lowercase());
            }
        }
    }
    names
}

/// The request, and the object that must be there before it.
fn asked(case: &Value, sender: &Sender) -> Result<(Wire, Option<(String, String)>), Reason> {
    let request = &case["request"];
    let context = request["context"].as_object().expect("a context");
    let keys = Keys {
        context: context.iter().map(|(key, value)| (key.to_ascii_lowercase(), (key.as_str(), value))).collect(),
    };
    let action = text(request, "action");
    let mut wire = wire::target(action, text(request, "resource"), &keys)?;
    let mut object_tags = String::new();
    if let Some(address) = wire::address(&keys)? {
        wire.headers.push(("x-forwarded-for".into(), address));
    }
    let names = named(case);
    let is_dated = names.contains("aws:currenttime") || names.contains("aws:epochtime");
    if is_dated && decide(&dated(case)) != case["expect"]["decision"] {
        return Err("the time is the node's, and later or earlier than the case's");
    }
    for key in names {
        wire::place(&key, &keys, request, sender, &mut wire)?;
    }
    let tags = keys.below("s3:ExistingObjectTag/");
    if !tags.is_empty() {
        object_tags = tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    }
    let is_there = !wire.key.is_empty() && wire::has_object(action);
    let object = is_there.then(|| (wire.key.clone(), object_tags));
    if action == "s3:ListAllMyBuckets" && case["expect"]["decision"] == "ImplicitDeny" {
        let mut listing = case.clone();
        listing["request"]["action"] = json!("s3:ListBucket");
        listing["request"]["resource"] = json!(format!("arn:aws:s3:::{}", bucket_of_policies(case)));
        if decide(&listing) == "Allow" {
            return Err("ListBuckets shows the buckets that may be listed");
        }
    }
    let is_guest = matches!(sender, Sender::GuestRoot | Sender::User { is_guest: true, .. });
    if action.ends_with("BucketPolicy") && (is_guest || *sender == Sender::Anonymous) {
        return Err("a bucket's policy is for the owner's account only, whatever it says");
    }
    Ok((wire, object))
}

/// The case at the present time, which is the node's.
fn dated(case: &Value) -> Value {
    let mut dated = case.clone();
    let now = jiff::Timestamp::now();
    let context = dated["request"]["context"].as_object_mut().expect("a context");
    context.retain(|key, _| !key.eq_ignore_ascii_case("aws:CurrentTime") && !key.eq_ignore_ascii_case("aws:EpochTime"));
    context.insert("aws:CurrentTime".into(), json!(now.to_string()));
    context.insert("aws:EpochTime".into(), json!(now.as_second()));
    dated
}

fn bucket_of_policies(case: &Value) -> String {
    let text = case["policies"].to_string();
    let start = text.find("datalake").expect("a bucket");
    text[start..].chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Whether an Allow would fail over HTTP for want of another (action, resource) that the same request is judged on.
fn needs_more(case: &Value, wire: &Wire) -> bool {
    if case["expect"]["decision"] != "Allow" {
        return false;
    }
    let header = |name: &str| wire.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value);
    let resource = text(&case["request"], "resource");
    let mut more = Vec::new();
    if header("x-amz-acl").is_some() {
        more.push(("s3:PutObjectAcl", resource.to_owned()));
    }
    if header("x-amz-tagging").is_some() {
        more.push(("s3:PutObjectTagging", resource.to_owned()));
    }
    if header("if-match").is_some() {
        more.push(("s3:GetObject", resource.to_owned()));
    }
    if let Some(source) = header("x-amz-copy-source") {
        more.push(("s3:GetObject", format!("arn:aws:s3:::{}", source.trim_start_matches('/'))));
    }
    more.into_iter().any(|(action, resource)| {
        let mut also = case.clone();
        also["request"]["action"] = json!(action);
        also["request"]["resource"] = json!(resource);
        decide(&also) != "Allow"
    })
}
