//! Every wrong use of the binary is one line on standard error, nothing on standard output, and exit code 2.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn strongroom(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STRONGROOM_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied()).current_dir(directory).stdin(Stdio::null());
    command.output().unwrap()
}

/// Asserts exit 2 and one line, which is returned without its prefix.
fn refused(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = strongroom(directory, arguments, variables);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed to standard output");
    let line = error.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{arguments:?}: more than one line: {error}");
    line.strip_prefix("strongroom: ").unwrap().to_owned()
}

#[test]
fn every_usage_error_is_one_line_with_exit_2() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["serv"],
        &["--nonsense"],
        &["serve", "a", "b"],
        &["serve", "a", "--data", "b"],
        &["serve", "--listen"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--listen", "127.0.0.1:99999"],
        &["serve", "--console", "localhost:9001"],
        &["serve", "--durability", "later"],
        &["serve", "--sigv2", "maybe"],
        &["serve", "--network", "10.0.0.0/8"],
        &["serve", "--trusted-proxy", "proxy.example.com"],
        &["serve", "--tls-cert", "c.pem"],
        &["serve", "--explain-denials=perhaps"],
        &["serve", "--root-access-key", "AKROOT"],
        &["serve", "--config", "absent.toml"],
        &["serve", "--bootstrap", "absent.json"],
        &["serve", "--region", "Upper Case"],
        &["serve", "--data", ""],
        &["test", "--data", "d"],
        &["test", "--bucket"],
        &["apply"],
        &["apply", "-f", "absent.json"],
        &["health", "127.0.0.1:9001"],
        &["health", "http://"],
        &["policy"],
        &["policy", "check"],
        &["policy", "check", "a", "--batch", "b"],
        &["policy", "check", "a", "--kind", "resource"],
        &["policy", "eval"],
        &["policy", "explain"],
        &["fsck"],
        &["inspect"],
        &["inspect", "d", "tables"],
        &["inspect", "d", "records"],
        &["inspect", "d", "records", "x"],
        &["inspect", "d", "rows", "1"],
        &["backup", "d"],
        &["restore", "d"],
        &["man", "man1"],
        &["serve", "--scrub-interval", "often"],
        &["serve", "--maintenance-rate", "-1"],
        &["serve", "--scrub-bytes-per-second", "fast"],
        &["serve", "--backup-bytes-per-second", "2TiB"],
        &["serve", "--compaction-bytes-per-second", "-1"],
    ] {
        refused(directory.path(), arguments, &[]);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "a refused command leaves nothing behind");
}

#[test]
fn a_wrong_variable_and_a_wrong_key_are_usage_errors_that_name_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(directory.path(), &["serve"], &[("STRONGROOM_LISTEN", "here")]);
    assert!(error.starts_with("STRONGROOM_LISTEN: \"here\": write an IP address and a port"), "{error}");

    std::fs::write(directory.path().join("strongroom.toml"), "\nlog-requets = \"all\"\n").unwrap();
    let error = refused(directory.path(), &["serve"], &[]);
    assert_eq!(error, "./strongroom.toml:2: unknown key \"log-requets\"; did you mean \"log-requests\"?");
}

#[test]
fn help_has_an_example_for_every_command_and_goes_to_standard_output() {
    let directory = tempfile::tempdir().unwrap();
    for command in [
        &[][..],
        &["serve"],
        &["test"],
        &["policy"],
        &["policy", "check"],
        &["policy", "eval"],
        &["policy", "explain"],
        &["apply"],
        &["state"],
        &["health"],
        &["fsck"],
        &["scrub"],
        &["compact"],
        &["inspect"],
        &["backup"],
        &["restore"],
        &["config", "show"],
        &["config", "check"],
        &["completions"],
        &["man"],
    ] {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let output = strongroom(directory.path(), &arguments, &[]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(output.stderr.is_empty(), "{command:?}");
        assert!(help.contains("Example: strongroom ") && help.contains("--json"), "{help}");
    }
}

#[test]
fn a_command_without_a_node_says_so_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("state.json"), "{}").unwrap();
    for arguments in [
        &["state"][..],
        &["apply", "-f", "state.json"],
        &["state", "--data", "elsewhere"],
        &["health", "--data", "elsewhere"],
    ] {
        let output = strongroom(directory.path(), arguments, &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.starts_with("strongroom: no node runs on ") && error.lines().count() == 1, "{error}");
    }
    let output = strongroom(directory.path(), &["health", "http://127.0.0.1:1"], &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.starts_with("strongroom: http://127.0.0.1:1: nothing listens there"), "{error}");
}

#[test]
fn a_directory_that_holds_no_data_is_not_found_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("empty")).unwrap();
    for data in ["empty", "absent"] {
        for arguments in [
            &["fsck", data][..],
            &["fsck", data, "--repair-index"],
            &["inspect", data],
            &["scrub", data],
            &["compact", data],
            &["backup", data, "backup"],
            &["restore", data, "new"],
        ] {
            let output = strongroom(directory.path(), arguments, &[]);
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{arguments:?}: {error}");
            assert!(error.starts_with(&format!("strongroom: {data} ")) && error.lines().count() == 1, "{error}");
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(directory.path().join("empty")).unwrap().count(), 0);
}

#[test]
fn completions_and_man_pages_cover_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let output = strongroom(directory.path(), &["completions", "bash"], &[]);
    let script = String::from_utf8(output.stdout).unwrap();
    assert!(
        script.contains("strongroom__policy__check") || script.contains("strongroom__subcmd__policy__subcmd__check")
    );
    let output = strongroom(directory.path(), &["man", "--output", "man1"], &[]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"".as_slice()));
    let printed = String::from_utf8(strongroom(directory.path(), &["man"], &[]).stdout).unwrap();
    let written = std::fs::read_to_string(directory.path().join("man1/strongroom.1")).unwrap();
    assert!(printed.starts_with(".ie") && printed.contains(".TH strongroom 1"), "{printed}");
    assert_eq!(printed.trim_end(), written.trim_end());
    for word in [
        "--batch",
        "--bucket-policy",
        "--session-policy",
        "--principal",
        "--context",
        "--kind",
        "--dialect",
        "--repair-index",
        "--with-key",
    ] {
        assert!(script.contains(word), "completions leave out {word}");
    }
    for page in [
        "strongroom.1",
        "strongroom-serve.1",
        "strongroom-policy.1",
        "strongroom-policy-check.1",
        "strongroom-policy-eval.1",
        "strongroom-policy-explain.1",
        "strongroom-fsck.1",
        "strongroom-scrub.1",
        "strongroom-compact.1",
        "strongroom-inspect.1",
        "strongroom-backup.1",
        "strongroom-restore.1",
    ] {
        let text = std::fs::read_to_string(directory.path().join("man1").join(page)).unwrap();
        assert!(text.contains("\n.SH EXAMPLES\n.nf\nstrongroom "), "{page}: {text}");
        let has_exit_codes = page.starts_with("strongroom-policy-") || page == "strongroom.1";
        assert!(!has_exit_codes || text.contains("\n.SH EXIT STATUS\n0 "), "{page}: {text}");
    }
}
