//! The node on this machine: called through the Unix socket in its data directory, where who calls is known without a sign-in.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::failure::Failure;
use crate::http::{Answer, CallError, Request, exchange};

/// Name of the node's socket in its data directory.
pub(crate) const SOCKET_FILE: &str = "admin.sock";

/// Linux keeps 108 bytes for a socket's path and its final zero byte.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Calls the node that runs on a data directory.
///
/// # Errors
/// One line when no node runs there, when this user may not speak to it, or when it gives no proper answer.
pub(crate) fn call_node(data: &Path, request: Request<'_>) -> Result<Answer, Failure> {
    call_node_if_any(data, request)?.ok_or_else(|| {
        let shown = data.display();
        Failure::failed(format!(
            "no node runs on {shown}; start one with strongroom serve {shown}, or name its directory with --data"
        ))
    })
}

/// Calls the node that runs on a data directory; none when no node runs there.
///
/// # Errors
/// One line when this user may not speak to the node, or when it gives no proper answer.
pub(crate) fn call_node_if_any(data: &Path, request: Request<'_>) -> Result<Option<Answer>, Failure> {
    // A state file of thousands of passwords takes a while to hash.
    const TIMEOUT: Duration = Duration::from_secs(600);
    let socket = data.join(SOCKET_FILE);
    let called = connect(data, &socket).map_err(CallError::from).and_then(|stream| {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        // A node hangs up on whoever it doesn't take calls from; how that looks depends on who is faster.
        let is_taken = takes_calls(&stream);
        exchange(stream, request).map_err(|error| if is_taken { error } else { CallError::Denied })
    });
    let may_not = |error: &CallError| match error {
        CallError::Denied => true,
        CallError::Io(error) => error.kind() == io::ErrorKind::PermissionDenied,
        _ => false,
    };
    called.map(Some).or_else(|error| match error {
        CallError::Absent => Ok(None),
        error if may_not(&error) => Err(Failure::denied(format!(
            "{}: this user may not speak to the node; run it as root (sudo) or as the user that the node runs as, or sign in with --endpoint URL --user NAME",
            socket.display()
        ))),
        error => Err(Failure::failed(format!("{}: {error}", socket.display()))),
    })
}

/// Connects to the socket, through the directory's descriptor when the path is too long for the system.
fn connect(data: &Path, socket: &Path) -> io::Result<UnixStream> {
    if socket.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX {
        return UnixStream::connect(socket);
    }
    let directory = std::fs::File::open(data)?;
    UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET_FILE}", directory.as_raw_fd()))
}

/// Whether the node at the other end takes calls from this user: root, and who runs it. It decides only how a call without an answer is told.
fn takes_calls(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    own.is_root() || rustix::net::sockopt::socket_peercred(stream).is_ok_and(|node| node.uid == own)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};

    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_directory_whose_path_is_too_long_for_a_socket_is_reached() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("d".repeat(120));
        std::fs::create_dir(&data).unwrap();
        let directory = std::fs::File::open(&data).unwrap();
        let listener =
            std::os::unix::net::UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET_FILE}", directory.as_raw_fd()))
                .unwrap();
        let node = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut lines = String::new();
            while !lines.ends_with("\r\n\r\n") {
                reader.read_line(&mut lines).unwrap();
            }
            let mut body = [0; 4];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
            (lines, body)
        });
        let request = Request {
            method: "POST",
            target: "/apply",
            host: "strongroom",
            headers: &[("x-name", "s")],
            body: b"body",
        };
        let answer = call_node(&data, request).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
        let (head, body) = node.join().unwrap();
        assert_eq!(
            head,
            "POST /apply HTTP/1.1\r\nHost: strongroom\r\nConnection: close\r\nx-name: s\r\nContent-Length: 4\r\n\r\n"
        );
        assert_eq!(&body, b"body");
    }

    #[test]
    fn a_directory_without_a_node_is_one_clear_line() {
        let data = tempfile::tempdir().unwrap();
        let request = Request { method: "GET", target: "/state", host: "strongroom", headers: &[], body: b"" };
        let failure = call_node(data.path(), request).unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.to_string().starts_with(&format!("no node runs on {}; start one", data.path().display())));
    }
}
