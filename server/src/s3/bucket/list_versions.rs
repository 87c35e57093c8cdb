//! [ListObjectVersions](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html): every version and delete marker; `null` for objects that never had versions.

use engine::ListVersionsQuery;

use super::list_objects;
use super::paging::Paging;
use crate::access::authorize::Authorized;
use crate::protocol::error::{Code, S3Result, invalid_argument};
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::s3::object::open;
use crate::s3::receive::blocking;
use crate::state::State;

/// Lists versions.
pub async fn run(state: &State, list: Authorized<op::ListObjectVersions>) -> S3Result<Response> {
    let query = &list.request.query;
    let paging = Paging::of(query, "max-keys")?;
    let key_marker = query.value("key-marker").filter(|m| !m.is_empty());
    let version_marker = query.value("version-id-marker").filter(|m| !m.is_empty());
    if version_marker.is_some() && key_marker.is_none() {
        return Err(invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
            "version-id-marker",
            version_marker.unwrap_or_default(),
        ));
    }
    let bucket = list.bucket()?;
    let versions = ListVersionsQuery {
        bucket: bucket.id,
        prefix: paging.prefix.to_owned(),
        delimiter: paging.delimiter.map(ToOwned::to_owned),
        key_marker: key_marker.map(ToOwned::to_owned),
        version_id_marker: open::version_id(version_marker).map_err(|_| {
            Code::InvalidArgument.with("Invalid version id specified").field("ArgumentName", "version-id-marker")
        })?,
        max_keys: paging.max,
    };
    let store = state.store.clone();
    let page = blocking(move || store.list_versions(&versions)).await??;
    let mut xml = Xml::root("ListVersionsResult");
    xml.text("Name", &bucket.name);
    xml.text("Prefix", &paging.name(paging.prefix));
    xml.text("KeyMarker", &paging.name(key_marker.unwrap_or_default()));
    xml.text("VersionIdMarker", version_marker.unwrap_or_default());
    if let Some((key, version)) = page.next.as_ref().filter(|_| page.truncated) {
        xml.text("NextKeyMarker", &paging.name(key));
        if let Some(version) = version {
            xml.value("NextVersionIdMarker", version);
        }
    }
    paging.write(&mut xml, "MaxKeys", page.truncated);
    let (id, name) = state.owner(&bucket.owner);
    for version in &page.entries {
        let element = if version.delete_marker { "DeleteMarker" } else { "Version" };
        xml.open(element);
        if version.delete_marker {
            xml.text("Key", &paging.name(&version.entry.key));
            xml.text("LastModified", &respond::iso_8601_of(version.entry.modified_ms));
        } else {
            list_objects::contents(&mut xml, &paging, &version.entry);
        }
        xml.value("VersionId", version.version_id);
        xml.value("IsLatest", version.is_latest);
        xml.owner("Owner", &id, &name);
        xml.close(element);
    }
    paging.write_common_prefixes(&mut xml, &page.common_prefixes);
    xml.close("ListVersionsResult");
    Ok(respond::xml(xml.finish()))
}
