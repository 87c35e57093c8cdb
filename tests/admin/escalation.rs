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
