//! Every operation is judged by exactly its row of `s3-authorization.json`, over HTTP: what the row lists is enough, and each of it is needed.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Client, Node, NodeBuilder, Request, Response};

use crate::fixture::{self, allow, caller, deny};

/// The table, and a request for each of its operations and conditions.
pub(crate) fn fixtures() -> (Value, Value) {
    let parse = |text| serde_json::from_str(text).expect("fixtures are JSON");
    (parse(include_str!("../fixtures/s3-authorization.json")), parse(include_str!("../fixtures/s3-requests.json")))
}

/// One operation under one condition of its row.
struct Case {
    name: String,
    operation: String,
    request: Value,
    added: Value,
    /// The (action, ARN) pairs that the row asks for then.
    pairs: Vec<(String, String)>,
}

/// What one of the case's callers may do, and which action its denial must name.
struct Caller {
    name: String,
    statements: Value,
    denied: Option<(String, String)>,
    /// Whether a statement denies it, rather than none allowing it.
    explicit: bool,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The ARN of a pair of the row of `operation`.
fn arn(pair: &Value, operation: &str, source: &str) -> String {
    let when = text(pair, "when");
    let of_source = when.starts_with("copy source") || when.contains("the source has tags");
    match text(pair, "resource") {
        "service" => "arn:aws:s3:::*".into(),
        "bucket" if operation == "CreateBucket" => "arn:aws:s3:::new-box".into(),
        "bucket" => "arn:aws:s3:::box".into(),
        _ if of_source => format!("arn:aws:s3:::source/{source}"),
        _ => "arn:aws:s3:::box/k".into(),
    }
}

fn cases() -> Vec<Case> {
    let (table, requests) = fixtures();
    let mut cases = Vec::new();
    // A form's key, signature and policy are in its body: it has a test of its own.
    for row in list(&table, "operations").iter().filter(|row| text(row, "op") != "PostObject") {
        let operation = text(row, "op");
        let whens: BTreeSet<&str> = list(row, "permissions").iter().map(|pair| text(pair, "when")).collect();
        let condition = |when: &str| &requests["conditions"][when];
        let plain = whens.iter().filter(|when| condition(when)["variants"][0] == json!({}));
        let plain: BTreeSet<&str> = plain.copied().collect();
        for when in &whens {
            let mut holding = plain.clone();
            holding.insert(*when);
            holding.extend(list(condition(when), "together_with").iter().filter_map(Value::as_str));
            for other in list(condition(when), "instead_of") {
                holding.remove(other.as_str().expect("a name"));
            }
            let source = if condition(when)["found_by_handler"] == true { "tagged" } else { "k" };
            let pairs = list(row, "permissions").iter().filter(|pair| holding.contains(text(pair, "when")));
            let pairs: Vec<_> =
                pairs.map(|pair| (text(pair, "action").to_owned(), arn(pair, operation, source))).collect();
            for variant in list(condition(when), "variants") {
                cases.push(Case {
                    name: format!("{operation}, {when}, {variant}"),
                    operation: operation.into(),
                    request: requests["operations"][operation].clone(),
                    added: variant.clone(),
                    pairs: pairs.clone(),
                });
            }
        }
    }
    assert!(cases.len() > 130, "{}", cases.len());
    cases
}

/// One caller with the whole row, and for each action one without it and one to whom it is denied.
fn callers(number: usize, case: &Case) -> Vec<Caller> {
    let grants = |pairs: &[(String, String)]| -> Vec<Value> {
        pairs.iter().map(|(action, arn)| allow(&[action], &[arn])).collect()
    };
    let mut callers = vec![Caller {
        name: format!("c{number}-all"),
        statements: json!(grants(&case.pairs)),
        denied: None,
        explicit: false,
    }];
    for (index, pair) in case.pairs.iter().enumerate() {
        let mut others = case.pairs.clone();
        others.remove(index);
        let mut statements = grants(&others);
        // A permission has at least one statement.
        statements.push(deny(&["s3:GetBucketWebsite"], &["arn:aws:s3:::elsewhere"]));
        let denied = Some(pair.clone());
        let name = format!("c{number}-without-{index}");
        callers.push(Caller { name, statements: json!(statements), denied: denied.clone(), explicit: false });
        let mut statements = vec![allow(&["s3:*"], &["*"])];
        statements.push(deny(&[&pair.0], &[&pair.1]));
        let name = format!("c{number}-denied-{index}");
        callers.push(Caller { name, statements: json!(statements), denied, explicit: true });
    }
    callers
}

/// Versions of the objects that requests name.
struct Versions {
    object: String,
    source: String,
}

fn put(root: &Client, bucket: &str, key: &str, tags: &str) -> String {
    let mut request = root.request("PUT", bucket, key).body("x");
    if !tags.is_empty() {
        request.set("x-amz-tagging", tags);
    }
    root.send(request).expect(200, "").header("x-amz-version-id").expect("a versioned bucket").to_owned()
}

/// The request of a case, unsigned.
pub(crate) fn request(client: &Client, base: &Value, added: &Value, fill: &dyn Fn(&str) -> String) -> Request {
    let (bucket, key) = match text(base, "target") {
        "service" => ("", ""),
        "bucket" => ("box", ""),
        "new-bucket" => ("new-box", ""),
        _ => ("box", "k"),
    };
    let mut request = client.request(text(base, "method"), bucket, key);
    let query = [text(base, "query"), text(added, "query")].join("&");
    let query = fill(query.trim_matches('&'));
    if !query.is_empty() {
        request.target = format!("{}?{query}", request.target);
    }
    for (name, value) in [base, added].iter().filter_map(|it| it["headers"].as_object()).flatten() {
        request.set(name, fill(value.as_str().expect("a header's value")));
    }
    let body = if added["body"].is_string() { text(added, "body") } else { text(base, "body") };
    request.body(fill(body))
}

fn fill(versions: &Versions) -> impl Fn(&str) -> String {
    |text: &str| {
        let words = [
            ("SOURCE_VERSION", versions.source.as_str()),
            ("TAGGED_SOURCE", "source/tagged"),
            ("SOURCE", "source/k"),
            ("VERSION", &versions.object),
            ("UPLOAD", "upload"),
            ("BUCKET", "box"),
            ("KEY", "k"),
        ];
        words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }
}

fn start(callers: &[Caller]) -> Node {
    let callers: Vec<(&str, Value)> =
        callers.iter().map(|caller| (caller.name.as_str(), caller.statements.clone())).collect();
    let account = fixture::account(&["box", "source"], &callers);
    let node = NodeBuilder::serve().arguments(&["--durability", "relaxed"]).account(account).start();
    let root = node.client();
    for bucket in ["box", "source"] {
        let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        root.send(root.request("PUT", bucket, "").query("versioning", "").body(enable)).expect(200, "");
    }
    node
}

/// Whether the answer is a denial, and its text; DeleteObjects answers for each key.
fn denial(operation: &str, answer: &Response) -> Option<String> {
    if operation == "DeleteObjects" && answer.status == 200 {
        return (answer.xml("Error/Code") == "AccessDenied").then(|| answer.xml("Error/Message"));
    }
    (answer.status == 403).then(|| answer.xml("Message"))
}

#[test]
fn every_operation_needs_exactly_the_actions_of_its_row() {
    let cases = cases();
    let mut all = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        all.extend(callers(number, case).into_iter().map(|caller| (case, caller)));
    }
    let (of_cases, callers): (Vec<&Case>, Vec<Caller>) = all.into_iter().unzip();
    let node = start(&callers);
    let root = node.client();
    let source = put(&root, "source", "k", "");
    put(&root, "source", "tagged", "a=1");
    let mut faults = Vec::new();
    for (case, it) in of_cases.iter().zip(&callers) {
        // What is judged exists: a missing key may be answered like a denial.
        let versions = Versions { object: put(&root, "box", "k", ""), source: source.clone() };
        let client = caller(&node, &it.name);
        let answer = client.send(request(&client, &case.request, &case.added, &fill(&versions)));
        let denied = denial(&case.operation, &answer);
        let right = match (&it.denied, &denied) {
            (None, None) => true,
            // A HEAD has no body; that it was denied is all that can be seen.
            (Some(_), Some(_)) if text(&case.request, "method") == "HEAD" => true,
            (Some((action, arn)), Some(message)) => {
                let reason =
                    if it.explicit { "with an explicit deny in" } else { "because no identity-based policy allows" };
                message.contains(&format!("to perform: {action} on resource: \"{arn}\"")) && message.contains(reason)
            }
            _ => false,
        };
        if !right {
            faults.push(format!("{} as {} with {}: {answer}", case.name, it.name, it.statements));
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// Forms aren't taken yet: nobody writes by one, with whatever rights.
#[test]
fn form_upload_is_refused_to_everybody() {
    let node = fixture::node(&["box"], &[("u", json!([allow(&["s3:*"], &["arn:aws:s3:::*"])]))]);
    for client in [node.client(), caller(&node, "u"), node.client().anonymous()] {
        let form = client.request("POST", "box", "").header("content-type", "multipart/form-data; boundary=b");
        let form = form.body("--b\r\ncontent-disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n");
        client.send(form).expect(501, "NotImplemented");
    }
    node.client().get("box", "k").expect(404, "NoSuchKey");
}

/// B11: elsewhere retention was changed by whoever asked. It is judged first, and only then not implemented.
#[test]
fn retention_is_judged_before_anything_else() {
    let may = |action: &str| json!([allow(&[action], &["arn:aws:s3:::box/*"])]);
    let callers = [
        ("none", may("s3:GetObject")),
        ("keeper", may("s3:PutObjectRetention")),
        ("holder", may("s3:PutObjectLegalHold")),
    ];
    let node = fixture::node(&["box"], &callers);
    node.client().put("box", "k", "x").ok();
    let put = |name: &str, subresource: &str, body: &str| {
        let client = caller(&node, name);
        client.send(client.request("PUT", "box", "k").query(subresource, "").body(body))
    };
    let retention =
        "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let hold = "<LegalHold><Status>OFF</Status></LegalHold>";
    for name in ["none", "holder"] {
        put(name, "retention", retention).expect(403, "AccessDenied");
        put(name, "retention", "garbage").expect(403, "AccessDenied");
    }
    for name in ["none", "keeper"] {
        put(name, "legal-hold", hold).expect(403, "AccessDenied");
    }
    put("keeper", "retention", retention).expect(501, "NotImplemented");
    put("holder", "legal-hold", hold).expect(501, "NotImplemented");
    let bypass = caller(&node, "keeper");
    let shorten =
        bypass.request("PUT", "box", "k").query("retention", "").header("x-amz-bypass-governance-retention", "true");
    let answer = bypass.send(shorten.body(retention));
    assert!(answer.expect(403, "AccessDenied").xml("Message").contains("s3:BypassGovernanceRetention"), "{answer}");
}

/// B12: elsewhere a Deny of the bypass was read for unversioned deletes only, so a version was deleted in spite of it.
#[test]
fn denied_bypass_of_governance_refuses_the_delete_of_a_version() {
    let all = allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]);
    let callers = [
        ("denied", json!([all, deny(&["s3:BypassGovernanceRetention"], &["arn:aws:s3:::box/*"])])),
        ("deleter", json!([allow(&["s3:DeleteObjectVersion"], &["arn:aws:s3:::box/*"])])),
        ("both", json!([all])),
    ];
    let node = fixture::node(&["box"], &callers);
    let root = node.client();
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    root.send(root.request("PUT", "box", "").query("versioning", "").body(enable)).expect(200, "");
    let version = put(&root, "box", "k", "");
    let single = |client: &Client| {
        let request = client.request("DELETE", "box", "k").query("versionId", &version);
        client.send(request.header("X-Amz-Bypass-Governance-Retention", "TRUE"))
    };
    let several = |client: &Client| {
        let body = format!("<Delete><Object><Key>k</Key><VersionId>{version}</VersionId></Object></Delete>");
        let request = client.request("POST", "box", "").query("delete", "").body(body);
        client.send(request.header("x-amz-bypass-governance-retention", "true"))
    };
    for name in ["denied", "deleter"] {
        let client = caller(&node, name);
        let answer = single(&client);
        assert!(answer.expect(403, "AccessDenied").xml("Message").contains("s3:BypassGovernanceRetention"), "{answer}");
        let answer = several(&client).expect(200, "").xml("Error/Message");
        assert!(answer.contains("s3:BypassGovernanceRetention"), "{name}: {answer}");
    }
    root.send(root.request("GET", "box", "k").query("versionId", &version)).expect(200, "");
    assert_eq!(several(&caller(&node, "both")).expect(200, "").xml("Deleted/VersionId"), version);
}

/// An explicit Deny of either delete action blocks the delete of what has no versions (AWS, DeleteObject).
#[test]
fn either_delete_action_denied_blocks_deletes_in_an_unversioned_bucket() {
    let all = allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]);
    let denied = |action: &str| json!([all, deny(&[action], &["arn:aws:s3:::box/*"])]);
    let node = fixture::node(
        &["box"],
        &[("plain", denied("s3:DeleteObject")), ("version", denied("s3:DeleteObjectVersion")), ("free", json!([all]))],
    );
    node.client().put("box", "k", "x").ok();
    let delete = |name: &str, version: Option<&str>| {
        let client = caller(&node, name);
        let request = client.request("DELETE", "box", "k");
        client.send(match version {
            Some(version) => request.query("versionId", version),
            None => request,
        })
    };
    for name in ["plain", "version"] {
        delete(name, None).expect(403, "AccessDenied");
        delete(name, Some("null")).expect(403, "AccessDenied");
        let client = caller(&node, name);
        let body = "<Delete><Object><Key>k</Key></Object></Delete>";
        let answer = client.send(client.request("POST", "box", "").query("delete", "").body(body));
        assert_eq!(answer.expect(200, "").xml("Error/Code"), "AccessDenied", "{answer}");
    }
    node.client().get("box", "k").expect(200, "");
    delete("free", None).expect(204, "");
    // With versions each is its own action.
    let root = node.client();
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    root.send(root.request("PUT", "box", "").query("versioning", "").body(enable)).expect(200, "");
    put(&root, "box", "k", "");
    delete("version", None).expect(204, "");
    delete("plain", Some("null")).expect(204, "");
}

