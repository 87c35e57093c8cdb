//! Objects over the admin API: S3's handlers with whoever is signed in.

use serde_json::{Value, json};
use tests::node::{ROOT_ACCESS_KEY, ROOT_SECRET_KEY};
use tests::{Credentials, Node, Response, Signer};

use super::{Admin, Answer, node};
use crate::fixture;

/// A node with a bucket `box`, an object `a/b` in it, and a user of each role.
#[track_caller]
fn stored() -> Node {
    let users = ["admin", "storage-admin", "auditor"]
        .map(|role| json!({"name": role, "password": "some-password", "role": role}));
    let node = node(json!({"buckets": [{"name": "box"}], "users": users}));
    let put = node.client().request("PUT", "box", "a/b").header("x-amz-meta-colour", "green").body("hello world");
    node.client().send(put).ok();
    node
}

impl Admin {
    /// A call about an object of the bucket `box`.
    #[track_caller]
    fn object(&self, method: &str, key: &str, body: &[u8], headers: &[(&str, &str)]) -> Response {
        let request = self.request(method, &format!("/buckets/box/objects{key}"), None, headers);
        self.client.send_as_is(&request.body(body))
    }
}

#[test]
fn d12_each_role_does_with_objects_what_its_row_says() {
    let node = stored();
    for role in ["admin", "storage-admin", "auditor"] {
        let user = Admin::nobody(&node).with_user(role, "some-password");
        let may = role != "auditor";
        // Names and metadata are for all of them.
        let list = user.object("GET", "?list-type=2&prefix=a/", b"", &[]);
        assert_eq!(list.expect(200, "").xml("Contents/Key"), "a/b", "{role}");
        let head = user.object("HEAD", "/a/b", b"", &[]);
        assert_eq!(head.status, 200, "{role}");
        assert_eq!((head.header("content-length"), head.header("x-amz-meta-colour")), (Some("11"), Some("green")));
        user.object("GET", "/a/b?tagging", b"", &[]).expect(200, "");
        // Contents and changes are not.
        let own = format!("/{role}");
        let calls: [(&str, String, &[u8], u16); 7] = [
            ("GET", "/a/b".into(), b"", 200),
            ("PUT", own.clone(), b"text", 200),
            ("PUT", format!("{own}?tagging"), b"<Tagging><TagSet></TagSet></Tagging>", 200),
            ("POST", format!("{own}?uploads"), b"", 200),
            ("DELETE", own.clone(), b"", 204),
            ("DELETE", format!("{own}?tagging"), b"", 404),
            ("PUT", "/by-part?partNumber=1&uploadId=none".into(), b"text", 404),
        ];
        for (method, path, body, status) in calls {
            let answer = user.object(method, &path, body, &[]);
            if may {
                assert_eq!(answer.status, status, "{role} {method} {path}: {answer}");
            } else {
                let message = Answer(answer).refused(403, "AccessDenied");
                assert!(message.contains("user/console/auditor is not authorized to perform: s3:"), "{message}");
            }
        }
    }
    let nobody = Admin::nobody(&node);
    for (method, path) in [("GET", ""), ("GET", "/a/b"), ("PUT", "/c"), ("DELETE", "/a/b"), ("POST", "/c?uploads")] {
        Answer(nobody.object(method, path, b"", &[])).refused(401, "InvalidToken");
    }
    assert_eq!(node.client().get("box", "a/b").expect(200, "").body, b"hello world");
}

