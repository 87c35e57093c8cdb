//! A node's first start (failure case D13).

use super::*;
use crate::identity::account::RootKey;
use crate::identity::name::AccessKey;
use crate::identity::private_file::{PrivateFileError, write_root_credentials};
use crate::identity::sealed::SecretKey;

fn keep(_: &RootKey) -> Result<(), PrivateFileError> {
    Ok(())
}

#[tokio::test]
async fn d13_first_start_makes_one_account_with_a_random_root_key_and_later_starts_make_none() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    let root = store.ensure_first_account(now(), keep).await.unwrap().expect("a first start makes a root key");
    assert_eq!((root.access_key.as_str().len(), root.secret.expose().len()), (20, 40));
    let snapshot = store.snapshot();
    let account = snapshot.operator().unwrap();
    assert_eq!((account.name.as_str(), &account.account_id), ("main", &root.account_id));
    assert!(snapshot.credential(root.access_key.as_str(), now()).unwrap().is_root());

    for store in [store.clone(), open(&rows)] {
        assert!(store.ensure_first_account(now(), |_| panic!("no second key")).await.unwrap().is_none());
    }
    assert_eq!(rows.commits(), 1);
    assert!(!rows.dump().contains(root.secret.expose()));
    let other = open(&Arc::new(MemoryRows::default())).ensure_first_account(now(), keep).await.unwrap().unwrap();
    assert_ne!((other.access_key.as_str(), other.secret.expose()), (root.access_key.as_str(), root.secret.expose()));
}

#[tokio::test]
async fn root_credentials_are_a_private_file_written_before_the_key_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root-credentials.json");
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    let write = |root: &RootKey| {
        assert_eq!(rows.commits(), 0, "a crash now leaves a file, not a key that nobody knows");
        write_root_credentials(&path, root)
    };
    let root = store.ensure_first_account(now(), write).await.unwrap().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let expected = serde_json::json!({"accountId": root.account_id.as_str(), "accessKey": root.access_key.as_str(), "secretKey": root.secret.expose()});
    assert_eq!(json, expected);
}

#[tokio::test]
async fn root_key_that_cant_be_kept_is_not_made() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let path = directory.path().join("file/root-credentials.json");
    let error =
        store.ensure_first_account(now(), |root| write_root_credentials(&path, root)).await.unwrap_err().to_string();
    assert!(error.contains("root-credentials.json"), "{error}");
    assert_eq!(rows.commits(), 0);
}

#[tokio::test]
async fn first_declared_account_is_the_operators_and_no_other_is_made() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    assert!(store.ensure_first_account(now(), |_| panic!("root is declared")).await.unwrap().is_none());
    assert_eq!(store.snapshot().accounts().count(), 1);

    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, r#"{"accounts": [{"name": "one"}, {"name": "two"}]}"#).await;
    let root = store.ensure_first_account(now(), keep).await.unwrap().expect("the operator is never locked out");
    let snapshot = store.snapshot();
    assert_eq!(snapshot.operator().unwrap().name.as_str(), "one");
    assert_eq!(root.account_id, snapshot.operator().unwrap().account_id);
    let two = snapshot.account_by_name("two").unwrap();
    assert!(snapshot.root(two.account_id.as_str()).is_none() && two.canonical_id.as_str().len() == 64);
}

#[tokio::test]
async fn given_root_credential_makes_no_other_root_key() {
    let rows = Arc::new(MemoryRows::default());
    let given = (AccessKey::parse("AKGIVEN").unwrap(), SecretKey::parse("given-root-value").unwrap());
    let store = IdentityStore::open(rows.clone(), key(), Some(given)).unwrap();
    assert!(store.ensure_first_account(now(), |_| panic!("none is needed")).await.unwrap().is_none());
    assert!(store.snapshot().credential("AKGIVEN", now()).unwrap().is_root());
    assert!(!rows.dump().contains("AKGIVEN"));
    let later = open(&rows);
    assert!(later.ensure_first_account(now(), keep).await.unwrap().is_some(), "without it the operator needs a key");
}

#[tokio::test]
async fn damaged_root_key_of_the_operator_is_not_replaced_by_itself() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    rows.damage("identity.root", "AKROOT", |value| value.clear());
    let store = open(&rows);
    assert!(store.ensure_first_account(now(), |_| panic!("no key may be made")).await.unwrap().is_none());
    assert!(store.snapshot().credential("AKROOT", now()).is_err());
    assert_eq!(apply(&store, STATE).await, "+ root key\n");
    assert!(open(&rows).snapshot().credential("AKROOT", now()).is_ok());
}
