//! The story that the node is built around: data that may be listed from anywhere and read from one place only.
//!
//! Lightly's worker needs `s3:ListBucket` from anywhere and the objects from its own network; Lyve Cloud's customers import permission files. Both come here as
//! their publishers print them, with addresses of the loopback range: 127.0.21.0/24 is the allowed network, 127.0.22.0/24 the VPC `vpc-111bbb22`.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Client, Node, NodeBuilder, Response};

use crate::fixture::{self, caller, user_arn};

const COW: &str = "projects/farm-animals/cow.jpg";
const PRIVATE: &str = "projects/other/plan.txt";
const INSIDE: &str = "127.0.21.5";
const VPC: &str = "127.0.22.5";
const OUTSIDE: [&str; 4] = ["127.0.0.1", "127.0.20.255", "127.0.23.1", "127.21.21.21"];

/// `Restrict IP-Range` of Lightly's page.
fn restrict_ip() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "RestrictIP",
                "Action": "s3:*",
                "Effect": "Allow",
                "Resource": ["arn:aws:s3:::datalake", "arn:aws:s3:::datalake/projects/farm-animals/*"],
                "Condition": {"IpAddress": {"aws:SourceIp": ["127.0.21.0/24"]}}
            },
            allow_lightly()
        ]
    })
}

/// `Restrict VPC` of Lightly's page.
fn restrict_vpc() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "RestrictVPC",
                "Action": "s3:*",
                "Effect": "Allow",
                "Resource": ["arn:aws:s3:::datalake", "arn:aws:s3:::datalake/projects/farm-animals/*"],
                "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-111bbb22"}}
            },
            allow_lightly()
        ]
    })
}

