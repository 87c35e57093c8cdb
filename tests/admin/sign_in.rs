//! Signing in: tokens, sessions, signatures, links; how each ends, and how often a guess is taken.

use serde_json::{Value, json};
use tests::node::{ROOT_ACCESS_KEY, ROOT_SECRET_KEY};
use tests::{Credentials, Signer};

use super::{Admin, Answer, everything, node};

fn eve() -> Value {
    json!({"users": [{"name": "eve", "password": "eve-password", "role": "admin"}]})
}

#[test]
fn a_token_tells_its_time_and_ends_by_signing_out() {
    let node = node(eve());
    let nobody = Admin::nobody(&node);
    let answer =
        nobody.post("/auth/token", &json!({"accessKey": ROOT_ACCESS_KEY, "secret": ROOT_SECRET_KEY})).json(201);
    assert_eq!(answer["expirationSec"], 12 * 3600);
    let eve = nobody.with_user("eve", "eve-password");
    let left = eve.get("/auth/token").json(200)["expirationSec"].as_i64().expect("a number");
    assert!((12 * 3600 - 60..=12 * 3600).contains(&left), "{left}");
    eve.delete("/auth/token").json(204);
    assert_eq!(eve.get("/auth/token").refused(401, "InvalidToken"), "Token is not valid.");
    assert_eq!(eve.get("/permissions").header("www-authenticate"), "Bearer");
    for empty in ["Bearer", "Bearer "] {
        let answer = nobody.send("GET", "/permissions", None, &[("authorization", empty)]);
        answer.refused(401, "InvalidToken");
    }
}

#[test]
fn whatever_is_wrong_with_a_sign_in_is_answered_alike() {
    let node = node(eve());
    let nobody = Admin::nobody(&node);
    for body in [
        json!({"accessKey": ROOT_ACCESS_KEY, "secret": "wrong-secret"}),
        json!({"accessKey": "AKIDNOBODY", "secret": ROOT_SECRET_KEY}),
        json!({"user": "eve", "password": "wrong-password"}),
        json!({"user": "nobody", "password": "eve-password"}),
        json!({"user": "eve", "password": "eve-password", "account": "nowhere"}),
        json!({"user": "eve", "password": "short"}),
    ] {
        let message = nobody.post("/auth/token", &body).refused(403, "AuthenticationFailed");
        assert_eq!(message, "Authentication failed.", "{body}");
    }
    for body in [json!({}), json!({"accessKey": ROOT_ACCESS_KEY}), json!({"user": "eve", "secret": "x"})] {
        nobody.post("/auth/token", &body).refused(400, "InvalidArgument");
    }
}

#[test]
fn guesses_are_counted_and_the_owner_elsewhere_is_not_locked_out() {
    let node = node(eve());
    let nobody = Admin::nobody(&node);
    let guess = |admin: &Admin| admin.post("/auth/token", &json!({"user": "eve", "password": "wrong-password"}));
    for _ in 0..10 {
        guess(&nobody).refused(403, "AuthenticationFailed");
    }
    let refused = guess(&nobody);
    refused.refused(429, "TooManyRequests");
    let seconds: u32 = refused.header("retry-after").parse().expect("a number");
    assert!((1..=60).contains(&seconds), "{seconds}");
    let right = nobody.post("/auth/token", &json!({"user": "eve", "password": "eve-password"}));
    right.refused(429, "TooManyRequests");
    let elsewhere = Admin { client: nobody.client.from("127.0.21.5"), ..nobody };
    elsewhere.with_user("eve", "eve-password");
}

