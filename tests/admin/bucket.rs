//! Buckets, what they hold, and who can do what to them.

use serde_json::{Value, json};

use super::{Admin, everything, names, node};
use crate::fixture;

#[test]
fn buckets_are_made_listed_versioned_and_deleted() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let made = root.post("/buckets", &json!({"name": "box", "versioning": "enabled"})).json(201);
    assert_eq!(
        (&made["versioning"], &made["usage"]["objects"], &made["public"]),
        (&json!("enabled"), &json!(0), &json!(false))
    );
    root.post("/buckets", &json!({"name": "box"})).refused(409, "BucketNameAlreadyExists");
    root.post("/buckets", &json!({"name": "Not-a-bucket"})).refused(400, "InvalidArgument");
    root.post("/buckets", &json!({"name": "another"})).json(201);
    assert_eq!(names(&root.get("/buckets")), ["another", "box"]);
    assert_eq!(root.put("/buckets/box", &json!({"versioning": "suspended"})).json(200)["versioning"], "suspended");
    root.put("/buckets/box", &json!({"versioning": "off"})).refused(400, "InvalidArgument");
    node.client().put("another", "k", "v").ok();
    root.delete("/buckets/another").refused(409, "BucketNotEmpty");
    root.delete("/buckets/box").json(204);
    assert_eq!(root.get("/buckets/box").refused(404, "BucketNotFound"), "A bucket was not found.");
}

#[test]
fn usage_is_what_is_stored_after_each_write_and_after_kill_9() {
    let mut node =
        tests::NodeBuilder::serve().account(json!({"buckets": [{"name": "box"}, {"name": "other"}]})).start();
    let root = Admin::root(&node);
    for n in 0..5 {
        node.client().put("box", &format!("k{n}"), vec![b'x'; 1000]).ok();
    }
    node.client().put("box", "k0", "short").ok();
    node.client().delete("box", "k1").ok();
    let expected = json!({"objects": 4, "bytes": 3005, "buckets": [{"name": "box", "objects": 4, "bytes": 3005}, {"name": "other", "objects": 0, "bytes": 0}]});
    assert_eq!(root.get("/usage/current").json(200), expected);
    assert_eq!(names(&root.get("/buckets?sort=bytes&order=desc")), ["box", "other"]);
    node.kill_9();
    node.restart();
    assert_eq!(Admin::root(&node).get("/usage/current").json(200), expected);
}

#[test]
fn usage_by_month_has_each_bucket_deleted_ones_too_and_survives_a_restart() {
    let mut node = tests::NodeBuilder::serve().account(json!({"buckets": [{"name": "box"}]})).start();
    let root = Admin::root(&node);
    let first = root.post("/buckets", &json!({"name": "gone"})).json(201)["createTime"].clone();
    node.client().put("box", "k", vec![b'x'; 5000]).ok();
    node.client().put("gone", "k", vec![b'x'; 700]).ok();
    let months = root.get("/usage/monthly").json(200);
    assert_eq!(months.as_array().map(Vec::len), Some(1), "this month alone: {months}");
    assert_eq!((&months[0]["buckets"][0]["name"], &months[0]["buckets"][0]["bytesMax"]), (&json!("box"), &json!(5000)));
    node.client().delete("gone", "k").ok();
    root.delete("/buckets/gone").json(204);
    // A later bucket of the name is another one.
    root.post("/buckets", &json!({"name": "gone"})).json(201);
    let later = root.get("/buckets/gone").json(200)["createTime"].clone();
    let check = |root: &Admin| {
        let buckets = root.get("/usage/monthly").json(200)[0]["buckets"].clone();
        assert_eq!(
            (&buckets[1]["name"], &buckets[1]["bytesMax"], &buckets[1]["objectsMax"]),
            (&json!("gone"), &json!(700), &json!(1)),
            "{buckets}"
        );
        assert_eq!(buckets.as_array().map(Vec::len), Some(3), "{buckets}");
        let deleted: Vec<&Value> = buckets.as_array().into_iter().flatten().map(|it| &it["deleted"]).collect();
        assert_eq!(deleted, [&json!(false), &json!(true), &json!(false)], "{buckets}");
        assert_eq!((&buckets[2]["createTime"], &buckets[2]["bytesMax"]), (&later, &json!(0)), "{buckets}");
        assert_eq!(buckets[1]["createTime"], first, "{buckets}");
    };
    check(&root);
    assert!(node.terminate().success(), "{}", node.log());
    node.restart();
    let root = Admin::root(&node);
    check(&root);
    assert_eq!(root.get("/usage/monthly?from=2020-01&to=2020-12").json(200).as_array().map(Vec::len), Some(12));
    for bad in ["from=2026-12&to=2026-01", "from=2020-01&to=2026-01"] {
        assert_eq!(root.get(&format!("/usage/monthly?{bad}")).refused(400, "InvalidTimeRange"), "Invalid time range.");
    }
    root.get("/usage/monthly?from=November").refused(400, "InvalidArgument");
}

