//! What tests of maintenance and of backups have in common: running commands, and a node with some objects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tests::{Client, Node, NodeBuilder, binary};

use crate::fixture;

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// Runs a command, which must end with this exit code; what it printed.
#[track_caller]
pub(super) fn run(code: i32, arguments: &[&str]) -> String {
    let output = binary::run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    assert!(
        code != 0 || !stderr(&output).contains("strongroom: ") || stderr(&output).contains("warning"),
        "{output:?}"
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
pub(super) fn run_json(code: i32, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    let printed = run(code, &arguments);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
}

/// Runs a command that fails with one line on standard error, which is returned.
#[track_caller]
pub(super) fn refused(code: i32, arguments: &[&str]) -> String {
    let output = binary::run(arguments);
    let line = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty() && line.lines().count() == 1, "{output:?}");
    line
}

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn serve(data: &Path) -> Node {
    NodeBuilder::serve().data(data).account(fixture::account(&["box"], &[])).start()
}

/// Forty objects, two of them bulk, as key, seed and size.
pub(super) fn fill(client: &Client) -> Vec<(String, u64, usize)> {
    let mut stored = Vec::new();
    for n in 0..40_u64 {
        let size = if n % 20 == 4 { 3 << 20 } else { (n as usize * 977) % 40_000 };
        let key = format!("dir/{n:02}");
        client.put("box", &key, fixture::noise(n, size)).expect(200, "");
        stored.push((key, n, size));
    }
    stored
}

#[track_caller]
pub(super) fn check(client: &Client, stored: &[(String, u64, usize)]) {
    for (key, seed, size) in stored {
        assert!(client.get("box", key).expect(200, "").body == fixture::noise(*seed, *size), "{key}");
    }
    let keys: Vec<_> = stored.iter().map(|(key, ..)| key.clone()).collect();
    assert_eq!(client.keys("box"), keys);
}

pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Every file but sockets and what locks touch, with its content.
pub(super) fn tree(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files(directory).into_iter().filter(|path| path.is_file() && !path.ends_with("LOCK"));
    files.map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}
