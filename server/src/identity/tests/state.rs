//! The state file: bootstrap, apply, prune, and what it refuses.

use super::*;
use crate::identity::permission::{Definition, Dialect};
use crate::identity::print::state_of;
use crate::identity::user::{Password, Role};

#[tokio::test]
async fn bootstrap_creates_everything_once_and_the_second_time_writes_nothing() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    let lines = bootstrap(&store, STATE).await;
    let expected = [
        "+ account \"main\"",
        "+ root key",
        "+ permission \"lightly\"",
        "+ permission \"ro\"",
        "+ permission \"customers\"",
        "+ permission \"all write\"",
        "+ service account \"worker\"",
        "+ user \"eve\"",
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    assert_eq!(rows.commits(), 1, "one atomic batch");

    let before = rows.dump();
    assert_eq!(bootstrap(&store, STATE).await, "");
    let reopened = open(&rows);
    assert_eq!(bootstrap(&reopened, STATE).await, "");
    assert_eq!((rows.commits(), rows.dump()), (1, before));

    let snapshot = reopened.snapshot();
    let account = snapshot.account_by_name("main").unwrap();
    assert!(account.operator);
    assert_eq!(account.account_id.as_str(), "123456789012");
    for found in [snapshot.account_by_canonical_id("testid"), snapshot.account_by_email("tester@example.com")] {
        assert!(Arc::ptr_eq(found.unwrap(), account));
    }
    assert_eq!(permission_names(&snapshot), ["all write", "customers", "lightly", "ro"]);
    let eve = snapshot.user("123456789012", "eve").unwrap();
    assert_eq!(eve.role, Role::Auditor);
    assert!(eve.password.verify(&Password::parse("eve-password-value").unwrap()));
}

#[tokio::test]
async fn bootstrap_changes_nothing_that_is_there() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let changed = STATE
        .replace("read-only", "write-only")
        .replace("worker-secret-value", "another-secret")
        .replace("auditor", "admin");
    let plan = plan(&store, &changed, Mode::Bootstrap);
    assert!(plan.is_empty() && plan.lines.is_empty(), "{plan}");
    let buckets: Vec<_> =
        plan.buckets.iter().map(|(account, bucket)| (account.as_str(), bucket.name.as_str())).collect();
    assert_eq!(buckets, [("123456789012", "datalake")]);
}

#[tokio::test]
async fn bootstrap_adds_what_is_absent_beside_what_is_there() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let more = state_with(
        r#""serviceAccounts": ["#,
        r#""serviceAccounts": [{"name": "reader", "accessKey": "AKREAD", "secretKey": "reader-secret", "permissions": ["ro"]}, "#,
    );
    assert_eq!(bootstrap(&store, &more).await, "+ service account \"reader\"\n");
    assert!(store.snapshot().credential("AKREAD", now()).is_ok());
}

#[tokio::test]
async fn apply_updates_and_says_which_fields() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let id = store.snapshot().service_account("123456789012", "worker").unwrap().id.clone();
    let changed = STATE
        .replace("M. Tester", "Mia Tester")
        .replace(r#""permissions": ["lightly"]"#, r#""permissions": ["lightly", "ro"], "expirationDate": "2027-01-31""#)
        .replace(
            r#""actions": "read-only", "buckets": ["datalake"]"#,
            r#""actions": "read-only", "buckets": ["datalake", "archive"]"#,
        )
        .replace("worker-secret-value", "rotated-secret-value")
        .replace("root-secret-value", "rotated-root-value")
        .replace(r#""role": "auditor""#, r#""role": "storage-admin""#);
    let expected = [
        "~ account \"main\": displayName",
        "~ root key",
        "~ permission \"ro\": buckets",
        "~ service account \"worker\": secretKey, permissions, expirationDate",
        "~ user \"eve\": role",
    ];
    assert_eq!(apply(&store, &changed).await.lines().collect::<Vec<_>>(), expected);
    assert_eq!(apply(&store, &changed).await, "");
    assert_eq!(rows.commits(), 2);
    for store in [store, open(&rows)] {
        let snapshot = store.snapshot();
        let worker = snapshot.credential("AKWORK", now()).unwrap();
        assert_eq!(worker.secret.expose(), "rotated-secret-value");
        assert_eq!(worker.user_id, id.as_str(), "the id outlives every change");
        assert_eq!(names(worker.permissions().iter().map(|it| it.name.as_str())), ["lightly", "ro"]);
        assert_eq!(worker.expires_at.unwrap().to_string(), "2027-01-31T00:00:00Z");
    }
}

#[tokio::test]
async fn plan_is_a_dry_run_until_it_is_executed() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let before = rows.dump();
    let plan = plan(&store, &state_with("read-only", "all-operations"), Mode::Apply { prune: true });
    assert_eq!(plan.to_string(), "~ permission \"ro\": actions\n");
    assert!(!plan.is_empty());
    drop(plan);
    assert_eq!((rows.commits(), rows.dump()), (1, before));
    let ro = store.snapshot().permission("123456789012", "ro").unwrap().permission.clone();
    assert!(matches!(ro.definition, Definition::Bucket { actions, .. } if actions.as_str() == "read-only"));
}

