//! The canonical forms of paths and queries that signatures are made over.
//!
//! Everything is computed from the raw bytes of the request line, because re-encoding a path that was decoded and
//! normalised elsewhere is where servers disagree with signers about keys such as `a//b`, `a/../b`, `a+b` and `a%2Fb`.

use std::borrow::Cow;

/// How strictly a signer's spelling is followed.
///
/// AWS's text says "decode, then encode once"; several signers (botocore with a ready URL) sign the spelling on the
/// wire instead. Both name the same resource: decoding either gives the same bytes, so taking either never changes what
/// was signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Decoded and encoded once, as AWS's documents define it.
    Normalised,
    /// As it stands on the request line.
    AsSent,
    /// Of a path: encoded twice, as Version 4 has it for services other than S3.
    Twice,
}

/// The decoded pairs of a query string, in the order sent.
///
/// `+` is a space here, as S3 reads queries; in paths it is a plus. Routing must use these pairs too: were a query read
/// in one way for the signature and in another for the operation, a signed request could be bent into a different one.
#[derive(Clone, Debug, Default)]
pub struct QueryPairs<'a>(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>);

impl<'a> QueryPairs<'a> {
    /// Takes a raw query string apart. Escapes that don't decode are kept as they are; bytes that are not UTF-8 become
    /// U+FFFD.
    pub fn parse(raw: &'a str) -> Self {
        Self(raw_pairs(raw).map(|(name, value)| (decode_text(name), value.map(decode_text))).collect())
    }

    /// All pairs; the value is `None` where there was no `=`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_deref()))
    }

    /// Whether a name occurs, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// The values of a name; a name without `=` has the empty value.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_deref().unwrap_or(""))
    }
}

/// Appends the canonical URI: the raw path with every byte but unreserved ones and `/` as upper-case `%XX`.
pub(super) fn push_path(raw: &str, spelling: Spelling, out: &mut Vec<u8>) {
    if raw.is_empty() {
        out.push(b'/');
        return;
    }
    match spelling {
        Spelling::AsSent => out.extend_from_slice(raw.as_bytes()),
        Spelling::Normalised => push_encoded(raw, Part::Path, out),
        Spelling::Twice => {
            let mut once = Vec::with_capacity(raw.len());
            push_encoded(raw, Part::Path, &mut once);
            // What was encoded is unreserved bytes, slashes and percent signs; only these are encoded again.
            for byte in once {
                match byte {
                    b'%' => out.extend_from_slice(b"%25"),
                    byte => out.push(byte),
                }
            }
        }
    }
}

/// Appends the canonical query: pairs sorted by name and then value, each with its `=`, without `X-Amz-Signature` if
/// `presigned`.
pub(super) fn push_query(raw: &str, presigned: bool, spelling: Spelling, out: &mut Vec<u8>) {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = raw_pairs(raw)
        .filter(|(name, _)| !presigned || decode_text(name) != "X-Amz-Signature")
        .map(|(name, value)| {
            let spell = |text: &str| match spelling {
                Spelling::AsSent => text.as_bytes().to_vec(),
                Spelling::Normalised | Spelling::Twice => {
                    let mut encoded = Vec::with_capacity(text.len());
                    push_encoded(text, Part::Query, &mut encoded);
                    encoded
                }
            };
            (spell(name), value.map(spell).unwrap_or_default())
        })
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

/// Appends a header's values in canonical form: each trimmed, runs of white space inside as one space, joined by
/// commas.
pub(super) fn push_header_values<'v>(values: impl Iterator<Item = &'v [u8]>, out: &mut Vec<u8>) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
    }
}

/// The undecoded pairs of a query string. Empty pieces (`a&&b`) are no pairs.
pub(super) fn raw_pairs(raw: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    raw.split('&').filter(|piece| !piece.is_empty()).map(|piece| match piece.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (piece, None),
    })
}

/// Decodes one name or value of a query.
pub(super) fn decode_text(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let decoded: Vec<u8> = decoded_bytes(text.as_bytes(), Part::Query).collect();
    Cow::Owned(match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Query,
}

fn push_encoded(text: &str, part: Part, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in decoded_bytes(text.as_bytes(), part) {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            b'/' if part == Part::Path => out.push(byte),
            _ => out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

fn decoded_bytes(text: &[u8], part: Part) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = tail;
                    Some(high << 4 | low)
                }
                _ => Some(byte),
            },
            (b'+', _) if part == Part::Query => Some(b' '),
            _ => Some(byte),
        }
    })
}

pub(super) fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Lower-case hexadecimal of a digest.
pub(super) fn hex(digest: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|index| {
        let byte = digest[index / 2];
        DIGITS[usize::from(if index % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(raw: &str) -> String {
        let mut out = Vec::new();
        push_path(raw, Spelling::Normalised, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn query(raw: &str) -> String {
        let mut out = Vec::new();
        push_query(raw, true, Spelling::Normalised, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn paths_of_other_services_are_encoded_twice() {
        let mut out = Vec::new();
        push_path("/a%20b/c d~_%2f", Spelling::Twice, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "/a%2520b/c%2520d~_/");
    }

    /// A7: keys are opaque; nothing is normalised away, and each byte is encoded exactly once.
    #[test]
    fn a7_paths_are_encoded_once_and_never_normalised() {
        for (raw, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("/a//b", "/a//b"),
            ("/a/./b/../c", "/a/./b/../c"),
            ("/a+b", "/a%2Bb"),
            ("/a%2Bb", "/a%2Bb"),
            ("/a%2fb", "/a/b"),
            ("/a%20b;c", "/a%20b%3Bc"),
            ("/%e1%88%b4", "/%E1%88%B4"),
            ("/ሴ", "/%E1%88%B4"),
            ("/(a)~'*!$&=:@,", "/%28a%29~%27%2A%21%24%26%3D%3A%40%2C"),
            ("/100%25", "/100%25"),
            ("/bad%zz%4", "/bad%25zz%254"),
        ] {
            assert_eq!(path(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn a7_query_pairs_are_sorted_by_name_and_then_value() {
        for (raw, canonical) in [
            ("", ""),
            ("lifecycle", "lifecycle="),
            ("partNumber=2&partNumber=10", "partNumber=10&partNumber=2"),
            ("b=1&a=2&A=3&a=", "A=3&a=&a=2&b=1"),
            ("prefix=a/b&x=c;d", "prefix=a%2Fb&x=c%3Bd"),
            ("prefix=a+b", "prefix=a%20b"),
            ("prefix=a%2Bb", "prefix=a%2Bb"),
            ("a=b=c&&d", "a=b%3Dc&d="),
            ("X-Amz-Signature=1&a=1", "a=1"),
            // The names are ordered by their encoded bytes: `%` comes before letters.
            ("a=1&%C3%A9=2&Z=3", "%C3%A9=2&Z=3&a=1"),
        ] {
            assert_eq!(query(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn header_values_are_trimmed_collapsed_and_joined() {
        let mut out = Vec::new();
        push_header_values([&b"  a   b \t c "[..], b"", b"d"].into_iter(), &mut out);
        assert_eq!(out, b"a b c,,d");
    }

    proptest! {
        #[test]
        fn canonical_forms_are_fixed_points(raw in "[ -~]{0,40}", pairs in "[ -~&=%+]{0,40}") {
            let once = path(&raw);
            prop_assert_eq!(path(&once), once.clone());
            let once = query(&pairs);
            prop_assert_eq!(query(&once), once.clone());
        }
    }
}
