//! Permissions: the four types, what they grant over S3 from the next request on, lists, histories, deletion.

use serde_json::{Value, json};

use super::{Admin, everything, names, node};
use crate::fixture;

/// Creates a service account with these permissions and answers an S3 client that signs as it.
#[track_caller]
fn caller(node: &tests::Node, root: &Admin, name: &str, permissions: &[&str]) -> tests::Client {
    let made = root.post("/service-accounts", &json!({"name": name, "permissions": permissions})).json(201);
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    assert_eq!((text("accessKey").len(), text("secret").len()), (20, 40), "generated keys have 20 and 40 characters");
    node.client().with(&text("accessKey"), &text("secret"))
}

/// Seed: "You can create bucket permissions without any buckets in the account only if you apply permission to all buckets in the account or all buckets with a prefix."
#[test]
fn prefix_and_all_can_be_created_before_any_bucket_and_names_only_of_existing_ones() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let prefix = json!({"name": "p", "type": "bucket-prefix", "actions": "read-only", "prefix": "customer01"});
    root.post("/permissions", &prefix).json(201);
    root.post("/permissions", &everything("all")).json(201);
    let named = json!({"name": "n", "type": "bucket-names", "actions": "read-only", "buckets": ["datalake"]});
    let refused = root.post("/permissions", &named);
    assert_eq!(refused.refused(404, "BucketNotFound"), "A bucket was not found.");
    let two = json!({"name": "n", "type": "bucket-names", "actions": "read-only", "buckets": ["nix", "nax"]});
    assert_eq!(root.post("/permissions", &two).json(404)["details"]["buckets"], json!(["nix", "nax"]));
    node.client().create_bucket("datalake").ok();
    let made = root.post("/permissions", &named).json(201);
    assert_eq!(made["type"], "bucket-names");
    assert_eq!(made["buckets"], json!(["datalake"]));
    assert_eq!(made["readyState"], true);
    assert_eq!(made["enabled"], true);
    assert_eq!(made["description"], "Allows listing and reading in the bucket datalake and its objects.");
}

/// Seed: "enter a prefix of the bucket names ... customer01rawdata, customer01zipdata, customer01media and customer01"; "All current and future buckets".
#[test]
fn prefix_covers_all_buckets_that_begin_so_also_later_ones() {
    let node = node(json!({"buckets": [{"name": "customer01rawdata"}, {"name": "other"}]}));
    let root = Admin::root(&node);
    let body = json!({"name": "p", "type": "bucket-prefix", "actions": "all-operations", "prefix": "customer01"});
    root.post("/permissions", &body).json(201);
    let client = caller(&node, &root, "app", &["p"]);
    client.put("customer01rawdata", "k", "v").ok();
    node.client().create_bucket("customer01").ok();
    client.put("customer01", "k", "v").ok();
    client.put("other", "k", "v").expect(403, "AccessDenied");
    client.create_bucket("customer01new").expect(403, "AccessDenied");
}

/// Seed: "The prefix field allows a maximum of 64 characters."; "Only one prefix is allowed for a single permission."
#[test]
fn prefix_has_1_to_64_characters() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let body = |prefix: &str| json!({"name": format!("p{}", prefix.len()), "type": "bucket-prefix", "actions": "read-only", "prefix": prefix});
    root.post("/permissions", &body(&"p".repeat(64))).json(201);
    root.post("/permissions", &body("p")).json(201);
    for bad in ["", &"p".repeat(65), "Upper", "a*", "a/b", "a..b", "a.-b", "a-.b", "xn--", "-a"] {
        let message = root.post("/permissions", &body(bad)).refused(400, "InvalidArgument");
        assert!(message.starts_with("prefix "), "{message}");
    }
    let two = json!({"name": "two", "type": "bucket-prefix", "actions": "read-only", "prefix": ["a", "b"]});
    root.post("/permissions", &two).refused(400, "InvalidArgument");
}

