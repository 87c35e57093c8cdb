//! `serve` and `test` as processes: ready line, signals, standard input, what they refuse, and the commands that speak to them.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn strongroom(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    command.args(arguments).env_remove("NOTIFY_SOCKET");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STRONGROOM_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command that must end by itself; one that still runs after a while is ended, and the test fails.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut command = strongroom(arguments);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{arguments:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    first_line: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Running {
        Running::spawn(strongroom(arguments))
    }

    fn spawn(mut command: Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first_line = String::new();
        stdout.read_line(&mut first_line).unwrap();
        if first_line.is_empty() {
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("{command:?} did not become ready: {error}");
        }
        Running { child, stdin, stdout, first_line }
    }

    fn ready(&self) -> Value {
        serde_json::from_str(&self.first_line).unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; answers the exit code, the rest of standard output, and standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut rest, mut error) = (String::new(), String::new());
        self.stdout.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (self.child.wait().unwrap().code(), rest, error)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a test that failed leaves a process to end here.
        let _already_ended = self.child.kill();
        let _already_reaped = self.child.wait();
    }
}

fn serve(data: &Path, more: &[&str]) -> Running {
    let mut arguments = vec!["serve", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
    arguments.extend(more);
    Running::start(&arguments)
}

#[test]
fn a_test_node_says_what_a_harness_needs_and_ends_with_its_input() {
    let mut node = Running::start(&["test", "--bucket", "uploads", "--bucket", "other"]);
    let ready = node.ready();
    assert_eq!(ready["event"], "ready");
    assert_eq!((&ready["durability"], &ready["region"]), (&json!("relaxed"), &json!("us-east-1")));
    for member in ["s3", "s3Virtual", "console"] {
        assert!(ready[member].as_str().unwrap().starts_with("http://"), "{ready}");
    }
    assert!(ready["accessKeyId"].as_str().unwrap().len() >= 3 && ready["secretAccessKey"].as_str().unwrap().len() >= 8);
    let data = ready["data"].as_str().unwrap().to_owned();
    assert!(Path::new(&data).is_dir());

    let (code, state, error) = run(&["state", "--data", &data]);
    assert_eq!(code, 0, "{error}");
    let state: Value = serde_json::from_str(&state).unwrap();
    let buckets = state["accounts"][0]["buckets"].as_array().unwrap();
    let mut names: Vec<&str> = buckets.iter().map(|bucket| bucket["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["other", "uploads"]);

    drop(node.stdin.take());
    let (code, rest, _) = node.end();
    assert_eq!((code, rest.as_str()), (Some(0), ""), "standard output has exactly one line");
    assert!(!Path::new(&data).exists(), "a test leaves nothing behind");
}

#[test]
fn a_test_node_ends_on_sigterm_and_removes_its_directory() {
    let node = Running::start(&["test", "--durability", "strict"]);
    let ready = node.ready();
    assert_eq!(ready["durability"], "strict");
    node.signal(Signal::TERM);
    assert_eq!(node.end().0, Some(0));
    assert!(!Path::new(ready["data"].as_str().unwrap()).exists());
}

#[test]
fn a_test_node_whose_input_ends_at_once_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut command = strongroom(&["test"]);
        let output = command.env("TMPDIR", directory.path()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // Which of the two comes first, the end or the node, is the machine's to decide; silence is no answer to either.
        match output.status.code() {
            Some(1) => assert!(text(&output.stderr).contains("keep it open"), "{output:?}"),
            Some(0) => assert!(text(&output.stdout).contains("\"event\":\"ready\""), "{output:?}"),
            _ => panic!("{output:?}"),
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "a test leaves nothing behind");
    }
}

#[test]
fn a_test_node_tells_the_root_key_that_its_state_declares() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.toml");
    let state = "[[accounts]]\nname = \"main\"\nroot = {accessKey = \"AKDECLARED\", secretKey = \"declared-secret\"}\n";
    std::fs::write(&file, state).unwrap();
    let mut node = Running::start(&["test", "--bootstrap", file.to_str().unwrap(), "--bucket", "uploads"]);
    let ready = node.ready();
    assert_eq!((&ready["accessKeyId"], &ready["secretAccessKey"]), (&json!("AKDECLARED"), &json!("declared-secret")));
    drop(node.stdin.take());
    assert_eq!(node.end().0, Some(0));
    let flags = ["test", "--root-access-key", "AKFLAG", "--root-secret-key", "flag-secret"];
    let mut node = Running::start(&flags);
    assert_eq!(node.ready()["accessKeyId"], "AKFLAG");
    drop(node.stdin.take());
    assert_eq!(node.end().0, Some(0));
}

#[test]
fn env_prints_what_a_shell_exports() {
    let mut node = Running::start(&["test", "--env", "--region", "eu-test-1"]);
    drop(node.stdin.take());
    let mut lines = node.first_line.clone();
    node.stdout.read_to_string(&mut lines).unwrap();
    let names: Vec<&str> =
        lines.lines().map(|line| line.strip_prefix("export ").unwrap().split_once('=').unwrap().0).collect();
    assert_eq!(
        names,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3"
        ]
    );
    assert!(lines.contains("export AWS_REGION=eu-test-1\n"), "{lines}");
}

