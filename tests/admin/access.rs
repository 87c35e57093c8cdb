//! What somebody can do, and who can do what to a bucket: each answer against requests and against the judge.

use serde_json::{Value, json};
use tests::Node;

use super::{Admin, node};
use crate::fixture;

/// A node with a bucket for each of these, and a service account with each of these policies.
fn node_with(buckets: &[&str], policies: &[(&str, Value)]) -> Node {
    node(fixture::account(buckets, policies))
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|it| it.as_str().expect("a text")).collect()
}

/// What an answer of `/service-accounts/NAME/access` says of a bucket.
fn on<'a>(access: &'a Value, bucket: &str) -> &'a Value {
    let buckets = access["buckets"].as_array().expect("a list");
    buckets.iter().find(|it| it["bucket"] == bucket).expect("the bucket")
}

/// The row of an answer of `/buckets/NAME/access`.
fn row<'a>(who: &'a Value, id_or_name: &str) -> &'a Value {
    let rows = who.as_array().expect("a list");
    let found = rows.iter().find(|it| it["name"] == id_or_name || it["id"] == id_or_name);
    found.unwrap_or_else(|| panic!("{id_or_name} in {who}"))
}

fn is_in(list: &Value, action: &str) -> bool {
    self::list(list).contains(&action)
}

