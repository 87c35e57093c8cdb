//! [ListParts](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html).

use crate::access::authorize::Authorized;
use crate::protocol::checksum;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::s3::receive::blocking;
use crate::state::State;

const PARTS_MAX: u64 = 1000;

/// Lists the parts of an upload.
pub async fn run(state: &State, list: Authorized<op::ListParts>) -> S3Result<Response> {
    let request = &list.request;
    let id = super::upload_id(request)?;
    let max = request.query.number("max-parts", i32::MAX as u64)?.unwrap_or(PARTS_MAX).min(PARTS_MAX);
    let marker = request.query.number("part-number-marker", i32::MAX as u64)?.unwrap_or(0);
    let after = u16::try_from(marker).unwrap_or(u16::MAX);
    let (bucket, key) = (list.bucket()?, list.key()?.clone());
    let upload = state.store.upload(bucket.id, &key, id)?;
    let (store, bucket_id) = (state.store.clone(), bucket.id);
    let limit = usize::try_from(max).unwrap_or(0);
    let page = blocking(move || store.list_parts(bucket_id, &key, id, after, limit)).await??;
    let mut xml = Xml::root("ListPartsResult");
    xml.text("Bucket", &bucket.name);
    xml.text("Key", &upload.key);
    xml.value("UploadId", id);
    let (owner_id, owner_name) = state.owner(&bucket.owner);
    let (initiator_id, initiator_name) = state.initiator(&upload.opaque, &bucket.owner);
    xml.owner("Initiator", &initiator_id, &initiator_name);
    xml.owner("Owner", &owner_id, &owner_name);
    xml.value("StorageClass", upload.attributes.storage_class.as_str());
    xml.value("PartNumberMarker", marker);
    xml.value("NextPartNumberMarker", page.parts.last().map_or(marker, |part| u64::from(part.number)));
    xml.value("MaxParts", max);
    xml.value("IsTruncated", page.truncated);
    if let Some((algorithm, kind)) = upload.checksum {
        xml.value("ChecksumAlgorithm", checksum::name(algorithm));
        xml.value("ChecksumType", checksum::kind_name(kind));
    }
    for part in &page.parts {
        xml.open("Part");
        xml.value("PartNumber", part.number);
        xml.text("LastModified", &respond::iso_8601_of(part.modified_ms));
        xml.text("ETag", &respond::quoted(&part.etag));
        xml.value("Size", part.size);
        if let Some(sum) = part.checksum.as_ref().filter(|_| upload.checksum.is_some()) {
            xml.value(checksum::element(sum.algorithm), checksum::encode(sum, 0));
        }
        xml.close("Part");
    }
    xml.close("ListPartsResult");
    Ok(respond::xml(xml.finish()))
}
