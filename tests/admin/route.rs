//! Every route of the admin API, as its own description lists them, with no, low and right credentials, and as each role.

use serde_json::json;
use tests::Node;

use super::{Admin, node};
use crate::fixture;

/// Method, path with its places filled by a name that nothing has, and action, of every route.
#[track_caller]
fn routes(node: &Node) -> Vec<(String, String, Option<String>)> {
    let document = Admin::nobody(node).get("/openapi.json").json(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let path = path.split('/').map(|part| if part.starts_with('{') { "nothing" } else { part });
            let action = operation["x-strongroom-action"].as_str().map(str::to_owned);
            routes.push((method.to_uppercase(), path.collect::<Vec<_>>().join("/"), action));
        }
    }
    assert!(routes.len() > 35, "{}", routes.len());
    routes
}

/// D12, D14: admin routes that any valid key, or none, could call.
#[test]
fn d12_d14_no_route_is_open_without_credentials_or_with_a_key_that_may_only_use_s3() {
    let allow = json!([fixture::allow(&["s3:*"], &["*"])]);
    let node = fixture::node(&["box"], &[("low", allow)]);
    let nobody = Admin::nobody(&node);
    let low = nobody.with_key(&fixture::access_key("low"), &fixture::secret_key("low"));
    let garbage = Admin { token: Some("garbage".into()), ..nobody.clone() };
    let mut judged = 0;
    for (method, path, action) in routes(&node) {
        let send = |admin: &Admin| admin.send(&method, &path, Some("{}".into()), &[]);
        let open = matches!(
            (method.as_str(), path.as_str()),
            ("POST", "/auth/token" | "/auth/session") | ("GET", "/openapi.json" | "/")
        );
        if open {
            assert_ne!(send(&nobody).0.status, 401, "{method} {path}");
            continue;
        }
        send(&nobody).refused(401, "InvalidToken");
        send(&garbage).refused(401, "InvalidToken");
        if let Some(action) = action {
            let message = send(&low).refused(403, "AccessDenied");
            assert!(message.contains(&action), "{method} {path}: {message}");
            judged += 1;
        }
    }
    assert!(judged > 30, "{judged}");
}

/// What each role may do, as the table of roles says it, asked on every route.
#[test]
fn d12_each_role_may_call_the_routes_of_its_row() {
    let users = ["admin", "storage-admin", "auditor"]
        .map(|role| json!({"name": role, "password": "some-password", "role": role}));
    let node = node(json!({"users": users}));
    for role in ["admin", "storage-admin", "auditor"] {
        let user = Admin::nobody(&node).with_user(role, "some-password");
        for (method, path, action) in routes(&node) {
            let Some(action) = action else { continue };
            let name = action.trim_start_matches("strongroom:");
            let views = name.starts_with("List") || name.starts_with("Get") || name == "Simulate";
            let people = !name.contains("Service") && (name.contains("User") || name.contains("Account"));
            let node_only = name.contains("Settings") || name.contains("State");
            let allowed = match role {
                "admin" => true,
                "storage-admin" => !people && !node_only,
                _ => views && !people && !node_only,
            };
            let answer = user.send(&method, &path, Some("{}".into()), &[]);
            let denied = answer.0.text().contains(&format!("not authorized to perform: {action}"));
            assert_eq!(denied, !allowed, "{role} {method} {path}: {}", answer.0);
        }
    }
}

#[test]
fn bodies_methods_and_paths_that_are_not_there_are_refused_in_words() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    root.get("/nothing").refused(404, "NotFound");
    let refused = root.send("PATCH", "/permissions", None, &[]);
    refused.refused(405, "MethodNotAllowed");
    assert_eq!(refused.header("allow"), "POST, GET");
    root.send("POST", "/permissions", Some("{".into()), &[]).refused(400, "InvalidArgument");
    // A list is no object whose fields have no names.
    for (method, path, body) in [
        ("PUT", "/audit/settings", "[null, null]"),
        ("POST", "/users", r#"["eve", "auditor", null, null]"#),
        ("POST", "/buckets", r#"{"name": "box", "quota": [5]}"#),
    ] {
        let told = root.send(method, path, Some(body.into()), &[]).refused(400, "InvalidArgument");
        assert!(told.contains("has the wrong type: expected an object"), "{path}: {told}");
    }
    root.send("POST", "/permissions", Some("x".repeat(600 << 10)), &[]).refused(413, "RequestTooLarge");
    root.send("POST", "/users", Some("x".repeat(70 << 10)), &[]).refused(413, "RequestTooLarge");
    let twice = r#"{"name": "a", "name": "b", "type": "all-buckets", "actions": "read-only"}"#;
    let message = root.send("POST", "/permissions", Some(twice.into()), &[]).refused(400, "InvalidArgument");
    assert!(message.contains("duplicate field `name`"), "{message}");
    let page = Admin::nobody(&node).send("GET", "/", None, &[]);
    assert!(page.0.text().contains("strongroom:CreatePermission") && !page.0.text().contains("://"), "an offline page");
    assert_eq!(root.get("/permissions").header("cache-control"), "no-store");
}

/// Who misspells a parameter means something by it.
#[test]
fn a_change_with_an_unknown_parameter_is_refused_and_changes_nothing() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let refuse = |answer: super::Answer, name: &str| {
        assert_eq!(answer.refused(400, "InvalidArgument"), format!("{name} is not a parameter of this call"));
    };
    refuse(root.post("/permissions?dryRun=true", &super::everything("p")), "dryRun");
    root.get("/permissions/p").refused(404, "PermissionNotFound");
    root.post("/permissions", &super::everything("p")).json(201);
    refuse(root.delete("/permissions/p?force=true"), "force");
    refuse(root.put("/permissions/p?limit=1", &json!({"description": "x"})), "limit");
    refuse(root.put("/buckets/box/policy?dialect=aws", &json!({})), "dialect");
    // What is about the caller, the API or the node is about no account.
    for path in
        ["/auth/token", "/openapi.json", "/", "/state", "/accounts", "/accounts/main", "/status", "/audit/settings"]
    {
        refuse(root.get(&format!("{path}?account=main")), "account");
    }
    refuse(root.delete("/accounts/main?account=main"), "account");
    let twice = root.get("/permissions?limit=1&limit=2").refused(400, "InvalidArgument");
    assert_eq!(twice, "limit is given more than once");
    root.get("/permissions/p").json(200);
    root.delete("/permissions/p?account=main").json(204);
}

