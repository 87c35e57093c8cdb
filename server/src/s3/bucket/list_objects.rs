//! [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html) and
//! [ListObjects](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html): keys in UTF-8 byte order, a page at a time.

use engine::{Entry, ListPage, ListQuery};

use super::paging::{self, Paging};
use crate::access::authorize::Authorized;
use crate::access::context::RequestContext;
use crate::protocol::checksum;
use crate::protocol::error::{S3Result, invalid_argument};
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::s3::receive::blocking;
use crate::state::State;

/// Answers version 1.
pub async fn version_1(state: &State, list: Authorized<op::ListObjects>) -> S3Result<Response> {
    let query = &list.request.query;
    let paging = Paging::of(query, "max-keys")?;
    let marker = query.value("marker").unwrap_or_default();
    let page = page(state, &list, &paging, Some(marker)).await?;
    let mut xml = Xml::root("ListBucketResult");
    xml.text("Name", &list.bucket()?.name);
    // Unlike the other names the prefix of version 1 isn't encoded, and clients don't decode it.
    xml.text("Prefix", paging.prefix);
    xml.text("Marker", &paging.name(marker));
    if page.truncated
        && paging.delimiter.is_some()
        && let Some(next) = &page.next
    {
        xml.text("NextMarker", &paging.name(next));
    }
    finish(state, &list, xml, &paging, &page, true)
}

/// Answers version 2.
pub async fn version_2(state: &State, list: Authorized<op::ListObjectsV2>) -> S3Result<Response> {
    let query = &list.request.query;
    if let Some(other) = query.value("list-type").filter(|t| *t != "2") {
        return Err(invalid_argument("Invalid List Type specified in Request", "list-type", other));
    }
    let paging = Paging::of(query, "max-keys")?;
    let start_after = query.value("start-after").unwrap_or_default();
    let token = query.value("continuation-token");
    let after = match token.filter(|token| !token.is_empty()) {
        Some(token) => paging::read_token(token)?,
        None => start_after.to_owned(),
    };
    let page = page(state, &list, &paging, Some(&after)).await?;
    let mut xml = Xml::root("ListBucketResult");
    xml.text("Name", &list.bucket()?.name);
    xml.text("Prefix", &paging.name(paging.prefix));
    if let Some(token) = token {
        xml.text("ContinuationToken", token);
    }
    if query.has("start-after") {
        xml.text("StartAfter", &paging.name(start_after));
    }
    xml.value("KeyCount", page.entries.len() + page.common_prefixes.len());
    if page.truncated
        && let Some(next) = &page.next
    {
        xml.text("NextContinuationToken", &paging::write_token(next));
    }
    let with_owner = query.value("fetch-owner") == Some("true");
    finish(state, &list, xml, &paging, &page, with_owner)
}

async fn page(state: &State, context: &RequestContext, paging: &Paging<'_>, after: Option<&str>) -> S3Result<ListPage> {
    let query = ListQuery {
        bucket: context.bucket()?.id,
        prefix: paging.prefix.to_owned(),
        delimiter: paging.delimiter.map(ToOwned::to_owned),
        start_after: after.filter(|a| !a.is_empty()).map(ToOwned::to_owned),
        max_keys: paging.max,
    };
    let store = state.store.clone();
    Ok(blocking(move || store.list(&query)).await??)
}

/// What both versions end with: limits, entries and common prefixes.
fn finish(
    state: &State,
    context: &RequestContext,
    mut xml: Xml,
    paging: &Paging<'_>,
    page: &ListPage,
    with_owner: bool,
) -> S3Result<Response> {
    paging.write(&mut xml, "MaxKeys", page.truncated);
    let owner = with_owner.then(|| context.bucket().map(|bucket| state.owner(&bucket.owner))).transpose()?;
    for entry in &page.entries {
        xml.open("Contents");
        contents(&mut xml, paging, entry);
        if let Some((id, name)) = &owner {
            xml.owner("Owner", id, name);
        }
        xml.close("Contents");
    }
    paging.write_common_prefixes(&mut xml, &page.common_prefixes);
    xml.close("ListBucketResult");
    Ok(respond::xml(xml.finish()))
}

/// What every listing says of an object.
pub fn contents(xml: &mut Xml, paging: &Paging<'_>, entry: &Entry) {
    xml.text("Key", &paging.name(&entry.key));
    xml.text("LastModified", &respond::iso_8601_of(entry.modified_ms));
    xml.text("ETag", &respond::quoted(&entry.etag));
    if let Some((algorithm, kind)) = entry.checksum {
        xml.value("ChecksumAlgorithm", checksum::name(algorithm));
        xml.value("ChecksumType", checksum::kind_name(kind));
    }
    xml.value("Size", entry.size);
    xml.value("StorageClass", entry.storage_class.as_str());
}
