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
fn a_declared_user_who_chooses_their_own_password_is_made_first() {
    let node = node();
    let state =
        file(&node, "s.json", r#"{"accounts": [{"name": "main", "users": [{"name": "eve", "role": "auditor"}]}]}"#);
    let refused = local(&node, &["apply", "-f", &state]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    let (_, command) = refused.stderr.split_once("make the user first with strongroom ").expect("what to do");
    let (command, _) = command.split_once(", whose one-time link lets them choose it").expect("and what comes of it");
    let command: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(command, ["user", "create", "eve", "--role", "auditor"]);
    assert!(local(&node, &command).ok().contains("/#link="));
    assert_eq!(local(&node, &["apply", "-f", &state]).ok(), "nothing to change\n");
}

#[test]
fn every_fault_of_a_declared_policy_is_told_with_its_place() {
    let node = node();
    let state = r#"{"accounts": [{"name": "main", "permissions": [
 {"type": "policy", "name": "a", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PuObject",
  "Resource": "nope"}]}},
 {"type": "policy", "name": "b", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}]}}]}]}"#;
    let bad = file(&node, "bad.json", state);
    let refused = local(&node, &["apply", "-f", &bad]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    let lines: Vec<&str> = refused.stderr.lines().collect();
    let first = "account \"main\", permission \"a\": File Import Failed: Action value s3:PuObject is not valid.";
    assert!(lines[0].contains(first), "{lines:#?}");
    let expected = [
        (format!("  {bad}:2:114: account \"main\", permission \"a\": "), "Did you mean s3:PutObject?"),
        (format!("  {bad}:3:15: account \"main\", permission \"a\": "), "nope"),
        ("  account \"main\", permission \"a\": ".to_owned(), "judged by dialect lyve"),
        (format!("  {bad}:4:84: account \"main\", permission \"b\": "), "no Action"),
        (format!("  {bad}:4:104: account \"main\", permission \"b\": "), "NotAction"),
        ("  account \"main\", permission \"b\": ".to_owned(), "add \"dialect\": \"aws\""),
    ];
    assert_eq!(lines.len(), expected.len() + 1, "{lines:#?}");
    for (line, (start, words)) in lines[1..].iter().zip(expected) {
        assert!(line.starts_with(&start) && line.contains(words), "{line}");
    }
    local(&node, &["apply", "-f", &bad, "--json"]).fails(1, &["permission \"a\""]);
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
    assert_eq!(
        local(&node, &["apply", "-f", &empty, "--prune"]).ok(),
        "nothing to change\n",
        "an absent list isn't managed"
    );
    let lists = r#"{"accounts": [{"name": "main", "permissions": [], "serviceAccounts": [], "users": []}]}"#;
    let empty = file(&node, "lists.json", lists);
    let pruned = local(&node, &["apply", "-f", &empty, "--prune"]).ok();
    for line in ["- service account \"worker\"", "- user \"eve\"", "- permission \"team\"", "- permission \"file\""] {
        assert!(pruned.lines().any(|it| it == line), "no {line} in {pruned}");
    }
    // The round trip brings back all but what was a secret.
    let back = local(&node, &["apply", "-f", &again, "--dry-run"]);
    assert!(back.code == 0 || back.stderr.contains("secretKey"), "{back:?}");
}

