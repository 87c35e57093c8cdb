//! `strongroom status`: how a node is, for people who look after it.

use std::process::ExitCode;

use serde::Deserialize;

use super::node::{Call, Node, parse};
use super::table::fields;
use crate::args::Connection;
use crate::failure::Failure;
use crate::output;
use crate::text::{counted, size, visible_line};

/// How a node is, as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    version: String,
    s3: Vec<String>,
    console: String,
    health: String,
    problems: Vec<String>,
    durability: String,
    disk: Disk,
    engine: Engine,
    audit: Audit,
    maintenance: Maintenance,
    last_scrub_time: Option<String>,
    last_scrub_damage: Option<u64>,
    requests: Vec<u64>,
    requests_denied: u64,
    connections: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Disk {
    total_bytes: u64,
    free_bytes: u64,
    log_bytes: u64,
    bulk_bytes: u64,
    other_bytes: u64,
    is_low: bool,
}

/// What runs now on the store.
#[derive(Deserialize)]
struct Maintenance {
    compaction: Option<Progress>,
    scrub: Option<Progress>,
    backup: Option<Progress>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    bytes_done: u64,
    bytes_total: u64,
}

#[derive(Deserialize)]
struct Audit {
    state: String,
    written: u64,
    dropped: u64,
}

#[derive(Deserialize)]
struct Engine {
    commits: u64,
    syncs: u64,
    segments: u64,
}

/// Prints how the node is. It is no check: a node that answers is a success, whatever it answers; `strongroom health` is the check.
pub(crate) fn status(connection: &Connection, json: bool) -> Result<ExitCode, Failure> {
    let body = Node::open_whole(connection)?.text(Call::new("GET", "/status", "status"))?;
    output::print(&if json { body } else { text_of(parse(&body)?) })?;
    Ok(ExitCode::SUCCESS)
}

/// What follows from a disk that is nearly full.
const LOW: &str = ": what takes space is refused until objects are deleted";

fn text_of(it: Status) -> String {
    let Disk { total_bytes, free_bytes, log_bytes, bulk_bytes, other_bytes, is_low } = it.disk;
    let taken = log_bytes.saturating_add(bulk_bytes).saturating_add(other_bytes);
    let scrub = match (it.last_scrub_time, it.last_scrub_damage.unwrap_or(0)) {
        (None, _) => "none yet".to_owned(),
        (Some(time), 0) => format!("{time}, nothing is damaged"),
        (Some(time), damage) => format!("{time}, {damage} damaged"),
    };
    let answered: u64 = it.requests.iter().fold(0, |sum, count| sum.saturating_add(*count));
    let failed = it.requests.get(4).copied().unwrap_or(0);
    let mut text = fields(&[
        ("health", it.health),
        ("version", it.version),
        ("s3", it.s3.join(" ")),
        ("console", it.console),
        ("durability", it.durability),
        ("disk", format!("{} free of {}{}", size(free_bytes), size(total_bytes), if is_low { LOW } else { "" })),
        (
            "taken",
            format!(
                "{}: log {}, bulk segments {}, other {}",
                size(taken),
                size(log_bytes),
                size(bulk_bytes),
                size(other_bytes)
            ),
        ),
        ("last scrub", scrub),
        ("runs now", running(&it.maintenance)),
        (
            "since its start",
            format!(
                "{}, {} denied, {failed} failed; {} by {} in {}",
                counted(answered, "request"),
                it.requests_denied,
                counted(it.engine.commits, "commit"),
                counted(it.engine.syncs, "sync"),
                counted(it.engine.segments, "segment"),
            ),
        ),
        (
            "audit log",
            format!(
                "{}: {} written, {} dropped",
                it.audit.state,
                counted(it.audit.written, "record"),
                it.audit.dropped
            ),
        ),
        ("connections", it.connections.to_string()),
    ]);
    for problem in it.problems {
        text.push_str(&format!("{}\n", visible_line(&problem)));
    }
    text
}

fn running(it: &Maintenance) -> String {
    let works = [("compaction", &it.compaction), ("scrub", &it.scrub), ("backup", &it.backup)];
    let shown: Vec<String> = works
        .iter()
        .filter_map(|(name, progress)| {
            let Progress { bytes_done, bytes_total } = progress.as_ref()?;
            Some(format!("{name}, {} of {}", size(*bytes_done), size(*bytes_total)))
        })
        .collect();
    if shown.is_empty() { "no maintenance".to_owned() } else { shown.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_stand_below_the_fields() {
        let body = r#"{"version": "0.1.0", "s3": ["http://127.0.0.1:9000"],
            "console": "http://127.0.0.1:9001", "health": "damaged", "problems": ["a\u001bb"], "durability": "strict",
            "disk": {"totalBytes": 2048, "freeBytes": 1024, "logBytes": 512, "bulkBytes": 0, "otherBytes": 0, "isLow": true},
            "audit": {"state": "paused", "written": 5, "dropped": 6},
            "maintenance": {"compaction": null, "scrub": {"bytesDone": 512, "bytesTotal": 1024}, "backup": null},
            "engine": {"commits": 1, "syncs": 2, "segments": 1}, "lastScrubTime": "2026-11-22T00:00:00Z",
            "lastScrubDamage": 3, "requests": [0, 7, 0, 1, 2], "requestsDenied": 1, "connections": 4}"#;
        let text = text_of(serde_json::from_str(body).unwrap());
        assert!(text.starts_with("health           damaged\n") && text.ends_with("\na\\u{1b}b\n"), "{text}");
        assert!(text.contains("1.0 KiB free of 2.0 KiB: what takes space is refused"), "{text}");
        assert!(text.contains("runs now         scrub, 512 bytes of 1.0 KiB\n"), "{text}");
        assert!(text.contains("paused: 5 records written, 6 dropped"), "{text}");
        assert!(text.contains("2026-11-22T00:00:00Z, 3 damaged") && text.contains("10 requests, 1 denied, 2 failed"));
    }
}
