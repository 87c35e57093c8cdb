//! Accounts: whose they are, and that nobody reaches into another's.

use serde_json::json;

use super::{Admin, everything, names, node};

#[test]
fn the_operator_makes_accounts_and_others_see_only_their_own() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let made = root.post("/accounts", &json!({"name": "other", "email": "other@example.com"})).json(201);
    assert_eq!(made["id"].as_str().map(str::len), Some(12));
    let key = |field: &str| made["root"][field].as_str().expect("a text");
    let other = Admin::nobody(&node).with_key(key("accessKey"), key("secret"));
    assert_eq!(names(&root.get("/accounts")), ["main", "other"]);
    assert_eq!(names(&other.get("/accounts")), ["other"]);
    other.get("/accounts/main").refused(404, "AccountNotFound");
    other.post("/accounts", &json!({"name": "third"})).refused(403, "AccessDenied");
    other.delete("/accounts/other").refused(403, "AccessDenied");
    assert_eq!(other.put("/accounts/other", &json!({"displayName": "Other"})).json(200)["displayName"], "Other");
    root.post("/accounts", &json!({"name": "other"})).refused(409, "AccountNameAlreadyExists");
    // Whoever makes a path of it means another place.
    for name in [".", ".."] {
        root.post("/accounts", &json!({"name": name})).refused(400, "InvalidArgument");
    }
    root.delete("/accounts/main").refused(409, "OperatorAccount");
    node.client().with(key("accessKey"), key("secret")).create_bucket("theirs").ok();
    let refused = root.delete("/accounts/other");
    refused.refused(409, "AccountNotEmpty");
    assert_eq!(refused.json(409)["details"]["buckets"], json!(["theirs"]));
    node.client().with(key("accessKey"), key("secret")).delete("theirs", "").ok();
    root.delete("/accounts/other").json(204);
    other.get("/accounts").refused(401, "InvalidToken");
}

/// Else the bucket would be nobody's for good.
#[test]
fn an_account_that_is_deleted_while_a_bucket_is_made_for_it_owns_none() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let mut both_refused_one = [0, 0];
    for n in 0..400 {
        // Both orders come up, on a busy machine later.
        if n >= 40 && !both_refused_one.contains(&0) {
            break;
        }
        let made = root.post("/accounts", &json!({"name": "other"})).json(201);
        let (id, bucket) = (made["id"].as_str().expect("an id"), format!("box-{n}"));
        let key = |field: &str| made["root"][field].as_str().expect("a text");
        let own = node.client().with(key("accessKey"), key("secret"));
        let emptied = json!({"accounts": [{"name": "main"}]}).to_string();
        let declared = json!({"accounts": [{"name": "main"}, {"name": "other", "buckets": [&bucket]}]}).to_string();
        let (made, deleted) = std::thread::scope(|scope| {
            let making = scope.spawn(|| match n % 3 {
                0 => root.post(&format!("/buckets?account={id}"), &json!({"name": &bucket})).0.status,
                1 => own.create_bucket(&bucket).status,
                _ => root.send("POST", "/state", Some(declared), &[]).0.status,
            });
            // Both orders come up.
            std::thread::sleep(std::time::Duration::from_micros(n * 100));
            let deleted = match n % 2 {
                0 => root.delete("/accounts/other").0.status,
                _ => root.send("POST", "/state?prune=true", Some(emptied), &[]).0.status,
            };
            (making.join().expect("no panic"), deleted)
        });
        let is_there = !root.get("/accounts?name=other").json(200).as_array().expect("a list").is_empty();
        let found = node.client().create_bucket(&bucket);
        match (made, deleted, is_there) {
            (200 | 201, 409, true) => {
                both_refused_one[0] += 1;
                found.expect(409, "BucketAlreadyExists");
                root.delete(&format!("/buckets/{bucket}?account=other")).json(204);
                root.delete("/accounts/other").json(204);
            }
            (403 | 404 | 409, 200 | 204, false) => {
                both_refused_one[1] += 1;
                found.ok();
            }
            // A state file makes the account again.
            (200, 200 | 204, true) if n % 3 == 2 => {
                found.expect(409, "BucketAlreadyExists");
                root.delete(&format!("/buckets/{bucket}?account=other")).json(204);
                root.delete("/accounts/other").json(204);
            }
            other => panic!("round {n}: {other:?}, {found}"),
        }
    }
    assert!(both_refused_one.iter().all(|&count| count > 0), "{both_refused_one:?}");
}

