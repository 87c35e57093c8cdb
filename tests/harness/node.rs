//! A running node: started, killed, started again.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary;
use crate::client::Client;
use crate::sign::Credentials;

/// The account of [`NodeBuilder::serve`]'s nodes.
pub const ACCOUNT_ID: &str = "123456789012";
/// Root's access key on [`NodeBuilder::serve`]'s nodes.
pub const ROOT_ACCESS_KEY: &str = "AKIDTESTROOT";
/// Root's secret on [`NodeBuilder::serve`]'s nodes. Long and odd, so that a search of the logs for it means something.
pub const ROOT_SECRET_KEY: &str = "root-secret/Zq7+never-in-a-log";

/// How long a node may take to its ready line, and to its end. Generous: test machines are busy.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What a node is started with.
#[derive(Debug)]
pub struct NodeBuilder {
    subcommand: &'static str,
    arguments: Vec<String>,
    data: Option<PathBuf>,
    state: Option<Value>,
    through: Vec<String>,
}

impl NodeBuilder {
    /// `strongroom serve` on free ports and a temporary directory, with one account whose root is [`ROOT_ACCESS_KEY`].
    pub fn serve() -> NodeBuilder {
        NodeBuilder { subcommand: "serve", arguments: Vec::new(), data: None, state: None, through: Vec::new() }
    }