/// Policies of people's documents and of what is easily got wrong, with the keys that they are about.
fn documents() -> Vec<(&'static str, Value)> {
    let home = "arn:aws:s3:::one/${aws:username}/*";
    vec![
        (
            "lightly",
            json!([
                {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::one", "arn:aws:s3:::one/farm/*"],
                 "Condition": {"IpAddress": {"aws:SourceIp": ["127.0.21.0/24"]}}},
                {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": ["arn:aws:s3:::one", "arn:aws:s3:::one/farm/*"]}]),
        ),
        (
            "david",
            json!([
                {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::one"], "Condition": {"StringLike": {"s3:prefix": ["David/*"]}}},
                {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::one/David/*"]},
                {"Effect": "Deny", "Action": ["s3:DeleteObject"], "Resource": ["arn:aws:s3:::one/David/*"]}]),
        ),
        (
            "network",
            json!([
                {"Effect": "Deny", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::one"], "Condition": {"NotIpAddress": {"aws:SourceIp": ["134.204.220.36/32"]}}},
                {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::one", "arn:aws:s3:::one/*"]}]),
        ),
        ("home", json!([fixture::allow(&["s3:GetObject", "s3:PutObject"], &[home])])),
        (
            "own",
            json!([fixture::allow(&["s3:*"], &["arn:aws:s3:::${aws:username}", "arn:aws:s3:::${aws:username}/*"])]),
        ),
        ("team", json!([fixture::allow(&["s3:GetObject"], &["arn:aws:s3:::one/${aws:PrincipalTag/team, 'all'}/*"])])),
        (
            "nothome",
            json!([fixture::allow(&["s3:*"], &["arn:aws:s3:::one/*"]), fixture::deny(&["s3:DeleteObject"], &[home])]),
        ),
        (
            "notteam",
            json!([
                fixture::allow(&["s3:*"], &["arn:aws:s3:::one/*"]),
                fixture::deny(&["s3:PutObject"], &["arn:aws:s3:::one/${aws:PrincipalTag/team}/*"])
            ]),
        ),
        (
            "noversions",
            json!([
                fixture::allow(&["s3:*"], &["arn:aws:s3:::one/*", "arn:aws:s3:::own/*"]),
                fixture::deny(&["s3:DeleteObjectVersion"], &["arn:aws:s3:::one/farm/*", "arn:aws:s3:::own/*"])
            ]),
        ),
        ("but", json!([{"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::one/secret/*"}])),
        (
            "only",
            json!([fixture::allow(&["s3:*"], &["arn:aws:s3:::one/home*"]),
                {"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::one/${aws:username}/*", "arn:aws:s3:::one/*.jpg"]}]),
        ),
        ("start", json!([fixture::allow(&["s3:GetObject"], &["arn:aws:s3:::on*.jpg"])])),
    ]
}

#[test]
fn what_is_said_of_each_policy_is_what_the_judge_decides() {
    let (documents, buckets) = (documents(), ["one", "own"]);
    let node = node_with(&buckets, &documents);
    let root = Admin::root(&node);
    let actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutBucketPolicy"];
    let keys = ["x", "farm/x", "David/x", "home/x", "home/x.jpg", "all/x", "secret/x", "x.jpg", "nothome/x", "only/x"];
    let networks = ["127.0.21.5", "134.204.220.36", "9.9.9.9"];
    for (name, _) in &documents {
        let access = root.get(&format!("/service-accounts/{name}/access")).json(200);
        for bucket in buckets {
            let said = on(&access, bucket);
            let who = root.get(&format!("/buckets/{bucket}/access")).json(200);
            for list in ["allowed", "conditional"] {
                assert_eq!(said[list], row(&who, name)[list], "{name} on {bucket}");
            }
            for action in actions {
                let is_on_bucket = matches!(action, "s3:ListBucket" | "s3:PutBucketPolicy");
                let mut decisions = Vec::new();
                for key in if is_on_bucket { &[""][..] } else { &keys[..] } {
                    let separator = if is_on_bucket { "" } else { "/" };
                    for network in networks {
                        let prefix = if network == "9.9.9.9" { "David/a" } else { "x" };
                        let decision = root.post(
                            "/simulate",
                            &json!({"principal": name, "action": action,
                            "resource": format!("arn:aws:s3:::{bucket}{separator}{key}"),
                            "context": {"aws:SourceIp": network, "s3:prefix": prefix}}),
                        );
                        decisions.push(decision.json(200)["allowed"] == true);
                    }
                }
                let (all, some) = (decisions.iter().all(|it| *it), decisions.iter().any(|it| *it));
                let (allowed, conditional) = (is_in(&said["allowed"], action), is_in(&said["conditional"], action));
                // The tag of a principal isn't one of these circumstances, so what depends on it is only ever conditional.
                let tagged = *name == "notteam" && action == "s3:PutObject" && bucket == "one";
                let right = if tagged { conditional } else { allowed == all && (allowed || conditional == some) };
                assert!(right, "{name}: {action} on {bucket}: {said}, but {decisions:?}");
            }
        }
    }
    // The commonest of them as requests.
    let home = fixture::caller(&node, "home");
    home.put("one", "home/k", "v").ok();
    home.put("one", "own/k", "v").expect(403, "AccessDenied");
    let access = root.get("/service-accounts/home/access").json(200);
    assert_eq!(on(&access, "one")["conditional"], json!(["s3:GetObject", "s3:PutObject"]));
    fixture::caller(&node, "own").put("own", "k", "v").ok();
}

#[test]
fn a_bucket_tells_whom_its_policy_lets_in_beside_service_accounts_and_whom_it_keeps_out() {
    const OTHER: &str = "222222222222";
    let node = node_with(
        &["box", "shut"],
        &[
            ("all", json!([fixture::allow(&["s3:*"], &["*"])])),
            ("none", json!([fixture::allow(&["s3:GetObject"], &["arn:aws:s3:::elsewhere/*"])])),
        ],
    );
    let (root, client) = (Admin::root(&node), node.client());
    root.post("/users", &json!({"name": "eve", "role": "auditor", "password": "a long password"})).json(201);
    client.put("box", "pub/k", "v").ok();
    let before = root.get("/buckets/box/access").json(200);
    assert_eq!(row(&before, "anyone")["allowed"], json!([]));
    client.anonymous().get("box", "pub/k").expect(403, "AccessDenied");
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Public", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/pub/*"},
        {"Sid": "Listed", "Effect": "Allow", "Principal": {"AWS": [OTHER, format!("arn:aws:iam::{OTHER}:user/ann")]}, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::box"},
        {"Sid": "Home", "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::box/${aws:username}/*"},
        {"Sid": "Named", "Effect": "Allow", "Principal": {"AWS": fixture::user_arn("none")}, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::box"},
        {"Sid": "NoDelete", "Effect": "Deny", "Principal": {"AWS": fixture::user_arn("all")}, "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::box/*"},
        {"Sid": "Kept", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::box"}]});
    client.put_policy("box", &document).ok();
    let who = root.get("/buckets/box/access").json(200);
    let anyone = row(&who, "anyone");
    assert_eq!((&anyone["kind"], &anyone["allowed"]), (&json!("anyone"), &json!([])));
    assert_eq!(anyone["conditional"], json!(["s3:GetObject", "s3:PutObject"]));
    assert_eq!(anyone["grants"][0]["sid"], "Public");
    client.anonymous().get("box", "pub/k").ok();
    client.anonymous().get("box", "k").expect(403, "AccessDenied");
    for (id, kind) in [(OTHER.to_owned(), "account"), (format!("arn:aws:iam::{OTHER}:user/ann"), "principal")] {
        let it = row(&who, &id);
        assert_eq!((&it["kind"], &it["allowed"]), (&json!(kind), &json!(["s3:ListBucket"])), "{id}");
    }
    // Root can do what no Deny forbids, and so can users as their role says.
    let of_root = row(&who, "root");
    assert!(is_in(&of_root["allowed"], "s3:PutBucketPolicy") && is_in(&of_root["allowed"], "s3:DeleteObject"));
    assert!(!is_in(&of_root["allowed"], "s3:DeleteBucket") && !is_in(&of_root["conditional"], "s3:DeleteBucket"));
    let of_auditor = row(&who, "role/auditor");
    assert!(is_in(&of_auditor["allowed"], "s3:ListBucket") && !is_in(&of_auditor["allowed"], "s3:GetObject"));
    let of_admin = row(&who, "role/admin");
    assert!(is_in(&of_admin["allowed"], "s3:GetObject") && !is_in(&of_admin["allowed"], "s3:DeleteBucket"));
    // Service accounts: what their own policies allow, what the bucket's gives and takes.
    let (all, none) = (row(&who, "all"), row(&who, "none"));
    assert!(is_in(&all["allowed"], "s3:PutObject") && !is_in(&all["allowed"], "s3:DeleteObject"));
    assert!(!is_in(&all["conditional"], "s3:DeleteObject"), "{all}");
    fixture::caller(&node, "all").delete("box", "pub/k").expect(403, "AccessDenied");
    assert_eq!(
        (&none["allowed"], &none["conditional"]),
        (&json!(["s3:ListBucket"]), &json!(["s3:GetObject", "s3:PutObject"]))
    );
    fixture::caller(&node, "none").list("box", &[]).ok();
    fixture::caller(&node, "none").put("box", "none/k", "v").ok();
    fixture::caller(&node, "none").put("box", "all/k", "v").expect(403, "AccessDenied");
    assert_eq!(row(&root.get("/buckets/shut/access").json(200), "none")["conditional"], json!([]));
    // They stand first, and are counted, found and paged as all others.
    let kinds: Vec<&str> = who.as_array().expect("a list").iter().filter_map(|it| it["kind"].as_str()).collect();
    let first =
        ["anyone", "root", "role", "role", "role", "account", "principal", "service-account", "service-account"];
    assert_eq!(kinds, first);
    let page = root.get("/buckets/box/access?limit=8");
    assert_eq!(page.0.header("x-total-count"), Some("9"));
    let next = format!("/buckets/box/access?limit=8&cursor={}", page.0.header("x-next-cursor").expect("a next page"));
    assert_eq!(root.get(&next).json(200)[0]["name"], "none");
    assert_eq!(root.get("/buckets/box/access?limit=1000").json(200).as_array().map(Vec::len), Some(9));
    let named = root.get("/buckets/box/access?name=anyone").json(200);
    assert_eq!(named.as_array().map(|rows| rows.iter().map(|it| &it["name"]).collect()), Some(vec![&json!("anyone")]));
    assert_eq!(root.get("/buckets/box/access?name=anyon").json(200), json!([]));
    let found = root.get("/buckets/box/access?q=anyone").json(200);
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
}

/// What else refuses a request counts in every answer: one that was never asked for can deny it.
#[test]
fn a_deny_of_the_other_delete_action_is_told_as_requests_feel_it() {
    let everything = fixture::allow(&["s3:*"], &["*"]);
    let of = |action: &str, resource: &str| json!([everything, {"Sid": "No", "Effect": "Deny", "Action": action, "Resource": resource}]);
    let node = node_with(
        &["box", "kept"],
        &[
            ("noversion", of("s3:DeleteObjectVersion", "*")),
            ("nodelete", of("s3:DeleteObject", "arn:aws:s3:::box/*")),
            ("some", of("s3:DeleteObjectVersion", "arn:aws:s3:::box/some/*")),
        ],
    );
    let root = Admin::root(&node);
    root.put("/buckets/kept", &json!({"versioning": "enabled"})).json(200);
    let lists = |name: &str, bucket: &str, action: &str| {
        let said = root.get(&format!("/service-accounts/{name}/access")).json(200);
        let who = root.get(&format!("/buckets/{bucket}/access")).json(200);
        let (said, of_row) = (on(&said, bucket), row(&who, name));
        for list in ["allowed", "conditional"] {
            assert_eq!(said[list], of_row[list], "{name} on {bucket}");
        }
        (is_in(&said["allowed"], action), is_in(&said["conditional"], action))
    };
    let simulated = |name: &str, action: &str, resource: &str| {
        let body = json!({"principal": name, "action": action, "resource": format!("arn:aws:s3:::{resource}")});
        let said = root.post("/simulate", &body).json(200);
        assert_eq!(said["decision"], if said["allowed"] == true { "Allow" } else { "ExplicitDeny" }, "{said}");
        if said["allowed"] == false {
            assert_eq!((&said["sid"], &said["policy"]), (&json!("No"), &json!(name)), "{said}");
        }
        said["allowed"] == true
    };
    let rules = "<LifecycleConfiguration><Rule><ID>a</ID><Filter/><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>";
    let lifecycle_status = |name: &str, bucket: &str| {
        let caller = fixture::caller(&node, name);
        caller.send(caller.target("PUT", &format!("/{bucket}?lifecycle")).body(rules)).status
    };

    assert_eq!(lists("noversion", "box", "s3:DeleteObject"), (false, false));
    assert!(!simulated("noversion", "s3:DeleteObject", "box/k"));
    fixture::caller(&node, "noversion").delete("box", "k").expect(403, "AccessDenied");
    // A bucket that keeps versions has two deletes, each with its action.
    assert_eq!(lists("noversion", "kept", "s3:DeleteObject"), (true, false));
    assert!(simulated("noversion", "s3:DeleteObject", "kept/k"));
    fixture::caller(&node, "noversion").delete("kept", "k").ok();

    assert_eq!(lists("nodelete", "box", "s3:DeleteObjectVersion"), (false, false));
    assert!(!simulated("nodelete", "s3:DeleteObjectVersion", "box/k"));
    assert!(simulated("nodelete", "s3:DeleteObjectVersion", "kept/k"));

    assert_eq!(lists("some", "box", "s3:DeleteObject"), (false, true));
    assert!(simulated("some", "s3:DeleteObject", "box/k") && !simulated("some", "s3:DeleteObject", "box/some/k"));
    fixture::caller(&node, "some").delete("box", "k").ok();
    fixture::caller(&node, "some").delete("box", "some/k").expect(403, "AccessDenied");

    // Setting lifecycle rules is refused, taking them away isn't.
    assert_eq!(lists("nodelete", "box", "s3:PutLifecycleConfiguration"), (false, true));
    assert!(!simulated("nodelete", "s3:PutLifecycleConfiguration", "box"));
    assert_eq!(lifecycle_status("nodelete", "box"), 403);
    assert_eq!(lists("nodelete", "kept", "s3:PutLifecycleConfiguration"), (true, false));
    assert_ne!(lifecycle_status("nodelete", "kept"), 403);
    assert_eq!(lists("some", "box", "s3:PutLifecycleConfiguration"), (true, false));
    assert_ne!(lifecycle_status("some", "box"), 403);
}

#[test]
fn a_role_tells_what_every_user_with_it_may_and_nobody_is_told_of_statements_about_others() {
    let users = [("sam", "storage-admin"), ("eve", "storage-admin"), ("ann", "admin")];
    let users = users.map(|(name, role)| json!({"name": name, "role": role, "password": "a-users-password"}));
    let mut members = fixture::account(&["box"], &[("app", json!([fixture::allow(&["s3:*"], &["*"])]))]);
    members["users"] = json!(users);
    let node = node(members);
    let root = Admin::root(&node);
    node.client().put("box", "k", "v").ok();
    let arn = |name: &str| format!("arn:aws:iam::{}:user/console/{name}", tests::node::ACCOUNT_ID);
    let said = |statement: Value| {
        root.put("/buckets/box/policy", &fixture::policy(&json!([statement]))).json(200);
        root.get("/buckets/box/access").json(200)
    };
    let get = |who: &Value, id: &str| {
        let row = row(who, id);
        (is_in(&row["allowed"], "s3:GetObject"), is_in(&row["conditional"], "s3:GetObject"))
    };
    let status = |name: &str| {
        let caller = Admin::nobody(&node).with_user(name, "a-users-password");
        caller.get("/buckets/box/objects/k").0.status
    };
    let told_to = |who: &Value| -> Vec<String> {
        let of_bucket = |row: &&Value| {
            row["grants"].as_array().is_some_and(|it| it.iter().any(|it| it["policy"] == "bucket policy"))
        };
        who.as_array()
            .expect("a list")
            .iter()
            .filter(of_bucket)
            .filter_map(|it| it["id"].as_str())
            .map(str::to_owned)
            .collect()
    };
    let statement = |effect: &str, element: &str, names: &[&str]| {
        let arns: Vec<String> = names.iter().map(|name| arn(name)).collect();
        json!({"Effect": effect, element: {"AWS": arns}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"})
    };

    // One of two is kept out.
    let who = said(statement("Deny", "Principal", &["sam"]));
    assert_eq!((get(&who, "role/storage-admin"), get(&who, "role/admin")), ((false, true), (true, false)));
    assert_eq!((status("sam"), status("eve"), status("ann")), (403, 200, 200));
    assert_eq!(told_to(&who), ["role/storage-admin"]);
    // All but one are, and root of the account.
    let who = said(statement("Deny", "NotPrincipal", &["sam", "ann"]));
    assert_eq!((get(&who, "role/storage-admin"), get(&who, "role/admin")), ((false, true), (false, true)));
    assert_eq!((status("sam"), status("eve"), status("ann")), (200, 403, 200));
    assert_eq!(get(&who, "app"), (false, false));
    // Who is allowed something in person has a row of their own.
    let who = said(statement("Allow", "Principal", &["eve"]));
    assert_eq!((get(&who, "role/storage-admin"), get(&who, &arn("eve"))), ((true, false), (true, false)));
    assert_eq!(told_to(&who), ["role/storage-admin".to_owned(), arn("eve")]);
    // The account means all of its own.
    let own = json!({"Effect": "Deny", "Principal": {"AWS": tests::node::ACCOUNT_ID}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"});
    let who = said(own);
    assert_eq!((get(&who, "role/admin"), get(&who, "app")), ((false, false), (false, false)));
    assert_eq!(told_to(&who).len(), 5, "root, the roles and the service account: {who}");
}

#[test]
fn a_request_across_accounts_is_judged_for_who_may_change_accounts_as_it_would_be_made() {
    let node = node(
        json!({"buckets": [{"name": "box"}], "users": [{"name": "adm", "role": "storage-admin", "password": "adm-password"}]}),
    );
    let root = Admin::root(&node);
    node.client().put("box", "k", "v").ok();
    let acme = root.post("/accounts", &json!({"name": "acme"})).json(201)["id"].as_str().expect("an id").to_owned();
    let everything = fixture::allow(&["s3:*"], &["*"]);
    let mut clients = Vec::new();
    for (name, statements) in
        [("may", json!([everything])), ("maynot", json!([everything, fixture::deny(&["s3:GetObject"], &["*"])]))]
    {
        root.post("/permissions?account=acme", &fixture::permission(name, &statements)).json(201);
        let made = root.post("/service-accounts?account=acme", &json!({"name": name, "permissions": [name]})).json(201);
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        clients.push((name, node.client().with(&text("accessKey"), &text("secret"))));
    }
    let body =
        |principal: &str| json!({"principal": principal, "action": "s3:GetObject", "resource": "arn:aws:s3:::box/k"});
    let arn = |name: &str| format!("arn:aws:iam::{acme}:user/{name}");
    for is_open in [false, true] {
        if is_open {
            let open = json!({"Effect": "Allow", "Principal": {"AWS": acme}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"});
            root.put("/buckets/box/policy", &fixture::policy(&json!([open]))).json(200);
        }
        for (name, client) in &clients {
            let said = root.post("/simulate", &body(&arn(name))).json(200);
            let status = client.get("box", "k").status;
            assert_eq!(said["allowed"], status == 200, "{name}, open: {is_open}: {status}, {said}");
            assert_eq!(status == 200, is_open && *name == "may");
        }
    }
    let by_name = root.post("/simulate?account=acme", &body("may")).json(200);
    assert_eq!(by_name["allowed"], true, "{by_name}");
    root.post("/simulate", &body(&arn("nobody"))).refused(404, "ServiceAccountNotFound");
    root.post("/simulate", &body("arn:aws:iam::222222222222:user/may")).refused(404, "ServiceAccountNotFound");
    // Others are told of nobody else's callers, nor of their buckets.
    let adm = Admin::nobody(&node).with_user("adm", "adm-password");
    adm.post("/simulate", &body(&arn("may"))).refused(404, "ServiceAccountNotFound");
    root.post("/users?account=acme", &json!({"name": "wile", "role": "admin", "password": "wile-password"})).json(201);
    let wile = Admin::nobody(&node).signed_in(&json!({"user": "wile", "password": "wile-password", "account": "acme"}));
    wile.post("/simulate", &body("may")).refused(404, "BucketNotFound");
}
