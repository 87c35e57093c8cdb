//! `strongroom policy` as people and scripts use it: exit codes, JSON, text, and the seed's own messages.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod batch;
mod check;
mod explain;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

const GOOD: &str = r#"{"Version": "2012-10-17", "Statement": {"Sid": "Inside", "Effect": "Allow", "Action": "s3:GetObject",
  "Resource": "arn:aws:s3:::datalake/*", "Condition": {"IpAddress": {"aws:SourceIp": "21.21.21.0/24"}}}}"#;
const MISSPELT: &str = "{\"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"s3:PuObject\",\n  \"Resource\": \"arn:aws:s3:::b/*\"}]}";

/// A directory with files, where commands run.
struct Place(tempfile::TempDir);

impl Place {
    fn with(files: &[(&str, &str)]) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        for (name, text) in files {
            place.write(name, text.as_bytes());
        }
        place
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.arg("policy").args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command
    }

    /// Exit code, standard output and standard error.
    fn policy(&self, arguments: &[&str]) -> (i32, String, String) {
        ended(&mut self.command(arguments))
    }

    /// As [`policy`](Place::policy), with a text on standard input.
    fn policy_reading(&self, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        told(child.wait_with_output().unwrap())
    }
}

fn ended(command: &mut Command) -> (i32, String, String) {
    told(command.output().unwrap())
}

fn told(output: std::process::Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A command that fails in one line of standard error and prints nothing else.
#[track_caller]
fn refused(place: &Place, arguments: &[&str]) -> String {
    let (code, out, error) = place.policy(arguments);
    assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    error.strip_prefix("strongroom: ").unwrap().trim_end().to_owned()
}
