//! Users and their roles.

use serde_json::json;

use super::{Admin, everything, names, node};

#[test]
fn users_are_made_listed_changed_and_deleted_by_admins() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let made = root
        .post("/users", &json!({"name": "eve@example.com", "role": "auditor", "password": "eve-password"}))
        .json(201);
    assert_eq!(
        (&made["id"], &made["role"], &made["enabled"]),
        (&json!("eve@example.com"), &json!("auditor"), &json!(true))
    );
    let again = root.post("/users", &json!({"name": "eve@example.com", "role": "admin", "password": "other-password"}));
    assert_eq!(
        again.refused(409, "UserNameAlreadyExists"),
        "The user name is already in use. Please use a different name."
    );
    root.post("/users", &json!({"name": "tom", "role": "admin", "password": "tom-password"})).json(201);
    assert_eq!(names(&root.get("/users")), ["eve@example.com", "tom"]);
    assert_eq!(names(&root.get("/users?sort=role")), ["tom", "eve@example.com"]);
    let changed = root.put("/users/eve@example.com", &json!({"role": "storage-admin"})).json(200);
    assert_eq!(changed["role"], "storage-admin");
    for bad in [json!({"role": "root"}), json!({"name": "ada"}), json!({"password": "short"})] {
        root.put("/users/tom", &bad).refused(400, "InvalidArgument");
    }
    for reserved in ["root", "anonymous"] {
        let body = json!({"name": reserved, "role": "auditor", "password": "a-long-password"});
        root.post("/users", &body).refused(400, "InvalidArgument");
    }
    root.delete("/users/tom").json(204);
    root.get("/users/tom").refused(404, "UserNotFound");
}

#[test]
fn versions_of_a_user_are_kept_without_passwords_and_can_be_gone_back_to() {
    let mut node = node(json!({}));
    let root = Admin::root(&node);
    root.post("/users", &json!({"name": "e.v@x y", "role": "auditor", "password": "eve-password"})).json(201);
    let path = "/users/e.v@x%20y";
    root.put(path, &json!({"role": "admin"})).json(200);
    root.put(path, &json!({"password": "eve-other-password", "enabled": false})).json(200);
    root.put(path, &json!({"enabled": false})).json(200);
    node.kill_9();
    node.restart();
    let root = Admin::root(&node);
    let answer = root.get(&format!("{path}/history"));
    let history = answer.json(200);
    assert_eq!(history.as_array().map(Vec::len), Some(3), "what changes nothing makes no version: {history}");
    assert_eq!((&history[0]["revision"], &history[0]["changed"]), (&json!(3), &json!(["password", "enabled"])));
    assert_eq!((&history[1]["role"], &history[2]["role"]), (&json!("admin"), &json!("auditor")));
    assert!(history[0]["by"].as_str().is_some_and(|by| by.ends_with(":root")), "{history}");
    assert!(!answer.0.text().contains("argon2") && !answer.0.text().contains("eve-"), "{history}");
    let reverted = root.post(&format!("{path}/revert"), &json!({"revision": 1})).json(200);
    assert_eq!((&reverted["role"], &reverted["enabled"]), (&json!("auditor"), &json!(true)));
    // The password stays what it was made last.
    let nobody = Admin::nobody(&node);
    nobody
        .post("/auth/token", &json!({"user": "e.v@x y", "password": "eve-password"}))
        .refused(403, "AuthenticationFailed");
    nobody.with_user("e.v@x y", "eve-other-password");
    root.post(&format!("{path}/revert"), &json!({"revision": 9})).refused(404, "RevisionNotFound");
    // A later namesake has a history of their own.
    root.delete(path).json(204);
    root.post("/users", &json!({"name": "e.v@x y", "role": "auditor"})).json(201);
    assert_eq!(root.get(&format!("{path}/history")).json(200).as_array().map(Vec::len), Some(1));
}

