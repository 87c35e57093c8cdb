//! The audit log: every request of S3 and of the admin API, searched over the API.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use tests::{Credentials, Signer};

use super::{Admin, Answer, everything, node};
use crate::durability::full_disk::node_on_a_small_disk;
use crate::fixture;

/// Records that a search finds, once there are at least `count`: they are written a moment after the answer.
#[track_caller]
pub(super) fn records(admin: &Admin, query: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let found = admin.get(&format!("/audit?{query}")).json(200).as_array().expect("a list").clone();
        if found.len() >= count || Instant::now() > deadline {
            assert!(found.len() >= count, "{query}: {found:#?}");
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_request_is_recorded_with_who_what_from_where_and_the_deciding_statement() {
    let policy = fixture::policy(&json!([
        {"Sid": "Reads", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::box/*"]},
        {"Sid": "NoSecrets", "Effect": "Deny", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::box/secret"]}]));
    let node = node(json!({
        "buckets": [{"name": "box"}],
        "permissions": [{"name": "p", "type": "policy", "policy": policy}],
        "serviceAccounts": [fixture::service_account("app", &["p"])],
    }));
    let root = Admin::root(&node);
    node.client().put("box", "k", "v").ok();
    let app = fixture::caller(&node, "app").from("127.0.21.5");
    app.get("box", "k").ok();
    app.get("box", "secret").expect(403, "AccessDenied");
    app.put("box", "k", "v").expect(403, "AccessDenied");
    node.client().anonymous().get("box", "k").expect(403, "AccessDenied");
    let found = records(&root, "bucket=box&user=app", 3);
    let decisions: Vec<(&Value, &Value, &Value)> = found
        .iter()
        .map(|it| (&it["eventName"], &it["authorization"]["decision"], &it["authorization"]["sid"]))
        .collect();
    assert_eq!(
        decisions,
        [
            (&json!("PutObject"), &json!("ImplicitDeny"), &Value::Null),
            (&json!("GetObject"), &json!("ExplicitDeny"), &json!("NoSecrets")),
            (&json!("GetObject"), &json!("Allow"), &json!("Reads")),
        ]
    );
    let first = &found[2];
    assert_eq!(first["sourceIPAddress"], "127.0.21.5");
    assert_eq!(first["authorization"]["policy"], "p");
    assert_eq!(first["resources"], json!([{"ARN": "arn:aws:s3:::box/k", "type": "AWS::S3::Object"}]));
    assert_eq!(
        (&first["userIdentity"]["type"], &first["userIdentity"]["userName"]),
        (&json!("IAMUser"), &json!("app"))
    );
    assert_eq!((&first["eventSource"], &first["httpStatus"]), (&json!("s3.amazonaws.com"), &json!(200)));
    assert_eq!(found[1]["errorCode"], "AccessDenied");
    assert_eq!(records(&root, "q=ANONYMOUS", 1)[0]["userIdentity"]["type"], "Anonymous");
    assert_eq!(records(&root, "q=eventName", 0), [] as [Value; 0], "a field's name is no text of the record");
    root.get(&format!("/audit?q={}", "x".repeat(201))).refused(400, "InvalidArgument");
    assert_eq!(records(&root, "bucket=box&refused=true", 3).len(), 3);
    assert_eq!(records(&root, "event=PutObject&refused=false", 1).len(), 1);
}

#[test]
fn admin_calls_are_recorded_and_a_deleted_permission_s_document_is_kept() {
    let node = node(json!({"users": [{"name": "eve", "password": "eve-password", "role": "auditor"}]}));
    let (root, eve) = (Admin::root(&node), Admin::nobody(&node).with_user("eve", "eve-password"));
    root.post("/permissions", &everything("p")).json(201);
    root.delete("/permissions/p").json(204);
    eve.post("/permissions", &everything("q")).refused(403, "AccessDenied");
    Admin::nobody(&node)
        .post("/auth/token", &json!({"user": "eve", "password": "wrong-password"}))
        .refused(403, "AuthenticationFailed");
    let found = records(&root, "event=DeletePermission", 1);
    assert_eq!(found[0]["requestParameters"]["name"], "p");
    assert_eq!(found[0]["requestParameters"]["type"], "all-buckets");
    let denied = records(&root, "event=CreatePermission&refused=true", 1);
    assert_eq!(
        (&denied[0]["userIdentity"]["userName"], &denied[0]["authorization"]["decision"]),
        (&json!("eve"), &json!("ImplicitDeny"))
    );
    // Who signed in, whose name was tried, and what was made.
    let tried = &records(&root, "event=SignIn&refused=true&user=eve", 1)[0];
    assert_eq!(
        (&tried["errorCode"], &tried["userIdentity"]["type"]),
        (&json!("AuthenticationFailed"), &json!("Unverified"))
    );
    Admin::nobody(&node)
        .post("/auth/token", &json!({"user": "my-password-in-the-wrong-place", "password": "wrong-password"}))
        .refused(403, "AuthenticationFailed");
    assert_eq!(records(&root, "event=SignIn&refused=true", 2).len(), 2);
    assert_eq!(records(&root, "q=in-the-wrong-place", 0), [] as [Value; 0], "what isn't a user's name may be a secret");
    assert_eq!(records(&root, "event=SignIn&refused=false&user=eve", 1)[0]["userIdentity"]["type"], "ConsoleUser");
    let created = &records(&root, "event=CreatePermission&refused=false", 1)[0];
    assert_eq!(created["requestParameters"]["name"], "p", "{created}");
    let by_root = records(&root, "user=root", 2);
    assert!(by_root.iter().all(|it| it["userIdentity"]["type"] == "Root"), "{by_root:#?}");
    for event in ["CreatePermission", "DeletePermission"] {
        assert!(by_root.iter().any(|it| it["eventName"] == event), "{event}: {by_root:#?}");
    }
    // An auditor may search, and set nothing.
    assert!(!records(&eve, "event=DeletePermission", 1).is_empty());
    eve.put("/audit/settings", &json!({"requests": "none"})).refused(403, "AccessDenied");
}

#[test]
fn a_request_with_a_key_that_is_not_accepted_is_recorded_with_what_it_asked_for_and_why() {
    let node = node(json!({
        "buckets": [{"name": "box"}],
        "permissions": [everything("p")],
        "serviceAccounts": [fixture::service_account("app", &["p"])],
    }));
    let root = Admin::root(&node);
    let app = fixture::caller(&node, "app");
    root.delete("/service-accounts/app/enabled").json(204);
    app.put("box", "k", "v").expect(403, "InvalidAccessKeyId");
    node.client().with("AKNOBODYHASIT", "some-secret").get("box", "k").expect(403, "InvalidAccessKeyId");
    let found = &records(&root, "bucket=box&user=app", 1)[0];
    assert_eq!((&found["eventName"], &found["userIdentity"]["type"]), (&json!("PutObject"), &json!("Unverified")));
    assert_eq!(found["resources"][0]["ARN"], "arn:aws:s3:::box/k");
    assert_eq!(found["authorization"]["reason"], "service account \"app\" is disabled", "{found}");
    let unknown = &records(&root, "user=AKNOBODYHASIT", 1)[0];
    assert_eq!(
        (&unknown["eventName"], &unknown["userIdentity"]["accessKeyId"]),
        (&json!("GetObject"), &json!("AKNOBODYHASIT"))
    );
}

#[test]
fn a_search_goes_on_page_by_page_and_other_accounts_see_only_their_own() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    let root = Admin::root(&node);
    let other = root.post("/accounts", &json!({"name": "other"})).json(201);
    let key = |field: &str| other["root"][field].as_str().expect("a text");
    let other = Admin::nobody(&node).with_key(key("accessKey"), key("secret"));
    for n in 0..25 {
        node.client().put("box", &format!("k{n:02}"), "v").ok();
    }
    node.client().with(key("accessKey"), key("secret")).create_bucket("theirs").ok();
    records(&root, "event=CreateBucket", 1);
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = root.get(&format!("/audit?event=PutObject&limit=10&cursor={cursor}"));
        let list = page.json(200);
        keys.extend(list.as_array().expect("a list").iter().map(|it| it["resources"][0]["ARN"].clone()));
        match page.0.header("x-next-cursor") {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<Value> = (0..25).rev().map(|n| json!(format!("arn:aws:s3:::box/k{n:02}"))).collect();
    assert_eq!(keys, expected);
    let theirs = records(&other, "", 1);
    assert!(
        theirs.iter().all(|it| it["recipientAccountId"] == other.get("/accounts").json(200)[0]["id"]),
        "{theirs:#?}"
    );
    let message = root.get("/audit?from=2026-02-01&to=2026-01-01").refused(400, "InvalidTimeRange");
    assert_eq!(message, "Invalid time range.");
    root.get("/audit?from=whenever").refused(400, "InvalidArgument");
    assert_eq!(root.get("/audit?to=2020-01-01").json(200), json!([]));
}

#[test]
fn settings_hold_for_the_next_request_and_survive_kill_9() {
    let mut node = tests::NodeBuilder::serve().account(json!({"buckets": [{"name": "box"}]})).start();
    let root = Admin::root(&node);
    let settings = root.get("/audit/settings").json(200);
    assert_eq!((&settings["requests"], &settings["dropped"]), (&json!("all"), &json!(0)));
    // A quarter of a small disk.
    let disk = rustix::fs::statvfs(node.data()).expect("the data directory is there");
    let kept = (disk.f_blocks * disk.f_frsize / 4).clamp(64 << 20, 1 << 30);
    assert_eq!(settings["keptBytes"], json!(kept));
    root.put("/audit/settings", &json!({"requests": "denied"})).json(200);
    node.client().put("box", "k", "v").ok();
    node.client().anonymous().get("box", "k").expect(403, "AccessDenied");
    assert_eq!(records(&root, "bucket=box", 1).len(), 1);
    root.put("/audit/settings", &json!({"requests": "some"})).refused(400, "InvalidArgument");
    root.put("/audit/settings", &json!({"keptBytes": 1})).refused(400, "InvalidArgument");
    // What is wrong in itself is told whatever anybody else has changed meanwhile.
    let stale = [("if-match", "\"another\"")];
    for (body, status) in
        [(json!({"keptBytes": 1}), 400), (json!({"requests": "some"}), 400), (json!({"requests": "all"}), 412)]
    {
        assert_eq!(root.send("PUT", "/audit/settings", Some(body.to_string()), &stale).0.status, status, "{body}");
    }
    node.kill_9();
    node.restart();
    assert_eq!(Admin::root(&node).get("/audit/settings").json(200)["requests"], "denied");
    let off = tests::NodeBuilder::serve().arguments(&["--audit-log", "off"]).start();
    Admin::root(&off).get("/audit").refused(404, "AuditOff");
    assert!(!off.data().join("audit.log").exists());
}

#[test]
fn what_sts_and_preflights_are_asked_is_recorded_too() {
    let node = fixture::node(&[], &[("app", json!([fixture::allow(&["s3:*"], &["*"])]))]);
    let (root, client) = (Admin::root(&node), node.client());
    let credentials = |secret: &str| Credentials::new(&fixture::access_key("app"), secret);
    let signer = |secret: &str| Signer { service: "sts".into(), ..Signer::new(credentials(secret)) };
    for secret in [fixture::secret_key("app"), "another-secret".to_owned()] {
        let request = client.target("POST", "/").header("content-type", "application/x-www-form-urlencoded");
        let mut request = request.body("Action=GetCallerIdentity&Version=2011-06-15");
        signer(&secret).sign(&mut request);
        client.send_as_is(&request);
    }
    let preflight = client.target("OPTIONS", "/box/k").header("origin", "https://example.com");
    let answer = client.send_as_is(&preflight.header("user-agent", "a browser"));
    answer.expect(403, "AccessForbidden");
    let id = answer.header("x-amz-request-id").expect("an id").to_owned();
    assert_eq!(answer.xml("Error/RequestId"), id);
    let asked = records(&root, "event=GetCallerIdentity&refused=false", 1);
    assert_eq!(
        (&asked[0]["eventSource"], &asked[0]["userIdentity"]["userName"], &asked[0]["httpStatus"]),
        (&json!("sts.amazonaws.com"), &json!("app"), &json!(200))
    );
    let refused = records(&root, "refused=true&event=GetCallerIdentity", 1);
    assert_eq!(
        (&refused[0]["errorCode"], &refused[0]["userIdentity"]["type"]),
        (&json!("SignatureDoesNotMatch"), &json!("Unverified"))
    );
    let preflight = &records(&root, "event=Preflight&bucket=box", 1)[0];
    assert_eq!((&preflight["errorCode"], &preflight["requestID"]), (&json!("AccessForbidden"), &json!(id)));
    assert_eq!(
        (&preflight["userAgent"], &preflight["resources"][0]["ARN"]),
        (&json!("a browser"), &json!("arn:aws:s3:::box/k"))
    );
    root.get(&format!("/audit?q={}", "a".repeat(200))).json(200);
    let told = root.get(&format!("/audit?q={}", "a".repeat(201))).refused(400, "InvalidArgument");
    assert_eq!(told, "q is longer than 200 characters");
}

#[test]
fn a_full_disk_pauses_the_log_and_room_resumes_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node = node_on_a_small_disk(directory.path());
    let (root, client) = (Admin::root(&node), node.client());
    let audit = |field: &str| root.get("/status").json(200)["audit"][field].clone();
    assert_eq!(audit("state"), "writes");
    let full = (0..200).position(|n| client.put("box", &format!("{n:03}"), fixture::noise(n, 1 << 20)).status == 507);
    let full = full.expect("the disk gets full");
    // It is looked at once a second.
    let wait_for = |state: &str| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while audit("state") != state {
            assert!(Instant::now() < deadline, "the audit log isn't {state}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait_for("paused");
    assert_eq!(root.get("/status").json(200)["disk"]["isLow"], true);
    let dropped = audit("dropped").as_u64();
    assert!(dropped > Some(0));
    client.get("box", "000").ok();
    for n in 0..full {
        client.delete("box", &format!("{n:03}")).expect(204, "");
    }
    wait_for("writes");
    client.put("box", "afterwards", "v").ok();
    assert!(!records(&root, "q=afterwards", 1).is_empty());
}

/// Of the operator's users those who may change accounts see all records, the others their own account's.
#[test]
fn users_of_the_operator_s_account_who_manage_no_accounts_see_only_its_records() {
    let roles = ["admin", "storage-admin", "auditor"];
    let users = roles.map(|role| json!({"name": role, "role": role, "password": "a-users-password"}));
    let node = node(json!({"buckets": [{"name": "box"}], "users": users}));
    let root = Admin::root(&node);
    let other = root.post("/accounts", &json!({"name": "other"})).json(201);
    let key = |field: &str| other["root"][field].as_str().expect("a text");
    node.client().with(key("accessKey"), key("secret")).create_bucket("theirs").ok();
    node.client().put("box", "k", "v").ok();
    records(&root, "bucket=theirs", 1);
    for role in roles {
        let user = Admin::nobody(&node).with_user(role, "a-users-password");
        let theirs = user.get("/audit?bucket=theirs").json(200);
        assert_eq!(theirs.as_array().map(Vec::len), Some(usize::from(role == "admin")), "{role}: {theirs}");
        assert_eq!(records(&user, "bucket=box", 1).len(), 1, "{role}");
    }
}

#[test]
fn a_call_about_an_object_without_credentials_is_recorded_as_what_it_asked_for() {
    let node = node(json!({"buckets": [{"name": "box"}]}));
    Admin::nobody(&node).get("/buckets/box/objects/k").refused(401, "InvalidToken");
    let found = records(&Admin::root(&node), "event=GetObject", 1);
    assert_eq!((&found[0]["httpStatus"], &found[0]["errorCode"]), (&json!(401), &json!("InvalidToken")));
}

#[test]
fn an_answer_of_the_admin_api_has_the_id_of_its_record() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let (one, refused) = (root.get("/permissions"), root.get("/permissions/absent"));
    refused.refused(404, "PermissionNotFound");
    for (answer, event) in [(one, "ListPermissions"), (refused, "GetPermission")] {
        let id = answer.header("x-amz-request-id");
        let found = records(&root, &format!("event={event}"), 1);
        assert_eq!((found[0]["requestID"].as_str(), id.len()), (Some(id.as_str()), 16), "{found:?}");
    }
}

/// Who guesses a secret is found by the key that they guess for, on whichever door they knock.
#[test]
fn a_refused_signature_or_sign_in_is_recorded_with_the_key_that_it_named_and_why() {
    let node = node(json!({
        "permissions": [everything("p")],
        "serviceAccounts": [fixture::service_account("app", &["p"]), fixture::service_account("idle", &["p"]), fixture::service_account("gone", &["p"])],
        "users": [{"name": "eve", "password": "eve-password", "role": "auditor"}],
    }));
    let root = Admin::root(&node);
    root.delete("/service-accounts/idle/enabled").json(204);
    root.delete("/service-accounts/gone").json(204);
    let keys = [
        (fixture::access_key("app"), "wrong-secret".to_owned(), "signature"),
        (fixture::access_key("idle"), fixture::secret_key("idle"), "service account \"idle\" is disabled"),
        (fixture::access_key("gone"), fixture::secret_key("gone"), "service account \"gone\" was deleted at 20"),
        ("AKNOBODYHASIT".to_owned(), "some-secret".to_owned(), "unknown access key"),
    ];
    let nobody = Admin::nobody(&node);
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    for (access_key, secret, why) in &keys {
        let signer =
            |service: &str| Signer { service: service.into(), ..Signer::new(Credentials::new(access_key, secret)) };
        for path in ["/permissions", "/buckets/box/objects/k"] {
            let mut request = nobody.request("GET", path, None, &[]);
            signer("strongroom").sign(&mut request);
            Answer(nobody.client.send_as_is(&request)).refused(403, "AuthenticationFailed");
        }
        let mut call = node.client().target("POST", "/").body(form);
        call.set("content-type", "application/x-www-form-urlencoded");
        signer("sts").sign(&mut call);
        assert_eq!(node.client().send_as_is(&call).status, 403);
        let found = records(&root, &format!("user={access_key}"), 3);
        let events: Vec<&Value> = found.iter().rev().map(|it| &it["eventName"]).collect();
        assert_eq!(events, ["ListPermissions", "GetObject", "GetCallerIdentity"], "{found:#?}");
        for record in &found {
            assert_eq!(record["userIdentity"]["type"], "Unverified", "{record}");
            assert_eq!(record["userIdentity"]["accessKeyId"], **access_key, "{record}");
            let reason = record["authorization"]["reason"].as_str().unwrap_or_default();
            assert!(reason.contains(why), "{why}: {record}");
        }
        // The node's own log says it as well, on each of these doors.
        let quoted = why.replace('"', "\\\"");
        for operation in ["operation=\"ListPermissions\"", "operation=\"GetCallerIdentity\"", "objects/k"] {
            node.logged(&[operation, &quoted, "403"]);
        }
    }
    // Whose it is can't be looked up where not even what was signed can be taken.
    let elsewhere = |service: &str| Signer {
        service: service.into(),
        region: "eu-north-7".into(),
        ..Signer::new(Credentials::new(&fixture::access_key("app"), &fixture::secret_key("app")))
    };
    let mut request = nobody.request("GET", "/users", None, &[]);
    elsewhere("strongroom").sign(&mut request);
    Answer(nobody.client.send_as_is(&request)).refused(403, "AuthenticationFailed");
    let mut call = node.client().target("POST", "/").body(form);
    call.set("content-type", "application/x-www-form-urlencoded");
    elsewhere("sts").sign(&mut call);
    assert_eq!(node.client().send_as_is(&call).status, 403);
    for (event, count) in [("ListUsers", 1), ("GetCallerIdentity", keys.len() + 1)] {
        let newest = &records(&root, &format!("event={event}&refused=true"), count)[0];
        let reason = newest["authorization"]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("region"), "{event}: {newest}");
    }
    let sign_in = json!({"accessKey": fixture::access_key("gone"), "secret": fixture::secret_key("gone")});
    nobody.post("/auth/token", &sign_in).refused(403, "AuthenticationFailed");
    node.logged(&["SignIn", "AuthenticationFailed", "was deleted at 20"]);
    let arn = format!("arn:aws:iam::{}:user/gone", tests::node::ACCOUNT_ID);
    assert_eq!(records(&root, &format!("user={arn}&event=SignIn"), 1)[0]["userIdentity"]["userName"], "gone");
    nobody
        .post("/auth/token", &json!({"accessKey": fixture::access_key("app"), "secret": "wrong-secret"}))
        .refused(403, "AuthenticationFailed");
    nobody
        .post("/auth/token", &json!({"user": "eve", "password": "wrong-password"}))
        .refused(403, "AuthenticationFailed");
    let app = &records(&root, "event=SignIn&refused=true&user=app", 1)[0];
    assert_eq!(app["authorization"]["reason"], "wrong secret", "{app}");
    let eve = &records(&root, "event=SignIn&refused=true&user=eve", 1)[0];
    assert_eq!(eve["authorization"]["reason"], "wrong password", "{eve}");
}

/// The change is made for them, so it is told who made it.
#[test]
fn what_is_changed_for_a_caller_who_hangs_up_is_recorded_all_the_same() {
    let node = node(json!({}));
    let (root, s3) = (Admin::root(&node), node.client());
    s3.create_bucket("box").ok();
    for n in 0..40_u64 {
        let name = format!("p{n}");
        let call = root.request("POST", "/permissions", Some(everything(&name).to_string()), &[]);
        s3.put("box", &name, "content").ok();
        let mut delete = s3.target("DELETE", &format!("/box/{name}"));
        s3.signer().sign(&mut delete);
        for (client, request) in [(&root.client, call), (&s3, delete)] {
            let mut connection = client.connect().expect("the node listens");
            connection.write(&request.head()).and_then(|()| connection.write(&request.body)).expect("the node reads");
            // Before it is read, while it is written, and after it.
            std::thread::sleep(Duration::from_micros(n * 50));
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let all: BTreeSet<String> = (0..40).map(|n| format!("p{n}")).collect();
    for (event, list, named, is_gone) in [
        ("CreatePermission", "/permissions?limit=1000", "/requestParameters/name", false),
        ("DeleteObject", "/buckets/box/objects?list-type=2", "/resources/0/ARN", true),
    ] {
        loop {
            let listed = root.get(list).0.text();
            let is_listed =
                |name: &&String| [format!("\"{name}\""), format!(">{name}<")].iter().any(|it| listed.contains(it));
            let done: BTreeSet<String> = all.iter().filter(|name| is_listed(name) != is_gone).cloned().collect();
            let found = root.get(&format!("/audit?event={event}&limit=1000")).json(200);
            let found = found.as_array().expect("a list");
            let name =
                |it: &Value| Some(it.pointer(named)?.as_str()?.trim_start_matches("arn:aws:s3:::box/").to_owned());
            let recorded: BTreeSet<String> = found.iter().filter_map(name).collect();
            if done.len() > 10 && done.is_subset(&recorded) {
                break;
            }
            assert!(Instant::now() < deadline, "{event}: {done:?} were done, and {recorded:?} recorded");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Its own path there is that of `POST /api/v1/state`.
#[test]
fn a_state_file_that_comes_by_the_socket_alone_is_recorded_as_well() {
    let node = node(json!({}));
    let state = json!({"accounts": [{"name": "main", "permissions": [everything("kept")]}]}).to_string();
    let ask = |head: &str, body: &str| {
        let mut stream = UnixStream::connect(node.data().join("admin.sock")).expect("the socket is there");
        let length = body.len();
        write!(stream, "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-strongroom-state-name: {}\r\ncontent-length: {length}\r\n\r\n{body}", "n".repeat(300))
            .expect("the node reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the node answers");
        answer
    };
    for (query, is_applied) in [("?dryRun=true", false), ("?prune=false", true)] {
        let answer = ask(&format!("POST /apply{query}"), &state);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let body: Value = serde_json::from_str(answer.rsplit("\r\n").next().unwrap_or_default()).expect("JSON");
        assert_eq!(body, json!({"changes": ["+ permission \"kept\""], "notes": [], "applied": is_applied}));
    }
    for wrong in ["dryRun=True", "dryrun=true"] {
        assert!(ask(&format!("POST /apply?{wrong}"), &state).starts_with("HTTP/1.1 400 "), "{wrong}");
    }
    assert!(ask("GET /state", "").contains("\"kept\""));
    let found = records(&Admin::root(&node), "event=ApplyState&refused=false", 2);
    let shown = |it: &Value| (it["requestParameters"]["dryRun"].clone(), it["requestParameters"]["file"].clone());
    assert_eq!(
        found.iter().rev().map(shown).collect::<Vec<_>>(),
        [true, false].map(|it| (json!(it), json!("n".repeat(255))))
    );
    assert_eq!(found[0]["userIdentity"]["type"], "Root", "{found:?}");
}

#[test]
fn what_a_state_file_changes_and_what_goes_with_an_account_is_recorded_with_who_did_it() {
    let node = node(json!({"users": [{"name": "adm", "password": "adm-password", "role": "admin"}]}));
    let root = Admin::root(&node);
    let adm = Admin::nobody(&node).with_user("adm", "adm-password");
    let file = fixture::policy(
        &json!([{"Sid": "Gone", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::box/*"]}]),
    );
    root.post("/permissions", &json!({"name": "gone", "type": "policy", "policy": file})).json(201);
    let state = json!({"accounts": [{"name": "main", "permissions": [everything("kept")], "users": [
        {"name": "adm", "role": "admin"}, {"name": "viaapply", "role": "admin", "password": "a-password"}]}]});
    let name = [("x-strongroom-state-name", "arn:aws:iam::1:root")];
    for dry_run in ["true", "false"] {
        adm.send("POST", &format!("/state?prune=true&dryRun={dry_run}"), Some(state.to_string()), &name).json(200);
    }
    let found = records(&root, "event=ApplyState", 2);
    let parameters: Vec<&Value> = found.iter().map(|it| &it["requestParameters"]).collect();
    let changes = json!(["+ permission \"kept\"", "+ user \"viaapply\"", "- permission \"gone\""]);
    for (parameters, dry_run) in parameters.iter().zip([false, true]) {
        assert_eq!(
            (&parameters["changes"], &parameters["dryRun"], &parameters["prune"]),
            (&changes, &json!(dry_run), &json!(true))
        );
        let gone = &parameters["deletedPermissions"][0];
        assert_eq!((&gone["name"], &gone["policy"]), (&json!("gone"), &file), "{parameters}");
    }
    assert_eq!(records(&root, "q=viaapply", 2).len(), 2);
    let arn = format!("arn:aws:iam::{}:user/console/adm", tests::node::ACCOUNT_ID);
    let by = format!("state file arn:aws:iam::1:root, applied by {arn}");
    for path in ["/permissions/kept/history", "/users/viaapply/history"] {
        assert_eq!(
            root.get(path).json(200)[0]["by"],
            json!(by),
            "whoever applies a file is told, whatever they call it"
        );
    }

    root.post("/accounts", &json!({"name": "acme"})).json(201);
    root.post("/permissions?account=acme", &json!({"name": "theirs", "type": "policy", "policy": file})).json(201);
    root.delete("/accounts/acme").json(204);
    let parameters = &records(&root, "event=DeleteAccount", 1)[0]["requestParameters"];
    assert_eq!((&parameters["name"], &parameters["permissions"][0]["policy"]), (&json!("acme"), &file), "{parameters}");
}

/// What is wrong in a file stays wrong; what stands against it may be gone tomorrow.
#[test]
fn a_state_file_that_what_is_there_stands_against_is_a_conflict() {
    let node = node(
        json!({"buckets": [{"name": "box"}], "permissions": [everything("p")], "serviceAccounts": [fixture::service_account("app", &["p"])]}),
    );
    let root = Admin::root(&node);
    root.post("/accounts", &json!({"name": "acme"})).json(201);
    let apply = |query: &str, accounts: Value| {
        root.send("POST", &format!("/state{query}"), Some(json!({"accounts": accounts}).to_string()), &[])
    };
    let conflict = |query: &str, accounts: Value, told: &str| {
        let message = apply(query, accounts).refused(409, "StateConflict");
        assert!(message.contains(told), "{message}");
    };
    conflict("", json!([{"name": "main"}, {"name": "acme", "buckets": [{"name": "box"}]}]), "belongs to account");
    let app = json!({"name": "app", "accessKey": fixture::access_key("app"), "secretKey": "another-secret", "permissions": ["q"]});
    conflict(
        "",
        json!([{"name": "main"}, {"name": "acme", "permissions": [everything("q")], "serviceAccounts": [app]}]),
        "access key",
    );
    conflict("?prune=true", json!([{"name": "main", "permissions": []}]), "is used by service account");
    root.post("/buckets?account=acme", &json!({"name": "theirs"})).json(201);
    conflict("?prune=true", json!([{"name": "main"}]), "owns bucket \"theirs\"");
    for wrong in [json!([{"name": "main", "permissions": [{"name": "x"}]}]), json!([{"name": "main", "bogus": 1}])] {
        apply("", wrong).refused(422, "InvalidState");
    }
}

#[test]
fn what_is_done_in_another_account_is_recorded_there_and_a_link_says_whose_it_is() {
    let node = node(json!({"users": [{"name": "eve", "password": "eve-password", "role": "auditor"}]}));
    let root = Admin::root(&node);
    root.post("/accounts", &json!({"name": "acme"})).json(201);
    let acme = root.get("/accounts/acme").json(200)["id"].as_str().expect("an id").to_owned();
    root.post("/users?account=acme", &json!({"name": "wile", "role": "admin", "password": "wile-password"})).json(201);
    let wile = Admin::nobody(&node).signed_in(&json!({"user": "wile", "password": "wile-password", "account": "acme"}));
    root.post("/users?account=acme", &json!({"name": "opbackdoor", "role": "admin"})).json(201);
    for admin in [&wile, &root] {
        let found = records(admin, "event=CreateUser&q=opbackdoor", 1);
        assert_eq!(found[0]["recipientAccountId"], json!(acme), "{found:#?}");
        assert_eq!(found[0]["userIdentity"]["type"], "Root", "and who did it is told too");
    }
    // What the operator does at home is none of theirs.
    root.post("/permissions", &everything("own")).json(201);
    records(&root, "event=CreatePermission", 1);
    assert_eq!(wile.get("/audit?event=CreatePermission").json(200), json!([]));

    let link = root.post("/auth/link", &json!({"user": "eve"})).json(201)["link"].as_str().expect("a link").to_owned();
    let body = json!({"link": link, "password": "another-password"});
    Admin::nobody(&node).post("/auth/session", &body).json(201);
    let found = records(&root, "q=eve", 2);
    let told: Vec<_> = found.iter().map(|it| (&it["eventName"], &it["requestParameters"])).collect();
    assert!(told.contains(&(&json!("UpdateUser"), &json!({"user": "eve", "role": "auditor"}))), "{told:#?}");
    assert!(told.contains(&(&json!("SignIn"), &json!({"link": true, "passwordChanged": true}))), "{told:#?}");
    assert!(found.iter().all(|it| !it.to_string().contains(&link)));

    // The key of a service account that is gone still says whose it was.
    root.post("/service-accounts", &json!({"name": "brief", "accessKey": "AKBRIEF", "permissions": ["own"]})).json(201);
    root.delete("/service-accounts/brief").json(204);
    let found = records(&root, "q=akbrief&event=DeleteServiceAccount", 1);
    assert_eq!(found[0]["requestParameters"]["name"], "brief", "{found:#?}");
}

/// One account's administrators see what was done in it, and nothing of what was done to others.
#[test]
fn a_state_file_or_another_account_is_no_account_s_own_business() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let made = root.post("/accounts", &json!({"name": "tenant"})).json(201);
    let key = |field: &str| made["root"][field].as_str().expect("a text");
    let tenant = Admin::nobody(&node).with_key(key("accessKey"), key("secret"));
    let secret = json!({"accounts": [{"name": "main"}, {"name": "tenant"}, {"name": "secret-other", "permissions": [everything("secret-plan")]}]});
    root.send("POST", "/state?account=tenant", Some(secret.to_string()), &[]).refused(400, "InvalidArgument");
    root.send("POST", "/state", Some(secret.to_string()), &[]).json(200);
    root.get("/accounts/secret-other?account=tenant").refused(400, "InvalidArgument");
    root.get("/permissions?account=secret-other").json(200);
    root.delete("/accounts/secret-other").json(204);
    root.get("/permissions?account=tenant").json(200);
    records(&root, "event=DeleteAccount", 1);
    let seen = tenant.get("/audit?limit=1000");
    assert_eq!(
        seen.json(200).as_array().map(Vec::len),
        Some(2),
        "their own sign-in, and the look at their permissions: {}",
        seen.0
    );
    assert!(!seen.0.text().contains("secret-"), "{}", seen.0);
}
