//! What a request looks like to a policy: only what was verified, and all of it on every route.

use serde_json::{Value, json};
use tests::{Client, Node, NodeBuilder, Request};

use super::operations;
use crate::fixture::{self, allow, caller, deny};

fn everything() -> Value {
    allow(&["s3:*"], &["arn:aws:s3:::*"])
}

/// Keys that only the node may say, and names under which clients tried to.
const RESERVED: [&str; 12] = [
    "aws:username",
    "aws:userid",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalTag/team",
    "aws:SourceIp",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "s3:versionid",
    "s3:authType",
];

/// C7: elsewhere a header of the client's joined the context under a name that policies use.
#[test]
fn no_header_or_parameter_becomes_a_condition_key() {
    let conditional = |key: &str| {
        let mut statement = allow(&["s3:*"], &["*"]);
        statement["Condition"] = match key {
            "aws:SourceIp" => json!({"IpAddress": {key: "198.51.100.7"}}),
            _ => json!({"StringEquals": {key: "198.51.100.7"}}),
        };
        json!([statement])
    };
    let names: Vec<String> = (0..RESERVED.len()).map(|number| format!("m{number}")).collect();
    let callers: Vec<_> = names.iter().zip(RESERVED).map(|(name, key)| (name.as_str(), conditional(key))).collect();
    let node = fixture::node(&["box"], &callers);
    node.client().put("box", "k", "body").ok();
    for (name, key) in names.iter().zip(RESERVED) {
        let mallory = caller(&node, name);
        let bare = key.split_once(':').expect("a prefix").1.replace('/', "-").to_ascii_lowercase();
        let mut forms = vec![bare.clone()];
        for prefix in ["aws-", "x-amz-", "x-amz-aws-", "x-aws-", "x-amz-meta-", "x-strongroom-"] {
            forms.push(format!("{prefix}{bare}"));
        }
        let others =
            ["userid", "groups", "username", "principalarn", "jwt-sub", "versionid", "x-amz-userid", "x-real-ip"];
        forms.extend(others.map(str::to_owned));
        let with_headers = |forms: &[String]| {
            let request = mallory.request("GET", "box", "k");
            forms.iter().fold(request, |request, form| request.header(form, "198.51.100.7"))
        };
        for form in &forms {
            mallory.send(with_headers(std::slice::from_ref(form))).expect(403, "AccessDenied");
            let by_query = mallory.send(mallory.request("GET", "box", "k").query(form, "198.51.100.7"));
            assert!((400..500).contains(&by_query.status), "{key} by ?{form}: {by_query}");
        }
        let all = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-client-ip"].map(str::to_owned);
        mallory.send(with_headers(&all)).expect(403, "AccessDenied");
        // A presigner moves headers to the query; there they mean no more.
        let presigned =
            forms.iter().fold(mallory.request("GET", "box", "k"), |request, form| request.query(form, "198.51.100.7"));
        let presigned = presigned.query(key, "198.51.100.7");
        let answer = mallory.send_as_is(&mallory.presigned(presigned, std::time::Duration::from_secs(60)));
        assert!((400..500).contains(&answer.status), "{key} presigned: {answer}");
    }
}

/// A request for each operation that there is, built or not.
fn every_route(client: &Client) -> Vec<(String, Request)> {
    let (_, requests) = operations::fixtures();
    let words = [("SOURCE", "box/k"), ("UPLOAD", "upload"), ("BUCKET", "box"), ("KEY", "k")];
    let fill = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    let added = json!({"headers": {"referer": "http://referer/", "user-agent": "agent"}});
    let operations = requests["operations"].as_object().expect("operations by name");
    let routes = operations.iter().map(|(name, base)| (name.clone(), operations::request(client, base, &added, &fill)));
    let routes: Vec<_> = routes.collect();
    assert!(routes.len() > 90, "{}", routes.len());
    routes
}

/// A bucket whose objects stay: deletes leave markers.
fn versioned(node: &Node) {
    let root = node.client();
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    root.send(root.request("PUT", "box", "").query("versioning", "").body(enable)).expect(200, "");
    root.put("box", "k", "body").ok();
}

fn is_denied(client: &Client, request: Request) -> bool {
    let answer = client.send(request);
    // DeleteObjects answers per key.
    if answer.status == 200 { answer.xml("Error/Code") == "AccessDenied" } else { answer.status == 403 }
}

/// C9: elsewhere a route didn't fill in the address, so a Deny by address didn't apply there.
#[test]
fn deny_by_address_holds_on_every_route() {
    let mut blacklist = deny(&["s3:*"], &["*"]);
    blacklist["Condition"] = json!({"IpAddress": {"aws:SourceIp": "127.0.30.0/24"}});
    let node = fixture::node(&["box"], &[("u", json!([everything(), blacklist]))]);
    versioned(&node);
    let user = caller(&node, "u");
    let (outside, inside) = (user.from("127.0.30.77"), user.from("127.0.31.77"));
    for (name, request) in every_route(&user) {
        assert!(is_denied(&outside, request.clone()), "{name}");
        node.client().put("box", "k", "body").ok();
        assert!(!is_denied(&inside, request), "{name}");
    }
}

