//! The units of the package: what systemd thinks of them, and that the node lives under what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{NodeBuilder, binary};

fn unit() -> PathBuf {
    package().join("strongroom.service")
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/package")
}

/// What `systemd-analyze` says, which nothing else can.
#[track_caller]
fn systemd_analyze(arguments: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(arguments).output();
    let output = output.expect("systemd-analyze reads the units: apt install systemd (it need not run)");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {told}");
    told
}

/// The values of a key, in order.
fn values(text: &str, key: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix(&format!("{key}="))).map(str::to_owned).collect()
}

#[test]
fn the_unit_is_hardened_and_says_when_it_is_ready() {
    let text = std::fs::read_to_string(unit()).expect("the unit is there");
    for (key, value) in [
        ("Type", "notify"),
        ("StateDirectory", "strongroom"),
        ("StateDirectoryMode", "0700"),
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("ExecStart", "/usr/bin/strongroom serve --config /etc/strongroom/strongroom.toml"),
    ] {
        assert_eq!(values(&text, key), [value], "{key}");
    }
    assert!(values(&text, "SystemCallFilter").iter().any(|it| it == "~@privileged @resources"));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_the_exposure_is_low() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let copy = |from: PathBuf| {
        let text = std::fs::read_to_string(&from).expect("the unit is there");
        let binary = binary::path().to_str().expect("UTF-8");
        let copy = directory.path().join(from.file_name().expect("a file"));
        std::fs::write(&copy, text.replace("/usr/bin/strongroom", binary)).expect("writable");
        copy.to_str().expect("UTF-8").to_owned()
    };
    let (service, socket) = (copy(unit()), copy(package().join("sockets/strongroom.socket")));
    let told = systemd_analyze(&["verify", "--man=no", &service, &socket]);
    assert_eq!(told, "", "systemd warns of something");
    // Of 10.0; what is left is that it speaks to the network and has a user of its own outside.
    systemd_analyze(&["security", "--offline=true", "--threshold=20", &service]);
}

#[test]
fn the_socket_unit_passes_what_the_node_takes_where_it_would_listen_itself() {
    let text = std::fs::read_to_string(package().join("sockets/strongroom.socket")).expect("the unit is there");
    assert_eq!(values(&text, "FileDescriptorName"), ["s3"]);
    let settings = std::fs::read_to_string(package().join("strongroom.toml")).expect("the settings are there");
    for address in values(&text, "ListenStream") {
        assert!(settings.contains(&format!("\"{address}\"")), "{address} is a default of strongroom.toml");
    }
}

/// A system call that the unit forbids would fail in the field only, perhaps in the middle of a scrub.
#[test]
fn a_node_makes_no_system_call_that_the_unit_forbids() {
    let members = |set: &str| -> BTreeSet<String> {
        let mut sets = vec![set.to_owned()];
        let mut calls = BTreeSet::new();
        while let Some(set) = sets.pop() {
            for line in systemd_analyze(&["syscall-filter", &set]).lines().map(str::trim) {
                match line.chars().next() {
                    Some('@') if line != set => sets.push(line.to_owned()),
                    Some('a'..='z' | '_') => drop(calls.insert(line.to_owned())),
                    _ => {}
                }
            }
        }
        calls
    };
    let mut allowed = members("@system-service");
    allowed.extend(members("@default"));
    for forbidden in ["@privileged", "@resources"] {
        allowed = &allowed - &members(forbidden);
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let trace = directory.path().join("trace");
    let program = binary::path().to_str().expect("UTF-8");
    // -D: the node is this test's own child, and ends with it.
    let strace = ["strace", "-D", "-f", "-qq", "-o", trace.to_str().expect("UTF-8"), program];
    let mut node = NodeBuilder::serve().through(&strace).start();
    let client = node.client();
    client.create_bucket("lake").expect(200, "");
    client.put("lake", "large", vec![7; 3 << 20]).expect(200, "");
    client.get("lake", "large").expect(200, "");
    client.delete("lake", "large").expect(204, "");
    let data = node.data();
    let copy = directory.path().join("backup");
    for arguments in
        [vec![Path::new("scrub"), &data], vec![Path::new("compact"), &data], vec![Path::new("backup"), &data, &copy]]
    {
        let output = binary::command().args(arguments).output().expect("the binary starts");
        assert!(output.status.success(), "{output:?}");
    }
    assert!(node.terminate().success(), "{}", node.log());
    let text = std::fs::read_to_string(&trace).expect("strace wrote it");
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start().split_once('(')?.0.to_owned();
        call.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_').then_some(call)
    };
    let made: BTreeSet<String> = text.lines().filter_map(name).collect();
    assert!(made.contains("fdatasync") && made.contains("accept4"), "the trace is of a node: {made:?}");
    let forbidden: Vec<&String> = made.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "the unit forbids {forbidden:?}");
}
