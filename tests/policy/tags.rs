//! Tags of objects as facts of a decision: read only where a statement asks, and never taken for absent when they can't be read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::{Client, Node, NodeBuilder};

use crate::fixture::{self, allow, caller, deny, user_arn};

fn tag_reads(node: &Node) -> u64 {
    let metrics = Client::new(node.console(), None);
    let text = metrics.send(metrics.target("GET", "/metrics")).expect(200, "").text();
    let line = text.lines().find(|line| line.starts_with("strongroom_policy_tag_reads_total ")).expect("the counter");
    line.split_once(' ').expect("a value").1.parse().expect("a number")
}

/// The counter's growth over something.
fn reads(node: &Node, then: impl FnOnce()) -> u64 {
    let before = tag_reads(node);
    then();
    tag_reads(node) - before
}

fn tagged_statement(effect: fn(&[&str], &[&str]) -> Value, action: &str, tag: &str) -> Value {
    let mut statement = effect(&[action], &["arn:aws:s3:::box/*"]);
    let (key, value) = tag.split_once('=').expect("a tag");
    statement["Condition"] = json!({"StringEquals": {format!("s3:ExistingObjectTag/{key}"): value}});
    statement
}

fn put_tagged(client: &Client, key: &str, tags: &str) {
    client.send(client.request("PUT", "box", key).header("x-amz-tagging", tags).body("body")).expect(200, "");
}

/// C13: tags are read where a statement that could apply asks for them, and nowhere else.
#[test]
fn tags_are_read_only_when_a_statement_asks() {
    let all = allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]);
    let node = fixture::node(
        &["box"],
        &[("plain", json!([all])), ("asks", json!([all, tagged_statement(deny, "s3:GetObject", "secret=yes")]))],
    );
    put_tagged(&node.client(), "k", "public=yes");
    let (plain, asks) = (caller(&node, "plain"), caller(&node, "asks"));
    let get = |client: &Client| {
        client.get("box", "k").expect(200, "");
    };
    assert_eq!(reads(&node, || get(&plain)), 0);
    assert_eq!(reads(&node, || get(&node.client())), 0);
    assert_eq!(reads(&node, || get(&asks)), 1);
    // The statement is about another action.
    assert_eq!(reads(&node, || put_tagged(&asks, "other", "a=b")), 0);
    assert_eq!(reads(&node, || drop(asks.list("box", &[]))), 0);
    // A bucket's policy that asks, of one caller.
    let mut open = tagged_statement(allow, "s3:GetObject", "public=yes");
    open["Principal"] = json!({"AWS": user_arn("other")});
    node.client().put_policy("box", &fixture::policy(&json!([open]))).expect(204, "");
    assert_eq!(reads(&node, || get(&plain)), 0);
    open["Principal"] = json!("*");
    node.client().put_policy("box", &fixture::policy(&json!([open]))).expect(204, "");
    assert_eq!(reads(&node, || get(&plain)), 1);
    assert_eq!(reads(&node, || get(&node.client().anonymous())), 1);
}

/// C13: tags count wherever an object is judged: as the source of a copy, for its tags, by version, key by key.
#[test]
fn tags_count_on_every_operation_that_has_them() {
    let all = allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]);
    let actions = ["s3:GetObject*", "s3:PutObjectTagging", "s3:PutObjectAcl", "s3:DeleteObjectTagging"];
    let mut refuse = deny(&actions, &["arn:aws:s3:::box/*"]);
    refuse["Condition"] = json!({"StringEquals": {"s3:ExistingObjectTag/secret": "yes"}});
    let node = fixture::node(&["box"], &[("u", json!([all, refuse]))]);
    put_tagged(&node.client(), "secret", "secret=yes");
    put_tagged(&node.client(), "open", "secret=no");
    let user = caller(&node, "u");
    let requests = |key: &str| {
        let object = |method: &str, query: &str| user.request(method, "box", key).query(query, "");
        let tags = "<Tagging><TagSet><Tag><Key>secret</Key><Value>no</Value></Tag></TagSet></Tagging>";
        let upload = node.client().create_upload("box", "copy");
        let source = format!("box/{key}");
        vec![
            user.request("GET", "box", key),
            user.request("HEAD", "box", key),
            user.request("GET", "box", key).query("versionId", "null"),
            object("GET", "attributes").header("x-amz-object-attributes", "ETag"),
            object("GET", "tagging"),
            object("GET", "acl"),
            object("PUT", "acl").header("x-amz-acl", "private"),
            user.request("PUT", "box", "copy").header("x-amz-copy-source", source.clone()),
            user.part_request("box", "copy", &upload, 1).header("x-amz-copy-source", source),
            object("PUT", "tagging").body(tags),
            object("DELETE", "tagging"),
        ]
    };
    for (secret, open) in requests("secret").into_iter().zip(requests("open")) {
        let what = format!("{} {}", secret.method, secret.target);
        assert_eq!(user.send(secret).status, 403, "{what}");
        assert_ne!(user.send(open).status, 403, "{what}");
    }
}

/// C13, C17: elsewhere tags that weren't loaded, or couldn't be, looked absent. Here what depends on them fails closed.
#[test]
fn tags_that_cannot_be_read_fail_closed() {
    let all = allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let callers = [
        ("allowed", json!([tagged_statement(allow, "s3:GetObject", "level=unsecret-marker")])),
        ("denied", json!([all, tagged_statement(deny, "s3:GetObject", "level=other")])),
        ("indifferent", json!([all])),
    ];
    let account = fixture::account(&["box"], &callers);
    let mut node = NodeBuilder::serve().data(&data).account(account).start();
    put_tagged(&node.client(), "k", "level=unsecret-marker&beside=in-the-object-alone");
    let statuses =
        |node: &Node| ["allowed", "denied", "indifferent"].map(|name| caller(node, name).get("box", "k").status);
    assert_eq!(statuses(&node), [200, 200, 200]);
    node.terminate();
    assert!(flip(&data, b"in-the-object-alone") > 0, "the tag's value is in a segment");
    node.restart();
    let damaged = statuses(&node);
    assert_eq!(&damaged[..2], &[403, 403]);
    // Whoever needs no tags is told that the object is damaged.
    assert!(damaged[2] >= 500, "{damaged:?}");
    node.logged(&["tags can't be read"]);
}

/// Flips a bit wherever `text` stands in a file below a directory; how often that was.
fn flip(directory: &Path, text: &[u8]) -> usize {
    let mut flipped = 0;
    for file in files(directory) {
        let mut bytes = std::fs::read(&file).expect("a readable file");
        let places: Vec<usize> =
            (0..bytes.len().saturating_sub(text.len())).filter(|&at| bytes[at..].starts_with(text)).collect();
        for &at in &places {
            bytes[at] ^= 1;
        }
        if !places.is_empty() {
            std::fs::write(&file, bytes).expect("a writable file");
        }
        flipped += places.len();
    }
    flipped
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("a readable directory").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
