//! Multipart uploads ([overview](https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html)), one verb a file.

pub mod abort;
pub mod complete;
pub mod create;
pub mod list_parts;
pub mod list_uploads;
pub mod part_checksum;
pub mod upload_part;
pub mod upload_part_copy;

use engine::UploadId;

use crate::protocol::error::{Code, S3Result, invalid_argument};
use crate::protocol::request::Request;

/// The upload that a request names; an id that can't be of this node names no upload.
pub fn upload_id(request: &Request) -> S3Result<UploadId> {
    let text = request.query.value("uploadId").unwrap_or_default();
    text.parse().map_err(|_| Code::NoSuchUpload.error().field("UploadId", text))
}

/// The part number that a request names.
pub fn part_number(request: &Request) -> S3Result<u16> {
    let text = request.query.value("partNumber").unwrap_or_default();
    text.parse::<u16>().ok().filter(|number| (1..=engine::PART_NUMBER_MAX).contains(number)).ok_or_else(|| {
        invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", text)
    })
}
