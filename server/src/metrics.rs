//! Counters of what the node did, in Prometheus's text form.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The status classes that are counted apart.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The server's counters. All only grow, except the connections that are open.
#[derive(Default)]
pub struct Metrics {
    statuses: [AtomicU64; CLASSES.len()],
    denied: AtomicU64,
    tags_read: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    /// Connections open now.
    pub connections: AtomicU64,
}

impl Metrics {
    /// Counts an answered request.
    pub fn answered(&self, status: http::StatusCode, denied: bool) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.statuses[class].fetch_add(1, Relaxed);
        if denied {
            self.denied.fetch_add(1, Relaxed);
        }
    }

    /// Requests answered, by the first digit of their status.
    pub fn requests(&self) -> [u64; CLASSES.len()] {
        self.statuses.each_ref().map(|count| count.load(Relaxed))
    }

    /// Requests that were denied.
    pub fn requests_denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }

    /// Counts a look at an object's tags, for a decision that asked for them.
    pub fn tags_read(&self) {
        self.tags_read.fetch_add(1, Relaxed);
    }

    /// Counts body bytes that came in.
    pub fn received(&self, bytes: u64) {
        self.bytes_received.fetch_add(bytes, Relaxed);
    }

    /// Counts body bytes that go out.
    pub fn sent(&self, bytes: u64) {
        self.bytes_sent.fetch_add(bytes, Relaxed);
    }

    /// The counters in Prometheus's text form, with the storage engine's rows after them.
    pub fn render(&self, engine: &[(&str, &str, u64)]) -> String {
        let mut text = String::with_capacity(2048);
        text.push_str("# TYPE strongroom_requests_total counter\n");
        for (class, count) in CLASSES.iter().zip(&self.statuses) {
            let _ = writeln!(text, "strongroom_requests_total{{status=\"{class}\"}} {}", count.load(Relaxed));
        }
        let own = [
            ("strongroom_requests_denied_total", "counter", self.denied.load(Relaxed)),
            ("strongroom_policy_tag_reads_total", "counter", self.tags_read.load(Relaxed)),
            ("strongroom_received_bytes_total", "counter", self.bytes_received.load(Relaxed)),
            ("strongroom_sent_bytes_total", "counter", self.bytes_sent.load(Relaxed)),
            ("strongroom_connections", "gauge", self.connections.load(Relaxed)),
        ];
        for (name, kind, value) in own.iter().chain(engine) {
            let _ = write!(text, "# TYPE {name} {kind}\n{name} {value}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_rendered_by_class() {
        let metrics = Metrics::default();
        metrics.answered(http::StatusCode::FORBIDDEN, true);
        metrics.answered(http::StatusCode::OK, false);
        let text = metrics.render(&[("strongroom_engine_syncs_total", "counter", 7)]);
        assert!(text.contains("strongroom_requests_total{status=\"4xx\"} 1\n"));
        assert!(text.contains("strongroom_requests_denied_total 1\n"));
        assert!(text.contains("strongroom_engine_syncs_total 7\n"));
    }
}
