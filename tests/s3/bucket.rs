//! Buckets: made, found, listed, deleted.

use crate::fixture::{self, allow, caller};
use serde_json::json;

/// F11: elsewhere creating one's own bucket again was a conflict, which breaks every "create if missing".
#[test]
fn creating_ones_own_bucket_again_succeeds_in_us_east_1() {
    let node = fixture::node(&[], &[]);
    let client = node.client();
    assert_eq!(client.create_bucket("mine").expect(200, "").header("location"), Some("/mine"));
    client.put("mine", "k", "body").ok();
    client.create_bucket("mine").expect(200, "");
    assert_eq!(client.get("mine", "k").expect(200, "").text(), "body");
}

#[test]
fn bucket_is_found_listed_and_deleted() {
    let node = fixture::node(&[], &[]);
    let client = node.client();
    for name in ["zeta", "alpha", "mid.dle", "123"] {
        client.create_bucket(name).expect(200, "");
    }
    let list = client.send(client.request("GET", "", ""));
    assert_eq!(list.expect(200, "").xml_all("Bucket/Name"), ["123", "alpha", "mid.dle", "zeta"]);
    assert!(list.xml_all("Bucket/CreationDate").iter().all(|d| d.ends_with('Z')), "{list}");
    assert_ne!(list.xml("Owner/ID"), "");
    let page = client.send(client.request("GET", "", "").query("max-buckets", "2").query("prefix", ""));
    assert_eq!(page.xml_all("Bucket/Name"), ["123", "alpha"]);
    let next = client.send(client.request("GET", "", "").query("continuation-token", &page.xml("ContinuationToken")));
    assert_eq!(next.xml_all("Bucket/Name"), ["mid.dle", "zeta"]);
    let prefix = client.send(client.request("GET", "", "").query("prefix", "al"));
    assert_eq!(prefix.xml_all("Bucket/Name"), ["alpha"]);
    assert_eq!(
        client.send(client.request("HEAD", "alpha", "")).expect(200, "").header("x-amz-bucket-region"),
        Some("us-east-1")
    );
    let location = client.send(client.request("GET", "alpha", "").query("location", ""));
    assert_eq!(location.expect(200, "").xml("LocationConstraint"), "");
    client.put("alpha", "k", "body").ok();
    client.send(client.request("DELETE", "alpha", "")).expect(409, "BucketNotEmpty");
    client.delete("alpha", "k").expect(204, "");
    client.send(client.request("DELETE", "alpha", "")).expect(204, "");
    client.send(client.request("DELETE", "alpha", "")).expect(404, "NoSuchBucket");
    assert_eq!(client.send(client.request("HEAD", "alpha", "")).status, 404);
}

#[test]
fn operations_on_an_unknown_bucket_say_so() {
    let node = fixture::node(&[], &[]);
    let client = node.client();
    for (method, key, query) in [
        ("GET", "", "list-type=2"),
        ("GET", "", ""),
        ("GET", "", "location"),
        ("GET", "", "policy"),
        ("GET", "", "uploads"),
        ("DELETE", "", ""),
        ("GET", "k", ""),
        ("PUT", "k", ""),
        ("DELETE", "k", ""),
        ("POST", "k", "uploads"),
    ] {
        let mut request = client.request(method, "absent", key);
        for parameter in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            request = request.query(name, value);
        }
        let answer = client.send(request);
        answer.expect(404, "NoSuchBucket");
        assert_eq!(answer.xml("BucketName"), "absent", "{method} {key} {query}");
    }
    assert_eq!(client.head("absent", "k").status, 404);
}

/// E4: elsewhere a bucket named like the server's own metadata could be written to.
#[test]
fn bucket_name_outside_the_rules_is_refused() {
    let node = fixture::node(&[], &[]);
    let client = node.client();
    let before = tree(&node.data());
    let long = "a".repeat(64);
    for name in [
        ".minio.sys",
        ".meta",
        ".strongroom",
        "a",
        "ab",
        "UPPER",
        "under_score",
        "-a-b",
        "a-b-",
        "a..b",
        "192.168.5.4",
        "xn--abc",
        "sthree-x",
        "a-s3alias",
        &long,
    ] {
        client.create_bucket(name).expect(400, "InvalidBucketName");
        let put = client.put(name, "k", "body");
        assert!(matches!(put.status, 400 | 404), "{name}: {put}");
    }
    for target in ["/..", "/.", "/../x", "/%2e%2e/x", "/..%2fx"] {
        let answer = client.send(client.target("PUT", target).body("x"));
        assert!((400..500).contains(&answer.status), "{target}: {answer}");
    }
    assert_eq!(tree(&node.data()), before, "nothing new in the data directory");
    assert_eq!(client.send(client.request("GET", "", "")).xml_all("Bucket/Name"), Vec::<String>::new());
}

fn tree(directory: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        names.push(path.display().to_string());
        if path.is_dir() {
            names.extend(tree(&path));
        }
    }
    names.sort();
    names
}

#[test]
fn location_constraint_is_checked() {
    let node = fixture::node(&[], &[]);
    let client = node.client();
    let create = |name: &str, body: &str| client.send(client.request("PUT", name, "").body(body));
    let constraint = |region: &str| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    create("no-xml", "this is no XML").expect(400, "MalformedXML");
    create("elsewhere", &constraint("mars-north-1")).expect(400, "InvalidLocationConstraint");
    create("here", &constraint("")).expect(200, "");
}

#[test]
fn host_names_a_bucket_below_localhost() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let port = node.s3().port();
    let virtual_host = |method: &str, target: &str| {
        let mut request = client.target(method, target);
        request.set("host", format!("box.localhost:{port}"));
        request
    };
    client.send(virtual_host("PUT", "/some/key").body("body")).expect(200, "");
    assert_eq!(client.get("box", "some/key").expect(200, "").text(), "body");
    assert_eq!(client.send(virtual_host("GET", "/?list-type=2")).expect(200, "").xml_all("Contents/Key"), ["some/key"]);
    assert_eq!(node.ready()["s3Virtual"], format!("http://localhost:{port}"));
}

#[test]
fn list_buckets_shows_what_the_caller_may_list() {
    let all = json!([allow(&["s3:ListAllMyBuckets"], &["*"])]);
    let one = json!([allow(&["s3:ListBucket"], &["arn:aws:s3:::two"])]);
    let none = json!([allow(&["s3:GetObject"], &["arn:aws:s3:::two/*"])]);
    let node = fixture::node(&["one", "two"], &[("all", all), ("one", one), ("none", none)]);
    let list = |name: &str| {
        let client = caller(&node, name);
        client.send(client.request("GET", "", ""))
    };
    assert_eq!(list("all").expect(200, "").xml_all("Bucket/Name"), ["one", "two"]);
    assert_eq!(list("one").expect(200, "").xml_all("Bucket/Name"), ["two"]);
    list("none").expect(403, "AccessDenied");
    let anonymous = node.client().anonymous();
    anonymous.send(anonymous.request("GET", "", "")).expect(403, "AccessDenied");
}
