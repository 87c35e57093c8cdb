//! Accepts connections and drives HTTP/1.1 on them, with bounds on their number, their heads and their silence.
//!
//! `TCP_NODELAY` is set and head and small body leave together: with Nagle's algorithm on, a small answer takes 40 ms.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};

use super::body::Body;
use crate::config::Limits;
use crate::metrics::Metrics;

/// Largest head that is read, in bytes; S3's own bound on headers is checked by the application with S3's error.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// The most headers of a request.
const HEADERS_MAX: usize = 128;

/// What is known of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The socket's peer.
    pub peer: SocketAddr,
    /// TLS version such as `1.3`; `None` without TLS.
    pub tls_version: Option<&'static str>,
}

/// The application behind a listener.
pub trait Application: Send + Sync + 'static {
    /// Answers one request; there is always an answer.
    fn answer(
        &self,
        connection: &Connection,
        request: hyper::Request<Incoming>,
    ) -> impl Future<Output = hyper::Response<Body>> + Send;
}

/// What all listeners of a node share.
#[derive(Clone)]
pub struct Shared {
    /// Bounds on clients.
    pub limits: Limits,
    /// One permit a connection.
    pub connections: Arc<Semaphore>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Becomes true when the node drains.
    pub draining: watch::Receiver<bool>,
}

/// How a listener secures its connections.
#[derive(Clone)]
pub enum Security {
    /// Plain HTTP.
    Plain,
    /// HTTPS.
    #[cfg(feature = "tls")]
    Tls(Arc<super::tls::Certificates>),
}

/// Accepts connections until the node drains, then waits for requests in flight as long as the limits say.
pub async fn serve<A: Application>(listener: TcpListener, security: Security, application: Arc<A>, shared: Shared) {
    let mut connections = JoinSet::new();
    let mut draining = shared.draining.clone();
    loop {
        let accepted = tokio::select! {
            _ = draining.wait_for(|draining| *draining) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &shared) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let (security, application, shared) = (security.clone(), application.clone(), shared.clone());
                connections.spawn(async move {
                    shared.metrics.connections.fetch_add(1, Relaxed);
                    if let Err(error) = drive(stream, peer, security, application, &shared).await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    shared.metrics.connections.fetch_sub(1, Relaxed);
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors or memory: what is open goes on, and a pause lets some of it end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.limits.drain_timeout, drained).await.is_err() {
        tracing::warn!("some requests did not end in time and are cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    shared: &Shared,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = shared.connections.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

async fn drive<A: Application>(
    stream: TcpStream,
    peer: SocketAddr,
    security: Security,
    application: Arc<A>,
    shared: &Shared,
) -> Result<(), ConnectionError> {
    match security {
        Security::Plain => {
            let connection = Connection { peer, tls_version: None };
            drive_http(WriteTimeout::new(stream, shared.limits.body_idle_timeout), connection, application, shared)
                .await
        }
        #[cfg(feature = "tls")]
        Security::Tls(certificates) => {
            let handshake = certificates.acceptor().accept(stream);
            let stream = tokio::time::timeout(shared.limits.head_timeout, handshake).await??;
            let connection = Connection { peer, tls_version: super::tls::version(&stream) };
            drive_http(WriteTimeout::new(stream, shared.limits.body_idle_timeout), connection, application, shared)
                .await
        }
    }
}

async fn drive_http<A: Application, S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    connection: Connection,
    application: Arc<A>,
    shared: &Shared,
) -> Result<(), ConnectionError> {
    let service = service_fn(|request| {
        let (application, connection) = (&application, &connection);
        async move { Ok::<_, std::convert::Infallible>(application.answer(connection, request).await) }
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut http = std::pin::pin!(http);
    let mut draining = shared.draining.clone();
    tokio::select! {
        ended = http.as_mut() => return ended.map_err(Into::into),
        _ = draining.wait_for(|draining| *draining) => http.as_mut().graceful_shutdown(),
    }
    http.await.map_err(Into::into)
}

/// A stream whose writes fail when the client takes nothing for too long, so that a slow reader can't hold an answer for ever.
struct WriteTimeout<S> {
    stream: S,
    timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    fn new(stream: S, timeout: Duration) -> WriteTimeout<S> {
        WriteTimeout { stream, timeout, stalled: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let timeout = self.timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no data"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