#[test]
fn a_session_cookie_is_guarded_and_changes_nothing_without_its_second_token() {
    let node = node(eve());
    let nobody = Admin::nobody(&node);
    let begun = nobody.post("/auth/session", &json!({"user": "eve", "password": "eve-password"}));
    let session = begun.json(201);
    let cookie = begun.header("set-cookie");
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let csrf = session["csrfToken"].as_str().expect("a token");
    let with = |method: &str, path: &str, body: Option<String>, csrf: &str| {
        nobody.send(method, path, body, &[("cookie", &cookie), ("x-csrf-token", csrf)])
    };
    assert_eq!((&session["role"], &session["kind"]), (&json!("admin"), &json!("user")));
    assert!(session["actions"].as_array().expect("a list").contains(&json!("strongroom:CreateUser")));
    with("GET", "/permissions", None, "").json(200);
    let body = || Some(everything("p").to_string());
    with("POST", "/permissions", body(), "").refused(403, "AccessDenied");
    with("POST", "/permissions", body(), "wrong").refused(403, "AccessDenied");
    with("POST", "/permissions", body(), csrf).json(201);
    let token = cookie.split_once('=').expect("a pair").1;
    let as_bearer = Admin { token: Some(token.to_owned()), ..nobody.clone() };
    as_bearer.get("/permissions").refused(401, "InvalidToken");
    with("DELETE", "/auth/session", None, csrf).json(204);
    with("GET", "/permissions", None, csrf).refused(401, "InvalidToken");
}

#[test]
fn a_signature_for_the_service_strongroom_opens_and_any_other_does_not() {
    let node = node(json!({}));
    let nobody = Admin::nobody(&node);
    let signer =
        Signer { service: "strongroom".into(), ..Signer::new(Credentials::new(ROOT_ACCESS_KEY, ROOT_SECRET_KEY)) };
    let send = |signer: &Signer, change: &dyn Fn(&mut tests::Request)| {
        let mut request = nobody.request("POST", "/permissions", Some(everything("p").to_string()), &[]);
        signer.sign(&mut request);
        change(&mut request);
        Answer(nobody.client.send_as_is(&request))
    };
    let other_service = Signer { service: "s3".into(), ..signer.clone() };
    send(&other_service, &|_| {}).refused(403, "AuthenticationFailed");
    let other_secret = Signer { credentials: Credentials::new(ROOT_ACCESS_KEY, "another-secret"), ..signer.clone() };
    send(&other_secret, &|_| {}).refused(403, "AuthenticationFailed");
    send(&signer, &|request| request.body = everything("q").to_string().into()).refused(403, "AccessDenied");
    let mut unsigned = nobody.request("POST", "/permissions", Some(everything("q").to_string()), &[]);
    unsigned.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    signer.sign(&mut unsigned);
    Answer(nobody.client.send_as_is(&unsigned)).refused(403, "AccessDenied");
    assert_eq!(Admin::root(&node).get("/permissions").header("x-total-count"), "0");
    send(&signer, &|_| {}).json(201);
    // curl, like every signer for services other than S3, signs the body's hash without sending it.
    let curl = std::process::Command::new("curl")
        .args(["--silent", "--aws-sigv4", "aws:amz:us-east-1:strongroom", "--user"])
        .arg(format!("{ROOT_ACCESS_KEY}:{ROOT_SECRET_KEY}"))
        .args(["--data", &everything("by curl").to_string()])
        .arg(format!("http://{}/api/v1/permissions", node.console()))
        .output()
        .expect("curl is there");
    assert!(String::from_utf8_lossy(&curl.stdout).contains("\"revision\":1"), "{curl:?}");
}

#[test]
fn a_one_time_link_lets_its_holder_choose_a_password_once() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    root.post("/users", &json!({"name": "tom", "role": "auditor"})).json(201);
    root.post("/auth/link", &json!({"user": "nobody"})).refused(404, "UserNotFound");
    let link = root.post("/auth/link", &json!({"user": "tom"})).json(201);
    assert_eq!(link["expirationSec"], 900);
    let nobody = Admin::nobody(&node);
    let open = |password: &str| nobody.post("/auth/session", &json!({"link": link["link"], "password": password}));
    open("short").refused(400, "InvalidArgument");
    let session = open("tom-chose-this").json(201);
    assert_eq!((&session["name"], &session["role"]), (&json!("tom"), &json!("auditor")));
    open("another-password").refused(403, "AuthenticationFailed");
    nobody.with_user("tom", "tom-chose-this");
}

