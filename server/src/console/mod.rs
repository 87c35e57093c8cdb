//! The console listener: the admin API, health and metrics, and one page by which the holder of a one-time link chooses a password.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;

use crate::admin;
use crate::audit::WriterState;
use crate::health;
use crate::http::body::Body;
use crate::http::proxy;
use crate::http::serve::{Application, Connection};
use crate::protocol::respond::{self, Response};
use crate::s3::receive::blocking;
use crate::state::State;

const METRICS_REFUSED: &str = "Metrics are served to loopback, with a token or signature of the operator's account, or to everybody with --metrics-public.\n";

/// Administration, health and metrics of one node.
pub struct ConsoleApplication {
    state: Arc<State>,
}

impl ConsoleApplication {
    /// The application of a node.
    pub fn new(state: Arc<State>) -> ConsoleApplication {
        ConsoleApplication { state }
    }

    async fn metrics(&self) -> Response {
        let state = &*self.state;
        let maintenance = state.maintenance.clone();
        // Looks at files; numbers of a look that failed are zero.
        let disk = blocking(move || maintenance.disk_use()).await.unwrap_or_default();
        let live: u64 = state.store.buckets().iter().map(|bucket| state.store.bucket_usage(bucket.id).bytes).sum();
        let stats = state.store.stats();
        let health = state.maintenance.health();
        let scrub = state.maintenance.last_scrub();
        let is = |state: bool| u64::from(state);
        let rows = [
            ("strongroom_engine_commits_total", "counter", stats.commits),
            ("strongroom_engine_records_total", "counter", stats.records),
            ("strongroom_engine_log_bytes_total", "counter", stats.log_bytes),
            ("strongroom_engine_syncs_total", "counter", stats.log_syncs),
            ("strongroom_engine_bulk_syncs_total", "counter", stats.bulk_syncs),
            ("strongroom_engine_bulk_bytes_total", "counter", stats.bulk_bytes),
            ("strongroom_engine_index_applies_total", "counter", stats.index_applies),
            ("strongroom_engine_memtable_rows", "gauge", stats.memtable_rows),
            ("strongroom_engine_segments", "gauge", stats.segments),
            ("strongroom_engine_free_bytes", "gauge", stats.free_bytes),
            ("strongroom_engine_compacted_bytes_total", "counter", stats.compacted_bytes),
            ("strongroom_engine_segments_freed_total", "counter", stats.segments_freed),
            ("strongroom_store_read_only", "gauge", is(matches!(health, engine::Health::ReadOnly { .. }))),
            ("strongroom_store_damaged", "gauge", is(matches!(health, engine::Health::Damaged { .. }))),
            ("strongroom_damaged_reads_total", "counter", state.maintenance.damaged_reads()),
            ("strongroom_disk_total_bytes", "gauge", disk.total_bytes),
            ("strongroom_disk_free_bytes", "gauge", disk.free_bytes),
            ("strongroom_log_disk_bytes", "gauge", disk.log_bytes),
            ("strongroom_engine_bulk_stored_bytes", "gauge", stats.bulk_stored_bytes.unwrap_or(disk.bulk_bytes)),
            ("strongroom_bulk_disk_bytes", "gauge", disk.bulk_bytes),
            ("strongroom_other_disk_bytes", "gauge", disk.other_bytes),
            ("strongroom_live_bytes", "gauge", live),
            ("strongroom_garbage_bytes", "gauge", (disk.log_bytes + disk.bulk_bytes).saturating_sub(live)),
            (
                "strongroom_last_scrub_timestamp_seconds",
                "gauge",
                scrub.map_or(0, |scrub| scrub.ended_seconds.unsigned_abs()),
            ),
            ("strongroom_audit_records_total", "counter", state.audit.written()),
            ("strongroom_audit_dropped_total", "counter", state.audit.dropped()),
            ("strongroom_audit_paused", "gauge", is(state.audit.writer_state() == Some(WriterState::Paused))),
            ("strongroom_last_scrub_damage", "gauge", scrub.map_or(0, |scrub| scrub.damage)),
        ];
        let mut response = respond::with_body(StatusCode::OK, Body::from(self.state.metrics.render(&rows)));
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl Application for ConsoleApplication {
    async fn answer(&self, connection: &Connection, request: hyper::Request<Incoming>) -> Response {
        if let Some(probe) = health::probe(&request) {
            return health::answer(&self.state, probe);
        }
        self.state.identities.loaded().await;
        if admin::is_below(request.uri().path()) {
            return admin::answer(&self.state, connection, request).await;
        }
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/metrics" => {
                let (head, _) = request.into_parts();
                let address =
                    proxy::client_address(connection.peer.ip(), &head.headers, &self.state.config.trusted_proxies);
                let is_open = self.state.config.metrics_public || address.to_canonical().is_loopback();
                if is_open || admin::may_see_metrics(&self.state, connection, address, &head) {
                    return self.metrics().await;
                }
                text(StatusCode::FORBIDDEN, METRICS_REFUSED)
            }
            "/" if is_read => page("text/html; charset=utf-8", include_str!("page.html")),
            "/page.js" if is_read => page("text/javascript; charset=utf-8", include_str!("page.js")),
            "/page.css" if is_read => page("text/css; charset=utf-8", include_str!("page.css")),
            _ => text(StatusCode::NOT_FOUND, "Here are /api/v1/, /health/live, /health/ready and /metrics.\n"),
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> Response {
    let mut response = respond::with_body(status, Body::from(text.to_owned()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A file of the page. It loads nothing from elsewhere, and nobody can frame it.
fn page(kind: &'static str, content: &'static str) -> Response {
    let mut response = respond::with_body(StatusCode::OK, Body::from(content.to_owned()));
    let rules = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, rules),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