/// D5: a user changed their own password through the admin API and passed their policy along.
#[test]
fn d5_a_user_changes_only_their_own_password_and_no_unknown_field_is_taken() {
    let node = node(json!({"users": [{"name": "eve", "password": "eve-password", "role": "auditor"}]}));
    let eve = Admin::nobody(&node).with_user("eve", "eve-password");
    let change = |body: serde_json::Value| eve.put("/auth/password", &body);
    let right = json!({"password": "eve-password", "newPassword": "eve-new-password"});
    for extra in ["policy", "role", "user", "enabled"] {
        let mut body = right.clone();
        body[extra] = json!("admin");
        change(body).refused(400, "InvalidArgument");
    }
    eve.put("/users/eve", &json!({"password": "eve-new-password", "role": "admin"})).refused(403, "AccessDenied");
    change(json!({"password": "wrong-password", "newPassword": "eve-new-password"}))
        .refused(403, "AuthenticationFailed");
    change(right).json(204);
    eve.get("/auth/session").refused(401, "InvalidToken");
    let eve = Admin::nobody(&node).with_user("eve", "eve-new-password");
    assert_eq!(eve.get("/auth/session").json(200)["role"], "auditor");
    let root = Admin::root(&node);
    root.post("/users", &json!({"name": "tom", "role": "auditor", "policy": {}})).refused(400, "InvalidArgument");
    root.put("/auth/password", &json!({"password": "a-password", "newPassword": "b-password"}))
        .refused(403, "AccessDenied");
}

/// The seed's table: create, edit, delete, status for admin and storage admin; list and view for all three.
#[test]
fn permission_management_is_open_to_the_roles_of_the_seed_s_table() {
    let users = ["admin", "storage-admin", "auditor"]
        .map(|role| json!({"name": role, "password": "some-password", "role": role}));
    let node = node(json!({"users": users}));
    let root = Admin::root(&node);
    for role in ["admin", "storage-admin", "auditor"] {
        let user = Admin::nobody(&node).with_user(role, "some-password");
        let writes = role != "auditor";
        let check = |answer: super::Answer, allowed: bool, what: &str| {
            assert_eq!(answer.0.status != 403, allowed, "{role} {what}: {}", answer.0);
        };
        root.post("/permissions", &everything("view")).json(201);
        check(user.post("/permissions", &everything("p")), writes, "create");
        check(user.put("/permissions/view", &json!({"description": "x"})), writes, "edit");
        check(user.delete("/permissions/view/enabled"), writes, "status");
        check(user.get("/permissions"), true, "list");
        check(user.get("/permissions/view"), true, "view");
        check(user.delete("/permissions/view"), writes, "delete");
        check(user.get("/users"), role == "admin", "users");
        check(user.get("/accounts"), role == "admin", "accounts");
        for name in ["view", "p"] {
            root.delete(&format!("/permissions/{name}"));
        }
    }
}

/// "Expiry of other people's keys" is for admins; one's own may be changed by who may change service accounts.
#[test]
fn a_storage_admin_changes_the_expiry_of_their_own_keys_only() {
    let users = ["admin", "storage-admin"].map(|role| json!({"name": role, "password": "some-password", "role": role}));
    let node = node(json!({"users": users, "permissions": [everything("p")]}));
    let (root, storage) = (Admin::root(&node), Admin::nobody(&node).with_user("storage-admin", "some-password"));
    let admin = Admin::nobody(&node).with_user("admin", "some-password");
    root.post("/service-accounts", &json!({"name": "theirs", "permissions": ["p"]})).json(201);
    storage.post("/service-accounts", &json!({"name": "own", "permissions": ["p"]})).json(201);
    let expiry = json!({"expirationDate": "2099-01-01"});
    storage.put("/service-accounts/own", &expiry).json(200);
    let told = storage.put("/service-accounts/theirs", &expiry).refused(403, "AccessDenied");
    let rule = "Only who may change users may change the expiry of a service account that somebody else made. User: ";
    assert!(told.starts_with(rule) && told.contains("\"arn:strongroom:::service-accounts/theirs\""), "{told}");
    storage.put("/service-accounts/theirs", &json!({"description": "x"})).json(200);
    admin.put("/service-accounts/theirs", &expiry).json(200);
    storage.put("/service-accounts/theirs", &json!({"expirationDate": null})).refused(403, "AccessDenied");
}