#[tokio::test]
async fn absent_optional_field_stays_and_null_removes_it() {
    let store = open(&Arc::new(MemoryRows::default()));
    let with = |fields: &str| {
        state_with(r#""permissions": ["lightly"]}"#, &format!(r#""permissions": ["lightly"]{fields}}}"#))
    };
    bootstrap(&store, &with(r#", "enabled": false, "description": "nightly", "expirationDate": "2027-01-31""#)).await;
    assert_eq!(apply(&store, STATE).await, "", "an applied state must not enable what was disabled");
    let cleared = with(r#", "enabled": true, "description": null, "expirationDate": null"#);
    assert_eq!(apply(&store, &cleared).await, "~ service account \"worker\": description, enabled, expirationDate\n");
    let snapshot = store.snapshot();
    let worker = snapshot.service_account("123456789012", "worker").unwrap();
    assert_eq!((worker.enabled, &worker.description, worker.expires_at), (true, &None, None));
}

#[tokio::test]
async fn prune_deletes_what_is_not_declared_and_nothing_else_does() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    let two = STATE.replace(
        "]}]}",
        r#"]}, {"name": "alt", "root": {"accessKey": "AKALT", "secretKey": "alt-secret-value"},
        "users": [{"name": "bob", "password": "bob-password", "role": "admin"}]}]}"#,
    );
    bootstrap(&store, &two).await;
    // What isn't in a list that is there goes; a list that isn't there isn't managed.
    let unmanaged = r#"{"accounts": [{"name": "main", "accountId": "123456789012"}, {"name": "alt", "users": []}]}"#;
    let lines = plan(&store, unmanaged, Mode::Apply { prune: true }).to_string();
    assert_eq!(lines, "- user \"bob\" (account \"alt\")\n");
    let less = r#"{"accounts": [{"name": "main", "accountId": "123456789012", "serviceAccounts": [], "users": [],
        "permissions": [{"name": "ro", "type": "bucket-names", "actions": "read-only", "buckets": ["datalake"]}]}]}"#;
    assert_eq!(apply(&store, less).await, "");
    let plan = plan(&store, less, Mode::Apply { prune: true });
    let alt = store.snapshot().account_by_name("alt").unwrap().account_id.clone();
    assert_eq!(plan.deleted_accounts, [alt], "the caller looks for its buckets");
    let mut lines: Vec<String> = plan.lines.iter().map(|line| line.to_string()).collect();
    lines.sort();
    let expected = [
        "- account \"alt\" with all it has",
        "- permission \"all write\"",
        "- permission \"customers\"",
        "- permission \"lightly\"",
        "- service account \"worker\"",
        "- user \"eve\"",
    ];
    assert_eq!(lines, expected);
    store.execute(plan).await.unwrap();
    for store in [store, open(&rows)] {
        let snapshot = store.snapshot();
        assert_eq!(permission_names(&snapshot), ["ro"]);
        assert!(snapshot.credential("AKWORK", now()).is_err() && snapshot.credential("AKALT", now()).is_err());
        assert!(snapshot.credential("AKROOT", now()).is_ok(), "the operator's root is never pruned");
        assert_eq!(snapshot.accounts().count(), 1);
    }
}

#[tokio::test]
async fn prune_keeps_the_operators_account_whole_when_it_is_not_declared() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let plan = plan(&store, r#"{"accounts": []}"#, Mode::Apply { prune: true });
    assert!(plan.is_empty() && plan.notes[0].contains("\"main\""), "{:?}", plan.notes);
    assert!(plan_error(&store, "{}", Mode::Apply { prune: true }).contains("accounts is missing"));
}

