//! PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy.

use serde_json::json;
use tests::{Node, Response};

use crate::fixture::{self, allow, caller, user_arn};

#[test]
fn policy_comes_back_byte_for_byte_and_goes_away() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let policy = |method: &str| client.request(method, "box", "").query("policy", "");
    client.send(policy("GET")).expect(404, "NoSuchBucketPolicy");
    let document = "{ \"Statement\": {\"Resource\":\"arn:aws:s3:::box/*\",\n \"Effect\":\"Allow\", \"Principal\": \"*\", \"Action\":\"s3:getobject\"},\"Version\":\"2012-10-17\" }\n";
    client.send(policy("PUT").body(document)).expect(204, "");
    assert_eq!(client.send(policy("GET")).expect(200, "").text(), document);
    client.put("box", "k", "body").ok();
    client.anonymous().get("box", "k").expect(200, "");
    client.send(policy("DELETE")).expect(204, "");
    client.send(policy("GET")).expect(404, "NoSuchBucketPolicy");
    client.anonymous().get("box", "k").expect(403, "AccessDenied");
}

#[test]
fn document_that_breaks_a_rule_is_malformed_with_awss_text() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let put = |document: &str| -> Response {
        client.send(client.request("PUT", "box", "").query("policy", "").body(document))
    };
    let statement = |text: &str| format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{text}]}}");
    for (document, message) in [
        (
            statement("{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::box/*\"}"),
            "Missing required field Principal",
        ),
        (
            statement(
                "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::other/*\"}",
            ),
            "Policy has invalid resource",
        ),
        (
            statement(
                "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:PuObject\",\"Resource\":\"arn:aws:s3:::box/*\"}",
            ),
            "Policy has invalid action",
        ),
        (
            statement("{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Resource\":\"arn:aws:s3:::box/*\"}"),
            "Missing required field Action",
        ),
        (statement(""), ""),
        ("{".into(), ""),
        ("not JSON".into(), ""),
        (String::new(), ""),
        ("[]".into(), ""),
        (
            statement(
                "{\"Effect\":\"Allow\",\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::box/*\"}",
            ),
            "",
        ),
        (
            statement(
                "{\"Effect\":\"Maybe\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::box/*\"}",
            ),
            "",
        ),
        (
            statement(
                "{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:user/*\"},\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::box/*\"}",
            ),
            "",
        ),
        ("[".repeat(100_000), ""),
    ] {
        let answer = put(&document);
        assert_eq!((answer.status, answer.code().as_str()), (400, "MalformedPolicy"), "{document:.100}: {answer}");
        if !message.is_empty() {
            assert_eq!(answer.xml("Message"), message, "{document}");
        }
    }
    let long = statement(&format!(
        "{{\"Sid\":\"{}\",\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":[{}]}}",
        "s".repeat(200),
        vec!["\"arn:aws:s3:::box/*\""; 2000].join(",")
    ));
    assert_eq!(put(&long).status, 400);
    client.send(client.request("GET", "box", "").query("policy", "")).expect(404, "NoSuchBucketPolicy");
}

