//! Nothing prints a secret (failure case D16), and a wrong master key is told.

use super::*;
use crate::identity::name::AccessKey;
use crate::identity::print::state_of;
use crate::identity::sealed::SecretKey;
use crate::identity::store::OpenError;

const SECRETS: [&str; 3] = ["root-secret-value", "worker-secret-value", "eve-password-value"];

fn assert_no_secret(what: &str, text: &str) {
    for secret in SECRETS.iter().chain(&["$argon2id"]) {
        assert!(!text.contains(secret), "{what} holds {secret}: {text}");
    }
}

#[tokio::test]
async fn d16_no_secret_is_in_rows_plans_debug_or_printed_state() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    let state = State::parse("state.json", STATE).unwrap();
    assert_no_secret("the state's debug", &format!("{state:?}"));
    let plan = store.plan(&state, Mode::Bootstrap, now()).unwrap();
    assert_no_secret("the plan", &format!("{plan} {plan:?} {:?}", plan.snapshot()));
    store.execute(plan).await.unwrap();
    for secret in SECRETS {
        assert!(!rows.dump().contains(secret), "a row holds {secret}");
    }
    let snapshot = store.snapshot();
    let mut debug = format!("{store:?} {:?}", &**snapshot);
    for key in ["AKROOT", "AKWORK"] {
        debug += &format!("{:?}", snapshot.credential(key, now()).unwrap());
    }
    debug += &format!("{:?}", snapshot.root("123456789012"));
    debug += &format!("{:?}", snapshot.service_account("123456789012", "worker"));
    debug += &format!("{:?}", snapshot.user("123456789012", "eve"));
    assert_no_secret("debug output", &debug);
    assert_no_secret("the printed state", &state_of(&snapshot, |_| Vec::new()).to_string());
}

#[test]
fn d16_errors_of_a_state_file_repeat_no_value() {
    let cases = [
        (r#"{"accessKey": "AKROOT", "secretKey": "root-secret-value"}"#, r#""root-secret-value""#),
        (r#""secretKey": "worker-secret-value""#, r#""secretKey": ["worker-secret-value"]"#),
        (r#""secretKey": "worker-secret-value""#, r#""secretKey": "worker-secret-value "#),
        (r#""secretKey": "worker-secret-value""#, r#""secretKey": "worker-secret-value ä""#),
        (r#""accessKey": "AKWORK""#, r#""accessKey": "worker-secret-value/""#),
        (r#""password": "eve-password-value""#, r#""password": {"eve-password-value": 1}"#),
        (r#""role": "auditor""#, r#""role": "eve-password-value""#),
    ];
    for (from, to) in cases {
        let error = State::parse("state.json", &state_with(from, to)).expect_err(to);
        assert_no_secret("an error", &format!("{error} {error:?}"));
    }
}

#[tokio::test]
async fn d16_secret_swapped_into_another_row_doesnt_open() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    let sealed = |dump: &str, namespace: &str| {
        let line = dump.lines().find(|line| line.starts_with(namespace)).unwrap().to_owned();
        line.split("sealedSecret\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let (root, worker) = (sealed(&rows.dump(), "identity.root"), sealed(&rows.dump(), "identity.service-account"));
    rows.damage("identity.service-account", "AKWORK", |value| {
        *value = String::from_utf8(value.clone()).unwrap().replace(&worker, &root).into_bytes();
    });
    let store = open(&rows);
    let refusal = store.snapshot().credential("AKWORK", now()).unwrap_err().to_string();
    assert!(refusal.contains("\"worker\"") && refusal.contains("secret.key"), "{refusal}");
}

#[tokio::test]
async fn wrong_master_key_is_a_clear_error_that_names_secret_key() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    let wrong = MasterKey::from_bytes([1; 32]);
    let error = IdentityStore::open(rows.clone(), wrong.clone(), None).unwrap_err();
    assert!(matches!(&error, OpenError::WrongMasterKey { needed: Some(needed), .. } if *needed == key().fingerprint()));
    assert!(error.to_string().starts_with("secret.key is not this store's key"), "{error}");
    // Also when the remembered fingerprint is lost: then the secrets tell.
    rows.rows.lock().unwrap().retain(|(namespace, _), _| namespace != "identity.master-key");
    let error = IdentityStore::open(rows.clone(), wrong, None).unwrap_err().to_string();
    assert!(error.starts_with("secret.key is not this store's key"), "{error}");
    assert!(IdentityStore::open(rows, key(), None).is_ok());
}

#[tokio::test]
async fn key_fingerprint_is_known_from_the_first_commit_on() {
    let rows = Arc::new(MemoryRows::default());
    assert_eq!(IdentityStore::key_fingerprint(rows.as_ref()).unwrap(), None);
    bootstrap(&open(&rows), STATE).await;
    assert_eq!(IdentityStore::key_fingerprint(rows.as_ref()).unwrap(), Some(key().fingerprint()));
}

#[tokio::test]
async fn given_root_credential_overrides_the_stored_one_and_is_not_stored() {
    let rows = Arc::new(MemoryRows::default());
    bootstrap(&open(&rows), STATE).await;
    let given =
        |access_key: &str| Some((AccessKey::parse(access_key).unwrap(), SecretKey::parse("given-root-value").unwrap()));
    let store = IdentityStore::open(rows.clone(), key(), given("AKGIVEN")).unwrap();
    let snapshot = store.snapshot();
    assert!(snapshot.credential("AKGIVEN", now()).unwrap().is_root());
    assert!(snapshot.credential("AKROOT", now()).is_err(), "the stored root key opens nothing meanwhile");
    apply(&store, &state_with("M. Tester", "Other")).await;
    assert!(store.snapshot().credential("AKGIVEN", now()).is_ok());
    assert!(!rows.dump().contains("AKGIVEN") && open(&rows).snapshot().credential("AKROOT", now()).is_ok());
    // The same access key with another secret is the same identity, a service account's is not (D6).
    assert!(IdentityStore::open(rows.clone(), key(), given("AKROOT")).is_ok());
    let error = IdentityStore::open(rows.clone(), key(), given("AKWORK")).unwrap_err().to_string();
    assert!(error.contains("AKWORK") && error.contains("service account \"worker\""), "{error}");
    let taken = state_with("AKWORK", "AKGIVEN");
    assert!(plan_error(&store, &taken, Mode::Apply { prune: false }).contains("access key AKGIVEN"));
}
