//! Checksums of objects made of parts: the checksum of the parts' checksums, or the one of the whole object combined from them.
//!
//! Source: [checksum types](https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html).

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use engine::{Checksum, ChecksumAlgorithm, ChecksumKind, Part};
use http::HeaderMap;

use crate::protocol::checksum;
use crate::protocol::error::{Code, S3Result, invalid_argument};

/// What CreateMultipartUpload announces: `x-amz-checksum-algorithm` and `x-amz-checksum-type`.
pub fn announced(headers: &HeaderMap) -> S3Result<Option<(ChecksumAlgorithm, ChecksumKind)>> {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let kind = match header("x-amz-checksum-type") {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("COMPOSITE") => Some(ChecksumKind::Composite),
        Some(text) if text.eq_ignore_ascii_case("FULL_OBJECT") => Some(ChecksumKind::FullObject),
        Some(other) => {
            return Err(invalid_argument(
                "Value for x-amz-checksum-type header is invalid.",
                "x-amz-checksum-type",
                other,
            ));
        }
    };
    let Some(named) = header("x-amz-checksum-algorithm") else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(Code::InvalidRequest
                .with("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")),
        };
    };
    let algorithm = checksum::algorithm_named(named).ok_or_else(|| {
        Code::InvalidRequest.with("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    })?;
    let default = match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
        _ => ChecksumKind::Composite,
    };
    let kind = kind.unwrap_or(default);
    let fits = match kind {
        ChecksumKind::Composite => algorithm != ChecksumAlgorithm::Crc64Nvme,
        ChecksumKind::FullObject => crc_of(algorithm).is_some(),
    };
    if fits {
        return Ok(Some((algorithm, kind)));
    }
    Err(Code::InvalidRequest.with(format!(
        "The {} checksum type cannot be used with the {} checksum algorithm.",
        checksum::kind_name(kind),
        checksum::name(algorithm).to_ascii_lowercase()
    )))
}

/// The checksum of the object that parts make; `None` when a part has none of this algorithm.
pub fn of_parts(algorithm: ChecksumAlgorithm, kind: ChecksumKind, parts: &[&Part]) -> Option<Checksum> {
    let values: Option<Vec<&Checksum>> =
        parts.iter().map(|part| part.checksum.as_ref().filter(|sum| sum.algorithm == algorithm)).collect();
    let values = values?;
    let value = match kind {
        ChecksumKind::Composite => {
            let joined: Vec<u8> = values.iter().flat_map(|sum| sum.value.iter().copied()).collect();
            checksum::of(algorithm, &joined)
        }
        ChecksumKind::FullObject => {
            let crc = crc_of(algorithm)?;
            let mut sized = values.iter().zip(parts).map(|(sum, part)| (number(&sum.value), part.size));
            let (first, _) = sized.next()?;
            let combined = sized.fold(first, |all, (next, size)| crc_fast::checksum_combine(crc, all, next, size));
            let bytes = combined.to_be_bytes();
            Bytes::copy_from_slice(&bytes[bytes.len() - checksum::value_bytes(algorithm)..])
        }
    };
    Some(Checksum { algorithm, kind, value })
}

fn crc_of(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

fn number(value: &[u8]) -> u64 {
    value.iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16, bytes: &[u8], algorithm: ChecksumAlgorithm) -> Part {
        let value = checksum::of(algorithm, bytes);
        Part {
            number,
            size: bytes.len() as u64,
            etag: engine::ETag::of_body([0; 16]),
            modified_ms: 0,
            checksum: Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value }),
        }
    }

    #[test]
    fn a_full_object_checksum_is_that_of_the_bytes_in_one_piece() {
        for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
            let (a, b, c) = (part(1, b"12345", algorithm), part(2, b"", algorithm), part(3, b"6789", algorithm));
            let sum = of_parts(algorithm, ChecksumKind::FullObject, &[&a, &b, &c]).unwrap();
            assert_eq!(sum.value, checksum::of(algorithm, b"123456789"), "{algorithm:?}");
        }
    }

    #[test]
    fn a_composite_checksum_covers_the_parts_checksums() {
        let algorithm = ChecksumAlgorithm::Sha256;
        let (a, b) = (part(1, b"x", algorithm), part(2, b"y", algorithm));
        let joined = [checksum::of(algorithm, b"x"), checksum::of(algorithm, b"y")].concat();
        let sum = of_parts(algorithm, ChecksumKind::Composite, &[&a, &b]).unwrap();
        assert_eq!(sum.value, checksum::of(algorithm, &joined));
        assert_eq!(of_parts(ChecksumAlgorithm::Crc32, ChecksumKind::Composite, &[&a, &b]), None);
    }

    #[test]
    fn algorithms_and_types_that_do_not_go_together_are_refused() {
        let of = |algorithm: &str, kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-checksum-algorithm", algorithm.parse().unwrap());
            headers.insert("x-amz-checksum-type", kind.parse().unwrap());
            announced(&headers)
        };
        assert!(of("CRC32", "FULL_OBJECT").is_ok() && of("SHA256", "COMPOSITE").is_ok());
        assert!(of("SHA256", "FULL_OBJECT").is_err() && of("CRC64NVME", "COMPOSITE").is_err());
        assert!(of("MD5", "COMPOSITE").is_err() && of("CRC32", "HALF").is_err());
    }
}
