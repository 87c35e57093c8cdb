//! `Range` of a GET or HEAD, judged by [RFC 9110 14](https://www.rfc-editor.org/rfc/rfc9110#section-14) as S3 does: one range of bytes; several, or garbage, are ignored.

use super::error::{Code, S3Result};

/// A satisfied range: the first byte and the length, both within the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub offset: u64,
    /// Number of bytes, at least 1.
    pub length: u64,
}

impl ByteRange {
    /// `Content-Range` for an object of `size` bytes.
    pub fn content_range(&self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.offset, self.offset + self.length - 1)
    }
}

/// Reads a `Range` header for an object of `size` bytes: `None` serves the whole object, an unsatisfiable range is `InvalidRange`.
pub fn parse(header: &str, size: u64) -> S3Result<Option<ByteRange>> {
    let Some(spec) = header.trim().strip_prefix("bytes=") else { return Ok(None) };
    let Some((first, last)) = spec.split_once('-') else { return Ok(None) };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // A number beyond u64 lies beyond every object.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let (first, last) = (first.trim(), last.trim());
    let unsatisfiable = || {
        Code::InvalidRange
            .error()
            .field("RangeRequested", header)
            .field("ActualObjectSize", size.to_string())
            .header("Content-Range", format!("bytes */{size}"))
    };
    if first.is_empty() && digits(last) {
        let length = number(last).min(size);
        return if length == 0 { Err(unsatisfiable()) } else { Ok(Some(ByteRange { offset: size - length, length })) };
    }
    if !digits(first) || !(last.is_empty() || digits(last)) {
        return Ok(None);
    }
    let offset = number(first);
    let end = if last.is_empty() { u64::MAX } else { number(last) };
    if end < offset {
        return Ok(None);
    }
    if offset >= size {
        return Err(unsatisfiable());
    }
    Ok(Some(ByteRange { offset, length: end.min(size - 1) - offset + 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn f9_ranges_are_satisfied_refused_or_ignored_as_s3_does() {
        let range = |header, size| parse(header, size).map(|r| r.map(|r| (r.offset, r.length))).map_err(|e| e.code);
        for (header, size, expected) in [
            ("bytes=0-4", 10, Ok(Some((0, 5)))),
            ("bytes=4-", 10, Ok(Some((4, 6)))),
            ("bytes=-3", 10, Ok(Some((7, 3)))),
            ("bytes=-30", 10, Ok(Some((0, 10)))),
            ("bytes=5-100", 10, Ok(Some((5, 5)))),
            ("bytes=9-99999999999999999999999", 10, Ok(Some((9, 1)))),
            ("bytes=10-", 10, Err(Code::InvalidRange)),
            ("bytes=40-50", 10, Err(Code::InvalidRange)),
            ("bytes=-0", 10, Err(Code::InvalidRange)),
            ("bytes=0-", 0, Err(Code::InvalidRange)),
            ("bytes=-1", 0, Err(Code::InvalidRange)),
            ("bytes=5-4", 10, Ok(None)),
            ("bytes=0-1,3-4", 10, Ok(None)),
            ("bytes=a-b", 10, Ok(None)),
            ("bytes=-", 10, Ok(None)),
            ("items=0-1", 10, Ok(None)),
            ("", 10, Ok(None)),
        ] {
            assert_eq!(range(header, size), expected, "{header} of {size}");
        }
        assert_eq!(parse("bytes=-3", 10).unwrap().unwrap().content_range(10), "bytes 7-9/10");
    }

    proptest! {
        #[test]
        fn a_range_never_leaves_the_object(header in "(bytes=)?[0-9,-]{0,8}", size in 0u64..20) {
            if let Ok(Some(range)) = parse(&header, size) {
                prop_assert!(range.length >= 1 && range.offset + range.length <= size);
            }
        }
    }
}
