//! The XML that S3 answers with, written element by element into one string.
//!
//! Answers are small (a page of 1,000 entries at most), so they are built in memory; escaping happens in one place.

use std::fmt::Write;

/// The namespace of S3's documents.
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document being written.
pub struct Xml {
    text: String,
}

impl Xml {
    /// A document that holds only its declaration.
    pub fn document() -> Xml {
        let mut text = String::with_capacity(512);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        Xml { text }
    }

    /// A document whose root element is in S3's namespace.
    pub fn root(name: &str) -> Xml {
        Xml::root_in(name, NAMESPACE)
    }

    /// A document whose root element is in another namespace.
    pub fn root_in(name: &str, namespace: &str) -> Xml {
        let mut xml = Xml::document();
        let _ = write!(xml.text, "<{name} xmlns=\"{namespace}\">");
        xml
    }

    /// Opens an element.
    pub fn open(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
    }

    /// Closes an element.
    pub fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// An element with text, escaped.
    pub fn text(&mut self, name: &str, value: &str) {
        self.open(name);
        escape_into(&mut self.text, value);
        self.close(name);
    }

    /// Text inside the element that is open, escaped.
    pub fn raw_text(&mut self, value: &str) {
        escape_into(&mut self.text, value);
    }

    /// An element whose value needs no escaping: numbers, booleans, dates, hexadecimal.
    pub fn value(&mut self, name: &str, value: impl std::fmt::Display) {
        self.open(name);
        let _ = write!(self.text, "{value}");
        self.close(name);
    }

    /// `<Owner>` or `<Initiator>`: an account's canonical id and display name.
    pub fn owner(&mut self, element: &str, canonical_id: &str, display_name: &str) {
        self.open(element);
        self.text("ID", canonical_id);
        self.text("DisplayName", display_name);
        self.close(element);
    }

    /// The finished text.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Escapes markup, and the control characters that XML can only carry as references; AWS sends them so when no `encoding-type` was asked for.
fn escape_into(out: &mut String, value: &str) {
    let mut clean_from = 0;
    for (index, byte) in value.bytes().enumerate() {
        let replacement = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&value[clean_from..index]);
        if replacement.is_empty() {
            let _ = write!(out, "&#x{byte:x};");
        } else {
            out.push_str(replacement);
        }
        clean_from = index + 1;
    }
    out.push_str(&value[clean_from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_escaped() {
        let mut xml = Xml::document();
        xml.text("Key", "a<b>&\"\u{1}\n\u{e9}");
        assert!(xml.finish().ends_with("<Key>a&lt;b&gt;&amp;&quot;&#x1;&#xa;\u{e9}</Key>"));
    }
}
