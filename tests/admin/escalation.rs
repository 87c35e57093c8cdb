//! Nobody makes a key or a grant that could do more than they can themselves.
//!
//! The console's actions are granted by roles and by no policy, so a service account, however much of S3 it may do, administers nothing; and a storage admin, who makes keys and grants, can't put administration into them.

use serde_json::{Value, json};

use super::{Admin, everything, node};
use crate::fixture;

/// D1: a restricted key called "create service account" and got one without the restriction. D2: one whose parent is root. D3: it read, rotated and deleted those of others. D4: it imported a state.
#[test]
fn d1_d2_d3_d4_a_service_account_administers_nothing_whatever_its_permissions_say() {
    let widest = fixture::policy(&json!([fixture::allow(&["*"], &["*"])]));
    let node = node(json!({
        "permissions": [everything("everything"), {"name": "widest", "type": "policy", "dialect": "aws", "policy": widest}],
        "serviceAccounts": [fixture::service_account("app", &["everything", "widest"]), fixture::service_account("other", &["everything"])],
        "users": [{"name": "eve", "password": "eve-password", "role": "auditor"}],
    }));
    let app = Admin::nobody(&node).with_key(&fixture::access_key("app"), &fixture::secret_key("app"));
    app.post("/service-accounts", &json!({"name": "child", "permissions": ["everything"]}))
        .refused(403, "AccessDenied");
    app.post("/service-accounts", &json!({"name": "child", "permissions": ["everything"], "targetUser": "root"}))
        .refused(403, "AccessDenied");
    for name in ["app", "other"] {
        let path = format!("/service-accounts/{name}");
        app.get(&path).refused(403, "AccessDenied");
        app.put(&path, &json!({"permissions": ["everything"]})).refused(403, "AccessDenied");
        app.send("POST", &format!("{path}/rotate"), None, &[]).refused(403, "AccessDenied");
        app.delete(&path).refused(403, "AccessDenied");
    }
    app.get("/service-accounts").refused(403, "AccessDenied");
    app.put("/permissions/everything", &json!({"actions": "read-only"})).refused(403, "AccessDenied");
    app.post("/auth/link", &json!({"user": "eve"})).refused(403, "AccessDenied");
    app.put("/users/eve", &json!({"role": "admin"})).refused(403, "AccessDenied");
    assert_eq!(app.get("/auth/session").json(200)["actions"], json!([]));
    node.client().with(&fixture::access_key("other"), &fixture::secret_key("other")).create_bucket("made").ok();
}

#[test]
fn d1_no_permission_can_hold_the_console_s_actions_whoever_saves_it() {
    let node = node(json!({"users": [{"name": "sam", "password": "sam-password", "role": "storage-admin"}]}));
    let sam = Admin::nobody(&node).with_user("sam", "sam-password");
    for action in ["strongroom:CreateUser", "strongroom:*", "STRONGROOM:creat*"] {
        for dialect in ["aws", "lyve"] {
            let policy: Value = fixture::policy(&json!([fixture::allow(&[action], &["arn:aws:s3:::box"])]));
            let body = json!({"name": "up", "type": "policy", "dialect": dialect, "policy": policy});
            for caller in [&sam, &Admin::root(&node)] {
                assert_eq!(caller.post("/permissions", &body).0.status, 422, "{action} {dialect}");
            }
        }
    }
}

/// D2 by another way: an admin declares a root key that they know.
#[test]
fn d2_no_user_gives_the_operator_s_root_another_key() {
    let mut node = tests::NodeBuilder::serve().state(json!({"accounts": [{"name": "main"}]})).start();
    let credentials = node.data().join("root-credentials.json");
    let made: Value = serde_json::from_slice(&std::fs::read(&credentials).expect("the file")).expect("JSON");
    let key = |field: &str| made[field].as_str().expect("a text").to_owned();
    let root = Admin::nobody(&node).with_key(&key("accessKey"), &key("secretKey"));
    root.post("/users", &json!({"name": "ada", "role": "admin", "password": "ada-password"})).json(201);
    let ada = Admin::nobody(&node).with_user("ada", "ada-password");
    let state =
        json!({"accounts": [{"name": "main", "root": {"accessKey": "AKTAKENOVER", "secretKey": "taken-over-secret"}}]});
    for path in ["/state?dryRun=true", "/state"] {
        let told = ada.post(path, &state).refused(403, "AccessDenied");
        assert!(told.contains("changed by root alone"), "{told}");
    }
    root.get("/auth/session").json(200);
    assert!(credentials.exists());
    // Another account's root is the admins' to set.
    let other = json!({"accounts": [{"name": "main"}, {"name": "other", "root": {"accessKey": "AKOTHERROOT", "secretKey": "a-secret-of-other"}}]});
    ada.post("/state", &other).json(200);
    let mut changed = other.clone();
    changed["accounts"][1]["root"]["secretKey"] = json!("another-secret");
    ada.post("/state", &changed).json(200);

    let applied = root.post("/state", &state).json(200);
    assert_eq!(applied["changes"], json!(["~ root key"]), "{applied}");
    assert!(
        applied["notes"][0].as_str().is_some_and(|note| note.ends_with("held the former root key and was removed")),
        "{applied}"
    );
    assert!(!credentials.exists(), "it would open nothing");
    node.kill_9();
    node.restart();
    Admin::nobody(&node).with_key("AKTAKENOVER", "taken-over-secret").get("/status").json(200);
    assert!(!credentials.exists());
}

#[test]
fn a_state_file_that_names_a_bucket_which_is_not_there_says_so() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let names =
        |buckets: &[&str]| json!({"name": "p", "type": "bucket-names", "actions": "read-only", "buckets": buckets});
    let state = |buckets: &[&str]| json!({"accounts": [{"name": "main", "buckets": [{"name": "new"}], "permissions": [names(buckets)]}]});
    let root = Admin::root(&node);
    let applied = root.post("/state", &state(&["box", "new", "nwe"])).json(200);
    assert_eq!(applied["notes"], json!(["permission \"p\" names the bucket \"nwe\", which isn't there yet"]));
    assert_eq!(root.post("/state", &state(&["box", "new"])).json(200)["notes"], json!([]));
}
