//! `strongroom audit`, `usage` and `status`: what was asked of a node, what it holds, how it is.

use serde_json::Value;

use super::{field, file, local, node, once_written};

#[test]
fn the_audit_log_is_searched_by_its_filters_and_printed_line_by_line() {
    let node = node();
    local(&node, &["bucket", "create", "lake"]).ok();
    local(&node, &["permission", "create", "read", "--all-buckets", "--actions", "read-only"]).ok();
    let own = file(&node, "own", "my-own-secret-key\n");
    let create = ["service-account", "create", "worker", "-p", "read", "--key-id", "AKOWN", "--secret-from", &own];
    local(&node, &create).ok();
    let worker = node.client().with("AKOWN", "my-own-secret-key");
    worker.list("lake", &[]).expect(200, "");
    worker.put("lake", "cow.jpg", "moo").expect(403, "AccessDenied");
    let refused = once_written(&node, &["audit", "search", "--by", "worker", "--refused"], 2);
    let lines: Vec<&str> = refused.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("TIME "), "{refused}");
    for word in ["PutObject", "worker", "127.0.0.1", "lake/cow.jpg", "403 AccessDenied", "s3:PutObject"] {
        assert!(lines[1].contains(word), "no {word} in {refused}");
    }
    let accepted = local(&node, &["audit", "search", "--by", "AKOWN", "--accepted", "--json"]).ok();
    let accepted: Vec<Value> =
        accepted.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect();
    assert_eq!((accepted.len(), &accepted[0]["eventName"]), (1, &"ListObjectsV2".into()), "{accepted:?}");
    assert_eq!(local(&node, &["audit", "search", "--bucket", "lake", "--json"]).ok().lines().count(), 2);
    assert_eq!(local(&node, &["audit", "search", "--event", "CreateBucket", "--json"]).ok().lines().count(), 1);
    assert_eq!(local(&node, &["audit", "search", "--search", "COW.jpg", "--json"]).ok().lines().count(), 1);
    assert_eq!(local(&node, &["audit", "search", "--to", "2020-01-01"]).ok(), "none\n");
    assert_eq!(local(&node, &["audit", "search", "--limit", "2", "--json"]).ok().lines().count(), 2);
    local(&node, &["audit", "search", "--from", "soon"]).fails(2, &["from"]);
    local(&node, &["audit", "search", "--limit", "0"]).fails(2, &["--limit"]);
    local(&node, &["audit", "search", "--refused", "--accepted"]).fails(2, &["--accepted"]);
}

#[test]
fn a_search_that_finds_more_than_a_page_prints_all_that_is_asked_for() {
    let node = node();
    let client = node.client();
    for _ in 0..1_100 {
        client.get("nix", "k").expect(404, "NoSuchBucket");
    }
    let all = once_written(&node, &["audit", "search", "--bucket", "nix", "--limit", "5000"], 1_101);
    assert!(all.starts_with("TIME "), "{all}");
    let found = local(&node, &["audit", "search", "--bucket", "nix", "--limit", "1050", "--json"]).ok();
    assert_eq!(found.lines().count(), 1_050);
}

#[test]
fn audit_settings_are_shown_and_changed() {
    let node = node();
    let shown = local(&node, &["audit", "settings"]).ok();
    assert_eq!((field(&shown, "audit log"), field(&shown, "requests")), ("on".into(), "all".into()));
    let changed = local(&node, &["audit", "settings", "--requests", "denied", "--keep-mib", "128"]).ok();
    assert_eq!((field(&changed, "requests"), field(&changed, "kept")), ("denied".into(), "128.0 MiB".into()));
    let json = local(&node, &["audit", "settings", "--json"]).json();
    assert_eq!((&json["requests"], &json["keptBytes"]), (&"denied".into(), &(128 << 20).into()));
    node.client().create_bucket("lake").expect(200, "");
    assert_eq!(local(&node, &["audit", "search", "--bucket", "lake"]).ok(), "none\n");
    local(&node, &["audit", "settings", "--keep-mib", "1"]).fails(2, &["--keep-mib"]);
    local(&node, &["audit", "settings", "--requests", "some"]).fails(2, &["denied"]);
}

#[test]
fn usage_is_printed_as_it_is_and_as_it_was() {
    let node = node();
    node.client().create_bucket("lake").expect(200, "");
    node.client().put("lake", "k", "12345").expect(200, "");
    let now = local(&node, &["usage", "current"]).ok();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = now.lines().map(words).collect();
    assert_eq!(lines[1..], [words("lake 1 5 bytes"), words("(all) 1 5 bytes")], "{now}");
    assert_eq!(local(&node, &["usage", "current", "--json"]).json()["bytes"], 5);
    let held = local(&node, &["usage", "monthly"]).ok();
    assert!(held.lines().any(|line| line.contains(" lake ")), "{held}");
    let month = local(&node, &["usage", "monthly", "--json"]).json();
    assert_eq!(month.as_array().map(Vec::len), Some(1), "{month}");
    assert_eq!(
        local(&node, &["usage", "monthly", "--from", "2020-01", "--to", "2020-03", "--json"]).json()[2]["month"],
        3
    );
    assert_eq!(local(&node, &["usage", "monthly", "--from", "2020-01", "--to", "2020-03"]).ok(), "none\n");
    local(&node, &["usage", "monthly", "--from", "november"]).fails(2, &["from", "2026-11"]);
    local(&node, &["usage", "monthly", "--from", "2000-01"]).fails(2, &["usage"]);
}

#[test]
fn status_says_how_the_node_is() {
    let node = node();
    node.client().create_bucket("lake").expect(200, "");
    let shown = local(&node, &["status"]).ok();
    assert_eq!((field(&shown, "health"), field(&shown, "durability")), ("ok".into(), "relaxed".into()));
    assert!(field(&shown, "disk").contains(" free of ") && field(&shown, "last scrub") == "none yet", "{shown}");
    assert_eq!(field(&shown, "s3"), format!("http://{}", node.s3()));
    assert_eq!(field(&shown, "console"), format!("http://{}", node.console()));
    assert_eq!(field(&shown, "runs now"), "no maintenance");
    let json = local(&node, &["status", "--json"]).json();
    assert!(json["engine"]["commits"].as_u64() > Some(0), "{json}");
    let nowhere = node.temporary().join("nowhere");
    let nowhere = super::text_of(&nowhere);
    super::Ran::of(tests::binary::command().args(["status", "--data", &nowhere])).fails(1, &["no node runs", &nowhere]);
}
