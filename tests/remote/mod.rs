//! Administration by the command line: through the socket of a data directory and through an endpoint.

mod bucket;
mod directory;
mod endpoint;
mod explain;
mod follow;
mod identity;
mod look;
mod permission;
mod state;
mod terminal;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tests::node::Node;
use tests::{NodeBuilder, binary};

/// A node without anything.
fn node() -> Node {
    NodeBuilder::serve().arguments(&["--durability", "relaxed"]).start()
}

/// A command line against the node's socket.
fn local(node: &Node, arguments: &[&str]) -> Ran {
    let mut command = binary::command();
    command.args(arguments).arg("--data").arg(node.data());
    Ran::of(&mut command)
}

/// How a command ended.
#[derive(Debug)]
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(command: &mut Command) -> Ran {
        let Output { status, stdout, stderr } = command.output().expect("the binary starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: status.code().expect("it wasn't killed"), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What a command that succeeded printed.
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        assert_eq!(self.stderr, "", "a success warns of nothing");
        self.stdout
    }

    /// The JSON of a command that succeeded.
    #[track_caller]
    fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// A command that failed so, with one line on standard error that has these words and nothing on standard output; answers the line.
    #[track_caller]
    fn fails(self, code: i32, words: &[&str]) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "one line: {self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?}: {self:?}");
        }
        self.stderr
    }
}

/// Writes a file for a test.
fn file(node: &Node, name: &str, text: &str) -> String {
    let path = node.temporary().join(name);
    std::fs::write(&path, text).expect("a writable temporary directory");
    text_of(&path)
}

fn text_of(path: &Path) -> String {
    path.to_str().expect("temporary paths are UTF-8").to_owned()
}

/// The value beside a name in what is printed for people.
#[track_caller]
fn field(text: &str, name: &str) -> String {
    let line =
        text.lines().find(|line| line.starts_with(&format!("{name}  ")) || line.starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line[name.len()..].trim().trim_end_matches("  (not shown again)").to_owned()
}

/// What a search prints when it finds so many lines: records are gathered before they are written.
#[track_caller]
fn once_written(node: &Node, arguments: &[&str], lines: usize) -> String {
    for _ in 0..100 {
        let found = local(node, arguments).ok();
        if found.lines().count() == lines {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{arguments:?} doesn't find {lines} lines");
}
