//! Reading identities beside a start.

use std::time::Duration;

use super::*;
use crate::identity::name::AccessKey;
use crate::identity::sealed::SecretKey;
use crate::identity::store::OpenError;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_before_identities_are_read_waits_for_all_of_them() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    let (store, loading) = IdentityStore::begin(rows, key(), None).unwrap();
    assert!(store.had_operator(), "accounts and root keys are there at once");
    assert!(store.ensure_first_account(now(), |_| panic!("no second key")).await.unwrap().is_none());
    let asked = store.clone();
    let asking = tokio::task::spawn_blocking(move || asked.snapshot().credential("AKWORK", now()).is_ok());
    assert!(tokio::time::timeout(Duration::from_millis(50), store.loaded()).await.is_err());
    assert!(!asking.is_finished());
    loading.finish().unwrap();
    store.loaded().await;
    assert!(asking.await.unwrap());
}

#[tokio::test]
async fn an_empty_store_has_no_operator_until_one_is_made() {
    let (store, loading) = IdentityStore::begin(Arc::new(MemoryRows::default()), key(), None).unwrap();
    assert!(!store.had_operator());
    loading.finish().unwrap();
    assert!(store.ensure_first_account(now(), |_| Ok(())).await.unwrap().is_some());
}

#[tokio::test]
async fn a_given_root_key_that_a_service_account_has_is_found_and_nobody_is_shown() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    let given = (AccessKey::parse("AKWORK").unwrap(), SecretKey::parse("given-root-value").unwrap());
    let (store, loading) = IdentityStore::begin(rows, key(), Some(given)).unwrap();
    assert!(matches!(loading.finish(), Err(OpenError::RootCredentials(_))));
    assert!(tokio::time::timeout(Duration::from_millis(50), store.loaded()).await.is_err());
}
