//! Declared buckets with what is set on them: the round trip from one node to another, and what is never changed.

use std::future::Future;
use std::task::Poll;

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::identity::print;
use crate::identity::sealed::{MasterKey, SecretKey};
use crate::identity::store::IdentityStore;
use crate::quota::Quota;
use crate::s3::bucket::create;

const POLICY: &str = r#"{ "Version": "2012-10-17",   "Statement": [{"Sid": "NoDeletes", "Effect": "Deny", "Principal": "*",
  "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::lake/*"}]}"#;

/// A node without anything, and the directory that it lies in.
fn node() -> (tempfile::TempDir, State) {
    let directory = tempfile::tempdir().unwrap();
    let state = State::for_tests(Config::new(directory.path().to_owned()));
    (directory, state)
}

/// An account with every noun, whose buckets are these.
fn file(buckets: Value) -> String {
    json!({"accounts": [{"name": "main", "accountId": "123456789012", "canonicalId": "testid", "email": "m@example.com",
        "root": {"accessKey": "AKROOT", "secretKey": "root-secret-value"},
        "permissions": [
            {"name": "file", "type": "policy", "description": "One file.", "policy":
                "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::lake/*\"}]}"},
            {"name": "team", "type": "bucket-prefix", "actions": "read-only", "prefix": "team-", "enabled": false}],
        "serviceAccounts": [{"name": "worker", "accessKey": "AKWORK", "secretKey": "worker-secret-value",
            "permissions": ["file", "team"], "expirationDate": "2027-01-31", "description": "Works."}],
        "users": [{"name": "eve", "password": "eve-password-value", "role": "auditor", "enabled": false}],
        "buckets": buckets}]})
    .to_string()
}

fn full() -> Value {
    json!([
        {"name": "lake", "versioning": "suspended", "policy": POLICY, "quota": {"bytes": 5000}},
        {"name": "kept", "versioning": "enabled"},
        "plain"])
}

async fn run(state: &State, text: &str, mode: Mode) -> Result<Vec<String>, String> {
    let applied = apply(state, "state.json", text, ApplyOptions::new(mode)).await;
    let applied = applied.and_then(|it| it.failed.map_or(Ok(it.changes), Err));
    applied.map_err(|error| error.to_string())
}

#[tokio::test]
async fn who_replaces_a_root_key_that_a_given_one_stands_in_for_is_told_so() {
    let (_directory, mut state) = node();
    run(&state, &file(json!([])), Mode::Bootstrap).await.unwrap();
    let other = file(json!([])).replace("AKROOT", "AKNEWROOT");
    let dry_run = ApplyOptions { dry_run: true, ..ApplyOptions::new(Mode::Apply { prune: false }) };
    let notes = async |state: &State| apply(state, "state.json", &other, dry_run.clone()).await.unwrap().notes;
    assert_eq!(notes(&state).await, [""; 0]);
    let given = (AccessKey::parse("AKGIVEN").unwrap(), SecretKey::parse("given-root-value").unwrap());
    let rows = crate::identity_rows::EngineRows::shared(&state.store);
    state.identities = IdentityStore::open(rows, MasterKey::from_bytes([42; 32]), Some(given)).unwrap();
    assert_eq!(notes(&state).await, [ROOT_IS_GIVEN]);
    let same = apply(&state, "state.json", &file(json!([])), dry_run.clone()).await.unwrap();
    assert_eq!(same.notes, [""; 0]);
}

/// Else the account could go before the bucket is there to be seen.
#[tokio::test]
async fn an_account_is_kept_until_its_bucket_is_made_also_when_who_asked_for_it_is_gone() {
    let (_directory, state) = node();
    run(&state, &file(json!([])), Mode::Bootstrap).await.unwrap();
    for n in 0..20 {
        let name = engine::BucketName::parse(&format!("box-{n}")).unwrap();
        let kept = state.keep_account("123456789012").await.unwrap();
        let mut asked = Box::pin(create::make(&state, &name, kept));
        let made = std::future::poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
        assert!(made.is_pending(), "whoever asked is gone before it is made");
        drop(asked);
        let _alone = state.owners.write().await;
        assert!(state.store.bucket(&name).is_ok(), "{name}: nobody may delete its account before");
    }
}

