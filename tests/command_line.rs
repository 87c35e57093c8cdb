//! The binary as a program: its ready line, its errors, its end.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tests::{NodeBuilder, binary};

use crate::fixture;

/// An error of the command line: this exit code, and one line that names what is wrong.
#[track_caller]
fn fails(output: &Output, code: i32, words: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "standard output is for the ready line: {output:?}");
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message}");
    }
}

#[test]
fn ready_line_is_the_only_line_of_standard_output() {
    let mut node = fixture::node(&["box"], &[]);
    let ready = node.ready().clone();
    let (s3, console) = (node.s3(), node.console());
    assert_eq!(ready["s3"], format!("http://{s3}"));
    assert_eq!(ready["s3Virtual"], format!("http://localhost:{}", s3.port()));
    assert_eq!(ready["console"], format!("http://{console}"));
    assert!(Path::new(ready["data"].as_str().expect("a path")).is_absolute(), "{ready}");
    assert_eq!(ready.get("secretAccessKey"), None, "only a test node tells its secret");
    node.client().put("box", "k", "body").ok();
    assert!(node.terminate().success(), "{}", node.log());
    assert_eq!(node.rest_of_stdout(), "");
}

#[test]
fn test_node_gives_keys_and_bucket_and_ends_with_its_standard_input() {
    let mut node = NodeBuilder::test().arguments(&["--bucket", "mine"]).start();
    let ready: Value = node.ready().clone();
    assert_eq!(ready["region"], "us-east-1");
    assert_ne!(ready["durability"], "strict", "a test node says that it doesn't sync: {ready}");
    let client = node.client();
    client.put("mine", "k", "body").expect(200, "");
    assert_eq!(client.get("mine", "k").text(), "body");
    // --explain-denials is on.
    let denied = client.anonymous().get("mine", "k");
    assert!(denied.expect(403, "AccessDenied").header("x-strongroom-denied-by").is_some(), "{denied}");
    let data = node.data();
    assert!(data.is_dir());
    node.close_stdin();
    assert!(node.wait().success(), "{}", node.log());
    assert!(!data.exists(), "{} is left behind", data.display());
}

#[test]
fn test_node_removes_its_directory_on_sigterm_too() {
    let mut node = NodeBuilder::test().start();
    let data = node.data();
    assert!(node.terminate().success(), "{}", node.log());
    assert!(!data.exists(), "{} is left behind", data.display());
}

