//! One kept HTTP/1.1 connection that sends prepared heads and reads answers.
//!
//! A client library spends more processor time on a 4 KiB request than a good server does; here a request is one write, an answer a search for its empty line.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::content::Content;
use crate::failure::{Context, Failure, Result};

/// A connection that is opened again when the server closes it between requests.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    outgoing: Vec<u8>,
    closing: bool,
}

/// What is done with an answer's body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sink<'a> {
    /// It is counted and thrown away.
    Discard,
    /// It is kept; only for bodies known to be small.
    Keep,
    /// It is compared, byte for byte.
    Compare(&'a Content),
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Bytes of body.
    pub(crate) length: u64,
    /// The body, when it was kept or the status says that the request failed.
    pub(crate) kept: Vec<u8>,
}

impl Reply {
    /// An error that quotes the answer, unless its status is `wanted`.
    pub(crate) fn expect(self, wanted: u16) -> Result<Reply> {
        if self.status == wanted {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.kept);
        Err(Failure::new(format!("answered {} instead of {wanted}: {}", self.status, body.trim())))
    }
}

/// Room for an answer's head and for one read of its body.
const INCOMING_BYTES: usize = 256 << 10;
/// Bodies up to here leave in one write with their head.
const TOGETHER_BYTES: u64 = 64 << 10;
/// The most that is kept of a body.
const KEPT_BYTES_MAX: usize = 16 << 20;

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        Ok(Connection {
            address,
            stream: connect(address).await?,
            incoming: vec![0; INCOMING_BYTES],
            start: 0,
            end: 0,
            outgoing: Vec::new(),
            closing: false,
        })
    }

    /// Sends a request and reads its answer. An answer of 300 and above is always kept.
    pub(crate) async fn exchange(&mut self, head: &[u8], body: &Content, sink: Sink<'_>) -> Result<Reply> {
        if self.closing {
            self.stream = connect(self.address).await?;
            (self.start, self.end, self.closing) = (0, 0, false);
        }
        if let Err(error) = self.send(head, body).await {
            // A server that refuses a body may answer and close while it is being sent: its answer says more than a broken pipe.
            return match self.receive(Sink::Keep).await {
                Ok(reply) if reply.status >= 300 => Ok(reply),
                _ => Err(error),
            };
        }
        self.receive(sink).await
    }

    async fn send(&mut self, head: &[u8], body: &Content) -> Result<()> {
        self.outgoing.clear();
        self.outgoing.extend_from_slice(head);
        let mut sent = 0;
        if body.length() <= TOGETHER_BYTES {
            self.outgoing.extend_from_slice(body.chunk(0));
            sent = body.length();
        }
        self.stream.write_all(&self.outgoing).await.context("sending a request")?;
        while sent < body.length() {
            let chunk = body.chunk(sent);
            self.stream.write_all(chunk).await.context("sending a body")?;
            sent += chunk.len() as u64;
        }
        Ok(())
    }

    async fn receive(&mut self, sink: Sink<'_>) -> Result<Reply> {
        let mut searched = 0;
        let head_bytes = loop {
            let unread = &self.incoming[self.start..self.end];
            if let Some(found) = unread[searched..].windows(4).position(|four| four == b"\r\n\r\n") {
                break searched + found + 4;
            }
            searched = unread.len().saturating_sub(3);
            self.fill().await?;
        };
        let head = Head::parse(&self.incoming[self.start..self.start + head_bytes])?;
        self.start += head_bytes;
        self.closing = head.close;
        let mut reply = Reply { status: head.status, length: 0, kept: Vec::new() };
        let sink = if head.status >= 300 { Sink::Keep } else { sink };
        match head.body {
            Framing::Length(length) => self.body(length, &mut reply, sink).await?,
            Framing::Chunked => loop {
                let size = self.line().await?;
                let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
                    .context("reading the size of a chunk")?;
                self.body(size, &mut reply, sink).await?;
                // After a chunk comes its line end; after the last one, trailers and an empty line.
                while !self.line().await?.is_empty() {}
                if size == 0 {
                    break;
                }
            },
        }
        Ok(reply)
    }

    async fn body(&mut self, length: u64, reply: &mut Reply, sink: Sink<'_>) -> Result<()> {
        let mut left = length;
        while left > 0 {
            if self.start == self.end {
                self.fill().await?;
            }
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.start);
            let bytes = &self.incoming[self.start..self.start + here];
            match sink {
                Sink::Discard => {}
                Sink::Keep if reply.kept.len() + here <= KEPT_BYTES_MAX => reply.kept.extend_from_slice(bytes),
                Sink::Keep => return Err(Failure::new("an answer is longer than can be kept")),
                Sink::Compare(content) if content.matches(reply.length, bytes) => {}
                Sink::Compare(_) => {
                    return Err(Failure::new(format!("wrong bytes in the body from byte {} on", reply.length)));
                }
            }
            self.start += here;
            reply.length += here as u64;
            left -= here as u64;
        }
        Ok(())
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<String> {
        loop {
            let unread = &self.incoming[self.start..self.end];
            if let Some(end) = unread.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&unread[..end]).into_owned();
                self.start += end + 2;
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    /// Reads what has arrived, waiting for at least one byte.
    async fn fill(&mut self) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.incoming.len() {
            self.incoming.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.incoming.len() {
            return Err(Failure::new("the head of an answer is too long"));
        }
        let read = self.stream.read(&mut self.incoming[self.end..]).await.context("reading an answer")?;
        if read == 0 {
            return Err(Failure::new("the server closed the connection instead of answering"));
        }
        self.end += read;
        Ok(())
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context(format!("connecting to {address}"))?;
    stream.set_nodelay(true).context("setting TCP_NODELAY")?;
    Ok(stream)
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    body: Framing,
    close: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Head> {
        let status = std::str::from_utf8(bytes.get(9..12).unwrap_or_default())
            .ok()
            .filter(|_| bytes.starts_with(b"HTTP/1."))
            .and_then(|digits| digits.parse().ok())
            .context("the answer isn't HTTP/1")?;
        let mut head = Head { status, body: Framing::Length(0), close: bytes.starts_with(b"HTTP/1.0") };
        let mut framed = status == 204 || status == 304;
        for line in bytes.split(|&byte| byte == b'\n').skip(1) {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                head.body = Framing::Length(length.context("content-length isn't a number")?);
                framed = true;
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
                head.body = Framing::Chunked;
                framed = true;
            } else if name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"close") {
                head.close = true;
            }
        }
        if framed { Ok(head) } else { Err(Failure::new("the answer doesn't say where its body ends")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_answer_says_how_its_body_ends() {
        let parse = |text: &str| Head::parse(text.as_bytes());
        let head = parse("HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n").unwrap();
        assert_eq!(head, Head { status: 200, body: Framing::Length(17), close: true });
        let head = parse("HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        assert_eq!(head, Head { status: 404, body: Framing::Chunked, close: false });
        assert_eq!(parse("HTTP/1.1 204 No Content\r\n\r\n").unwrap().body, Framing::Length(0));
        for bad in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn chunked_answers_and_large_ones_are_read_to_their_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let content = Content::of(3 << 20, 5);
            let served = content.clone();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4];
                stream.read_exact(&mut request).await.unwrap();
                stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
                    )
                    .await
                    .unwrap();
                stream.read_exact(&mut request).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3145728\r\n\r\n").await.unwrap();
                for _ in 0..3 {
                    stream.write_all(served.chunk(0)).await.unwrap();
                }
                stream.read_exact(&mut request).await.unwrap();
            });
            let mut connection = Connection::open(address).await.unwrap();
            let reply = connection.exchange(b"one.", &Content::empty(), Sink::Keep).await.unwrap();
            assert_eq!((reply.status, reply.kept.as_slice()), (200, b"abcde".as_slice()));
            let reply = connection.exchange(b"two.", &Content::empty(), Sink::Compare(&content)).await.unwrap();
            assert_eq!(reply.length, 3 << 20);
            assert!(
                connection.exchange(b"end.", &Content::empty(), Sink::Discard).await.is_err(),
                "a close is an error"
            );
            server.await.unwrap();
        });
    }
}
