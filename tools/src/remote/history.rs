//! Versions of a resource: what was changed, when and by whom.

use serde_json::Value;

use crate::output::{Paint, visible, visible_line};

use super::table::table;

/// A version as it is shown.
pub(super) struct Version {
    pub(super) revision: u32,
    pub(super) time: String,
    pub(super) by: String,
    pub(super) changed: Vec<String>,
    /// What changed, line by line, with `+`, `-` or a space before each.
    pub(super) difference: String,
}

/// A table of versions; with `diff` each with its lines.
pub(super) fn text_of(versions: &[Version], diff: bool) -> String {
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

/// A value of a version in a line; nothing for `null`.
pub(super) fn value_text(value: &Value) -> String {
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