/// Seed: "Read only: This option allows you to perform a read only operation"; "Write only: This option allows you to write objects into the selected buckets without reading them back."
#[test]
fn the_three_actions_grant_what_they_say() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    node.client().put("box", "k", "v").ok();
    for actions in ["all-operations", "read-only", "write-only"] {
        let body = json!({"name": actions, "type": "bucket-names", "actions": actions, "buckets": ["box"]});
        root.post("/permissions", &body).json(201);
        let client = caller(&node, &root, actions, &[actions]);
        let may = |response: tests::Response| response.status < 300;
        let (reads, writes) = (actions != "write-only", actions != "read-only");
        assert_eq!(may(client.get("box", "k")), reads, "{actions}");
        assert_eq!(may(client.list("box", &[])), reads, "{actions}");
        assert_eq!(may(client.put("box", "new", "v")), writes, "{actions}");
        assert_eq!(may(client.delete("box", "new")), actions == "all-operations", "{actions}");
        let policy = fixture::policy(
            &json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"}]),
        );
        client.put_policy("box", &policy).expect(403, "AccessDenied");
    }
}

/// Seed: "These changes take effect as soon as the updated permission is saved, and any subsequent application API calls will be affected."
#[test]
fn a_change_holds_for_the_next_request_and_so_does_its_end() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let made = root.post("/permissions", &everything("p")).json(201);
    let path = format!("/permissions/{}", made["id"].as_str().expect("an id"));
    let client = caller(&node, &root, "app", &["p"]);
    client.put("box", "k", "v").ok();
    for _ in 0..20 {
        let changed = root.put(&path, &json!({"actions": "read-only"})).json(200);
        assert_eq!(changed["actions"], "read-only");
        client.put("box", "k", "v").expect(403, "AccessDenied");
        root.put(&path, &json!({"actions": "all-operations"})).json(200);
        client.put("box", "k", "v").ok();
        assert_eq!(root.delete(&format!("{path}/enabled")).json(204), Value::Null);
        client.get("box", "k").expect(403, "AccessDenied");
        assert_eq!(root.set(&format!("{path}/enabled")).json(200)["enabled"], true);
        client.get("box", "k").ok();
    }
}

#[test]
fn a_disabled_permission_grants_nothing_and_its_denies_stay() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    root.post("/permissions", &everything("all")).json(201);
    let deny = fixture::policy(
        &json!([{"Sid": "No", "Effect": "Deny", "Action": ["s3:DeleteObject"], "Resource": ["arn:aws:s3:::box/*"]}]),
    );
    root.post("/permissions", &json!({"name": "keep", "type": "policy", "policy": deny})).json(201);
    let client = caller(&node, &root, "app", &["all", "keep"]);
    client.put("box", "k", "v").ok();
    root.delete("/permissions/keep/enabled").json(204);
    client.delete("box", "k").expect(403, "AccessDenied");
    root.delete("/permissions/all/enabled").json(204);
    client.get("box", "k").expect(403, "AccessDenied");
}

/// Seed: "Permissions used by any service accounts cannot be deleted."; "After you delete a permission, you cannot restore. However, you can create a new permission and reuse that permission name."
#[test]
fn a_used_permission_can_t_be_deleted_and_a_deleted_one_s_name_is_free() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let first = root.post("/permissions", &everything("p")).json(201);
    let taken = root.post("/permissions", &everything("p"));
    let message = taken.refused(409, "PermissionNameAlreadyExists");
    assert_eq!(message, "The permission name is already in use. Please use a different name.");
    caller(&node, &root, "zoe", &["p"]);
    caller(&node, &root, "app", &["p"]);
    let refused = root.delete("/permissions/p");
    assert!(refused.refused(409, "PermissionInUse").ends_with(": app, zoe."));
    assert_eq!(refused.json(409)["details"]["serviceAccounts"], json!(["app", "zoe"]));
    for name in ["app", "zoe"] {
        root.delete(&format!("/service-accounts/{name}")).json(204);
    }
    root.delete("/permissions/p").json(204);
    let message = root.get("/permissions/p").refused(404, "PermissionNotFound");
    assert_eq!(message, "A permission was not found.");
    let second = root.post("/permissions", &everything("p")).json(201);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["revision"], 1, "a namesake begins a history of its own");
}

