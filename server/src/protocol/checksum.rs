//! Checksums of bodies: the ones that clients send or ask for, computed while the bytes pass.
//!
//! Source: [Checking object integrity](https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use engine::{Checksum, ChecksumAlgorithm, ChecksumKind};
use http::HeaderMap;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::error::{Code, S3Result, invalid_argument};

/// Every algorithm with its name in `x-amz-checksum-algorithm` and its header.
pub const ALGORITHMS: [(ChecksumAlgorithm, &str, &str); 5] = [
    (ChecksumAlgorithm::Crc32, "CRC32", "x-amz-checksum-crc32"),
    (ChecksumAlgorithm::Crc32c, "CRC32C", "x-amz-checksum-crc32c"),
    (ChecksumAlgorithm::Crc64Nvme, "CRC64NVME", "x-amz-checksum-crc64nvme"),
    (ChecksumAlgorithm::Sha1, "SHA1", "x-amz-checksum-sha1"),
    (ChecksumAlgorithm::Sha256, "SHA256", "x-amz-checksum-sha256"),
];

/// The algorithm's name in S3's headers and XML.
pub fn name(algorithm: ChecksumAlgorithm) -> &'static str {
    ALGORITHMS.iter().find(|(a, ..)| *a == algorithm).map(|(_, name, _)| *name).expect("the table has them all")
}

/// The algorithm's header, lower case.
pub fn header(algorithm: ChecksumAlgorithm) -> &'static str {
    ALGORITHMS.iter().find(|(a, ..)| *a == algorithm).map(|(.., header)| *header).expect("the table has them all")
}

/// The element of the algorithm's value in S3's XML, such as `ChecksumCRC32`.
pub fn element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

/// The kind's name in `x-amz-checksum-type`.
pub fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// The algorithm of a name, in any case.
pub fn algorithm_named(text: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text)).map(|(a, ..)| *a)
}

/// Length of an algorithm's value in bytes.
pub fn value_bytes(algorithm: ChecksumAlgorithm) -> usize {
    match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64Nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    }
}

/// A value in base64, as headers and XML have it. A composite one carries its number of parts.
pub fn encode(checksum: &Checksum, parts: usize) -> String {
    let value = BASE64.encode(&checksum.value);
    if checksum.kind == ChecksumKind::Composite { format!("{value}-{parts}") } else { value }
}

/// Reads a value in base64; one of another length is refused as AWS does.
pub fn decode(algorithm: ChecksumAlgorithm, text: &str) -> S3Result<Bytes> {
    let value = BASE64.decode(text).ok().filter(|value| value.len() == value_bytes(algorithm));
    value
        .map(Bytes::from)
        .ok_or_else(|| Code::InvalidRequest.with(format!("Value for {} header is invalid.", header(algorithm))))
}

/// What a client says of the checksum of the body that it sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Algorithm and value, or the value is to come in the trailer.
    pub checksum: Option<(ChecksumAlgorithm, Option<Bytes>)>,
}

/// Reads `x-amz-checksum-*`, `x-amz-trailer` and `x-amz-sdk-checksum-algorithm`: at most one algorithm may be named.
pub fn announced(headers: &HeaderMap) -> S3Result<Announced> {
    let mut found: Option<(ChecksumAlgorithm, Option<Bytes>)> = None;
    let mut note = |algorithm, value| -> S3Result<()> {
        if found.is_some() {
            return Err(Code::InvalidRequest
                .with("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."));
        }
        found = Some((algorithm, value));
        Ok(())
    };
    for (algorithm, _, header) in ALGORITHMS {
        if let Some(value) = headers.get(header) {
            let text = value.to_str().map_err(|_| Code::InvalidRequest.error())?;
            note(algorithm, Some(decode(algorithm, text)?))?;
        }
    }
    let unknown = |name: &&http::HeaderName| {
        let name = name.as_str();
        let is_value = name.starts_with("x-amz-checksum-")
            && !matches!(name, "x-amz-checksum-algorithm" | "x-amz-checksum-type" | "x-amz-checksum-mode");
        is_value && ALGORITHMS.iter().all(|(.., header)| *header != name)
    };
    if let Some(name) = headers.keys().find(unknown) {
        return Err(Code::NotImplemented
            .with(format!("The checksum of {name} is not implemented: use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256."))
            .field("Header", name.as_str()));
    }
    if let Some(trailer) = headers.get("x-amz-trailer").and_then(|v| v.to_str().ok()) {
        for named in trailer.split(',').map(|t| t.trim().to_ascii_lowercase()) {
            match ALGORITHMS.iter().find(|(.., header)| *header == named) {
                Some((algorithm, ..)) => note(*algorithm, None)?,
                None if named.is_empty() => {}
                None => {
                    return Err(
                        Code::InvalidRequest.with("The value specified in the x-amz-trailer header is not supported")
                    );
                }
            }
        }
    }
    if let Some(named) = headers.get("x-amz-sdk-checksum-algorithm").and_then(|v| v.to_str().ok()) {
        let algorithm = algorithm_named(named).ok_or_else(|| {
            invalid_argument("Checksum algorithm provided is unsupported.", "x-amz-sdk-checksum-algorithm", named)
        })?;
        match &found {
            Some((other, _)) if *other != algorithm => {
                return Err(Code::InvalidRequest.with("Value for x-amz-sdk-checksum-algorithm header is invalid."));
            }
            Some(_) => {}
            // botocore names the algorithm that it used; computed here when the value itself didn't come along.
            None => found = Some((algorithm, None)),
        }
    }
    Ok(Announced { checksum: found })
}

