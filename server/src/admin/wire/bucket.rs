//! Buckets and what they hold.
//!
//! Counts come from the store as they are; nothing here is computed by looking at objects.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{given, present};
use crate::admin::json::Object;

/// A bucket as it is sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::admin) struct BucketBody {
    /// 3 to 63 lower-case letters, digits, `.` and `-`; on POST only.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub(in crate::admin) name: Option<String>,
    /// `enabled` or `suspended`; a bucket that never kept versions is `off`, and can't be again.
    pub(in crate::admin) versioning: Option<String>,
    /// How much it may hold; `null` takes the limit away.
    #[serde(default, deserialize_with = "quota")]
    #[schema(value_type = Option<Quota>)]
    pub(in crate::admin) quota: Option<Option<Quota>>,
}

fn quota<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Quota>>, D::Error> {
    Ok(present::<Object<Quota>, D>(deserializer)?.map(|quota| quota.map(|Object(quota)| quota)))
}

/// How much a bucket may hold.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Quota {
    /// The sum of the sizes of its objects and versions.
    pub(in crate::admin) bytes: u64,
}

/// How much is stored, counted with each write.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(in crate::admin) struct Usage {
    /// Stored objects, of which each version is one: in a bucket with versioning more than a list of its objects shows. Delete markers aren't counted.
    pub(in crate::admin) objects: u64,
    /// The sum of their sizes.
    pub(in crate::admin) bytes: u64,
}

/// A bucket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Bucket {
    pub(in crate::admin) name: String,
    pub(in crate::admin) create_time: String,
    /// `off`, `enabled` or `suspended`.
    pub(in crate::admin) versioning: &'static str,
    pub(in crate::admin) usage: Usage,
    /// How much it may hold; `null` where there is no limit.
    pub(in crate::admin) quota: Option<Quota>,
    /// Whether it has object lock, which this node doesn't have yet.
    pub(in crate::admin) lock: bool,
    /// Whether it has a policy.
    pub(in crate::admin) has_policy: bool,
    /// Whether its policy grants something to everybody.
    pub(in crate::admin) public: bool,
}

/// How much one bucket holds.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct BucketUsage {
    pub(in crate::admin) name: String,
    #[serde(flatten)]
    pub(in crate::admin) usage: Usage,
}

/// How much an account holds, and each of its buckets.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct CurrentUsage {
    #[serde(flatten)]
    pub(in crate::admin) total: Usage,
    pub(in crate::admin) buckets: Vec<BucketUsage>,
}

/// What the buckets of an account held in a month.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct MonthUsage {
    pub(in crate::admin) year: i16,
    /// 1 to 12, UTC.
    pub(in crate::admin) month: i8,
    /// Deleted ones too.
    pub(in crate::admin) buckets: Vec<BucketMonth>,
}

/// What one bucket held in a month, sampled each minute.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct BucketMonth {
    pub(in crate::admin) name: String,
    /// When the bucket was created, which tells it from another one of its name; `null` in what an older version of the node counted.
    pub(in crate::admin) create_time: Option<String>,
    /// Whether it is deleted by now.
    pub(in crate::admin) deleted: bool,
    /// The mean over the month, or over what has passed of it.
    pub(in crate::admin) bytes_average: u64,
    pub(in crate::admin) bytes_max: u64,
    /// The most objects, of which each version is one.
    pub(in crate::admin) objects_max: u64,
}