#[tokio::test]
async fn what_is_done_before_a_bucket_fails_is_told_with_why_it_failed() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config::new(directory.path().to_owned());
    run(&State::for_tests(config.clone()), &file(json!([])), Mode::Bootstrap).await.unwrap();
    // Changes of identities are let in where objects and buckets are not.
    let full = engine::Options { low_water_bytes: Some(u64::MAX), ..engine::Options::default() };
    let state = State::for_tests_on(config, full);
    let text = json!({"accounts": [{"name": "main", "permissions": [], "serviceAccounts": [], "buckets": ["lake"]}]})
        .to_string();
    let applied = apply(&state, "state.json", &text, ApplyOptions::new(Mode::Apply { prune: true })).await.unwrap();
    let gone: Vec<&str> = applied.deleted_permissions.iter().map(|it| it.permission.name.as_str()).collect();
    assert_eq!(gone, ["file", "team"]);
    let failed = applied.failed.expect("there is no space");
    assert!(matches!(failed, ApplyError::Storage(_)), "{failed:?}");
    assert!(failed.to_string().starts_with("state.json: not done: + bucket \"lake\": "), "{failed}");
    assert!(state.identities.snapshot().permissions("123456789012").next().is_none());
}

async fn update(state: &State, buckets: Value) -> Result<Vec<String>, String> {
    run(state, &file(buckets), Mode::Apply { prune: false }).await
}

fn printed(state: &State) -> Value {
    let buckets = |_: &str| state.store.buckets().iter().map(|it| bucket_state(state, it)).collect();
    print::state_of(&state.identities.snapshot(), buckets)
}

#[tokio::test]
async fn the_state_of_a_full_node_makes_an_empty_one_the_same() {
    let (_a, first) = node();
    run(&first, &file(full()), Mode::Bootstrap).await.unwrap();
    let state = printed(&first);
    assert_eq!(
        state["accounts"][0]["buckets"],
        json!([
            {"name": "kept", "versioning": "enabled"},
            {"name": "lake", "versioning": "suspended", "policy": POLICY, "quota": {"bytes": 5000}},
            {"name": "plain"}])
    );
    // A state holds no secrets; whoever moves it adds them.
    let mut moved = state.clone();
    let account = &mut moved["accounts"][0];
    account["root"]["secretKey"] = json!("another-root-secret");
    account["serviceAccounts"][0]["secretKey"] = json!("another-worker-secret");
    account["users"][0]["password"] = json!("another-eve-password");
    for mode in [Mode::Bootstrap, Mode::Apply { prune: false }] {
        let (_b, second) = node();
        run(&second, &moved.to_string(), mode).await.unwrap();
        assert_eq!(printed(&second), state);
        assert_eq!(run(&second, &state.to_string(), Mode::Apply { prune: true }).await.unwrap(), [] as [&str; 0]);
        let bucket = second.store.bucket("lake").unwrap();
        assert_eq!(bucket.versioning, engine::Versioning::Suspended);
        assert_eq!(second.quotas.of(bucket.id).unwrap(), Some(Quota { bytes: 5000 }));
        assert!(bucket.attributes.is_empty(), "it is finished");
    }
}

#[tokio::test]
async fn apply_sets_what_is_declared_of_a_bucket_says_which_fields_and_leaves_the_others() {
    let (_directory, state) = node();
    assert_eq!(update(&state, json!(["lake"])).await.unwrap().last().unwrap(), "+ bucket \"lake\"");
    let all = json!([{"name": "lake", "versioning": "enabled", "policy": POLICY, "quota": {"bytes": 1}}]);
    let options = ApplyOptions { dry_run: true, ..ApplyOptions::new(Mode::Apply { prune: false }) };
    let dry = apply(&state, "state.json", &file(all.clone()), options).await.unwrap();
    assert_eq!(dry.changes, ["~ bucket \"lake\": versioning, policy, quota"]);
    assert_eq!(printed(&state)["accounts"][0]["buckets"], json!([{"name": "lake"}]), "a dry run changes nothing");
    assert_eq!(update(&state, all.clone()).await.unwrap(), dry.changes);
    assert_eq!(update(&state, all.clone()).await.unwrap(), [] as [&str; 0]);
    assert_eq!(printed(&state)["accounts"][0]["buckets"], all);
    // What is left out isn't managed, and null takes away.
    assert_eq!(update(&state, json!(["lake"])).await.unwrap(), [] as [&str; 0]);
    assert_eq!(printed(&state)["accounts"][0]["buckets"], all);
    let less = json!([{"name": "lake", "policy": null, "quota": null}]);
    assert_eq!(update(&state, less.clone()).await.unwrap(), ["~ bucket \"lake\": policy, quota"]);
    assert_eq!(update(&state, less).await.unwrap(), [] as [&str; 0]);
    assert_eq!(printed(&state)["accounts"][0]["buckets"], json!([{"name": "lake", "versioning": "enabled"}]));
}

