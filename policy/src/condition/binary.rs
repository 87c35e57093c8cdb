//! Binary values, written as base64 on both sides.

/// Decoded bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes(Box<[u8]>);

impl Bytes {
    /// Decodes padded base64 of the standard alphabet (RFC 4648, section 4).
    pub(crate) fn parse(text: &str) -> Option<Bytes> {
        if !text.len().is_multiple_of(4) {
            return None;
        }
        let body = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
        let mut bits = 0_u32;
        let mut count = 0;
        for byte in body.bytes() {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = (bits << 6) | u32::from(six);
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
            }
        }
        Some(Bytes(bytes.into_boxed_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_compared_by_its_bytes() {
        assert_eq!(Bytes::parse("QmluYXJ5"), Some(Bytes(b"Binary".as_slice().into())));
        assert_eq!(Bytes::parse("QQ=="), Some(Bytes(b"A".as_slice().into())));
        assert_eq!(Bytes::parse(""), Some(Bytes(b"".as_slice().into())));
        for text in ["QQ", "Q===", "Q Q=", "QQ=Q", "QmluYXJ5-_", "é==="] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }
}