/// Lifecycle rules delete in their author's stead, so whoever is denied deletes can't set them (AWS, PutBucketLifecycleConfiguration).
#[test]
fn denied_deletes_block_lifecycle_rules() {
    let all = allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]);
    let denied = |action: &str, resource: &str| json!([all, deny(&[action], &[resource])]);
    let node = fixture::node(
        &["box"],
        &[
            ("plain", denied("s3:DeleteObject", "arn:aws:s3:::box/*")),
            ("version", denied("s3:DeleteObjectVersion", "arn:aws:s3:::box/*")),
            ("elsewhere", denied("s3:DeleteObject", "arn:aws:s3:::box/logs/*")),
        ],
    );
    for (name, status) in [("plain", 403), ("version", 403), ("elsewhere", 501)] {
        let client = caller(&node, name);
        let answer =
            client.send(client.request("PUT", "box", "").query("lifecycle", "").body("<LifecycleConfiguration/>"));
        assert_eq!(answer.status, status, "{name}: {answer}");
    }
}

/// B14: elsewhere the answer to a caller who may list one bucket only was 403, 500 or empty, by release. One rule: all buckets with
/// s3:ListAllMyBuckets, else those that the caller may list, and 403 when there is none or when a statement denies the list.
#[test]
fn list_of_buckets_is_what_the_caller_may_list() {
    let list = |bucket: &str| allow(&["s3:ListBucket"], &[&format!("arn:aws:s3:::{bucket}")]);
    let service = |effect: fn(&[&str], &[&str]) -> Value| effect(&["s3:ListAllMyBuckets"], &["arn:aws:s3:::*"]);
    let callers = [
        ("one", json!([list("box")])),
        ("some", json!([list("box*")])),
        ("all", json!([service(allow)])),
        ("star", json!([allow(&["s3:ListAllMyBuckets"], &["*"])])),
        ("none", json!([allow(&["s3:GetObject"], &["arn:aws:s3:::*"])])),
        ("denied", json!([list("box"), service(deny)])),
        ("objects", json!([allow(&["s3:ListBucket"], &["arn:aws:s3:::box/*"])])),
    ];
    let node = fixture::node(&["box", "box2", "other"], &callers);
    let names = |name: &str| {
        let client = caller(&node, name);
        let answer = client.send(client.request("GET", "", ""));
        (answer.status, answer.xml_all("Bucket/Name").join(" "))
    };
    for (name, status, buckets) in [
        ("one", 200, "box"),
        ("some", 200, "box box2"),
        ("all", 200, "box box2 other"),
        ("star", 200, "box box2 other"),
        ("none", 403, ""),
        ("denied", 403, ""),
        ("objects", 403, ""),
    ] {
        assert_eq!(names(name), (status, buckets.into()), "{name}");
    }
    // A bucket's own policy shows it to its readers as well.
    let readers = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": {"AWS": fixture::user_arn("none")}, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::other"}]),
    );
    node.client().put_policy("other", &readers).expect(204, "");
    assert_eq!(names("none"), (200, "other".into()));
    let anonymous = node.client().anonymous();
    anonymous.send(anonymous.request("GET", "", "")).expect(403, "AccessDenied");
}
