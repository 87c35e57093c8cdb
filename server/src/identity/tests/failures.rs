//! Damaged rows fail closed by name; a failed commit never un-revokes.

use super::*;
use crate::identity::change::{Change, Refused};
use crate::identity::rows::{Record, service_account_key};
use crate::identity::snapshot::Refusal;
use crate::identity::store::{ChangeError, CommitError};

async fn damaged(namespace: &str, part: &str, change: impl FnOnce(&mut Vec<u8>)) -> (Arc<MemoryRows>, IdentityStore) {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    rows.damage(namespace, part, change);
    let store = open(&rows);
    (rows, store)
}

fn garbage(value: &mut Vec<u8>) {
    *value = b"\x00\xffnot a row".to_vec();
}

#[tokio::test]
async fn damaged_service_account_is_refused_by_name_and_its_key_stays_taken() {
    let (_, store) = damaged("identity.service-account", "AKWORK", garbage).await;
    let snapshot = store.snapshot();
    let damaged = snapshot.damaged();
    assert_eq!(damaged.len(), 1);
    assert!(
        damaged[0].to_string().starts_with("service account \"worker\" of account 123456789012 is refused: "),
        "{}",
        damaged[0]
    );
    assert!(
        matches!(snapshot.credential("AKWORK", now()), Err(Refusal::Damaged(reason)) if reason.contains("\"worker\""))
    );
    assert!(snapshot.credential("AKROOT", now()).is_ok(), "others are not affected");

    let thief = r#"{"accounts": [{"name": "main", "serviceAccounts": [{"name": "thief", "accessKey": "AKWORK", "secretKey": "thief-secret", "permissions": ["ro"]}]}]}"#;
    assert!(plan_error(&store, thief, Mode::Bootstrap).contains("access key AKWORK"));
    let left = plan(&store, STATE, Mode::Bootstrap);
    assert!(left.is_empty() && left.notes[0].contains("\"worker\""), "{:?}", left.notes);
    assert_eq!(apply(&store, STATE).await, "+ service account \"worker\"\n");
    assert!(store.snapshot().credential("AKWORK", now()).is_ok() && store.snapshot().damaged().is_empty());
}

#[tokio::test]
async fn damaged_permission_refuses_who_has_it_since_its_denies_are_unknown() {
    let (rows, store) = damaged("identity.permission", "lightly", garbage).await;
    let snapshot = store.snapshot();
    assert!(
        matches!(snapshot.credential("AKWORK", now()), Err(Refusal::Damaged(reason)) if reason.contains("\"lightly\""))
    );
    assert_eq!(apply(&store, STATE).await, "+ permission \"lightly\"\n", "the id in the row's key is kept");
    for store in [store, open(&rows)] {
        assert!(store.snapshot().credential("AKWORK", now()).is_ok());
    }
}

#[tokio::test]
async fn damaged_account_refuses_all_of_its_identities_and_no_new_operator_is_made() {
    let (rows, store) = damaged("identity.account", "main", garbage).await;
    for key in ["AKROOT", "AKWORK"] {
        assert!(matches!(store.snapshot().credential(key, now()), Err(Refusal::Damaged(_))), "{key}");
    }
    let made = store.ensure_first_account(now(), |_| panic!("no key may be made")).await.unwrap();
    assert!(made.is_none() && rows.commits() == 1);
    assert_eq!(apply(&store, STATE).await, "+ account \"main\"\n");
    assert!(store.snapshot().operator().is_some() && store.snapshot().credential("AKROOT", now()).is_ok());
}

