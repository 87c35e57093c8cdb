//! The line of a document that an error or a finding is about, with the place underlined.
//!
//! Documents come from anywhere: what would steer a terminal is shown as its escape, and a line that is longer than a screen is shown around the place only.

use crate::text::is_hidden;
use unicode_width::UnicodeWidthChar;

/// Most columns of a line that are shown.
pub(super) const COLUMNS_MAX: usize = 120;
/// Columns that are shown in front of the place when a line is cut.
const LEAD_COLUMNS: usize = 40;
/// Columns in front of the place that a long line keeps, so that a line isn't cut for a few.
const UNCUT_LEAD_COLUMNS_MAX: usize = 80;
/// Columns of a tab.
const TAB: &str = "    ";
/// What stands for the part of a line that is cut away.
const CUT: &str = "...";

/// The lines of a document, found by number.
pub(super) struct Lines<'t>(Vec<&'t str>);

/// One line, as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The line or the part of it around the place, printable.
    pub(super) text: String,
    /// Columns in front of the place.
    pub(super) indent: usize,
    /// Columns of what is meant, at least one.
    pub(super) width: usize,
}

impl<'t> Lines<'t> {
    /// A byte order mark at the start is no part of the first line.
    pub(super) fn new(text: &'t str) -> Lines<'t> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Lines(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect())
    }

    /// The line of this one-based number.
    pub(super) fn line(&self, number: u32) -> Option<&'t str> {
        self.0.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }

    /// Every line in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &'t str> {
        self.0.iter().copied()
    }

    /// The line of this one-based number, with what begins at the one-based column underlined; `None` when there is nothing to show.
    pub(super) fn excerpt(&self, number: u32, column: u32) -> Option<Excerpt> {
        let line = self.line(number)?;
        if line.trim().is_empty() { None } else { Some(excerpt(line, column)) }
    }
}

/// A line as it is shown where no place in it is meant: printable, and cut at its end.
pub(super) fn plain_line(line: &str) -> String {
    let (start, is_cut) = first(line, COLUMNS_MAX);
    let mut text = String::new();
    show(start, &mut text);
    if is_cut {
        text.push_str(CUT);
    }
    text
}

fn excerpt(line: &str, column: u32) -> Excerpt {
    let start = offset_of(line, column);
    let (before, rest) = line.split_at(start);
    let (meant, after) = rest.split_at(token_bytes(rest));
    let all = columns(before) + columns(meant) + columns(after);
    // The place stays in view with what leads to it; the end of the line, when that is near, leaves more room for the lead.
    let lead = if all <= COLUMNS_MAX || columns(before) <= UNCUT_LEAD_COLUMNS_MAX {
        COLUMNS_MAX
    } else {
        LEAD_COLUMNS.max(COLUMNS_MAX.saturating_sub(columns(rest)))
    };
    let (cut_before, before) = last(before, lead);
    let (meant, cut_meant) = first(meant, COLUMNS_MAX - columns(before));
    let (after, cut_after) = first(after, COLUMNS_MAX - columns(before) - columns(meant));
    let mut text = String::new();
    if cut_before {
        text.push_str(CUT);
    }
    show(before, &mut text);
    let indent = columns(before) + if cut_before { CUT.len() } else { 0 };
    show(meant, &mut text);
    if !cut_meant {
        show(after, &mut text);
    }
    if cut_meant || cut_after {
        text.push_str(CUT);
    }
    Excerpt { text, indent, width: columns(meant).max(1) }
}

/// Byte offset of a one-based column, which counts characters but no byte order marks, as the policy language does.
fn offset_of(line: &str, column: u32) -> usize {
    let before = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let counted = line.char_indices().filter(|(_, character)| *character != '\u{feff}');
    counted.map(|(offset, _)| offset).nth(before).unwrap_or(line.len())
}

/// Bytes of the JSON token at the start of a text: a string with its quotes, a number or word, or one character of structure.
fn token_bytes(text: &str) -> usize {
    let mut characters = text.char_indices();
    match characters.next() {
        None => 0,
        Some((_, '"')) => {
            let mut escaped = false;
            for (offset, character) in characters {
                match character {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '"' => return offset + 1,
                    _ => {}
                }
            }
            text.len()
        }
        Some((_, first)) if is_of_word(first) => text.find(|character| !is_of_word(character)).unwrap_or(text.len()),
        Some((_, first)) => first.len_utf8(),
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '+' | '.' | '_')
}

