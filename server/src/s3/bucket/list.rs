//! [ListBuckets](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html): with s3:ListAllMyBuckets all buckets of the account, without it those that the caller may list, and 403 when there is none or when the action is denied.

use policy::Action;

use super::paging;
use crate::access::authorize::Judged;
use crate::protocol::error::{S3Result, invalid_argument};
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::state::State;

const BUCKETS_MAX: u64 = 10_000;

/// Lists the caller's buckets.
pub fn run(state: &State, list: &Judged<op::ListBuckets>) -> S3Result<Response> {
    let context = list.context();
    let query = &context.request.query;
    let account = context.caller.account_id().unwrap_or_default();
    let mut buckets = state.store.buckets();
    buckets.retain(|bucket| bucket.owner == account);
    if let Err(denied) = list.outcome() {
        // Where a statement denies the list, no other action stands in for it.
        if denied.denial.as_ref().is_some_and(|denial| denial.explicit) {
            return Err(denied);
        }
        buckets.retain(|bucket| context.allows_on(state, Action::ListBucket, bucket));
        if buckets.is_empty() {
            return Err(denied);
        }
    }
    let prefix = query.value("prefix").unwrap_or_default();
    if query.value("bucket-region").is_some_and(|region| region != state.config.region) {
        buckets.clear();
    }
    buckets.retain(|bucket| bucket.name.starts_with(prefix));
    let max = match query.number("max-buckets", BUCKETS_MAX)? {
        Some(0) => return Err(invalid_argument("max-buckets must be between 1 and 10000", "max-buckets", "0")),
        Some(max) => usize::try_from(max).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    if let Some(token) = query.value("continuation-token") {
        let after = paging::read_token(token)?;
        buckets.retain(|bucket| *bucket.name > *after);
    }
    let next = (buckets.len() > max).then(|| buckets[max - 1].name.to_string());
    buckets.truncate(max);
    let mut xml = Xml::root("ListAllMyBucketsResult");
    let (id, name) = state.owner(account);
    xml.owner("Owner", &id, &name);
    xml.open("Buckets");
    for bucket in &buckets {
        xml.open("Bucket");
        xml.text("Name", &bucket.name);
        xml.text("CreationDate", &respond::iso_8601_of(bucket.created_ms));
        if query.has("max-buckets") || query.has("bucket-region") {
            xml.text("BucketRegion", &state.config.region);
        }
        xml.close("Bucket");
    }
    xml.close("Buckets");
    if query.has("prefix") {
        xml.text("Prefix", prefix);
    }
    if let Some(next) = next {
        xml.text("ContinuationToken", &paging::write_token(&next));
    }
    xml.close("ListAllMyBucketsResult");
    Ok(respond::xml(xml.finish()))
}