#[tokio::test]
async fn rows_of_another_version_with_unknown_fields_or_in_the_wrong_place_are_refused() {
    let replace = |from: &'static str, to: &'static str| {
        move |value: &mut Vec<u8>| {
            let text = String::from_utf8(value.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            *value = text.replace(from, to).into_bytes();
        }
    };
    let cases = [
        (r#""version":1"#, r#""version":2"#, "has version 2; this program reads version 1"),
        (r#""version":1"#, r#""version":1,"mfa":true"#, "can't be decoded"),
        (r#""name":"worker""#, r#""name":"other""#, "holds another record than its key names"),
        (r#""permissions":["#, r#""permissions":["/","#, "is invalid: id"),
        (r#""enabled":true"#, r#""enabled":"true""#, "can't be decoded"),
    ];
    for (from, to, expected) in cases {
        let (_, store) = damaged("identity.service-account", "AKWORK", replace(from, to)).await;
        let snapshot = store.snapshot();
        let reason = snapshot.damaged()[0].to_string();
        assert!(reason.contains(expected), "{reason}");
        assert!(matches!(snapshot.credential("AKWORK", now()), Err(Refusal::Damaged(_))));
    }
}

#[tokio::test]
async fn a_stored_policy_that_is_refused_now_refuses_who_has_it() {
    let spoil = |value: &mut Vec<u8>| {
        let text = String::from_utf8(value.clone()).unwrap();
        assert!(text.contains("NoSecrets"), "{text}");
        *value = text.replace("Deny", "Dnye").into_bytes();
    };
    let (_, store) = damaged("identity.permission", "lightly", spoil).await;
    let snapshot = store.snapshot();
    let Err(Refusal::Damaged(reason)) = snapshot.credential("AKWORK", now()) else { panic!("the key is refused") };
    assert!(reason.contains("\"worker\"") && reason.contains("\"lightly\""), "{reason}");
    let refused: Vec<String> = snapshot.refused_policies().map(|it| it.to_string()).collect();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("permission \"lightly\" of account 123456789012 is refused: "), "{}", refused[0]);
    assert!(snapshot.credential("AKROOT", now()).is_ok(), "others are not affected");
    drop(snapshot);
    assert_eq!(apply(&store, STATE).await, "~ permission \"lightly\": policy\n");
    assert!(store.snapshot().credential("AKWORK", now()).is_ok());
}

#[tokio::test]
async fn every_cut_of_every_row_is_damage_or_the_whole_row() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    let whole = rows.rows.lock().unwrap().clone();
    // Who a row of a history is about isn't refused when that can't be read: nobody is judged by it.
    let judged_by = |namespace: &str| namespace != "identity.master-key" && !namespace.starts_with("identity.history/");
    for (key, value) in whole.iter().filter(|((namespace, _), _)| judged_by(namespace)) {
        for cut in (0..value.len()).step_by(7) {
            let mut cut_rows = whole.clone();
            cut_rows.insert(key.clone(), value[..cut].to_vec());
            let cut_store = open(&Arc::new(MemoryRows { rows: Mutex::new(cut_rows), ..MemoryRows::default() }));
            assert_eq!(cut_store.snapshot().damaged().len(), 1, "{key:?} cut at {cut}");
        }
    }
}

#[tokio::test]
async fn revocation_on_a_read_only_store_holds_in_memory_and_becomes_durable_later() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    rows.set_read_only(true);
    let disabled = state_with(r#""permissions": ["lightly"]"#, r#""permissions": ["lightly"], "enabled": false"#);
    let apply_mode = Mode::Apply { prune: false };
    let error = store.execute(plan(&store, &disabled, apply_mode)).await.unwrap_err();
    assert!(matches!(&error, CommitError::Storage { in_effect: true, .. }), "{error}");
    assert!(error.to_string().contains("not durable") && error.to_string().contains("read-only"), "{error}");
    assert!(matches!(store.snapshot().credential("AKWORK", now()), Err(Refusal::Disabled(_))));
    assert!(open(&rows).snapshot().credential("AKWORK", now()).is_ok(), "not durable, as it was said");

    // The same request again finds nothing to change in memory, and must still write it.
    assert!(store.has_undurable_changes());
    let again = plan(&store, &disabled, apply_mode);
    assert_eq!(again.to_string(), "~ earlier changes that are in effect but not durable\n");
    assert!(!again.is_empty());
    assert!(store.execute(again).await.is_err(), "it is not answered as done before it is");
    rows.set_read_only(false);
    store.execute(plan(&store, &disabled, apply_mode)).await.unwrap();
    assert!(matches!(open(&rows).snapshot().credential("AKWORK", now()), Err(Refusal::Disabled(_))));
    assert!(!store.has_undurable_changes());
    let commits = rows.commits();
    assert_eq!(apply(&store, &disabled).await, "");
    assert_eq!(rows.commits(), commits, "nothing is left to write");
}

#[tokio::test]
async fn creation_on_a_read_only_store_is_not_in_effect() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    rows.set_read_only(true);
    let more = state_with(
        r#""serviceAccounts": ["#,
        r#""serviceAccounts": [{"name": "new", "accessKey": "AKNEW", "secretKey": "new-secret-value", "permissions": ["ro"]}, "#,
    );
    let error = store.execute(plan(&store, &more, Mode::Bootstrap)).await.unwrap_err();
    assert!(matches!(error, CommitError::Storage { in_effect: false, .. }), "{error}");
    assert!(matches!(store.snapshot().credential("AKNEW", now()), Err(Refusal::Unknown)));
}

#[tokio::test]
async fn plan_made_before_another_change_is_refused() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let stale = plan(&store, &state_with("read-only", "write-only"), Mode::Apply { prune: false });
    apply(&store, &state_with("M. Tester", "Other")).await;
    assert!(matches!(store.execute(stale).await, Err(CommitError::Changed)));
}

#[tokio::test]
async fn commit_is_finished_when_its_caller_goes_away() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let worker = service_account_key(store.snapshot().service_account("123456789012", "worker").unwrap());
    let mut change = Box::pin(store.change(vec![Change::Delete(worker)], "test"));
    let waker = std::task::Waker::noop();
    assert!(change.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    drop(change);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rows.commits(), 2);
    assert!(
        matches!(store.snapshot().credential("AKWORK", now()), Err(Refusal::Former(_))),
        "what is durable is shown"
    );
}

#[tokio::test]
async fn changes_keep_names_unique_and_refuse_what_is_not_there() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let refused = async |change| match store.change(vec![change], "test").await.unwrap_err() {
        ChangeError::Refused(refused) => refused,
        error => panic!("{error}"),
    };
    let snapshot = Arc::clone(&store.snapshot());
    let ro = snapshot.permission("123456789012", "ro").unwrap().permission.clone();
    let mut renamed = ro.clone();
    renamed.name = crate::identity::name::PermissionName::parse("lightly").unwrap();
    assert!(matches!(refused(Change::Put(Record::Permission(renamed.clone()))).await, Refused::NameInUse { .. }));
    renamed.name = crate::identity::name::PermissionName::parse("reads").unwrap();
    store.change(vec![Change::Put(Record::Permission(renamed))], "test").await.unwrap();
    assert_eq!(permission_names(&store.snapshot()), ["all write", "customers", "lightly", "reads"]);
    let gone = crate::identity::rows::permission_key(&ro);
    assert!(matches!(refused(Change::Delete(gone)).await, Refused::NotFound { .. }));
    let lightly =
        crate::identity::rows::permission_key(&snapshot.permission("123456789012", "lightly").unwrap().permission);
    assert!(matches!(refused(Change::Delete(lightly)).await, Refused::PermissionInUse { .. }));
    let account = crate::identity::rows::account_key(snapshot.operator().unwrap());
    assert_eq!(refused(Change::Delete(account)).await, Refused::Operator);
}

