//! The decision order over identity and bucket policies.

use serde_json::{Value, json};

use crate::fixture::{self, allow, caller, deny, user_arn};

fn everything(bucket: &str) -> Value {
    allow(&["s3:*"], &[&format!("arn:aws:s3:::{bucket}"), &format!("arn:aws:s3:::{bucket}/*")])
}

fn bucket_statement(mut statement: Value, principal: Value) -> Value {
    statement["Principal"] = principal;
    statement
}

/// C1: elsewhere a condition was dropped and a conditional Allow became an unconditional one.
#[test]
fn condition_of_a_bucket_policy_is_never_dropped() {
    let node = fixture::node(&["box"], &[("u", json!([allow(&["s3:GetObject"], &["arn:aws:s3:::other/*"])]))]);
    let root = node.client();
    root.put("box", "k", "body").ok();
    let user = caller(&node, "u");
    let with = |condition: Value| {
        let mut statement =
            bucket_statement(allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]), json!({"AWS": user_arn("u")}));
        statement["Condition"] = condition;
        root.put_policy("box", &fixture::policy(&json!([statement])))
    };
    with(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})).expect(204, "");
    user.get("box", "k").expect(403, "AccessDenied");
    with(json!({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}})).expect(204, "");
    user.get("box", "k").expect(200, "");
    for condition in [
        json!({"IpAdress": {"aws:SourceIp": "10.0.0.0/8"}}),
        json!({"IpAddress": {"aws:SourceIq": "10.0.0.0/8"}}),
        json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/99"}}),
        json!({"IpAddress": {"aws:SourceIp": "nonsense"}}),
        json!({"IpAddress": "aws:SourceIp"}),
        json!(["IpAddress"]),
    ] {
        with(condition).expect(400, "MalformedPolicy");
    }
    // A refused document leaves the one before it in force.
    user.get("box", "k").expect(200, "");
    let mut misspelt = bucket_statement(allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]), json!("*"));
    misspelt["Conditions"] = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
    root.put_policy("box", &fixture::policy(&json!([misspelt]))).expect(400, "MalformedPolicy");
}

/// C2: elsewhere a bucket's Allow overrode an explicit Deny of the identity's.
#[test]
fn deny_of_the_identity_wins_over_an_allow_of_the_bucket() {
    let denied = json!([everything("box"), deny(&["s3:GetObject"], &["arn:aws:s3:::box/secret/*"])]);
    let node = fixture::node(&["box"], &[("u", denied)]);
    let root = node.client();
    for key in ["secret/k", "open/k"] {
        root.put("box", key, "body").ok();
    }
    let statement = bucket_statement(allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]), json!({"AWS": user_arn("u")}));
    root.put_policy("box", &fixture::policy(&json!([statement]))).expect(204, "");
    let user = caller(&node, "u");
    user.get("box", "open/k").expect(200, "");
    let answer = user.get("box", "secret/k");
    answer.expect(403, "AccessDenied");
    let expected = format!(
        "User: {} is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::box/secret/k\" with an explicit deny in an identity-based policy",
        user_arn("u")
    );
    assert_eq!(answer.xml("Message"), expected);
}

/// C3: elsewhere the bucket policy was only read for anonymous callers.
#[test]
fn deny_of_the_bucket_wins_over_an_allow_of_the_identity() {
    let node = fixture::node(&["box"], &[("u", json!([everything("box")])), ("v", json!([everything("box")]))]);
    let root = node.client();
    root.put("box", "k", "body").ok();
    let statement = bucket_statement(deny(&["s3:GetObject"], &["arn:aws:s3:::box/*"]), json!({"AWS": user_arn("u")}));
    root.put_policy("box", &fixture::policy(&json!([statement]))).expect(204, "");
    let answer = caller(&node, "u").get("box", "k");
    answer.expect(403, "AccessDenied");
    assert!(answer.xml("Message").ends_with("with an explicit deny in a resource-based policy"), "{answer}");
    caller(&node, "u").put("box", "other", "x").expect(200, "");
    caller(&node, "v").get("box", "k").expect(200, "");
}

/// C4: elsewhere the first statement that matched decided.
#[test]
fn order_of_statements_means_nothing() {
    let (allow, deny) = (everything("box"), deny(&["s3:PutObject"], &["arn:aws:s3:::box/locked/*"]));
    let node = fixture::node(&["box"], &[("first", json!([deny, allow])), ("last", json!([allow, deny]))]);
    for name in ["first", "last"] {
        caller(&node, name).put("box", "locked/k", "x").expect(403, "AccessDenied");
        caller(&node, name).put("box", "free/k", "x").expect(200, "");
    }
}

/// C5: elsewhere whoever had no policy could do everything.
#[test]
fn caller_whose_policies_say_nothing_is_denied() {
    let nothing = json!([deny(&["s3:DeleteBucket"], &["arn:aws:s3:::*"])]);
    let node = fixture::node(&["box"], &[("nobody", nothing)]);
    node.client().put("box", "k", "body").ok();
    let nobody = caller(&node, "nobody");
    let answer = nobody.get("box", "k");
    answer.expect(403, "AccessDenied");
    let expected = format!(
        "User: {} is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::box/k\" because no identity-based policy allows the s3:GetObject action",
        user_arn("nobody")
    );
    assert_eq!(answer.xml("Message"), expected);
    nobody.put("box", "k", "x").expect(403, "AccessDenied");
    nobody.delete("box", "k").expect(403, "AccessDenied");
    nobody.list("box", &[]).expect(403, "AccessDenied");
    nobody.create_bucket("mine").expect(403, "AccessDenied");
    nobody.send(nobody.request("GET", "", "")).expect(403, "AccessDenied");
    nobody.send(nobody.request("GET", "box", "").query("policy", "")).expect(403, "AccessDenied");
    let anonymous = node.client().anonymous().get("box", "k");
    assert_eq!((anonymous.status, anonymous.xml("Message").as_str()), (403, "Access Denied"));
}

