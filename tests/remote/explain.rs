//! `strongroom policy explain --as NAME`: the node's own answer to why.

use tests::binary;

use super::{Ran, field, file, local, node};

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [
  {"Sid": "Here", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*", "Condition": {"IpAddress": {"aws:SourceIp": "127.0.21.0/24"}}},
  {"Sid": "Never", "Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::lake/*"}]}"#;

#[test]
fn a_decision_is_explained_from_the_node_s_own_permissions() {
    let node = node();
    let policy = file(&node, "policy.json", POLICY);
    local(&node, &["bucket", "create", "lake"]).ok();
    local(&node, &["permission", "create", "here", "--policy", &policy]).ok();
    let made = local(&node, &["service-account", "create", "worker", "-p", "here"]).ok();
    let explain = |caller: &str, action: &str, address: &str| {
        let context = format!("aws:SourceIp={address}");
        let request = ["--action", action, "--resource", "arn:aws:s3:::lake/k", "--context", &context];
        local(&node, &[&["policy", "explain", "--as", caller][..], &request].concat())
    };
    let nearly = explain("worker", "s3:GetObject", "127.0.0.1").ok();
    assert!(nearly.starts_with("denied: no policy of the caller allows s3:GetObject\n"), "{nearly}");
    assert!(nearly.contains("nearly allowed by statement Here of permission \"here\", line 2"), "{nearly}");
    assert!(nearly.contains("fails: IpAddress aws:SourceIp 127.0.21.0/24; the request has 127.0.0.1"), "{nearly}");
    let allowed = explain("worker", "s3:GetObject", "127.0.21.9").ok();
    assert!(allowed.starts_with("allowed: ") && allowed.contains("holds: IpAddress"), "{allowed}");
    let denied = explain("worker", "s3:DeleteObject", "127.0.21.9").ok();
    assert!(denied.starts_with("denied by a statement: ") && denied.contains("statement Never"), "{denied}");
    // What is explained is what happens.
    let worker = node.client().with(&field(&made, "access key"), &field(&made, "secret"));
    node.client().put("lake", "k", "body").expect(200, "");
    worker.from("127.0.21.9").get("lake", "k").expect(200, "");
    worker.get("lake", "k").expect(403, "AccessDenied");
    let password = file(&node, "password", "correct horse\n");
    local(&node, &["user", "create", "dux", "--role", "admin", "--password-file", &password]).ok();
    assert!(explain("dux", "s3:GetObject", "127.0.0.1").ok().starts_with("allowed: "));
    local(&node, &["user", "disable", "dux"]).ok();
    let disabled = explain("dux", "s3:GetObject", "127.0.0.1").ok();
    assert!(disabled.starts_with("denied: the caller is disabled; else it would be allowed: "), "{disabled}");
    local(&node, &["service-account", "disable", "worker"]).ok();
    let disabled = explain("worker", "s3:GetObject", "127.0.21.9").ok();
    assert!(disabled.starts_with("denied: the caller is disabled; else it would be allowed"), "{disabled}");
    local(&node, &["permission", "disable", "here"]).ok();
    assert!(explain("worker", "s3:GetObject", "127.0.21.9").ok().contains("fails: the permission is disabled"));
    assert!(explain("root", "s3:GetObject", "127.0.0.1").ok().starts_with("allowed: "));
    assert!(explain("anonymous", "s3:GetObject", "127.0.0.1").ok().starts_with("denied: "));
    explain("nobody", "s3:GetObject", "127.0.0.1").fails(3, &["nobody", "service-account list", "user list"]);
    explain("worker", "s3:GtObject", "127.0.0.1").fails(2, &["--action", "s3:GetObject"]);
    explain("worker", "s3:GetObject", "nowhere").fails(2, &["--context"]);
    let json = local(
        &node,
        &[
            "policy",
            "explain",
            "--as",
            "root",
            "--action",
            "s3:GetObject",
            "--resource",
            "arn:aws:s3:::lake/k",
            "--json",
        ],
    );
    assert_eq!(json.json()["allowed"], true);
    local(
        &node,
        &["policy", "explain", "--policy", &policy, "--action", "s3:GetObject", "--resource", "arn:aws:s3:::lake/k"],
    )
    .fails(2, &["--data goes with --as"]);
}

const CONDITIONS: &str = r#"{"Version": "2012-10-17", "Statement": [
  {"Sid": "Here", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*", "Condition": {
    "NumericLessThan": {"s3:ExistingObjectTag/n": "10", "s3:ExistingObjectTag/m": "10", "s3:ExistingObjectTag/l": "10"},
    "StringEquals": {"s3:ExistingObjectTag/o": ["a", "b"], "s3:ExistingObjectTag/p": "/"},
    "IpAddress": {"aws:SourceIp": "127.0.21.0/24"}}},
  {"Sid": "There", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::sea/*"}]}"#;

#[test]
fn a_node_and_the_command_line_say_the_same_of_a_statement() {
    let node = node();
    let policy = file(&node, "policy.json", CONDITIONS);
    local(&node, &["bucket", "create", "lake"]).ok();
    // Both ways warn of an operator for numbers where a text is.
    let made = local(&node, &["permission", "create", "here", "--policy", &policy, "--dialect", "aws"]);
    assert_eq!(made.code, 0, "{made:?}");
    local(&node, &["service-account", "create", "worker", "-p", "here"]).ok();
    let mut request = vec!["--action", "s3:GetObject", "--resource", "arn:aws:s3:::lake/k"];
    for context in [
        "s3:ExistingObjectTag/n=",
        "s3:ExistingObjectTag/l=x",
        "s3:ExistingObjectTag/m=7",
        "s3:ExistingObjectTag/o=",
        "aws:SourceIp=127.0.0.1",
    ] {
        request.extend(["--context", context]);
    }
    let remarks = |told: &str| -> Vec<String> {
        let lines = told.lines().map(|line| line.trim_start_matches([' ', '=']).to_owned());
        lines.filter(|line| line.starts_with("fails: ") || line.starts_with("holds: ")).collect()
    };
    let there = local(&node, &[&["policy", "explain", "--as", "worker"][..], &request].concat()).ok();
    let here = Ran::of(binary::command().args(["policy", "explain", "--policy", &policy]).args(&request)).stdout;
    assert_eq!(remarks(&there), remarks(&here), "{there}\n{here}");
    for told in [
        "fails: NumericLessThan s3:ExistingObjectTag/n 10; the request has an empty text, which is not of the operator's type",
        "fails: NumericLessThan s3:ExistingObjectTag/l 10; the request has x, which is not of the operator's type",
        "fails: StringEquals s3:ExistingObjectTag/o a, b; the request has an empty text",
        "fails: StringEquals s3:ExistingObjectTag/p /; the request has no such key",
        "holds: NumericLessThan s3:ExistingObjectTag/m 10; the request has 7",
        "fails: it doesn't name this resource: arn:aws:s3:::sea/*",
    ] {
        assert!(remarks(&here).iter().any(|line| line == told), "no {told:?} in {here}");
    }
}