#[test]
fn objects_go_up_and_down_whole_in_ranges_and_in_parts() {
    let node = stored();
    let user = Admin::nobody(&node).with_user("storage-admin", "some-password");
    let range = user.object("GET", "/a/b", b"", &[("range", "bytes=6-")]);
    assert_eq!(
        (range.expect(206, "").body.as_slice(), range.header("content-range")),
        (&b"world"[..], Some("bytes 6-10/11"))
    );
    let etag = user.object("GET", "/a/b", b"", &[]).header("etag").expect("an ETag").to_owned();
    assert_eq!(user.object("GET", "/a/b", b"", &[("if-none-match", &etag)]).status, 304);
    // Keys are S3's, whatever they hold.
    let odd = "/folder//%C3%A4%20%2F../x+y";
    let large = fixture::noise(7, 9 << 20);
    user.object("PUT", odd, &large, &[("content-type", "text/html")]).expect(200, "");
    assert!(node.client().get("box", "folder//ä /../x+y").expect(200, "").body == large);
    let back = user.object("GET", odd, b"", &[]);
    assert!(back.expect(200, "").body == large);
    assert_eq!(back.header("content-type"), Some("text/html"));
    // What was stored can't act as the console.
    assert_eq!(back.header("content-security-policy"), Some("sandbox; default-src 'none'"));
    assert_eq!(
        (back.header("x-content-type-options"), back.header("cache-control")),
        (Some("nosniff"), Some("no-store"))
    );
    let upload = user.object("POST", "/parts?uploads", b"", &[]).expect(200, "").xml("UploadId");
    let parts = [fixture::noise(1, 5 << 20), fixture::noise(2, 1000)];
    let mut xml = String::new();
    for (number, part) in (1..).zip(&parts) {
        let put = user.object("PUT", &format!("/parts?partNumber={number}&uploadId={upload}"), part, &[]);
        let etag = put.expect(200, "").header("etag").expect("an ETag");
        xml += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let listed = user.object("GET", &format!("/parts?uploadId={upload}"), b"", &[]);
    assert_eq!(listed.expect(200, "").xml_all("Part/PartNumber").len(), 2);
    let xml = format!("<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>");
    user.object("POST", &format!("/parts?uploadId={upload}"), xml.as_bytes(), &[]).expect(200, "");
    assert!(user.object("GET", "/parts", b"", &[]).expect(200, "").body == parts.concat());
    let second = user.object("POST", "/gone?uploads", b"", &[]).expect(200, "").xml("UploadId");
    user.object("DELETE", &format!("/gone?uploadId={second}"), b"", &[]).expect(204, "");
    let delete = "<Delete><Object><Key>parts</Key></Object><Object><Key>a/b</Key></Object></Delete>";
    let md5 = tests::checksum::content_md5(delete.as_bytes());
    user.object("POST", "?delete", delete.as_bytes(), &[("content-md5", &md5)]).expect(200, "");
    user.object("DELETE", odd, b"", &[]).expect(204, "");
    assert_eq!(node.client().keys("box"), Vec::<String>::new());
    Answer(user.object("GET", "/a/b", b"", &[])).refused(404, "NoSuchKey");
    let elsewhere = user.request("GET", "/buckets/nowhere/objects/k", None, &[]);
    Answer(user.client.send_as_is(&elsewhere)).refused(404, "NoSuchBucket");
}

#[test]
fn permissions_and_bucket_policies_hold_here_as_on_the_s3_listener() {
    let users = json!([{"name": "eve", "password": "eve-password", "role": "storage-admin"}]);
    let policy = fixture::policy(&json!([fixture::allow(&["s3:GetObject"], &["arn:aws:s3:::box/public/*"])]));
    let node = node(json!({
        "buckets": [{"name": "box"}],
        "users": users,
        "permissions": [{"name": "p", "type": "policy", "policy": policy}],
        "serviceAccounts": [fixture::service_account("app", &["p"])],
    }));
    let root = Admin::root(&node);
    for key in ["/public/k", "/private/k"] {
        root.object("PUT", key, b"text", &[]).expect(200, "");
    }
    let app = Admin::nobody(&node).with_key(&fixture::access_key("app"), &fixture::secret_key("app"));
    assert_eq!(app.object("GET", "/public/k", b"", &[]).expect(200, "").body, b"text");
    app.object("HEAD", "/public/k", b"", &[]).expect(200, "");
    assert_eq!(app.object("HEAD", "/private/k", b"", &[]).status, 403);
    Answer(app.object("GET", "/private/k", b"", &[])).refused(403, "AccessDenied");
    Answer(app.object("PUT", "/public/k", b"other", &[])).refused(403, "AccessDenied");
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Sid": "NotEve", "Effect": "Deny", "Action": "s3:DeleteObject",
        "Principal": {"AWS": fixture::user_arn("console/eve")}, "Resource": "arn:aws:s3:::box/*"}]});
    node.client().put_policy("box", &deny).expect(204, "");
    let eve = Admin::nobody(&node).with_user("eve", "eve-password");
    eve.object("PUT", "/new", b"text", &[]).expect(200, "");
    Answer(eve.object("DELETE", "/new", b"", &[])).refused(403, "AccessDenied");
    let found = super::audit::records(&root, "event=DeleteObject&refused=true", 1);
    assert_eq!(
        (&found[0]["userIdentity"]["type"], &found[0]["userIdentity"]["userName"], &found[0]["eventSource"]),
        (&json!("ConsoleUser"), &json!("eve"), &json!("s3.amazonaws.com"))
    );
    assert_eq!(
        (&found[0]["authorization"]["decision"], &found[0]["authorization"]["sid"]),
        (&json!("ExplicitDeny"), &json!("NotEve"))
    );
    let put = super::audit::records(&root, "event=PutObject&user=eve", 1);
    assert_eq!(put[0]["authorization"]["policy"], "storage-admin");
}

#[test]
fn cookies_need_their_second_token_and_signatures_cover_the_body() {
    let node = stored();
    let nobody = Admin::nobody(&node);
    let begun = nobody.post("/auth/session", &json!({"user": "admin", "password": "some-password"}));
    let cookie = begun.header("set-cookie").split(';').next().expect("a pair").to_owned();
    let csrf: Value = begun.json(201)["csrfToken"].clone();
    let csrf = csrf.as_str().expect("a token");
    assert_eq!(nobody.object("GET", "/a/b", b"", &[("cookie", &cookie)]).expect(200, "").body, b"hello world");
    Answer(nobody.object("PUT", "/c", b"text", &[("cookie", &cookie)])).refused(403, "AccessDenied");
    nobody.object("PUT", "/c", b"text", &[("cookie", &cookie), ("x-csrf-token", csrf)]).expect(200, "");
    let signer =
        Signer { service: "strongroom".into(), ..Signer::new(Credentials::new(ROOT_ACCESS_KEY, ROOT_SECRET_KEY)) };
    let mut request = nobody.request("PUT", "/buckets/box/objects/signed", None, &[]).body("text");
    signer.sign(&mut request);
    nobody.client.send_as_is(&request).expect(200, "");
    request.body = b"tent".to_vec();
    Answer(nobody.client.send_as_is(&request)).refused(400, "XAmzContentSHA256Mismatch");
    assert_eq!(node.client().get("box", "signed").expect(200, "").body, b"text");
}