/// A state of `count` permissions and as many service accounts.
fn large_state(count: usize) -> String {
    let permissions = (0..count).map(|n| serde_json::json!({"name": format!("p{n}"), "type": "bucket-prefix", "actions": "read-only", "prefix": format!("b{n}")}));
    let service_accounts = (0..count).map(|n| serde_json::json!({"name": format!("s{n}"), "accessKey": format!("AK{n}X"), "secretKey": "some-secret", "permissions": [format!("p{n}")]}));
    serde_json::json!({"accounts": [{"name": "main", "permissions": permissions.collect::<Vec<_>>(), "serviceAccounts": service_accounts.collect::<Vec<_>>()}]}).to_string()
}

#[tokio::test]
async fn state_too_large_for_one_batch_is_written_in_several_and_each_cut_is_consistent() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, &large_state(3_900)).await;
    assert_eq!(rows.commits(), 2);
    assert_eq!(rows.largest_batch.load(Ordering::SeqCst), crate::identity::config_rows::BATCH_CHANGES_MAX);
    assert!(open(&rows).snapshot().credential("AK3899X", now()).is_ok());

    // The second of two batches fails: what is written refers to nothing that isn't there, and the rest follows later.
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    rows.commits_max.store(1, Ordering::SeqCst);
    let error = store.execute(plan(&store, &large_state(3_900), Mode::Bootstrap)).await.unwrap_err();
    assert!(matches!(error, CommitError::Storage { in_effect: true, .. }), "{error}");
    assert!(open(&rows).snapshot().damaged().is_empty());
    let reopened = open(&rows);
    let refused = |key: &str| matches!(reopened.snapshot().credential(key, now()), Err(Refusal::Damaged(_)));
    assert!((0..3_900).all(|n| !refused(&format!("AK{n}X"))));
    rows.commits_max.store(usize::MAX, Ordering::SeqCst);
    bootstrap(&store, &large_state(3_900)).await;
    let (memory, disk) = (Arc::clone(&store.snapshot()), open(&rows));
    for n in 0..3_900 {
        let key = format!("AK{n}X");
        let user_id = &disk.snapshot().credential(&key, now()).unwrap().user_id.clone();
        assert_eq!(&memory.credential(&key, now()).unwrap().user_id, user_id, "{key}");
    }
}
