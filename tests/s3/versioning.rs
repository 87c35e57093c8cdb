//! Versions and delete markers.

use serde_json::json;
use tests::{Client, Response};

use crate::fixture::{self, allow, caller, deny};

fn versioning(client: &Client, status: &str) -> Response {
    let body = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    client.send(client.request("PUT", "box", "").query("versioning", "").body(body))
}

fn versions(client: &Client) -> Response {
    client.send(client.request("GET", "box", "").query("versions", ""))
}

fn version(answer: &Response) -> String {
    answer.ok().header("x-amz-version-id").unwrap_or_else(|| panic!("no version id in {answer}")).to_owned()
}

fn with_version(client: &Client, method: &str, key: &str, id: &str) -> Response {
    client.send(client.request(method, "box", key).query("versionId", id))
}

#[test]
fn every_put_keeps_its_version_and_a_delete_hides_it() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let status = || client.send(client.request("GET", "box", "").query("versioning", "")).xml("Status");
    assert_eq!(status(), "");
    client.put("box", "k", "before").ok();
    versioning(&client, "Enabled").expect(200, "");
    assert_eq!(status(), "Enabled");
    let one = version(&client.put("box", "k", "one"));
    let two = version(&client.put("box", "k", "two"));
    assert_ne!(one, two);
    assert_eq!(client.get("box", "k").text(), "two");
    for (id, body) in [("null", "before"), (&one, "one"), (&two, "two")] {
        assert_eq!(with_version(&client, "GET", "k", id).expect(200, "").text(), body);
    }
    let deleted = client.delete("box", "k");
    assert_eq!(deleted.expect(204, "").header("x-amz-delete-marker"), Some("true"));
    let marker = version(&deleted);
    assert_eq!(client.get("box", "k").expect(404, "NoSuchKey").header("x-amz-delete-marker"), Some("true"));
    assert_eq!(client.keys("box"), Vec::<String>::new());
    let listed = versions(&client);
    assert_eq!(listed.expect(200, "").xml_all("Version/VersionId"), [two.as_str(), &one, "null"]);
    assert_eq!(listed.xml_all("DeleteMarker/VersionId"), std::slice::from_ref(&marker));
    assert_eq!(
        (listed.xml_all("Version/IsLatest").concat(), listed.xml("DeleteMarker/IsLatest")),
        ("falsefalsefalse".into(), "true".into())
    );
    with_version(&client, "GET", "k", &marker).expect(405, "MethodNotAllowed");
    with_version(&client, "DELETE", "k", &marker).expect(204, "");
    assert_eq!(client.get("box", "k").text(), "two");
    with_version(&client, "DELETE", "k", &two).expect(204, "");
    assert_eq!(client.get("box", "k").text(), "one");
    with_version(&client, "GET", "k", &two).expect(404, "NoSuchVersion");
    with_version(&client, "GET", "k", "made-up").expect(400, "InvalidArgument");
    client.send(client.request("DELETE", "box", "")).expect(409, "BucketNotEmpty");
}

#[test]
fn suspended_versioning_replaces_the_null_version_only() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    versioning(&client, "Enabled").expect(200, "");
    let one = version(&client.put("box", "k", "one"));
    versioning(&client, "Suspended").expect(200, "");
    client.put("box", "k", "null 1").ok();
    client.put("box", "k", "null 2").ok();
    assert_eq!(versions(&client).xml_all("Version/VersionId"), ["null", &one]);
    assert_eq!(client.get("box", "k").text(), "null 2");
    client.delete("box", "k").expect(204, "");
    let listed = versions(&client);
    assert_eq!(
        (listed.xml_all("DeleteMarker/VersionId"), listed.xml_all("Version/VersionId")),
        (vec!["null".to_owned()], vec![one.clone()])
    );
    assert_eq!(with_version(&client, "GET", "k", &one).text(), "one");
    versioning(&client, "Off").expect(400, "MalformedXML");
}

