//! What a request looks like to a policy: only what was verified, and all of it on every route.

use serde_json::{Value, json};
use tests::{Client, Request};

use crate::fixture::{self, allow, caller, deny};

fn everything() -> Value {
    allow(&["s3:*"], &["arn:aws:s3:::*"])
}

/// C7: elsewhere a header of the client's joined the context under a name that policies use.
#[test]
fn header_never_becomes_a_condition_key_of_its_own() {
    let keys = ["aws:username", "aws:userid", "aws:PrincipalArn", "aws:SourceVpc", "s3:versionid"];
    for key in keys {
        let mut statement = allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"]);
        statement["Condition"] = json!({"StringEquals": {key: "admin"}});
        let node = fixture::node(&["box"], &[("mallory", json!([statement]))]);
        node.client().put("box", "k", "body").ok();
        let mallory = caller(&node, "mallory");
        let bare = key.split_once(':').expect("a prefix").1;
        for header in [bare, &bare.to_ascii_lowercase(), "userid", "groups", "jwt-sub", "x-amz-userid"] {
            let request = mallory.request("GET", "box", "k").header(header, "admin");
            mallory.send(request).expect(403, "AccessDenied");
        }
        let by_query = mallory.send(mallory.request("GET", "box", "k").query(bare, "admin"));
        assert!((400..500).contains(&by_query.status), "{by_query}");
    }
}

/// One request of every kind that a caller with all rights may send.
fn every_route(client: &Client) -> Vec<Request> {
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let object = |method: &str, name: &str| client.request(method, "box", "k").query(name, "");
    let bucket = |method: &str, name: &str| client.request(method, "box", "").query(name, "");
    vec![
        client.request("GET", "", ""),
        client.request("PUT", "box2", ""),
        client.request("HEAD", "box", ""),
        client.request("DELETE", "box", ""),
        client.request("GET", "box", ""),
        bucket("GET", "location"),
        bucket("GET", "policy"),
        bucket("PUT", "policy").body("{}"),
        bucket("DELETE", "policy"),
        bucket("GET", "versions"),
        bucket("GET", "versioning"),
        bucket("GET", "uploads"),
        client.request("GET", "box", "").query("list-type", "2"),
        client.request("GET", "box", "k"),
        client.request("HEAD", "box", "k"),
        client.request("PUT", "box", "k").body("x"),
        client.request("DELETE", "box", "k"),
        client.request("PUT", "box", "copy").header("x-amz-copy-source", "box/k"),
        object("GET", "attributes").header("x-amz-object-attributes", "ETag"),
        object("GET", "tagging"),
        object("PUT", "tagging").body("<Tagging><TagSet/></Tagging>"),
        object("DELETE", "tagging"),
        object("POST", "uploads"),
        client.part_request("box", "k", "upload", 1).body("x"),
        client.request("GET", "box", "k").query("uploadId", "upload"),
        client.request("DELETE", "box", "k").query("uploadId", "upload"),
        client.complete_request("box", "k", "upload", &["\"x\"".into()]),
        bucket("POST", "delete").header("content-md5", tests::checksum::content_md5(delete.as_bytes())).body(delete),
    ]
}

/// C9: elsewhere a route didn't fill in the address, so a Deny by address didn't apply there.
#[test]
fn deny_by_address_holds_on_every_route() {
    let mut blacklist = deny(&["s3:*"], &["arn:aws:s3:::*"]);
    blacklist["Condition"] = json!({"IpAddress": {"aws:SourceIp": "127.0.30.0/24"}});
    let node = fixture::node(&["box"], &[("u", json!([everything(), blacklist]))]);
    node.client().put("box", "k", "body").ok();
    let user = caller(&node, "u");
    for request in every_route(&user) {
        let what = format!("{} {}", request.method, request.target);
        let denied = user.from("127.0.30.77").send(request);
        // DeleteObjects answers per key.
        let code = if denied.status == 200 { denied.xml("Error/Code") } else { denied.code() };
        let bodiless = what.starts_with("HEAD") && denied.status == 403;
        assert!(code == "AccessDenied" || bodiless, "{what}: {denied}");
    }
    assert_eq!(node.client().get("box", "k").expect(200, "").text(), "body");
    let allowed = every_route(&user).into_iter().filter(|request| !matches!(request.method.as_str(), "DELETE"));
    for request in allowed {
        let what = format!("{} {}", request.method, request.target);
        assert_ne!(user.from("127.0.31.77").send(request).status, 403, "{what}");
    }
}