/// The figures of the node are those of all accounts together.
#[test]
fn the_node_s_status_and_audit_settings_are_the_operator_s_to_see() {
    let node = node(
        json!({"users": [{"name": "eve", "password": "eve-password", "role": "auditor"}, {"name": "ada", "password": "ada-password", "role": "admin"}]}),
    );
    let root = Admin::root(&node);
    let made = root.post("/accounts", &json!({"name": "other"})).json(201);
    let key = |field: &str| made["root"][field].as_str().expect("a text");
    let tenant = Admin::nobody(&node).with_key(key("accessKey"), key("secret"));
    tenant.post("/users", &json!({"name": "tom", "role": "admin", "password": "tom-password"})).json(201);
    let tom = Admin::nobody(&node).signed_in(&json!({"user": "tom", "password": "tom-password", "account": "other"}));
    for admin in [&tenant, &tom] {
        for path in ["/status", "/audit/settings"] {
            let refused = admin.get(path);
            let told = refused.refused(403, "AccessDenied");
            assert!(told.starts_with("The ") && told.ends_with("its operator's account's to see."), "{path}: {told}");
            for figure in ["requests", "dropped", "connections", "totalBytes"] {
                assert!(!refused.0.text().contains(figure), "{path}: {}", refused.0);
            }
        }
        admin.get("/status?account=other").refused(400, "InvalidArgument");
        admin.put("/audit/settings", &json!({"requests": "none"})).refused(403, "AccessDenied");
        admin.get("/usage/current").json(200);
        admin.get("/audit").json(200);
    }
    let eve = Admin::nobody(&node).with_user("eve", "eve-password");
    let ada = Admin::nobody(&node).with_user("ada", "ada-password");
    for admin in [&root, &ada, &eve] {
        admin.get("/status").json(200);
    }
    ada.get("/audit/settings").json(200);
    root.get("/audit/settings?account=other").refused(400, "InvalidArgument");
    assert_eq!(root.get("/audit/settings").json(200)["requests"], "all");
}

#[test]
fn naming_another_account_is_refused_by_its_rule_to_who_may_not_change_accounts() {
    let node = node(json!({"users": [{"name": "sam", "password": "sam-password", "role": "storage-admin"}]}));
    Admin::root(&node).post("/accounts", &json!({"name": "other"})).json(201);
    let sam = Admin::nobody(&node).with_user("sam", "sam-password");
    let told = sam.get("/permissions?account=other").refused(403, "AccessDenied");
    let rule = "Only who may change accounts may name another than their own. User: ";
    assert!(told.starts_with(rule) && told.contains("\"arn:strongroom:::permissions\""), "{told}");
    let absent = sam.get("/permissions?account=absent").refused(403, "AccessDenied");
    assert_eq!(absent, told, "whether there is such an account is not told");
    Admin::root(&node).get("/permissions?account=absent").refused(404, "AccountNotFound");
    sam.get("/permissions?account=main").json(200);
    sam.post("/permissions?account=other", &everything("p")).refused(403, "AccessDenied");
}

/// D3 and D2: another account's nouns can't be seen, changed or deleted, however they are named.
#[test]
fn d2_d3_nouns_of_another_account_are_out_of_reach() {
    let node = node(
        json!({"permissions": [everything("p")], "users": [{"name": "eve", "password": "eve-password", "role": "admin"}]}),
    );
    let root = Admin::root(&node);
    let made = root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]})).json(201);
    let other = root.post("/accounts", &json!({"name": "other"})).json(201);
    let key = |field: &str| other["root"][field].as_str().expect("a text");
    let other = Admin::nobody(&node).with_key(key("accessKey"), key("secret"));
    let id = made["id"].as_str().expect("an id");
    let permission = root.get("/permissions/p").json(200)["id"].as_str().expect("an id").to_owned();
    for name in ["app", id] {
        for path in [format!("/service-accounts/{name}"), format!("/service-accounts/{name}?account=main")] {
            let status = if path.contains('?') { "AccountNotFound" } else { "ServiceAccountNotFound" };
            other.get(&path).refused(404, status);
            other.put(&path, &json!({"description": "x"})).refused(404, status);
            other.delete(&path).refused(404, status);
        }
        other
            .send("POST", &format!("/service-accounts/{name}/rotate"), None, &[])
            .refused(404, "ServiceAccountNotFound");
    }
    other.get(&format!("/permissions/{permission}")).refused(404, "PermissionNotFound");
    other
        .post("/service-accounts", &json!({"name": "x", "permissions": [permission]}))
        .refused(404, "PermissionNotFound");
    other.get("/users/eve").refused(404, "UserNotFound");
    assert_eq!(other.get("/permissions").header("x-total-count"), "0");
    // The operator's root and admins manage the others' nouns by naming the account.
    root.post("/permissions?account=other", &everything("theirs")).json(201);
    assert_eq!(names(&other.get("/permissions")), ["theirs"]);
    let eve = Admin::nobody(&node).with_user("eve", "eve-password");
    assert_eq!(names(&eve.get("/permissions?account=other")), ["theirs"]);
}
