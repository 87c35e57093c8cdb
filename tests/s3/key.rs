//! Keys are names, never paths.

use serde_json::json;

use crate::fixture::{self, allow, caller};

/// C14: elsewhere the policy judged `public/../private.txt` and the disk opened `private.txt`.
#[test]
fn key_with_dots_is_stored_under_exactly_that_name() {
    let public = json!([allow(&["s3:GetObject", "s3:PutObject"], &["arn:aws:s3:::box/public/*"])]);
    let node = fixture::node(&["box"], &[("public", public)]);
    let root = node.client();
    root.put("box", "private.txt", "private").ok();
    let public = caller(&node, "public");
    for target in [
        "/box/public/../private.txt",
        "/box/public/%2e%2e/private.txt",
        "/box/public/..%2fprivate.txt",
        "/box/public%2F..%2Fprivate.txt",
        "/box/public//../private.txt",
        "/box//public/x/../../../private.txt",
    ] {
        let get = public.send(public.target("GET", target));
        // The second target is the first one's key, escaped: what was stored there before.
        assert!(get.text() == "overwritten" || matches!(get.status, 400 | 403 | 404), "{target}: {get}");
        assert_ne!(get.text(), "private", "{target}: {get}");
        let put = public.send(public.target("PUT", target).body("overwritten"));
        assert!(matches!(put.status, 200 | 400 | 403), "{target}: {put}");
        assert_eq!(root.get("box", "private.txt").expect(200, "").text(), "private", "{target}");
    }
    // The key starts with another byte than the policy's.
    public.put("box", "/public/x", "x").expect(403, "AccessDenied");
    public.put("box", "public/./x", "dot").expect(200, "");
    assert_eq!(root.get("box", "public/./x").text(), "dot");
    root.get("box", "public/x").expect(404, "NoSuchKey");
    assert!(root.keys("box").contains(&"public/../private.txt".to_owned()));
}

#[test]
fn key_of_1024_bytes_is_the_longest() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    let longest = "k".repeat(1024);
    client.put("box", &longest, "body").expect(200, "");
    assert_eq!(client.get("box", &longest).expect(200, "").text(), "body");
    let (too_long, deep) = ("k".repeat(1025), "\u{1f5dd}".repeat(257));
    client.put("box", &too_long, "body").expect(400, "KeyTooLongError");
    client.put("box", &deep, "body").expect(400, "KeyTooLongError");
    client.put("box", &"\u{1f5dd}".repeat(256), "body").expect(200, "");
    client.copy("box", &longest, "box", &too_long).expect(400, "KeyTooLongError");
    let upload = client.send(client.request("POST", "box", &too_long).query("uploads", ""));
    upload.expect(400, "KeyTooLongError");
    let many = "/".repeat(1024);
    client.put("box", &many, "slashes").expect(200, "");
    assert_eq!(client.get("box", &many).text(), "slashes");
}

/// E3: a NUL is refused too.
#[test]
fn key_that_is_not_utf_8_is_refused() {
    let node = fixture::node(&["box"], &[]);
    let client = node.client();
    for target in ["/box/%ff", "/box/a%c3", "/box/%ed%a0%80", "/box/a%00b"] {
        let answer = client.send(client.target("PUT", target).body("x"));
        assert_eq!(answer.status, 400, "{target}: {answer}");
    }
    for target in ["/box/%", "/box/%1", "/box/%gg"] {
        let answer = client.send(client.target("PUT", target).body("x"));
        assert!(matches!(answer.status, 400 | 403), "{target}: {answer}");
    }
    assert_eq!(client.keys("box"), Vec::<String>::new());
}