#[test]
fn a_state_goes_to_another_node_with_the_secrets_that_it_names_and_says_which_are_missing() {
    let node = node();
    let first = file(&node, "first.json", &declared("team-", "s3:GetObject", "hush-hush-one"));
    local(&node, &["apply", "-f", &first]).ok();
    let printed = local(&node, &["state", "--json"]).json();
    let other = tests::NodeBuilder::serve()
        .state(json!({"accounts": [{"name": "main", "accountId": "999999999999",
            "root": {"accessKey": "AKOTHER", "secretKey": "another-root-secret"}}]}))
        .start();
    let moved = file(&other, "moved.json", &printed.to_string());
    let refused = local(&other, &["apply", "-f", &moved]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    for words in [
        "account \"main\" has other ids here: leave accountId and canonicalId out",
        "account \"main\", root: this node doesn't know the secret",
        "account \"main\", service account \"worker\": this node doesn't know the secretKey: add secretKey, or secretKeyFile",
        "account \"main\", user \"eve\": this node doesn't know the password",
    ] {
        assert!(refused.stderr.contains(words), "no {words} in {}", refused.stderr);
    }
    let mut state = printed.clone();
    let account = state["accounts"][0].as_object_mut().expect("an account");
    for field in ["accountId", "canonicalId", "root"] {
        account.remove(field);
    }
    account["serviceAccounts"][0]["secretKeyFile"] = "worker.secret".into();
    account["users"][0]["passwordEnvironment"] = "PASSWORD_OF_EVE".into();
    let moved = file(&other, "moved.json", &state.to_string());
    local(&other, &["apply", "-f", &moved]).fails(
        2,
        &["moved.json: account \"main\", service account \"worker\": secretKeyFile", "worker.secret", "does not exist"],
    );
    // Beside the state file, wherever the command is run.
    file(&other, "worker.secret", "hush-hush-one\n");
    local(&other, &["apply", "-f", &moved])
        .fails(2, &["user \"eve\": passwordEnvironment", "PASSWORD_OF_EVE", "not set"]);
    let applied = |arguments: &[&str]| {
        let mut command = tests::binary::command();
        command.args(["apply", "-f", &moved, "--data"]).arg(other.data()).args(arguments);
        Ran::of(command.env("PASSWORD_OF_EVE", "hush-hush-of-eve")).ok()
    };
    let made = applied(&[]);
    assert!(made.contains("+ service account \"worker\"") && !made.contains("hush"), "{made}");
    assert_eq!(applied(&["--dry-run"]), "nothing to change\n");
    other.client().with("AKWORKER", "hush-hush-one").list("lake", &[]).expect(403, "AccessDenied");
}

#[test]
fn a_node_starts_with_the_secrets_that_its_bootstrap_state_names() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let text = "[[accounts]]\nname = \"main\"\n[accounts.root]\naccessKeyEnvironment = \"KEY_OF_ROOT\"\nsecretKeyCredential = \"root\"\n[[accounts.buckets]]\nname = \"lake\"\n";
    std::fs::write(at("state.toml"), text).expect("writable");
    std::fs::write(at("root"), "secret-of-root\n").expect("writable");
    let serve = |variables: &[(&str, &std::ffi::OsStr)]| {
        let mut command = tests::binary::command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]).arg("--data").arg(at("data"));
        command.arg("--bootstrap").arg(at("state.toml")).envs(variables.iter().copied());
        command
    };
    let key = ("KEY_OF_ROOT", "AKROOT".as_ref());
    Ran::of(&mut serve(&[key]))
        .fails(2, &["state.toml: account \"main\", root: secretKeyCredential", "LoadCredential=root"]);
    let mut node = serve(&[key, ("CREDENTIALS_DIRECTORY", directory.path().as_os_str())])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(node.stdout.take().expect("piped")), &mut line)
        .expect("a ready line");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let s3 =
        ready["s3"].as_str().and_then(|url| url.strip_prefix("http://")).expect("a URL").parse().expect("an address");
    let root = tests::Client::new(s3, None).with("AKROOT", "secret-of-root");
    root.list("lake", &[]).expect(200, "");
    node.kill().expect("it runs");
    node.wait().expect("it ends");
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

