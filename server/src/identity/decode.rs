//! Reads JSON and TOML field by field, with errors that say whose field is wrong and never what it holds.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::name::Invalid;

/// What is wrong in a state file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError {
    /// The file.
    pub file: String,
    /// Account and noun, such as `account "main", permission "lightly"`; empty for the file as a whole.
    pub place: String,
    /// The field, where it is about one.
    pub field: Option<String>,
    /// What is wrong, without values.
    pub message: String,
    /// Whether it is nothing of the file's alone, but that what is there already stands against it.
    pub is_conflict: bool,
}

impl StateError {
    /// The same as one about what is there.
    #[must_use]
    pub fn as_conflict(self) -> StateError {
        StateError { is_conflict: true, ..self }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if !self.place.is_empty() {
            write!(f, ": {}", self.place)?;
        }
        match &self.field {
            Some(field) => write!(f, ": {field} {}", self.message),
            None => write!(f, ": {}", self.message),
        }
    }
}

impl std::error::Error for StateError {}

/// A place in a state file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: String,
    path: String,
}

impl Place {
    /// The file as a whole.
    pub(super) fn file(file: &str) -> Place {
        Place { file: file.to_owned(), path: String::new() }
    }

    /// A named part of this place.
    pub(super) fn within(&self, part: &str) -> Place {
        let separator = if self.path.is_empty() { "" } else { ", " };
        Place { file: self.file.clone(), path: format!("{}{separator}{part}", self.path) }
    }

    /// An item of a list: by its name where it has a readable one, else by its position.
    pub(super) fn item(&self, noun: &str, field: &str, index: usize, raw: &RawValue) -> Place {
        let name = serde_json::from_str::<Fields<'_>>(raw.get()).ok().and_then(|fields| {
            let name = fields.0.into_iter().find(|(key, _)| key == "name")?;
            serde_json::from_str::<String>(name.1.get()).ok().filter(|name| name.len() <= 128)
        });
        match name {
            Some(name) => self.within(&format!("{noun} {name:?}")),
            None => self.within(&format!("{field}[{index}]")),
        }
    }

    /// An error about this place.
    pub(super) fn error(&self, message: impl Into<String>) -> StateError {
        StateError {
            file: self.file.clone(),
            place: self.path.clone(),
            field: None,
            message: message.into(),
            is_conflict: false,
        }
    }

    /// An error about a field of this place.
    pub(super) fn field_error(&self, field: &str, message: impl Into<String>) -> StateError {
        StateError { field: Some(field.to_owned()), ..self.error(message) }
    }
}

/// The text of a file as JSON, whatever it was written in.
pub(super) struct Document<'a> {
    json: Cow<'a, str>,
    place: Place,
    /// The position that was asked for last: things are read in order, and counting lines from the beginning for each would take a large file minutes.
    last: Cell<Position>,
}

/// A byte offset with its line and column, from 1 and in characters.
#[derive(Clone, Copy)]
struct Position {
    offset: usize,
    line: usize,
    column: usize,
}

impl Position {
    const BEGIN: Position = Position { offset: 0, line: 1, column: 1 };

    /// That of an offset which isn't before this one.
    fn advance(self, text: &str, offset: usize) -> Position {
        let between = &text.as_bytes()[self.offset..offset];
        let lines = between.iter().filter(|&&byte| byte == b'\n').count();
        let column = if lines == 0 { self.column } else { 1 };
        let line_start = between.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        // Bytes that go on with a character begin with the bits 10.
        let characters = between[line_start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        Position { offset, line: self.line + lines, column: column + characters }
    }
}

impl<'a> Document<'a> {
    /// Reads `text`, as TOML when the file's name says so.
    pub(super) fn read(place: &Place, text: &'a str) -> Result<Document<'a>, StateError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !place.file.to_ascii_lowercase().ends_with(".toml") {
            return Ok(Document { json: Cow::Borrowed(text), place: place.clone(), last: Cell::new(Position::BEGIN) });
        }
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            // The error's own text quotes the line, and with it perhaps a secret.
            let (line, column) = position_of(text, error.span().map_or(0, |span| span.start));
            place.error(format!("is not TOML: wrong syntax or a repeated key at line {line}, column {column}"))
        })?;
        let json = json_of(toml::Value::Table(table)).to_string();
        Ok(Document { json: Cow::Owned(json), place: place.clone(), last: Cell::new(Position::BEGIN) })
    }

    /// The outermost value, once the whole text is known to be JSON.
    pub(super) fn root(&self) -> Result<&RawValue, StateError> {
        serde_json::from_str(&self.json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            self.place.error(format!("is not JSON: wrong syntax at line {line}, column {column}"))
        })
    }

    /// Where `raw`, a part of this document, stands in the file: line and column from 1. Unknown for TOML.
    pub(super) fn position(&self, raw: &RawValue) -> Option<(usize, usize)> {
        let Cow::Borrowed(text) = &self.json else { return None };
        let offset = (raw.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let last = self.last.get();
        let from = if last.offset <= offset { last } else { Position::BEGIN };
        let found = from.advance(text, offset.min(text.len()));
        self.last.set(found);
        Some((found.line, found.column))
    }
}

