//! Access keys that nobody has any more.

use std::collections::BTreeMap;

use super::*;
use crate::identity::former_key::{FormerKeys, KeyEnd};
use crate::identity::name::AccessKey;
use crate::identity::snapshot::Refusal;

const WORKER: &str =
    r#"{"name": "worker", "accessKey": "AKWORK", "secretKey": "worker-secret-value", "permissions": ["lightly"]}"#;
/// The operator's account with the one service account `worker`, and another one with a service account `far`.
const TWO: &str = r#"{"accounts": [
  {"name": "main", "accountId": "123456789012", "root": {"accessKey": "AKROOT", "secretKey": "root-secret-value"},
   "permissions": [{"name": "ro", "type": "all-buckets", "actions": "read-only"}],
   "serviceAccounts": [{"name": "worker", "accessKey": "AKWORK", "secretKey": "worker-secret-value", "permissions": ["ro"]}]},
  {"name": "other", "accountId": "210987654321", "root": {"accessKey": "AKOTHERROOT", "secretKey": "root-secret-value"},
   "permissions": [{"name": "ro", "type": "all-buckets", "actions": "read-only"}],
   "serviceAccounts": [{"name": "far", "accessKey": "AKFAR", "secretKey": "worker-secret-value", "permissions": ["ro"]}]}]}"#;

/// What is said of a key that isn't accepted, but for when.
#[track_caller]
fn told(store: &IdentityStore, access_key: &str) -> String {
    let snapshot = store.snapshot();
    let refusal = snapshot.credential(access_key, now()).expect_err("the key is to be refused");
    let Refusal::Former(former) = refusal else { return refusal.to_string() };
    assert!(former.at > now(), "by the clock of the node");
    refusal.to_string().replace(&format!("{:.0}", former.at), "T")
}

fn rows_of_former_keys(rows: &MemoryRows) -> Vec<String> {
    let rows = rows.rows.lock().unwrap();
    rows.keys().filter(|(namespace, _)| namespace == "identity.former-key").map(|(_, key)| key.clone()).collect()
}

#[tokio::test]
async fn a_deleted_key_tells_whose_it_was_until_somebody_has_it_again() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    assert_eq!(rows_of_former_keys(&rows), [""; 0]);
    prune(&store, &state_with(WORKER, "")).await;
    let deleted = "service account \"worker\" was deleted at T by state file state.json";
    assert_eq!(told(&store, "AKWORK"), deleted);
    assert_eq!(told(&open(&rows), "AKWORK"), deleted, "after a restart");
    assert_eq!(told(&store, "AKNOBODY"), "unknown access key");
    // A namesake with another key doesn't change whose the first one was.
    apply(&store, &state_with("AKWORK", "AKWORK2")).await;
    assert_eq!(told(&store, "AKWORK"), deleted);
    apply(
        &store,
        &state_with(r#""name": "worker", "accessKey": "AKWORK""#, r#""name": "heir", "accessKey": "AKWORK""#),
    )
    .await;
    assert!(open(&rows).snapshot().credential("AKWORK", now()).is_ok_and(|it| it.name() == "heir"));
    assert_eq!(rows_of_former_keys(&rows), [""; 0]);
}

#[tokio::test]
async fn a_key_that_was_replaced_is_told_as_such_and_a_change_of_anything_else_gives_none_up() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    apply(&store, &state_with(r#""permissions": ["lightly"]"#, r#""permissions": ["ro"]"#)).await;
    apply(&store, &state_with("worker-secret-value", "another-secret-value")).await;
    assert_eq!(rows_of_former_keys(&rows), [""; 0]);
    apply(&store, &STATE.replace("AKROOT", "AKNEWROOT").replace("AKWORK", "AKNEW")).await;
    for store in [&store, &open(&rows)] {
        let root = "the root of account 123456789012 was given another access key at T by state file state.json";
        assert_eq!(told(store, "AKROOT"), root);
        let worker = "service account \"worker\" was given another access key at T by state file state.json";
        assert_eq!(told(store, "AKWORK"), worker);
        assert!(store.snapshot().credential("AKNEW", now()).is_ok());
    }
}

#[tokio::test]
async fn the_keys_of_a_deleted_account_are_told_too() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, TWO).await;
    let (first, _) = TWO.split_once(",\n  {\"name\": \"other\"").unwrap();
    prune(&store, &format!("{first}]}}")).await;
    for store in [&store, &open(&rows)] {
        assert_eq!(told(store, "AKFAR"), "service account \"far\" was deleted at T by state file state.json");
        assert_eq!(
            told(store, "AKOTHERROOT"),
            "account 210987654321, whose root had this key, was deleted at T by state file state.json"
        );
    }
}

