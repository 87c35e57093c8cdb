//! The XML that clients send, read into a small tree within limits.
//!
//! No document type, no entities of the client's, bounded depth and size: what S3's own documents need and nothing more.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::error::{Code, S3Error, S3Result};

/// Longest body that is read as XML, in bytes.
pub const XML_BYTES_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 16;
const ELEMENTS_MAX: usize = 50_000;

/// An element: its local name, its own text, its children.
#[derive(Debug, Default)]
pub struct Element {
    /// Name without prefix.
    pub name: String,
    /// The text directly inside, entities resolved.
    pub text: String,
    /// Elements directly inside, in order.
    pub children: Vec<Element>,
}

impl Element {
    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    /// The text of the first child of this name.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.as_str())
    }

    /// All children of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.name == name)
    }
}

/// Reads a document whose root is called `root`; anything else is `MalformedXML`.
pub fn parse(body: &[u8], root: &str) -> S3Result<Element> {
    parse_up_to(body, root, XML_BYTES_MAX)
}

/// Like [`parse`], for a document that may be of another size.
pub fn parse_up_to(body: &[u8], root: &str, bytes_max: usize) -> S3Result<Element> {
    if body.len() > bytes_max {
        return Err(Code::MalformedXML.error().because("the document is too long"));
    }
    let element = parse_any(body)?;
    if element.name != root {
        return Err(Code::MalformedXML.error().because(format!("the root is <{}>, not <{root}>", element.name)));
    }
    Ok(element)
}

/// Keys and values of the `Tag` elements directly inside.
pub fn tags(set: &Element) -> S3Result<Vec<(String, String)>> {
    let text = |tag: &Element, name: &str| {
        tag.child_text(name).map(ToOwned::to_owned).ok_or_else(|| Code::MalformedXML.error())
    };
    set.all("Tag").map(|tag| Ok((text(tag, "Key")?, text(tag, "Value")?))).collect()
}

fn parse_any(body: &[u8]) -> S3Result<Element> {
    let malformed = |why: &str| -> S3Error { Code::MalformedXML.error().because(why) };
    let text = std::str::from_utf8(body).map_err(|_| malformed("the document is not UTF-8"))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|e| malformed(&e.to_string()))?;
        match event {
            Event::Start(tag) => {
                elements += 1;
                if root.is_some() || open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(malformed("too deep, too many elements, or two roots"));
                }
                open.push(element_named(tag.local_name().as_ref()));
            }
            Event::Empty(tag) => {
                elements += 1;
                if root.is_some() || elements > ELEMENTS_MAX {
                    return Err(malformed("too many elements, or two roots"));
                }
                let element = element_named(tag.local_name().as_ref());
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(|| malformed("an end without a start"))?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::Text(text) => {
                let decoded = text.xml10_content();
                match open.last_mut() {
                    Some(parent) => parent.text.push_str(&decoded),
                    None if decoded.trim().is_empty() => {}
                    None => return Err(malformed("text outside of the root")),
                }
            }
            Event::CData(data) => {
                let decoded = data.xml10_content();
                open.last_mut().ok_or_else(|| malformed("text outside of the root"))?.text.push_str(&decoded);
            }
            Event::GeneralRef(reference) => {
                let resolved = if let Ok(Some(character)) = reference.resolve_char_ref() {
                    character.to_string()
                } else {
                    quick_xml::escape::resolve_predefined_entity(&reference)
                        .ok_or_else(|| malformed("an entity that XML doesn't define"))?
                        .to_owned()
                };
                open.last_mut().ok_or_else(|| malformed("text outside of the root"))?.text.push_str(&resolved);
            }
            Event::DocType(_) => return Err(malformed("document types are not accepted")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(malformed("the document ends inside an element"));
    }
    root.ok_or_else(|| malformed("the document is empty"))
}

fn element_named(name: &str) -> Element {
    Element { name: name.to_owned(), ..Element::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entities_namespaces_and_nesting_are_read() {
        let body = br#"<?xml version="1.0"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>
            <Object><Key>a&amp;b&#x41;&lt;</Key></Object><Object><Key/></Object></Delete>"#;
        let delete = parse(body, "Delete").unwrap();
        assert_eq!(delete.child_text("Quiet"), Some("true"));
        let keys: Vec<_> = delete.all("Object").filter_map(|o| o.child_text("Key")).collect();
        assert_eq!(keys, ["a&bA<", ""]);
    }

    #[test]
    fn what_is_not_one_well_formed_document_is_malformed() {
        for body in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a/><a/>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<a>&nope;</a>",
            "<b/>",
        ] {
            assert!(matches!(parse(body.as_bytes(), "a"), Err(e) if e.code == Code::MalformedXML), "{body}");
        }
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        assert!(parse(deep.as_bytes(), "a").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&body, "Delete");
        }
    }
}
