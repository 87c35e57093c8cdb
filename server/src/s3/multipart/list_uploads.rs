//! [ListMultipartUploads](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html).

use engine::ListUploadsQuery;

use crate::access::authorize::Authorized;
use crate::protocol::checksum;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::s3::bucket::paging::Paging;
use crate::s3::receive::blocking;
use crate::state::State;

/// Lists uploads in progress.
pub async fn run(state: &State, list: Authorized<op::ListMultipartUploads>) -> S3Result<Response> {
    let query = &list.request.query;
    let paging = Paging::of(query, "max-uploads")?;
    let bucket = list.bucket()?;
    let key_marker = query.value("key-marker").filter(|marker| !marker.is_empty());
    let upload_marker = query.value("upload-id-marker").filter(|marker| !marker.is_empty());
    let uploads = ListUploadsQuery {
        bucket: bucket.id,
        prefix: paging.prefix.to_owned(),
        delimiter: paging.delimiter.map(ToOwned::to_owned),
        key_marker: key_marker.map(ToOwned::to_owned),
        // Without a key marker AWS ignores it; one that isn't of this node is before all of ours.
        upload_id_marker: upload_marker.filter(|_| key_marker.is_some()).and_then(|marker| marker.parse().ok()),
        max_uploads: paging.max,
    };
    let store = state.store.clone();
    let page = blocking(move || store.list_uploads(&uploads)).await??;
    let mut xml = Xml::root("ListMultipartUploadsResult");
    xml.text("Bucket", &bucket.name);
    xml.text("KeyMarker", &paging.name(key_marker.unwrap_or_default()));
    xml.text("UploadIdMarker", upload_marker.unwrap_or_default());
    if let Some((key, upload)) = page.next.as_ref().filter(|_| page.truncated) {
        xml.text("NextKeyMarker", &paging.name(key));
        if let Some(upload) = upload {
            xml.value("NextUploadIdMarker", upload);
        }
    }
    xml.text("Prefix", &paging.name(paging.prefix));
    paging.write(&mut xml, "MaxUploads", page.truncated);
    let (owner_id, owner_name) = state.owner(&bucket.owner);
    for upload in &page.entries {
        let (initiator_id, initiator_name) = state.initiator(&upload.opaque, &bucket.owner);
        xml.open("Upload");
        xml.text("Key", &paging.name(&upload.key));
        xml.value("UploadId", upload.id);
        xml.owner("Initiator", &initiator_id, &initiator_name);
        xml.owner("Owner", &owner_id, &owner_name);
        xml.value("StorageClass", upload.storage_class.as_str());
        xml.text("Initiated", &respond::iso_8601_of(upload.initiated_ms));
        if let Some((algorithm, kind)) = upload.checksum {
            xml.value("ChecksumAlgorithm", checksum::name(algorithm));
            xml.value("ChecksumType", checksum::kind_name(kind));
        }
        xml.close("Upload");
    }
    paging.write_common_prefixes(&mut xml, &page.common_prefixes);
    xml.close("ListMultipartUploadsResult");
    Ok(respond::xml(xml.finish()))
}
