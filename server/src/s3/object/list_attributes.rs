//! [GetObjectAttributes](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html): what is known of an object, as a document.

use engine::ObjectInfo;

use super::open;
use crate::access::authorize::Authorized;
use crate::protocol::checksum;
use crate::protocol::error::{S3Result, invalid_argument};
use crate::protocol::operation::op;
use crate::protocol::request::Request;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::state::State;

const NAMES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];
const PARTS_MAX: usize = 1000;

/// Describes an object in XML.
pub async fn run(state: &State, attributes: Authorized<op::GetObjectAttributes>) -> S3Result<Response> {
    let request = &attributes.request;
    let asked = asked(request)?;
    let object = open::open(state, &attributes).await?;
    let info = &object.info;
    let mut xml = Xml::root("GetObjectAttributesResponse");
    let wants = |name: &str| asked.iter().any(|a| a == name);
    if wants("ETag") {
        xml.value("ETag", info.etag);
    }
    if wants("Checksum") && !info.attributes.checksums.is_empty() {
        xml.open("Checksum");
        for sum in &info.attributes.checksums {
            xml.value(checksum::element(sum.algorithm), checksum::encode(sum, info.parts.len()));
            xml.value("ChecksumType", checksum::kind_name(sum.kind));
        }
        xml.close("Checksum");
    }
    if wants("ObjectParts") && !info.parts.is_empty() {
        parts(&mut xml, request, info)?;
    }
    if wants("StorageClass") {
        xml.value("StorageClass", info.attributes.storage_class.as_str());
    }
    if wants("ObjectSize") {
        xml.value("ObjectSize", info.size);
    }
    xml.close("GetObjectAttributesResponse");
    let mut response = respond::xml(xml.finish());
    let headers = response.headers_mut();
    respond::set_static(headers, "last-modified", &respond::http_date_of(info.modified_ms));
    respond::version_header(headers, info.version_id, attributes.bucket()?.versioning);
    Ok(response)
}

fn asked(request: &Request) -> S3Result<Vec<String>> {
    let header = "x-amz-object-attributes";
    let values = request.headers.get_all(header).iter().filter_map(|v| v.to_str().ok());
    let asked: Vec<String> =
        values.flat_map(|v| v.split(',')).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect();
    if asked.is_empty() {
        return Err(invalid_argument(
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
            header,
            "",
        ));
    }
    match asked.iter().find(|name| !NAMES.contains(&name.as_str())) {
        None => Ok(asked),
        Some(unknown) => Err(invalid_argument("Invalid attribute name specified.", header, unknown)),
    }
}

fn parts(xml: &mut Xml, request: &Request, info: &ObjectInfo) -> S3Result<()> {
    let number = |name: &str, default: usize| match request.header(name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| invalid_argument("The value is not a number.", name, text)),
    };
    let max = number("x-amz-max-parts", PARTS_MAX)?.min(PARTS_MAX);
    let marker = number("x-amz-part-number-marker", 0)?;
    let page: Vec<_> =
        info.parts.iter().enumerate().map(|(i, part)| (i + 1, part)).filter(|(n, _)| *n > marker).collect();
    let shown = &page[..page.len().min(max)];
    xml.open("ObjectParts");
    xml.value("PartsCount", info.parts.len());
    xml.value("PartNumberMarker", marker);
    xml.value("NextPartNumberMarker", shown.last().map_or(marker, |(n, _)| *n));
    xml.value("MaxParts", max);
    xml.value("IsTruncated", shown.len() < page.len());
    // AWS lists single parts only where they have checksums.
    for (position, part) in shown.iter().filter(|(_, part)| part.checksum.is_some()) {
        xml.open("Part");
        if let Some(sum) = &part.checksum {
            xml.value(checksum::element(sum.algorithm), checksum::encode(sum, 0));
        }
        xml.value("PartNumber", position);
        xml.value("Size", part.size);
        xml.close("Part");
    }
    xml.close("ObjectParts");
    Ok(())
}
