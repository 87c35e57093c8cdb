//! A blocking HTTP/1.1 client that sends exactly what it is told.
//!
//! Libraries repair requests: they add headers, normalise paths, refuse odd methods. Here the bytes on the wire are the test's.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};

use crate::xml;

/// How long an answer may take before a test fails. Generous: test machines are busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// One request. The target is sent as it stands; nothing in it is encoded.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `PUT`, ...
    pub method: String,
    /// Path and query, percent-encoded by the caller.
    pub target: String,
    /// In the order they are sent.
    pub headers: Vec<(String, String)>,
    /// Sent after the head; `content-length` is added unless a header says how the body is framed.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Request {
        Request { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Request {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Replaces every header of that name by one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.headers.push((name.to_ascii_lowercase(), value.into()));
    }

    /// Drops every header of that name.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// The first header of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Path and query of the target, the query without its `?`.
    pub fn split_target(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }

    /// Adds a parameter to the query; name and value are percent-encoded here.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Request {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        write!(self.target, "{}={}", encode(name), encode(value)).expect("a String takes every write");
        self
    }

    /// Request line and headers with the empty line that ends them.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("a String takes every write");
        }
        let framed = self.value("content-length").is_some() || self.value("transfer-encoding").is_some();
        if !framed && (!self.body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST")) {
            write!(head, "content-length: {}\r\n", self.body.len()).expect("a String takes every write");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// One answer, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// In the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element at `path`, as [`xml::first`] finds it; empty when it is absent.
    pub fn xml(&self, path: &str) -> String {
        xml::first(&self.text(), path).unwrap_or_default()
    }

    /// The texts of all elements at `path`.
    pub fn xml_all(&self, path: &str) -> Vec<String> {
        xml::all(&self.text(), path)
    }

    /// The S3 error code of the body; empty when there is none.
    pub fn code(&self) -> String {
        if self.status < 300 || !self.body.starts_with(b"<") { String::new() } else { self.xml("Error/Code") }
    }

    /// Fails the test unless status and error code (empty: none) are these.
    #[track_caller]
    pub fn expect(&self, status: u16, code: &str) -> &Response {
        assert!(self.status == status && self.code() == code, "expected {status} {code}, got {self}");
        self
    }

    /// Fails the test unless the status is in 200..300.
    #[track_caller]
    pub fn ok(&self) -> &Response {
        assert!((200..300).contains(&self.status), "expected success, got {self}");
        self
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.text().chars().take(1000).collect();
        write!(f, "{} {:?} {text}", self.status, self.headers)
    }
}

/// A connection to a node, kept alive between requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects, from the given loopback address when there is one: all of 127.0.0.0/8 is local.
    ///
    /// # Errors
    /// Those of socket, bind and connect.
    pub fn open(server: SocketAddr, source: Option<IpAddr>) -> io::Result<Connection> {
        let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
        if let Some(source) = source {
            rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
        }
        rustix::net::connect(&socket, &server)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// Those of the socket, and `InvalidData` for an answer that isn't HTTP/1.1.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.head())?;
        // A server may answer and close before it has read the body; its answer counts, not our broken pipe.
        let body = self.write(&request.body);
        match self.read_response(&request.method) {
            Ok(response) => Ok(response),
            Err(error) => Err(body.err().unwrap_or(error)),
        }
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Ends the sending side; the answer can still be read.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn finish_writing(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(std::net::Shutdown::Write)
    }

    /// Whether the server closed the connection: waits for its end or for a byte.
    pub fn is_closed(&mut self) -> bool {
        !matches!(self.stream.fill_buf(), Ok(bytes) if !bytes.is_empty())
    }

    /// Reads one answer to a request of this method, 100 Continue included.
    ///
    /// # Errors
    /// Those of the socket, and `InvalidData` for an answer that isn't HTTP/1.1.
    pub fn read_response(&mut self, method: &str) -> io::Result<Response> {
        let status_line = self.read_line()?;
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut words = status_line.splitn(3, ' ');
        let version = words.next();
        let status = words.next().and_then(|s| s.parse::<u16>().ok());
        let (Some("HTTP/1.1"), Some(status)) = (version, status) else { return Err(invalid(&status_line)) };
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let bodyless = method == "HEAD" || status < 200 || status == 204 || status == 304;
        let mut body = Vec::new();
        if bodyless {
        } else if find(&headers, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.read_line()?;
                let size = line.split(';').next().and_then(|s| usize::from_str_radix(s.trim(), 16).ok());
                let size = size.ok_or_else(|| invalid(&line))?;
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..])?;
                let end = self.read_line()?;
                if size == 0 {
                    break;
                }
                if !end.is_empty() {
                    return Err(invalid("chunk longer than its size"));
                }
            }
        } else if let Some(length) = find(&headers, "content-length") {
            body.resize(length.parse().map_err(|_| invalid(length))?, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(Response { status, headers, body })
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
    }
}

/// Percent-encodes everything but the unreserved characters, as SigV4 wants it.
pub fn encode(text: &str) -> String {
    encode_with(text, false)
}

/// Percent-encodes a key for a path: [`encode`], but `/` stays.
pub fn encode_path(key: &str) -> String {
    encode_with(key, true)
}

fn encode_with(text: &str, keep_slash: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b'/' if keep_slash => out.push('/'),
            _ => write!(out, "%{byte:02X}").expect("a String takes every write"),
        }
        out
    })
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