/// C9: every route has the same global keys: a Deny that needs one to be there applies everywhere, one that needs another nowhere.
#[test]
fn global_keys_are_the_same_on_every_route() {
    let present = [
        "aws:SourceIp",
        "aws:SourceVpc",
        "aws:SourceVpce",
        "aws:SecureTransport",
        "aws:CurrentTime",
        "aws:EpochTime",
        "aws:UserAgent",
        "aws:Referer",
        "aws:ViaAWSService",
        "aws:PrincipalIsAWSService",
        "aws:RequestedRegion",
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalType",
        "aws:userid",
        "aws:username",
        "aws:ResourceAccount",
    ];
    let absent = [
        "aws:PrincipalTag/team",
        "aws:TokenIssueTime",
        "aws:MultiFactorAuthPresent",
        "aws:MultiFactorAuthAge",
        "aws:VpcSourceIp",
        "aws:SourceArn",
        "aws:SourceAccount",
        "aws:PrincipalOrgID",
        "aws:ResourceOrgID",
        "aws:CalledVia",
        "aws:FederatedProvider",
        "aws:SourceIdentity",
    ];
    let callers: Vec<(String, Value)> = present
        .iter()
        .chain(&absent)
        .enumerate()
        .map(|(number, key)| {
            let mut refuse = deny(&["s3:*"], &["*"]);
            refuse["Condition"] = json!({"Null": {*key: "false"}});
            (format!("k{number}"), json!([everything(), allow(&["s3:*"], &["*"]), refuse]))
        })
        .collect();
    let callers: Vec<(&str, Value)> = callers.iter().map(|(name, it)| (name.as_str(), it.clone())).collect();
    let arguments = ["--durability", "relaxed", "--network", "127.0.0.0/8=vpc-1,vpce-1"];
    let account = fixture::account(&["box"], &callers);
    let node = NodeBuilder::serve().arguments(&arguments).account(account).start();
    versioned(&node);
    for (number, key) in present.iter().chain(&absent).enumerate() {
        let client = caller(&node, &format!("k{number}"));
        for (name, request) in every_route(&client) {
            // The service belongs to no account.
            let is_there = present.contains(key) && !(name == "ListBuckets" && *key == "aws:ResourceAccount");
            if !is_there {
                node.client().put("box", "k", "body").ok();
            }
            assert_eq!(is_denied(&client, request), is_there, "{key} on {name}");
        }
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
    // The prefix is a parameter of the listings: elsewhere it would grant what isn't limited to it.
    let head = home.request("HEAD", "box", "").query("prefix", "home/a").query("max-keys", "1");
    assert_eq!(home.send(head).status, 403);
    let objects = caller(&node, "objects");
    objects.put("box", "k", "body").expect(200, "");
    objects.list("box", &[]).expect(403, "AccessDenied");
    objects.send(objects.request("DELETE", "box", "")).expect(403, "AccessDenied");
}

/// Who may list only below a prefix isn't told by a made-up parameter whether another key is there.
#[test]
fn parameter_of_a_listing_means_nothing_to_a_read() {
    let mut list = allow(&["s3:ListBucket"], &["arn:aws:s3:::box"]);
    list["Condition"] = json!({"StringLike": {"s3:prefix": "home/*"}});
    let statements = json!([list, allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])]);
    let node = fixture::node(&["box"], &[("u", statements)]);
    let user = caller(&node, "u");
    user.list("box", &[("prefix", "home/a")]).expect(200, "");
    user.get("box", "missing").expect(403, "AccessDenied");
    user.send(user.request("GET", "box", "missing").query("prefix", "home/a")).expect(403, "AccessDenied");
}

/// CreateBucket is judged by the region and the tags of its body.
#[test]
fn new_bucket_is_judged_by_what_its_body_asks_for() {
    let create = |condition: Value| {
        let mut statement = allow(&["s3:CreateBucket"], &["arn:aws:s3:::new-*"]);
        statement["Condition"] = condition;
        json!([statement])
    };
    let tags = json!({"StringEquals": {"aws:RequestTag/team": "blue"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}});
    let node = fixture::node(
        &["box"],
        &[
            ("located", create(json!({"StringEquals": {"s3:locationconstraint": "us-east-1"}}))),
            ("tagged", create(tags)),
        ],
    );
    let put = |name: &str, inner: &str| {
        let client = caller(&node, name);
        let body = format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>");
        client.send(client.request("PUT", "new-box", "").body(if inner.is_empty() { String::new() } else { body }))
    };
    let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    put("located", "").expect(403, "AccessDenied");
    put("located", "<LocationConstraint>eu-west-1</LocationConstraint>").expect(403, "AccessDenied");
    put("located", "<broken>").expect(403, "AccessDenied");
    put("located", "<LocationConstraint>us-east-1</LocationConstraint>").expect(200, "");
    put("tagged", "<LocationConstraint>us-east-1</LocationConstraint>").expect(403, "AccessDenied");
    put("tagged", &format!("<Tags>{}</Tags>", tag("team", "red"))).expect(403, "AccessDenied");
    put("tagged", &format!("<Tags>{}{}</Tags>", tag("team", "blue"), tag("more", "x"))).expect(403, "AccessDenied");
    // Buckets have no tags yet: what can't be kept is refused, not dropped.
    put("tagged", &format!("<Tags>{}</Tags>", tag("team", "blue"))).expect(501, "NotImplemented");
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
