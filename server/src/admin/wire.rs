//! The JSON of the admin API: every type that is read or written, and nothing else.
//!
//! Here only, so that the OpenAPI document, made from these types, can't say another thing than what is served. What is read takes no unknown field: a field that is ignored is one that its author believes in (failure case D5).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A field that may be absent, `null`, or a value: absent leaves what is there, `null` removes it.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Every error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Error {
    /// What programs compare.
    code: String,
    /// What happened, and what to do.
    message: String,
    /// More of it, where there is more: the errors of a policy file, the field that is wrong, the names that are in the way.
    #[schema(required = false)]
    details: serde_json::Value,
}

/// A permission as it is sent. On PUT an absent field stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PermissionBody {
    /// 1 to 128 letters, digits, `-`, `_` and inner spaces.
    pub(super) name: Option<String>,
    /// At most 1,000 characters; without one the permission is described in plain words.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(super) description: Option<Option<String>>,
    /// `bucket-names`, `bucket-prefix`, `all-buckets` or `policy`.
    #[serde(rename = "type")]
    pub(super) type_name: Option<String>,
    /// `all-operations`, `read-only` or `write-only`.
    pub(super) actions: Option<String>,
    /// 1 to 64 characters that bucket names begin with.
    pub(super) prefix: Option<String>,
    /// Names of buckets that exist.
    pub(super) buckets: Option<Vec<String>>,
    /// A policy document: an object, kept byte for byte, or a string that holds the file.
    #[schema(value_type = Option<Object>)]
    pub(super) policy: Option<Box<RawValue>>,
    /// `lyve` (default) or `aws`.
    pub(super) dialect: Option<String>,
    /// Whether it grants; `true` unless said.
    pub(super) enabled: Option<bool>,
}

/// The service accounts that use a permission.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(super) struct Users {
    /// How many.
    pub(super) count: usize,
    /// Their names, at most 100.
    pub(super) names: Vec<String>,
}

/// A permission in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionSummary {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    #[serde(rename = "type")]
    pub(super) type_name: &'static str,
    /// Always true: a change is in effect before it is answered.
    pub(super) ready_state: bool,
    pub(super) enabled: bool,
    pub(super) create_time: String,
    pub(super) update_time: String,
    pub(super) service_accounts: Users,
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Permission {
    #[serde(flatten)]
    pub(super) summary: PermissionSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actions: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) buckets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dialect: Option<&'static str>,
    /// The file as it was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) policy: Option<Box<RawValue>>,
    /// Counts the permission's versions from 1.
    pub(super) revision: u32,
}

/// One version of a permission.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Revision {
    pub(super) revision: u32,
    pub(super) time: String,
    /// Who made it: an ARN, or the state file that declared it.
    pub(super) by: String,
    /// The fields that differ from the version before.
    pub(super) changed: Vec<&'static str>,
    /// The policy's lines that differ from the version before, with `-`, `+` or a space before each; a bucket permission's are those of its lowered document.
    pub(super) diff: String,
    /// The permission as it then was.
    pub(super) permission: Permission,
}

/// One version of a service account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceAccountRevision {
    pub(super) revision: u32,
    pub(super) time: String,
    /// Who made it: an ARN, or the state file that declared it.
    pub(super) by: String,
    /// The fields that differ from the version before; `secretKey` where it got another secret, which is never told.
    pub(super) changed: Vec<String>,
    pub(super) name: String,
    pub(super) access_key: String,
    pub(super) description: String,
    /// Names of its permissions; ids of those that aren't there any more.
    pub(super) permissions: Vec<String>,
    pub(super) enabled: bool,
    pub(super) expiration_date: Option<String>,
}

/// Which version to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevertBody {
    pub(super) revision: u32,
}

/// What a permission would be, without its being saved.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checked {
    /// Whether it could be saved.
    pub(super) valid: bool,
    /// The first error in the dialect's own words.
    pub(super) message: Option<String>,
    /// Every error with its place.
    #[schema(value_type = Vec<Object>)]
    pub(super) errors: serde_json::Value,
    /// What is worth knowing about a valid one.
    #[schema(value_type = Vec<Object>)]
    pub(super) findings: serde_json::Value,
    /// It in plain words.
    pub(super) description: Option<String>,
    /// The document that it comes to.
    pub(super) document: Option<String>,
}