#[tokio::test]
async fn permission_in_use_is_not_pruned_and_the_users_are_named() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let kept = r#"{"accounts": [{"name": "main", "permissions": [], "serviceAccounts": [{"name": "worker", "permissions": ["lightly"]}]}]}"#;
    let error = plan_error(&store, kept, Mode::Apply { prune: true });
    assert_eq!(error, "state.json: permission \"lightly\" is used by service account \"worker\" and can't be deleted");
    // With its service account gone or moved to another permission it can go, in the same plan.
    let moved = r#"{"accounts": [{"name": "main", "permissions": [{"name": "new", "type": "all-buckets", "actions": "read-only"}],
        "serviceAccounts": [{"name": "worker", "permissions": ["new"]}]}]}"#;
    let lines = prune(&store, moved).await;
    assert!(
        lines.contains("- permission \"lightly\"\n") && lines.contains("~ service account \"worker\": permissions\n"),
        "{lines}"
    );
}

#[tokio::test]
async fn d6_access_key_of_another_identity_is_a_conflict() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let before = store.snapshot().accounts().count();
    let alt = |key: &str, secret: &str| {
        format!(r#"{{"accounts": [{{"name": "alt", "root": {{"accessKey": "{key}", "secretKey": "{secret}"}}}}]}}"#)
    };
    for key in ["AKROOT", "AKWORK"] {
        let error = plan_error(&store, &alt(key, "alt-secret-value"), Mode::Bootstrap);
        assert!(error.contains(&format!("access key {key}")) && error.contains("unique"), "{error}");
        assert!(
            error.contains(if key == "AKROOT" {
                "the root of account 123456789012"
            } else {
                "service account \"worker\""
            }),
            "{error}"
        );
    }
    let service_account = |key: &str| {
        format!(
            r#"{{"accounts": [{{"name": "main", "serviceAccounts": [{{"name": "thief", "accessKey": "{key}", "secretKey": "thief-secret", "permissions": ["ro"]}}]}}]}}"#
        )
    };
    for key in ["AKROOT", "AKWORK"] {
        let error = plan_error(&store, &service_account(key), Mode::Apply { prune: false });
        assert!(error.contains(&format!("access key {key}")) && error.contains("\"thief\""), "{error}");
    }
    let twice = STATE.replace("AKWORK", "AKROOT");
    assert!(plan_error(&open(&Arc::new(MemoryRows::default())), &twice, Mode::Bootstrap).contains("access key AKROOT"));
    assert_eq!(store.snapshot().accounts().count(), before);
}

#[tokio::test]
async fn refused_policy_names_permission_message_and_place_in_the_file() {
    let store = open(&Arc::new(MemoryRows::default()));
    let error = plan_error(&store, &state_with("\"s3:GetObject\"],   ", "\"s3:PuObject\"],   "), Mode::Bootstrap);
    assert!(error.starts_with("state.json: account \"main\", permission \"lightly\": "), "{error}");
    assert!(error.contains("File Import Failed: Action value s3:PuObject is not valid."), "{error}");
    assert!(error.contains("(line 8, column "), "{error}");

    let as_string = r#"{"accounts": [{"name": "main", "permissions": [{"name": "broken", "type": "policy", "policy": "{\"Version\": \"2012-10-17\"}"}]}]}"#;
    let error = plan_error(&store, as_string, Mode::Bootstrap);
    assert!(error.contains("permission \"broken\": File Import Failed: Statement is required."), "{error}");
    assert!(error.contains("of the policy)"), "{error}");
}

#[tokio::test]
async fn d17_empty_and_null_policies_are_refused() {
    let store = open(&Arc::new(MemoryRows::default()));
    for policy in ["\"\"", "null", "{}", "[]", "7", "\"{}\"", "\"null\""] {
        let text = format!(
            r#"{{"accounts": [{{"name": "main", "permissions": [{{"name": "empty", "type": "policy", "policy": {policy}}}]}}]}}"#
        );
        let error = plan_error(&store, &text, Mode::Bootstrap);
        assert!(error.contains("permission \"empty\""), "{policy}: {error}");
    }
}

#[tokio::test]
async fn policy_is_kept_byte_for_byte_as_object_and_as_string() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let text_of = |name: &str| match &store.snapshot().permission("123456789012", name).unwrap().permission.definition {
        Definition::Policy { dialect, text } => (*dialect, text.to_string()),
        other => panic!("{other:?}"),
    };
    let (dialect, text) = text_of("lightly");
    assert_eq!(dialect, Dialect::Lyve);
    assert!(STATE.contains(&text), "an object's own spacing stays: {text}");
    let file = "\u{feff}{ \"Version\":\"2012-10-17\",\n\t\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b\"}}\r\n";
    let as_string = serde_json::json!({"accounts": [{"name": "main", "permissions": [{"name": "file", "type": "policy", "policy": file}]}]});
    apply(&store, &as_string.to_string()).await;
    assert_eq!(text_of("file"), (Dialect::Lyve, file.to_owned()));
}

