//! Bodies as JSON, and what is wrong with one: by the path of its field, so that a form can mark it.
//!
//! A value is never told, since it may be a secret.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::answer::{Refusal, Result};

/// The longest part of a message that a client's names make, in characters.
const TOLD_CHARACTERS_MAX: usize = 500;

/// Reads a body.
///
/// # Errors
/// It is no JSON, or not what the call takes.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let read = serde_json::from_slice::<Object<T>>(body);
    read.map(|Object(read)| read).map_err(|error| refusal(body, &error))
}

/// What only an object is taken for. serde's structs also take a list, as their fields in the order in which they happen to be declared.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Object<T>, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

fn refusal(body: &[u8], error: &serde_json::Error) -> Refusal {
    let place = format!("at line {}, column {}", error.line(), error.column());
    if body.iter().all(u8::is_ascii_whitespace) {
        return Refusal::invalid("body", "is empty: this call takes JSON");
    }
    if error.classify() != Category::Data {
        return Refusal::invalid("body", format!("can't be used: it is not JSON {place}"));
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let read = &body[..offset(body, error)];
    // These name fields, which are no secrets; what else serde says quotes values.
    if let Some(name) = text.strip_prefix("missing field ") {
        // The object's end was looked at, or the value before it.
        let read = read.strip_suffix(b"}").unwrap_or(read);
        let (mut path, _) = path(read).unwrap_or_default();
        path.push(name.trim_matches('`').to_owned());
        return Refusal::invalid(&told(&path.join(".")), "is missing");
    }
    // What was read of a list or an object is its first byte.
    let read = read.strip_suffix(b"{").or_else(|| read.strip_suffix(b"[")).unwrap_or(read);
    let (mut path, last) = path(read).unwrap_or_default();
    path.extend(last);
    let field = if path.is_empty() { "body".to_owned() } else { told(&path.join(".")) };
    let reason = if text.starts_with("unknown field ") {
        let known = text.split_once(", ").map_or("", |(_, known)| known);
        told(&format!("is not a field here: {known} ({place})"))
    } else if text.starts_with("duplicate field ") {
        told(&format!("is there twice: {text} ({place})"))
    } else {
        match text.rsplit_once(", expected ").map(|(_, expected)| expected) {
            Some(expected) => told(&format!("has the wrong type: expected {} ({place})", in_words(expected))),
            None => format!("has the wrong type ({place})"),
        }
    };
    Refusal::invalid(&field, reason)
}

/// What serde expects, in words for people.
fn in_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}

fn told(text: &str) -> String {
    text.chars().take(TOLD_CHARACTERS_MAX).collect()
}

/// How many bytes of the body had been read when the error was found.
fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + error.column()).min(body.len())
}

/// The fields within which a text of JSON breaks off, outermost first, and the one of them that was read last. `None` for what no parser would have read so far.
fn path(read: &[u8]) -> Option<(Vec<String>, Option<String>)> {
    let mut open: Vec<Within> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = read.get(at) {
        at += 1;
        match byte {
            b'{' => open.push(Within::Object { key: None, in_value: false }),
            b'[' => open.push(Within::List(0)),
            b'}' | b']' => drop(open.pop()?),
            b':' => {
                if let Within::Object { in_value, .. } = open.last_mut()? {
                    *in_value = true;
                }
            }
            b',' => match open.last_mut()? {
                Within::Object { key, in_value } => (*key, *in_value) = (None, false),
                Within::List(index) => *index += 1,
            },
            b'"' => {
                let begin = at - 1;
                while *read.get(at)? != b'"' {
                    at += if read[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                if let Some(Within::Object { key, in_value: false }) = open.last_mut() {
                    *key = Some(serde_json::from_slice(&read[begin..at]).ok()?);
                }
            }
            _ => {}
        }
    }
    let mut names: Vec<Option<String>> = open.into_iter().map(Within::name).collect();
    let last = names.pop().flatten();
    Some((names.into_iter().flatten().collect(), last))
}

/// What a place of a text of JSON is within.
enum Within {
    Object { key: Option<String>, in_value: bool },
    List(usize),
}

impl Within {
    fn name(self) -> Option<String> {
        match self {
            Within::Object { key, .. } => key,
            Within::List(index) => Some(index.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Taken {
        name: String,
        buckets: Option<Vec<String>>,
        quota: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        bytes: u64,
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field_and_never_by_its_value() {
        for (body, message) in [
            ("", "body is empty"),
            (" \n", "body is empty"),
            ("{", "body can't be used: it is not JSON"),
            ("[]", "body has the wrong type: expected an object"),
            (r#"["n", null, null]"#, "body has the wrong type: expected an object"),
            (r#"{"name": 5}"#, "name has the wrong type: expected a string"),
            (r#"{"name": ["hush"]}"#, "name has the wrong type: expected a string"),
            (r#"{"name": {"a": 1}}"#, "name has the wrong type: expected a string"),
            (r#"{"name": "n", "buckets": "hush, expected hush"}"#, "buckets has the wrong type: expected a list"),
            (r#"{"name": "n", "buckets": ["a", 7]}"#, "buckets.1 has the wrong type: expected a string"),
            (r#"{"name": "n", "quota": {"bytes": "hush"}}"#, "quota.bytes has the wrong type: expected a whole number"),
            (r#"{"name": "n", "quota": {}}"#, "quota.bytes is missing"),
            (r#"{"buckets": ["a"]}"#, "name is missing"),
            (r#"{"quota": {"bytes": 1}}"#, "name is missing"),
            (r#"{"nmae": "n"}"#, "nmae is not a field here: expected one of `name`, `buckets`, `quota`"),
            (r#"{"name": "n", "quota": {"x": 1}}"#, "quota.x is not a field here: expected `bytes`"),
            ("{\"name\": \"n\",\n\"name\": \"m\"}", "name is there twice: duplicate field `name` (at line 2"),
        ] {
            let refusal = read::<Taken>(body.as_bytes()).unwrap_err();
            assert!(refusal.message.starts_with(message), "{body}: {}", refusal.message);
            assert!(!refusal.message.contains("hush"), "{body}: {}", refusal.message);
        }
    }
}
