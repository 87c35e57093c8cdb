//! Liveness and readiness, for load balancers and people.

use http::{HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;

use crate::http::body::Body;
use crate::protocol::respond::{self, Response};
use crate::state::State;

/// What a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Whether the process answers.
    Live,
    /// Whether requests are served.
    Ready,
}

/// The probe that an unsigned GET or HEAD of exactly these paths is.
pub fn probe(request: &hyper::Request<Incoming>) -> Option<Probe> {
    let unsigned = request.uri().query().is_none() && !request.headers().contains_key(header::AUTHORIZATION);
    if !unsigned || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    probe_of(request.uri().path())
}

/// The probe of a path.
pub fn probe_of(path: &str) -> Option<Probe> {
    match path {
        "/health/live" | "/minio/health/live" => Some(Probe::Live),
        "/health/ready" | "/minio/health/ready" => Some(Probe::Ready),
        _ => None,
    }
}

/// Answers a probe: 200 as long as reads are served, with `ok`, `read-only` or `damaged`; 503 while draining.
pub fn answer(state: &State, probe: Probe) -> Response {
    let (status, text) = match (probe, state.is_draining(), state.maintenance.health()) {
        (Probe::Live, ..) => (StatusCode::OK, "ok"),
        (Probe::Ready, true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (Probe::Ready, false, engine::Health::Ok) => (StatusCode::OK, "ok"),
        (Probe::Ready, false, engine::Health::ReadOnly { .. }) => (StatusCode::OK, "read-only"),
        (Probe::Ready, false, engine::Health::Damaged { .. }) => (StatusCode::OK, "damaged"),
    };
    let mut response = respond::with_body(status, Body::from(text.to_owned()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
