//! Picks texts out of S3's XML.
//!
//! Tests ask for one element by its path; a full model of every answer would only repeat the server's.

use quick_xml::Reader;
use quick_xml::events::Event;

/// The text of every element whose path from below the root ends with `path` (`"Contents/Key"`), in document order, unescaped.
///
/// # Panics
/// When the document isn't well-formed: no answer of a server may be.
pub fn all(xml: &str, path: &str) -> Vec<String> {
    let wanted: Vec<&str> = path.split('/').collect();
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<(String, String)> = Vec::new();
    let mut found = Vec::new();
    let mut close = |open: &mut Vec<(String, String)>| {
        let names: Vec<&str> = open.iter().map(|(name, _)| name.as_str()).collect();
        if names.ends_with(&wanted) {
            found.push(open.last().expect("an element is open").1.clone());
        }
        open.pop();
    };
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} in {xml}")) {
            Event::Start(start) => open.push((start.name().as_ref().to_owned(), String::new())),
            Event::Empty(start) => {
                open.push((start.name().as_ref().to_owned(), String::new()));
                close(&mut open);
            }
            Event::End(_) => close(&mut open),
            Event::Text(text) => {
                if let Some((_, content)) = open.last_mut() {
                    content.push_str(&text);
                }
            }
            Event::GeneralRef(reference) => {
                let character = match &*reference {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => reference
                        .resolve_char_ref()
                        .ok()
                        .flatten()
                        .unwrap_or_else(|| panic!("unknown reference {reference:?} in {xml}")),
                };
                if let Some((_, content)) = open.last_mut() {
                    content.push(character);
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty(), "elements {open:?} stay open in {xml}");
    found
}

/// The text of the first element at `path`.
pub fn first(xml: &str, path: &str) -> Option<String> {
    all(xml, path).into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_the_end_of_their_path_and_unescaped() {
        let xml = "<?xml version=\"1.0\"?><R><C><Key>a&amp;b&#x20;c</Key></C><Key>top</Key><C><Key/></C></R>";
        assert_eq!(all(xml, "C/Key"), ["a&b c", ""]);
        assert_eq!(all(xml, "Key"), ["a&b c", "top", ""]);
        assert_eq!(first(xml, "Missing"), None);
    }
}