#[tokio::test]
async fn bootstrap_makes_buckets_and_never_changes_one() {
    let (_directory, state) = node();
    update(&state, json!([{"name": "lake", "quota": {"bytes": 7}}])).await.unwrap();
    let before = printed(&state);
    let changes = run(&state, &file(full()), Mode::Bootstrap).await.unwrap();
    assert_eq!(changes, ["+ bucket \"kept\"", "+ bucket \"plain\""]);
    let after = printed(&state);
    assert_eq!(after["accounts"][0]["buckets"][1], before["accounts"][0]["buckets"][0]);
}

#[tokio::test]
async fn a_bucket_whose_making_was_cut_off_is_finished_by_the_next_start() {
    let (_directory, state) = node();
    update(&state, json!([])).await.unwrap();
    let new = engine::NewBucket {
        name: engine::BucketName::parse("lake").unwrap(),
        owner: "123456789012".to_owned(),
        versioning: engine::Versioning::Suspended,
        attributes: engine::Bytes::from_static(b"unfinished"),
    };
    state.store.create_bucket(new).await.unwrap();
    let changes = run(&state, &file(full()), Mode::Bootstrap).await.unwrap();
    assert_eq!(changes, ["+ bucket \"lake\"", "+ bucket \"kept\"", "+ bucket \"plain\""]);
    assert_eq!(printed(&state)["accounts"][0]["buckets"][1]["policy"], POLICY);
    assert_eq!(run(&state, &file(full()), Mode::Bootstrap).await.unwrap(), [] as [&str; 0]);
}

#[tokio::test]
async fn what_a_bucket_can_t_be_is_refused_with_its_place_and_nothing_is_made() {
    let (_directory, state) = node();
    update(&state, json!([{"name": "lake", "versioning": "enabled"}])).await.unwrap();
    let other = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"}]}"#;
    for (bucket, expected) in [
        (json!({"name": "lake", "versioning": "off"}), "bucket \"lake\": versioning can't be off again"),
        (json!({"name": "lake", "versioning": "on"}), "bucket \"lake\": versioning must be off, enabled or suspended"),
        (
            json!({"name": "lake", "lifecycle": true}),
            "bucket \"lake\": lifecycle is not a field here; there are name, versioning, policy, quota",
        ),
        (json!({"name": "lake", "quota": 5}), "bucket \"lake\", quota: must be an object"),
        (json!({"name": "lake", "quota": {"bytes": -5}}), "bucket \"lake\", quota: bytes must be a whole number"),
        (json!({"name": "lake", "quota": {"bytes": u64::MAX}}), "bucket \"lake\": quota must have at most"),
        (
            json!({"name": "lake", "policy": other}),
            "bucket \"lake\": policy Policy has invalid resource (line 1, column",
        ),
        (json!({"name": "Lake"}), "bucket \"Lake\": name"),
        (json!("Lake"), "buckets[0]: name"),
        (json!(7), "buckets[0]: must be an object"),
    ] {
        let refused = update(&state, json!([bucket, "another"])).await.unwrap_err();
        assert!(
            refused.starts_with("state.json: account \"main\", ") && refused.contains(expected),
            "{refused} is not {expected}"
        );
    }
    assert!(state.store.bucket("another").is_err());
    // An object's fault is told by its place in the state file.
    let text = format!(
        "{{\"accounts\": [{{\"name\": \"main\",\n\"buckets\": [{{\"name\": \"lake\",\n  \"policy\": {other}}}]}}]}}"
    );
    let refused = run(&state, &text, Mode::Apply { prune: false }).await.unwrap_err();
    assert!(refused.contains("(line 3, column ") && refused.contains("of this file)"), "{refused}");
}