/// Seed: "Editing bucket permissions": name, buckets and actions of the one type; name, description and file of the other.
#[test]
fn scope_and_actions_of_a_bucket_permission_can_be_changed_but_not_its_kind() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let id = root.post("/permissions", &everything("p")).json(201)["id"].as_str().expect("an id").to_owned();
    let path = format!("/permissions/{id}");
    let changed = root.put(&path, &json!({"name": "q", "type": "bucket-names", "buckets": ["box"]})).json(200);
    assert_eq!(
        (&changed["name"], &changed["type"], &changed["actions"]),
        (&json!("q"), &json!("bucket-names"), &json!("all-operations"))
    );
    let changed = root.put(&path, &json!({"type": "bucket-prefix", "prefix": "b", "description": "mine"})).json(200);
    assert_eq!((&changed["prefix"], &changed["description"]), (&json!("b"), &json!("mine")));
    assert_eq!(changed["buckets"], Value::Null);
    let changed = root.put(&path, &json!({"description": null})).json(200);
    assert!(changed["description"].as_str().expect("a text").contains("begin with b"), "{changed}");
    let policy = json!({"type": "policy", "policy": fixture::policy(&json!([fixture::allow(&["s3:*"], &["arn:aws:s3:::box"])]))});
    root.put(&path, &policy).refused(400, "InvalidArgument");
    root.put(&path, &json!({"buckets": ["box"]})).refused(400, "InvalidArgument");
    root.put(&path, &json!({"nmae": "x"})).refused(400, "InvalidArgument");
}

#[test]
fn of_two_who_change_one_permission_the_second_is_told() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    root.post("/permissions", &everything("p")).json(201);
    let seen = root.get("/permissions/p").header("etag");
    let change = |name: &str, etag: &str| {
        let body = json!({"description": name}).to_string();
        root.send("PUT", "/permissions/p", Some(body), &[("if-match", etag)])
    };
    let first = change("first", &seen);
    assert_eq!(first.json(200)["description"], "first");
    let second = change("second", &seen);
    second.refused(412, "PreconditionFailed");
    assert_eq!(second.header("etag"), first.header("etag"));
    assert_eq!(change("second", &first.header("etag")).json(200)["description"], "second");
    root.send("DELETE", "/permissions/p", None, &[("if-match", &seen)]).refused(412, "PreconditionFailed");
    root.send("DELETE", "/permissions/p", None, &[("if-match", "*")]).json(204);
}

/// Seed: "Displays the number of service accounts using that specific permission ... view the names of the attached service account".
#[test]
fn a_list_has_its_fields_and_is_searched_sorted_and_paged_by_the_node() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    for n in 0..25 {
        let body = json!({"name": format!("p{n:02}"), "description": format!("number {}", 24 - n), "type": "all-buckets", "actions": "read-only"});
        root.post("/permissions", &body).json(201);
    }
    caller(&node, &root, "app", &["p07", "p03"]);
    caller(&node, &root, "zoe", &["p07"]);
    let page = root.get("/permissions?limit=10");
    assert_eq!(page.header("x-total-count"), "25");
    assert_eq!(names(&page), (0..10).map(|n| format!("p{n:02}")).collect::<Vec<_>>());
    let mut seen = names(&page);
    let mut cursor = page.header("x-next-cursor");
    // What is made meanwhile on an earlier page shifts nothing.
    root.post("/permissions", &everything("a first one")).json(201);
    loop {
        let page = root.get(&format!("/permissions?limit=10&cursor={cursor}"));
        seen.extend(names(&page));
        match page.0.header("x-next-cursor") {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, (0..25).map(|n| format!("p{n:02}")).collect::<Vec<_>>());
    let by_use = root.get("/permissions?sort=serviceAccounts&order=desc&limit=2").json(200);
    assert_eq!(by_use[0]["name"], "p07");
    assert_eq!(by_use[0]["serviceAccounts"], json!({"count": 2, "names": ["app", "zoe"]}));
    assert_eq!(by_use[1]["serviceAccounts"]["count"], 1);
    let fields: Vec<&String> = by_use[0].as_object().expect("an object").keys().collect();
    assert_eq!(
        fields,
        ["id", "name", "description", "type", "readyState", "enabled", "createTime", "updateTime", "serviceAccounts"]
    );
    assert_eq!(names(&root.get("/permissions?sort=description&limit=1&q=number")), ["p24"]);
    let found = root.get("/permissions?q=NUMBER%2013");
    assert_eq!((names(&found), found.header("x-total-count").as_str()), (vec!["p11".to_owned()], "1"));
    assert_eq!(names(&root.get("/permissions?name=p05")), ["p05"]);
    for sort in ["name", "description", "type", "serviceAccounts", "createTime"] {
        assert_eq!(names(&root.get(&format!("/permissions?sort={sort}"))).len(), 26, "{sort}");
    }
    root.get("/permissions?sort=secret").refused(400, "InvalidArgument");
}