#[test]
fn a_link_is_for_the_user_and_password_that_it_was_made_for() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    let made = || {
        root.post("/users", &json!({"name": "tom", "role": "auditor"})).json(201);
        root.post("/auth/link", &json!({"user": "tom"})).json(201)["link"].clone()
    };
    let open = |link: &Value| {
        Admin::nobody(&node).post("/auth/session", &json!({"link": link, "password": "chosen-by-the-holder"}))
    };
    let link = made();
    root.delete("/users/tom").json(204);
    root.post("/users", &json!({"name": "tom", "role": "admin"})).json(201);
    open(&link).refused(403, "AuthenticationFailed");
    root.delete("/users/tom").json(204);
    let link = made();
    root.put("/users/tom", &json!({"password": "set-by-an-admin"})).json(200);
    open(&link).refused(403, "AuthenticationFailed");
    Admin::nobody(&node).with_user("tom", "set-by-an-admin");
}

#[test]
fn a_form_of_another_site_begins_no_session_and_signing_out_takes_no_account() {
    let node = node(eve());
    let nobody = Admin::nobody(&node);
    let mut form = nobody.request("POST", "/auth/session", None, &[("origin", "https://elsewhere.example")]);
    form.body = json!({"user": "eve", "password": "eve-password"}).to_string().into();
    form.set("content-type", "text/plain");
    Answer(nobody.client.send_as_is(&form)).refused(415, "UnsupportedMediaType");
    let eve = nobody.with_user("eve", "eve-password");
    eve.delete("/auth/token?account=main").refused(400, "InvalidArgument");
    eve.delete("/auth/token").json(204);
    eve.get("/auth/token").refused(401, "InvalidToken");
}

/// D15: disabling a user, deleting one, changing a password or a secret left old sessions alive in caches.
#[test]
fn d15_a_session_ends_with_what_it_was_begun_with() {
    let node = node(json!({
        "users": [{"name": "eve", "password": "eve-password", "role": "admin"}],
        "permissions": [everything("p")],
        "serviceAccounts": [crate::fixture::service_account("app", &["p"])],
    }));
    let root = Admin::root(&node);
    let eve = || Admin::nobody(&node).with_user("eve", "eve-password");
    let app = || Admin::nobody(&node).with_key(&crate::fixture::access_key("app"), &crate::fixture::secret_key("app"));

    let (first, second) = (eve(), eve());
    first.get("/permissions").json(200);
    root.put("/users/eve", &json!({"enabled": false})).json(200);
    first.get("/permissions").refused(401, "InvalidToken");
    root.put("/users/eve", &json!({"enabled": true})).json(200);
    // Whoever was thrown out stays out, also where the session wasn't tried meanwhile.
    second.get("/permissions").refused(401, "InvalidToken");
    let second = eve();
    root.put("/users/eve", &json!({"role": "auditor"})).json(200);
    second.post("/permissions", &everything("p")).refused(403, "AccessDenied");
    root.put("/users/eve", &json!({"password": "eve-other-password"})).json(200);
    second.get("/permissions").refused(401, "InvalidToken");
    root.delete("/users/eve").json(204);
    root.post("/users", &json!({"name": "eve", "role": "admin", "password": "eve-password"})).json(201);
    second.get("/permissions").refused(401, "InvalidToken");

    let session = app();
    session.get("/auth/session").json(200);
    root.delete("/service-accounts/app/enabled").json(204);
    session.get("/auth/session").refused(401, "InvalidToken");
    root.set("/service-accounts/app/enabled").json(200);
    session.get("/auth/session").refused(401, "InvalidToken");
    let session = app();
    session.get("/auth/session").json(200);
    root.send("POST", "/service-accounts/app/rotate", None, &[]).json(200);
    session.get("/auth/session").refused(401, "InvalidToken");
}

