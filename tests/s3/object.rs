//! Objects: stored, read back, described, deleted.

use serde_json::json;
use tests::checksum;

use crate::fixture::{self, allow, caller, deny};

#[test]
fn object_comes_back_with_its_headers_and_metadata() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let headers = [
        ("cache-control", "no-store"),
        ("content-disposition", "inline; filename=\"x\""),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-type", "text/plain; charset=utf-8"),
        ("expires", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("x-amz-meta-one", "1"),
        ("x-amz-meta-two-words", "a  b"),
        ("x-amz-website-redirect-location", "/elsewhere"),
    ];
    let request = client.request("PUT", "box", "k").body("12345");
    let put = client.send(headers.iter().fold(request, |request, (name, value)| request.header(name, *value)));
    assert_eq!(put.expect(200, "").header("etag"), Some(checksum::etag(b"12345").as_str()));
    assert!(put.header("x-amz-request-id").is_some_and(|id| !id.is_empty()), "{put}");
    for method in ["GET", "HEAD"] {
        let answer = client.send(client.request(method, "box", "k"));
        answer.expect(200, "");
        for (name, value) in headers {
            assert_eq!(answer.header(name), Some(value), "{method} {name}");
        }
        assert_eq!(answer.header("content-length"), Some("5"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert!(answer.header("last-modified").is_some_and(|d| d.ends_with(" GMT")), "{answer}");
    }
    let request = client
        .request("GET", "box", "k")
        .query("response-content-type", "text/x")
        .query("response-cache-control", "no-cache");
    let overridden = client.send(request);
    assert_eq!(
        (overridden.header("content-type"), overridden.header("cache-control")),
        (Some("text/x"), Some("no-cache"))
    );
    client.put("box", "plain", "x").ok();
    assert_eq!(client.head("box", "plain").header("content-type"), Some("binary/octet-stream"));
}

#[test]
fn metadata_over_2_kib_and_unknown_storage_class_are_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let put = |name: &str, value: String| client.send(client.request("PUT", "box", "k").header(name, value).body("x"));
    put("x-amz-meta-a", "v".repeat(2047)).expect(200, "");
    put("x-amz-meta-a", "v".repeat(2049)).expect(400, "MetadataTooLarge");
    put("x-amz-storage-class", "MADE_UP".into()).expect(400, "InvalidStorageClass");
}

#[test]
fn bodies_of_every_size_come_back() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for size in [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 3 << 20, 17 << 20] {
        let body = fixture::noise(size as u64, size);
        client.put("box", "k", body.clone()).expect(200, "");
        let answer = client.get("box", "k");
        assert!(answer.expect(200, "").body == body, "{size} bytes differ");
        assert_eq!(answer.header("etag"), Some(checksum::etag(&body).as_str()), "{size}");
    }
}

#[test]
fn put_without_a_length_or_over_five_gib_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let mut request = client.request("PUT", "box", "k").header("content-length", (5_u64 * (1 << 30) + 1).to_string());
    request = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    client.signer().sign(&mut request);
    let mut connection = client.connect().expect("a connection");
    connection.write(&request.head()).expect("written");
    connection.read_response("PUT").expect("an answer").expect(400, "EntityTooLarge");

    let mut request = client
        .request("PUT", "box", "k")
        .header("transfer-encoding", "chunked")
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    client.signer().sign(&mut request);
    let request = request.body("2\r\nab\r\n0\r\n\r\n");
    client.send_as_is(&request).expect(411, "MissingContentLength");
}

/// An upload that its client gives up is not an object.
#[test]
fn body_that_ends_early_is_not_stored() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "before").ok();
    for size in [1000, 10 << 20] {
        let body = fixture::noise(1, size);
        let mut request =
            client.request("PUT", "box", "k").header("content-length", size.to_string()).body(body.clone());
        client.signer().sign(&mut request);
        let mut connection = client.connect().expect("a connection");
        connection.write(&request.head()).expect("written");
        connection.write(&body[..size / 2]).expect("written");
        connection.finish_writing().expect("half closed");
        if let Ok(answer) = connection.read_response("PUT") {
            assert_eq!(answer.status, 400, "{answer}");
        }
        assert_eq!(client.get("box", "k").text(), "before");
    }
}

/// A missing key is found missing only by those who may list.
#[test]
fn missing_key_is_404_with_list_bucket_and_403_without() {
    let read = allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
    let list = allow(&["s3:ListBucket"], &["arn:aws:s3:::box"]);
    let node = fixture::node(&["box"], &[("reader", json!([read])), ("lister", json!([read, list]))]);
    caller(&node, "lister").get("box", "missing").expect(404, "NoSuchKey");
    assert_eq!(caller(&node, "lister").head("box", "missing").status, 404);
    caller(&node, "reader").get("box", "missing").expect(403, "AccessDenied");
    assert_eq!(caller(&node, "reader").head("box", "missing").status, 403);
}

