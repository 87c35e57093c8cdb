//! The limit of any server on this HTTP library: fixed bytes out, bodies in and forgotten.
//!
//! It runs as a process of its own with the node's runtime and socket settings, so that what the node needs beyond it is the node's doing: signature, policy, checksums, index and disk.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::failure::{Context, Result};

/// The longest answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Serves until it is killed. Its ready line is like a node's.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(serve())
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.context("listening")?;
    let address = listener.local_addr().context("asking for the address")?;
    // As a node's answers, these come out of memory that was written: a page of zeros shared by the kernel would be cheaper to send.
    let bytes = Bytes::from(vec![0x5a; ANSWER_BYTES_MAX]);
    println!("{}", serde_json::json!({ "event": "ready", "s3": format!("http://{address}") }));
    loop {
        let (stream, _) = listener.accept().await.context("accepting a connection")?;
        stream.set_nodelay(true).context("setting TCP_NODELAY")?;
        let bytes = bytes.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, bytes.clone()));
            // The load generator closes its connections when it is done: not an error of interest.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, bytes: Bytes) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let body = if request.method() == Method::GET {
        bytes.slice(..size_in(request.uri().path()).unwrap_or(0).min(ANSWER_BYTES_MAX))
    } else {
        let mut body = request.into_body();
        // An error ends the body; the connection then ends by itself.
        while let Some(Ok(_)) = body.frame().await {}
        Bytes::new()
    };
    Ok(Response::new(Full::new(body)))
}

/// The number of bytes that a benchmark's key asks for: `/BUCKET/get-BYTES/...`.
fn size_in(path: &str) -> Option<usize> {
    path.split('/').nth(2)?.strip_prefix("get-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_get_work_names_its_size() {
        assert_eq!(size_in("/bench/get-4096/17"), Some(4096));
        assert_eq!(size_in("/bench/put-4096/17"), None);
        assert_eq!(size_in("/"), None);
    }
}
