//! JSON written field by field straight into bytes: a record is written for every request, and must cost next to nothing there.
//!
//! A general serialiser would want its values put together first; here each comes from where it lies.

use std::io::Write;

/// An object whose fields are being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, is_empty: true }
    }

    /// Ends it.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// A field, whose value is written next. Names are ours and need no escape.
    pub(super) fn field(&mut self, name: &'static str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        let out = self.field(name);
        out.push(b'"');
        escape(out, value);
        out.push(b'"');
    }

    /// A text, where there is one.
    pub(super) fn text_if(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// What its `Display` says, which has nothing to escape: a number, an address.
    pub(super) fn shown(&mut self, name: &'static str, value: impl std::fmt::Display, quote: &str) {
        let out = self.field(name);
        // Writing to memory can't fail.
        let _ = write!(out, "{quote}{value}{quote}");
    }
}

/// Appends a text as it stands between quotes ([RFC 8259 7](https://www.rfc-editor.org/rfc/rfc8259#section-7)).
pub(super) fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digits = [DIGITS[usize::from(control >> 4)], DIGITS[usize::from(control & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.extend_from_slice(&bytes[plain..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_control_character_is_escaped() {
        let text: String = (0..0x100).filter_map(char::from_u32).collect();
        let mut out = b"\"".to_vec();
        escape(&mut out, &text);
        out.push(b'"');
        assert!(out.iter().all(|&byte| byte >= b' '));
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was(text in "(?s).*", number: u64) {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out);
            object.text("a", &text);
            object.text_if("b", None);
            object.shown("c", number, "");
            object.text_if("d", Some(&text));
            object.end();
            prop_assert!(!out.contains(&b'\n'));
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read, serde_json::json!({"a": text, "c": number, "d": text}));
        }
    }
}
