//! Socket activation: a node that systemd passes its listeners to, with a shell in the place of systemd.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use tests::{Client, NodeBuilder, binary};

/// A descriptor that children inherit, beyond those that a shell numbers itself.
fn inheritable(descriptor: impl AsFd) -> OwnedFd {
    let copy = fcntl_dupfd_cloexec(descriptor, 20).expect("a free descriptor");
    fcntl_setfd(&copy, FdFlags::empty()).expect("it is open");
    copy
}

/// A shell that runs the binary as systemd would: with these descriptors from 3 on, under these names.
fn systemd(descriptors: &[&OwnedFd], names: &str) -> Vec<String> {
    let moved: Vec<String> =
        descriptors.iter().enumerate().map(|(index, it)| format!("{}<&{}", index + 3, it.as_raw_fd())).collect();
    let script = format!(
        "exec {}; export LISTEN_PID=$$ LISTEN_FDS={} LISTEN_FDNAMES={names}; exec \"$0\" \"$@\"",
        moved.join(" "),
        descriptors.len()
    );
    vec!["bash".into(), "-c".into(), script, binary::path().to_str().expect("UTF-8").into()]
}

#[test]
fn passed_listeners_are_used_by_their_names_and_outlive_the_node() {
    let (console, s3) = (TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0"));
    let (console, s3) = (console.expect("a free port"), s3.expect("a free port"));
    let (console_passed, s3_passed) = (inheritable(&console), inheritable(&s3));
    let program = systemd(&[&console_passed, &s3_passed], "console:s3");
    let program: Vec<&str> = program.iter().map(String::as_str).collect();
    // The builder also passes --listen and --console, which then aren't bound.
    let mut node = NodeBuilder::serve().arguments(&["--durability", "relaxed"]).through(&program).start();
    assert_eq!(node.s3(), s3.local_addr().expect("bound"));
    assert_eq!(node.console(), console.local_addr().expect("bound"));
    assert!(node.logged(&["--listen is not used"]).contains("systemd passed a socket"));
    node.client().create_bucket("lake").expect(200, "");
    assert!(node.terminate().success(), "{}", node.log());
    // Who connects while no node runs waits, and is answered by the next one.
    let client = node.client();
    let waiting = std::thread::spawn(move || client.put("lake", "k", "body").status);
    std::thread::sleep(std::time::Duration::from_millis(200));
    node.restart();
    assert_eq!(waiting.join().expect("an answer"), 200);
    let console = Client::new(node.console(), None);
    console.send(console.target("GET", "/health/ready")).expect(200, "");
}

#[test]
fn a_listener_without_a_name_serves_s3_and_the_console_is_bound() {
    let s3 = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let passed = inheritable(&s3);
    let program = systemd(&[&passed], "''");
    let program: Vec<&str> = program.iter().map(String::as_str).collect();
    let node = NodeBuilder::serve().through(&program).start();
    assert_eq!(node.s3(), s3.local_addr().expect("bound"));
    assert_ne!(node.console().port(), node.s3().port());
}

#[test]
fn what_is_no_listener_or_has_another_name_is_one_clear_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let refused = |descriptors: &[&OwnedFd], names: &str, words: &[&str]| {
        let program = systemd(descriptors, names);
        let mut command = std::process::Command::new(&program[0]);
        let output = command.args(&program[1..]).arg("serve").arg(&data).output().expect("bash is installed");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
        for word in words {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
    };
    let listener = inheritable(TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let datagrams = inheritable(UdpSocket::bind("127.0.0.1:0").expect("a free port"));
    let path = directory.path().join("socket");
    let local = inheritable(std::os::unix::net::UnixListener::bind(path).expect("a free name"));
    refused(&[&listener], "web", &["socket 0", "web", "FileDescriptorName="]);
    refused(&[&listener, &datagrams], "s3:s3", &["socket 1", "no listening TCP socket"]);
    refused(&[&local], "s3", &["socket 0", "no listening TCP socket"]);
    refused(&[&listener, &listener], "console:console", &["socket 1", "pass one"]);
    assert!(!data.exists(), "nothing is made before the sockets are known to be good");
}