/// B3: elsewhere one denied key decided about the whole batch.
#[test]
fn delete_objects_judges_every_key() {
    let statements = json!([
        allow(&["s3:DeleteObject"], &["arn:aws:s3:::box/allowed/*"]),
        deny(&["s3:DeleteObject"], &["arn:aws:s3:::box/allowed/not/*"])
    ]);
    let node = fixture::node(&["box"], &[("cleaner", statements)]);
    let root = node.client();
    for key in ["allowed/a", "allowed/not/b", "other/c"] {
        root.put("box", key, "x").ok();
    }
    let cleaner = caller(&node, "cleaner");
    let keys = ["allowed/a", "other/c", "allowed/not/b", "allowed/missing", "other/missing"];
    let objects: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    let body = format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>");
    let request = cleaner
        .request("POST", "box", "")
        .query("delete", "")
        .header("content-md5", checksum::content_md5(body.as_bytes()));
    let answer = cleaner.send(request.body(body));
    assert_eq!(answer.expect(200, "").xml_all("Deleted/Key"), ["allowed/a", "allowed/missing"]);
    let mut refused = answer.xml_all("Error/Key");
    refused.sort();
    assert_eq!(refused, ["allowed/not/b", "other/c", "other/missing"]);
    assert!(answer.xml_all("Error/Code").iter().all(|code| code == "AccessDenied"), "{answer}");
    assert_eq!(root.keys("box"), ["allowed/not/b", "other/c"]);
}

#[test]
fn delete_objects_checks_its_body() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "x").ok();
    let send = |body: String, digest: Option<String>| {
        let request = client.request("POST", "box", "").query("delete", "");
        let digest = digest.unwrap_or_else(|| checksum::content_md5(body.as_bytes()));
        client.send(request.header("content-md5", digest).body(body))
    };
    let delete = |objects: &str| format!("<Delete>{objects}</Delete>");
    send(delete("<Object><Key>k</Key></Object>"), Some(checksum::content_md5(b"other"))).expect(400, "BadDigest");
    send("<Delete><Object>".into(), None).expect(400, "MalformedXML");
    send(delete(""), None).expect(400, "MalformedXML");
    send(delete(&"<Object><Key>x</Key></Object>".repeat(1001)), None).expect(400, "MalformedXML");
    assert_eq!(client.keys("box"), ["k"]);
    let quiet = send(delete("<Quiet>true</Quiet><Object><Key>k</Key></Object>"), None);
    assert_eq!(quiet.expect(200, "").xml_all("Deleted/Key"), Vec::<String>::new());
    assert_eq!(client.keys("box"), Vec::<String>::new());
}

/// Bodies are streamed: the node's memory doesn't grow with them.
#[test]
fn large_bodies_go_through_in_little_memory() {
    const SIZE: usize = 384 << 20;
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let body = fixture::noise(11, SIZE);
    let put = client.request("PUT", "box", "k").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    std::thread::scope(|scope| {
        for key in ["one", "two"] {
            let (client, body, mut put) = (&client, &body, put.clone());
            put.target = format!("/box/{key}");
            scope.spawn(move || {
                client.send(put.body(body.clone())).expect(200, "");
                assert!(client.get("box", key).expect(200, "").body == *body, "{key} differs");
            });
        }
    });
    let peak_kib = peak_memory_kib(node.pid());
    assert!(peak_kib < 100 << 10, "{peak_kib} KiB at the peak");
}

/// The most memory that a process ever had resident, in KiB.
fn peak_memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Appending is for directory buckets: stored as a whole, the end of an object would take its place.
#[test]
fn a_put_at_an_offset_is_refused_and_leaves_the_object() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "whole").ok();
    let append = client.request("PUT", "box", "k").header("x-amz-write-offset-bytes", "5").body(" and more");
    client.send(append).expect(501, "NotImplemented");
    assert_eq!(client.get("box", "k").expect(200, "").body, b"whole");
}

#[test]
fn an_entry_of_a_delete_with_two_keys_is_malformed() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "a", "v").ok();
    client.put("box", "b", "v").ok();
    let body = "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>";
    let request = client.request("POST", "box", "").query("delete", "").body(body);
    let answer = client.send(request.header("content-md5", checksum::content_md5(body.as_bytes())));
    assert!(answer.text().contains("MalformedXML"), "{answer}");
    assert_eq!(client.keys("box"), ["a", "b"]);
}
