//! The unit of the package: what systemd thinks of it, and that the node lives under what it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::binary;

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/package/strongroom.service")
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

/// Where systemd is, it also reads the unit itself. Nothing else can: elsewhere the test above stands alone.
#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_its_exposure_is_low() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = std::fs::read_to_string(unit()).expect("the unit is there");
    let binary = binary::path().to_str().expect("UTF-8");
    let copy = directory.path().join("strongroom.service");
    std::fs::write(&copy, text.replace("/usr/bin/strongroom", binary)).expect("writable");
    let run = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&copy).output().expect("it was there above");
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{told}");
        told
    };
    let told = run(&["verify", "--man=no"]);
    assert_eq!(told, "", "systemd warns of something");
    // Of 10.0; what is left is that it speaks to the network and has a user of its own outside.
    run(&["security", "--offline=true", "--threshold=20"]);
}
