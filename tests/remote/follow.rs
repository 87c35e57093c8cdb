//! `strongroom audit search --follow`: until somebody ends it, however the node or who signed in fares meanwhile.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::binary;
use tests::node::Node;

use super::terminal::{Terminal, signal, telling_its_id};
use super::{file, local, node, once_written};

/// How long a line may take to come. Generous: test machines are busy.
const LINE_TIMEOUT: Duration = Duration::from_secs(60);

/// A search that follows; gone with this value.
#[derive(Debug)]
struct Following {
    child: Child,
    lines: Receiver<String>,
    warnings: Receiver<String>,
}

impl Following {
    fn start(command: &mut Command) -> Following {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let lines = lines_of(child.stdout.take().expect("a pipe"));
        let warnings = lines_of(child.stderr.take().expect("a pipe"));
        Following { child, lines, warnings }
    }

    /// Follows the node's log through its socket.
    fn of(node: &Node, arguments: &[&str]) -> Following {
        Following::start(command(arguments).arg("--data").arg(node.data()))
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(LINE_TIMEOUT).expect("a line")
    }

    #[track_caller]
    fn line_with(&self, words: &str) -> String {
        let mut passed = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LINE_TIMEOUT) {
            if line.contains(words) {
                return line;
            }
            passed.push(line);
        }
        panic!("no {words:?} in {passed:#?}");
    }

    #[track_caller]
    fn warning(&self) -> String {
        self.warnings.recv_timeout(LINE_TIMEOUT).expect("a warning")
    }

    /// Makes buckets until the first of them is told: until then, nobody knows from where on records are.
    #[track_caller]
    fn first_record(&self, node: &Node) -> String {
        for count in 0..100 {
            local(node, &["bucket", "create", &format!("before{count}")]).ok();
            if let Ok(line) = self.lines.recv_timeout(Duration::from_millis(500)) {
                return line;
            }
        }
        panic!("nothing is followed");
    }

    /// Ctrl-C, and what it ended with.
    #[track_caller]
    fn interrupt(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
        self.code()
    }

    #[track_caller]
    fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("a child").code()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = binary::command();
    command.args(["audit", "search", "--follow"]).args(arguments);
    command
}

/// The lines of a pipe as they come.
fn lines_of(pipe: impl io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        // Who is told no longer has ended already.
        lines.map(|line| tell.send(line)).find(Result::is_err)
    });
    told
}

/// An address that stays when the node takes another one.
struct Door {
    address: SocketAddr,
    node: Arc<Mutex<SocketAddr>>,
}

impl Door {
    fn to(node: &Node) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let door = Door { address, node: Arc::new(Mutex::new(node.console())) };
        let led = Arc::clone(&door.node);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let node = *led.lock().expect("no holder panics");
                // Nobody behind it is nobody there.
                std::thread::spawn(move || pass(client, node));
            }
        });
        door
    }

    fn lead_to(&self, node: &Node) {
        *self.node.lock().expect("no holder panics") = node.console();
    }
}

