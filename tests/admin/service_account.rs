//! Service accounts: from their making to their end, and what their keys open meanwhile.

use serde_json::{Value, json};
use tests::{Client, Node};

use super::{Admin, everything, names, node};
use crate::fixture;

#[track_caller]
fn client(node: &Node, credentials: &Value) -> Client {
    let text = |field: &str| credentials[field].as_str().expect("a text");
    node.client().with(text("accessKey"), text("secret"))
}

#[test]
fn the_secret_is_told_once_and_only_to_its_maker() {
    let node = node(json!({"permissions": [everything("p")], "buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let made = root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]})).json(201);
    let fields: Vec<&String> = made.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["id", "accessKey", "secret", "expirationDate"]);
    client(&node, &made).put("box", "k", "v").ok();
    let secret = made["secret"].as_str().expect("a secret");
    for path in [
        "/service-accounts",
        "/service-accounts/app",
        &format!("/service-accounts/{}", made["id"].as_str().expect("an id")),
    ] {
        let text = root.get(path).0.text();
        assert!(text.contains(made["accessKey"].as_str().expect("a key")) && !text.contains(secret), "{text}");
    }
    assert_eq!(
        root.get("/service-accounts/app").json(200)["createdBy"],
        format!("arn:aws:iam::{}:root", tests::node::ACCOUNT_ID)
    );
}

#[test]
fn a_disabled_expired_or_deleted_key_answers_like_an_unknown_one() {
    let node = node(json!({"permissions": [everything("p")], "buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let made = root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]})).json(201);
    let app = client(&node, &made);
    let unknown = node.client().with("AKIDNOBODY", "whatever-secret").get("box", "k");
    unknown.expect(403, "InvalidAccessKeyId");
    root.delete("/service-accounts/app/enabled").json(204);
    app.get("box", "k").expect(403, "InvalidAccessKeyId");
    assert_eq!(root.get("/service-accounts/app").json(200)["status"], "disabled");
    root.set("/service-accounts/app/enabled").json(200);
    app.list("box", &[]).ok();
    root.put("/service-accounts/app", &json!({"expirationDate": "2020-01-31"})).json(200);
    app.get("box", "k").expect(403, "InvalidAccessKeyId");
    assert_eq!(root.get("/service-accounts/app").json(200)["status"], "expired");
    let message = root.set("/service-accounts/app/enabled").refused(404, "ServiceAccountExpired");
    assert_eq!(message, "The service account has expired. Couldn't enable the expired service.");
    root.put("/service-accounts/app", &json!({"expirationDate": null})).json(200);
    app.list("box", &[]).ok();
    root.delete("/service-accounts/app").json(204);
    app.get("box", "k").expect(403, "InvalidAccessKeyId");
    let message = root.get("/service-accounts/app").refused(404, "ServiceAccountNotFound");
    assert_eq!(message, "A service account was not found.");
}

#[test]
fn rotation_gives_another_secret_and_the_old_one_opens_nothing() {
    let node = node(json!({"permissions": [everything("p")], "buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let made = root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]})).json(201);
    let rotated = root.send("POST", "/service-accounts/app/rotate", None, &[]).json(200);
    assert_eq!(made["accessKey"], rotated["accessKey"]);
    assert_ne!(made["secret"], rotated["secret"]);
    client(&node, &made).get("box", "k").expect(403, "SignatureDoesNotMatch");
    client(&node, &rotated).list("box", &[]).ok();
}

#[test]
fn a_namesake_gets_another_id_and_inherits_nothing_that_was_granted_to_it() {
    let node = node(json!({"permissions": [everything("p")]}));
    let root = Admin::root(&node);
    let make = || root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]}));
    let first = make().json(201);
    let message = make().refused(409, "ServiceAccountNameAlreadyExists");
    assert_eq!(message, "The service account name is already in use. Please use a different name.");
    root.delete("/service-accounts/app").json(204);
    let second = make().json(201);
    assert_ne!(first["id"], second["id"]);
    assert_ne!(first["accessKey"], second["accessKey"]);
}

#[test]
fn a_service_account_needs_a_permission_first_and_names_it_by_id_or_name() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    root.post("/service-accounts", &json!({"name": "app"})).refused(400, "InvalidArgument");
    root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]})).refused(404, "PermissionNotFound");
    let id = root.post("/permissions", &everything("p")).json(201)["id"].clone();
    root.post("/service-accounts", &json!({"name": "app", "permissions": [id, "p"]})).refused(400, "InvalidArgument");
    root.post("/service-accounts", &json!({"name": "app", "permissions": [id]})).json(201);
    let shown = root.get("/service-accounts/app").json(200);
    assert_eq!(shown["permissions"], json!([{"id": id, "name": "p"}]));
}

/// D6: a new access key that is root's or another identity's takes over the identity.
#[test]
fn d6_an_access_key_that_is_taken_is_409_in_every_account() {
    let node = node(json!({"permissions": [everything("p")]}));
    let root = Admin::root(&node);
    let other = root.post("/accounts", &json!({"name": "other"})).json(201);
    let other_root = other["root"]["accessKey"].as_str().expect("a key").to_owned();
    root.post(
        "/service-accounts",
        &json!({"name": "one", "permissions": ["p"], "accessKey": "AKIDONE", "secret": "secret-of-one"}),
    )
    .json(201);
    for taken in [tests::node::ROOT_ACCESS_KEY, "AKIDONE", &other_root] {
        let body = json!({"name": "two", "permissions": ["p"], "accessKey": taken, "secret": "secret-of-two"});
        root.post("/service-accounts", &body).refused(409, "AccessKeyAlreadyExists");
    }
    root.get("/service-accounts/two").refused(404, "ServiceAccountNotFound");
}