/// A checksum being computed.
enum Running {
    Crc(ChecksumAlgorithm, CrcDigest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Running {
    fn new(algorithm: ChecksumAlgorithm) -> Running {
        match algorithm {
            ChecksumAlgorithm::Crc32 => Running::Crc(algorithm, CrcDigest::new(CrcAlgorithm::Crc32IsoHdlc)),
            ChecksumAlgorithm::Crc32c => Running::Crc(algorithm, CrcDigest::new(CrcAlgorithm::Crc32Iscsi)),
            ChecksumAlgorithm::Crc64Nvme => Running::Crc(algorithm, CrcDigest::new(CrcAlgorithm::Crc64Nvme)),
            ChecksumAlgorithm::Sha1 => Running::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => Running::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Running::Crc(_, digest) => digest.update(bytes),
            Running::Sha1(digest) => digest.update(bytes),
            Running::Sha256(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Bytes {
        match self {
            Running::Crc(algorithm, digest) => {
                let value = digest.finalize().to_be_bytes();
                Bytes::copy_from_slice(&value[value.len() - value_bytes(algorithm)..])
            }
            Running::Sha1(digest) => Bytes::copy_from_slice(digest.finalize().as_slice()),
            Running::Sha256(digest) => Bytes::copy_from_slice(digest.finalize().as_slice()),
        }
    }
}

/// The checksum of bytes that are at hand.
pub fn of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Bytes {
    let mut running = Running::new(algorithm);
    running.update(bytes);
    running.finish()
}

/// Every digest that one body needs, fed as its bytes pass.
pub struct Digests {
    md5: Md5,
    sha256: Option<Sha256>,
    checksum: Option<(ChecksumAlgorithm, Running)>,
    length: u64,
}

/// What [`Digests`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
    /// MD5: the ETag.
    pub md5: [u8; 16],
    /// SHA-256, where it was asked for.
    pub sha256: Option<[u8; 32]>,
    /// The checksum that was asked for.
    pub checksum: Option<(ChecksumAlgorithm, Bytes)>,
    /// Bytes in all.
    pub length: u64,
}

impl Digests {
    /// MD5 always; SHA-256 for a signed payload; a checksum where one is named.
    pub fn new(sha256: bool, checksum: Option<ChecksumAlgorithm>) -> Digests {
        Digests {
            md5: Md5::new(),
            sha256: sha256.then(Sha256::new),
            checksum: checksum.map(|algorithm| (algorithm, Running::new(algorithm))),
            length: 0,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some((_, running)) = &mut self.checksum {
            running.update(bytes);
        }
        self.length += bytes.len() as u64;
    }

    /// The results.
    pub fn finish(self) -> Digested {
        Digested {
            md5: self.md5.finalize().into(),
            sha256: self.sha256.map(|digest| digest.finalize().into()),
            checksum: self.checksum.map(|(algorithm, running)| (algorithm, running.finish())),
            length: self.length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_published_test_vectors() {
        // "123456789" is the check value of the CRC catalogue; the hashes are FIPS 180's.
        for (algorithm, hex) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let value: String = of(algorithm, b"123456789").iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(value, hex, "{algorithm:?}");
        }
    }

    #[test]
    fn pieces_digest_like_the_whole() {
        let mut digests = Digests::new(true, Some(ChecksumAlgorithm::Crc32));
        digests.update(b"1234");
        digests.update(b"56789");
        let digested = digests.finish();
        assert_eq!(digested.checksum, Some((ChecksumAlgorithm::Crc32, of(ChecksumAlgorithm::Crc32, b"123456789"))));
        assert_eq!(digested.length, 9);
        assert_eq!(digested.sha256.unwrap().as_slice(), &of(ChecksumAlgorithm::Sha256, b"123456789")[..]);
    }

    #[test]
    fn two_algorithms_or_a_broken_value_are_refused() {
        let with = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            announced(&headers)
        };
        assert_eq!(with(&[]).unwrap().checksum, None);
        assert!(with(&[("x-amz-checksum-crc32", "y/Q5Jg==")]).unwrap().checksum.is_some());
        assert!(with(&[("x-amz-trailer", "x-amz-checksum-crc64nvme")]).unwrap().checksum.is_some());
        assert!(with(&[("x-amz-checksum-crc32", "y/Q5Jg")]).is_err());
        assert!(with(&[("x-amz-checksum-sha512", "AAAA")]).is_err());
        assert!(
            with(&[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=")])
                .is_err()
        );
        assert!(with(&[("x-amz-trailer", "x-amz-meta-x")]).is_err());
        assert!(with(&[("x-amz-sdk-checksum-algorithm", "MD9")]).is_err());
    }
}