#[test]
fn test_node_prints_its_environment() {
    let mut child = binary::command()
        .args(["test", "--env", "--bucket", "mine"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary starts");
    std::thread::sleep(Duration::from_millis(1500));
    drop(child.stdin.take());
    let output = child.wait_with_output().expect("it ends with its standard input");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION"] {
        assert!(text.contains(&format!("export {name}=")), "no {name} in {text}");
    }
}

#[test]
fn second_process_on_a_directory_is_refused_and_the_first_goes_on() {
    let node = fixture::node(&["box"], &[]);
    let data = node.data();
    let data = data.to_str().expect("temporary paths are UTF-8");
    let output = binary::run(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
    fails(&output, 1, &[data, "in use"]);
    node.client().put("box", "k", "body").expect(200, "");
}

#[test]
fn taken_port_is_one_line_that_says_what_to_pass() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let data = data.to_str().expect("temporary paths are UTF-8");
    let output = binary::run(&["serve", "--data", data, "--listen", &address, "--console", "127.0.0.1:0"]);
    fails(&output, 1, &[&address, "--listen"]);
    let output = binary::run(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--console", &address]);
    fails(&output, 1, &[&address, "--console"]);
}

#[test]
fn unknown_flags_commands_keys_and_values_are_usage_errors() {
    for arguments in [
        &["serve", "--nonsense"][..],
        &["nonsense"],
        &["serve", "--durability", "maybe"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--network", "10.0.0.0/8"],
        &["serve", "--trusted-proxy", "x"],
    ] {
        let output = binary::run(arguments);
        fails(&output, 2, &[]);
        assert!(!output.stderr.is_empty());
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = directory.path().join("strongroom.toml");
    std::fs::write(&config, "lisen = [\"127.0.0.1:0\"]\n").expect("writable");
    let output = binary::run(&["serve", "--config", config.to_str().expect("UTF-8")]);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("lisen") && message.contains("listen"), "the error names the nearest key: {message}");
}

#[test]
fn directory_that_cannot_be_written_is_one_clear_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("a file");
    std::fs::write(&file, "in the way").expect("writable");
    for data in [file.clone(), file.join("below")] {
        let data = data.to_str().expect("UTF-8");
        let output = binary::run(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
        fails(&output, 1, &[data]);
    }
}

#[test]
fn directory_with_somebodys_files_is_refused_untouched() {
    let other = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(other.path().join("somebody's file"), "keep me").expect("writable");
    let data = other.path().to_str().expect("UTF-8");
    let output = binary::run(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
    fails(&output, 1, &[data]);
    let names: Vec<_> =
        std::fs::read_dir(other.path()).expect("readable").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(names, ["somebody's file"]);
}

#[test]
fn directory_of_a_newer_format_is_refused_untouched() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut node = NodeBuilder::serve().data(&directory.path().join("data")).start();
    node.terminate();
    // FORMAT.md: two copies at 0 and 4096, the version at offset 8, the CRC of the first 56 bytes after them.
    let file = node.data().join("FORMAT");
    let mut bytes = std::fs::read(&file).expect("readable");
    for copy in [0, 4096] {
        bytes[copy + 8] += 1;
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &bytes[copy..copy + 56]);
        bytes[copy + 56..copy + 60].copy_from_slice(&crc.to_le_bytes()[..4]);
    }
    std::fs::write(&file, &bytes).expect("writable");
    let data = node.data();
    let data = data.to_str().expect("UTF-8");
    let output = binary::run(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
    fails(&output, 1, &[data, "newer"]);
    assert_eq!(std::fs::read(&file).expect("readable"), bytes);
}

#[test]
fn sigterm_finishes_requests_under_way() {
    let mut node = fixture::node(&["box"], &[]);
    let client = node.client();
    let body = fixture::noise(1, 1 << 20);
    let mut request =
        client.request("PUT", "box", "slow").header("content-length", body.len().to_string()).body(body.clone());
    client.signer().sign(&mut request);
    let mut connection = client.connect().expect("a connection");
    connection.write(&request.head()).expect("written");
    connection.write(&body[..500_000]).expect("written");
    std::thread::sleep(Duration::from_millis(200));
    node.signal(rustix::process::Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    connection.write(&body[500_000..]).expect("the node still reads");
    connection.read_response("PUT").expect("an answer").expect(200, "");
    assert!(node.wait().success(), "{}", node.log());
    node.restart();
    assert!(node.client().get("box", "slow").body == body);
}

#[test]
fn health_is_served_on_both_listeners_and_hides_no_bucket() {
    let node = fixture::node(&["health"], &[]);
    let client = node.client();
    let console = tests::Client::new(node.console(), None);
    for client in [&client.anonymous(), &console] {
        for path in ["/health/live", "/health/ready", "/minio/health/live", "/minio/health/ready"] {
            client.send(client.target("GET", path)).expect(200, "");
            assert_eq!(client.send(client.target("HEAD", path)).status, 200, "{path}");
        }
        assert!(client.send(client.target("GET", "/health/ready")).text().contains("ok"));
    }
    client.put("health", "live", "an object").expect(200, "");
    assert_eq!(client.get("health", "live").text(), "an object");
    let metrics = console.send(console.target("GET", "/metrics"));
    assert!(metrics.expect(200, "").text().lines().any(|line| line.starts_with("strongroom_")), "{metrics}");
}

#[test]
fn empty_node_is_ready_quickly() {
    let best = (0..5).map(|_| NodeBuilder::test().start().started()).min().expect("five starts");
    // The promise is 50 ms for the released build on an idle machine; this only catches a start that waits for something.
    assert!(best < Duration::from_millis(1500), "{best:?}");
}

#[test]
fn a_terminal_gets_the_page_with_a_link_that_makes_the_first_admin_and_a_log_gets_none() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let serve = format!(
        "'{}' serve '{}' --listen 127.0.0.1:0 --console 127.0.0.1:0 --durability relaxed",
        binary::path().display(),
        data.display()
    );
    // A terminal for as long as its input is open.
    let mut child = std::process::Command::new("script")
        .args(["--quiet", "--flush", "--command", &serve, "/dev/null"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("script is part of every Debian");
    let mut page = String::new();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("a pipe")));
    while !page.contains("\"event\":\"ready\"") {
        page.push_str(&lines.next().expect("the node starts").expect("UTF-8"));
        page.push('\n');
    }
    for words in [
        "  S3       http://127.0.0.1:",
        "  console  http://127.0.0.1:",
        "aws --endpoint-url",
        "rclone lsd",
        "curl --aws-sigv4",
    ] {
        assert!(page.contains(words), "no {words} in {page}");
    }
    let link = page.lines().find_map(|line| line.trim().split_once("within 15 minutes: ")).expect("a link").1;
    let (console, token) = link.split_once("/#link=").expect("a link of the console");
    let sign_in = |password: &str| {
        let body = serde_json::json!({"link": token, "password": password}).to_string();
        let mut curl = std::process::Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json", "-d", &body]);
        let output = curl.arg(format!("{console}/api/v1/auth/session")).output().expect("curl is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(sign_in("a-password-of-admin"), "201");
    assert_ne!(sign_in("another-password"), "201", "a link is for one use");
    let users = binary::run(&["user", "list", "--json", "--data", data.to_str().expect("UTF-8")]);
    let users: Value = serde_json::from_slice(&users.stdout).expect("JSON");
    assert_eq!((&users[0]["name"], &users[0]["role"]), (&"admin".into(), &"admin".into()));
    // Ctrl-C, as a person ends it.
    std::io::Write::write_all(child.stdin.as_mut().expect("a pipe"), b"\x03").expect("it reads");
    assert!(lines.all(|line| line.is_ok()), "it ends");
    child.wait().expect("a child");
    // A log is no terminal.
    let node = fixture::node(&[], &[]);
    assert!(!node.log().contains("#link="), "{}", node.log());
}
