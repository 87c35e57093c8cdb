//! How a command ends when it can't do what it was asked: one line, and an exit code that scripts can tell apart.
//!
//! Every command returns a [`Failure`] instead of printing, so that no error can reach a terminal in another form than `strongroom: what happened, to which input, what to do`.

use crate::text::is_hidden;
use std::fmt;

/// The exit codes of every command; 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The command was understood and could not be done.
    Failed = 1,
    /// The command line, the environment or a file that it names is wrong.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// The caller may not do this.
    Denied = 4,
    /// The state of the node forbids it now.
    Conflict = 5,
}

/// One line for standard error, where a document is refused with its errors below, and the exit code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// What a document's errors say, each a line of its own below the message.
    pub(crate) details: Vec<String>,
    /// By which the node's log tells what failed in it: another one each time, so that it is no part of what happened.
    pub(crate) request: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), details: Vec::new(), request: None }
    }

    /// What happened, with what the node's log names it by.
    pub(crate) fn summary(&self) -> String {
        match &self.request {
            Some(id) => format!("{} (request {id})", self.message.trim_end_matches('.')),
            None => self.message.clone(),
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Failed, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Failure {
        Failure::new(Exit::NotFound, message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Denied, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Conflict, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.summary()))?;
        self.details.iter().try_for_each(|detail| write!(f, "\n  {}", one_line(detail)))
    }
}

/// Joins lines by spaces and makes hidden characters visible, so that an error stays one line, read as it is written, whatever a file or a peer put into it.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        for character in part.chars() {
            if is_hidden(character) { line.extend(character.escape_default()) } else { line.push(character) }
        }
    }
    line
}

/// The candidate with the fewest edits to `word`; the first of equals. None only when there are no candidates.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, usize)> {
    candidates.into_iter().map(|candidate| (candidate, edits(word, candidate))).min_by_key(|(_, edits)| *edits)
}

/// Levenshtein distance in characters, one row at a time. Both words are bounded by the caller's file or variable name.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_whatever_it_quotes() {
        assert_eq!(Failure::usage("a\n  b\r\n\u{1b}[31mc").to_string(), "a b \\u{1b}[31mc");
        // Nor does it turn round where a name from elsewhere says so.
        assert_eq!(Failure::usage("bucket \"a\u{202e}b\u{200b}\"").to_string(), "bucket \"a\\u{202e}b\\u{200b}\"");
    }

    #[test]
    fn the_nearest_name_has_the_fewest_edits() {
        assert_eq!(nearest("listn", ["console", "listen", "data"]), Some(("listen", 1)));
        assert_eq!(nearest("trusted_proxy", ["trusted-proxy", "tls-key"]), Some(("trusted-proxy", 1)));
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(nearest("x", []), None);
    }
}
