//! A terminal of its own for a program that asks on it.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A script of the shell on a terminal that shows what is typed; gone with this value, and what runs on it too.
#[derive(Debug)]
pub(super) struct Terminal {
    child: Child,
    out: ChildStdout,
}

impl Terminal {
    pub(super) fn run(script: &str) -> Terminal {
        // A terminal for as long as its input is open.
        let mut child = Command::new("script")
            .args(["--quiet", "--flush", "--command", script, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is part of every Debian");
        let out = child.stdout.take().expect("a pipe");
        Terminal { child, out }
    }

    /// What is shown until these words are.
    #[track_caller]
    pub(super) fn until(&mut self, words: &str) -> String {
        let mut seen = Vec::new();
        while !seen.ends_with(words.as_bytes()) {
            let mut byte = [0];
            let read = self.out.read_exact(&mut byte);
            read.unwrap_or_else(|error| panic!("no {words:?}: {error}: {}", String::from_utf8_lossy(&seen)));
            seen.extend(byte);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    pub(super) fn type_in(&mut self, typed: &[u8]) {
        self.child.stdin.as_mut().expect("a pipe").write_all(typed).expect("it reads");
    }

    /// What is shown until the script ends.
    pub(super) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("UTF-8");
        rest
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal hangs up on what is left there.
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A program as a word of the shell that writes its id into `file` before it is another one: `sh -c '...' NAME ARGUMENTS`.
pub(super) fn telling_its_id(file: &Path) -> String {
    format!("sh -c 'echo $$ > \"$0\"; exec \"$@\"' '{}'", file.display())
}

/// Sends a signal to the program that wrote its id there.
#[track_caller]
pub(super) fn signal(file: &Path, signal: Signal) {
    let id = std::fs::read_to_string(file).expect("it was written before the program began");
    let id = id.trim().parse().ok().and_then(Pid::from_raw).unwrap_or_else(|| panic!("no id: {id:?}"));
    kill_process(id, signal).expect("it runs");
}