#[test]
fn serve_drains_and_exits_0_on_sigterm_and_logs_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for start in 0..2 {
        let node = serve(&data, &["--durability", "relaxed"]);
        let ready = node.ready();
        assert_eq!(ready["data"].as_str().unwrap(), data.to_str().unwrap());
        assert!(ready.get("secretAccessKey").is_none());
        node.signal(Signal::TERM);
        let (code, rest, error) = node.end();
        assert_eq!((code, rest.as_str()), (Some(0), ""), "{error}");
        assert!(error.contains("durability is relaxed"), "start {start}: {error}");
        let credentials = std::fs::read_to_string(data.join("root-credentials.json")).unwrap();
        let credentials: Value = serde_json::from_str(&credentials).unwrap();
        let secret = credentials["secretKey"].as_str().unwrap();
        assert!(!error.contains(secret), "a log holds no secret");
        assert_eq!(error.contains("root-credentials.json"), start == 0, "{error}");
    }
}

#[test]
fn systemd_is_told_when_the_node_is_ready_and_when_it_stops() {
    let directory = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = strongroom(&["serve", "data", "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", directory.path().join("notify")).current_dir(directory.path());
    let node = Running::spawn(command);
    assert!(told().starts_with("READY=1\n"));
    // A reload of plain HTTP has nothing to read; it must not end the node.
    node.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    node.signal(Signal::TERM);
    assert!(told().starts_with("STOPPING=1\n"));
    let (code, _, error) = node.end();
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("SIGHUP: there are no certificates"), "{error}");
}

#[test]
fn settings_come_from_flags_over_environment_over_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = "listen = \"127.0.0.1:1\"\nconsole = \"127.0.0.1:0\"\ndata = \"from-file\"\nlog-format = \"json\"\n";
    std::fs::write(directory.path().join("strongroom.toml"), file).unwrap();
    let mut command = strongroom(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("STRONGROOM_LISTEN", "127.0.0.1:2").env("STRONGROOM_DATA", "from-environment");
    command.current_dir(directory.path());
    let node = Running::spawn(command);
    let ready = node.ready();
    assert!(!ready["s3"].as_str().unwrap().ends_with(":1"));
    assert!(ready["data"].as_str().unwrap().ends_with("/from-environment"), "{ready}");
    node.signal(Signal::INT);
    let (code, _, error) = node.end();
    assert_eq!(code, Some(0), "{error}");
    for line in error.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    }
}

#[test]
fn a_directory_in_use_and_a_taken_port_are_one_line_each() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let node = serve(&data, &[]);
    let free = ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
    let second: Vec<&str> = ["serve", data.to_str().unwrap()].into_iter().chain(free).collect();
    let (code, out, error) = run(&second);
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(error.lines().count() == 1 && error.contains(data.to_str().unwrap()), "{error}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let holder = TcpListener::bind(taken.unwrap()).unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let other = directory.path().join("other");
    let (code, out, error) = run(&["serve", other.to_str().unwrap(), "--listen", &address, "--console", "127.0.0.1:0"]);
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(error.lines().count() == 1 && error.contains(&address) && error.contains("--listen"), "{error}");
    drop(node);
}

#[test]
fn a_state_is_applied_once_printed_and_pruned() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let node = serve(Path::new(data), &["--durability", "relaxed"]);
    let file = directory.path().join("state.json");
    let file = file.to_str().unwrap();
    let state = json!({"accounts": [{
        "name": "main",
        "permissions": [{"name": "read all", "type": "all-buckets", "actions": "read-only"}],
        "serviceAccounts": [{"name": "worker", "accessKey": "AKWORKER", "secretKey": "a-long-secret", "permissions": ["read all"]}],
        "buckets": [{"name": "datalake"}],
    }]});
    std::fs::write(file, state.to_string()).unwrap();

    let (code, dry, error) = run(&["apply", "-f", file, "--dry-run", "--data", data]);
    assert_eq!(code, 0, "{error}");
    assert!(dry.contains("+ ") && dry.contains("datalake") && dry.contains("nothing was changed"), "{dry}");
    let (code, done, error) = run(&["apply", "-f", file, "--data", data]);
    assert_eq!(code, 0, "{error}");
    assert!(done.contains("datalake") && done.ends_with("applied\n"), "{done}");
    assert!(!done.contains("a-long-secret"), "a diff shows no secret");
    let (code, again, error) = run(&["apply", "-f", file, "--data", data]);
    assert_eq!((code, again.as_str()), (0, "nothing to change\n"), "{error}");
    let (code, answer, error) = run(&["apply", "-f", file, "--data", data, "--json"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["changes"], json!([]));
    let (_, printed, _) = run(&["state", "--data", data]);
    assert!(
        printed.contains("datalake") && printed.contains("worker") && !printed.contains("a-long-secret"),
        "{printed}"
    );

    std::fs::write(file, "{\"accounts\": [{\"name\": \"main\", \"bukets\": []}]}").unwrap();
    let (code, out, error) = run(&["apply", "-f", file, "--data", data]);
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(error.lines().count() == 1 && error.contains("bukets") && error.contains("state.json"), "{error}");

    let console = node.ready()["console"].as_str().unwrap().to_owned();
    assert_eq!(run(&["health", &console]), (0, "ok\n".into(), String::new()));
    let (code, report, _) = run(&["health", &console, "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&report).unwrap()["state"].clone()), (0, json!("ok")));
}