/// B8: elsewhere whoever could write objects could write the policy too, and so open the bucket to himself or to all.
#[test]
fn writer_of_objects_cannot_write_the_policy() {
    let statements = json!([allow(
        &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]
    )]);
    let node = fixture::node(&["box"], &[("writer", statements)]);
    let writer = caller(&node, "writer");
    let open = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": {"AWS": user_arn("writer")}, "Action": "s3:*", "Resource": ["arn:aws:s3:::box", "arn:aws:s3:::box/*"]}]),
    );
    writer.put_policy("box", &open).expect(403, "AccessDenied");
    writer.send(writer.request("DELETE", "box", "").query("policy", "")).expect(403, "AccessDenied");
    writer.send(writer.request("GET", "box", "").query("policy", "")).expect(403, "AccessDenied");
    // An object called like the subresource is an object.
    writer.put("box", "?policy", "x").expect(200, "");
    node.client().send(node.client().request("GET", "box", "").query("policy", "")).expect(404, "NoSuchBucketPolicy");
}

/// Root can always repair a policy that locks everybody out, and nobody else can be made to by it.
#[test]
fn root_gets_out_of_a_policy_that_denies_everything_and_anonymous_never_gets_in() {
    let node = fixture::node(&["box"], &[]);
    let root = node.client();
    let everything = |effect: &str| {
        fixture::policy(
            &json!([{"Effect": effect, "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::box", "arn:aws:s3:::box/*"]}]),
        )
    };
    let lock =
        root.request("PUT", "box", "").query("policy", "").header("x-amz-confirm-remove-self-bucket-access", "true");
    root.send(lock.body(everything("Deny").to_string())).expect(204, "");
    root.put("box", "k", "x").expect(403, "AccessDenied");
    root.send(root.request("GET", "box", "").query("policy", "")).expect(200, "");
    root.send(root.request("DELETE", "box", "").query("policy", "")).expect(204, "");
    root.put("box", "k", "x").expect(200, "");
    root.put_policy("box", &everything("Allow")).expect(204, "");
    let anonymous = root.anonymous();
    anonymous.get("box", "k").expect(200, "");
    for method in ["GET", "PUT", "DELETE"] {
        let answer =
            anonymous.send(anonymous.request(method, "box", "").query("policy", "").body(if method == "PUT" {
                everything("Allow").to_string()
            } else {
                String::new()
            }));
        assert!(matches!(answer.status, 403 | 405), "{method}: {answer}");
    }
}

/// Two accounts: the usual one, and `other` with its own root.
fn two_accounts(buckets: &[&str], callers: &[(&str, serde_json::Value)], others: &[(&str, serde_json::Value)]) -> Node {
    let mut state = tests::node::state(fixture::account(buckets, callers));
    let mut other = fixture::account(&[], others);
    other["name"] = json!("other");
    other["accountId"] = json!("210987654321");
    other["root"] = json!({"accessKey": "AKIDOTHERROOT", "secretKey": "secret-of-the-other-root"});
    state["accounts"].as_array_mut().expect("accounts").push(other);
    tests::NodeBuilder::serve().arguments(&["--durability", "relaxed"]).state(state).start()
}

/// C19: elsewhere a bucket that was deleted and made anew by another owner came with the grants and the configuration of the old one.
#[test]
fn grants_and_configuration_die_with_their_bucket() {
    let all = allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]);
    let mut node = two_accounts(&[], &[("u", json!([all]))], &[]);
    let root = node.client();
    root.create_bucket("box").ok();
    let open = fixture::policy(&json!([
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::box/*"},
        {"Effect": "Allow", "Principal": {"AWS": user_arn("u")}, "Action": "s3:*", "Resource": ["arn:aws:s3:::box", "arn:aws:s3:::box/*"]},
    ]));
    root.put_policy("box", &open).expect(204, "");
    root.anonymous().put("box", "k", "x").ok();
    root.delete("box", "k").ok();
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    root.send(root.request("PUT", "box", "").query("versioning", "").body(enable)).expect(200, "");
    let upload = root.create_upload("box", "prefix/k");
    root.send(root.request("DELETE", "box", "prefix/k").query("uploadId", &upload)).expect(204, "");
    root.send(root.request("DELETE", "box", "")).expect(204, "");
    let owner = root.with("AKIDOTHERROOT", "secret-of-the-other-root");
    owner.create_bucket("box").ok();
    for round in 0..2 {
        let owner = node.client().with("AKIDOTHERROOT", "secret-of-the-other-root");
        owner.put("box", "prefix/k", "x").expect(200, "");
        owner.send(owner.request("GET", "box", "").query("policy", "")).expect(404, "NoSuchBucketPolicy");
        let versioning = owner.send(owner.request("GET", "box", "").query("versioning", ""));
        assert!(!versioning.expect(200, "").text().contains("Enabled"), "{versioning}");
        let uploads = owner.send(owner.request("GET", "box", "").query("uploads", ""));
        assert_eq!(uploads.expect(200, "").xml_all("Upload/Key"), Vec::<String>::new());
        for client in [node.client(), caller(&node, "u"), node.client().anonymous()] {
            client.get("box", "prefix/k").expect(403, "AccessDenied");
            client.put("box", "prefix/new", "x").expect(403, "AccessDenied");
            client.list("box", &[]).expect(403, "AccessDenied");
        }
        // The log that is read again at the start holds the old bucket's records too.
        if round == 0 {
            node.kill_9();
            node.restart();
        }
    }
}

/// C18: elsewhere two changes of one bucket's configuration at once ended with one of them lost, though both were answered 200.
#[test]
fn configuration_written_at_once_is_all_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let account = fixture::account(&["box"], &[]);
    let mut node = tests::NodeBuilder::serve().data(&directory.path().join("data")).account(account).start();
    let root = node.client();
    let policy = |round: usize, writer: usize| {
        fixture::policy(
            &json!([{"Sid": format!("r{round}w{writer}"), "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"}]),
        )
    };
    let versioning = |status: &str| {
        let body = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        root.send(root.request("PUT", "box", "").query("versioning", "").body(body)).expect(200, "");
    };
    for round in 0..10 {
        let status = if round % 2 == 0 { "Enabled" } else { "Suspended" };
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (root, policy) = (&root, &policy);
                scope.spawn(move || root.put_policy("box", &policy(round, writer)).expect(204, "").status);
            }
            scope.spawn(|| versioning(status));
        });
        let stored = root.send(root.request("GET", "box", "").query("policy", "")).expect(200, "").text();
        let stored: serde_json::Value = serde_json::from_str(&stored).expect("a whole document");
        assert!((0..4).any(|writer| stored == policy(round, writer)), "{stored}");
        let answer = root.send(root.request("GET", "box", "").query("versioning", ""));
        assert_eq!(answer.xml("Status"), status, "round {round}: {answer}");
    }
    // What is in force is what is stored, and what is stored is what the next start finds.
    let policy = |node: &Node| {
        let root = node.client();
        root.send(root.request("GET", "box", "").query("policy", "")).expect(200, "").text()
    };
    let stored = policy(&node);
    root.put("box", "k", "x").ok();
    root.anonymous().get("box", "k").expect(200, "");
    node.kill_9();
    node.restart();
    assert_eq!(policy(&node), stored);
    node.client().anonymous().get("box", "k").expect(200, "");
    let answer = node.client().send(node.client().request("GET", "box", "").query("versioning", ""));
    assert_eq!(answer.xml("Status"), "Suspended", "{answer}");
}

/// A bucket policy that names another account gives it the owner's half only: the caller's own policy must allow as well. A user that it
/// names directly needs nothing more (LANGUAGE.md, the decision, 3).
#[test]
fn other_accounts_caller_needs_the_owners_grant_and_its_own() {
    let reads = json!([allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])]);
    let idle = json!([allow(&["s3:GetObject"], &["arn:aws:s3:::other/*"])]);
    let node = two_accounts(&["box"], &[], &[("reader", reads), ("idle", idle)]);
    let root = node.client();
    root.put("box", "k", "body").ok();
    let (reader, idle) = (caller(&node, "reader"), caller(&node, "idle"));
    let other_root = root.with("AKIDOTHERROOT", "secret-of-the-other-root");
    for client in [&reader, &idle, &other_root] {
        assert_eq!(client.get("box", "k").expect(403, "AccessDenied").xml("Message"), "Access Denied");
    }
    other_root.create_bucket("box").expect(409, "BucketAlreadyExists");
    let grant = |principal: &str| {
        let document = fixture::policy(
            &json!([{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"}]),
        );
        root.put_policy("box", &document).expect(204, "");
    };
    grant("arn:aws:iam::210987654321:user/idle");
    assert_eq!([reader.get("box", "k").status, idle.get("box", "k").status], [403, 200]);
    grant("210987654321");
    assert_eq!(
        [reader.get("box", "k").status, idle.get("box", "k").status, other_root.get("box", "k").status],
        [200, 403, 200]
    );
    // Nobody but the owner touches the policy.
    assert!(matches!(other_root.put_policy("box", &fixture::policy(&json!([]))).status, 403 | 405));
}