/// An object whose fields are taken one by one; what is left over at the end is unknown.
pub(super) struct Object<'a> {
    place: Place,
    fields: Vec<(String, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// The fields of `raw`.
    pub(super) fn read(place: Place, raw: &'a RawValue) -> Result<Object<'a>, StateError> {
        if !raw.get().starts_with('{') {
            return Err(place.error("must be an object"));
        }
        let fields: Fields<'a> =
            serde_json::from_str(raw.get()).map_err(|_| place.error("has a key that is not valid text"))?;
        let mut fields = fields.0;
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(twice) = fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(place.field_error(&twice[0].0, "is there twice"));
        }
        Ok(Object { place, fields })
    }

    /// Whether a field is there.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|(name, _)| name == field)
    }

    /// Takes a field's value as it is.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'a RawValue> {
        let index = self.fields.iter().position(|(name, _)| name == field)?;
        Some(self.fields.swap_remove(index).1)
    }

    /// Takes a text.
    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<String>, StateError> {
        self.typed(field, "must be text in quotes")
    }

    /// Takes `true` or `false`.
    pub(super) fn boolean(&mut self, field: &'static str) -> Result<Option<bool>, StateError> {
        self.typed(field, "must be true or false")
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, field: &'static str) -> Result<Option<Vec<String>>, StateError> {
        self.typed(field, "must be a list of texts")
    }

    /// Takes a list; an absent one is empty.
    pub(super) fn list(&mut self, field: &'static str) -> Result<Vec<&'a RawValue>, StateError> {
        Ok(self.typed(field, "must be a list")?.unwrap_or_default())
    }

    /// Takes a text that `parse` must accept.
    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, StateError> {
        let text = self.text(field)?;
        text.map(|text| parse(&text).map_err(|invalid| self.place.field_error(field, invalid.reason))).transpose()
    }

    /// Takes a text that must be there.
    pub(super) fn required<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<T, StateError> {
        self.optional(field, parse)?.ok_or_else(|| self.place.field_error(field, "is missing"))
    }

    /// Takes a text or `null`, which is told from an absent field.
    pub(super) fn nullable<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<Option<Option<T>>, StateError> {
        if self.fields.iter().any(|(name, raw)| name == field && raw.get() == "null") {
            self.value(field);
            return Ok(Some(None));
        }
        Ok(self.optional(field, parse)?.map(Some))
    }

    /// Takes a value or `null`, which is told from an absent field.
    pub(super) fn nullable_value(&mut self, field: &'static str) -> Option<Option<&'a RawValue>> {
        self.value(field).map(|raw| Some(raw).filter(|raw| raw.get() != "null"))
    }

    /// Takes a whole number that is not negative.
    pub(super) fn number(&mut self, field: &'static str) -> Result<Option<u64>, StateError> {
        self.typed(field, "must be a whole number that is not negative")
    }

    /// Refuses what was not taken. `known` is for the suggestion.
    pub(super) fn finish(self, known: &[&str]) -> Result<(), StateError> {
        let Some((name, _)) = self.fields.first() else { return Ok(()) };
        let name: String = name.chars().take(64).collect();
        let nearest = known.iter().map(|it| (distance(it, &name), it)).min();
        let message = match nearest {
            Some((distance, nearest)) if distance <= 3 && 2 * distance <= name.len() => {
                format!("is not a field here; did you mean {nearest}?")
            }
            _ => format!("is not a field here; there are {}", known.join(", ")),
        };
        Err(self.place.field_error(&name, message))
    }

    fn typed<T: Deserialize<'a>>(&mut self, field: &'static str, rule: &str) -> Result<Option<T>, StateError> {
        let Some(raw) = self.value(field) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|_| self.place.field_error(field, rule))
    }
}

/// An object's fields in order, repeated ones included, with their values unread.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// TOML's values as JSON's; dates become the text that they were written as.
fn json_of(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(boolean) => boolean.into(),
        toml::Value::Datetime(datetime) => datetime.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json_of(value))).collect(),
    }
}

/// Line and column, from 1 and in characters, of a byte offset.
fn position_of(text: &str, offset: usize) -> (usize, usize) {
    let Position { line, column, .. } = Position::BEGIN.advance(text, offset.min(text.len()));
    (line, column)
}

/// How many insertions, deletions and replacements of characters turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