/// D6 from the other side: two identities with one key would be one. It turns out before the node serves anybody.
#[test]
fn d6_a_node_whose_given_root_key_is_a_service_account_s_ends_and_says_whose_it_is() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let account =
        json!({"permissions": [everything("p")], "serviceAccounts": [fixture::service_account("app", &["p"])]});
    assert!(tests::NodeBuilder::serve().data(&data).account(account).start().terminate().success());
    let mut child = tests::binary::command()
        .args(["serve", data.to_str().expect("UTF-8"), "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"])
        .env("STRONGROOM_ROOT_ACCESS_KEY", fixture::access_key("app"))
        .env("STRONGROOM_ROOT_SECRET_KEY", "a-secret-of-root")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while child.try_wait().expect("a child").is_none() {
        if std::time::Instant::now() > deadline {
            child.kill().expect("it runs");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("it ended");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let message = format!(
        "the root access key {} that was given at start is already that of service account \"app\" of account {}: give another one",
        fixture::access_key("app"),
        tests::node::ACCOUNT_ID
    );
    assert!(told.lines().last().is_some_and(|line| line.contains(&message)), "{told}");
    assert!(!told.contains("a-secret-of-root"), "{told}");
}

#[test]
fn several_permissions_are_a_union_and_a_deny_overrides() {
    let deny = json!({"name": "no", "type": "policy", "policy": fixture::policy(&json!([fixture::deny(&["s3:DeleteObject"], &["arn:aws:s3:::box/*"])]))});
    let node = node(json!({"permissions": [everything("p"), deny], "buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let made = root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]})).json(201);
    let app = client(&node, &made);
    app.put("box", "k", "v").ok();
    root.put("/service-accounts/app", &json!({"permissions": ["p", "no"]})).json(200);
    app.delete("box", "k").expect(403, "AccessDenied");
    root.put("/service-accounts/app", &json!({"permissions": ["p"]})).json(200);
    app.delete("box", "k").ok();
}

#[test]
fn a_list_is_searched_and_sorted() {
    let node = node(json!({"permissions": [everything("p")]}));
    let root = Admin::root(&node);
    for (name, date) in [("b", json!("2099-01-01")), ("a", json!(null)), ("c", json!("2098-01-01T10:00:00Z"))] {
        root.post(
            "/service-accounts",
            &json!({"name": name, "permissions": ["p"], "expirationDate": date, "description": format!("for {name}")}),
        )
        .json(201);
    }
    assert_eq!(names(&root.get("/service-accounts")), ["a", "b", "c"]);
    assert_eq!(names(&root.get("/service-accounts?sort=expirationDate")), ["c", "b", "a"]);
    assert_eq!(names(&root.get("/service-accounts?q=FOR%20B")), ["b"]);
    root.post("/service-accounts", &json!({"name": "d", "permissions": ["p"], "expirationDate": "2001-01-01"}))
        .refused(400, "InvalidArgument");
    root.post("/service-accounts", &json!({"name": "d", "permissions": ["p"], "expirationDate": "soon"}))
        .refused(400, "InvalidArgument");
}

#[test]
fn versions_are_kept_without_secrets_and_can_be_gone_back_to() {
    let mut node = tests::NodeBuilder::serve()
        .account(json!({"users": [{"name": "eve", "password": "eve-password", "role": "auditor"}]}))
        .start();
    let root = Admin::root(&node);
    for name in ["p", "q"] {
        root.post("/permissions", &everything(name)).json(201);
    }
    let made =
        root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"], "description": "first"})).json(201);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    root.put("/service-accounts/app", &json!({"permissions": ["q"], "description": "second"})).json(200);
    let rotated = root.post("/service-accounts/app/rotate", &json!({})).json(200)["secret"]
        .as_str()
        .expect("a secret")
        .to_owned();
    root.delete("/service-accounts/app/enabled").json(204);
    // What changes nothing makes no version.
    root.put("/service-accounts/app", &json!({"description": "second"})).json(200);
    node.kill_9();
    node.restart();
    let (root, eve) = (Admin::root(&node), Admin::nobody(&node).with_user("eve", "eve-password"));
    let history = eve.get("/service-accounts/app/history").json(200);
    let told: Vec<_> =
        history.as_array().expect("a list").iter().map(|it| (it["revision"].clone(), it["changed"].clone())).collect();
    assert_eq!(
        told,
        [
            (json!(4), json!(["enabled"])),
            (json!(3), json!(["secretKey"])),
            (json!(2), json!(["description", "permissions"])),
            (json!(1), json!([])),
        ]
    );
    assert_eq!((&history[3]["permissions"], &history[3]["description"]), (&json!(["p"]), &json!("first")));
    assert_eq!(history[0]["by"], "arn:aws:iam::123456789012:root");
    for secret in [secret, rotated.clone()] {
        assert!(!history.to_string().contains(&secret));
    }
    eve.post("/service-accounts/app/revert", &json!({"revision": 1})).refused(403, "AccessDenied");
    root.post("/service-accounts/app/revert", &json!({"revision": 9})).refused(404, "RevisionNotFound");
    let back = root.post("/service-accounts/app/revert", &json!({"revision": 1})).json(200);
    assert_eq!(
        (&back["description"], &back["enabled"], &back["permissions"][0]["name"]),
        (&json!("first"), &json!(true), &json!("p"))
    );
    let key = back["accessKey"].as_str().expect("a key").to_owned();
    node.client().with(&key, &rotated).create_bucket("its-secret-stays").ok();
    // A later namesake has a history of its own.
    root.delete("/service-accounts/app").json(204);
    root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]})).json(201);
    assert_eq!(root.get("/service-accounts/app/history").json(200).as_array().map(Vec::len), Some(1));
}