fn allow_lightly() -> Value {
    json!({
        "Sid": "AllowLightly",
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": ["arn:aws:s3:::datalake", "arn:aws:s3:::datalake/projects/farm-animals/*"]
    })
}

/// The permission with three statements of Lyve Cloud's page.
fn lyve_three_statements() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "statement1", "Action": ["s3:ListBucket"], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket"],
         "Condition": {"StringLike": {"s3:prefix": ["David/*"]}}},
        {"Sid": "statement2", "Action": ["s3:GetObject", "s3:PutObject"], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket/David/*"]},
        {"Sid": "statement3", "Action": ["s3:DeleteObject"], "Effect": "Deny",
         "Resource": ["arn:aws:s3:::mybucket/David/*", "arn:aws:s3:::mycorporatebucket/share/marketing/*"]}
    ]})
}

/// The permission that denies by address of Lyve Cloud's page.
fn lyve_deny_by_address() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Sid-1", "Action": ["s3:*"], "Effect": "Deny", "Resource": ["arn:aws:s3:::mybucket"],
         "Condition": {"NotIpAddress": {"aws:SourceIp": ["127.0.21.36/32"]}}},
        {"Sid": "Sid-2", "Action": ["s3:*"], "Effect": "Allow", "Resource": ["arn:aws:s3:::mybucket", "arn:aws:s3:::mybucket/*"]}
    ]})
}

fn story() -> Node {
    let permission = |name: &str, dialect: &str, policy: Value| json!({"name": name, "type": "policy", "dialect": dialect, "policy": policy});
    let lister = json!({"Version": "2012-10-17", "Statement": [allow_lightly()]});
    let marketing = fixture::allow(&["s3:*"], &["arn:aws:s3:::mycorporatebucket/*"]);
    let account = json!({
        "permissions": [
            permission("lightly-ip", "lyve", restrict_ip()),
            permission("lightly-vpc", "aws", restrict_vpc()),
            permission("lightly-list", "lyve", lister),
            permission("lyve-david", "lyve", lyve_three_statements()),
            permission("lyve-address", "lyve", lyve_deny_by_address()),
            permission("marketing", "aws", fixture::policy(&json!([marketing]))),
        ],
        "serviceAccounts": [
            fixture::service_account("worker", &["lightly-ip"]),
            fixture::service_account("vpc-worker", &["lightly-vpc"]),
            fixture::service_account("lister", &["lightly-list"]),
            fixture::service_account("david", &["lyve-david", "marketing"]),
            fixture::service_account("address", &["lyve-address"]),
        ],
        "buckets": [{"name": "datalake"}, {"name": "mybucket"}, {"name": "mycorporatebucket"}],
    });
    let arguments = [
        "--network",
        "127.0.22.0/24=vpc-111bbb22",
        "--network",
        "127.0.22.128/25=vpc-999ccc88,vpce-1",
        "--log-format",
        "json",
        "--explain-denials",
    ];
    let node = NodeBuilder::serve().arguments(&arguments).account(account).start();
    let root = node.client();
    root.put("datalake", COW, "moo").ok();
    root.put("datalake", "projects/farm-animals/pig.jpg", "oink!").ok();
    root.put("datalake", PRIVATE, "secret").ok();
    root.put("mybucket", "David/notes", "notes").ok();
    root.put("mybucket", "Eve/notes", "notes").ok();
    root.put("mycorporatebucket", "share/marketing/slides", "slides").ok();
    root.put("mycorporatebucket", "share/sales/slides", "slides").ok();
    node
}

/// Names, sizes and dates, as Lightly reads them.
#[track_caller]
fn lists_everything(client: &Client) {
    let page = client.list("datalake", &[]);
    assert_eq!(page.expect(200, "").xml_all("Contents/Key"), [COW, "projects/farm-animals/pig.jpg", PRIVATE]);
    assert_eq!(page.xml_all("Contents/Size"), ["3", "5", "6"]);
    let dates = page.xml_all("Contents/LastModified");
    assert!(dates.len() == 3 && dates.iter().all(|date| date.ends_with('Z')), "{dates:?}");
    assert_eq!(client.send(client.request("HEAD", "datalake", "")).status, 200);
}

#[test]
fn worker_reads_inside_its_range_and_lists_from_anywhere() {
    let node = story();
    let worker = caller(&node, "worker");
    let inside = worker.from(INSIDE);
    lists_everything(&inside);
    assert_eq!(inside.get("datalake", COW).expect(200, "").text(), "moo");
    assert_eq!(inside.head("datalake", COW).expect(200, "").header("content-length"), Some("3"));
    inside.put("datalake", "projects/farm-animals/predictions.json", "{}").expect(200, "");
    inside.copy("datalake", COW, "datalake", "projects/farm-animals/copy.jpg").expect(200, "");
    inside.delete("datalake", "projects/farm-animals/copy.jpg").expect(204, "");
    inside.delete("datalake", "projects/farm-animals/predictions.json").expect(204, "");
    // The range is a /24: both its ends are in, their neighbours are out.
    worker.from("127.0.21.0").get("datalake", COW).expect(200, "");
    worker.from("127.0.21.255").get("datalake", COW).expect(200, "");
    for address in OUTSIDE.into_iter().chain([VPC]) {
        let outside = worker.from(address);
        lists_everything(&outside);
        outside.get("datalake", COW).expect(403, "AccessDenied");
        assert_eq!(outside.head("datalake", COW).status, 403, "{address}");
        outside.put("datalake", COW, "x").expect(403, "AccessDenied");
        outside.delete("datalake", COW).expect(403, "AccessDenied");
        outside.copy("datalake", COW, "datalake", "projects/farm-animals/copy.jpg").expect(403, "AccessDenied");
    }
    // Keys outside the project are denied inside the range too, there or not.
    for key in [
        PRIVATE,
        "projects/other/missing",
        "projects/farm-animals",
        "Projects/farm-animals/cow.jpg",
        "projects/farm-animals/../other/plan.txt",
    ] {
        let answer = inside.get("datalake", key);
        if key.starts_with("projects/farm-animals/") {
            // An opaque key below the project: allowed, and not there.
            answer.expect(404, "NoSuchKey");
        } else {
            answer.expect(403, "AccessDenied");
        }
        worker.from(OUTSIDE[0]).get("datalake", key).expect(403, "AccessDenied");
    }
}

#[test]
fn vpc_worker_reads_inside_its_vpc_only() {
    let node = story();
    let worker = caller(&node, "vpc-worker");
    let inside = worker.from(VPC);
    lists_everything(&inside);
    inside.get("datalake", COW).expect(200, "");
    inside.get("datalake", PRIVATE).expect(403, "AccessDenied");
    // The longest matching network names the VPC: 127.0.22.128/25 is another one.
    worker.from("127.0.22.127").get("datalake", COW).expect(200, "");
    for address in ["127.0.22.128", "127.0.22.200", INSIDE].into_iter().chain(OUTSIDE) {
        lists_everything(&worker.from(address));
        worker.from(address).get("datalake", COW).expect(403, "AccessDenied");
    }
}

/// What Lightly's verification meets outside the zone, where `datasource.bypass_verify` is needed.
#[test]
fn lister_sees_names_sizes_and_dates_and_is_denied_all_else_alike_for_existing_and_missing_keys() {
    let node = story();
    for address in [INSIDE, VPC].into_iter().chain(OUTSIDE) {
        let lister = caller(&node, "lister").from(address);
        lists_everything(&lister);
        let mut answers: Vec<Vec<(u16, String)>> = Vec::new();
        for key in [COW, "projects/farm-animals/missing", PRIVATE, "missing"] {
            answers.push(denied_requests(&lister, key).iter().map(|answer| (answer.status, answer.code())).collect());
        }
        for answer in &answers {
            assert_eq!(answer, &answers[0], "an existing key can't be told from a missing one");
            for (status, code) in answer {
                assert!(*status == 403 && (code == "AccessDenied" || code.is_empty()), "{answers:?}");
            }
        }
        let delete = format!("<Delete><Object><Key>{COW}</Key></Object><Object><Key>missing</Key></Object></Delete>");
        let batch = lister.request("POST", "datalake", "").query("delete", "");
        let batch =
            lister.send(batch.header("content-md5", tests::checksum::content_md5(delete.as_bytes())).body(delete));
        assert_eq!(batch.expect(200, "").xml_all("Error/Code"), ["AccessDenied", "AccessDenied"]);
        assert_eq!(batch.xml_all("Deleted/Key"), Vec::<String>::new());
    }
    assert_eq!(node.client().get("datalake", COW).text(), "moo");
}

/// Every way to an object or its tags.
fn denied_requests(client: &Client, key: &str) -> Vec<Response> {
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let object = |method: &str| client.request(method, "datalake", key);
    let copy = client
        .request("PUT", "datalake", "projects/farm-animals/stolen")
        .header("x-amz-copy-source", format!("datalake/{key}"));
    let requests = [
        object("GET"),
        object("HEAD"),
        object("GET").header("range", "bytes=0-0"),
        object("GET").header("if-none-match", "*"),
        object("GET").query("versionId", "null"),
        object("GET").query("attributes", "").header("x-amz-object-attributes", "ETag,ObjectSize"),
        object("GET").query("tagging", ""),
        object("PUT")
            .query("tagging", "")
            .header("content-md5", tests::checksum::content_md5(tags.as_bytes()))
            .body(tags),
        object("DELETE").query("tagging", ""),
        object("GET").query("acl", ""),
        object("PUT").body("x"),
        object("DELETE"),
        object("POST").query("uploads", ""),
        copy,
    ];
    requests.into_iter().map(|request| client.send(request)).collect()
}

#[test]
fn presigned_url_is_judged_by_the_address_that_opens_it() {
    let node = story();
    let worker = caller(&node, "worker");
    // Made outside, where the worker may not read.
    let url = worker.from(OUTSIDE[0]).presigned(worker.request("GET", "datalake", COW), Duration::from_secs(600));
    let anyone = node.client().anonymous();
    assert_eq!(anyone.from(INSIDE).send_as_is(&url).expect(200, "").text(), "moo");
    for address in OUTSIDE {
        anyone.from(address).send_as_is(&url).expect(403, "AccessDenied");
    }
    // Lightly's platform shows images by URL: the lister's open nowhere.
    let lister = caller(&node, "lister");
    let url = lister.presigned(lister.request("GET", "datalake", COW), Duration::from_secs(600));
    anyone.from(INSIDE).send_as_is(&url).expect(403, "AccessDenied");
}

#[test]
fn davids_three_statements_hold() {
    let node = story();
    let david = caller(&node, "david");
    assert_eq!(
        david.list("mybucket", &[("prefix", "David/")]).expect(200, "").xml_all("Contents/Key"),
        ["David/notes"]
    );
    assert_eq!(
        david.list("mybucket", &[("prefix", "David/no")]).expect(200, "").xml_all("Contents/Key"),
        ["David/notes"]
    );
    for prefix in ["", "David", "Eve/", "david/"] {
        david.list("mybucket", &[("prefix", prefix)]).expect(403, "AccessDenied");
    }
    david.list("mybucket", &[]).expect(403, "AccessDenied");
    david.put("mybucket", "David/new", "new").expect(200, "");
    assert_eq!(david.get("mybucket", "David/new").expect(200, "").text(), "new");
    david.get("mybucket", "Eve/notes").expect(403, "AccessDenied");
    david.put("mybucket", "Eve/new", "x").expect(403, "AccessDenied");
    // statement3 denies what the other permission of his allows.
    david.delete("mybucket", "David/new").expect(403, "AccessDenied");
    david.delete("mycorporatebucket", "share/marketing/slides").expect(403, "AccessDenied");
    david.delete("mycorporatebucket", "share/sales/slides").expect(204, "");
    let line = node.logged(&["share/marketing/slides", "statement3", "lyve-david"]);
    assert!(line.contains("s3:DeleteObject") && line.contains("david"), "{line}");
}

/// The document denies the bucket, not its objects, outside the address: so objects stay readable from anywhere.
#[test]
fn deny_by_address_holds_for_the_bucket_as_it_is_written() {
    let node = story();
    let address = caller(&node, "address");
    let inside = address.from("127.0.21.36");
    inside.list("mybucket", &[]).expect(200, "");
    inside.put("mybucket", "k", "x").expect(200, "");
    for outside in ["127.0.21.35", "127.0.21.37", "127.0.0.1", VPC] {
        let outside = address.from(outside);
        let answer = outside.list("mybucket", &[]);
        answer.expect(403, "AccessDenied");
        assert!(answer.xml("Message").ends_with("with an explicit deny in an identity-based policy"), "{answer}");
        assert!(answer.header("x-strongroom-denied-by").is_some_and(|by| by.contains("Sid-1")), "{answer}");
        outside.get("mybucket", "David/notes").expect(200, "");
        outside.put("mybucket", "k", "x").expect(200, "");
    }
    let line = node.logged(&["Sid-1", "lyve-address"]);
    assert!(line.contains("s3:ListBucket") && line.contains("127.0."), "{line}");
}

#[test]
fn denials_are_explained_in_the_log_and_by_policy_explain() {
    let node = story();
    caller(&node, "worker").from(OUTSIDE[1]).get("datalake", COW).expect(403, "AccessDenied");
    let line = node.logged(&[COW, OUTSIDE[1]]);
    let entry: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(
        (entry["caller"].as_str(), entry["decision"].as_str()),
        (Some(user_arn("worker").as_str()), Some("ImplicitDeny"))
    );
    assert_eq!(entry["decided_by"], "no permission's statement allows it");
    assert_eq!(entry["cause"], format!("s3:GetObject on arn:aws:s3:::datalake/{COW}"));

    // Why not? RestrictIP would have allowed it, but for the address.
    let case = |document: Value, user: &str, action: &str, resource: &str, address: &str| {
        json!({"policies": [{"kind": "identity", "document": document}],
            "request": {"principal": user_arn(user), "action": action, "resource": resource,
                "context": {"aws:SourceIp": address, "aws:SecureTransport": false, "aws:username": user}}})
    };
    let cow = format!("arn:aws:s3:::datalake/{COW}");
    let text = explain(&case(restrict_ip(), "worker", "s3:GetObject", &cow, OUTSIDE[1]));
    for word in ["RestrictIP", "aws:SourceIp"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let text = explain(&case(restrict_vpc(), "vpc-worker", "s3:GetObject", &cow, INSIDE));
    for word in ["RestrictVPC", "aws:SourceVpc"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let text = explain(&case(
        lyve_three_statements(),
        "david",
        "s3:DeleteObject",
        "arn:aws:s3:::mybucket/David/new",
        OUTSIDE[0],
    ));
    assert!(text.contains("statement3"), "{text}");
    let text = explain(&case(lyve_deny_by_address(), "address", "s3:ListBucket", "arn:aws:s3:::mybucket", OUTSIDE[0]));
    assert!(text.contains("Sid-1"), "{text}");
}

/// What `strongroom policy explain` prints for one request.
fn explain(case: &Value) -> String {
    let mut child = tests::binary::command()
        .args(["policy", "explain", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("piped").write_all(case.to_string().as_bytes()).expect("the command reads its input");
    let output = child.wait_with_output().expect("it ends");
    assert!(matches!(output.status.code(), Some(0 | 4)), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
