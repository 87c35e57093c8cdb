//! The nouns of the command line: through the socket of a node on this machine, and at an endpoint.

use std::process::Output;

use serde_json::{Value, json};
use tests::node::{ROOT_ACCESS_KEY, ROOT_SECRET_KEY};
use tests::{Node, binary};

use super::node;

/// Runs a command against a node through its socket.
fn run(node: &Node, line: &[&str]) -> Output {
    let data = node.data();
    let data = data.to_str().expect("a path");
    binary::command().args(line).args(["--data", data]).output().expect("the binary starts")
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn json_of(node: &Node, line: &[&str]) -> Value {
    let line = [line, &["--json"]].concat();
    serde_json::from_str(&ok(&run(node, &line))).expect("JSON")
}

#[track_caller]
fn fails(output: &Output, code: i32, words: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(message.trim_end().lines().count(), 1, "one line: {message}");
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message}");
    }
}

#[test]
fn permissions_are_managed_from_the_command_line() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    ok(&run(&node, &["permission", "create", "reads", "--actions", "read-only", "--bucket", "box"]));
    ok(&run(
        &node,
        &[
            "permission",
            "create",
            "team",
            "--actions",
            "all-operations",
            "--prefix",
            "team-",
            "--description",
            "of the team",
        ],
    ));
    let table = ok(&run(&node, &["permission", "list"]));
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("NAME ") && lines[1].starts_with("reads ") && lines[2].contains("of the team"),
        "{table}"
    );
    assert_eq!(json_of(&node, &["permission", "list", "--query", "TEAM"]).as_array().map(Vec::len), Some(1));
    let edited = json_of(&node, &["permission", "edit", "reads", "--actions", "write-only", "--rename", "writes"]);
    assert_eq!((&edited["name"], &edited["actions"]), (&json!("writes"), &json!("write-only")));
    assert!(ok(&run(&node, &["permission", "policy", "writes"])).starts_with("{\n  \"Version\""));
    assert!(ok(&run(&node, &["permission", "history", "writes"])).starts_with("revision 2 "));
    assert_eq!(json_of(&node, &["permission", "revert", "writes", "1"])["actions"], "read-only");
    assert!(ok(&run(&node, &["permission", "disable", "writes"])).contains("disabled"));
    assert_eq!(json_of(&node, &["permission", "show", "writes"])["enabled"], false);
    ok(&run(&node, &["permission", "delete", "writes"]));
    fails(&run(&node, &["permission", "show", "writes"]), 3, &["writes", "A permission was not found."]);
    fails(
        &run(&node, &["permission", "create", "team", "--actions", "read-only", "--all-buckets"]),
        5,
        &["already in use"],
    );
    fails(&run(&node, &["permission", "create", "x", "--actions", "read-only"]), 2, &["--bucket"]);
    fails(&run(&node, &["permission", "create", "x", "--actions", "read-only", "--prefix", "UP"]), 2, &["prefix"]);
}

#[test]
fn a_policy_file_is_imported_from_the_command_line_with_the_place_of_its_first_error() {
    let node = node(json!({}));
    let file = node.temporary().join("p.json");
    let text = "{\"Version\": \"2012-10-17\", \"Statement\": [\n  {\"Effect\": \"Allow\", \"Action\": \"s3:PuObject\", \"Resource\": \"arn:aws:s3:::b/*\"}]}\n";
    std::fs::write(&file, text).expect("a writable directory");
    let path = file.to_str().expect("a path");
    let refused = run(&node, &["permission", "create", "p", "--policy", path]);
    fails(
        &refused,
        1,
        &["File Import Failed: Action value s3:PuObject is not valid.", "line 2, column", "did you mean s3:PutObject?"],
    );
    std::fs::write(&file, text.replace("PuObject", "PutObject")).expect("a writable directory");
    ok(&run(&node, &["permission", "create", "p", "--policy", path]));
    assert_eq!(ok(&run(&node, &["permission", "policy", "p"])), text.replace("PuObject", "PutObject"), "byte for byte");
}