/// Several permissions of one service account are a union, and a Deny in any of them wins.
#[test]
fn permissions_of_one_caller_are_a_union_with_deny_first() {
    let permissions = [
        fixture::permission("read", &json!([allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])])),
        fixture::permission("write", &json!([allow(&["s3:PutObject"], &["arn:aws:s3:::box/*"])])),
        fixture::permission("not-here", &json!([deny(&["s3:*"], &["arn:aws:s3:::box/locked/*"])])),
    ];
    let account = json!({"permissions": permissions, "buckets": [{"name": "box"}],
        "serviceAccounts": [fixture::service_account("u", &["read", "write", "not-here"]), fixture::service_account("r", &["read"])]});
    let node = tests::NodeBuilder::serve().account(account).start();
    let (user, reader) = (caller(&node, "u"), caller(&node, "r"));
    user.put("box", "k", "x").expect(200, "");
    user.get("box", "k").expect(200, "");
    user.put("box", "locked/k", "x").expect(403, "AccessDenied");
    reader.get("box", "k").expect(200, "");
    reader.put("box", "k", "x").expect(403, "AccessDenied");
}

/// The four kinds of permission, as the permissions page describes them.
#[test]
fn bucket_permissions_grant_read_write_or_all_on_named_prefixed_or_all_buckets() {
    let permissions = json!([
        {"name": "reads", "type": "bucket-names", "actions": "read-only", "buckets": ["customer01"]},
        {"name": "writes", "type": "bucket-names", "actions": "write-only", "buckets": ["customer01"]},
        {"name": "prefix", "type": "bucket-prefix", "actions": "all-operations", "prefix": "customer01"},
        {"name": "all", "type": "all-buckets", "actions": "all-operations"},
    ]);
    let accounts: Vec<Value> =
        ["reads", "writes", "prefix", "all"].iter().map(|name| fixture::service_account(name, &[name])).collect();
    let buckets = json!([{"name": "customer01"}, {"name": "customer01zipdata"}, {"name": "other"}]);
    let account = json!({"permissions": permissions, "serviceAccounts": accounts, "buckets": buckets});
    let node = tests::NodeBuilder::serve().account(account).start();
    for bucket in ["customer01", "customer01zipdata", "other"] {
        node.client().put(bucket, "k", "body").ok();
    }
    let row = |name: &str, bucket: &str| {
        let client = caller(&node, name);
        [
            client.get(bucket, "k").status,
            client.list(bucket, &[]).status,
            client.put(bucket, "new", "x").status,
            client.delete(bucket, "new").status,
        ]
    };
    assert_eq!(row("reads", "customer01"), [200, 200, 403, 403]);
    assert_eq!(row("reads", "customer01zipdata"), [403, 403, 403, 403]);
    let writes = row("writes", "customer01");
    assert_eq!((writes[0], writes[2]), (403, 200), "{writes:?}");
    assert_eq!(row("writes", "other"), [403, 403, 403, 403]);
    for bucket in ["customer01", "customer01zipdata"] {
        assert_eq!(row("prefix", bucket), [200, 200, 200, 204]);
    }
    assert_eq!(row("prefix", "other"), [403, 403, 403, 403]);
    assert_eq!(row("all", "other"), [200, 200, 200, 204]);
    // All operations hand out no access.
    let document = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"}]),
    );
    caller(&node, "all").put_policy("other", &document).expect(403, "AccessDenied");
    caller(&node, "all").create_bucket("created").expect(200, "");
    caller(&node, "prefix").create_bucket("customer01new").expect(403, "AccessDenied");
}

/// Tags are judged as they will be stored: those of the body, not those of a header that the operation doesn't use.
#[test]
fn tagging_is_judged_by_the_tags_of_its_body() {
    let blue = json!([{
        "Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": "arn:aws:s3:::box/*",
        "Condition": {"StringEquals": {"s3:RequestObjectTag/team": "blue"}}
    }]);
    let node = fixture::node(&["box"], &[("tagger", blue)]);
    node.client().put("box", "k", "x").ok();
    let tagger = caller(&node, "tagger");
    let tag = |name: &str, value: &str, header: Option<&str>| {
        let tags = format!("<Tagging><TagSet><Tag><Key>{name}</Key><Value>{value}</Value></Tag></TagSet></Tagging>");
        let mut request = tagger.request("PUT", "box", "k").query("tagging", "").body(tags);
        if let Some(header) = header {
            request.set("x-amz-tagging", header);
        }
        tagger.send(request)
    };
    tag("public", "yes", None).expect(403, "AccessDenied");
    tag("public", "yes", Some("team=blue")).expect(403, "AccessDenied");
    tag("team", "blue", None).expect(200, "");
}
