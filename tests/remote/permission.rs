//! `strongroom permission` against the socket of a running node.

use serde_json::{Value, json};
use tests::binary;

use super::{Ran, field, file, local, node};

const GOOD: &str = "{\"Version\": \"2012-10-17\",\r\n  \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::lake/*\"}]}";
const BAD: &str = "{\"Version\": \"2012-10-17\", \"Statement\": [\n  {\"Effect\": \"Allow\", \"Action\": \"s3:PuObject\",\n   \"Resource\": \"nope\"}]}";

#[test]
fn a_permission_of_each_type_is_created_listed_shown_changed_and_deleted() {
    let node = node();
    node.client().create_bucket("lake").expect(200, "");
    let policy = file(&node, "good.json", GOOD);
    local(&node, &["permission", "create", "by names", "--bucket", "lake", "--actions", "all-operations"]).ok();
    local(&node, &["permission", "create", "by-prefix", "--prefix", "l", "--actions", "read-only"]).ok();
    local(&node, &["permission", "create", "all", "--all-buckets", "--actions", "write-only", "--disabled"]).ok();
    let made = local(&node, &["permission", "create", "file", "--policy", &policy]).ok();
    assert!(made.contains("created permission \"file\"") && made.contains("\"Resource\""), "{made}");
    let shown = local(&node, &["permission", "show", "by names"]).ok();
    assert_eq!((field(&shown, "type"), field(&shown, "buckets")), ("bucket-names".into(), "lake".into()));
    let list = local(&node, &["permission", "list"]).ok();
    let names: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(names, ["all", "by names", "by-prefix", "file"], "{list}");
    assert!(list.lines().nth(1).is_some_and(|line| line.contains("disabled")), "{list}");
    // By name or id alike.
    let id = field(&shown, "id");
    local(&node, &["permission", "edit", &id, "--name", "renamed", "--prefix", "la", "--description", "mine"]).ok();
    let renamed = local(&node, &["permission", "show", "renamed", "--json"]).json();
    assert_eq!((&renamed["prefix"], &renamed["description"]), (&json!("la"), &json!("mine")));
    assert_eq!(renamed["actions"], "all-operations", "what isn't given stays as it is");
    local(&node, &["permission", "edit", "renamed", "--description", ""]).ok();
    let plain = local(&node, &["permission", "show", "renamed", "--json"]).json();
    assert!(plain["description"].as_str().is_some_and(|text| text.contains("begin with la")), "{plain}");
    local(&node, &["permission", "delete", "renamed", "by-prefix", "--yes"]).ok();
    local(&node, &["permission", "show", "renamed"]).fails(3, &["permission \"renamed\"", "permission list"]);
}

#[test]
fn json_is_the_api_s_also_over_several_pages() {
    let node = node();
    let permission =
        |n: usize| json!({"name": format!("p{n:04}"), "type": "bucket-prefix", "prefix": "x", "actions": "read-only"});
    let state = json!({"accounts": [{"name": "main", "permissions": (0..1_203).map(permission).collect::<Vec<_>>()}]});
    let state = file(&node, "many.json", &state.to_string());
    local(&node, &["apply", "-f", &state]).ok();
    let names = |ran: Ran| -> Vec<String> {
        let list = ran.json();
        list.as_array().expect("an array").iter().map(|it| it["name"].as_str().expect("a name").to_owned()).collect()
    };
    let all = names(local(&node, &["permission", "list", "--json"]));
    assert_eq!(all.len(), 1_203);
    assert!(all.is_sorted());
    let some = names(local(&node, &["permission", "list", "--json", "--descending", "--limit", "1001"]));
    assert_eq!((some.len(), some[0].as_str(), some[1_000].as_str()), (1_001, "p1202", "p0202"));
    assert_eq!(names(local(&node, &["permission", "list", "--json", "--search", "P120"])), ["p1200", "p1201", "p1202"]);
    let text = local(&node, &["permission", "list", "--limit", "2"]).ok();
    assert!(text.ends_with("2 of 1203\n"), "{text}");
    assert_eq!(local(&node, &["permission", "list", "--search", "nothing"]).ok(), "none\n");
    local(&node, &["permission", "list", "--sort", "colour"]).fails(2, &["sort"]);
}

