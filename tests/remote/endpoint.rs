//! Administration through the URL of a console: who signs in, profiles, TLS, and what is never shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tests::node::{Node, ROOT_ACCESS_KEY, ROOT_SECRET_KEY};
use tests::{NodeBuilder, binary};

use super::{Ran, file, local, node};

/// A command that finds no profile of the person who runs the tests, and has no terminal.
fn command(node: &Node, arguments: &[&str]) -> Command {
    // In a session of its own, since a secret is asked for on the terminal of the session.
    let mut command = Command::new("setsid");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STRONGROOM_")) {
        command.env_remove(name);
    }
    command.args(["--wait"]).arg(binary::path()).args(arguments);
    command.env("XDG_CONFIG_HOME", node.temporary()).current_dir(node.temporary()).stdin(std::process::Stdio::null());
    command
}

fn endpoint(node: &Node) -> String {
    format!("http://{}", node.console())
}

fn write_profiles(node: &Node, text: &str, mode: u32) {
    let directory = node.temporary().join("strongroom");
    std::fs::create_dir_all(&directory).expect("writable");
    let path = directory.join("profiles.toml");
    std::fs::write(&path, text).expect("writable");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("ours");
}

#[test]
fn root_signs_in_by_variables_and_a_user_by_a_file() {
    let node = node();
    let url = endpoint(&node);
    let mut as_root = command(&node, &["permission", "create", "p", "--all-buckets", "--actions", "read-only"]);
    as_root.env("STRONGROOM_ENDPOINT", &url).env("STRONGROOM_ACCESS_KEY", ROOT_ACCESS_KEY);
    Ran::of(as_root.env("STRONGROOM_SECRET_KEY", ROOT_SECRET_KEY)).ok();
    let password = file(&node, "password", "correct horse\n");
    local(&node, &["user", "create", "eve", "--role", "auditor", "--password-file", &password]).ok();
    let as_eve = |arguments: &[&str]| {
        let mut command = command(&node, &[arguments, &["--endpoint", &url, "--user", "eve"]].concat());
        Ran::of(command.env("STRONGROOM_PASSWORD_FILE", &password))
    };
    assert_eq!(as_eve(&["permission", "list", "--json"]).json()[0]["name"], "p");
    as_eve(&["permission", "delete", "p", "--yes"]).fails(4, &["permission \"p\""]);
    as_eve(&["user", "list"]).fails(4, &["users"]);
    // An auditor isn't told which other accounts there are.
    as_eve(&["permission", "list", "--account", "nix"]).fails(4, &["account"]);
    // Each token ends with its command, also that of one who named an account that isn't theirs.
    let tokens = local(&node, &["audit", "search", "--search", "auth/token", "--json"]).ok();
    let answered =
        |status: &str| tokens.lines().filter(|line| line.contains(&format!("\"httpStatus\":{status}"))).count();
    assert_eq!((answered("201"), answered("204")), (4, 4), "{tokens}");
    let mut wrong = command(&node, &["permission", "list", "--endpoint", &url, "--user", "main/eve"]);
    Ran::of(wrong.env("STRONGROOM_PASSWORD", "another one")).fails(4, &["signing in", "eve"]);
    let mut broken = command(&node, &["permission", "list", "--endpoint", &url]);
    Ran::of(broken.env("STRONGROOM_TOKEN", "a\nx-y: z")).fails(2, &["STRONGROOM_TOKEN has characters"]);
    for (flag, value) in
        [("--user", "main/"), ("--user", ""), ("--access-key", ""), ("--account", ""), ("--profile", "")]
    {
        Ran::of(&mut command(&node, &["permission", "list", "--endpoint", &url, flag, value]))
            .fails(2, &[flag.trim_start_matches('-')]);
    }
    let mut nobody = command(&node, &["permission", "list", "--endpoint", &url]);
    Ran::of(&mut nobody).fails(2, &["--access-key or --user"]);
    let mut silent = command(&node, &["permission", "list", "--endpoint", &url, "--user", "eve"]);
    Ran::of(&mut silent).fails(2, &["no terminal", "STRONGROOM_PASSWORD"]);
}

#[test]
fn a_profile_says_where_and_who_and_is_refused_when_others_may_read_it() {
    let node = node();
    let text = format!(
        "[nas]\nendpoint = \"{}\"\naccess-key = \"{ROOT_ACCESS_KEY}\"\nsecret-key-file = \"nas.secret\"\n[half]\nuser = \"eve\"\n",
        endpoint(&node)
    );
    write_profiles(&node, &text, 0o600);
    std::fs::write(node.temporary().join("strongroom/nas.secret"), format!("{ROOT_SECRET_KEY}\n")).expect("writable");
    let list = ["account", "list", "--json", "--profile", "nas"];
    assert_eq!(Ran::of(&mut command(&node, &list)).json()[0]["name"], "main");
    let mut by_variable = command(&node, &["account", "list", "--json"]);
    Ran::of(by_variable.env("STRONGROOM_PROFILE", "nas")).json();
    Ran::of(&mut command(&node, &["account", "list", "--profile", "nix"])).fails(2, &["nix", "half, nas"]);
    Ran::of(&mut command(&node, &["account", "list", "--profile", "half"])).fails(2, &["--endpoint"]);
    Ran::of(&mut command(&node, &["account", "list", "--profile", "nas", "--data", "d"])).fails(2, &["--data"]);
    write_profiles(&node, &text, 0o640);
    let refused = Ran::of(&mut command(&node, &list)).fails(2, &["chmod 600"]);
    assert!(!refused.contains(ROOT_SECRET_KEY));
}

