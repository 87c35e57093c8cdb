//! How the node is, in one answer: its health, its disk, its last scrub, its counters.

use jiff::Timestamp;

use super::answer::{Answer, Result};
use super::call::Call;
use super::wire;
use crate::audit::WriterState;
use crate::config::Durability;
use crate::s3::receive::blocking;

/// `GET /status`: its figures are of all accounts together.
pub(super) async fn read(call: &Call) -> Result<Answer> {
    call.require_operator("The node's status is its operator's account's to see.")?;
    let state = &call.state;
    let maintenance = state.maintenance.clone();
    let disk = blocking(move || maintenance.disk_use()).await?;
    let stats = state.store.stats();
    let (health, problems) = match state.maintenance.health() {
        engine::Health::Ok => ("ok", Vec::new()),
        engine::Health::ReadOnly { reason } => ("read-only", vec![reason]),
        engine::Health::Damaged { damage } => ("damaged", damage),
    };
    let running = state.store.maintenance_progress();
    let scrub = state.maintenance.last_scrub();
    let ended = scrub.and_then(|scrub| Timestamp::from_second(scrub.ended_seconds).ok());
    let (s3, console) = state.urls.get().map(|urls| (urls.s3.clone(), urls.console.clone())).unwrap_or_default();
    Answer::ok(&wire::Status {
        version: env!("CARGO_PKG_VERSION"),
        s3,
        console,
        health,
        problems,
        durability: match state.config.durability {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        },
        disk: wire::Disk {
            total_bytes: disk.total_bytes,
            free_bytes: disk.free_bytes,
            log_bytes: disk.log_bytes,
            bulk_bytes: disk.bulk_bytes,
            other_bytes: disk.other_bytes,
            low_water_bytes: stats.low_water_bytes,
            is_low: stats.space_low,
        },
        engine: wire::Engine {
            commits: stats.commits,
            syncs: stats.log_syncs,
            log_bytes: stats.log_bytes,
            segments: stats.segments,
            compacted_bytes: stats.compacted_bytes,
        },
        audit: wire::AuditStatus {
            state: state.audit.writer_state().map_or("off", WriterState::as_str),
            written: state.audit.written(),
            dropped: state.audit.dropped(),
        },
        maintenance: wire::MaintenanceStatus {
            compaction: running.compaction.map(progress),
            scrub: running.scrub.map(progress),
            backup: running.backup.map(progress),
        },
        last_scrub_time: ended.map(|at| at.to_string()),
        last_scrub_damage: scrub.map(|scrub| scrub.damage),
        requests: state.metrics.requests(),
        requests_denied: state.metrics.requests_denied(),
        connections: state.metrics.connections.load(std::sync::atomic::Ordering::Relaxed),
    })
}

fn progress(of: engine::Progress) -> wire::Progress {
    wire::Progress {
        segments_done: of.segments_done,
        segments_total: of.segments_total,
        bytes_done: of.bytes_done,
        bytes_total: of.bytes_total,
    }
}
