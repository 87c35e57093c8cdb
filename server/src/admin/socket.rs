//! The Unix socket in the data directory, for the command line on the same machine: who owns the node, or is root, is its admin.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::uri::InvalidUri;
use http::{HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};

use super::json::Object;
use crate::health;
use crate::http::body::{Body, RequestBody};
use crate::maintenance::{Busy, Work};
use crate::protocol::error::S3Error;
use crate::protocol::respond::{self, Response};
use crate::state::State;

/// The socket's name in the data directory.
pub const SOCKET: &str = "admin.sock";
/// The longest path that a socket can be bound to, in bytes.
const PATH_BYTES_MAX: usize = 107;
/// Where jobs are asked for by their number.
const JOBS: &str = "/jobs/";
/// The longest body of a call that is no state file, in bytes.
const CALL_BYTES_MAX: usize = 64 << 10;

/// The socket, removed when it is dropped.
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // One that stays behind is replaced at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl AdminSocket {
    /// Binds the socket, mode 0600. The directory's lock is held, so a socket that is there belongs to a process that ended.
    pub fn bind(directory: &Path) -> io::Result<AdminSocket> {
        let path = directory.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = if path.as_os_str().len() <= PATH_BYTES_MAX {
            UnixListener::bind(&path)?
        } else {
            // A longer path is no address, but the open directory has a short one.
            let directory = std::fs::File::open(directory)?;
            UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()))?
        };
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(AdminSocket { listener, path })
    }

    /// Serves until the task is dropped.
    pub async fn serve(self, state: Arc<State>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if is_admin(&stream) => {
                    tokio::spawn(drive(stream, state.clone()));
                }
                Ok(_) => tracing::warn!("a process of another user was refused on {SOCKET}"),
                Err(error) => {
                    tracing::warn!(%error, "a connection to {SOCKET} could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }
}

fn is_admin(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn drive(stream: UnixStream, state: Arc<State>) {
    let limits = state.config.limits.clone();
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(&state, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to {SOCKET} ended");
    }
}

async fn answer(state: &Arc<State>, request: hyper::Request<Incoming>) -> Response {
    if super::is_below(request.uri().path()) {
        return super::answer_local(state, request).await;
    }
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/apply") | (&Method::GET, "/state") => match as_call(request, "/state") {
            Ok(request) => super::answer_local(state, request).await,
            Err(error) => refuse(StatusCode::BAD_REQUEST, "InvalidURI", &error.to_string()),
        },
        (&Method::POST, "/scrub") => begin(state, Work::Scrub),
        (&Method::POST, "/compact") => begin(state, Work::Compact),
        (&Method::POST, "/backup") => backup(state, request).await,
        (&Method::GET, path) if path.starts_with(JOBS) => job(state, path),
        (&Method::GET, path) => match health::probe_of(path) {
            Some(probe) => health::answer(state, probe),
            None => refuse(StatusCode::NOT_FOUND, "NotFound", &format!("there is no {path} here")),
        },
        (_, path) => refuse(StatusCode::NOT_FOUND, "NotFound", &format!("there is no {path} here")),
    }
}

/// Begins a job, or finds the one that is under way.
fn begin(state: &State, work: Work) -> Response {
    match state.maintenance.begin(work) {
        Ok(job) => json(StatusCode::ACCEPTED, &json!({"job": job})),
        Err(Busy) => refuse(StatusCode::CONFLICT, "Conflict", "another backup is being taken: wait for its end"),
    }
}

/// The body of a call for a backup.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BackupCall {
    destination: PathBuf,
    #[serde(default)]
    with_key: bool,
}

async fn backup(state: &State, request: hyper::Request<Incoming>) -> Response {
    let (head, incoming) = request.into_parts();
    let mut body = RequestBody::new(incoming, &head.headers, state.config.limits.body_idle_timeout);
    let bytes = match body.collect(CALL_BYTES_MAX).await.map_err(S3Error::from) {
        Ok(bytes) => bytes,
        Err(error) => return refuse(error.code.status(), error.code.name(), &error.message),
    };
    let call: BackupCall = match serde_json::from_slice(&bytes) {
        Ok(Object(call)) => call,
        Err(error) => {
            return refuse(StatusCode::BAD_REQUEST, "InvalidRequest", &format!("the call is not understood: {error}"));
        }
    };
    if !call.destination.is_absolute() {
        // The node's working directory is not the caller's.
        return refuse(StatusCode::BAD_REQUEST, "InvalidRequest", "the destination must be an absolute path");
    }
    begin(state, Work::Backup { destination: call.destination, with_key: call.with_key })
}

fn job(state: &State, path: &str) -> Response {
    let id = path.strip_prefix(JOBS).and_then(|id| id.parse().ok());
    match id.and_then(|id| state.maintenance.job(id)).map(serde_json::to_value) {
        Some(Ok(job)) => json(StatusCode::OK, &job),
        Some(Err(error)) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &error.to_string()),
        None => refuse(StatusCode::NOT_FOUND, "NotFound", &format!("there is no {path} here")),
    }
}

/// The same request of a call of the admin API.
fn as_call(request: hyper::Request<Incoming>, path: &str) -> Result<hyper::Request<Incoming>, InvalidUri> {
    let (mut head, body) = request.into_parts();
    let query = head.uri.query().map_or(String::new(), |query| format!("?{query}"));
    head.uri = format!("{}{path}{query}", super::BASE).parse()?;
    Ok(hyper::Request::from_parts(head, body))
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    json(status, &json!({"code": code, "message": message}))
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    let mut response = respond::with_body(status, Body::from(value.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_of_any_length_has_a_socket_that_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        for length in [1, 200] {
            let data = directory.path().join("d".repeat(length));
            std::fs::create_dir(&data).unwrap();
            let socket = AdminSocket::bind(&data).unwrap();
            let mode = std::fs::metadata(data.join(SOCKET)).unwrap().permissions();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
            let open = std::fs::File::open(&data).unwrap();
            let connecting = UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd()));
            let (connected, accepted) = tokio::join!(connecting, socket.listener.accept());
            assert!(connected.is_ok() && accepted.is_ok_and(|(stream, _)| is_admin(&stream)));
            drop(AdminSocket::bind(&data).unwrap());
            drop(socket);
            assert!(!data.join(SOCKET).exists());
        }
    }
}
