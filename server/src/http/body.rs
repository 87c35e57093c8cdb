//! Bodies: what is sent back, in one piece or streamed, and what comes in, bounded in time.
//!
//! A small answer leaves in one write together with its head; a large one is read from the engine piece by piece as the client takes it, so that memory stays constant.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// What can go wrong while a body is streamed: the connection is then cut, so that the client can't take a part for the whole.
pub type StreamError = Box<dyn std::error::Error + Send + Sync>;

/// A piece of a streamed body, or its end, and the source of the rest.
type Piece = Result<Option<(Bytes, Source)>, StreamError>;

/// Where a streamed body's next piece comes from.
pub struct Source(Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Piece> + Send>> + Send>);

impl Source {
    /// A source from a function that makes the future of the next piece.
    pub fn new<F, T>(next: F) -> Source
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = Piece> + Send + 'static,
    {
        Source(Box::new(move || Box::pin(next())))
    }
}

/// The body of an answer.
pub enum Body {
    /// All of it, or nothing.
    Full(Bytes),
    /// Pieces, `remaining` bytes in all, read as they are sent.
    Stream {
        /// Bytes that were not handed out yet.
        remaining: u64,
        /// The piece being read, or where the next one comes from.
        state: StreamState,
    },
}

/// What a streamed body is doing.
pub enum StreamState {
    /// Nobody asked for the next piece yet.
    Idle(Source),
    /// The next piece is being read.
    Reading(Pin<Box<dyn Future<Output = Piece> + Send>>),
    /// All was handed out.
    Done,
}

impl Body {
    /// No body.
    pub fn empty() -> Body {
        Body::Full(Bytes::new())
    }

    /// A body of `length` bytes that come from a source.
    pub fn stream(length: u64, source: Source) -> Body {
        Body::Stream { remaining: length, state: StreamState::Idle(source) }
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Body::Full(bytes) => bytes.len() as u64,
            Body::Stream { remaining, .. } => *remaining,
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::Full(Bytes::from(text))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match self.get_mut() {
            Body::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Stream { remaining, state } => loop {
                match std::mem::replace(state, StreamState::Done) {
                    StreamState::Done => return Poll::Ready(None),
                    StreamState::Idle(source) => *state = StreamState::Reading((source.0)()),
                    StreamState::Reading(mut reading) => {
                        let Poll::Ready(piece) = reading.as_mut().poll(cx) else {
                            *state = StreamState::Reading(reading);
                            return Poll::Pending;
                        };
                        return Poll::Ready(match piece {
                            Ok(None) if *remaining == 0 => None,
                            Ok(None) => Some(Err("the object ended before its length".into())),
                            Ok(Some((bytes, source))) => {
                                *remaining = remaining.saturating_sub(bytes.len() as u64);
                                *state = if *remaining == 0 { StreamState::Done } else { StreamState::Idle(source) };
                                Some(Ok(Frame::data(bytes)))
                            }
                            Err(error) => Some(Err(error)),
                        });
                    }
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Full(bytes) => bytes.is_empty(),
            Body::Stream { remaining, .. } => *remaining == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

/// A body that comes more slowly than this, averaged over longer than the idle timeout, is cut off: its client only holds a place.
const BYTES_PER_SECOND_MIN: u64 = 1 << 10;

/// Why a request's body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// The client sent nothing for too long.
    Idle,
    /// The connection ended, or what came isn't HTTP.
    Broken(hyper::Error),
    /// It is longer than the caller reads.
    TooLong,
}

/// A request's body as it comes from the wire, cut off when it stands still.
pub struct RequestBody {
    incoming: Incoming,
    idle_timeout: Duration,
    received: u64,
    awaits_continue: bool,
    began: Option<Instant>,
}

impl RequestBody {
    /// Wraps hyper's body; nothing is read before the first [`RequestBody::next`], so `Expect: 100-continue` is answered only then.
    pub fn new(incoming: Incoming, headers: &HeaderMap, idle_timeout: Duration) -> RequestBody {
        RequestBody { incoming, idle_timeout, received: 0, awaits_continue: headers.contains_key(EXPECT), began: None }
    }

    /// The declared length in bytes, where there is one.
    pub fn length(&self) -> Option<u64> {
        http_body::Body::size_hint(&self.incoming).exact()
    }

    /// Bytes read so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether nothing more will come.
    pub fn is_done(&self) -> bool {
        http_body::Body::is_end_stream(&self.incoming)
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.awaits_continue = false;
        loop {
            let frame = match tokio::time::timeout(self.idle_timeout, self.incoming.frame()).await {
                Err(_) => return Err(BodyError::Idle),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(BodyError::Broken(error)),
                Ok(Some(Ok(frame))) => frame,
            };
            // HTTP/1.1's own trailers are not aws-chunked's: they carry nothing for S3.
            if let Ok(bytes) = frame.into_data()
                && !bytes.is_empty()
            {
                self.received += bytes.len() as u64;
                let took = self.began.get_or_insert_with(Instant::now).elapsed();
                if took > self.idle_timeout && self.received < took.as_secs() * BYTES_PER_SECOND_MIN {
                    return Err(BodyError::Idle);
                }
                return Ok(Some(bytes));
            }
        }
    }

    /// Reads a body of at most `bytes_max` bytes whole.
    pub async fn collect(&mut self, bytes_max: usize) -> Result<Bytes, BodyError> {
        if self.length().is_some_and(|length| length > bytes_max as u64) {
            return Err(BodyError::TooLong);
        }
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        if self.is_done() && first.len() <= bytes_max {
            return Ok(first);
        }
        let mut all = Vec::with_capacity(bytes_max.min(self.length().unwrap_or(0) as usize).max(first.len()));
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            if all.len() + bytes.len() > bytes_max {
                return Err(BodyError::TooLong);
            }
            all.extend_from_slice(&bytes);
            piece = self.next().await?;
        }
        Ok(Bytes::from(all))
    }

    /// Reads and drops what is left, within bounds, so that a client that is still sending sees the answer instead of a reset.
    /// One that waits for `100 Continue` sends nothing, and isn't asked to.
    pub async fn drain(&mut self, bytes_max: u64, time_max: Duration) {
        if self.awaits_continue {
            return;
        }
        let end = self.received.saturating_add(bytes_max);
        let drained = async { while self.received < end && matches!(self.next().await, Ok(Some(_))) {} };
        // Running out of time just means that the client gets its reset.
        let _ = tokio::time::timeout(time_max, drained).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut left: Vec<&'static str>) -> Source {
        Source::new(move || async move {
            if left.is_empty() {
                return Ok(None);
            }
            let piece = Bytes::from(left.remove(0));
            Ok(Some((piece, pieces(left))))
        })
    }

    #[tokio::test]
    async fn a_stream_gives_its_pieces_and_its_length() {
        let body = Body::stream(6, pieces(vec!["ab", "cd", "ef"]));
        assert_eq!(body.length(), 6);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef");
    }

    #[tokio::test]
    async fn a_stream_that_ends_early_is_an_error_not_a_short_body() {
        assert!(Body::stream(6, pieces(vec!["ab"])).collect().await.is_err());
    }
}
