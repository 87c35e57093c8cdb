//! What an identity may do, and when its key is refused.

use policy::{Action, MapContext, Outcome, Request, Resource};

use super::*;
use crate::identity::credential::{Identity, IdentityKind};
use crate::identity::snapshot::Refusal;

fn ask(identity: &Identity, action: Action, key: &str) -> (Outcome, Option<String>) {
    let context = MapContext::new();
    let request = Request {
        principal: identity.principal(),
        action,
        resource: Resource::Object { account: "123456789012", bucket: "datalake", key },
        context: &context,
        canonical_user: None,
    };
    let decision = policy::decide(identity.policies(), &request);
    (decision.outcome, decision.deciding.map(|deciding| deciding.policy.to_owned()))
}

#[tokio::test]
async fn service_account_is_judged_by_its_permissions_and_the_deciding_one_is_named() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let snapshot = store.snapshot();
    let worker = snapshot.credential("AKWORK", now()).unwrap();
    assert!(matches!(&worker.kind, IdentityKind::ServiceAccount { name, .. } if name.as_str() == "worker"));
    assert_eq!(worker.arn, "arn:aws:iam::123456789012:user/worker");
    assert!(worker.user_id.starts_with("AIDA") && worker.user_id.len() == 21);
    assert_eq!(ask(worker, Action::GetObject, "a"), (Outcome::Allow, Some("lightly".into())));
    assert_eq!(ask(worker, Action::GetObject, "secret/a"), (Outcome::ExplicitDeny, Some("lightly".into())));
    assert_eq!(ask(worker, Action::PutObject, "a"), (Outcome::ImplicitDeny, None));
    let root = snapshot.credential("AKROOT", now()).unwrap();
    assert_eq!(ask(root, Action::DeleteObject, "secret/a").0, Outcome::Allow);
}

#[tokio::test]
async fn bucket_permissions_grant_their_actions_in_their_buckets() {
    let store = open(&Arc::new(MemoryRows::default()));
    let grants = [
        ("ro", Action::GetObject, true),
        ("ro", Action::PutObject, false),
        ("all write", Action::PutObject, true),
        ("all write", Action::GetObject, false),
        ("customers", Action::GetObject, false),
    ];
    bootstrap(&store, STATE).await;
    for (permission, action, allowed) in grants {
        apply(&store, &state_with(r#""permissions": ["lightly"]"#, &format!(r#""permissions": ["{permission}"]"#)))
            .await;
        let snapshot = store.snapshot();
        let outcome = ask(snapshot.credential("AKWORK", now()).unwrap(), action, "k").0;
        assert_eq!(outcome == Outcome::Allow, allowed, "{permission} {action:?}");
    }
}

#[tokio::test]
async fn disabled_permission_grants_nothing_and_its_denies_stay() {
    let store = open(&Arc::new(MemoryRows::default()));
    let both = state_with(r#""permissions": ["lightly"]"#, r#""permissions": ["lightly", "ro"]"#);
    bootstrap(&store, &both).await;
    let disabled = both.replace(r#""name": "lightly", "#, r#""name": "lightly", "enabled": false, "#);
    assert_eq!(apply(&store, &disabled).await, "~ permission \"lightly\": enabled\n");
    let snapshot = store.snapshot();
    let worker = snapshot.credential("AKWORK", now()).unwrap();
    assert_eq!(ask(worker, Action::GetObject, "a"), (Outcome::Allow, Some("ro".into())));
    assert_eq!(ask(worker, Action::GetObject, "secret/a"), (Outcome::ExplicitDeny, Some("lightly".into())));
    apply(&store, &disabled.replace(r#"["lightly", "ro"]"#, r#"["lightly"]"#)).await;
    let snapshot = store.snapshot();
    assert_eq!(ask(snapshot.credential("AKWORK", now()).unwrap(), Action::GetObject, "a").0, Outcome::ImplicitDeny);
}

#[tokio::test]
async fn changed_permission_holds_in_the_next_snapshot_and_others_are_not_compiled_again() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let before = Arc::clone(&store.snapshot());
    apply(&store, &state_with(r#"datalake/secret/*"#, r#"datalake/hidden/*"#)).await;
    let after = store.snapshot();
    assert_eq!(
        ask(before.credential("AKWORK", now()).unwrap(), Action::GetObject, "secret/a").0,
        Outcome::ExplicitDeny
    );
    assert_eq!(ask(after.credential("AKWORK", now()).unwrap(), Action::GetObject, "secret/a").0, Outcome::Allow);
    let of = |snapshot: &Snapshot, name| snapshot.permission("123456789012", name).unwrap().policy().unwrap().clone();
    assert!(Arc::ptr_eq(&of(&before, "ro"), &of(&after, "ro")));
    assert!(!Arc::ptr_eq(&of(&before, "lightly"), &of(&after, "lightly")));
}

#[tokio::test]
async fn refused_keys_are_told_apart_for_the_log() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(
        &store,
        &state_with(r#""permissions": ["lightly"]"#, r#""permissions": ["lightly"], "expirationDate": "2026-11-22""#),
    )
    .await;
    let snapshot = store.snapshot();
    assert!(matches!(snapshot.credential("AKNOBODY", now()), Err(Refusal::Unknown)));
    assert!(snapshot.credential("AKWORK", "2026-11-21T23:59:59Z".parse().unwrap()).is_ok());
    let at = "2026-11-22T00:00:00Z".parse().unwrap();
    assert!(matches!(snapshot.credential("AKWORK", at), Err(Refusal::Expired(it)) if it.name() == "worker"));
    apply(&store, &state_with(r#""permissions": ["lightly"]"#, r#""permissions": ["lightly"], "enabled": false"#))
        .await;
    let snapshot = store.snapshot();
    let refusal = snapshot.credential("AKWORK", now()).unwrap_err();
    assert!(matches!(refusal, Refusal::Disabled(_)));
    assert_eq!(refusal.to_string(), "service account \"worker\" is disabled");
}

#[tokio::test]
async fn namesake_of_a_deleted_service_account_has_another_user_id() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let id = |store: &IdentityStore| store.snapshot().credential("AKWORK", now()).unwrap().user_id.clone();
    let first = id(&store);
    let without = STATE.replace(
        r#"{"name": "worker", "accessKey": "AKWORK", "secretKey": "worker-secret-value", "permissions": ["lightly"]}"#,
        "",
    );
    assert_eq!(prune(&store, &without).await, "- service account \"worker\"\n");
    apply(&store, STATE).await;
    assert_ne!(id(&store), first);
}
