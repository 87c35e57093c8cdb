//! Why a request was denied: in the log always, in the answer only where the operator wants it there.

use serde_json::{Value, json};
use tests::{Client, Node, NodeBuilder, Response};

use crate::fixture::{self, allow, caller, deny};

/// Callers whose denial has a reason worth telling: an Allow that nearly applies, and a Deny that does.
fn callers() -> Vec<(&'static str, Value)> {
    let mut nearly = allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
    nearly["Sid"] = json!("OfficeOnly");
    nearly["Condition"] = json!({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}});
    let mut denied = deny(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
    denied["Sid"] = json!("NoAgents");
    denied["Condition"] = json!({"StringLike": {"aws:UserAgent": "sneaky-*"}});
    vec![
        ("nearly", json!([nearly])),
        ("denied", json!([allow(&["s3:*"], &["arn:aws:s3:::*"]), denied])),
        ("far", json!([allow(&["s3:PutObject"], &["arn:aws:s3:::elsewhere/*"])])),
    ]
}

fn start(arguments: &[&str]) -> Node {
    let account = fixture::account(&["box"], &callers());
    let node =
        NodeBuilder::serve().arguments(&["--durability", "relaxed"]).arguments(arguments).account(account).start();
    node.client().put("box", "k", "body").ok();
    node
}

fn get(client: &Client) -> Response {
    client.send(client.request("GET", "box", "k").header("user-agent", "sneaky-agent"))
}

/// Everything that only the operator may know.
const SECRETS: &[&str] =
    &["OfficeOnly", "NoAgents", "198.51.100", "sneaky-*", "bucket policy", "ForReaders", "203.0.113"];

fn tells_nothing(answer: &Response, policy: &str) {
    let all = format!("{:?}\n{}", answer.headers, answer.text());
    for secret in SECRETS {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("x-strongroom-")), "{all}");
    // A caller's own name is in AWS's text; the policy's of the same name as POLICY/SID isn't.
    assert!(!all.contains(&format!("{policy}/")) && !all.contains("statement"), "{all}");
}

#[test]
fn log_names_the_statement_that_denied_and_what_it_compared() {
    let node = start(&[]);
    get(&caller(&node, "denied")).expect(403, "AccessDenied");
    let line = node.logged(&["s3:GetObject on arn:aws:s3:::box/k", "ExplicitDeny"]);
    for part in ["denied/NoAgents", "StringLike aws:UserAgent sneaky-*", "sneaky-agent"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn log_names_the_allow_that_nearly_matched_and_the_values_compared() {
    let node = start(&[]);
    get(&caller(&node, "nearly")).expect(403, "AccessDenied");
    let line = node.logged(&["s3:GetObject on arn:aws:s3:::box/k", "ImplicitDeny"]);
    for part in ["OfficeOnly of nearly", "IpAddress aws:SourceIp 198.51.100.0/24", "the request has 127.0.0.1"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn answer_tells_the_denied_client_nothing_of_the_policies() {
    let node = start(&[]);
    let readers =
        fixture::policy(&json!([{"Sid": "ForReaders", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::box/*", "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}]));
    node.client().put_policy("box", &readers).expect(204, "");
    for name in ["nearly", "denied", "far"] {
        let client = caller(&node, name);
        tells_nothing(get(&client).expect(403, "AccessDenied"), name);
        tells_nothing(&client.head("box", "k"), name);
        let copy = client
            .request("PUT", "box", "copy")
            .header("x-amz-copy-source", "box/k")
            .header("user-agent", "sneaky-agent");
        tells_nothing(client.send(copy).expect(403, "AccessDenied"), name);
    }
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let far = caller(&node, "far");
    let answer = far.send(far.request("POST", "box", "").query("delete", "").body(delete));
    assert_eq!(answer.expect(200, "").xml("Error/Code"), "AccessDenied");
    tells_nothing(&answer, "far");
    let anonymous = get(&node.client().anonymous());
    assert_eq!(anonymous.expect(403, "AccessDenied").xml("Message"), "Access Denied");
    tells_nothing(&anonymous, "bucket policy");
    // The operator's log has it all.
    let line = node.logged(&["caller=\"anonymous\"", "s3:GetObject on arn:aws:s3:::box/k"]);
    assert!(line.contains("ForReaders of bucket policy") && line.contains("203.0.113.0/24"), "{line}");
    let line = node.logged(&["DeleteObjects"]);
    assert!(line.contains("status=200") && line.contains("decision=\"ImplicitDeny\""), "{line}");
    assert!(line.contains("s3:DeleteObject on arn:aws:s3:::box/k"), "{line}");
}

#[test]
fn headers_explain_denials_where_the_operator_asks_for_it() {
    let node = start(&["--explain-denials"]);
    let answer = get(&caller(&node, "denied"));
    assert_eq!(answer.expect(403, "AccessDenied").header("x-strongroom-denied-by"), Some("denied/NoAgents"));
    assert_eq!(answer.header("x-strongroom-nearly-allowed-by"), None, "{answer}");
    let answer = get(&caller(&node, "nearly"));
    let near = answer.expect(403, "AccessDenied").header("x-strongroom-nearly-allowed-by").expect("a near miss");
    for part in ["OfficeOnly", "nearly", "IpAddress aws:SourceIp 198.51.100.0/24", "127.0.0.1"] {
        assert!(near.contains(part), "{part}: {near}");
    }
    assert!(answer.header("x-strongroom-denied-by").is_some(), "{answer}");
    assert!(!answer.text().contains("OfficeOnly"), "{answer}");
    // HEAD has no body, but these.
    let client = caller(&node, "nearly");
    assert!(client.head("box", "k").header("x-strongroom-nearly-allowed-by").is_some());
    // What is allowed is not explained.
    let allowed = node.client().get("box", "k");
    assert!(allowed.expect(200, "").headers.iter().all(|(name, _)| !name.starts_with("x-strongroom-")), "{allowed}");
}

/// A policy of many long statements and a key that isn't ASCII: the header stays short and the log one line.
#[test]
fn explanation_is_bounded_and_ascii() {
    let statements: Vec<Value> = (0..16)
        .map(|number| {
            let mut statement = allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
            let values: Vec<String> =
                (0..3).map(|value| format!("überlang-{number}-{value}-{}", "x".repeat(40))).collect();
            statement["Sid"] = json!(format!("Sid{number}"));
            statement["Condition"] = json!({"StringEquals": {"aws:UserAgent": values}});
            statement
        })
        .collect();
    let account = fixture::account(&["box"], &[("u", json!(statements))]);
    let node =
        NodeBuilder::serve().arguments(&["--durability", "relaxed", "--explain-denials"]).account(account).start();
    node.client().put("box", "kß\u{7}", "x").ok();
    let answer = caller(&node, "u").get("box", "kß\u{7}");
    let near = answer.expect(403, "AccessDenied").header("x-strongroom-nearly-allowed-by").expect("a near miss");
    assert!(near.len() <= 1024 && near.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{near}");
    let policy = fixture::policy(&json!([{"Sid": "日本", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::box/*"}]));
    node.client().put_policy("box", &policy).expect(204, "");
    let answer = caller(&node, "u").get("box", "k");
    assert_eq!(answer.header("x-strongroom-denied-by"), Some(r"bucket policy/\u{65e5}\u{672c}"), "{answer}");
    let line = node.logged(&["ImplicitDeny"]);
    assert!(line.len() < 8192 && !line.contains('\u{7}'), "{} {line}", line.len());
}