#[test]
fn history_tells_who_changed_what_and_a_revert_goes_back() {
    let node = node(json!({"users": [{"name": "eve", "password": "eve-password", "role": "storage-admin"}]}));
    let (root, eve) = (Admin::root(&node), Admin::nobody(&node).with_user("eve", "eve-password"));
    let file = |action: &str| {
        fixture::policy(
            &json!([{"Sid": "one", "Effect": "Allow", "Action": [action], "Resource": ["arn:aws:s3:::box/*"]}]),
        )
    };
    root.post("/permissions", &json!({"name": "p", "type": "policy", "policy": file("s3:GetObject")})).json(201);
    eve.put("/permissions/p", &json!({"policy": file("s3:PutObject"), "description": "writes"})).json(200);
    root.put("/permissions/p", &json!({"name": "q"})).json(200);
    root.put("/permissions/q", &json!({"name": "q"})).json(200);
    let history = root.get("/permissions/q/history").json(200);
    let history = history.as_array().expect("a list");
    assert_eq!(history.len(), 3, "what changes nothing is no version: {history:#?}");
    let (last, middle, first) = (&history[0], &history[1], &history[2]);
    assert_eq!((&last["revision"], &last["changed"]), (&json!(3), &json!(["name"])));
    assert_eq!(middle["changed"], json!(["description", "policy"]));
    assert_eq!(middle["by"], format!("arn:aws:iam::{}:user/console/eve", tests::node::ACCOUNT_ID));
    assert_eq!(first["by"], format!("arn:aws:iam::{}:root", tests::node::ACCOUNT_ID));
    let diff = middle["diff"].as_str().expect("a text");
    assert!(
        diff.contains("-") && diff.contains("s3:GetObject") && diff.contains("+") && diff.contains("s3:PutObject"),
        "{diff}"
    );
    let reverted = root.post("/permissions/q/revert", &json!({"revision": 1})).json(200);
    assert_eq!(reverted["policy"], file("s3:GetObject"));
    assert_eq!((&reverted["name"], &reverted["revision"]), (&json!("q"), &json!(4)));
    root.post("/permissions/q/revert", &json!({"revision": 9})).refused(404, "RevisionNotFound");
}

#[test]
fn a_permission_names_a_bucket_once_and_is_not_reverted_to_one_that_is_gone() {
    let node = node(json!({"buckets": [{"name": "box"}, {"name": "old"}]}));
    let root = Admin::root(&node);
    let names =
        |buckets: &[&str]| json!({"name": "p", "type": "bucket-names", "actions": "read-only", "buckets": buckets});
    let told = root.post("/permissions", &names(&["box", "box"])).refused(400, "InvalidArgument");
    assert_eq!(told, "buckets names \"box\" twice");
    root.post("/permissions", &names(&["old"])).json(201);
    root.put("/permissions/p", &names(&["box"])).json(200);
    root.delete("/buckets/old").json(204);
    root.post("/permissions/p/revert", &json!({"revision": 1})).refused(404, "BucketNotFound");
    assert_eq!(root.get("/permissions/p").json(200)["buckets"], json!(["box"]));
}

