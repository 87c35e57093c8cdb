//! The policy language over HTTP, where a request carries what a statement asks for.

use serde_json::{Value, json};
use tests::Client;

use crate::fixture::{self, allow, caller, user_arn};

fn put_tagged(client: &Client, tags: &str) -> u16 {
    let request = client.request("PUT", "box", "k").body("x");
    client.send(if tags.is_empty() { request } else { request.header("x-amz-tagging", tags) }).status
}

/// C6: elsewhere the negation was applied after the values were put together, so that one good value excused a bad one, or the reverse.
#[test]
fn qualified_negation_is_per_value() {
    let when = |operator: &str, value: Value| {
        let mut put = allow(&["s3:PutObject", "s3:PutObjectTagging"], &["arn:aws:s3:::box/*"]);
        put["Condition"] = json!({operator: {"s3:RequestObjectTagKeys": value}});
        json!([put])
    };
    let node = fixture::node(
        &["box"],
        &[
            ("none-of", when("ForAllValues:StringNotEquals", json!(["secret", "owner"]))),
            ("not-only", when("ForAnyValue:StringNotLike", json!("tmp-*"))),
            ("only", when("ForAllValues:StringLike", json!(["team", "tmp-*"]))),
            ("any", when("ForAnyValue:StringEquals", json!("team"))),
        ],
    );
    for (tags, none_of, not_only, only, any) in [
        ("team=a", 200, 200, 200, 200),
        ("team=a&secret=b", 403, 200, 403, 200),
        ("secret=b&owner=c", 403, 200, 403, 403),
        ("tmp-1=a&tmp-2=b", 200, 403, 200, 403),
        ("tmp-1=a&team=b", 200, 200, 200, 200),
        // A missing key: for all values true, for any value false.
        ("", 200, 403, 200, 403),
    ] {
        let statuses = ["none-of", "not-only", "only", "any"].map(|name| put_tagged(&caller(&node, name), tags));
        assert_eq!(statuses, [none_of, not_only, only, any], "{tags}");
    }
}

/// C11: elsewhere forms of Principal were refused, or came back in another form than they were stored in.
#[test]
fn every_form_of_principal_is_kept_and_means_what_it_says() {
    let state = fixture::account(&["box"], &[("u", json!([allow(&["s3:ListBucket"], &["arn:aws:s3:::elsewhere"])]))]);
    let mut state = tests::node::state(state);
    state["accounts"][0]["canonicalId"] = json!("a".repeat(64));
    let node = tests::NodeBuilder::serve().arguments(&["--durability", "relaxed"]).state(state).start();
    let root = node.client();
    root.put("box", "k", "x").ok();
    let account = tests::node::ACCOUNT_ID;
    for (principal, user, anonymous) in [
        (json!("*"), 200, 200),
        (json!({"AWS": "*"}), 200, 200),
        (json!({"AWS": ["*"]}), 200, 200),
        (json!({"AWS": user_arn("u")}), 200, 403),
        (json!({"AWS": [user_arn("other"), user_arn("u")]}), 200, 403),
        (json!({"AWS": user_arn("other")}), 403, 403),
        // The account alone leaves it to its own policies whom it reaches.
        (json!({"AWS": [format!("arn:aws:iam::{account}:root"), "210987654321"]}), 403, 403),
        (json!({"AWS": account}), 403, 403),
        (json!({"CanonicalUser": "b".repeat(64)}), 403, 403),
        (json!({"Service": "logging.s3.amazonaws.com"}), 403, 403),
    ] {
        let document = format!(
            "{{\"Version\": \"2012-10-17\",\n  \"Statement\": {{\"Effect\": \"Allow\", \"Principal\": {principal},  \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::box/*\"}}}}"
        );
        root.send(root.request("PUT", "box", "").query("policy", "").body(document.clone())).expect(204, "");
        assert_eq!(root.send(root.request("GET", "box", "").query("policy", "")).text(), document);
        let statuses = [caller(&node, "u").get("box", "k").status, root.anonymous().get("box", "k").status];
        assert_eq!(statuses, [user, anonymous], "{principal}");
    }
    // As a Deny the account is all its users, by whichever name.
    for principal in [json!({"AWS": account}), json!({"CanonicalUser": "a".repeat(64)})] {
        let statements = json!([
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"},
            {"Effect": "Deny", "Principal": principal, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"},
        ]);
        root.put_policy("box", &fixture::policy(&statements)).expect(204, "");
        caller(&node, "u").get("box", "k").expect(403, "AccessDenied");
        root.anonymous().get("box", "k").expect(200, "");
    }
}

/// C16: elsewhere wildcards inside an action, or another case, matched nothing.
#[test]
fn wildcards_and_case_of_actions_and_resources() {
    let one = |action: &str, resource: &str| json!([allow(&[action], &[resource])]);
    let all = "arn:aws:s3:::box/*";
    let node = fixture::node(
        &["box"],
        &[
            ("get-star", one("s3:Get*", all)),
            ("lower", one("s3:getobject", all)),
            ("upper", one("S3:GETOBJECT", all)),
            ("mark", one("s3:GetObjec?", all)),
            ("inner", one("s3:*Object", all)),
            ("tagging", one("s3:GetObject?agging", all)),
            ("key-case", one("s3:GetObject", "arn:aws:s3:::box/Dir/*")),
            ("key-mark", one("s3:GetObject", "arn:aws:s3:::box/dir/?")),
        ],
    );
    for key in ["dir/k", "dir/kk"] {
        node.client().put("box", key, "x").ok();
    }
    for (name, get, put, tags, longer) in [
        ("get-star", 200, 403, 200, 200),
        ("lower", 200, 403, 403, 200),
        ("upper", 200, 403, 403, 200),
        ("mark", 200, 403, 403, 200),
        ("inner", 200, 200, 403, 200),
        ("tagging", 403, 403, 200, 403),
        ("key-case", 403, 403, 403, 403),
        ("key-mark", 200, 403, 403, 403),
    ] {
        let client = caller(&node, name);
        let statuses = [
            client.get("box", "dir/k").status,
            client.put("box", "dir/k", "x").status,
            client.send(client.request("GET", "box", "dir/k").query("tagging", "")).status,
            client.get("box", "dir/kk").status,
        ];
        assert_eq!(statuses, [get, put, tags, longer], "{name}");
    }
}

/// C10: NotPrincipal in a Deny is everybody but those whom it names; with Allow it is refused.
#[test]
fn not_principal_denies_all_others() {
    let read = json!([allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])]);
    let node = fixture::node(&["box"], &[("u", read.clone()), ("v", read)]);
    let root = node.client();
    root.put("box", "k", "x").ok();
    let statement = |effect: &str, named: Value| {
        fixture::policy(
            &json!([{"Effect": effect, "NotPrincipal": {"AWS": named}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"}]),
        )
    };
    root.put_policy("box", &statement("Deny", json!([user_arn("u")]))).expect(204, "");
    let statuses = ["u", "v"].map(|name| caller(&node, name).get("box", "k").status);
    assert_eq!((statuses, root.anonymous().get("box", "k").status), ([200, 403], 403));
    root.put_policy("box", &statement("Allow", json!([user_arn("u")]))).expect(400, "MalformedPolicy");
}