/// A service account as it is sent. On PUT an absent field stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ServiceAccountBody {
    /// 1 to 128 letters, digits and `- _ . @ + = ,` with inner spaces.
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(super) description: Option<Option<String>>,
    /// Ids or names of permissions, 1 to 100.
    pub(super) permissions: Option<Vec<String>>,
    /// From then on the key is refused: a date, or a time in RFC 3339 form.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(super) expiration_date: Option<Option<String>>,
    /// An access key of one's own, on POST only; a random one otherwise.
    pub(super) access_key: Option<String>,
    /// A secret of one's own, on POST only; a random one otherwise.
    pub(super) secret: Option<String>,
    /// Whether it may be used; `true` unless said.
    pub(super) enabled: Option<bool>,
}

/// A key that was just made. The secret is told here and nowhere else.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) access_key: String,
    pub(super) secret: String,
    pub(super) expiration_date: Option<String>,
}

/// The name and id of a permission.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reference {
    pub(super) id: String,
    pub(super) name: String,
}

/// A service account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceAccount {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    /// `arn:aws:iam::ACCOUNT:user/NAME`
    pub(super) arn: String,
    pub(super) access_key: String,
    pub(super) permissions: Vec<Reference>,
    pub(super) ready_state: bool,
    pub(super) enabled: bool,
    /// `enabled`, `disabled` or `expired`.
    pub(super) status: &'static str,
    pub(super) expiration_date: Option<String>,
    /// The ARN of who made it.
    pub(super) created_by: Option<String>,
    pub(super) create_time: String,
    pub(super) update_time: String,
}

/// A user as it is sent. On PUT an absent field stays as it is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UserBody {
    /// On POST only: a user's name stays.
    pub(super) name: Option<String>,
    /// `admin`, `storage-admin` or `auditor`.
    pub(super) role: Option<String>,
    /// 8 to 256 bytes. A user that is made without one gets it by a one-time link.
    pub(super) password: Option<String>,
    pub(super) enabled: Option<bool>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    /// The name, which stands for the user in paths.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) enabled: bool,
    pub(super) create_time: String,
    pub(super) update_time: String,
}

/// An account as it is sent. On PUT an absent field stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AccountBody {
    pub(super) name: Option<String>,
    pub(super) display_name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(super) email: Option<Option<String>>,
    /// 12 digits, on POST only; random ones otherwise.
    pub(super) account_id: Option<String>,
    /// On POST only; a random one otherwise.
    pub(super) canonical_id: Option<String>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    /// 12 digits.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) email: Option<String>,
    pub(super) canonical_id: String,
    /// Whether it is the operator's, whose root and admins manage accounts and the node.
    pub(super) operator: bool,
    pub(super) create_time: String,
}

/// An account that was just made, with its root's key, which is told here and nowhere else.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewAccount {
    #[serde(flatten)]
    pub(super) account: Account,
    pub(super) root: Credentials,
}

/// What signs in: an access key and its secret, a user and their password, or, for a session only, a one-time link and a new password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SignInBody {
    pub(super) access_key: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// The user's account, by name or id; the operator's unless said.
    pub(super) account: Option<String>,
    /// A one-time link's token; `password` is then the one to be.
    pub(super) link: Option<String>,
}

/// A token for `Authorization: Bearer`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    pub(super) token: String,
    pub(super) expiration_sec: i64,
}

/// How long a token still holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenTime {
    pub(super) expiration_sec: i64,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) name: String,
    /// `root`, `service-account` or `user`.
    pub(super) kind: &'static str,
    pub(super) arn: String,
    /// A user's role.
    pub(super) role: Option<&'static str>,
    pub(super) account: Reference,
    /// Whether the account is the operator's.
    pub(super) operator: bool,
    /// The `strongroom:*` actions that the caller may do from here.
    pub(super) actions: Vec<&'static str>,
    /// For the header `X-CSRF-Token` of calls that change something, in a cookie session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) csrf_token: Option<String>,
    pub(super) expiration_sec: Option<i64>,
}

/// A user's own new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PasswordBody {
    /// The one that holds now.
    pub(super) password: String,
    pub(super) new_password: String,
}

/// Whom a one-time link is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkBody {
    pub(super) user: String,
}

/// A one-time link.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    /// Goes with a new password to `POST /auth/session`.
    pub(super) link: String,
    /// The same as a path of the console.
    pub(super) path: String,
    pub(super) expiration_sec: i64,
}

