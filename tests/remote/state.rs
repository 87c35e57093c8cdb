//! `strongroom apply` and `strongroom state`: what changes is shown field by field, and nothing changes twice.

use serde_json::json;

use super::{Ran, file, local, node};

fn declared(prefix: &str, action: &str, secret: &str) -> String {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::b/*"}]});
    json!({"accounts": [{"name": "main",
        "permissions": [
            {"name": "team", "type": "bucket-prefix", "prefix": prefix, "actions": "read-only"},
            {"name": "file", "type": "policy", "policy": policy}],
        "serviceAccounts": [{"name": "worker", "accessKey": "AKWORKER", "secretKey": secret, "permissions": ["team"]}],
        "users": [{"name": "eve", "role": "auditor", "password": format!("{secret}-of-eve")}],
        "buckets": [{"name": "lake"}]}]})
    .to_string()
}

#[test]
fn a_dry_run_shows_each_field_that_would_change_and_no_secret() {
    let node = node();
    let first = file(&node, "first.json", &declared("team-", "s3:GetObject", "hush-hush-one"));
    let made = local(&node, &["apply", "-f", &first]).ok();
    assert!(made.contains("+ permission \"team\"\n    + type: \"bucket-prefix\"\n    + prefix: \"team-\"\n"), "{made}");
    assert!(made.contains("    + secretKey: (secret)\n") && made.ends_with("changes applied\n"), "{made}");
    assert_eq!(local(&node, &["apply", "-f", &first]).ok(), "nothing to change\n");
    let second = file(&node, "second.json", &declared("squad-", "s3:PutObject", "hush-hush-two"));
    let before = local(&node, &["state"]).ok();
    let shown = local(&node, &["apply", "-f", &second, "--dry-run"]).ok();
    for lines in [
        "~ permission \"team\": prefix\n    ~ prefix: \"team-\" -> \"squad-\"\n",
        "~ permission \"file\": policy\n    ~ policy:\n      -       \"Action\": \"s3:GetObject\",\n      +       \"Action\": \"s3:PutObject\",\n",
        "~ service account \"worker\": secretKey\n    ~ secretKey: (secret)\n",
        "~ user \"eve\": password\n    ~ password: (secret)\n",
        "4 changes would be applied; nothing was changed\n",
    ] {
        assert!(shown.contains(lines), "no {lines} in {shown}");
    }
    assert!(!made.contains("hush") && !shown.contains("hush"), "{made}{shown}");
    assert_eq!(local(&node, &["state"]).ok(), before);
    let json = local(&node, &["apply", "-f", &second, "--dry-run", "--json"]).json();
    assert_eq!((&json["applied"], json["changes"].as_array().map(Vec::len)), (&json!(false), Some(4)));
}

#[test]
fn what_state_prints_apply_takes_and_only_prune_deletes() {
    let node = node();
    let first = file(&node, "first.json", &declared("team-", "s3:GetObject", "hush-hush-one"));
    local(&node, &["apply", "-f", &first]).ok();
    let printed = local(&node, &["state"]).ok();
    assert!(!printed.contains("hush"), "{printed}");
    let again = file(&node, "again.json", &printed);
    let metrics = || {
        let console = tests::Client::new(node.console(), None);
        let text = console.send(console.target("GET", "/metrics")).text();
        let line = text.lines().find(|line| line.starts_with("strongroom_engine_commits_total ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no commits in {text}"))
    };
    let commits = metrics();
    assert_eq!(local(&node, &["apply", "-f", &again, "--prune"]).ok(), "nothing to change\n");
    assert_eq!(metrics(), commits, "what changes nothing makes no record");
    let empty = file(&node, "empty.json", r#"{"accounts": [{"name": "main"}]}"#);
    assert_eq!(local(&node, &["apply", "-f", &empty]).ok(), "nothing to change\n");
    let pruned = local(&node, &["apply", "-f", &empty, "--prune"]).ok();
    for line in ["- service account \"worker\"", "- user \"eve\"", "- permission \"team\"", "- permission \"file\""] {
        assert!(pruned.lines().any(|it| it == line), "no {line} in {pruned}");
    }
    // The round trip brings back all but what was a secret.
    let back = local(&node, &["apply", "-f", &again, "--dry-run"]);
    assert!(back.code == 0 || back.stderr.contains("secretKey"), "{back:?}");
}

#[test]
fn a_toml_file_is_compared_like_a_json_one_and_a_wrong_one_is_refused_with_its_place() {
    let node = node();
    let text = "[[accounts]]\nname = \"main\"\n[[accounts.permissions]]\nname = \"p\"\ntype = \"bucket-prefix\"\nprefix = \"a\"\nactions = \"read-only\"\n";
    let first = file(&node, "first.toml", text);
    local(&node, &["apply", "-f", &first]).ok();
    let second = file(&node, "second.toml", &text.replace("\"a\"", "\"b\""));
    let shown = local(&node, &["apply", "-f", &second]).ok();
    assert_eq!(shown, "~ permission \"p\": prefix\n    ~ prefix: \"a\" -> \"b\"\n1 change applied\n");
    let wrong = file(&node, "wrong.json", "{\"accounts\": [\n{\"nam\": \"main\"}]}");
    local(&node, &["apply", "-f", &wrong]).fails(1, &["wrong.json", "nam"]);
    let nothing: Ran = local(&node, &["apply", "-f", "/nowhere.json"]);
    nothing.fails(2, &["/nowhere.json", "does not exist"]);
}
