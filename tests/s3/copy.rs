//! CopyObject and the copy of a part: two objects, two permissions.

use serde_json::json;
use tests::checksum;

use crate::fixture::{self, allow, caller};

#[test]
fn copy_keeps_body_and_metadata_or_replaces_them() {
    let node = fixture::node(&["origin", "box"], &[]);
    let client = node.client();
    let body = fixture::noise(3, 300_000);
    let put = client
        .request("PUT", "origin", "from me")
        .header("x-amz-meta-colour", "red")
        .header("content-type", "text/x-a");
    client.send(put.body(body.clone())).ok();
    let answer = client.copy("origin", "from me", "box", "to");
    assert_eq!(answer.expect(200, "").xml("CopyObjectResult/ETag"), checksum::etag(&body));
    let copy = client.get("box", "to");
    assert!(copy.expect(200, "").body == body);
    assert_eq!((copy.header("x-amz-meta-colour"), copy.header("content-type")), (Some("red"), Some("text/x-a")));
    let replace = client
        .request("PUT", "box", "to2")
        .header("x-amz-copy-source", "origin/from%20me")
        .header("x-amz-metadata-directive", "REPLACE");
    client.send(replace.header("x-amz-meta-shape", "round")).expect(200, "");
    let copy = client.head("box", "to2");
    assert_eq!((copy.header("x-amz-meta-colour"), copy.header("x-amz-meta-shape")), (None, Some("round")));
    client.copy("box", "to", "box", "to").expect(400, "InvalidRequest");
    client.copy("origin", "absent", "box", "to").expect(404, "NoSuchKey");
    client.copy("absent", "k", "box", "to").expect(404, "NoSuchBucket");
    let condition = client
        .request("PUT", "box", "to3")
        .header("x-amz-copy-source", "origin/from%20me")
        .header("x-amz-copy-source-if-match", "\"other\"");
    client.send(condition).expect(412, "PreconditionFailed");
    // The source may go: the copy owns its bytes.
    client.delete("origin", "from me").expect(204, "");
    assert!(client.get("box", "to").expect(200, "").body == body);
}

/// B4: elsewhere a copy read from a bucket that its caller could not.
#[test]
fn copy_from_what_the_caller_cannot_read_is_denied_before_the_source_is_looked_at() {
    let writer = json!([allow(&["s3:PutObject", "s3:GetObject"], &["arn:aws:s3:::mine/*"])]);
    let node = fixture::node(&["mine", "theirs"], &[("writer", writer)]);
    node.client().put("theirs", "secret", "secret").ok();
    let writer = caller(&node, "writer");
    writer.put("mine", "own", "own").ok();
    for key in ["secret", "missing"] {
        writer.copy("theirs", key, "mine", "stolen").expect(403, "AccessDenied");
    }
    writer.copy("absent", "secret", "mine", "stolen").expect(403, "AccessDenied");
    writer.copy("mine", "own", "mine", "copied").expect(200, "");
    let upload = writer.create_upload("mine", "stolen");
    for key in ["secret", "missing"] {
        let part =
            writer.part_request("mine", "stolen", &upload, 1).header("x-amz-copy-source", format!("theirs/{key}"));
        writer.send(part).expect(403, "AccessDenied");
    }
    node.client().get("mine", "stolen").expect(404, "NoSuchKey");
}

/// B5: elsewhere the condition on the source held for whole copies only, not for parts.
#[test]
fn condition_on_the_copy_source_holds_for_copies_and_parts() {
    let mut put = allow(&["s3:PutObject"], &["arn:aws:s3:::box/*"]);
    put["Condition"] = json!({"StringLike": {"s3:x-amz-copy-source": "box/public/*"}});
    let read = allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
    let node = fixture::node(&["box"], &[("copier", json!([put, read]))]);
    let root = node.client();
    for key in ["public/k", "private/k"] {
        root.put("box", key, key).ok();
    }
    let copier = caller(&node, "copier");
    let copy = |source: &str, to: tests::Request| copier.send(to.header("x-amz-copy-source", source));
    copy("box/public/k", copier.request("PUT", "box", "to")).expect(200, "");
    copy("box/private/k", copier.request("PUT", "box", "to")).expect(403, "AccessDenied");
    // However the header spells it, the key is what will be read.
    for source in ["/box/private/k", "box/%70rivate/k", "box/public/../private/k", "box/private/k?versionId=null"] {
        copy(source, copier.request("PUT", "box", "to")).expect(403, "AccessDenied");
    }
    copy("/box/%70ublic/k", copier.request("PUT", "box", "to")).expect(200, "");
    copier.put("box", "to", "no source at all").expect(403, "AccessDenied");
    let upload = root.create_upload("box", "parts");
    let part = || copier.part_request("box", "parts", &upload, 1);
    copy("box/private/k", part()).expect(403, "AccessDenied");
    let copied = copy("box/public/k", part().header("x-amz-copy-source-range", "bytes=0-5"));
    let etag = copied.expect(200, "").xml("CopyPartResult/ETag");
    root.complete_upload("box", "parts", &upload, &[etag]).expect(200, "");
    assert_eq!(root.get("box", "parts").text(), "public");
    let upload = root.create_upload("box", "parts");
    let part = root.part_request("box", "parts", &upload, 1).header("x-amz-copy-source", "box/public/k");
    root.send(part.header("x-amz-copy-source-range", "bytes=5-100")).expect(416, "InvalidRange");
}

/// E2: elsewhere the source was taken apart twice, by two rules, and the second found another bucket.
#[test]
fn copy_source_that_climbs_reaches_no_other_bucket() {
    let writer = json!([allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"])]);
    let node = fixture::node(&["box", "victim"], &[("writer", writer)]);
    node.client().put("victim", "k", "the victim's secret").ok();
    let writer = caller(&node, "writer");
    for source in [
        "box/../victim/k",
        "/box/../victim/k",
        "box/%2e%2e/victim/k",
        "box%2F..%2Fvictim%2Fk",
        "box/..%2Fvictim/k",
        "box//../victim/k",
        "../victim/k",
        "box\\..\\victim\\k",
        "box/../victim/k%3FversionId=null",
        "victim%2Fk",
        "/victim/k",
        "//victim/k",
        "victim/k?versionId=null",
        "%2e%2e/victim/k",
        "box%00/../victim/k",
        "",
        "/",
        "box",
        "box/",
        "?",
        "arn:aws:s3:::victim/k",
        "%zz/k",
        "box/k?versionId=",
    ] {
        let answer = writer.send(writer.request("PUT", "box", "stolen").header("x-amz-copy-source", source));
        assert!((400..500).contains(&answer.status), "{source}: {answer}");
    }
    assert_eq!(node.client().keys("box"), Vec::<String>::new());
}