#[test]
fn service_accounts_users_accounts_and_buckets_are_managed_from_the_command_line() {
    let node = node(json!({}));
    ok(&run(&node, &["bucket", "create", "box", "--versioning", "enabled"]));
    ok(&run(&node, &["permission", "create", "all", "--actions", "all-operations", "--all-buckets"]));
    let made = json_of(&node, &["service-account", "create", "app", "--permission", "all", "--expires", "2099-01-01"]);
    let client = |made: &Value| {
        node.client().with(made["accessKey"].as_str().expect("a key"), made["secret"].as_str().expect("a secret"))
    };
    client(&made).put("box", "k", "v").ok();
    let rotated = json_of(&node, &["service-account", "rotate", "app"]);
    client(&made).get("box", "k").expect(403, "SignatureDoesNotMatch");
    client(&rotated).get("box", "k").ok();
    assert_eq!(json_of(&node, &["service-account", "edit", "app", "--no-expiry"])["expirationDate"], Value::Null);
    ok(&run(&node, &["service-account", "disable", "app"]));
    client(&rotated).get("box", "k").expect(403, "InvalidAccessKeyId");
    fails(&run(&node, &["permission", "delete", "all"]), 5, &["app"]);
    assert!(ok(&run(&node, &["service-account", "list"])).contains("disabled"));
    assert!(ok(&run(&node, &["service-account", "access", "app"])).contains("all/AllOperations: Allow"));
    assert!(ok(&run(&node, &["bucket", "access", "box"])).contains("app"));
    assert!(
        ok(&run(&node, &["bucket", "list"]))
            .lines()
            .nth(1)
            .is_some_and(|line| line.contains("1 bytes") && line.contains("enabled"))
    );
    fails(&run(&node, &["bucket", "delete", "box"]), 5, &["box"]);

    let password = node.temporary().join("password");
    std::fs::write(&password, "eve-password\n").expect("a writable directory");
    ok(&run(
        &node,
        &["user", "create", "eve", "--role", "admin", "--password-file", password.to_str().expect("a path")],
    ));
    super::Admin::nobody(&node).with_user("eve", "eve-password");
    assert!(ok(&run(&node, &["user", "link", "eve"])).contains("/#link="));
    assert_eq!(json_of(&node, &["user", "disable", "eve"])["enabled"], false);
    let account = json_of(&node, &["account", "create", "other", "--email", "it@example.com"]);
    assert_eq!(account["root"]["secret"].as_str().map(str::len), Some(40));
    ok(&run(
        &node,
        &["permission", "create", "theirs", "--actions", "read-only", "--all-buckets", "--account", "other"],
    ));
    assert_eq!(json_of(&node, &["permission", "list"]).as_array().map(Vec::len), Some(1));
    ok(&run(&node, &["account", "delete", "other"]));
}

#[test]
fn an_endpoint_is_spoken_to_with_a_signature_and_its_refusals_are_exit_codes() {
    let node = node(json!({"users": [{"name": "eve", "password": "eve-password", "role": "auditor"}]}));
    let endpoint = format!("http://{}", node.console());
    let credentials = node.temporary().join("credentials");
    let text = format!(
        "[default]\naws_access_key_id = NOBODY\naws_secret_access_key = nothing-known\n\n[nas]\naws_access_key_id = {ROOT_ACCESS_KEY}\naws_secret_access_key = {ROOT_SECRET_KEY}\n"
    );
    std::fs::write(&credentials, text).expect("a writable directory");
    let run = |line: &[&str], variables: &[(&str, &str)]| {
        let mut command = binary::command();
        command.args(line).args(["--endpoint", &endpoint]).env("AWS_SHARED_CREDENTIALS_FILE", &credentials);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied()).output().expect("the binary starts")
    };
    let create =
        ["permission", "create", "a name with ä space", "--actions", "read-only", "--all-buckets", "--profile", "nas"];
    fails(&run(&create, &[]), 2, &["name"]);
    ok(&run(
        &["permission", "create", "two words", "--actions", "read-only", "--all-buckets", "--profile", "nas"],
        &[],
    ));
    ok(&run(&["permission", "show", "two words", "--profile", "nas"], &[]));
    fails(&run(&["permission", "list"], &[]), 4, &["Authentication failed."]);
    fails(&run(&["permission", "list", "--profile", "none"], &[]), 2, &["none"]);
    let keys = [("AWS_ACCESS_KEY_ID", ROOT_ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", ROOT_SECRET_KEY)];
    assert!(ok(&run(&["permission", "list", "--query", "two words"], &keys)).contains("two words"));
    let eve = super::Admin::nobody(&node).with_user("eve", "eve-password").token.expect("a token");
    ok(&run(&["permission", "list"], &[("STRONGROOM_TOKEN", &eve)]));
    fails(
        &run(&["permission", "delete", "two words"], &[("STRONGROOM_TOKEN", &eve)]),
        4,
        &["strongroom:DeletePermission"],
    );
    let state: Value = serde_json::from_str(&ok(&run(&["state", "--json"], &keys))).expect("a state");
    assert_eq!(state["accounts"][0]["permissions"][0]["name"], "two words");
    let file = node.temporary().join("again.json");
    std::fs::write(&file, state.to_string()).expect("a writable directory");
    let file = file.to_str().expect("a path");
    assert!(ok(&run(&["apply", "-f", file], &keys)).contains("nothing to change"));
    fails(&run(&["apply", "-f", file], &[("STRONGROOM_TOKEN", &eve)]), 4, &["strongroom:ApplyState"]);
}