#[tokio::test]
async fn a_deletion_that_is_not_durable_gives_no_key_up_after_a_restart() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    rows.set_read_only(true);
    store.execute(plan(&store, &state_with(WORKER, ""), Mode::Apply { prune: true })).await.unwrap_err();
    assert!(told(&store, "AKWORK").starts_with("service account \"worker\" was deleted"), "it is in effect");
    assert!(open(&rows).snapshot().credential("AKWORK", now()).is_ok());
    rows.set_read_only(false);
    apply(&store, &state_with(WORKER, "")).await;
    assert!(told(&open(&rows), "AKWORK").starts_with("service account \"worker\" was deleted"));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_leaves_an_unknown_key() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    prune(&store, &state_with(WORKER, "")).await;
    rows.damage("identity.former-key", "AKWORK", |value| value.truncate(5));
    let store = open(&rows);
    assert_eq!(told(&store, "AKWORK"), "unknown access key");
    apply(&store, STATE).await;
    assert!(store.snapshot().credential("AKWORK", now()).is_ok());
    let is_former = |(namespace, _): &(String, String)| namespace == "identity.former-key";
    assert!(!rows.rows.lock().unwrap().keys().any(is_former), "who has the key again takes the row away");
}

#[test]
fn the_oldest_go_first_and_from_the_store_as_well() {
    let of = |key: &str, value: Option<Vec<u8>>| {
        let place = ("identity.service-account".to_owned(), format!("123456789012/{key}/worker-{key}"));
        BTreeMap::from([(place, value)])
    };
    let mut former = FormerKeys::default();
    let mut stored = BTreeMap::new();
    for n in 0..10_050_i64 {
        let mut rows = of(&format!("AK{n}"), None);
        let at = now() + jiff::SignedDuration::from_secs(n);
        former.follow(&mut rows, |_| false, "somebody", at);
        rows.retain(|(namespace, _), _| namespace == "identity.former-key");
        for (place, value) in rows {
            match value {
                Some(value) => stored.insert(place, value),
                None => Some(stored.remove(&place).expect("what goes was there")),
            };
        }
    }
    assert_eq!(stored.len(), 10_000);
    let kept = |former: &FormerKeys| ["AK0", "AK49", "AK50", "AK10049"].map(|it| former.get(it).is_some());
    assert_eq!(kept(&former), [false, false, true, true]);
    let rows = MemoryRows { rows: Mutex::new(stored), ..MemoryRows::default() };
    let read = FormerKeys::read(&rows).unwrap();
    assert_eq!(kept(&read), kept(&former));
    assert_eq!((read.get("AK50"), read.get("AK50").unwrap().end), (former.get("AK50"), KeyEnd::Deleted));
    // An account with more than are kept gives up as many at once.
    let all: BTreeMap<_, _> = (0..30_000).flat_map(|n| of(&format!("BK{n}"), None)).collect();
    let mut rows = all.clone();
    former.follow(&mut rows, |_| false, "somebody", now() + jiff::SignedDuration::from_hours(24));
    assert_eq!(rows.len() - all.len(), 20_000, "as many come as go");
    assert!(AccessKey::parse("AK10049").is_ok_and(|it| former.get(it.as_str()).is_none()));
}
