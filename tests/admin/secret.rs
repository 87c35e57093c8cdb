//! No secret in the clear, anywhere but where it is meant to be.

use serde_json::json;

use super::{Admin, everything};
use crate::fixture;

/// D16: secrets in logs, error bodies, answers and files.
#[test]
fn d16_no_secret_is_in_any_log_answer_or_file_but_the_one_that_told_it() {
    let mut node = tests::NodeBuilder::serve()
        .arguments(&["--log-requests", "all"])
        .account(json!({"permissions": [everything("p")]}))
        .start();
    let root = Admin::root(&node);
    let token = root.token.clone().expect("a token");
    let mut secrets = vec![token, tests::node::ROOT_SECRET_KEY.to_owned()];
    let mut answers = String::new();
    let made = root.post("/service-accounts", &json!({"name": "app", "permissions": ["p"]})).json(201);
    let rotated = root.send("POST", "/service-accounts/app/rotate", None, &[]).json(200);
    let own = "an-own-secret/Zq7+of-app-two";
    root.post(
        "/service-accounts",
        &json!({"name": "two", "permissions": ["p"], "accessKey": "AKIDTWO", "secret": own}),
    )
    .json(201);
    let account = root.post("/accounts", &json!({"name": "other"})).json(201);
    root.post("/users", &json!({"name": "eve", "role": "admin", "password": "eve-password-Zq7"})).json(201);
    let link = root.post("/auth/link", &json!({"user": "eve"})).json(201);
    let session = Admin::nobody(&node).post("/auth/session", &json!({"user": "eve", "password": "eve-password-Zq7"}));
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let session_token = session.header("set-cookie").split([';', '=']).nth(1).expect("a token").to_owned();
    secrets.extend([text(&made["secret"]), text(&rotated["secret"]), own.to_owned(), text(&account["root"]["secret"])]);
    secrets.extend(["eve-password-Zq7".to_owned(), text(&link["link"]), session_token]);

    // Where a secret stands in a place that is refused, the refusal doesn't repeat it.
    let nobody = Admin::nobody(&node);
    for body in [
        json!({"accessKey": tests::node::ROOT_ACCESS_KEY, "secret": 7, "password": own}),
        json!({"user": "eve", "password": ["eve-password-Zq7"]}),
        json!({"user": "eve", "password": "eve-password-Zq7", "account": "nowhere"}),
        json!({"accessKey": "AKIDTWO", "secret": format!("{own}\n")}),
    ] {
        answers.push_str(&nobody.post("/auth/token", &body).0.to_string());
    }
    let taken = json!({"name": "three", "permissions": ["p"], "accessKey": "AKIDTWO", "secret": own});
    answers.push_str(&root.post("/service-accounts", &taken).0.to_string());
    let wrong = json!({"name": "three", "permissions": own, "secret": own});
    answers.push_str(&root.post("/service-accounts", &wrong).0.to_string());
    answers.push_str(
        &root
            .post("/users", &json!({"name": "x", "role": "admin", "password": "eve-password-Zq7".repeat(20)}))
            .0
            .to_string(),
    );
    for path in [
        "/service-accounts",
        "/service-accounts/app",
        "/users",
        "/users/eve",
        "/accounts",
        "/permissions",
        "/permissions/p/history",
        "/auth/session",
    ] {
        answers.push_str(&root.get(path).0.to_string());
    }
    // The session tells its own second token; the bearer's answer has none.
    node.client().with(&fixture::access_key("nobody"), own).get("box", "k");
    for secret in &secrets {
        assert!(!answers.contains(secret.as_str()), "an answer tells {secret}");
    }
    node.terminate();
    let log = node.log();
    let mut files = Vec::new();
    let mut directories = vec![node.data()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path);
            }
        }
    }
    assert!(files.iter().any(|path| path.ends_with("index.redb")), "{files:?}");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "the log tells {secret}");
        for path in files.iter().filter(|path| !path.ends_with("root-credentials.json")) {
            let bytes = std::fs::read(path).expect("a readable file");
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds {secret}", path.display());
        }
    }
}
