//! A changed permission holds for the next request.

use serde_json::{Value, json};
use tests::{Node, NodeBuilder};

use crate::fixture::{self, allow, caller};

/// Writes a state and applies it to the running node.
fn apply(node: &Node, state: &Value, arguments: &[&str]) -> std::process::Output {
    let file = node.temporary().join("apply.json");
    std::fs::write(&file, state.to_string()).expect("a writable temporary directory");
    let file = file.to_str().expect("temporary paths are UTF-8");
    let data = node.data();
    let data = data.to_str().expect("temporary paths are UTF-8");
    node.command().args(["apply", "-f", file, "--data", data]).args(arguments).output().expect("the binary starts")
}

#[track_caller]
fn applied(node: &Node, state: &Value, arguments: &[&str]) {
    let output = apply(node, state, arguments);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn permission_that_apply_changes_holds_for_the_next_request() {
    let with = |action: &str| {
        tests::node::state(fixture::account(&["box"], &[("u", json!([allow(&[action], &["arn:aws:s3:::box/*"])]))]))
    };
    let node = NodeBuilder::serve().state(with("s3:GetObject")).start();
    node.client().put("box", "k", "body").ok();
    let user = caller(&node, "u");
    for round in 0..3 {
        user.get("box", "k").expect(200, "");
        user.put("box", "w", "x").expect(403, "AccessDenied");
        applied(&node, &with("s3:PutObject"), &[]);
        user.get("box", "k").expect(403, "AccessDenied");
        user.put("box", "w", format!("round {round}")).expect(200, "");
        applied(&node, &with("s3:GetObject"), &[]);
    }
}

#[test]
fn dry_run_changes_nothing_and_prune_deletes() {
    let reader = ("reader", json!([allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])]));
    let full = tests::node::state(fixture::account(&["box"], &[reader]));
    let bare = tests::node::state(fixture::account(&["box"], &[]));
    let node = NodeBuilder::serve().state(full.clone()).start();
    node.client().put("box", "k", "body").ok();
    let user = caller(&node, "reader");
    applied(&node, &bare, &["--dry-run", "--prune"]);
    applied(&node, &bare, &[]);
    user.get("box", "k").expect(200, "");
    applied(&node, &bare, &["--prune"]);
    user.get("box", "k").expect(403, "InvalidAccessKeyId");
    applied(&node, &full, &[]);
    user.get("box", "k").expect(200, "");
}

#[test]
fn state_that_is_refused_changes_nothing() {
    let good = fixture::account(&["box"], &[("u", json!([allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])]))]);
    let node = NodeBuilder::serve().account(good.clone()).start();
    node.client().put("box", "k", "body").ok();
    let mut unknown_member = good.clone();
    unknown_member["permisions"] = json!([]);
    let mut unknown_permission = good.clone();
    unknown_permission["serviceAccounts"][0]["permissions"] = json!(["absent"]);
    let mut bad_policy = good.clone();
    bad_policy["permissions"][0]["policy"]["Statement"][0]["Action"] = json!(["s3:PuObject"]);
    let mut bad_bucket = good.clone();
    bad_bucket["buckets"][0]["name"] = json!("Not A Bucket");
    let mut short_secret = good;
    short_secret["serviceAccounts"][0]["secretKey"] = json!("short");
    for members in [unknown_member, unknown_permission, bad_policy, bad_bucket, short_secret] {
        let output = apply(&node, &tests::node::state(members.clone()), &[]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.trim_end().lines().count() >= 1, "{members}: {output:?}");
        caller(&node, "u").get("box", "k").expect(200, "");
    }
}

#[test]
fn identities_and_policies_survive_a_restart() {
    let reads = json!([allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])]);
    let state = tests::node::state(fixture::account(&["box"], &[("u", reads)]));
    let mut node = NodeBuilder::serve().state(state).start();
    node.client().put("box", "k", "body").ok();
    let open = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/open/*"}]),
    );
    node.client().put_policy("box", &open).expect(204, "");
    node.client().put("box", "open/k", "open").ok();
    for kill in [true, false] {
        if kill {
            node.kill_9();
        }
        node.restart();
        caller(&node, "u").get("box", "k").expect(200, "");
        caller(&node, "u").put("box", "k", "x").expect(403, "AccessDenied");
        node.client().anonymous().get("box", "open/k").expect(200, "");
        node.client().anonymous().get("box", "k").expect(403, "AccessDenied");
    }
}
