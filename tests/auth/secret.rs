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
