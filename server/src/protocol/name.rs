//! The names that requests carry, parsed once into the engine's [`BucketName`] and [`ObjectKey`], which are valid when they exist.
//!
//! A key is opaque text, never a path: what was authorized is byte for byte what is stored and served.

use engine::{BucketName, KEY_BYTES_MAX, NameError, ObjectKey};

use super::error::{Code, S3Error, S3Result};

/// Checks a bucket's name; `InvalidBucketName` names the one that was refused.
pub fn bucket_name(name: &str) -> S3Result<BucketName> {
    BucketName::parse(name).map_err(|_| Code::InvalidBucketName.error().field("BucketName", name))
}

/// Checks a decoded key: an empty one is refused with `InvalidArgument`, a longer one with `KeyTooLongError`.
pub fn object_key(key: &str) -> S3Result<ObjectKey> {
    if key.contains('\0') {
        return Err(Code::InvalidArgument.with("A key can't contain the character U+0000."));
    }
    ObjectKey::parse(key).map_err(|error| match error {
        NameError::KeyTooLong => Code::KeyTooLongError
            .error()
            .field("Size", key.len().to_string())
            .field("MaxSizeAllowed", KEY_BYTES_MAX.to_string()),
        _ => Code::InvalidArgument.with("A key has at least one character."),
    })
}

/// What `x-amz-copy-source` names: parsed once, so that the source that is authorized is the source that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// Bucket of the source.
    pub bucket: BucketName,
    /// Key of the source.
    pub key: ObjectKey,
    /// `?versionId=` of the source.
    pub version_id: Option<String>,
}

impl CopySource {
    /// Reads `[/]BUCKET/KEY[?versionId=ID]`, percent-encoded ([CopyObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html)).
    pub fn parse(header: &str) -> S3Result<CopySource> {
        let bad = || -> S3Error {
            super::error::invalid_argument(
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                "x-amz-copy-source",
                header,
            )
        };
        let (path, query) = match header.split_once('?') {
            Some((path, query)) if query.starts_with("versionId=") => (path, Some(&query["versionId=".len()..])),
            _ => (header, None),
        };
        let path = decode_path(path).ok_or_else(bad)?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(bad)?;
        let version_id = match query {
            None => None,
            Some(id) => Some(decode_path(id).filter(|id| !id.is_empty() && id.len() <= 1024).ok_or_else(bad)?),
        };
        Ok(CopySource {
            bucket: BucketName::parse(bucket).map_err(|_| bad())?,
            key: object_key(key).map_err(|_| bad())?,
            version_id,
        })
    }
}

/// Percent-decodes a path or a part of one; `None` when it isn't UTF-8 or an escape is broken.
pub fn decode_path(raw: &str) -> Option<String> {
    decode(raw, false)
}

/// Percent-decodes a query's name or value, where `+` is a space; `None` when it isn't UTF-8 or an escape is broken.
pub fn decode_query(raw: &str) -> Option<String> {
    decode(raw, true)
}

fn decode(raw: &str, plus_is_space: bool) -> Option<String> {
    if !raw.bytes().any(|b| b == b'%' || (b == b'+' && plus_is_space)) {
        return Some(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let (high, low) = (hex_digit(*rest.first()?)?, hex_digit(*rest.get(1)?)?);
                bytes.push(high << 4 | low);
                rest = &rest[2..];
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Encodes a name for `encoding-type=url` as S3 does: everything but unreserved characters and `/`.
pub fn encode_url(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 16);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/' | b'*') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn e2_copy_sources_never_leave_the_bucket_they_name() {
        let parse = |s: &str| CopySource::parse(s).ok();
        let source = parse("/a-bucket/dir/k%20ey%3FversionId=x?versionId=v1").unwrap();
        assert_eq!(source.bucket.as_ref(), "a-bucket");
        assert_eq!(source.key.as_ref(), "dir/k ey?versionId=x");
        assert_eq!(source.version_id.as_deref(), Some("v1"));
        // Dot segments are text of the key, whether encoded or not: they name no other bucket.
        assert_eq!(parse("abc/../victim/k").unwrap().key.as_ref(), "../victim/k");
        assert_eq!(parse("abc/%2e%2e/victim/k").unwrap().bucket.as_ref(), "abc");
        for bad in ["", "abc", "abc/", "/", "//k", "../victim/k", "abc/%ff", "abc/%2", "abc/k?versionId="] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn url_encoding_round_trips(name in "\\PC{0,40}") {
            prop_assert_eq!(decode_path(&encode_url(&name)), Some(name));
        }
        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC{0,60}") {
            let _ = (CopySource::parse(&text), decode_query(&text), bucket_name(&text), object_key(&text));
        }
    }
}
