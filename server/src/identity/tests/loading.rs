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
async fn a_given_root_key_that_a_service_account_has_ends_the_start() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    let given = (AccessKey::parse("AKWORK").unwrap(), SecretKey::parse("given-root-value").unwrap());
    let refused = IdentityStore::begin(rows, key(), Some(given)).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::RootCredentials(_)));
    assert!(refused.to_string().contains("service account \"worker\""), "{refused}");
}

/// Two accounts, whose service accounts have a disabled permission, one, several, and are disabled or expire.
const MANY: &str = r#"{"accounts": [
  {"name": "main", "accountId": "123456789012", "root": {"accessKey": "AKROOT", "secretKey": "root-secret-value"},
   "permissions": [
     {"name": "ro", "type": "bucket-names", "actions": "read-only", "buckets": ["datalake"]},
     {"name": "off", "type": "all-buckets", "actions": "all-operations", "enabled": false},
     {"name": "customers", "type": "bucket-prefix", "actions": "all-operations", "prefix": "customer01"}],
   "serviceAccounts": [
     {"name": "off", "accessKey": "AKOFF", "secretKey": "worker-secret-value", "permissions": ["off"]},
     {"name": "one", "accessKey": "AKONE", "secretKey": "worker-secret-value", "permissions": ["ro"]},
     {"name": "all", "accessKey": "AKALL", "secretKey": "worker-secret-value", "permissions": ["ro", "off", "customers"]},
     {"name": "idle", "accessKey": "AKIDLE", "secretKey": "worker-secret-value", "permissions": ["ro"], "enabled": false},
     {"name": "old", "accessKey": "AKOLD", "secretKey": "worker-secret-value", "permissions": ["ro"], "expirationDate": "2027-01-01T00:00:00Z"}],
   "buckets": [{"name": "datalake"}]},
  {"name": "other", "accountId": "210987654321", "root": {"accessKey": "AKROOT2", "secretKey": "root-secret-value"},
   "permissions": [{"name": "ro", "type": "all-buckets", "actions": "read-only"}],
   "serviceAccounts": [{"name": "one", "accessKey": "AKOTHER", "secretKey": "worker-secret-value", "permissions": ["ro"]}]}]}"#;

async fn early(store: &IdentityStore, access_key: &str) -> Option<Arc<Snapshot>> {
    let asked = store.early(|| Some(access_key.to_owned()));
    tokio::time::timeout(Duration::from_millis(50), asked).await.ok().flatten()
}

#[tokio::test]
async fn a_holder_of_a_key_is_known_before_all_identities_are_read_as_they_will_be_then() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), MANY).await;
    let given = (AccessKey::parse("AKGIVEN").unwrap(), SecretKey::parse("given-root-value").unwrap());
    for given in [None, Some(given)] {
        let (store, loading) = IdentityStore::begin(rows.clone(), key(), given.clone()).unwrap();
        let mut shown = Vec::new();
        for access_key in ["AKROOT", "AKROOT2", "AKOFF", "AKONE", "AKALL", "AKIDLE", "AKOLD", "AKOTHER", "AKGIVEN"] {
            match early(&store, access_key).await {
                Some(early) => shown.push((access_key, early.shown().get(access_key).cloned())),
                None => assert!(access_key == "AKGIVEN" && given.is_none(), "{access_key}"),
            }
        }
        let anonymous = store.early(|| None).await.expect("who has no key needs no holder");
        let accounts = |snapshot: &Snapshot| snapshot.accounts().cloned().collect::<Vec<_>>();
        let early_accounts = accounts(&anonymous);
        assert_eq!(store.account("123456789012").unwrap().name.as_str(), "main");
        assert!(store.account("111111111111").is_none());
        loading.finish().unwrap();
        assert!(store.early(|| panic!("nothing is looked up any more")).await.is_none());
        let all = store.snapshot().shown();
        for (access_key, early) in shown {
            assert_eq!(early, all.get(access_key).cloned(), "{access_key}");
        }
        assert_eq!(early_accounts, accounts(&store.snapshot()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_are_read_as_soon_as_somebody_waits_for_all_of_them_and_otherwise_a_little_later() {
    const NEVER: Duration = Duration::from_secs(60);
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), MANY).await;
    for blocks in [false, true] {
        let (store, loading) = IdentityStore::begin(rows.clone(), key(), None).unwrap();
        let loading = tokio::task::spawn_blocking(move || loading.finish_when_wanted(NEVER));
        assert!(early(&store, "AKONE").await.is_some(), "who is known by one row needs no others");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!loading.is_finished());
        if blocks {
            let asked = store.clone();
            assert!(tokio::task::spawn_blocking(move || asked.snapshot().accounts().next().is_some()).await.unwrap());
        } else {
            store.loaded().await;
        }
        loading.await.unwrap().unwrap();
    }
    let (store, loading) = IdentityStore::begin(rows, key(), None).unwrap();
    loading.finish_when_wanted(Duration::from_millis(1)).unwrap();
    assert!(store.early(|| None).await.is_none(), "all are read");
}

#[tokio::test]
async fn where_the_rows_of_one_holder_do_not_tell_all_of_them_are_waited_for() {
    let made = Arc::new(MemoryRows::default());
    bootstrap(&open(&made), MANY).await;
    type Spoil<'a> = &'a dyn Fn(&MemoryRows);
    let spoilers: [(&str, Spoil<'_>); 6] = [
        ("AKNOBODY", &|_| {}),
        ("not a key!", &|_| {}),
        ("AKONE", &|rows| rows.damage("identity.service-account", "AKONE", |value| value.truncate(9))),
        ("AKOTHER", &|rows| rows.damage("identity.permission", "210987654321", |value| value.clear())),
        ("AKOTHER", &|rows| {
            rows.rows.lock().unwrap().retain(|(_, key), _| !key.starts_with("210987654321/") || !key.ends_with("/ro"))
        }),
        // A second holder, in the other account.
        ("AKONE", &|rows| {
            let mut rows = rows.rows.lock().unwrap();
            let (key, value) = rows.iter().find(|((_, key), _)| key.ends_with("/AKONE/one")).expect("it is there");
            let twin = (key.0.clone(), key.1.replace("123456789012", "210987654321"));
            let value = value.clone();
            rows.insert(twin, value);
        }),
    ];
    for (nth, (access_key, spoil)) in spoilers.into_iter().enumerate() {
        let rows = Arc::new(MemoryRows::default());
        rows.rows.lock().unwrap().clone_from(&made.rows.lock().unwrap());
        spoil(&rows);
        let (store, loading) = IdentityStore::begin(rows, key(), None).unwrap();
        assert!(early(&store, access_key).await.is_none(), "case {nth}");
        let asked = store.clone();
        let asking = tokio::spawn(async move { asked.early(|| Some(access_key.to_owned())).await.is_none() });
        assert!(early(&store, "AKALL").await.is_some() || nth == 4, "case {nth}: others are known");
        loading.finish().unwrap();
        assert!(asking.await.unwrap(), "case {nth}: it goes on with all of them");
    }
}