/// Nothing tells a node when a key expires: who asks next finds out, and what gives it more time ends what ended before.
#[test]
fn a_session_whose_key_expired_stays_ended_when_the_key_gets_more_time() {
    let node = node(json!({"permissions": [everything("p")]}));
    let root = Admin::root(&node);
    let expires_at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 6).expect("soon is a time");
    let body = json!({"name": "app", "permissions": ["p"], "expirationDate": expires_at.to_string()});
    let made = root.post("/service-accounts", &body).json(201);
    let (key, secret) = (made["accessKey"].as_str().expect("a key"), made["secret"].as_str().expect("a secret"));
    let (tried, untried) = (Admin::nobody(&node).with_key(key, secret), Admin::nobody(&node).with_key(key, secret));
    tried.get("/auth/session").json(200);
    let left = (expires_at - jiff::Timestamp::now()).total(jiff::Unit::Second).expect("seconds");
    std::thread::sleep(std::time::Duration::from_secs_f64(left.max(0.0) + 0.2));
    tried.get("/auth/session").refused(401, "InvalidToken");
    root.put("/service-accounts/app", &json!({"expirationDate": null})).json(200);
    for session in [tried, untried] {
        session.get("/auth/session").refused(401, "InvalidToken");
    }
    Admin::nobody(&node).with_key(key, secret).get("/auth/session").json(200);
}

/// D7: a name that equals root's access key made its bearer root.
#[test]
fn d7_a_user_named_like_root_s_access_key_is_not_root() {
    let node = node(json!({}));
    let root = Admin::root(&node);
    root.post("/users", &json!({"name": ROOT_ACCESS_KEY, "role": "auditor", "password": "some-password"})).json(201);
    let user = Admin::nobody(&node).with_user(ROOT_ACCESS_KEY, "some-password");
    assert_eq!(user.get("/auth/session").json(200)["kind"], "user");
    user.post("/permissions", &everything("p")).refused(403, "AccessDenied");
    Admin::nobody(&node)
        .post("/auth/token", &json!({"accessKey": ROOT_ACCESS_KEY, "secret": "some-password"}))
        .refused(403, "AuthenticationFailed");
}

/// Who looks for a guesser looks into the log.
#[test]
fn the_log_says_of_a_sign_in_that_failed_whom_it_was_for() {
    let node = node(eve());
    let nobody = Admin::nobody(&node);
    let fail = |body: Value| drop(nobody.post("/auth/token", &body).refused(403, "AuthenticationFailed"));
    fail(json!({"user": "eve", "password": "wrong-password"}));
    node.logged(&["eve", "SignIn", "/auth/token", "403", "AuthenticationFailed"]);
    fail(json!({"accessKey": ROOT_ACCESS_KEY, "secret": "wrong-secret"}));
    node.logged(&[ROOT_ACCESS_KEY, "SignIn", "AuthenticationFailed"]);
    // What is nobody's name may be a password in the wrong field.
    fail(json!({"user": "my-password-by-mistake", "password": "wrong-password"}));
    node.logged(&["caller=\"\"", "SignIn", "AuthenticationFailed"]);
    assert!(!node.log().contains("my-password-by-mistake"), "{}", node.log());
}

/// TLS that ends at a proxy guards the browser's cookie as well.
#[test]
fn a_session_cookie_is_for_tls_alone_where_a_trusted_proxy_says_so() {
    for (arguments, is_secure) in [(&["--trusted-proxy", "127.0.0.1"][..], true), (&[][..], false)] {
        let arguments = [&["--durability", "relaxed"][..], arguments].concat();
        let node = tests::NodeBuilder::serve().arguments(&arguments).account(eve()).start();
        let body = json!({"user": "eve", "password": "eve-password"}).to_string();
        let begun = Admin::nobody(&node).send("POST", "/auth/session", Some(body), &[("x-forwarded-proto", "https")]);
        begun.json(201);
        assert_eq!(begun.header("set-cookie").contains("; Secure"), is_secure);
    }
}
