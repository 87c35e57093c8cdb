//! The node itself: errors, its status, its audit log, its state.
//!
//! These belong to no noun that somebody makes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every error.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct Error {
    /// What programs compare.
    code: String,
    /// What happened, and what to do.
    message: String,
    /// More of it, where there is more: the errors of a policy file, the field that is wrong, the names that are in the way.
    #[schema(required = false)]
    details: serde_json::Value,
}

/// How the node is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Status {
    pub(in crate::admin) version: &'static str,
    /// URLs of S3 on the node's own addresses; a proxy in front of it may have others.
    pub(in crate::admin) s3: Vec<String>,
    /// URL of the console, likewise.
    pub(in crate::admin) console: String,
    /// `ok`, `read-only` or `damaged`.
    pub(in crate::admin) health: &'static str,
    /// What is damaged, or why nothing can be written.
    pub(in crate::admin) problems: Vec<String>,
    /// `strict` or `relaxed`.
    pub(in crate::admin) durability: &'static str,
    pub(in crate::admin) disk: Disk,
    pub(in crate::admin) engine: Engine,
    pub(in crate::admin) audit: AuditStatus,
    /// What runs now on the store, and how far it is.
    pub(in crate::admin) maintenance: MaintenanceStatus,
    /// When the last scrub ended.
    pub(in crate::admin) last_scrub_time: Option<String>,
    /// How much damage it found.
    pub(in crate::admin) last_scrub_damage: Option<u64>,
    /// Requests answered since the start, by the first digit of their status.
    pub(in crate::admin) requests: [u64; 5],
    /// Requests that were denied since the start.
    pub(in crate::admin) requests_denied: u64,
    pub(in crate::admin) connections: u64,
}

/// The file system and what the node takes of it, in bytes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Disk {
    pub(in crate::admin) total_bytes: u64,
    pub(in crate::admin) free_bytes: u64,
    pub(in crate::admin) log_bytes: u64,
    pub(in crate::admin) bulk_bytes: u64,
    pub(in crate::admin) other_bytes: u64,
    /// What is kept free: below it what takes space is refused.
    pub(in crate::admin) low_water_bytes: u64,
    /// Whether less is free now.
    pub(in crate::admin) is_low: bool,
}

/// Long work on the store; `null` for what doesn't run.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct MaintenanceStatus {
    /// Also what the store begins by itself.
    pub(in crate::admin) compaction: Option<Progress>,
    pub(in crate::admin) scrub: Option<Progress>,
    pub(in crate::admin) backup: Option<Progress>,
}

/// How far something is. Totals are as they were counted when it began.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Progress {
    pub(in crate::admin) segments_done: u64,
    pub(in crate::admin) segments_total: u64,
    pub(in crate::admin) bytes_done: u64,
    pub(in crate::admin) bytes_total: u64,
}

/// How the audit log is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct AuditStatus {
    /// `writes`, `paused` (the disk is nearly full: records are dropped until there is room again), `fails` (a write failed) or `off`.
    pub(in crate::admin) state: &'static str,
    /// Records that were written since the start.
    pub(in crate::admin) written: u64,
    /// Records that were dropped since the start.
    pub(in crate::admin) dropped: u64,
}

/// Counters of the engine since the start.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Engine {
    pub(in crate::admin) commits: u64,
    pub(in crate::admin) syncs: u64,
    pub(in crate::admin) log_bytes: u64,
    pub(in crate::admin) segments: u64,
    pub(in crate::admin) compacted_bytes: u64,
}

/// What a state file came to.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct Applied {
    /// The changes for people, a line each, with `+`, `~` or `-` before it.
    pub(in crate::admin) changes: Vec<String>,
    /// What was left as it is and would deserve a look.
    pub(in crate::admin) notes: Vec<String>,
    /// Whether they were made; not with `dryRun=true`.
    pub(in crate::admin) applied: bool,
}

/// What the audit log records and keeps.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct AuditSettings {
    /// Which S3 requests are recorded: `all`, `denied` (refused and failed ones) or `none`. Calls of this API always are.
    pub(in crate::admin) requests: &'static str,
    /// How much is kept, in bytes.
    pub(in crate::admin) kept_bytes: u64,
    /// Whether there is an audit log: `--audit-log off` ends it.
    pub(in crate::admin) on: bool,
    /// Records that were written since the start.
    pub(in crate::admin) written: u64,
    /// Records that were dropped since the start, since the disk didn't keep up or was nearly full.
    pub(in crate::admin) dropped: u64,
}

/// Changes of the audit log's settings; an absent field stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct AuditSettingsBody {
    pub(in crate::admin) requests: Option<String>,
    pub(in crate::admin) kept_bytes: Option<u64>,
}

/// A record of the audit log, in the shape of AWS CloudTrail's.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct AuditRecord {
    event_time: String,
    /// `s3.amazonaws.com`, `sts.amazonaws.com` or `strongroom`.
    event_source: String,
    /// The operation, such as `GetObject` or `CreatePermission`.
    event_name: String,
    #[serde(rename = "sourceIPAddress")]
    source_address: String,
    #[schema(value_type = Object)]
    user_identity: serde_json::Value,
    #[schema(value_type = Vec<Object>)]
    resources: serde_json::Value,
    http_status: u16,
    error_code: Option<String>,
    /// `{decision, policy, sid, reason}`
    #[schema(value_type = Option<Object>)]
    authorization: Option<serde_json::Value>,
}