/// A dry run that isn't understood as one must change nothing.
#[test]
fn switches_of_a_state_file_are_true_or_false_and_nothing_else() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let mut state = root.get("/state").json(200);
    state["accounts"][0]["permissions"] = json!([super::everything("p")]);
    for bad in ["dryRun=True", "dryRun=1", "dryRun=true&prune=yes", "dryRun="] {
        root.send("POST", &format!("/state?{bad}"), Some(state.to_string()), &[]).refused(400, "InvalidArgument");
    }
    let dry = root.send("POST", "/state?dryRun=true", Some(state.to_string()), &[]).json(200);
    assert_eq!((&dry["applied"], &dry["changes"]), (&json!(false), &json!(["+ permission \"p\""])));
    root.get("/permissions/p").refused(404, "PermissionNotFound");
    root.send("POST", "/state", Some(state.to_string()), &[]).json(200);
    root.get("/permissions/p").json(200);
}

#[test]
fn metrics_are_for_loopback_and_the_operator_and_a_proxy_s_clients_are_not_loopback() {
    let node = tests::NodeBuilder::serve()
        .arguments(&["--durability", "relaxed", "--trusted-proxy", "127.0.0.1"])
        .account(json!({"users": [{"name": "eve", "password": "eve-password", "role": "auditor"}]}))
        .start();
    let root = Admin::root(&node);
    let other = root.post("/accounts", &json!({"name": "other"})).json(201);
    let text = |field: &str| other["root"][field].as_str().expect("a text").to_owned();
    let tenant = Admin::nobody(&node).with_key(&text("accessKey"), &text("secret"));
    let ask = |admin: &Admin, from: Option<&str>| {
        let mut request = admin.client.target("GET", "/metrics");
        request = from.into_iter().fold(request, |request, from| request.header("x-forwarded-for", from));
        let token = admin.token.iter().map(|token| format!("Bearer {token}"));
        request = token.fold(request, |request, token| request.header("authorization", token));
        admin.client.send_as_is(&request).status
    };
    let (nobody, eve) = (Admin::nobody(&node), Admin::nobody(&node).with_user("eve", "eve-password"));
    let outside = Some("203.0.113.9");
    assert_eq!([ask(&nobody, None), ask(&nobody, outside)], [200, 403]);
    assert_eq!([ask(&root, outside), ask(&eve, outside), ask(&tenant, outside)], [200, 200, 403]);
}

/// D13: default credentials.
#[test]
fn d13_there_are_no_default_credentials() {
    let node = node(json!({}));
    let nobody = Admin::nobody(&node);
    for (user, password) in [
        ("admin", "admin"),
        ("admin", "password"),
        ("minioadmin", "minioadmin"),
        ("rustfsadmin", "rustfsadmin"),
        ("root", "root1234"),
    ] {
        nobody
            .post("/auth/token", &json!({"accessKey": user, "secret": password}))
            .refused(403, "AuthenticationFailed");
        nobody.post("/auth/token", &json!({"user": user, "password": password})).refused(403, "AuthenticationFailed");
    }
}

/// Whoever sends a body means something by it: a secret that they chose, say.
#[test]
fn a_body_on_a_call_that_takes_none_is_refused_and_nothing_is_changed() {
    let account =
        json!({"permissions": [super::everything("p")], "serviceAccounts": [fixture::service_account("app", &["p"])]});
    let node = node(account);
    let root = Admin::root(&node);
    let refused = root.post("/service-accounts/app/rotate", &json!({"secret": "a-chosen-secret"}));
    assert_eq!(refused.refused(400, "InvalidArgument"), "body is not taken by this call");
    root.put("/permissions/p/enabled", &json!(true)).refused(400, "InvalidArgument");
    let app = node.client().with(&fixture::access_key("app"), &fixture::secret_key("app"));
    app.create_bucket("made").ok();
    root.post("/service-accounts/app/rotate", &json!({})).json(200);
    app.list("made", &[]).expect(403, "SignatureDoesNotMatch");
}
