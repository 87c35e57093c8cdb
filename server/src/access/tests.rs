//! What a decision sees of a request: which keys are there, on every route, and what becomes of facts that can't be read.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use engine::{Attributes, Body, ETag, ObjectKey, Precondition, Put};
use policy::{Action, ConditionKey, Context as _, Lookup};
use serde_json::{Value, json};

use super::authenticate::Caller;
use super::authorize::judge_operation;
use super::context::{Noted, RequestContext};
use super::facts::{Facts, Tagged};
use crate::bucket_policy::BucketPolicies;
use crate::config::{Config, Network};
use crate::declare;
use crate::identity::plan::Mode;
use crate::protocol::error::Code;
use crate::protocol::operation::{On, Operation};
use crate::protocol::row_tests;
use crate::state::State;

const ACCOUNT: &str = r#"{"accounts": [{"name": "main", "accountId": "123456789012",
    "root": {"accessKey": "AKROOT", "secretKey": "root-secret-value"},
    "permissions": [{"name": "all", "type": "all-buckets", "actions": "all-operations"},
        {"name": "guarded", "type": "policy", "dialect": "aws", "policy": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}},
            {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}},
            {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"NumericGreaterThan": {"s3:signatureAge": "60000"}}},
            {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*", "Condition": {"StringLike": {"s3:x-amz-copy-source": "secret/*"}}},
            {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*", "Condition": {"Null": {"s3:x-amz-storage-class": "false"}}},
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::box", "arn:aws:s3:::box/*"],
             "Condition": {"StringLike": {"aws:UserAgent": "*"}, "Bool": {"aws:ViaAWSService": "false"}}}]}}],
    "serviceAccounts": [
        {"name": "worker", "accessKey": "AKWORK", "secretKey": "worker-secret-value", "permissions": ["all"]},
        {"name": "guarded", "accessKey": "AKGUARD", "secretKey": "guarded-secret-value", "permissions": ["guarded"]}],
    "buckets": [{"name": "box"}, {"name": "src"}]}]}"#;

/// A node's state over a directory, with an account, two buckets and tagged objects in both.
async fn state(directory: &Path) -> State {
    let mut config = Config::new(directory.to_owned());
    let network = Network { cidr: "127.0.0.0/8".parse().unwrap(), vpc: "vpc-1".into(), vpce: Some("vpce-1".into()) };
    config.networks.push(network);
    let state = State::for_tests(config);
    declare::apply(&state, "state.json", ACCOUNT, declare::ApplyOptions::new(Mode::Bootstrap)).await.unwrap();
    for (bucket, key) in [("box", "k"), ("src", "k"), ("src", "t")] {
        let attributes = Attributes { tags: vec![("team".into(), "blue".into())], ..Attributes::default() };
        let put = Put {
            bucket: state.store.bucket(bucket).unwrap().id,
            key: ObjectKey::parse(key).unwrap(),
            body: Body::Inline("x".into()),
            etag: ETag::of_body([0; 16]),
            attributes,
            precondition: Precondition::default(),
        };
        state.store.put(put).await.unwrap();
    }
    state
}

fn caller(state: &State, access_key: &str) -> Caller {
    let snapshot = state.identities.snapshot();
    Caller::verified(Some(snapshot.credential(access_key, jiff::Timestamp::now()).unwrap().clone()))
}

fn worker(state: &State) -> Caller {
    caller(state, "AKWORK")
}

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn table() -> Value {
    fixture(include_str!("../../../tests/fixtures/s3-authorization.json"))
}

/// Everything that a client can send which some condition key is named after, real or not.
fn everything() -> Value {
    let mut headers = json!({
        "user-agent": "agent", "referer": "http://referer/", "if-match": "\"x\"", "if-none-match": "*", "x-amz-acl": "private",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-metadata-directive": "REPLACE", "x-amz-tagging-directive": "REPLACE",
        "x-amz-tagging": "team=blue", "x-amz-storage-class": "STANDARD", "x-amz-website-redirect-location": "/",
        "x-amz-object-ownership": "BucketOwnerEnforced", "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:1:key/1",
        "x-amz-server-side-encryption-customer-algorithm": "AES256", "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-object-lock-legal-hold": "ON", "x-amz-object-lock-retain-until-date": "2030-01-01T00:00:00Z",
    });
    let all = table();
    let keys = all["condition_key_types"].as_object().unwrap().keys();
    for key in keys.chain(&ALL_GLOBAL.map(str::to_owned)) {
        let (prefix, name) = key.split(['/', '$']).next().unwrap().split_once(':').unwrap();
        let name = name.to_ascii_lowercase();
        for form in
            [name.clone(), format!("{prefix}-{name}"), format!("x-amz-{name}"), format!("x-amz-{prefix}-{name}")]
        {
            // The operation itself hangs on this one.
            if form != "x-amz-copy-source" && headers.get(&form).is_none() {
                headers[form] = json!("forged");
            }
        }
    }
    let listing = "prefix=forged&delimiter=/&max-keys=5&versionId=null";
    let global = ALL_GLOBAL.map(|key| format!("{}=forged&{key}=forged", key.split_once(':').unwrap().1));
    json!({"headers": headers, "query": format!("{listing}&{}", global.join("&"))})
}

/// The global keys that a signed request of a service account has, on every route.
const GLOBAL: [&str; 16] = [
    "aws:SourceIp",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:SecureTransport",
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:UserAgent",
    "aws:Referer",
    "aws:ViaAWSService",
    "aws:PrincipalIsAWSService",
    "aws:RequestedRegion",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalType",
    "aws:userid",
    "aws:username",
];

/// Names under which a client may try to set what only the node may say.
const ALL_GLOBAL: [&str; 11] = [
    "aws:SourceIp",
    "aws:SourceVpc",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalType",
    "aws:PrincipalOrgID",
    "aws:userid",
    "aws:username",
    "aws:groups",
    "aws:SecureTransport",
    "aws:MultiFactorAuthPresent",
];

/// What S3 itself sets on AWS and nothing here can: services, grants, access points, events and batch jobs that this node does not have.
const NEVER: [&str; 13] = [
    "s3:AccessGrantsInstanceArn",
    "s3:AccessPointNetworkOrigin",
    "s3:AccessPointTag/team",
    "s3:BucketTag/team",
    "s3:DataAccessPointAccount",
    "s3:DataAccessPointArn",
    "s3:InventoryAccessibleOptionalFields",
    "s3:isReplicationPauseRequest",
    "s3:object-lock-event-hold",
    "s3:object-lock-event-hold-duration-days",
    "s3:x-amz-bucket-namespace",
    "s3:x-amz-object-annotation-directive",
    "aws:ResourceTag/team",
];

/// Whether the operation's request, which carries everything, has a fact for a key of the action.
fn has_fact(key: &str, operation: Operation, on: On) -> bool {
    use Operation as O;
    match key {
        "s3:ResourceAccount" => on != On::Service,
        "s3:prefix" | "s3:delimiter" | "s3:max-keys" => {
            matches!(operation, O::ListObjects | O::ListObjectsV2 | O::ListObjectVersions)
        }
        "s3:x-amz-copy-source" => matches!(operation, O::CopyObject | O::UploadPartCopy),
        "s3:RequestObjectTag/team" | "s3:RequestObjectTagKeys" => {
            matches!(operation, O::PutObject | O::CopyObject | O::CreateMultipartUpload | O::PutObjectTagging)
        }
        "s3:locationconstraint" | "aws:RequestTag/team" | "aws:TagKeys" => operation == O::CreateBucket,
        "s3:if-match" => operation != O::DeleteObjects,
        key => !NEVER.contains(&key),
    }
}

/// A key of the table, its tag filled in.
fn filled(key: &str) -> String {
    key.replace("<key>", "team").replace("${TagKey}", "team")
}

/// Every action that an operation can be judged by, and on what.
fn asked(operation: Operation, context: &RequestContext) -> Vec<(Action, On)> {
    let mut asked: Vec<_> = operation.access(&context.request).unwrap().iter().collect();
    match operation {
        Operation::DeleteObjects => asked.extend([
            (Action::DeleteObject, On::Object),
            (Action::DeleteObjectVersion, On::Object),
            (Action::BypassGovernanceRetention, On::Object),
        ]),
        Operation::CopyObject => asked.push((Action::GetObjectVersionTagging, On::CopySource)),
        _ => {}
    }
    asked
}

/// C9: elsewhere a route forgot keys, so that what a Deny needed was missing there; and C7: headers joined the context under their own names.
#[tokio::test]
async fn c9_c7_every_route_has_the_same_global_keys_and_exactly_its_actions_own() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path()).await;
    let (table, requests) = (table(), fixture(include_str!("../../../tests/fixtures/s3-requests.json")));
    let everything = everything();
    let types = table["condition_key_types"].as_object().unwrap();
    let global = table["global_condition_keys"].as_array().unwrap();
    let all: BTreeSet<String> =
        types.keys().map(String::as_str).chain(global.iter().filter_map(Value::as_str)).map(filled).collect();
    assert!(all.len() > 90, "{}", all.len());
    let mut seen = BTreeSet::new();
    for (name, base) in requests["operations"].as_object().unwrap() {
        let mut base = base.clone();
        if base["headers"]["x-amz-copy-source"].is_string() {
            base["headers"]["x-amz-copy-source"] = json!("/src/%6b?versionId=null");
        }
        let (operation, mut request) = row_tests::request(&base, &everything);
        assert_eq!(operation.name(), name);
        request.peer.tls_version = Some("1.3");
        let context = RequestContext::new(&state, request, worker(&state), operation);
        let tags = Some(vec![("team".to_owned(), "blue".to_owned())]);
        match operation {
            Operation::CreateBucket => {
                context.note(Noted { bucket_tags: tags, location: Some("here".into()), ..Noted::default() });
            }
            Operation::PutObjectTagging => context.note(Noted { object_tags: tags, ..Noted::default() }),
            _ => {}
        }
        for (action, on) in asked(operation, &context) {
            let version = Some("null").filter(|_| action.name().contains("Version"));
            let question = context.question(&state, action, on, context.request.key(), version).unwrap();
            let mut facts = Facts::new(&state, &context, &question);
            let tagged = match on {
                On::CopySource => Some(("src", ObjectKey::parse("k").unwrap())),
                On::Object => Some(("box", ObjectKey::parse("k").unwrap())),
                _ => None,
            };
            if let Some((bucket, key)) = &tagged {
                let bucket = state.store.bucket(bucket).unwrap().id;
                facts.load_tags(Some(Tagged { bucket, key, version }));
            }
            let present: BTreeSet<String> = all
                .iter()
                .filter(|key| !matches!(facts.lookup(&ConditionKey::new(key)), Lookup::Absent))
                .cloned()
                .collect();
            let own = table["actions"][action.name()]["condition_keys"].as_array().unwrap();
            let own = own.iter().filter_map(Value::as_str).map(filled);
            let mut wanted: BTreeSet<String> = own.filter(|key| has_fact(key, operation, on)).collect();
            wanted.extend(GLOBAL.map(str::to_owned));
            if on != On::Service {
                wanted.insert("aws:ResourceAccount".into());
            }
            // AWS's list forgets here what every request has.
            if action.name().ends_with("BucketObjectLockConfiguration") {
                wanted.insert("s3:x-amz-content-sha256".into());
            }
            assert_eq!(present, wanted, "{name}, {action}");
            // Nothing that was sent under their names is in them.
            for key in all.iter().filter(|key| key.starts_with("aws:")) {
                let text = format!("{:?}", facts.lookup(&ConditionKey::new(key)));
                assert!(!text.contains("forged"), "{name}, {action}: {key} is {text}");
            }
            seen.extend(present);
        }
    }
    // Every key that can ever be there was there somewhere.
    for key in &all {
        let can = ConditionKey::new(key).known().is_some_and(policy::KnownKey::can_be_present);
        let is_of_tags_to_come = ["aws:PrincipalTag/team", "aws:ResourceTag/team"].contains(&key.as_str());
        let is_never = NEVER.contains(&key.as_str()) || is_of_tags_to_come;
        assert_eq!(seen.contains(key), can && !is_never, "{key}");
    }
}

#[tokio::test]
async fn values_are_what_was_verified() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path()).await;
    let value = |caller: Caller, key: &str, base: Value| {
        let (operation, mut request) = row_tests::request(&base, &everything());
        request.peer.tls_version = Some("1.3");
        let context = RequestContext::new(&state, request, caller, operation);
        let (action, on) = asked(operation, &context)[0];
        let question = context.question(&state, action, on, context.request.key(), None).unwrap();
        match Facts::new(&state, &context, &question).lookup(&ConditionKey::new(key)) {
            Lookup::One(policy::Value::String(text)) => text.into_owned(),
            Lookup::One(value) => format!("{value:?}"),
            other => format!("{other:?}"),
        }
    };
    let put = || json!({"method": "PUT", "target": "object"});
    let copy =
        || json!({"method": "PUT", "target": "object", "headers": {"x-amz-copy-source": "/src/a%2Fb?versionId=null"}});
    let user_id = value(worker(&state), "aws:userid", put());
    for (key, text) in [
        ("aws:SourceIp", "Address(127.0.0.1)"),
        ("aws:SourceVpc", "vpc-1"),
        ("aws:username", "worker"),
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:user/worker"),
        ("aws:PrincipalType", "User"),
        ("aws:userid", &user_id),
        ("aws:UserAgent", "agent"),
        ("s3:TlsVersion", "1.3"),
        ("s3:authType", "REST-HEADER"),
        ("s3:signatureversion", "AWS4-HMAC-SHA256"),
        ("s3:RequestObjectTag/team", "blue"),
        // 1,800,000,000 is 2027-01-15T08:00:00Z.
        ("s3:object-lock-remaining-retention-days", "Number(1082)"),
    ] {
        assert_eq!(value(worker(&state), key, put()), text, "{key}");
    }
    assert!(user_id != "forged" && !user_id.is_empty(), "{user_id}");
    assert_eq!(value(worker(&state), "s3:x-amz-copy-source", copy()), "src/a/b");
    let anonymous = || Caller::verified(None);
    assert_eq!(value(anonymous(), "aws:userid", put()), "anonymous");
    assert_eq!(value(anonymous(), "aws:PrincipalType", put()), "Anonymous");
    for key in ["aws:username", "aws:PrincipalArn", "aws:PrincipalAccount", "s3:signatureAge"] {
        assert_eq!(value(anonymous(), key, put()), "Absent", "{key}");
    }
}

/// C17: elsewhere a policy that couldn't be read was taken for none, so what it denied was allowed.
#[tokio::test]
async fn c17_bucket_policy_that_cannot_be_read_refuses_every_request_to_its_bucket() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = state(directory.path()).await;
    let bucket = state.store.bucket("box").unwrap().id;
    let change = engine::ConfigChange {
        namespace: engine::bucket_namespace(bucket),
        key: "policy".into(),
        value: Some("{\"Statement\": [{\"Effect\":".into()),
        expected_revision: None,
    };
    state.store.put_config_batch(vec![change]).await.unwrap();
    state.bucket_policies = Arc::new(BucketPolicies::load(&state.store));
    let requests = fixture(include_str!("../../../tests/fixtures/s3-requests.json"));
    let root = || caller(&state, "AKROOT");
    for (name, base) in requests["operations"].as_object().unwrap() {
        for caller in [worker(&state), root()] {
            let (operation, request) = row_tests::request(base, &Value::Null);
            let context = RequestContext::new(&state, request, caller, operation);
            let judged = judge_operation(&state, &context);
            // What needs no answer from this bucket's policy: the service, a bucket to be, and keys that are judged one by one.
            match operation {
                Operation::ListBuckets | Operation::CreateBucket => {
                    assert_ne!(judged.err().map(|error| error.code), Some(Code::ServiceUnavailable), "{name}");
                }
                Operation::DeleteObjects => {
                    let key = ObjectKey::parse("k").unwrap();
                    let refused = context.require_delete(&state, &key, None, None).unwrap_err();
                    assert_eq!(refused.code, Code::ServiceUnavailable);
                }
                _ => assert_eq!(judged.unwrap_err().code, Code::ServiceUnavailable, "{name}"),
            }
        }
    }
}

/// Judging an ordinary request allocates nothing: its facts are borrowed, and the policies are compiled.
#[tokio::test]
async fn judging_a_request_allocates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(directory.path()).await;
    let requests = fixture(include_str!("../../../tests/fixtures/s3-requests.json"));
    for name in ["GetObject", "HeadObject", "PutObject", "ListObjectsV2", "UploadPart"] {
        let added = json!({"headers": {"user-agent": "agent"}});
        let (operation, request) = row_tests::request(&requests["operations"][name], &added);
        let context = RequestContext::new(&state, request, caller(&state, "AKGUARD"), operation);
        let mut judged = None;
        let counted = allocation_counter::measure(|| judged = Some(judge_operation(&state, &context)));
        assert!(judged.unwrap().is_ok(), "{name}");
        assert_eq!(counted.count_total, 0, "{name}: {counted:?}");
    }
}