    /// `strongroom test`.
    pub fn test() -> NodeBuilder {
        NodeBuilder { subcommand: "test", ..NodeBuilder::serve() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> NodeBuilder {
        self.arguments.extend(arguments.iter().map(|&a| a.to_owned()));
        self
    }

    /// Serves this directory, which then outlives the node.
    #[must_use]
    pub fn data(mut self, data: &Path) -> NodeBuilder {
        self.data = Some(data.to_owned());
        self
    }

    /// Bootstraps from a state whose only account has these members beside name, id and root: `permissions`, `serviceAccounts`, `buckets`.
    #[must_use]
    pub fn account(mut self, members: Value) -> NodeBuilder {
        self.state = Some(state(members));
        self
    }

    /// Bootstraps from a whole state.
    #[must_use]
    pub fn state(mut self, state: Value) -> NodeBuilder {
        self.state = Some(state);
        self
    }

    /// Starts it by another program, which is given the node's arguments after its own: a wrapper that changes its surroundings.
    #[must_use]
    pub fn through(mut self, program: &[&str]) -> NodeBuilder {
        self.through = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts the node and waits for its ready line.
    ///
    /// # Panics
    /// When it doesn't get ready, with its log.
    #[track_caller]
    pub fn start(self) -> Node {
        self.try_start().unwrap_or_else(|why| panic!("{why}"))
    }

    /// [`NodeBuilder::start`] for tests of nodes that may not start.
    ///
    /// # Errors
    /// Why it isn't ready, with its log.
    pub fn try_start(self) -> Result<Node, String> {
        let temporary = TempDir::new().expect("a temporary directory");
        let mut arguments = self.through;
        if arguments.is_empty() {
            arguments.push(path_text(binary::path()));
        }
        arguments.push(self.subcommand.to_owned());
        let mut credentials = None;
        let state_file = temporary.path().join("state.json");
        if self.subcommand == "serve" {
            let data = self.data.clone().unwrap_or_else(|| temporary.path().join("data"));
            let text = self.state.unwrap_or_else(|| state(json!({}))).to_string();
            std::fs::write(&state_file, text).expect("a writable temporary directory");
            for argument in ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--data"] {
                arguments.push(argument.into());
            }
            arguments.push(path_text(&data));
            arguments.extend(["--bootstrap".into(), path_text(&state_file)]);
            credentials = Some(Credentials::new(ROOT_ACCESS_KEY, ROOT_SECRET_KEY));
        }
        arguments.extend(self.arguments);
        let log = Arc::new(Mutex::new(String::new()));
        let running = launch(&arguments, &log, temporary.path())?;
        Ok(Node { arguments, running, credentials, log, temporary, stopped: false })
    }
}

/// A node that ends with this value.
#[derive(Debug)]
pub struct Node {
    arguments: Vec<String>,
    running: Running,
    credentials: Option<Credentials>,
    log: Arc<Mutex<String>>,
    temporary: TempDir,
    stopped: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    ready: Value,
    started: Duration,
}

impl Node {
    /// [`NodeBuilder::serve`] with nothing further.
    #[track_caller]
    pub fn serve() -> Node {
        NodeBuilder::serve().start()
    }

    /// The ready line.
    pub fn ready(&self) -> &Value {
        &self.running.ready
    }

    /// From exec to the ready line.
    pub fn started(&self) -> Duration {
        self.running.started
    }

    /// Where S3 is served.
    pub fn s3(&self) -> SocketAddr {
        self.address("s3")
    }

    /// Where health and metrics are served.
    pub fn console(&self) -> SocketAddr {
        self.address("console")
    }

    /// The data directory, as the ready line says it.
    pub fn data(&self) -> PathBuf {
        PathBuf::from(self.ready()["data"].as_str().expect("the ready line names the data directory"))
    }

    /// A directory for the test's own files, gone with the node.
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// A client that signs as root.
    pub fn client(&self) -> Client {
        let text = |name: &str| self.ready()[name].as_str().unwrap_or_else(|| panic!("no {name} in the ready line"));
        let credentials =
            self.credentials.clone().unwrap_or_else(|| Credentials::new(text("accessKeyId"), text("secretAccessKey")));
        Client::new(self.s3(), Some(credentials))
    }

    /// Everything on standard error so far, over all starts.
    pub fn log(&self) -> String {
        self.log.lock().expect("the reader doesn't panic").clone()
    }

    /// Waits until the log holds a line that has all of these words; answers the last such line.
    ///
    /// # Panics
    /// When none comes within ten seconds.
    #[track_caller]
    pub fn logged(&self, words: &[&str]) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.log();
            if let Some(line) = log.lines().rev().find(|line| words.iter().all(|word| line.contains(word))) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no line with {words:?} in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL: what a power cut is to a process.
    pub fn kill_9(&mut self) {
        self.running.child.kill().expect("the node runs");
        self.running.child.wait().expect("the node is this process's child");
        self.stopped = true;
    }

    /// SIGTERM, and its end; the exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid().try_into().expect("process ids are small"));
        rustix::process::kill_process(pid.expect("process ids are positive"), signal).expect("the node runs");
    }

    /// Closes the node's standard input.
    pub fn close_stdin(&mut self) {
        self.running.stdin = None;
    }

    /// Waits for the node's end.
    ///
    /// # Panics
    /// When it doesn't end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.running.child.try_wait().expect("the node is this process's child") {
                self.stopped = true;
                return status;
            }
            assert!(Instant::now() < deadline, "the node doesn't end; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the node wrote on standard output after its ready line. Call it after the node's end.
    pub fn rest_of_stdout(&mut self) -> String {
        let mut text = String::new();
        self.running.stdout.read_to_string(&mut text).expect("readable standard output");
        text
    }

    /// Starts it again with the same arguments, on ports of its own choice.
    #[track_caller]
    pub fn restart(&mut self) {
        self.try_restart().unwrap_or_else(|why| panic!("{why}"));
    }

    /// [`Node::restart`] for tests of nodes that may not start.
    ///
    /// # Errors
    /// Why it isn't ready, with its log.
    pub fn try_restart(&mut self) -> Result<(), String> {
        if !self.stopped {
            self.terminate();
        }
        self.running = launch(&self.arguments, &self.log, self.temporary.path())?;
        self.stopped = false;
        Ok(())
    }

    /// Runs a subcommand against this node.
    pub fn command(&self) -> Command {
        binary::command()
    }

    fn address(&self, name: &str) -> SocketAddr {
        let url = self.ready()[name].as_str().unwrap_or_else(|| panic!("no {name} in the ready line"));
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        host.trim_end_matches('/').parse().unwrap_or_else(|_| panic!("{name} is no address: {url}"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.stopped {
            self.kill_9();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the node ---\n{}", self.log());
        }
    }
}

/// A state with one account.
pub fn state(members: Value) -> Value {
    let mut account = json!({"name": "main", "accountId": ACCOUNT_ID, "displayName": "Main", "email": "main@example.com",
        "root": {"accessKey": ROOT_ACCESS_KEY, "secretKey": ROOT_SECRET_KEY}});
    let members = members.as_object().expect("members of an account");
    account.as_object_mut().expect("made above").extend(members.clone());
    json!({"accounts": [account]})
}

/// `temporary` takes what the node would leave in the system's directory when it is killed.
fn launch(arguments: &[String], log: &Arc<Mutex<String>>, temporary: &Path) -> Result<Running, String> {
    let begin = Instant::now();
    let mut child = binary::clean(&arguments[0])
        .args(&arguments[1..])
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", arguments[0]));
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let log = Arc::clone(log);
    let sink = Arc::clone(&log);
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while matches!(stderr.read_until(b'\n', &mut line), Ok(1..)) {
            sink.lock().expect("no holder panics").push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let result = stdout.read_line(&mut line).map(|_| line);
        // The receiver is gone only when the start timed out, and then nobody asks.
        sender.send((result, stdout)).ok();
    });
    let given_up = |child: &mut Child, why: &str| {
        child.kill().ok();
        let status = child.wait();
        std::thread::sleep(Duration::from_millis(50));
        format!("the node is not ready ({why}, {status:?}); its log:\n{}", log.lock().expect("no holder panics"))
    };
    let (line, stdout) = match receiver.recv_timeout(START_TIMEOUT) {
        Ok((Ok(line), stdout)) => (line, stdout),
        Ok((Err(error), _)) => return Err(given_up(&mut child, &error.to_string())),
        Err(_) => return Err(given_up(&mut child, "time is up")),
    };
    let started = begin.elapsed();
    let ready: Value = match serde_json::from_str(&line) {
        Ok(ready) => ready,
        Err(_) => return Err(given_up(&mut child, &format!("its first line is {line:?}"))),
    };
    assert_eq!(ready["event"], "ready", "{ready}");
    let stdin = child.stdin.take();
    Ok(Running { child, stdin, stdout, ready, started })
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("temporary paths are UTF-8").to_owned()
}