#[tokio::test]
async fn conformance_state_file_is_accepted() {
    let account = |name: &str, id: &str, canonical: &str, email: &str, key: &str, secret: &str| {
        serde_json::json!({"name": name, "accountId": id, "canonicalId": canonical, "displayName": name, "email": email,
            "root": {"accessKey": key, "secretKey": secret}})
    };
    let text = serde_json::json!({"accounts": [
        account("main", "100000000001", "testid", "tester@ceph.com", "0555b35654ad1656d804", "h7GhxuBLTrlhVUyxSPUKUV8r/2EI4ngqJxD7iBdBYLhwluN30JaT3Q=="),
        account("tenant", "100000000003", "testx$9876543210abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "tenanteduser@example.com", "HIJKLMNOPQRSTUVWXYZA", "opqrstuvwxyzabcdefghijklmnopqrstuvwxyzab"),
        account("iam-root", "111111111111", "RGW11111111111111111", "account1@ceph.com", "AAAAAAAAAAAAAAAAAAaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ]})
    .to_string();
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, &text).await;
    let snapshot = store.snapshot();
    assert_eq!(snapshot.operator().unwrap().name.as_str(), "main");
    let root = snapshot.credential("0555b35654ad1656d804", now()).unwrap();
    assert!(root.is_root());
    assert_eq!((root.arn.as_str(), root.user_id.as_str()), ("arn:aws:iam::100000000001:root", "100000000001"));
    assert_eq!(snapshot.credential("AAAAAAAAAAAAAAAAAAaa", now()).unwrap().account.name.as_str(), "iam-root");
    assert_eq!(snapshot.accounts().filter(|account| account.operator).count(), 1);
}

#[tokio::test]
async fn toml_form_is_the_same_state() {
    let toml = r#"
        [[accounts]]
        name = "main"
        accountId = "123456789012"
        root = { accessKey = "AKROOT", secretKey = "root-secret-value" }
        buckets = [{ name = "datalake" }]

        [[accounts.permissions]]
        name = "lightly"
        type = "policy"
        policy = '''{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::datalake/*"}]}'''

        [[accounts.permissions]]
        name = "table"
        type = "policy"
        [accounts.permissions.policy]
        Version = "2012-10-17"
        Statement = [{ Effect = "Allow", Action = ["s3:ListBucket"], Resource = "arn:aws:s3:::datalake" }]

        [[accounts.serviceAccounts]]
        name = "worker"
        accessKey = "AKWORK"
        secretKey = "worker-secret-value"
        permissions = ["lightly", "table"]
        expirationDate = 2027-01-31T18:00:00Z
    "#;
    let store = open(&Arc::new(MemoryRows::default()));
    let plan = store.plan(&State::parse("state.toml", toml).unwrap(), Mode::Bootstrap, now()).unwrap();
    assert_eq!(plan.buckets.len(), 1);
    store.execute(plan).await.unwrap();
    let snapshot = store.snapshot();
    let worker = snapshot.credential("AKWORK", now()).unwrap();
    assert_eq!(worker.permissions().len(), 2);
    assert_eq!(worker.expires_at.unwrap().to_string(), "2027-01-31T18:00:00Z");
    let error = State::parse("state.toml", "accounts = [\n  {name = \"main\" \"secret-in-the-line\"}\n]")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("state.toml: is not TOML: ") && error.contains("line 2") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn errors_name_file_account_noun_and_field() {
    let refused = |from: &str, to: &str| State::parse("dir/state.json", &state_with(from, to)).unwrap_err().to_string();
    let cases = [
        (
            r#""displayName""#,
            r#""displayname""#,
            "dir/state.json: account \"main\": displayname is not a field here; did you mean displayName?",
        ),
        (
            r#""secretKey": "worker"#,
            r#""secret": "worker"#,
            "account \"main\", service account \"worker\": secret is not a field here",
        ),
        (r#""accessKey": "AKWORK""#, r#""accessKey": "A/K""#, "service account \"worker\": accessKey may only have"),
        (
            r#""accessKey": "AKWORK""#,
            r#""accessKey": 7"#,
            "service account \"worker\": accessKey must be text in quotes",
        ),
        (
            r#""permissions": ["lightly"]"#,
            r#""permissions": []"#,
            "service account \"worker\": permissions must name 1 to 100",
        ),
        (
            r#""actions": "read-only""#,
            r#""actions": "readonly""#,
            "permission \"ro\": actions must be all-operations, read-only or write-only",
        ),
        (
            r#""prefix": "customer01""#,
            &format!(r#""prefix": "{}""#, "c".repeat(65)),
            "permission \"customers\": prefix must have 1 to 64 characters",
        ),
        (r#""dialect": "lyve""#, r#""dialect": "gcp""#, "permission \"lightly\": dialect must be lyve or aws"),
        (r#""role": "auditor""#, r#""role": "root""#, "user \"eve\": role must be admin, storage-admin or auditor"),
        (
            r#""accountId": "123456789012""#,
            r#""accountId": "123""#,
            "account \"main\": accountId must have exactly 12 digits",
        ),
        (r#""email": "tester@example.com""#, r#""email": "tester""#, "account \"main\": email must be an address"),
        (r#"{"name": "datalake"}"#, r#"{"name": "Data"}"#, "bucket \"Data\": name must have 3 to 63"),
        (r#""name": "ro""#, r#""name": "lightly""#, "permission \"lightly\": is declared twice"),
        (r#""name": "ro", "type""#, r#""type""#, "permissions[1]: name is missing"),
        (r#""name": "main","#, r#""name": "main", "name": "other","#, "name is there twice"),
        (
            r#""description": "Reads one prefix.""#,
            &format!(r#""description": "{}""#, "d".repeat(1001)),
            "permission \"lightly\": description is longer than 1,000 characters",
        ),
        ("]}]}", "]}", "is not JSON: wrong syntax at line "),
    ];
    for (from, to, expected) in cases {
        let error = refused(from, to);
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
    let deep = format!("{{\"accounts\": {}", "[".repeat(1_000_000));
    assert!(State::parse("deep.json", &deep).is_err());
}

#[tokio::test]
async fn unknown_permission_and_missing_secret_are_refused_by_name() {
    let store = open(&Arc::new(MemoryRows::default()));
    let error = plan_error(&store, &state_with(r#"["lightly"]"#, r#"["lightyl"]"#), Mode::Bootstrap);
    assert_eq!(
        error,
        "state.json: account \"main\", service account \"worker\": permissions names \"lightyl\", which the account doesn't have"
    );
    let error = plan_error(&store, &state_with(r#", "secretKey": "worker-secret-value""#, ""), Mode::Bootstrap);
    assert!(error.contains("service account \"worker\": secretKey is missing"), "{error}");
    let error = plan_error(&store, &state_with(r#", "secretKey": "root-secret-value""#, ""), Mode::Bootstrap);
    assert!(error.contains("account \"main\", root: secretKey is missing"), "{error}");
    let error = plan_error(&store, &state_with(r#", "password": "eve-password-value""#, ""), Mode::Bootstrap);
    assert!(error.contains("user \"eve\": password is missing"), "{error}");
}

#[tokio::test]
async fn identifiers_of_an_account_cant_change_but_its_name_can() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    let mode = Mode::Apply { prune: false };
    assert!(plan_error(&store, &state_with("123456789012", "123456789013"), mode).contains("accountId differs"));
    assert!(plan_error(&store, &state_with("testid", "otherid"), mode).contains("canonicalId differs"));
    assert_eq!(
        apply(&store, &state_with("\"name\": \"main\"", "\"name\": \"primary\"")).await,
        "~ account \"main\": name\n"
    );
    let snapshot = store.snapshot();
    assert!(snapshot.account_by_name("main").is_none());
    assert_eq!(snapshot.account_by_name("primary").unwrap().account_id.as_str(), "123456789012");
    assert!(snapshot.credential("AKWORK", now()).is_ok());
}

#[tokio::test]
async fn accounts_share_no_name_canonical_id_or_email() {
    let store = open(&Arc::new(MemoryRows::default()));
    bootstrap(&store, STATE).await;
    for (field, value) in [("canonicalId", "testid"), ("email", "tester@example.com")] {
        let text = format!(r#"{{"accounts": [{{"name": "alt", "{field}": "{value}"}}]}}"#);
        let error = plan_error(&store, &text, Mode::Bootstrap);
        assert!(error.contains(&format!("have the same {field}")) && error.contains("\"alt\""), "{error}");
    }
}

#[tokio::test]
async fn printed_state_can_be_applied_again_and_changes_nothing() {
    let rows = Arc::new(MemoryRows::default());
    let store = open(&rows);
    bootstrap(&store, STATE).await;
    let printed = format!("{:#}", state_of(&store.snapshot(), |_| vec!["datalake".into()]));
    let plan = plan(&store, &printed, Mode::Apply { prune: true });
    assert!(plan.is_empty() && plan.lines.is_empty() && plan.notes.is_empty(), "{plan} {:?}", plan.notes);
    assert_eq!(plan.buckets.len(), 1);
}