#[test]
fn what_is_declared_of_buckets_is_shown_applied_once_and_printed_again() {
    let node = node();
    let policy = |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "arn:aws:s3:::lake/*"}]});
    let state = |buckets: serde_json::Value| json!({"accounts": [{"name": "main", "buckets": buckets}]}).to_string();
    let lake =
        json!({"name": "lake", "versioning": "enabled", "quota": {"bytes": 4096}, "policy": policy("s3:GetObject")});
    let first = file(&node, "first.json", &state(json!(["bare", lake])));
    let made = local(&node, &["apply", "-f", &first]).ok();
    assert!(made.contains("+ bucket \"bare\"\n+ bucket \"lake\"\n    + versioning: \"enabled\"\n"), "{made}");
    assert!(made.contains("    + quota: bytes 4096\n") && made.ends_with("2 changes applied\n"), "{made}");
    node.client().put("lake", "k", "body").expect(200, "");
    node.client().anonymous().get("lake", "k").expect(200, "");
    node.client().put("lake", "large", vec![7; 8192]).expect(403, "QuotaExceeded");
    assert_eq!(local(&node, &["apply", "-f", &first]).ok(), "nothing to change\n");
    // What a field doesn't say stays as it is.
    let bare = file(&node, "bare.json", &state(json!(["lake"])));
    assert_eq!(local(&node, &["apply", "-f", &bare, "--prune"]).ok(), "nothing to change\n");
    let lake = json!({"name": "lake", "versioning": "suspended", "quota": null, "policy": policy("s3:ListBucket")});
    let second = file(&node, "second.json", &state(json!([lake])).replace("lake/*", "lake"));
    let shown = local(&node, &["apply", "-f", &second, "--dry-run"]).ok();
    for lines in [
        "    ~ versioning: \"enabled\" -> \"suspended\"\n",
        "    ~ quota: bytes 4096 -> none\n",
        "      -       \"Action\": \"s3:GetObject\",\n",
        "      +       \"Action\": \"s3:ListBucket\",\n",
        "1 change would be applied; nothing was changed\n",
    ] {
        assert!(shown.contains(lines), "no {lines} in {shown}");
    }
    let printed = local(&node, &["state"]).ok();
    local(&node, &["apply", "-f", &second]).ok();
    node.client().anonymous().get("lake", "k").expect(403, "AccessDenied");
    node.client().put("lake", "large", vec![7; 8192]).expect(200, "");
    let back = file(&node, "back.json", &printed);
    let again = local(&node, &["apply", "-f", &back]).ok();
    assert!(again.contains("~ versioning: \"suspended\" -> \"enabled\"") && again.contains("bytes 4096"), "{again}");
    let wrong = file(&node, "wrong.json", &state(json!([{"name": "lake", "quota": {"bytes": -1}}])));
    local(&node, &["apply", "-f", &wrong]).fails(1, &["wrong.json", "bucket \"lake\"", "quota"]);
}

#[test]
fn a_file_of_windows_and_of_any_name_is_compared_and_told_as_it_is_called() {
    let node = node();
    let text = r#"{"accounts": [{"name": "main", "permissions": [{"name": "p", "type": "bucket-prefix", "prefix": "a", "actions": "read-only"}]}]}"#;
    let first = file(&node, "first.json", text);
    local(&node, &["apply", "-f", &first]).ok();
    let second = format!("\u{feff}{}\r\n", text.replace("\"a\"", "\"b\"").replace(", ", ",\r\n"));
    let second = file(&node, "zweite Fülle %.json", &second);
    let shown = local(&node, &["apply", "-f", &second, "--dry-run"]).ok();
    assert!(shown.starts_with("~ permission \"p\": prefix\n    ~ prefix: \"a\" -> \"b\"\n1 change would"), "{shown}");
    let wrong = file(&node, "zweite Fülle %.json", "{\"accounts\": 7}");
    let told = local(&node, &["apply", "-f", &wrong]).fails(1, &["Fülle %.json: accounts"]);
    assert_eq!(told.matches(".json").count(), 1, "{told}");
}

#[test]
fn what_stands_against_a_state_is_a_conflict_and_what_is_wrong_in_it_is_not() {
    let node = node();
    let two = r#"{"accounts": [{"name": "main", "buckets": ["lake"]}, {"name": "two", "root": {"accessKey": "AKTWO", "secretKey": "secret-of-two"}, "buckets": ["sea"]}]}"#;
    let two = file(&node, "two.json", two);
    local(&node, &["apply", "-f", &two]).ok();
    let before = local(&node, &["state"]).ok();
    let worker = r#"{"accounts": [{"name": "main", "permissions": [{"name": "p", "type": "all-buckets", "actions": "read-only"}], "serviceAccounts": [{"name": "w", "accessKey": "AKTWO", "secretKey": "secret-of-w", "permissions": ["p"]}]}]}"#;
    for (text, flags, code, words) in [
        (r#"{"accounts": [{"name": "main", "buckets": ["sea"]}]}"#, &[][..], 5, "bucket \"sea\""),
        (r#"{"accounts": [{"name": "main"}]}"#, &["--prune"], 5, "owns bucket \"sea\""),
        (worker, &[], 5, "AKTWO"),
        (r#"{"accounts": [{"name": "main", "buckets": ["SEA"]}]}"#, &[], 1, "buckets[0]"),
        (r#"{"accounts": [{"name": "main", "permissions": [{"name": "p"}]}]}"#, &[], 1, "p"),
    ] {
        let state = file(&node, "state.json", text);
        for more in [&["--dry-run"][..], &[], &["--json"]] {
            local(&node, &[&["apply", "-f", &state], flags, more].concat()).fails(code, &["state.json: ", words]);
        }
    }
    assert_eq!(local(&node, &["state"]).ok(), before);
}