/// A bucket as it is sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BucketBody {
    /// 3 to 63 lower-case letters, digits, `.` and `-`; on POST only.
    pub(super) name: Option<String>,
    /// `enabled` or `suspended`; a bucket that never kept versions is `off`, and can't be again.
    pub(super) versioning: Option<String>,
    /// How much it may hold; `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Quota>)]
    pub(super) quota: Option<Option<Quota>>,
}

/// How much a bucket may hold.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    /// The sum of the sizes of its objects and versions.
    pub(super) bytes: u64,
}

/// How much is stored, counted with each write.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(super) struct Usage {
    /// Stored objects and versions; delete markers aren't counted.
    pub(super) objects: u64,
    /// The sum of their sizes.
    pub(super) bytes: u64,
}

/// A bucket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) create_time: String,
    /// `off`, `enabled` or `suspended`.
    pub(super) versioning: &'static str,
    pub(super) usage: Usage,
    /// How much it may hold; `null` where there is no limit.
    pub(super) quota: Option<Quota>,
    /// Whether it has object lock, which this node doesn't have yet.
    pub(super) lock: bool,
    /// Whether it has a policy.
    pub(super) has_policy: bool,
    /// Whether its policy grants something to everybody.
    pub(super) public: bool,
}

/// How much one bucket holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BucketUsage {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) usage: Usage,
}

/// How much an account holds, and each of its buckets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CurrentUsage {
    #[serde(flatten)]
    pub(super) total: Usage,
    pub(super) buckets: Vec<BucketUsage>,
}

/// A request that is judged without being made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SimulationBody {
    /// Id or name of a service account, `root` or `anonymous`.
    pub(super) principal: String,
    /// Such as `s3:GetObject`.
    pub(super) action: String,
    /// Such as `arn:aws:s3:::datalake/cow.jpg`.
    pub(super) resource: String,
    /// Facts of the request: condition keys with a text, number, boolean, or a list of these. What follows from the principal and the bucket is known, and the time is now unless said.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) context: serde_json::Map<String, serde_json::Value>,
}

/// What would become of a request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Simulation {
    /// Whether the request would be served.
    pub(super) allowed: bool,
    /// `Allow`, `ExplicitDeny` or `ImplicitDeny`; with its reasons in `explanation`.
    pub(super) decision: &'static str,
    /// The name of the permission (or `bucket policy`) that decided.
    pub(super) policy: Option<String>,
    /// The Sid of the statement that decided, or its position.
    pub(super) sid: Option<String>,
    /// Why, in a sentence.
    pub(super) because: String,
    /// `enabled`, `disabled` or `expired`: a key that isn't enabled is refused whatever its policies say.
    pub(super) key_status: &'static str,
    /// Every statement that nearly applied, and what was compared.
    #[schema(value_type = Object)]
    pub(super) explanation: serde_json::Value,
}

/// One statement of a policy.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grant {
    /// The name of the permission, or `bucket policy`.
    pub(super) policy: String,
    /// The Sid, or the position such as `#2`.
    pub(super) sid: String,
    /// `Allow` or `Deny`.
    pub(super) effect: String,
    /// Whether the permission is enabled: an Allow of a disabled one grants nothing, a Deny stays.
    pub(super) in_force: bool,
    /// The S3 actions that it names, written out.
    pub(super) actions: Vec<&'static str>,
    /// The resources as the document has them.
    #[schema(value_type = Object)]
    pub(super) resource: serde_json::Value,
    /// The conditions as the document has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) condition: Option<serde_json::Value>,
    /// Whom a bucket policy's statement is about, as the document has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) principal: Option<serde_json::Value>,
}

/// What can be done to one bucket, whatever the circumstances; what depends on conditions or on the object is in the grants.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketActions {
    pub(super) bucket: String,
    /// On the bucket, and on every object in it.
    pub(super) allowed: Vec<&'static str>,
    /// Under some conditions, or on some objects.
    pub(super) conditional: Vec<&'static str>,
}

/// What a service account can do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Access {
    pub(super) service_account: Reference,
    /// `enabled`, `disabled` or `expired`.
    pub(super) status: &'static str,
    /// The statements of its permissions.
    pub(super) grants: Vec<Grant>,
    /// What these and the buckets' own policies come to on each bucket of the account, at most 100 of them.
    pub(super) buckets: Vec<BucketActions>,
}

/// What one service account can do to a bucket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketAccess {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: &'static str,
    /// On the bucket, and on every object in it, whatever the circumstances.
    pub(super) allowed: Vec<&'static str>,
    /// Under some conditions, or on some objects.
    pub(super) conditional: Vec<&'static str>,
    /// The statements that bear on it.
    pub(super) grants: Vec<Grant>,
}