/// F5: elsewhere a key that was deleted right after versioning was enabled stayed in the listing.
#[test]
fn key_deleted_right_after_versioning_was_enabled_is_hidden() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for key in ["a", "b", "dir/c"] {
        client.put("box", key, key).ok();
    }
    versioning(&client, "Enabled").expect(200, "");
    for key in ["a", "dir/c"] {
        client.delete("box", key).expect(204, "");
    }
    assert_eq!(client.keys("box"), ["b"]);
    // A prefix of nothing but hidden keys is no prefix.
    assert_eq!(client.list("box", &[("delimiter", "/")]).xml_all("CommonPrefixes/Prefix"), Vec::<String>::new());
    assert_eq!(with_version(&client, "GET", "a", "null").expect(200, "").text(), "a");
}

/// F6: elsewhere a copy onto itself shared its data with the version that was deleted afterwards.
#[test]
fn copied_version_owns_its_data() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    versioning(&client, "Enabled").expect(200, "");
    let body = fixture::noise(9, 3 << 20);
    let first = version(&client.put("box", "k", body.clone()));
    let copy = client
        .request("PUT", "box", "k")
        .header("x-amz-copy-source", "box/k")
        .header("x-amz-metadata-directive", "REPLACE");
    let second = version(&client.send(copy.header("x-amz-meta-a", "b")));
    let of_version =
        client.request("PUT", "box", "other").header("x-amz-copy-source", format!("box/k?versionId={first}"));
    client.send(of_version).expect(200, "");
    with_version(&client, "DELETE", "k", &first).expect(204, "");
    assert!(with_version(&client, "GET", "k", &second).expect(200, "").body == body);
    assert!(client.get("box", "other").expect(200, "").body == body);
}

/// B1, B2, B10: elsewhere a version was read, deleted or listed with the permission for the current object.
#[test]
fn versions_have_permissions_of_their_own() {
    let plain = json!([allow(
        &["s3:GetObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutObject"],
        &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]
    )]);
    let keeper = json!([
        allow(&["s3:*"], &["arn:aws:s3:::box", "arn:aws:s3:::box/*"]),
        deny(&["s3:DeleteObjectVersion"], &["arn:aws:s3:::box/*"])
    ]);
    let node = fixture::node(&["box"], &[("plain", plain), ("keeper", keeper)]);
    let root = node.client();
    versioning(&root, "Enabled").expect(200, "");
    let id = version(&root.put("box", "k", "body"));
    let (plain, keeper) = (caller(&node, "plain"), caller(&node, "keeper"));
    plain.get("box", "k").expect(200, "");
    for named in [id.as_str(), "null"] {
        with_version(&plain, "GET", "k", named).expect(403, "AccessDenied");
        assert_eq!(with_version(&plain, "HEAD", "k", named).status, 403);
        with_version(&plain, "DELETE", "k", named).expect(403, "AccessDenied");
        let copy = plain.request("PUT", "box", "copy").header("x-amz-copy-source", format!("box/k?versionId={named}"));
        plain.send(copy).expect(403, "AccessDenied");
    }
    versions(&plain).expect(403, "AccessDenied");
    with_version(&keeper, "GET", "k", &id).expect(200, "");
    with_version(&keeper, "DELETE", "k", &id).expect(403, "AccessDenied");
    let batch = format!("<Delete><Object><Key>k</Key><VersionId>{id}</VersionId></Object></Delete>");
    let request = keeper
        .request("POST", "box", "")
        .query("delete", "")
        .header("content-md5", tests::checksum::content_md5(batch.as_bytes()));
    assert_eq!(keeper.send(request.body(batch)).expect(200, "").xml_all("Error/Code"), ["AccessDenied"]);
    keeper.delete("box", "k").expect(204, "");
    assert_eq!(with_version(&root, "GET", "k", &id).text(), "body");
}