fn pass(mut client: TcpStream, node: SocketAddr) -> io::Result<()> {
    let mut node = TcpStream::connect(node)?;
    let (mut asked, mut asks) = (client.try_clone()?, node.try_clone()?);
    std::thread::spawn(move || io::copy(&mut asked, &mut asks));
    io::copy(&mut node, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// How many calls of a kind there were that begin and end sessions: sign-ins and sign-outs.
#[track_caller]
fn sessions(node: &Node, begun: usize, ended: usize) {
    let all = ["audit", "search", "--search", "auth/token", "--json"];
    let made = |status: &str| {
        let found = local(node, &all).ok();
        found.lines().filter(|line| line.contains(&format!("\"httpStatus\":{status}"))).count()
    };
    once_written(node, &[&all[..], &["--accepted"]].concat(), begun + ended);
    assert_eq!((made("201"), made("204")), (begun, ended), "sessions that were begun and ended");
}

#[test]
fn the_audit_log_is_followed_until_somebody_ends_it() {
    let node = node();
    let mut shown = Following::of(&node, &[]);
    // The head is printed before anything is asked, so one record tells that the place is known.
    assert!(shown.line().starts_with("TIME "));
    let mut json = command(&["--json", "--event", "DeleteBucket", "--data"])
        .arg(node.data())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut bounded = Following::of(&node, &["--limit", "2"]);
    let mut unread =
        command(&["--json", "--data"]).arg(node.data()).stdout(Stdio::piped()).spawn().expect("the binary starts");
    drop(unread.stdout.take());
    assert!(unread.wait().expect("it ends when nobody reads").success(), "{unread:?}");
    let mut created = 0;
    while bounded.child.try_wait().expect("a child").is_none() {
        local(&node, &["bucket", "create", &format!("lake{created}")]).ok();
        created += 1;
        std::thread::sleep(Duration::from_millis(300));
        assert!(created < 100, "nothing is followed");
    }
    assert!(shown.line().contains("CreateBucket"));
    local(&node, &["bucket", "delete", "lake0", "--yes"]).ok();
    let deleted = shown.line_with("DeleteBucket");
    assert!(deleted.contains("buckets/lake0") && deleted.contains(" 204"), "{deleted}");
    assert_eq!(bounded.lines.iter().count(), 3, "a head and two records");
    assert_eq!(bounded.code(), Some(0));
    let mut line = String::new();
    BufReader::new(json.stdout.take().expect("a pipe")).read_line(&mut line).expect("UTF-8");
    let record: Value = serde_json::from_str(&line).expect("a record a line");
    assert_eq!(record["eventName"], "DeleteBucket");
    assert!(json.wait().expect("its reader is gone").success());
    assert_eq!(shown.interrupt(), Some(0), "Ctrl-C is how it ends");
    local(&node, &["audit", "search", "--follow", "--from", "2026-01-01"]).fails(2, &["--follow"]);
}

#[test]
fn what_is_followed_goes_on_when_the_node_is_started_anew() {
    let mut node = node();
    let mut following = Following::of(&node, &["--json", "--event", "CreateBucket"]);
    following.first_record(&node);
    assert!(node.terminate().success(), "{}", node.log());
    let warning = following.warning();
    assert!(warning.contains("waiting for the node"), "{warning}");
    node.restart();
    local(&node, &["bucket", "create", "after"]).ok();
    following.line_with("\"name\":\"after\"");
    assert_eq!(following.interrupt(), Some(0), "Ctrl-C is how it ends");
}

/// Runs a search that follows with a password that is typed, until its head is shown; `after` are lines of the shell.
fn on_a_terminal(node: &Node, after: &str) -> Terminal {
    let password = file(node, "password", "correct horse\n");
    local(node, &["user", "create", "eve", "--role", "auditor", "--password-file", &password]).ok();
    let (program, binary) = (telling_its_id(&node.temporary().join("id")), binary::path().display());
    let follow =
        format!("{program} '{binary}' audit search --follow --endpoint 'http://{}' --user eve", node.console());
    let script = file(node, "script", &format!("set -m\n{follow}\n{after}\n"));
    let mut terminal = Terminal::run(&format!("bash '{script}'"));
    terminal.until("Password of eve: ");
    terminal.type_in(b"correct horse\n");
    terminal.until("TIME ");
    terminal
}

#[test]
fn a_signal_after_a_hidden_question_is_left_to_whoever_waits_for_the_end() {
    let node = node();
    let terminal = on_a_terminal(&node, "echo code $?\nstty -a");
    signal(&node.temporary().join("id"), Signal::TERM);
    let rest = terminal.rest();
    assert!(rest.contains("code 0") && rest.contains(" echo "), "{rest}");
    sessions(&node, 1, 1);
}

#[test]
fn a_signal_after_a_hidden_question_ends_also_what_is_in_the_background() {
    let node = node();
    let mut terminal = on_a_terminal(&node, "bg %1\necho it goes on\nwait %1\necho code $?");
    terminal.type_in(b"\x1a");
    terminal.until("it goes on");
    signal(&node.temporary().join("id"), Signal::TERM);
    let rest = terminal.rest();
    assert!(rest.contains("code 0"), "{rest}");
    sessions(&node, 1, 1);
}

/// A user with a password who follows what is recorded, by the name that they sign in with, through a door that can lead elsewhere later.
fn eve_follows(node: &Node, user: &str) -> (Door, Following) {
    let password = file(node, "password", "correct horse\n");
    local(node, &["user", "create", "eve", "--role", "auditor", "--password-file", &password]).ok();
    let door = Door::to(node);
    let url = format!("http://{}", door.address);
    let mut follow = command(&["--json", "--event", "CreateBucket", "--endpoint", &url, "--user", user]);
    let following = Following::start(follow.env("STRONGROOM_PASSWORD_FILE", &password));
    following.first_record(node);
    (door, following)
}

#[test]
fn what_is_followed_by_a_user_goes_on_in_another_session_when_the_node_is_started_anew() {
    let mut node = node();
    let (door, mut following) = eve_follows(&node, "eve");
    assert!(node.terminate().success(), "{}", node.log());
    let warning = following.warning();
    assert!(warning.contains("waiting for the node"), "{warning}");
    node.restart();
    door.lead_to(&node);
    local(&node, &["bucket", "create", "after"]).ok();
    following.line_with("\"name\":\"after\"");
    sessions(&node, 2, 0);
    // Who may no longer sign in is told so.
    let other = file(&node, "other", "battery staple\n");
    local(&node, &["user", "password", "eve", "--password-file", &other]).ok();
    let warning = following.warning();
    assert!(warning.contains("signing in") && warning.contains("eve"), "{warning}");
    assert_eq!(following.code(), Some(4), "denied");
    // A session that ended can't be ended: nothing is tried with a password that isn't right any more.
    let refused = ["audit", "search", "--search", "auth/token", "--refused", "--json"];
    once_written(&node, &refused, 2);
}

#[test]
fn a_session_that_was_begun_anew_ends_with_its_command() {
    let mut node = node();
    let (door, mut following) = eve_follows(&node, "main/eve");
    node.restart();
    door.lead_to(&node);
    local(&node, &["bucket", "create", "after"]).ok();
    following.line_with("\"name\":\"after\"");
    assert_eq!(following.interrupt(), Some(0));
    sessions(&node, 2, 1);
}

/// A listener that is no node: it answers each call with the next of these, or hangs up.
fn answering(answers: Vec<Option<String>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let head = BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
            assert!(head.take_while(|line| !line.is_empty()).count() > 0, "a request");
            // Who was interrupted hears no answer.
            let _told = stream.write_all(answer.unwrap_or_default().as_bytes());
        }
    });
    address
}

