//! Finds the statement of an explanation in its document, by its line and its name, to show it as it was written.

use policy::StatementTrace;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::case::offset_in;
use super::excerpt::COLUMNS_MAX;
use super::question::Source;

/// A statement as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StatementText {
    /// Its lines, with what stands in front of it in the first and behind it in the last.
    pub(super) lines: String,
    /// The statement itself.
    json: String,
}

#[derive(Deserialize)]
struct Document<'t> {
    #[serde(rename = "Statement", borrow)]
    statement: &'t RawValue,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "Sid")]
    sid: Option<String>,
}

/// The statement that a trace is about, when it is of this document.
pub(super) fn find(source: &Source, trace: &StatementTrace) -> Option<StatementText> {
    if source.name == trace.policy { find_in(&source.text, &trace.sid, trace.line) } else { None }
}

fn find_in(text: &str, name: &str, line: u32) -> Option<StatementText> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document: Document<'_> = serde_json::from_str(text).ok()?;
    let one_or_many = document.statement;
    let statements: Vec<&RawValue> = match one_or_many.get().starts_with('[') {
        true => serde_json::from_str(one_or_many.get()).ok()?,
        false => vec![one_or_many],
    };
    for (index, statement) in statements.into_iter().enumerate() {
        let start = offset_in(text, statement.get());
        let before = text.get(..start)?;
        if before.matches('\n').count() + 1 != usize::try_from(line).ok()? {
            continue;
        }
        let sid = serde_json::from_str::<Named>(statement.get()).ok()?.sid;
        if sid.unwrap_or_else(|| format!("#{}", index + 1)) == name {
            let end = start + statement.get().len();
            let from = before.rfind('\n').map_or(0, |at| at + 1);
            let to = text.get(end..)?.find('\n').map_or(text.len(), |at| end + at);
            return Some(StatementText { lines: text.get(from..to)?.to_owned(), json: statement.get().to_owned() });
        }
    }
    None
}

/// Whether lines can be shown as they are; statements with a longer one are laid out anew.
pub(super) fn is_readable(lines: &str) -> bool {
    lines.lines().all(|line| line.chars().nth(COLUMNS_MAX).is_none())
}

impl StatementText {
    /// The statement with an element a line.
    pub(super) fn laid_out(&self) -> String {
        let value = serde_json::from_str::<Value>(&self.json);
        value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| self.json.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_is_found_by_name_and_line_with_the_whole_of_its_lines() {
        let text = "\u{feff}{\"Statement\": [\n {\"Sid\": \"A\"}, {\"Effect\":\n  1}, {\"Sid\": \"B\"}\n]}";
        let lines = |name, line| find_in(text, name, line).map(|found| found.lines);
        assert_eq!(lines("A", 2).as_deref(), Some(" {\"Sid\": \"A\"}, {\"Effect\":"));
        assert_eq!(lines("#2", 2).as_deref(), Some(" {\"Sid\": \"A\"}, {\"Effect\":\n  1}, {\"Sid\": \"B\"}"));
        assert_eq!(lines("B", 3).as_deref(), Some("  1}, {\"Sid\": \"B\"}"));
        assert_eq!(lines("B", 2), None);
        assert_eq!(find_in("{\"Statement\": {}}", "#1", 1).map(|found| found.json).as_deref(), Some("{}"));
        assert_eq!(find_in("nothing", "#1", 1), None);
    }
}