/// How the node is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) version: &'static str,
    /// URLs of S3 on the node's own addresses; a proxy in front of it may have others.
    pub(super) s3: Vec<String>,
    /// URL of the console, likewise.
    pub(super) console: String,
    /// `ok`, `read-only` or `damaged`.
    pub(super) health: &'static str,
    /// What is damaged, or why nothing can be written.
    pub(super) problems: Vec<String>,
    /// `strict` or `relaxed`.
    pub(super) durability: &'static str,
    pub(super) disk: Disk,
    pub(super) engine: Engine,
    pub(super) audit: AuditStatus,
    /// What runs now on the store, and how far it is.
    pub(super) maintenance: MaintenanceStatus,
    /// When the last scrub ended.
    pub(super) last_scrub_time: Option<String>,
    /// How much damage it found.
    pub(super) last_scrub_damage: Option<u64>,
    /// Requests answered since the start, by the first digit of their status.
    pub(super) requests: [u64; 5],
    /// Requests that were denied since the start.
    pub(super) requests_denied: u64,
    pub(super) connections: u64,
}

/// The file system and what the node takes of it, in bytes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Disk {
    pub(super) total_bytes: u64,
    pub(super) free_bytes: u64,
    pub(super) log_bytes: u64,
    pub(super) bulk_bytes: u64,
    pub(super) other_bytes: u64,
    /// What is kept free: below it what takes space is refused.
    pub(super) low_water_bytes: u64,
    /// Whether less is free now.
    pub(super) is_low: bool,
}

/// Long work on the store; `null` for what doesn't run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MaintenanceStatus {
    /// Also what the store begins by itself.
    pub(super) compaction: Option<Progress>,
    pub(super) scrub: Option<Progress>,
    pub(super) backup: Option<Progress>,
}

/// How far something is. Totals are as they were counted when it began.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    pub(super) segments_done: u64,
    pub(super) segments_total: u64,
    pub(super) bytes_done: u64,
    pub(super) bytes_total: u64,
}

/// How the audit log is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditStatus {
    /// `writes`, `paused` (the disk is nearly full: records are dropped until there is room again), `fails` (a write failed) or `off`.
    pub(super) state: &'static str,
    /// Records that were written since the start.
    pub(super) written: u64,
    /// Records that were dropped since the start.
    pub(super) dropped: u64,
}

/// Counters of the engine since the start.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Engine {
    pub(super) commits: u64,
    pub(super) syncs: u64,
    pub(super) log_bytes: u64,
    pub(super) segments: u64,
    pub(super) compacted_bytes: u64,
}

/// What a state file came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Applied {
    /// The changes for people, a line each, with `+`, `~` or `-` before it.
    pub(super) changes: Vec<String>,
    /// What was left as it is and would deserve a look.
    pub(super) notes: Vec<String>,
    /// Whether they were made; not with `dryRun=true`.
    pub(super) applied: bool,
}

/// What the audit log records and keeps.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditSettings {
    /// Which S3 requests are recorded: `all`, `denied` (refused and failed ones) or `none`. Calls of this API always are.
    pub(super) requests: &'static str,
    /// How much is kept, in bytes.
    pub(super) kept_bytes: u64,
    /// Whether there is an audit log: `--audit-log off` ends it.
    pub(super) on: bool,
    /// Records that were written since the start.
    pub(super) written: u64,
    /// Records that were dropped since the start, since the disk didn't keep up or was nearly full.
    pub(super) dropped: u64,
}

/// Changes of the audit log's settings; an absent field stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuditSettingsBody {
    pub(super) requests: Option<String>,
    pub(super) kept_bytes: Option<u64>,
}

/// A record of the audit log, in the shape of AWS CloudTrail's.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditRecord {
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

/// What the buckets of an account held in a month.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MonthUsage {
    pub(super) year: i16,
    /// 1 to 12, UTC.
    pub(super) month: i8,
    /// Deleted ones too.
    pub(super) buckets: Vec<BucketMonth>,
}

/// What one bucket held in a month, sampled each minute.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketMonth {
    pub(super) name: String,
    /// The mean over the month, or over what has passed of it.
    pub(super) bytes_average: u64,
    pub(super) bytes_max: u64,
    pub(super) objects_max: u64,
}