#[test]
fn histories_survive_kill_9_and_a_deleted_index_whether_there_were_changes_or_not() {
    let mut node = tests::NodeBuilder::serve()
        .account(json!({"buckets": [{"name": "box"}], "permissions": [everything("declared")]}))
        .start();
    let root = Admin::root(&node);
    for name in ["p", "unchanged"] {
        root.post("/permissions", &everything(name)).json(201);
    }
    let client = caller(&node, &root, "app", &["p"]);
    for name in ["eve", "adam"] {
        root.post("/users", &json!({"name": name, "password": "some-password", "role": "auditor"})).json(201);
    }
    root.put("/permissions/p", &json!({"actions": "read-only"})).json(200);
    root.put("/users/eve", &json!({"role": "admin"})).json(200);
    let paths = ["permissions/declared", "permissions/p", "permissions/unchanged", "service-accounts/app"];
    let paths: Vec<String> = paths.into_iter().chain(["users/eve", "users/adam"]).map(|it| format!("/{it}")).collect();
    // Of each: all that is told, its tag, and its history.
    let told = |root: &Admin| {
        let one = |path: &String| {
            let answer = root.get(path);
            let tag = answer.header("etag");
            (tag, answer.json(200), root.get(&format!("{path}/history")).json(200))
        };
        paths.iter().map(one).collect::<Vec<_>>()
    };
    let before = told(&root);
    let versions: Vec<_> = before.iter().map(|(.., history)| history.as_array().map_or(0, Vec::len)).collect();
    assert_eq!(versions, [1, 2, 1, 1, 2, 1]);
    assert!(before[0].2[0]["by"].as_str().is_some_and(|by| by.starts_with("state file ")), "{:?}", before[0].2);
    assert!(before[1..].iter().all(|(.., history)| history[0]["by"] == "arn:aws:iam::123456789012:root"));
    node.kill_9();
    std::fs::remove_file(node.data().join("index.redb")).expect("the index is there");
    node.restart();
    let root = Admin::root(&node);
    assert_eq!(told(&root), before);
    let client = node.client().with(&client.signer().credentials.access_key, &client.signer().credentials.secret_key);
    client.list("box", &[]).ok();
    client.put("box", "k", "v").expect(403, "AccessDenied");
    let back = root.post("/permissions/p/revert", &json!({"revision": 1})).json(200);
    assert_eq!((&back["revision"], &back["actions"]), (&json!(3), &json!("all-operations")));
    root.post("/permissions/unchanged/revert", &json!({"revision": 1})).json(200);
    assert_eq!(root.get("/permissions/unchanged/history").json(200), before[2].2, "what changes nothing is no version");
    client.put("box", "k", "v").ok();
}

/// A form marks the field that is wrong, and a slip in a query isn't taken for the whole list.
#[test]
fn what_is_wrong_with_a_call_is_told_by_its_field_or_parameter() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let wrong = |body: Value, message: &str| {
        let told = root.post("/permissions", &body).refused(400, "InvalidArgument");
        assert!(told.starts_with(message), "{body}: {told}");
    };
    wrong(
        json!({"name": "p", "type": "bucket-names", "buckets": "box"}),
        "buckets has the wrong type: expected a list",
    );
    wrong(json!({"name": "p", "bucket": []}), "bucket is not a field here");
    wrong(json!({"name": null, "type": "all-buckets", "actions": "read-only"}), "name has the wrong type");
    root.post("/permissions", &everything("p")).json(201);
    let told = root.put("/permissions/p", &json!({"name": null})).refused(400, "InvalidArgument");
    assert!(told.starts_with("name has the wrong type"), "{told}");
    for (query, field) in [("lmit=2", "lmit"), ("limit=1&bogus=", "bogus"), ("from=2026-11", "from")] {
        let told = root.get(&format!("/permissions?{query}")).refused(400, "InvalidArgument");
        assert!(told.starts_with(field), "{query}: {told}");
    }
    root.get("/permissions?account=main&limit=2").json(200);
}

/// One line at the command line, whoever uses it.
#[test]
fn a_permission_in_use_names_ten_of_its_service_accounts_and_counts_the_rest() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    root.post("/permissions", &everything("p")).json(201);
    for n in 10..22 {
        root.post("/service-accounts", &json!({"name": format!("app{n}"), "permissions": ["p"]})).json(201);
    }
    let told = root.delete("/permissions/p").refused(409, "PermissionInUse");
    assert!(told.ends_with("app18, app19, ... and 2 more."), "{told}");
}

/// Made within one millisecond too.
#[test]
fn permissions_sorted_by_create_time_are_in_the_order_in_which_they_were_made() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let made: Vec<String> = (0..12).rev().map(|n| format!("p{n:02}")).collect();
    for name in &made {
        root.post("/permissions", &everything(name)).json(201);
    }
    assert_eq!(names(&root.get("/permissions?sort=createTime")), made);
}
