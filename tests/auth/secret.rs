//! Secrets: made by the node, and nowhere to be read afterwards.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Client, Credentials, NodeBuilder};

use crate::fixture::{self, allow, caller};

/// D13: elsewhere everybody knew the first password.
#[test]
fn node_without_credentials_makes_its_own_and_no_default_opens_it() {
    let start = || {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // An empty state: no account and no root declared, as at a first start without any file.
        let node = NodeBuilder::serve().state(json!({"accounts": []})).data(directory.path()).start();
        (node, directory)
    };
    let (node, _directory) = start();
    for (access_key, secret_key) in [
        ("minioadmin", "minioadmin"),
        ("rustfsadmin", "rustfsadmin"),
        ("admin", "admin"),
        ("root", "root"),
        ("test", "test"),
        ("strongroom", "strongroom"),
    ] {
        let client = Client::new(node.s3(), Some(Credentials::new(access_key, secret_key)));
        client.create_bucket("mine").expect(403, "InvalidAccessKeyId");
    }
    let file = node.data().join("root-credentials.json");
    let mode = std::fs::metadata(&file).expect("root's credentials are kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let made = read(&file);
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{name} in {}", file.display())).to_owned();
    let client = Client::new(node.s3(), Some(Credentials::new(&text("accessKey"), &text("secretKey"))));
    client.create_bucket("mine").expect(200, "");
    let (other, _other_directory) = start();
    assert_ne!(read(&other.data().join("root-credentials.json")), made);
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON")
}

/// D16: elsewhere secrets stood in logs and error bodies.
#[test]
fn no_secret_and_no_signature_reaches_log_or_error() {
    let secrets = [tests::node::ROOT_SECRET_KEY.to_owned(), fixture::secret_key("reader")];
    for format in ["text", "json"] {
        let account =
            fixture::account(&["box"], &[("reader", json!([allow(&["s3:GetObject"], &["arn:aws:s3:::box/*"])]))]);
        let arguments = ["--log-requests", "all", "--log-format", format, "--durability", "relaxed"];
        let mut node = NodeBuilder::serve().arguments(&arguments).account(account).start();
        let client = node.client();
        let reader = caller(&node, "reader");
        let mut signatures = Vec::new();
        let mut answers = String::new();
        client.put("box", "k", "body").ok();
        for client in [&client, &reader, &reader.with(&fixture::access_key("reader"), "wrong")] {
            let mut header = client.request("PUT", "box", "header-signed").body("body");
            client.signer().sign(&mut header);
            let (_, signature) =
                header.value("authorization").and_then(|a| a.split_once("Signature=")).expect("signed");
            signatures.push(signature.to_owned());
            answers += &client.send_as_is(&header).text();
            for lifetime in [60, 999_999] {
                let url = client.presigned(client.request("GET", "box", "k"), Duration::from_secs(lifetime));
                let (_, signature) = url.target.split_once("X-Amz-Signature=").expect("signed");
                signatures.push(signature.to_owned());
                answers += &client.send_as_is(&url).text();
            }
        }
        node.logged(&["header-signed"]);
        node.terminate();
        let log = node.log();
        for secret in &secrets {
            assert!(
                !log.contains(secret.as_str()) && !answers.contains(secret.as_str()),
                "{secret} in {format} log or answers"
            );
        }
        for signature in &signatures {
            assert!(!log.contains(signature.as_str()), "signature {signature} in {format} log:\n{log}");
        }
        for entry in std::fs::read_dir(node.data()).expect("the data directory") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let bytes = std::fs::read(&path).expect("readable");
                let secret = fixture::secret_key("reader");
                assert!(
                    !bytes.windows(secret.len()).any(|w| w == secret.as_bytes()),
                    "a secret lies in the clear in {}",
                    path.display()
                );
            }
        }
    }
}

/// The key that seals secrets may be kept off the disk that it guards.
#[test]
fn a_master_key_from_outside_leaves_nothing_in_the_directory_and_is_asked_for_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let (key, other) = ("5f".repeat(32), "60".repeat(32));
    let binary = tests::binary::path().to_str().expect("UTF-8").to_owned();
    let everything = fixture::permission("p", &json!([allow(&["s3:*"], &["*"])]));
    let state = json!({"permissions": [everything], "serviceAccounts": [fixture::service_account("app", &["p"])]});
    let start = |variable: &str| {
        let node = NodeBuilder::serve().data(&data).through(&["env", variable, &binary]);
        node.account(state.clone()).try_start()
    };
    let signs = |node: &tests::Node| {
        let app = caller(node, "app");
        app.send(app.target("GET", "/")).ok();
    };
    let mut node = start(&format!("STRONGROOM_MASTER_KEY={key}")).expect("it starts");
    signs(&node);
    assert!(node.terminate().success());
    assert!(!data.join("secret.key").exists());
    assert!(!node.log().contains(&key), "{}", node.log());

    let credentials = directory.path().join("credentials");
    std::fs::create_dir(&credentials).expect("a new directory");
    std::fs::write(credentials.join("master-key"), format!("{key}\n")).expect("writable");
    let mut node = start(&format!("CREDENTIALS_DIRECTORY={}", credentials.display())).expect("it starts");
    signs(&node);
    node.kill_9();

    let without = start("NOTHING=").expect_err("the key is missing");
    assert!(without.contains("secret.key is missing") && without.contains("give it as master-key"), "{without}");
    let wrong = start(&format!("STRONGROOM_MASTER_KEY={other}")).expect_err("it is another key");
    assert!(wrong.contains("master-key is not this store's key"), "{wrong}");
    let short = start("STRONGROOM_MASTER_KEY=5f5f5f").expect_err("it is no key");
    assert!(short.contains("master-key must hold 64 hexadecimal digits") && !short.contains("5f5f"), "{short}");
    assert!(!data.join("secret.key").exists(), "none is made in its place");

    // In the file it is the same key.
    std::fs::write(data.join("secret.key"), format!("{key}\n")).expect("writable");
    std::fs::set_permissions(data.join("secret.key"), std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    signs(&start("NOTHING=").expect("it starts"));
}
