//! [UploadPartCopy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html): a part whose bytes come from an object of this node.

use engine::{BulkBody, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Object, PutPart, Store, Wait};

use crate::access::authorize::Authorized;
use crate::protocol::checksum::{Digested, Digests};
use crate::protocol::conditional;
use crate::protocol::error::{Code, S3Result, invalid_argument};
use crate::protocol::operation::op;
use crate::protocol::range::ByteRange;
use crate::protocol::respond::{self, Response};
use crate::protocol::xml_write::Xml;
use crate::s3::object::copy::open_source;
use crate::s3::object::get::read_exactly;
use crate::s3::receive::{self, PUT_BYTES_MAX, blocking};
use crate::state::State;

/// Bytes that are copied at a time.
const PIECE_BYTES: u64 = 4 << 20;

/// Copies a range of an object into a part.
pub async fn run(state: &State, copy: Authorized<op::UploadPartCopy>) -> S3Result<Response> {
    let request = &copy.request;
    let (id, number) = (super::upload_id(request)?, super::part_number(request)?);
    let (bucket, key) = (copy.bucket()?.id, copy.key()?);
    let upload = state.store.upload(bucket, key, id)?;
    let source = open_source(state, &copy).await?;
    conditional::judge_read(request, &source.info, "x-amz-copy-source-")?;
    let range = match request.header("x-amz-copy-source-range") {
        None => ByteRange { offset: 0, length: source.info.size },
        Some(header) => source_range(header, source.info.size)?,
    };
    if range.length > PUT_BYTES_MAX {
        return Err(Code::EntityTooLarge.error().field("MaxSizeAllowed", PUT_BYTES_MAX.to_string()));
    }
    state.quotas.require(&state.store, bucket, range.length)?;
    let algorithm = upload.checksum.map_or(ChecksumAlgorithm::Crc64Nvme, |(algorithm, _)| algorithm);
    let _turn = receive::turn(state).await?;
    let (body, digested) = copy_range(&state.store, source, range, algorithm).await?;
    let checksum =
        digested.checksum.map(|(algorithm, value)| Checksum { algorithm, kind: ChecksumKind::FullObject, value });
    let etag = ETag::of_body(digested.md5);
    let part = PutPart { bucket, key: key.clone(), upload: id, number, body, etag, checksum };
    let stored = state.store.put_part(part).await?;
    let mut xml = Xml::root("CopyPartResult");
    xml.text("LastModified", &respond::iso_8601_of(stored.modified_ms));
    xml.text("ETag", &respond::quoted(&stored.etag));
    xml.close("CopyPartResult");
    Ok(respond::xml(xml.finish()))
}

/// `bytes=FIRST-LAST`, both given and within the source: nothing else is accepted here.
fn source_range(header: &str, size: u64) -> S3Result<ByteRange> {
    let bad = |message: &str| invalid_argument(message, "x-amz-copy-source-range", header);
    let spec = header.strip_prefix("bytes=").and_then(|spec| spec.split_once('-'));
    let parsed = spec.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    let Some((first, last)) = parsed.filter(|(first, last)| first <= last) else {
        return Err(bad(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
        ));
    };
    if last >= size {
        return Err(Code::InvalidRange
            .with(format!("Range specified is not valid for source object of size: {size}"))
            .field("RangeRequested", header)
            .field("ActualObjectSize", size.to_string()));
    }
    Ok(ByteRange { offset: first, length: last - first + 1 })
}

/// Copies piece by piece, so that a client that goes away ends it, and no thread is held for all of it.
async fn copy_range(
    store: &Store,
    source: Object,
    range: ByteRange,
    algorithm: ChecksumAlgorithm,
) -> S3Result<(BulkBody, Digested)> {
    let opening = store.clone();
    let mut writer = blocking(move || opening.bulk_writer()).await??;
    let mut digests = Digests::new(false, Some(algorithm));
    let mut copied = 0;
    while copied < range.length {
        let length = (range.length - copied).min(PIECE_BYTES);
        let (source, offset) = (source.clone(), range.offset + copied);
        let piece = blocking(move || {
            let bytes = read_exactly(&source, offset, length, Wait::Allowed)?;
            digests.update(&bytes);
            writer.write(&bytes)?;
            Ok::<_, engine::Error>((writer, digests))
        });
        (writer, digests) = piece.await??;
        copied += length;
    }
    let body = blocking(move || writer.finish()).await??;
    Ok((body, digests.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_range_names_both_ends_within_the_source() {
        assert_eq!(source_range("bytes=0-4", 5).unwrap(), ByteRange { offset: 0, length: 5 });
        for bad in ["bytes=0-5", "bytes=-3", "bytes=3-", "bytes=4-3", "0-4", "bytes=0-1,2-3", "bytes=a-b"] {
            assert!(source_range(bad, 5).is_err(), "{bad}");
        }
    }
}
