//! Tags of objects, and policies that read them.

use serde_json::json;
use tests::{Client, Response};

use crate::fixture::{self, allow, caller};

fn tag_set(tags: &[(&str, &str)]) -> String {
    let tags: String =
        tags.iter().map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")).collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

fn put_tags(client: &Client, key: &str, tags: &[(&str, &str)]) -> Response {
    client.send(client.request("PUT", "box", key).query("tagging", "").body(tag_set(tags)))
}

#[test]
fn tags_are_set_read_counted_and_removed() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let tagging = |method: &str| client.send(client.request(method, "box", "k").query("tagging", ""));
    client
        .send(client.request("PUT", "box", "k").header("x-amz-tagging", "a=1&b=two%20words").body("body"))
        .expect(200, "");
    assert_eq!(tagging("GET").expect(200, "").xml_all("Tag/Key"), ["a", "b"]);
    assert_eq!(tagging("GET").xml_all("Tag/Value"), ["1", "two words"]);
    assert_eq!(client.head("box", "k").header("x-amz-tagging-count"), Some("2"));
    put_tags(&client, "k", &[("c", "3")]).expect(200, "");
    assert_eq!(tagging("GET").xml_all("Tag/Key"), ["c"]);
    tagging("DELETE").expect(204, "");
    assert_eq!(tagging("GET").xml_all("Tag/Key"), Vec::<String>::new());
    put_tags(&client, "missing", &[("c", "3")]).expect(404, "NoSuchKey");
    put_tags(&client, "k", &[("same", "1"), ("same", "2")]).expect(400, "InvalidTag");
    put_tags(&client, "k", &[(&"k".repeat(129), "1")]).expect(400, "InvalidTag");
    let eleven: Vec<(String, String)> = (0..11).map(|n| (format!("k{n}"), String::new())).collect();
    let eleven: Vec<(&str, &str)> = eleven.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(put_tags(&client, "k", &eleven).status, 400);
    assert_eq!(client.get("box", "k").expect(200, "").text(), "body");
}

/// B6: elsewhere a header of PutObject set tags that its sender had no permission to set.
#[test]
fn tags_in_a_put_need_their_own_permission() {
    let writer = json!([allow(&["s3:PutObject", "s3:GetObject"], &["arn:aws:s3:::box/*"])]);
    let node = fixture::node(&["box"], &[("writer", writer)]);
    let writer = caller(&node, "writer");
    writer
        .send(writer.request("PUT", "box", "k").header("x-amz-tagging", "public=yes").body("x"))
        .expect(403, "AccessDenied");
    put_tags(&writer, "k", &[("public", "yes")]).expect(403, "AccessDenied");
    writer.put("box", "k", "x").expect(200, "");
    let upload = writer.request("POST", "box", "k").query("uploads", "").header("x-amz-tagging", "public=yes");
    writer.send(upload).expect(403, "AccessDenied");
    // Nor retention, nor a hold.
    for (name, value, action) in [
        ("x-amz-object-lock-mode", "COMPLIANCE", "s3:PutObjectRetention"),
        ("x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z", "s3:PutObjectRetention"),
        ("x-amz-object-lock-legal-hold", "ON", "s3:PutObjectLegalHold"),
    ] {
        let answer = writer.send(writer.request("PUT", "box", "k").header(name, value).body("x"));
        assert!(answer.expect(403, "AccessDenied").xml("Message").contains(action), "{answer}");
    }
}

/// C13: elsewhere tags were not loaded where a policy asked for them, so a tagged object looked untagged.
#[test]
fn policy_sees_the_tags_that_an_object_has_and_those_that_a_request_sets() {
    let mut public = allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
    public["Condition"] = json!({"StringEquals": {"s3:ExistingObjectTag/public": "yes"}});
    let mut secret = fixture::deny(&["s3:DeleteObjectTagging"], &["arn:aws:s3:::box/*"]);
    secret["Condition"] = json!({"StringEquals": {"s3:ExistingObjectTag/keep": "yes"}});
    let mut request = allow(&["s3:PutObject", "s3:PutObjectTagging"], &["arn:aws:s3:::box/*"]);
    request["Condition"] = json!({"StringEquals": {"s3:RequestObjectTag/team": "blue"}});
    let statements = json!([public, allow(&["s3:DeleteObjectTagging"], &["arn:aws:s3:::box/*"]), secret, request]);
    let node = fixture::node(&["box"], &[("u", statements)]);
    let root = node.client();
    for key in ["tagged", "bare"] {
        root.put("box", key, key).ok();
    }
    put_tags(&root, "tagged", &[("public", "yes"), ("keep", "yes")]).expect(200, "");
    let user = caller(&node, "u");
    assert_eq!(user.get("box", "tagged").expect(200, "").text(), "tagged");
    assert_eq!(user.head("box", "tagged").status, 200);
    user.get("box", "bare").expect(403, "AccessDenied");
    let untag = |key: &str| user.send(user.request("DELETE", "box", key).query("tagging", ""));
    untag("tagged").expect(403, "AccessDenied");
    untag("bare").expect(204, "");
    let put = |tags: &str| user.send(user.request("PUT", "box", "new").header("x-amz-tagging", tags).body("x"));
    put("team=red").expect(403, "AccessDenied");
    put("team=blue").expect(200, "");
    user.put("box", "new", "x").expect(403, "AccessDenied");
}
