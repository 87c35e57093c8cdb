//! Signatures in the query: URLs that open for whoever holds them.

use std::time::Duration;

use serde_json::json;
use tests::Signer;

use crate::fixture::{self, allow, caller};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn presigned_url_opens_for_get_head_put_and_delete() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let anyone = client.anonymous();
    let url = |method: &str| client.presigned(client.request(method, "box", "k"), MINUTE);
    anyone.send_as_is(&url("PUT").body("by url")).expect(200, "");
    assert_eq!(anyone.send_as_is(&url("GET")).expect(200, "").text(), "by url");
    assert_eq!(anyone.send_as_is(&url("HEAD")).expect(200, "").header("content-length"), Some("6"));
    anyone.send_as_is(&url("DELETE")).expect(204, "");
    anyone.send_as_is(&url("GET")).expect(404, "NoSuchKey");
}

/// A3: elsewhere headers that nobody signed were honoured: a URL for one upload could copy, publish or tag.
#[test]
fn amz_header_that_the_url_does_not_sign_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "secret", "secret").ok();
    for (name, value) in [
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "public-read"),
        ("x-amz-copy-source", "/box/secret"),
        ("x-amz-meta-colour", "red"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-website-redirect-location", "/x"),
    ] {
        let url = client.presigned(client.request("PUT", "box", "k"), MINUTE);
        let answer = client.send_as_is(&url.header(name, value).body("body"));
        answer.expect(403, "AccessDenied");
        assert!(answer.text().contains(name), "the answer names {name}: {answer}");
    }
    client.get("box", "k").expect(404, "NoSuchKey");
    let url = client.presigned(client.request("PUT", "box", "k").header("x-amz-meta-colour", "red"), MINUTE);
    client.send_as_is(&url.clone().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").body("body")).expect(200, "");
    assert_eq!(client.head("box", "k").header("x-amz-meta-colour"), Some("red"));
    let mut other = url.body("body");
    other.set("x-amz-meta-colour", "blue");
    client.send_as_is(&other).expect(403, "SignatureDoesNotMatch");
}

/// A9: elsewhere URLs for a month, for no time or for less than none were accepted.
#[test]
fn lifetime_outside_one_second_to_seven_days_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "body").ok();
    let open = |expires: &str| {
        let mut request = client.request("GET", "box", "k");
        client.signer().presign_text(&mut request, expires);
        client.send_as_is(&request)
    };
    for expires in ["604801", "0", "-1", "-60", "x", "", "99999999999999999999", "1.5"] {
        let answer = open(expires);
        assert!(matches!(answer.status, 400 | 403), "{expires}: {answer}");
        assert_ne!(answer.code(), "", "{expires}: {answer}");
    }
    open("604800").expect(200, "");
    open("5").expect(200, "");
}

#[test]
fn expired_or_future_url_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "body").ok();
    let open = |seconds: i64, expires: u64| {
        let time = client.signer().time + jiff::SignedDuration::from_secs(seconds);
        let mut request = client.request("GET", "box", "k");
        Signer { time, ..client.signer() }.presign(&mut request, Duration::from_secs(expires));
        client.send_as_is(&request)
    };
    let answer = open(-120, 60);
    answer.expect(403, "AccessDenied");
    assert!(answer.text().contains("expired"), "{answer}");
    assert_eq!(open(3600, 60).status, 403);
    // A URL may be old as long as it lives: the skew of headers doesn't apply.
    open(-86400, 86400 + 600).expect(200, "");
}

#[test]
fn altered_url_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "k", "body").ok();
    let url = client.presigned(client.request("GET", "box", "k"), MINUTE);
    client.send_as_is(&url).expect(200, "");
    for (from, to) in [
        ("/box/k?", "/box/other?"),
        ("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
    ] {
        let mut altered = url.clone();
        altered.target = altered.target.replace(from, to);
        assert_ne!(altered.target, url.target);
        client.send_as_is(&altered).expect(403, "SignatureDoesNotMatch");
    }
    client.send_as_is(&url.clone().query("versionId", "null")).expect(403, "SignatureDoesNotMatch");
    let mut twice = url.clone();
    client.signer().sign(&mut twice);
    let answer = client.send_as_is(&twice);
    assert_eq!(answer.status, 400, "two signatures in one request: {answer}");
}

/// A presigned URL carries its maker's rights, judged by the address of whoever opens it.
#[test]
fn url_is_judged_by_the_address_that_opens_it() {
    let mut statement = allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
    statement["Condition"] = json!({"IpAddress": {"aws:SourceIp": "127.0.21.0/24"}});
    let node = fixture::node(&["box"], &[("inside", json!([statement]))]);
    node.client().put("box", "k", "body").ok();
    let maker = caller(&node, "inside");
    let url = maker.presigned(maker.request("GET", "box", "k"), MINUTE);
    maker.from("127.0.21.9").send_as_is(&url).expect(200, "");
    maker.from("127.0.20.9").send_as_is(&url).expect(403, "AccessDenied");
    maker.from("127.0.22.1").send_as_is(&url).expect(403, "AccessDenied");
}

/// Presigners move headers into the query, where the signature covers them too.
#[test]
fn signed_parameters_of_a_url_count_as_the_headers_they_stand_for() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    client.put("box", "from", "source").ok();
    client.put("box", "to", "destination").ok();
    let copy = client.request("PUT", "box", "to").query("x-amz-copy-source", "/box/from");
    client.send_as_is(&client.presigned(copy, MINUTE)).expect(200, "");
    assert_eq!(client.get("box", "to").text(), "source");
    let tagged = client.request("PUT", "box", "k").query("x-amz-meta-colour", "red").query("x-amz-tagging", "a=b");
    client.send_as_is(&client.presigned(tagged, MINUTE).body("body")).expect(200, "");
    let head = client.head("box", "k");
    assert_eq!((head.header("x-amz-meta-colour"), head.header("x-amz-tagging-count")), (Some("red"), Some("1")));
    let encrypted = client.request("PUT", "box", "k").query("x-amz-server-side-encryption", "AES256");
    client.send_as_is(&client.presigned(encrypted, MINUTE).body("body")).expect(501, "NotImplemented");
}
