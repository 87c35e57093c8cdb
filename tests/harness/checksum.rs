//! Checksums and hashes in the encodings that S3's headers carry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::Digest as _;

/// Base64 with padding, as in every S3 header.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every write");
        text
    })
}

/// MD5, for ETags.
pub fn md5(body: &[u8]) -> [u8; 16] {
    md5::Md5::digest(body).into()
}

/// Value of `Content-MD5`.
pub fn content_md5(body: &[u8]) -> String {
    base64(&md5(body))
}

/// The ETag of an object stored in one piece, with its quotes.
pub fn etag(body: &[u8]) -> String {
    format!("\"{}\"", hex(&md5(body)))
}

/// SHA-256 in hexadecimal: value of `x-amz-content-sha256`.
pub fn sha256_hex(body: &[u8]) -> String {
    hex(&sha2::Sha256::digest(body))
}

/// Value of `x-amz-checksum-ALGORITHM`, the algorithm in lower case as in the header's name.
pub fn amz(algorithm: &str, body: &[u8]) -> String {
    let crc = |algorithm, bytes: usize| {
        let value = crc_fast::checksum(algorithm, body).to_be_bytes();
        base64(&value[8 - bytes..])
    };
    match algorithm {
        "crc32" => crc(CrcAlgorithm::Crc32IsoHdlc, 4),
        "crc32c" => crc(CrcAlgorithm::Crc32Iscsi, 4),
        "crc64nvme" => crc(CrcAlgorithm::Crc64Nvme, 8),
        "sha1" => base64(&sha1::Sha1::digest(body)),
        "sha256" => base64(&sha2::Sha256::digest(body)),
        other => panic!("no such checksum algorithm: {other}"),
    }
}

/// Every algorithm that [`amz`] knows.
pub const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue_hold() {
        let check = b"123456789";
        assert_eq!(amz("crc32", check), base64(&0xcbf4_3926_u32.to_be_bytes()));
        assert_eq!(amz("crc32c", check), base64(&0xe306_9283_u32.to_be_bytes()));
        assert_eq!(amz("crc64nvme", check), base64(&0xae8b_1486_0a79_9888_u64.to_be_bytes()));
        assert_eq!(etag(b""), "\"d41d8cd98f00b204e9800998ecf8427e\"");
    }
}
