//! Texts as people read them on a terminal: what can't be seen is made visible, what is long is cut, numbers have their units.
//!
//! Names, policies and messages come from elsewhere; one place says what of them may reach a terminal as it is.

use unicode_width::UnicodeWidthStr;

/// Makes characters of texts from elsewhere visible that would drive the terminal or show a text in another order than it has; tabs and line ends stay, those of Windows as such of here.
pub(crate) fn visible(text: &str) -> String {
    escaped(&text.replace("\r\n", "\n"), |character| matches!(character, '\n' | '\t'))
}

/// As [`visible`] for what must stay one line: line ends and tabs are made visible too.
pub(crate) fn visible_line(text: &str) -> String {
    escaped(text, |_| false)
}

/// Whether a character is shown as its escape: control characters, and the marks that turn the direction of a text or have no width (<https://trojansource.codes>).
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) && !stays(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A text with as many spaces behind it as it lacks of a width on a terminal, where some characters take two columns and some none.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Cuts a text that is longer than anyone reads, with an ellipsis in place of the rest.
pub(crate) fn clip(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A number and what is counted: `1 error`, `2 errors`.
pub(crate) fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    // A count that doesn't fit is many.
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Bytes as people read them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    match (unit, bytes) {
        ("bytes", 1) => "1 byte".to_owned(),
        ("bytes", _) => format!("{bytes} bytes"),
        _ => format!("{value:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown_as_their_escapes() {
        assert_eq!(visible("a\u{1b}[31m\u{9b}\u{202e}b\n\tc"), "a\\u{1b}[31m\\u{9b}\\u{202e}b\n\tc");
        assert_eq!(visible("a\r\nb\rc\r\n"), "a\nb\\rc\n");
        assert_eq!(visible_line("a\nb\tc é 🐄"), "a\\nb\\tc é 🐄");
        assert_eq!((padded("牛", 4).as_str(), padded("e\u{301}", 3).as_str()), ("牛  ", "e\u{301}  "));
        assert_eq!(padded("longer", 3), "longer");
        assert_eq!(clip("äöü", 2), "äö...");
        assert_eq!(clip("äöü", 3), "äöü");
    }

    #[test]
    fn sizes_have_one_decimal() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 40), "5.0 TiB");
    }
}