#[test]
fn a_bucket_policy_is_downloaded_replaced_and_told_when_it_is_public() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    node.client().put("box", "k", "v").ok();
    let public = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"}]),
    );
    assert_eq!(root.put("/buckets/box/policy", &public).json(200)["public"], true);
    assert_eq!(root.get("/buckets/box/policy").0.text(), public.to_string());
    node.client().anonymous().get("box", "k").ok();
    let wrong = fixture::policy(&json!([fixture::allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])]));
    let message = root.put("/buckets/box/policy", &wrong).refused(422, "MalformedPolicy");
    assert_eq!(message, "Missing required field Principal");
    root.delete("/buckets/box/policy").json(204);
    node.client().anonymous().get("box", "k").expect(403, "AccessDenied");
    root.get("/buckets/box/policy").refused(404, "NoSuchBucketPolicy");
}

#[test]
fn settings_that_somebody_else_changed_meanwhile_are_not_overwritten() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let seen = root.get("/buckets/box").header("etag");
    let matching = |method: &str, path: &str, body: &serde_json::Value, etag: &str| {
        let body = (method != "DELETE").then(|| body.to_string());
        root.send(method, path, body, &[("if-match", etag)])
    };
    node.client().put("box", "k", "v").ok();
    assert_eq!(root.get("/buckets/box").header("etag"), seen, "what it holds is no setting");
    let changed = matching("PUT", "/buckets/box", &json!({"quota": {"bytes": 9000}}), &seen);
    changed.json(200);
    let now = changed.header("etag");
    let policy = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"}]),
    );
    for (method, path) in [
        ("PUT", "/buckets/box"),
        ("PUT", "/buckets/box/policy"),
        ("DELETE", "/buckets/box/policy"),
        ("DELETE", "/buckets/box"),
    ] {
        let body = if path.ends_with("policy") { policy.clone() } else { json!({}) };
        matching(method, path, &body, &seen).refused(412, "PreconditionFailed");
    }
    let changed = matching("PUT", "/buckets/box/policy", &policy, &now);
    changed.json(200);
    assert_eq!(root.get("/buckets/box/policy").header("etag"), changed.header("etag"));
    let settings = root.get("/audit/settings").header("etag");
    matching("PUT", "/audit/settings", &json!({"requests": "denied"}), &settings).json(200);
    matching("PUT", "/audit/settings", &json!({"requests": "all"}), &settings).refused(412, "PreconditionFailed");
}