/// C10: elsewhere NotAction and NotResource were dropped, or statements that differ only there were merged.
#[test]
fn not_action_and_not_resource_mean_all_others() {
    let statements = json!([
        everything(),
        {"Effect": "Deny", "NotAction": ["s3:Get*", "s3:List*"], "Resource": ["arn:aws:s3:::box", "arn:aws:s3:::box/*"]},
        {"Effect": "Deny", "Action": "s3:GetObject", "NotResource": ["arn:aws:s3:::box/a/*", "arn:aws:s3:::box/b/*"]},
    ]);
    let node = fixture::node(&["box", "other"], &[("u", statements)]);
    for key in ["a/k", "b/k", "c/k"] {
        node.client().put("box", key, "body").ok();
    }
    node.client().put("other", "a/k", "body").ok();
    let user = caller(&node, "u");
    user.get("box", "a/k").expect(200, "");
    user.get("box", "b/k").expect(200, "");
    user.get("box", "c/k").expect(403, "AccessDenied");
    user.get("other", "a/k").expect(403, "AccessDenied");
    user.put("box", "a/k", "x").expect(403, "AccessDenied");
    user.put("other", "a/k", "x").expect(200, "");
    user.list("box", &[]).expect(200, "");
}

/// B15, B16: elsewhere a prefix became part of the resource, or object ARNs granted the bucket's actions.
#[test]
fn listing_is_judged_on_the_bucket_with_the_prefix_as_condition() {
    let mut home = allow(&["s3:ListBucket"], &["arn:aws:s3:::box"]);
    home["Condition"] =
        json!({"StringLike": {"s3:prefix": ["home/*", ""]}, "NumericLessThanEquals": {"s3:max-keys": "10"}});
    let objects = allow(&["s3:*"], &["arn:aws:s3:::box/*"]);
    let node = fixture::node(&["box"], &[("home", json!([home])), ("objects", json!([objects]))]);
    let home = caller(&node, "home");
    for (prefix, status) in [
        ("home/a", 200),
        ("home/a/b/c", 200),
        ("home/", 200),
        ("", 200),
        ("home", 403),
        ("homes/", 403),
        ("Home/a", 403),
    ] {
        assert_eq!(home.list("box", &[("prefix", prefix), ("max-keys", "10")]).status, status, "{prefix}");
    }
    home.list("box", &[("prefix", "home/a"), ("max-keys", "11")]).expect(403, "AccessDenied");
    home.list("box", &[("prefix", "home/a")]).expect(403, "AccessDenied");
    let objects = caller(&node, "objects");
    objects.put("box", "k", "body").expect(200, "");
    objects.list("box", &[]).expect(403, "AccessDenied");
    objects.send(objects.request("DELETE", "box", "")).expect(403, "AccessDenied");
}

/// C15: elsewhere a user name with a star in it matched everybody's directory.
#[test]
fn variables_stand_for_their_value_and_nothing_else() {
    let own = allow(&["s3:GetObject"], &["arn:aws:s3:::box/home/${aws:username}/*"]);
    let node = fixture::node(&["box"], &[("ann", json!([own])), ("bob", json!([own]))]);
    for name in ["ann", "bob", "*", "${aws:username}"] {
        node.client().put("box", &format!("home/{name}/k"), "body").ok();
    }
    for (name, other) in [("ann", "bob"), ("bob", "ann")] {
        let user = caller(&node, name);
        user.get("box", &format!("home/{name}/k")).expect(200, "");
        for other in [other, "*", "${aws:username}"] {
            user.get("box", &format!("home/{other}/k")).expect(403, "AccessDenied");
        }
    }
}

/// C12: IfExists and Null, which elsewhere did not parse.
#[test]
fn missing_keys_are_met_by_if_exists_and_null() {
    let mut plain = allow(&["s3:PutObject"], &["arn:aws:s3:::box/*"]);
    plain["Condition"] =
        json!({"StringEqualsIfExists": {"s3:x-amz-storage-class": "STANDARD"}, "Null": {"s3:x-amz-acl": "true"}});
    let node = fixture::node(&["box"], &[("u", json!([plain]))]);
    let user = caller(&node, "u");
    let put = |name: &str, value: &str| user.send(user.request("PUT", "box", "k").header(name, value).body("x")).status;
    user.put("box", "k", "x").expect(200, "");
    assert_eq!(put("x-amz-storage-class", "STANDARD"), 200);
    assert_eq!(put("x-amz-storage-class", "REDUCED_REDUNDANCY"), 403);
    assert_eq!(put("x-amz-acl", "private"), 403);
}