#[test]
fn each_reason_to_wait_for_the_node_is_told_once() {
    let node = node();
    let answer = |head: &str, body: &str| {
        Some(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()))
    };
    let page = |body: &str| answer("200 OK\r\nx-next-cursor: place", body);
    let failed = r#"{"code": "InternalError", "message": "The log says why."}"#;
    let later = |seconds: u32| {
        let body = format!(r#"{{"code": "TooManyRequests", "message": "Try again in {seconds} seconds."}}"#);
        answer("429 Too Many Requests", &body)
    };
    let address = answering(vec![
        page("[]"),
        None,
        None,
        answer("502 Bad Gateway", "<html>"),
        answer("502 Bad Gateway", "<html>"),
        answer("500 Internal Server Error\r\nx-amz-request-id: 7A", failed),
        answer("500 Internal Server Error\r\nx-amz-request-id: 7B", failed),
        later(40),
        later(9),
        page("[]"),
        answer("500 Internal Server Error\r\nx-amz-request-id: 7C", failed),
        page("[{}]"),
    ]);
    let mut follow = command(&["--json", "--limit", "1", "--endpoint", &format!("http://{address}")]);
    let mut following = Following::start(follow.env("STRONGROOM_TOKEN", "token").current_dir(node.temporary()));
    assert_eq!((following.line(), following.code()), ("{}".to_owned(), Some(0)));
    let warnings: Vec<String> = following.warnings.iter().collect();
    let told = ["the answer", "answered 502", "(request 7A)", "in 40 seconds", "(request 7C)"];
    assert_eq!(warnings.len(), told.len(), "{warnings:#?}");
    for (warning, words) in warnings.iter().zip(told) {
        assert!(warning.contains(words) && warning.ends_with(": waiting for the node"), "no {words:?}: {warning}");
    }
}
