//! Versions of a resource: what was changed, when and by whom.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::node::parse;
use super::noun::{Noun, Resource};
use super::table::table;
use crate::args::{Revert, Versions};
use crate::failure::Failure;
use crate::output::{self, Paint};
use crate::text::{visible, visible_line};

/// A version as it is shown.
pub(super) struct Version {
    pub(super) revision: u32,
    pub(super) time: String,
    pub(super) by: String,
    pub(super) changed: Vec<String>,
    /// What changed, line by line, with `+`, `-` or a space before each.
    pub(super) difference: String,
}

/// A version as the node answers it.
pub(super) trait Revision: DeserializeOwned {
    /// This version with what differs from the one before; from nothing, where it is the first.
    fn version(&self, before: Option<&Self>) -> Version;
}

/// A version of what has no policy; what it holds beside who made it is compared as it comes.
#[derive(Deserialize)]
pub(super) struct Fields {
    revision: u32,
    time: String,
    by: String,
    changed: Vec<String>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Revision for Fields {
    fn version(&self, before: Option<&Fields>) -> Version {
        let fields: Vec<&str> = match before {
            Some(_) => self.changed.iter().map(String::as_str).collect(),
            None => self.fields.keys().map(String::as_str).collect(),
        };
        let difference = difference(fields, before.map(|before| &before.fields), &self.fields);
        let Fields { revision, time, by, changed, .. } = self;
        Version { revision: *revision, time: time.clone(), by: by.clone(), changed: changed.clone(), difference }
    }
}

/// Prints the versions of a resource.
pub(super) fn show<V: Revision>(noun: &Noun<'_, impl Resource>, versions: &Versions) -> Result<(), Failure> {
    let body = noun.ask("GET", &versions.named.name, "/history")?;
    if noun.json {
        return output::print(&body);
    }
    let revisions: Vec<V> = parse(&body)?;
    let before = revisions.iter().skip(1).map(Some).chain([None]);
    let shown: Vec<Version> = revisions.iter().zip(before).map(|(it, before)| it.version(before)).collect();
    output::print(&text_of(&shown, versions.diff))
}

/// Goes back to an earlier version, and says what is not gone back to.
pub(super) fn revert(noun: &Noun<'_, impl Resource>, to: &Revert, stays: &str) -> Result<(), Failure> {
    let Revert { named, revision } = to;
    let body = json!({"revision": revision});
    let body = noun.ask_with("POST", &named.name, "/revert", |call| call.json(&body))?;
    noun.done(&body, &format!("{} is as it was in version {revision}{stays}", noun.about(&named.name)))
}

/// A table of versions; with `diff` each with its lines.
fn text_of(versions: &[Version], diff: bool) -> String {
    if !diff {
        let row = |it: &Version| vec![it.revision.to_string(), it.time.clone(), it.by.clone(), it.summary()];
        let rows: Vec<Vec<String>> = versions.iter().map(row).collect();
        return table(&["VERSION", "TIME", "BY", "CHANGED"], &rows);
    }
    let paint = Paint::for_stdout();
    let mut text = String::new();
    for version in versions {
        let Version { revision, time, by, .. } = version;
        let head = format!("version {revision}, {time}, by {by}: {}", version.summary());
        text.push_str(&format!("{}\n", paint.bold(&visible_line(&head))));
        for line in visible(&version.difference).lines() {
            let line = match line.as_bytes().first() {
                Some(b'+') => paint.green(line),
                Some(b'-') => paint.red(line),
                _ => line.to_owned(),
            };
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// Fields before and after, a line each; those of a first version as they are.
pub(super) fn difference<'a>(
    fields: impl IntoIterator<Item = &'a str>,
    before: Option<&Map<String, Value>>,
    after: &Map<String, Value>,
) -> String {
    let mut difference = String::new();
    for field in fields {
        let value = |of: &Map<String, Value>| of.get(field).map(value_text).filter(|text| !text.is_empty());
        // A secret is in no version.
        let (old, new) = match field {
            "secretKey" | "password" => (Some("(secret)".to_owned()), Some("(another one)".to_owned())),
            _ => (before.and_then(value), value(after)),
        };
        for (sign, value) in [('-', old), ('+', new)] {
            if let Some(value) = value {
                difference.push_str(&format!("{sign} {field}: {value}\n"));
            }
        }
    }
    difference
}

/// A value of a version in a line; nothing for `null`.
fn value_text(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(value_text).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    };
    visible_line(&text)
}

impl Version {
    fn summary(&self) -> String {
        if self.changed.is_empty() && self.revision == 1 { "created".to_owned() } else { self.changed.join(", ") }
    }
}
