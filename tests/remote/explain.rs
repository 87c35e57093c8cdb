//! `strongroom policy explain --as NAME`: the node's own answer to why.

use super::{field, file, local, node};

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
