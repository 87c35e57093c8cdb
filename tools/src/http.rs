//! A small, blocking HTTP/1.1 client.
//!
//! Commands send one request and read one answer; that needs no async runtime and no HTTP library. Everything that is read has a limit.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

const HEAD_BYTES_MAX: u64 = 64 << 10;
const BODY_BYTES_MAX: u64 = 256 << 20;

/// One request; the body is sent with its length and the connection is not kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Path and query, already encoded.
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

/// An answer's status, headers and whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, which is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// Nobody listens there.
    Absent,
    /// Who listens there takes no calls from this user.
    Denied,
    Io(io::Error),
    /// The peer doesn't speak HTTP, or says more than is read.
    Malformed(&'static str),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Absent => f.write_str("nothing listens there"),
            CallError::Denied => f.write_str("it takes no calls from this user"),
            CallError::Io(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                f.write_str("no answer in time")
            }
            CallError::Io(error) => error.fmt(f),
            CallError::Malformed(what) => f.write_str(what),
        }
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> CallError {
        match error.kind() {
            // What isn't a directory has no socket in it either; whoever needs one says so.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused => {
                CallError::Absent
            }
            _ => CallError::Io(error),
        }
    }
}

/// Sends a request and reads its answer.
pub(crate) fn exchange(mut stream: impl Read + Write, request: Request<'_>) -> Result<Answer, CallError> {
    let mut head =
        format!("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", request.method, request.target, request.host);
    for (name, value) in request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
    let sent =
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(request.body)).and_then(|()| stream.flush());
    let answer = read_answer(BufReader::new(stream));
    match sent {
        // A node that refuses a body early answers and closes: its answer says more than the broken pipe.
        Err(error) if answer.is_err() => Err(error.into()),
        _ => answer,
    }
}

fn read_answer(stream: impl BufRead) -> Result<Answer, CallError> {
    let mut head = stream.take(HEAD_BYTES_MAX);
    loop {
        let line = read_line(&mut head)?;
        let status = status_of(&line)?;
        let headers = read_headers(&mut head)?;
        // An interim answer (RFC 9110, 15.2) comes before the real one.
        if !(100..200).contains(&status) {
            head.set_limit(BODY_BYTES_MAX + HEAD_BYTES_MAX);
            let framing = if status == 204 { Framing::Length(0) } else { framing_of(&headers)? };
            return Ok(Answer { status, headers, body: read_body(head, framing)? });
        }
    }
}

fn status_of(line: &str) -> Result<u16, CallError> {
    let status =
        line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.parse().ok());
    status.filter(|status| (100..600).contains(status)).ok_or(CallError::Malformed("the answer is not HTTP"))
}

/// How the end of a body is known (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

fn read_headers(head: &mut impl BufRead) -> Result<Vec<(String, String)>, CallError> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(head)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or(CallError::Malformed("the answer has a broken header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn framing_of(headers: &[(String, String)]) -> Result<Framing, CallError> {
    let value = |wanted: &str| headers.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    match (value("transfer-encoding"), value("content-length")) {
        (Some(encoding), _) if encoding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (Some(_), _) => Err(CallError::Malformed("the answer has an unknown transfer encoding")),
        (None, Some(length)) => {
            length.parse().map(Framing::Length).map_err(|_| CallError::Malformed("the answer has a broken length"))
        }
        (None, None) => Ok(Framing::UntilClose),
    }
}

fn read_body(mut stream: impl BufRead, framing: Framing) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(length) => read_exactly(&mut stream, length, &mut body)?,
        Framing::Chunked => loop {
            let line = read_line(&mut stream)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length =
                u64::from_str_radix(digits, 16).map_err(|_| CallError::Malformed("the answer has a broken chunk"))?;
            if length == 0 {
                break;
            }
            read_exactly(&mut stream, length, &mut body)?;
            if !read_line(&mut stream)?.is_empty() {
                return Err(CallError::Malformed("the answer has a broken chunk"));
            }
        },
        Framing::UntilClose => {
            stream.take(BODY_BYTES_MAX + 1).read_to_end(&mut body)?;
            if body.len() as u64 > BODY_BYTES_MAX {
                return Err(TOO_LONG);
            }
        }
    }
    Ok(body)
}

const TOO_LONG: CallError = CallError::Malformed("the answer is longer than is read");
const CUT_OFF: CallError = CallError::Malformed("the answer ends early");

fn read_exactly(stream: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> Result<(), CallError> {
    if length > BODY_BYTES_MAX - (body.len() as u64).min(BODY_BYTES_MAX) {
        return Err(TOO_LONG);
    }
    let read = stream.take(length).read_to_end(body)? as u64;
    if read == length { Ok(()) } else { Err(CUT_OFF) }
}

/// A line without its CRLF.
fn read_line(stream: &mut impl BufRead) -> Result<String, CallError> {
    let mut line = Vec::new();
    stream.take(HEAD_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(if line.is_empty() {
            CUT_OFF
        } else {
            CallError::Malformed("the answer has a broken or very long line")
        });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| CallError::Malformed("the answer's head is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Result<(u16, String), String> {
        let answer = read_answer(answer.as_bytes()).map_err(|error| error.to_string())?;
        Ok((answer.status, String::from_utf8(answer.body).unwrap()))
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhithere"), Ok((200, "hi".into())));
        assert_eq!(read("HTTP/1.0 404 Not Found\r\n\r\nuntil the end"), Ok((404, "until the end".into())));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(read(chunked), Ok((200, "abc0123456789".into())));
        assert_eq!(
            read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"),
            Ok((204, String::new()))
        );
    }

    #[test]
    fn a_broken_or_endless_answer_is_an_error() {
        for (answer, expected) in [
            ("", "the answer ends early"),
            ("SSH-2.0\r\n", "the answer is not HTTP"),
            ("HTTP/1.1 999999 OK\r\n\r\n", "the answer is not HTTP"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi", "the answer ends early"),
            ("HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhi", "the answer has a broken length"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nhi", "the answer is longer than is read"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                "the answer is longer than is read",
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "the answer has a broken chunk"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", "the answer has an unknown transfer encoding"),
        ] {
            assert_eq!(read(answer).unwrap_err(), expected, "{answer}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(20_000));
        assert!(read(&endless).is_err());
    }
}
