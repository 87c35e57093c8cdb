//! A node from its start: the operator's way in.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use super::*;
use crate::config::{Listen, MasterKeyText};
use crate::declare;
use crate::identity::plan::Mode;

async fn start(directory: &Path) -> Node {
    let free = || Listen { address: "127.0.0.1:0".parse().unwrap(), required: true };
    let mut config = Config::new(directory.to_owned());
    (config.listen, config.console, config.durability) = (vec![free()], free(), Durability::Relaxed);
    Node::start(config).await.unwrap()
}

/// Status and body of one request.
async fn ask(node: &Node, method: &'static str, path: &str, body: String) -> (u16, String) {
    let (address, path) = (node.console_url().trim_start_matches("http://").to_owned(), path.to_owned());
    let answer = move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let text = tokio::task::spawn_blocking(answer).await.unwrap();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_link_makes_the_operator_s_admin_once_and_there_is_none_where_a_user_is() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(directory.path()).await;
    let (first, link) = (node.first_link().unwrap(), node.first_link().unwrap());
    let base = format!("{}/#link=", node.console_url());
    let open = |link: &str| {
        let body =
            format!(r#"{{"link": "{}", "password": "chosen-by-the-operator"}}"#, link.strip_prefix(&base).unwrap());
        ask(&node, "POST", "/api/v1/auth/session", body)
    };
    assert_eq!(open(&first).await.0, 403, "the second one took its place");
    let (status, session) = open(&link).await;
    assert!(status == 201 && session.contains(r#""role":"admin""#), "{status} {session}");
    assert_eq!(open(&link).await.0, 403, "it is for one use");
    assert_eq!(node.first_link(), None);
    let body = r#"{"user": "admin", "password": "chosen-by-the-operator"}"#.to_owned();
    assert_eq!(ask(&node, "POST", "/api/v1/auth/token", body).await.0, 201);
    node.shutdown().await.unwrap();
    let node = start(directory.path()).await;
    assert_eq!(node.first_link(), None, "also after another start");
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_link_makes_nobody_where_somebody_came_before_its_holder() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(directory.path()).await;
    let link = node.first_link().unwrap();
    let state = r#"{"accounts": [{"name": "main", "users": [{"name": "admin", "role": "auditor", "password": "another-password"}]}]}"#;
    declare::apply(&node.state, "state.json", state, declare::ApplyOptions::new(Mode::Apply { prune: false }))
        .await
        .unwrap();
    let token = link.split_once("#link=").unwrap().1;
    let body = format!(r#"{{"link": "{token}", "password": "chosen-by-somebody"}}"#);
    assert_eq!(ask(&node, "POST", "/api/v1/auth/session", body).await.0, 403);
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_links_loads_nothing_from_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(directory.path()).await;
    for path in ["/", "/page.js", "/page.css"] {
        let (status, text) = ask(&node, "GET", path, String::new()).await;
        assert!(status == 200 && !text.contains("://"), "{path}: {status} {text}");
    }
    assert_eq!(ask(&node, "POST", "/", String::new()).await.0, 404);
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_kept_elsewhere_opens_the_store_and_is_written_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let config = |key: Option<&str>| {
        let free = || Listen { address: "127.0.0.1:0".parse().unwrap(), required: true };
        let mut config = Config::new(directory.path().to_owned());
        (config.listen, config.console, config.durability) = (vec![free()], free(), Durability::Relaxed);
        config.master_key = key.map(|key| MasterKeyText(key.to_owned()));
        config
    };
    let key = "5a".repeat(32);
    assert!(!format!("{:?}", config(Some(&key))).contains("5a5a"));
    for _ in 0..2 {
        let node = Node::start(config(Some(&key))).await.unwrap();
        assert!(node.state.identities.snapshot().operator().is_some());
        node.shutdown().await.unwrap();
    }
    assert!(!directory.path().join("secret.key").exists());
    for (key, told) in [
        (None, "secret.key is missing"),
        (Some("6b".repeat(32)), "is not this store's key"),
        (Some("5a".to_owned()), "master-key must hold 64 hexadecimal digits"),
    ] {
        let refused = Node::start(config(key.as_deref())).await.map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(told) && !refused.contains("5a5a") && !refused.contains("6b6b"), "{refused}");
    }
    assert!(!directory.path().join("secret.key").exists());
    // Where the store has lost which key it needs, its secrets tell.
    let store = engine::Store::open(directory.path(), engine::Options::default()).unwrap();
    assert!(store.delete_config("identity.master-key", "fingerprint", None).wait().unwrap());
    store.close().unwrap();
    drop(store);
    let failed = Node::start(config(Some(&"6b".repeat(32)))).await.map(drop).unwrap_err().to_string();
    assert!(failed.starts_with("master-key is not this store's key: none of its secrets opens"), "{failed}");
}