#[test]
fn a_bucket_policy_that_locks_out_its_author_is_stored_only_when_they_confirm_it() {
    let node = node(json!({
        "buckets": [{"name": "box"}],
        "users": [{"name": "sto", "password": "sto-password", "role": "storage-admin"}]}));
    let sto = Admin::nobody(&node).with_user("sto", "sto-password");
    let closed = fixture::policy(
        &json!([{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::box", "arn:aws:s3:::box/*"]}]),
    );
    let message = sto.put("/buckets/box/policy", &closed).refused(403, "AccessDenied");
    assert!(message.contains("x-amz-confirm-remove-self-bucket-access"), "{message}");
    sto.get("/buckets/box/policy").refused(404, "NoSuchBucketPolicy");
    let confirm = [("x-amz-confirm-remove-self-bucket-access", "true")];
    sto.send("PUT", "/buckets/box/policy", Some(closed.to_string()), &confirm).json(200);
    // Root may always change it.
    Admin::root(&node).put("/buckets/box/policy", &closed).json(200);
}

#[test]
fn a_simulation_takes_callers_as_logs_name_them_and_says_what_no_request_is() {
    let vpc = fixture::policy(
        &json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-111bbb22"}}}]),
    );
    let node = tests::NodeBuilder::serve()
        .arguments(&["--durability", "relaxed", "--network", "127.0.21.0/24=vpc-111bbb22"])
        .account(json!({
            "buckets": [{"name": "box"}],
            "permissions": [{"name": "vpc", "type": "policy", "dialect": "aws", "policy": vpc}],
            "serviceAccounts": [fixture::service_account("app", &["vpc"])]}))
        .start();
    let root = Admin::root(&node);
    let shown = root.get("/service-accounts/app").json(200);
    let ask = |principal: &serde_json::Value, context: serde_json::Value| {
        root.post("/simulate", &json!({"principal": principal, "action": "s3:GetObject", "resource": "arn:aws:s3:::box/k", "context": context}))
    };
    for name in ["id", "name", "arn", "accessKey"] {
        let inside = ask(&shown[name], json!({"aws:SourceIp": "127.0.21.5"})).json(200);
        assert_eq!(inside["decision"], "Allow", "{name}: the network follows from the address");
        assert_eq!(ask(&shown[name], json!({"aws:SourceIp": "127.0.22.5"})).json(200)["decision"], "ImplicitDeny");
    }
    let root_arn = shown["arn"].as_str().expect("an ARN").replace("user/app", "root");
    assert_eq!(ask(&json!(root_arn), json!({})).json(200)["allowed"], true);
    ask(&json!("app"), json!({"aws:SourceIp": "300.1.1.1"})).refused(400, "InvalidArgument");
    let explanation = &ask(&json!("app"), json!({})).json(200)["explanation"];
    assert!(
        explanation["nearlyOmitted"].is_u64() && explanation["nearly"][0]["actionMatches"] == true,
        "{explanation}"
    );
    for (action, resource) in [("s3:GetObject", "arn:aws:s3:::box"), ("s3:ListBucket", "arn:aws:s3:::box/k")] {
        let body = json!({"principal": "app", "action": action, "resource": resource});
        let message = root.post("/simulate", &body).refused(400, "InvalidArgument");
        assert!(message.starts_with("resource is a"), "{message}");
    }
    // Names that stand for others can't be taken.
    for name in ["root", "anonymous"] {
        root.post("/service-accounts", &json!({"name": name, "permissions": ["vpc"]})).refused(400, "InvalidArgument");
        root.put("/service-accounts/app", &json!({"name": name})).refused(400, "InvalidArgument");
    }
}

/// The story of a denied request: made, explained, mended, allowed.
#[test]
fn a_simulation_names_the_statement_and_what_it_lacked_and_agrees_with_the_request() {
    let policy = fixture::policy(&json!([
        {"Sid": "FromOffice", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::box/team/*"], "Condition": {"IpAddress": {"aws:SourceIp": ["127.0.21.0/24"]}}},
        {"Sid": "NoSecrets", "Effect": "Deny", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::box/team/secret/*"]}]));
    let node = node(json!({
        "buckets": [{"name": "box"}],
        "permissions": [{"name": "office", "type": "policy", "policy": policy}],
        "serviceAccounts": [fixture::service_account("app", &["office"])],
    }));
    let root = Admin::root(&node);
    node.client().put("box", "team/k", "v").ok();
    let app = fixture::caller(&node, "app");
    let ask = |key: &str, address: &str| {
        root.post("/simulate", &json!({"principal": "app", "action": "s3:GetObject", "resource": format!("arn:aws:s3:::box/{key}"), "context": {"aws:SourceIp": address}})).json(200)
    };
    let denied = ask("team/k", "127.0.0.1");
    assert_eq!((&denied["allowed"], &denied["decision"]), (&json!(false), &json!("ImplicitDeny")));
    let nearly = &denied["explanation"]["nearly"][0];
    assert_eq!((&nearly["policy"], &nearly["sid"]), (&json!("office"), &json!("FromOffice")));
    assert_eq!(nearly["conditions"][0]["found"], json!({"state": "one", "values": "127.0.0.1"}));
    app.get("box", "team/k").expect(403, "AccessDenied");
    let allowed = ask("team/k", "127.0.21.5");
    assert_eq!(
        (&allowed["decision"], &allowed["policy"], &allowed["sid"]),
        (&json!("Allow"), &json!("office"), &json!("FromOffice"))
    );
    app.from("127.0.21.5").get("box", "team/k").ok();
    let refused = ask("team/secret/k", "127.0.21.5");
    assert_eq!((&refused["decision"], &refused["sid"]), (&json!("ExplicitDeny"), &json!("NoSecrets")));
    root.delete("/service-accounts/app/enabled").json(204);
    let disabled = ask("team/k", "127.0.21.5");
    assert_eq!((&disabled["allowed"], &disabled["keyStatus"]), (&json!(false), &json!("disabled")));
    for (field, value) in [("principal", "nobody"), ("action", "s3:Nothing"), ("resource", "box/k")] {
        let mut body = json!({"principal": "app", "action": "s3:GetObject", "resource": "arn:aws:s3:::box/k"});
        body[field] = json!(value);
        assert!(matches!(root.post("/simulate", &body).0.status, 400 | 404), "{field}");
    }
    let forged = json!({"principal": "app", "action": "s3:GetObject", "resource": "arn:aws:s3:::box/k", "context": {"aws:username": "root"}});
    root.post("/simulate", &forged).refused(400, "InvalidArgument");
}

#[test]
fn access_tells_what_a_service_account_can_do_and_who_can_do_what_to_a_bucket() {
    let guarded = fixture::policy(&json!([
        {"Sid": "Team", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::box/team/*"]},
        {"Sid": "Office", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::box"], "Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}}]));
    let node = node(json!({
        "buckets": [{"name": "box"}, {"name": "other"}],
        "permissions": [
            {"name": "guarded", "type": "policy", "policy": guarded},
            {"name": "reads", "type": "bucket-names", "actions": "read-only", "buckets": ["box"]},
            {"name": "keep", "type": "policy", "policy": fixture::policy(&json!([fixture::deny(&["s3:DeleteObject"], &["arn:aws:s3:::box/*"])]))},
            everything("everything")],
        "serviceAccounts": [
            fixture::service_account("app", &["guarded"]),
            fixture::service_account("reader", &["reads"]),
            fixture::service_account("owner", &["everything", "keep"])],
    }));
    let root = Admin::root(&node);
    let access = root.get("/service-accounts/app/access").json(200);
    assert_eq!(access["grants"][0]["actions"], json!(["s3:GetObject", "s3:PutObject"]));
    assert_eq!(access["grants"][1]["condition"], json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}));
    assert_eq!(access["buckets"][0]["allowed"], json!([]));
    assert_eq!(access["buckets"][0]["conditional"], json!(["s3:GetObject", "s3:ListBucket", "s3:PutObject"]));
    assert_eq!(access["buckets"][1]["conditional"], json!([]), "{access}");
    let who = root.get("/buckets/box/access").json(200);
    let is_own = |it: &&serde_json::Value| it["kind"] == "service-account";
    let who: Vec<_> = who.as_array().expect("a list").iter().filter(is_own).cloned().collect();
    let allowed = |n: usize| who[n]["allowed"].as_array().expect("a list").clone();
    assert_eq!((&who[0]["name"], &who[1]["name"], &who[2]["name"]), (&json!("app"), &json!("owner"), &json!("reader")));
    assert!(allowed(1).contains(&json!("s3:PutObject")) && !allowed(1).contains(&json!("s3:DeleteObject")));
    assert!(allowed(2).contains(&json!("s3:GetObject")) && !allowed(2).contains(&json!("s3:PutObject")));
    assert_eq!(who[0]["grants"].as_array().map(Vec::len), Some(2));
    // What a disabled permission's Allows said is gone.
    root.delete("/permissions/reads/enabled").json(204);
    let access = root.get("/service-accounts/reader/access").json(200);
    assert_eq!((&access["buckets"][0]["allowed"], &access["grants"][0]["inForce"]), (&json!([]), &json!(false)));
}

#[test]
fn status_tells_health_disk_and_counters() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let status = root.get("/status").json(200);
    assert_eq!(
        (&status["health"], &status["durability"], &status["problems"]),
        (&json!("ok"), &json!("relaxed"), &json!([]))
    );
    assert!(
        status["disk"]["totalBytes"].as_u64() > Some(0) && status["engine"]["commits"].as_u64() > Some(0),
        "{status}"
    );
    assert_eq!((&status["disk"]["isLow"], &status["audit"]["state"]), (&json!(false), &json!("writes")), "{status}");
}

#[test]
fn a_quota_stops_what_would_exceed_it_and_survives_kill_9() {
    let mut node =
        tests::NodeBuilder::serve().account(json!({"buckets": [{"name": "box"}, {"name": "other"}]})).start();
    let (root, client) = (Admin::root(&node), node.client());
    let shown = root.get("/buckets/box").json(200);
    assert_eq!((&shown["quota"], &shown["lock"]), (&json!(null), &json!(false)));
    let made = root.put("/buckets/box", &json!({"quota": {"bytes": 6_000_000}})).json(200);
    assert_eq!(made["quota"], json!({"bytes": 6_000_000}));
    client.put("box", "small", vec![b'x'; 1_000_000]).ok();
    let refused = client.put("box", "large", vec![b'x'; 5_000_001]);
    assert_eq!(refused.expect(403, "QuotaExceeded").xml("Error/QuotaBytes"), "6000000");
    client.put("other", "large", vec![b'x'; 5_000_001]).ok();
    client.copy("other", "large", "box", "large").expect(403, "QuotaExceeded");
    // Parts aren't counted before they are an object, and together they are one object.
    let upload = client.create_upload("box", "parts");
    client.upload_part("box", "parts", &upload, 1, &vec![b'x'; 5_000_001]).expect(403, "QuotaExceeded");
    let part = vec![b'x'; 5 << 20];
    let roomy = root.put("/buckets/box", &json!({"quota": {"bytes": 7_000_000}})).json(200);
    assert_eq!(roomy["quota"]["bytes"], 7_000_000);
    let etags: Vec<String> = (1..=2)
        .map(|n| {
            client
                .upload_part("box", "parts", &upload, n, &part)
                .expect(200, "")
                .header("etag")
                .expect("an ETag")
                .to_owned()
        })
        .collect();
    client.complete_upload("box", "parts", &upload, &etags).expect(403, "QuotaExceeded");
    node.kill_9();
    node.restart();
    let (root, client) = (Admin::root(&node), node.client());
    assert_eq!(root.get("/buckets/box").json(200)["quota"]["bytes"], 7_000_000);
    client.put("box", "large", vec![b'x'; 6_000_001]).expect(403, "QuotaExceeded");
    // Reads and deletes go on, and make room.
    client.get("box", "small").ok();
    client.delete("box", "small").expect(204, "");
    client.put("box", "large", vec![b'x'; 7_000_000]).ok();
    // What is left out stays as it is, and null takes it away.
    assert_eq!(root.put("/buckets/box", &json!({"versioning": "enabled"})).json(200)["quota"]["bytes"], 7_000_000);
    assert_eq!(root.put("/buckets/box", &json!({"quota": null})).json(200)["quota"], json!(null));
    client.put("box", "more", vec![b'x'; 1_000_000]).ok();
    root.put("/buckets/box", &json!({"quota": {"bytes": -1}})).refused(400, "InvalidArgument");
    root.put("/buckets/box", &json!({"quota": {"bytes": 1, "objects": 1}})).refused(400, "InvalidArgument");
    // A later bucket of the name has its own.
    root.post("/buckets", &json!({"name": "again", "quota": {"bytes": 1}})).json(201);
    client.put("again", "k", "vv").expect(403, "QuotaExceeded");
    root.delete("/buckets/again").json(204);
    root.post("/buckets", &json!({"name": "again"})).json(201);
    client.put("again", "k", "vv").ok();
}

/// A Deny of the bucket's policy binds users of the console as it binds service accounts; root alone gets at the policy all the same.
#[test]
fn what_a_bucket_policy_denies_no_user_does_to_the_bucket_through_the_api() {
    let users = ["sam", "ada"].map(|name| {
        let role = if name == "ada" { "admin" } else { "storage-admin" };
        json!({"name": name, "role": role, "password": format!("{name}-password")})
    });
    let node = node(json!({"buckets": [{"name": "box"}], "users": users}));
    let root = Admin::root(&node);
    let closed = fixture::policy(&json!([
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::box", "arn:aws:s3:::box/*"]}
    ]));
    let open = fixture::policy(
        &json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::box/*"}]),
    );
    root.put("/buckets/box/policy", &closed).json(200);
    for name in ["sam", "ada"] {
        let user = Admin::nobody(&node).with_user(name, &format!("{name}-password"));
        let told = user.put("/buckets/box/policy", &open).refused(403, "AccessDenied");
        assert!(
            told.contains("s3:PutBucketPolicy") && told.ends_with("with an explicit deny in a resource-based policy"),
            "{told}"
        );
        user.get("/buckets/box/policy").refused(403, "AccessDenied");
        user.delete("/buckets/box/policy").refused(403, "AccessDenied");
        user.put("/buckets/box", &json!({"versioning": "enabled"})).refused(403, "AccessDenied");
        user.delete("/buckets/box").refused(403, "AccessDenied");
        user.get("/buckets/box").json(200);
    }
    assert_eq!(root.get("/buckets/box/policy").0.text(), closed.to_string());
    root.delete("/buckets/box/policy").json(204);
    let sam = Admin::nobody(&node).with_user("sam", "sam-password");
    sam.put("/buckets/box/policy", &open).json(200);
    sam.delete("/buckets/box").json(204);
}

#[test]
fn what_is_said_of_a_user_is_what_the_calls_on_objects_answer_them() {
    let users = ["admin", "storage-admin", "auditor"];
    let users = users.map(|role| json!({"name": role, "role": role, "password": "a-users-password"}));
    let node = node(json!({"buckets": [{"name": "box"}], "users": users}));
    node.client().put("box", "open/k", "v").ok();
    node.client().put("box", "shut/k", "v").ok();
    let root = Admin::root(&node);
    let deny = json!({"Sid": "Shut", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/shut/*"});
    root.put("/buckets/box/policy", &fixture::policy(&json!([deny]))).json(200);
    for user in root.get("/users").json(200).as_array().expect("a list") {
        let name = user["name"].as_str().expect("a name");
        let caller = Admin::nobody(&node).with_user(name, "a-users-password");
        for principal in [name.to_owned(), format!("arn:aws:iam::{}:user/console/{name}", tests::node::ACCOUNT_ID)] {
            for key in ["open/k", "shut/k"] {
                let body = json!({"principal": principal, "action": "s3:GetObject", "resource": format!("arn:aws:s3:::box/{key}")});
                let said = root.post("/simulate", &body).json(200);
                let status = caller.get(&format!("/buckets/box/objects/{key}")).0.status;
                assert_eq!(said["allowed"], status == 200, "{principal} {key}: {status}, {said}");
                assert_eq!(said["decision"] == "ExplicitDeny", key == "shut/k", "{principal} {key}: {said}");
            }
        }
    }
    root.put("/users/auditor", &json!({"enabled": false})).json(200);
    let body = |principal: &str, resource: &str| json!({"principal": principal, "action": "s3:ListBucket", "resource": resource});
    let said = root.post("/simulate", &body("auditor", "arn:aws:s3:::box")).json(200);
    assert_eq!(
        (&said["keyStatus"], &said["allowed"], &said["decision"]),
        (&json!("disabled"), &json!(false), &json!("Allow"))
    );
    root.post("/simulate", &body("nobody", "arn:aws:s3:::box")).refused(404, "ServiceAccountNotFound");
    let told = root.post("/simulate", &body("auditor", "box/k")).refused(400, "InvalidArgument");
    assert!(told.starts_with("resource must be an ARN such as"), "{told}");
}