#[test]
fn an_access_key_signs_and_its_secret_is_never_sent_or_logged() {
    let node = NodeBuilder::serve().arguments(&["--durability", "relaxed", "--log-requests", "all"]).start();
    // A listener that is no node sees what is sent.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let seen = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut seen = vec![0; 16 << 10];
        let length = stream.read(&mut seen).expect("a request");
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").expect("written");
        String::from_utf8_lossy(&seen[..length]).into_owned()
    });
    let list = |url: &str| {
        let mut command = command(&node, &["permission", "list", "--endpoint", url, "--access-key", ROOT_ACCESS_KEY]);
        Ran::of(command.env("STRONGROOM_SECRET_KEY", ROOT_SECRET_KEY))
    };
    list(&url).fails(4, &["403"]);
    let seen = seen.join().expect("the listener ends");
    assert!(seen.contains("/strongroom/aws4_request") && !seen.contains(ROOT_SECRET_KEY), "{seen}");
    list(&endpoint(&node)).ok();
    assert!(!node.log().contains(ROOT_SECRET_KEY));
    let two_words = ["permission", "create", "two words", "--all-buckets", "--actions", "read-only", "--endpoint"];
    let mut aws = command(&node, &[&two_words[..], &[&endpoint(&node)]].concat());
    Ran::of(aws.env("AWS_ACCESS_KEY_ID", ROOT_ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", ROOT_SECRET_KEY)).ok();
    let mut wrong = command(&node, &["permission", "show", "two words", "--endpoint", &endpoint(&node)]);
    wrong.env("STRONGROOM_ACCESS_KEY", ROOT_ACCESS_KEY).env("STRONGROOM_SECRET_KEY", "another-secret");
    Ran::of(&mut wrong).fails(4, &["two words"]);
}

#[test]
fn state_is_printed_and_applied_at_an_endpoint_by_the_operator() {
    let node = node();
    let url = endpoint(&node);
    local(&node, &["permission", "create", "p", "--all-buckets", "--actions", "read-only"]).ok();
    let password = file(&node, "password", "correct horse\n");
    local(&node, &["user", "create", "eve", "--role", "auditor", "--password-file", &password]).ok();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(&node, &[arguments, &["--endpoint", &url]].concat());
        Ran::of(command.envs(variables.iter().copied()))
    };
    let root = [("STRONGROOM_ACCESS_KEY", ROOT_ACCESS_KEY), ("STRONGROOM_SECRET_KEY", ROOT_SECRET_KEY)];
    let state = file(&node, "state-again.json", &run(&["state"], &root).ok());
    assert_eq!(run(&["apply", "-f", &state], &root).ok(), "nothing to change\n");
    let eve = [("STRONGROOM_USER", "eve"), ("STRONGROOM_PASSWORD", "correct horse")];
    run(&["apply", "-f", &state], &eve).fails(4, &["strongroom:ApplyState"]);
    let client = tests::Client::new(node.console(), None);
    let sign_in = client.target("POST", "/api/v1/auth/token").body(r#"{"user": "eve", "password": "correct horse"}"#);
    let token: serde_json::Value = serde_json::from_slice(&client.send_as_is(&sign_in).body).expect("JSON");
    let token = token["token"].as_str().expect("a token");
    for _ in 0..2 {
        // Not this command's own, so it isn't ended by it.
        run(&["permission", "list"], &[("STRONGROOM_TOKEN", token)]).ok();
    }
    run(&["permission", "list"], &[("STRONGROOM_TOKEN", "nonsense")]).fails(4, &["into STRONGROOM_TOKEN, or unset it"]);
}

#[test]
fn a_user_changes_their_own_password_whatever_their_role() {
    let node = node();
    let url = endpoint(&node);
    let (first, second) = (file(&node, "first", "correct horse\n"), file(&node, "second", "battery staple\n"));
    for name in ["eve", "bob"] {
        local(&node, &["user", "create", name, "--role", "auditor", "--password-file", &first]).ok();
    }
    let as_eve = |password: &str, arguments: &[&str]| {
        let mut command = command(&node, &[arguments, &["--endpoint", &url, "--user", "eve"]].concat());
        Ran::of(command.env("STRONGROOM_PASSWORD_FILE", password))
    };
    let changed = as_eve(&first, &["user", "password", "--password-file", &second]).ok();
    assert_eq!(changed, "user \"eve\" has another password; their sessions ended\n");
    as_eve(&first, &["permission", "list"]).fails(4, &["signing in"]);
    as_eve(&second, &["permission", "list"]).ok();
    assert_eq!(as_eve(&second, &["user", "password", "eve", "--password-file", &first, "--json"]).ok(), "");
    as_eve(&first, &["user", "password", "bob", "--password-file", &second]).fails(4, &["user \"bob\""]);
    as_eve(&first, &["user", "password"]).fails(2, &["--password-file"]);
    let short = file(&node, "short", "horse\n");
    as_eve(&first, &["user", "password", "--password-file", &short]).fails(2, &["newPassword", "8"]);
    local(&node, &["user", "password", "--password-file", &second]).fails(2, &["user password NAME", "--user"]);
}

#[test]
fn tls_is_trusted_by_its_certificate_and_by_no_other() {
    let certificates = tempfile::tempdir().expect("a temporary directory");
    let (certificate, key) = self_signed(certificates.path(), "one");
    let (other, _) = self_signed(certificates.path(), "two");
    let arguments = ["--durability", "relaxed", "--tls-cert", &certificate, "--tls-key", &key];
    let node = NodeBuilder::serve().arguments(&arguments).start();
    let url = format!("https://localhost:{}", node.console().port());
    let list = |further: &[&str]| {
        let arguments = ["account", "list", "--json", "--endpoint", &url, "--access-key", ROOT_ACCESS_KEY];
        let mut command = command(&node, &[&arguments[..], further].concat());
        Ran::of(command.env("STRONGROOM_SECRET_KEY", ROOT_SECRET_KEY))
    };
    assert_eq!(list(&["--ca", &certificate]).json()[0]["name"], "main");
    list(&["--ca", &other]).fails(1, &["not trusted", "--ca FILE"]);
    list(&["--ca", &key]).fails(2, &["certificates in"]);
    let health = |further: &[&str]| Ran::of(&mut command(&node, &[&["health", &url], further].concat()));
    assert_eq!(health(&["--ca", &certificate]).ok(), "ok\n");
    assert_eq!(health(&["--ca", &certificate, "--json"]).json()["state"], "ok");
    health(&["--ca", &other]).fails(1, &["not trusted"]);
    let plain = url.replace("https", "http");
    let mut command = command(&node, &["account", "list", "--endpoint", &plain, "--access-key", "AK"]);
    Ran::of(command.env("STRONGROOM_SECRET_KEY", ROOT_SECRET_KEY)).fails(1, &["URL of a node's console"]);
}

#[test]
fn the_node_s_own_certificate_is_trusted_once_and_for_all() {
    let mut node = NodeBuilder::serve().arguments(&["--durability", "relaxed", "--tls-self-signed"]).start();
    let certificate = super::text_of(&node.data().join("tls-self-signed.pem"));
    let made = std::fs::read(&certificate).expect("it is in the data directory");
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}", node.console().port());
        let mut list = command(&node, &["account", "list", "--json", "--endpoint", &url, "--ca", &certificate]);
        list.env("STRONGROOM_ACCESS_KEY", ROOT_ACCESS_KEY).env("STRONGROOM_SECRET_KEY", ROOT_SECRET_KEY);
        assert_eq!(Ran::of(&mut list).json()[0]["name"], "main");
        let curl =
            Command::new("curl").args(["-s", "--cacert", &certificate]).arg(format!("{url}/health/live")).output();
        assert!(curl.expect("curl is installed").status.success(), "what clients with OpenSSL say of it");
    }
    assert!(node.terminate().success(), "{}", node.log());
    node.restart();
    assert_eq!(std::fs::read(&certificate).expect("it is there"), made, "who trusts it goes on trusting it");
}

#[test]
fn what_is_no_console_is_one_clear_line() {
    let node = node();
    let run = |url: &str| {
        let mut command = command(&node, &["account", "list", "--endpoint", url, "--access-key", ROOT_ACCESS_KEY]);
        Ran::of(command.env("STRONGROOM_SECRET_KEY", ROOT_SECRET_KEY))
    };
    run("http://127.0.0.1:1").fails(1, &["http://127.0.0.1:1", "nothing listens there"]);
    run("nas:9001").fails(2, &["https://nas.example:9001"]);
    let s3 = format!("http://{}", node.s3());
    let answered = run(&s3);
    assert!(answered.code != 0 && answered.stderr.contains(&s3), "{answered:?}");
    run(&endpoint(&node).replace("http", "https")).fails(1, &["no TLS"]);
    // The address of its API is as good.
    run(&format!("{}/api/v1/", endpoint(&node))).ok();
}

/// A certificate for localhost that is its own issuer, and its key.
fn self_signed(directory: &Path, name: &str) -> (String, String) {
    let path = |end: &str| super::text_of(&directory.join(format!("{name}.{end}")));
    let (certificate, key) = (path("pem"), path("key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"])
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}