#[test]
fn a_refused_file_is_told_with_each_error_s_line_and_column() {
    let node = node();
    let bad = file(&node, "bad.json", BAD);
    let refused = local(&node, &["permission", "create", "p", "--policy", &bad]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    let lines: Vec<&str> = refused.stderr.lines().collect();
    assert_eq!(lines[0], "strongroom: permission \"p\": File Import Failed: Action value s3:PuObject is not valid.");
    assert!(lines[1].starts_with(&format!("  {bad}:2:33: ")) && lines[1].contains("s3:PutObject"), "{lines:?}");
    assert!(lines[2].starts_with(&format!("  {bad}:3:16: ")), "{lines:?}");
    assert_eq!(lines[3..], ["  judged by dialect lyve"]);
    let aws = file(&node, "aws.json", &GOOD.replace("\"Action\"", "\"NotAction\""));
    let refused = local(&node, &["permission", "create", "p", "--policy", &aws]);
    let last = "\n  judged by dialect lyve; to import it as an AWS policy, pass --dialect aws\n";
    assert!(refused.code == 1 && refused.stderr.ends_with(last), "{refused:?}");
    let checked = local(&node, &["permission", "check", "--policy", &aws]);
    assert!(checked.code == 1 && checked.stdout.ends_with(last), "{checked:?}");
    // With an error that AWS's dialect knows too, nothing is gained by it.
    let both = file(&node, "both.json", &BAD.replace("\"Action\"", "\"NotAction\""));
    let judged = "\n  judged by dialect lyve\n";
    let refused = local(&node, &["permission", "create", "p", "--policy", &both]);
    assert!(refused.code == 1 && refused.stderr.ends_with(judged), "{refused:?}");
    let checked = local(&node, &["permission", "check", "--policy", &both]);
    assert!(checked.code == 1 && checked.stdout.ends_with(judged), "{checked:?}");
    let here = |file: &str, dialect: &str| {
        let checked = Ran::of(binary::command().args(["policy", "check", "--dialect", dialect, file]));
        (checked.code, checked.stdout.contains("pass --dialect aws"))
    };
    assert_eq!((here(&aws, "lyve"), here(&both, "lyve")), ((1, true), (1, false)));
    assert_eq!((here(&aws, "aws"), here(&both, "aws")), ((0, false), (1, false)));
    let checked = local(&node, &["permission", "check", "--policy", &aws, "--dialect", "aws"]).ok();
    assert!(checked.contains(": valid (dialect aws): "), "{checked}");
    let checked = local(&node, &["permission", "check", "--policy", &bad]);
    assert_eq!((checked.code, checked.stderr.as_str()), (1, ""), "{checked:?}");
    assert!(checked.stdout.contains(&format!("{bad}:2:33: ")), "{checked:?}");
    let checked = local(&node, &["permission", "check", "--policy", &bad, "--json"]);
    let report: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!((checked.code, &report["valid"]), (1, &json!(false)));
    assert_eq!(local(&node, &["permission", "list"]).ok(), "none\n");
    let missing = local(&node, &["permission", "create", "p", "--policy", "/nowhere/p.json"]);
    missing.fails(2, &["/nowhere/p.json", "does not exist"]);
}

#[test]
fn check_says_what_a_permission_comes_to_and_saves_nothing() {
    let node = node();
    let text = local(&node, &["permission", "check", "--prefix", "in-", "--actions", "write-only"]).ok();
    assert!(text.contains("valid: Allows writing") && text.contains("arn:aws:s3:::in-*"), "{text}");
    let good = file(&node, "good.json", GOOD);
    assert!(local(&node, &["permission", "check", "--policy", &good]).ok().contains("valid"));
    local(&node, &["permission", "check", "--bucket", "nix", "--actions", "read-only"]).fails(3, &["nix"]);
    assert_eq!(local(&node, &["permission", "list"]).ok(), "none\n");
}

#[test]
fn a_file_is_downloaded_byte_for_byte_and_replaced() {
    let node = node();
    let (good, bad) = (file(&node, "good.json", GOOD), file(&node, "bad.json", BAD));
    local(&node, &["permission", "create", "p", "--policy", &good]).ok();
    assert_eq!(local(&node, &["permission", "policy", "download", "p"]).ok(), GOOD);
    let other = file(&node, "other.json", &GOOD.replace("lake", "sea"));
    local(&node, &["permission", "policy", "replace", "p", &other]).ok();
    let refused = local(&node, &["permission", "policy", "replace", "p", &bad]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains(&format!("{bad}:2:33: ")), "{refused:?}");
    let out = node.temporary().join("out.json");
    local(&node, &["permission", "policy", "download", "p", "--output", out.to_str().expect("UTF-8")]).ok();
    assert_eq!(std::fs::read_to_string(out).expect("written"), GOOD.replace("lake", "sea"));
    let aws = r#"{"Statement": {"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "*"}}"#;
    let aws = file(&node, "aws.json", aws);
    let replaced = local(&node, &["permission", "policy", "replace", "p", &aws, "--dialect", "aws"]);
    assert!(replaced.code == 0 && replaced.stderr.contains("NotAction"), "{replaced:?}");
    assert_eq!(local(&node, &["permission", "show", "p", "--json"]).json()["dialect"], "aws");
}

#[test]
fn versions_are_listed_with_their_differences_and_gone_back_to() {
    let node = node();
    let (good, other) = (file(&node, "a.json", GOOD), file(&node, "b.json", &GOOD.replace("lake", "sea")));
    local(&node, &["permission", "create", "p", "--policy", &good]).ok();
    local(&node, &["permission", "policy", "replace", "p", &other]).ok();
    let history = local(&node, &["permission", "history", "p"]).ok();
    let versions: Vec<&str> = history.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(versions, ["2", "1"], "{history}");
    assert!(history.contains(":root") && history.contains("created"), "{history}");
    let diff = local(&node, &["permission", "history", "p", "--diff"]).ok();
    assert!(diff.lines().any(|line| line.starts_with("  -") && line.contains("lake")), "{diff}");
    assert!(diff.lines().any(|line| line.starts_with("  +") && line.contains("sea")), "{diff}");
    local(&node, &["permission", "disable", "p"]).ok();
    local(&node, &["permission", "edit", "p", "--name", "q"]).ok();
    let diff = local(&node, &["permission", "history", "q", "--diff"]).ok();
    for line in ["  - enabled: true", "  + enabled: false", "  - name: p", "  + name: q"] {
        assert!(diff.lines().any(|it| it == line), "no {line} in {diff}");
    }
    local(&node, &["permission", "edit", "q", "--name", "p"]).ok();
    local(&node, &["permission", "revert", "p", "1"]).ok();
    assert_eq!(local(&node, &["permission", "policy", "download", "p"]).ok(), GOOD);
    local(&node, &["permission", "revert", "p", "9"]).fails(3, &["revision", "permission history"]);
}

#[test]
fn a_change_holds_for_the_next_request_and_what_is_used_can_t_be_deleted() {
    let node = node();
    node.client().create_bucket("lake").expect(200, "");
    node.client().put("lake", "k", "body").expect(200, "");
    local(&node, &["permission", "create", "read", "--prefix", "la", "--actions", "read-only"]).ok();
    let made = local(&node, &["service-account", "create", "worker", "--permission", "read"]).ok();
    let worker = node.client().with(&field(&made, "access key"), &field(&made, "secret"));
    worker.get("lake", "k").expect(200, "");
    local(&node, &["permission", "disable", "read"]).ok();
    worker.get("lake", "k").expect(403, "AccessDenied");
    local(&node, &["permission", "enable", "read"]).ok();
    worker.get("lake", "k").expect(200, "");
    local(&node, &["permission", "edit", "read", "--prefix", "sea"]).ok();
    worker.get("lake", "k").expect(403, "AccessDenied");
    local(&node, &["permission", "delete", "read", "--yes"]).fails(5, &["worker", "--remove-permission"]);
    local(&node, &["permission", "create", "read", "--all-buckets", "--actions", "read-only"]).fails(5, &["in use"]);
}

#[test]
fn wrong_usage_is_one_line_and_changes_nothing() {
    let node = node();
    local(&node, &["permission", "create", "p"]).fails(2, &["--policy FILE"]);
    local(&node, &["permission", "create", "p", "--actions", "read-only"]).fails(2, &["--all-buckets"]);
    local(&node, &["permission", "create", "p", "--prefix", "a", "--all-buckets"]).fails(2, &["--prefix"]);
    local(&node, &["permission", "create", "p", "--prefix", "", "--actions", "read-only"]).fails(2, &["prefix"]);
    local(&node, &["permission", "create", "no/slash", "--all-buckets", "--actions", "read-only"]).fails(2, &["name"]);
    local(&node, &["permission", "show", ""]).fails(2, &["--help"]);
    local(&node, &["permission", "edit", "p"]).fails(2, &["nothing to change"]);
    local(&node, &["permission", "delete", "p"]).fails(2, &["--yes"]);
    local(&node, &["permission", "list", "--user", "eve"]).fails(2, &["--endpoint"]);
    assert_eq!(local(&node, &["permission", "list"]).ok(), "none\n");
    let nowhere = node.temporary().join("nowhere");
    let mut command = tests::binary::command();
    Ran::of(command.args(["permission", "list", "--data"]).arg(nowhere)).fails(1, &["no node runs on", "serve"]);
}

#[test]
fn a_policy_that_is_saved_though_it_does_not_do_what_it_seems_to_is_warned_of() {
    let node = node();
    let policy = |statement: &str| format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
    let seems = file(
        &node,
        "seems.json",
        &policy(r#"{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake/*"}"#),
    );
    let create = ["permission", "create", "seems", "--policy", &seems, "--dialect", "aws"];
    let warned = |ran: super::Ran| {
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.starts_with("strongroom: warning: policy:1:"), "{ran:?}");
    };
    warned(local(&node, &create));
    warned(local(&node, &["permission", "edit", "seems", "--policy", &seems]));
    warned(local(&node, &["permission", "policy", "replace", "seems", &seems]));
    let json = local(&node, &["permission", "policy", "replace", "seems", &seems, "--json"]);
    assert_eq!(json.stderr, "", "a program finds them in the answer");
    // A network at home is suggested to be looked at by a check, and no reason to warn.
    let home = file(
        &node,
        "home.json",
        &policy(
            r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}"#,
        ),
    );
    local(&node, &["permission", "create", "home", "--policy", &home, "--dialect", "aws"]).ok();
}