/// The start of a text that fits, and whether something was cut away.
fn first(text: &str, columns_max: usize) -> (&str, bool) {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, character)| {
        taken += column_count(*character);
        taken > columns_max
    });
    match end {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), true),
        None => (text, false),
    }
}

/// Whether something was cut away, and the end of a text that fits.
fn last(text: &str, columns_max: usize) -> (bool, &str) {
    let mut taken = 0;
    let cut = text.char_indices().rev().find(|(_, character)| {
        taken += column_count(*character);
        taken > columns_max
    });
    match cut {
        Some((at, character)) => (true, text.get(at + character.len_utf8()..).unwrap_or_default()),
        None => (false, text),
    }
}

fn show(text: &str, shown: &mut String) {
    for character in text.chars() {
        match character {
            '\t' => shown.push_str(TAB),
            hidden if is_hidden(hidden) => shown.extend(hidden.escape_default()),
            character => shown.push(character),
        }
    }
}

fn columns(text: &str) -> usize {
    text.chars().map(column_count).sum()
}

/// Columns of a character as [`show`] writes it.
fn column_count(character: char) -> usize {
    match character {
        '\t' => TAB.len(),
        hidden if is_hidden(hidden) => hidden.escape_default().len(),
        character => character.width().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line and the underline below it, as they stand on a terminal.
    #[track_caller]
    fn shows(line: &str, column: u32, expected: [&str; 2]) {
        let shown = excerpt(line, column);
        let underline = format!("{}{}", " ".repeat(shown.indent), "^".repeat(shown.width));
        assert_eq!([shown.text.as_str(), underline.as_str()], expected);
    }

    #[test]
    fn tokens_are_underlined_whole() {
        shows(r#"{"a": "b\"c", "d": 1}"#, 7, [r#"{"a": "b\"c", "d": 1}"#, r#"      ^^^^^^"#]);
        shows(r#"{"a": true}"#, 7, [r#"{"a": true}"#, "      ^^^^"]);
        shows("[-1.5e3]", 2, ["[-1.5e3]", " ^^^^^^"]);
        shows("{\"a", 2, ["{\"a", " ^^"]);
        shows("{}", 1, ["{}", "^"]);
    }

    #[test]
    fn place_behind_the_end_is_one_column() {
        shows("{", 2, ["{", " ^"]);
        shows("{", u32::MAX, ["{", " ^"]);
    }

    #[test]
    fn columns_are_those_of_a_terminal() {
        shows("\t\"ä\": \"é\"", 7, ["    \"ä\": \"é\"", "         ^^^"]);
        shows("\"牛🐄\": 1", 7, ["\"牛🐄\": 1", "        ^"]);
        shows("\"e\u{301}\": 1", 7, ["\"e\u{301}\": 1", "     ^"]);
        shows("\u{feff}{\"a\": 1}", 7, ["\\u{feff}{\"a\": 1}", "              ^"]);
    }

    #[test]
    fn what_steers_a_terminal_is_escaped_and_underlined_in_its_width() {
        shows("[\"\u{1b}[2J\", 1]", 2, ["[\"\\u{1b}[2J\", 1]", " ^^^^^^^^^^^"]);
        shows("[\"\u{202e}\", 1]", 7, ["[\"\\u{202e}\", 1]", "             ^"]);
    }

    #[test]
    fn long_line_is_shown_around_the_place() {
        let line = format!("{}\"here\"{}", "a".repeat(10_000), "b".repeat(10_000));
        let shown = excerpt(&line, 10_001);
        assert_eq!(shown.text, format!("...{}\"here\"{}...", "a".repeat(40), "b".repeat(74)));
        assert_eq!((shown.indent, shown.width), (43, 6));
        let near_the_end = excerpt(&line[..10_010], 10_001);
        assert_eq!(near_the_end.text, format!("...{}\"here\"bbbb", "a".repeat(110)));
        let near_the_start = excerpt(&line[9_999..], 2);
        assert_eq!(near_the_start.text, format!("a\"here\"{}...", "b".repeat(113)));
        let long_token = excerpt(&format!("[\"{}\"]", "c".repeat(1_000_000)), 2);
        assert_eq!((long_token.indent, long_token.width), (1, 119));
        assert!(long_token.text.ends_with("ccc..."));
    }

    #[test]
    fn lines_are_found_by_number() {
        let lines = Lines::new("\u{feff}a\r\nb\n\n");
        assert_eq!(
            [1, 2, 3, 4, 5, 0].map(|number| lines.line(number)),
            [Some("a"), Some("b"), Some(""), Some(""), None, None]
        );
        assert_eq!(lines.excerpt(3, 1), None);
    }
}
