//! [CreateMultipartUpload](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html): what is said of the object now is what it gets when it is complete.

use bytes::Bytes;
use engine::NewUpload;

use super::part_checksum;
use crate::access::authorize::Authorized;
use crate::protocol::checksum;
use crate::protocol::error::S3Result;
use crate::protocol::operation::op;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::s3::object::attributes;
use crate::state::State;

/// Begins an upload.
pub async fn run(state: &State, create: Authorized<op::CreateMultipartUpload>) -> S3Result<Response> {
    let request = &create.request;
    let checksum = part_checksum::announced(&request.headers)?;
    let (bucket, key) = (create.bucket()?, create.key()?);
    let initiator = create.caller.name().to_owned();
    let id = state
        .store
        .create_upload(NewUpload {
            bucket: bucket.id,
            key: key.clone(),
            attributes: attributes::of_request(request)?,
            checksum,
            opaque: Bytes::from(initiator),
        })
        .await?;
    let mut xml = Xml::root("InitiateMultipartUploadResult");
    xml.text("Bucket", &bucket.name);
    xml.text("Key", key);
    xml.value("UploadId", id);
    xml.close("InitiateMultipartUploadResult");
    let mut response = respond::xml(xml.finish());
    if let Some((algorithm, kind)) = checksum {
        let headers = response.headers_mut();
        respond::set_static(headers, "x-amz-checksum-algorithm", checksum::name(algorithm));
        respond::set_static(headers, "x-amz-checksum-type", checksum::kind_name(kind));
    }
    Ok(response)
}
