//! Who may do what, and why.
//!
//! The simulator and both questions about access tell statements in one form.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service_account::Reference;

/// A request that is judged without being made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct SimulationBody {
    /// Name, id, ARN or access key of a service account, `root` or `anonymous`.
    pub(in crate::admin) principal: String,
    /// Such as `s3:GetObject`.
    pub(in crate::admin) action: String,
    /// Such as `arn:aws:s3:::datalake/cow.jpg`.
    pub(in crate::admin) resource: String,
    /// Facts of the request: condition keys with a text, number, boolean, or a list of these. What follows from the principal and the bucket is known, and the time is now unless said.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(in crate::admin) context: serde_json::Map<String, serde_json::Value>,
}

/// What would become of a request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Simulation {
    /// Whether the request would be served.
    pub(in crate::admin) allowed: bool,
    /// `Allow`, `ExplicitDeny` or `ImplicitDeny`; with its reasons in `explanation`.
    pub(in crate::admin) decision: &'static str,
    /// The name of the permission (or `bucket policy`) that decided.
    pub(in crate::admin) policy: Option<String>,
    /// The Sid of the statement that decided, or its position.
    pub(in crate::admin) sid: Option<String>,
    /// Why, in a sentence.
    pub(in crate::admin) because: String,
    /// `enabled`, `disabled` or `expired`: a key that isn't enabled is refused whatever its policies say.
    pub(in crate::admin) key_status: &'static str,
    /// Every statement that nearly applied, and what was compared.
    #[schema(value_type = Object)]
    pub(in crate::admin) explanation: serde_json::Value,
}

/// One statement of a policy.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Grant {
    /// The name of the permission, or `bucket policy`.
    pub(in crate::admin) policy: String,
    /// The Sid, or the position such as `#2`.
    pub(in crate::admin) sid: String,
    /// `Allow` or `Deny`.
    pub(in crate::admin) effect: String,
    /// Whether the permission is enabled: an Allow of a disabled one grants nothing, a Deny stays.
    pub(in crate::admin) in_force: bool,
    /// The S3 actions that it names, written out.
    pub(in crate::admin) actions: Vec<&'static str>,
    /// The resources as the document has them.
    #[schema(value_type = serde_json::Value)]
    pub(in crate::admin) resource: serde_json::Value,
    /// The conditions as the document has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(in crate::admin) condition: Option<serde_json::Value>,
    /// Whom a bucket policy's statement is about, as the document has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(in crate::admin) principal: Option<serde_json::Value>,
}

/// What can be done to one bucket, whatever the circumstances; what depends on conditions or on the object is in the grants.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct BucketActions {
    pub(in crate::admin) bucket: String,
    /// On the bucket, and on every object in it.
    pub(in crate::admin) allowed: Vec<&'static str>,
    /// Under some conditions, or on some objects.
    pub(in crate::admin) conditional: Vec<&'static str>,
}

/// What a service account can do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Access {
    pub(in crate::admin) service_account: Reference,
    /// `enabled`, `disabled` or `expired`.
    pub(in crate::admin) status: &'static str,
    /// The statements of its permissions.
    pub(in crate::admin) grants: Vec<Grant>,
    /// What these and the buckets' own policies come to on each bucket of the account, at most 100 of them.
    pub(in crate::admin) buckets: Vec<BucketActions>,
    /// How many buckets the account has.
    pub(in crate::admin) bucket_count: usize,
}

/// What somebody can do to a bucket.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct BucketAccess {
    /// `service-account`; `anyone`, whether or not with credentials; `root` of the own account; `role`, each user with it; `account`, the root of another account that the bucket policy names, whose other members need permissions of their own as well; or `principal`, another whom the bucket policy names.
    pub(in crate::admin) kind: &'static str,
    /// Of a service account its id; else `anyone`, `role/NAME`, the account's id, or the ARN.
    pub(in crate::admin) id: String,
    pub(in crate::admin) name: String,
    /// Of a service account `enabled`, `disabled`, `expired` or `damaged`; `enabled` of all others.
    pub(in crate::admin) status: &'static str,
    /// On the bucket, and on every object in it, whatever the circumstances.
    pub(in crate::admin) allowed: Vec<&'static str>,
    /// Under some conditions, or on some objects.
    pub(in crate::admin) conditional: Vec<&'static str>,
    /// The statements that bear on it.
    pub(in crate::admin) grants: Vec<Grant>,
}
