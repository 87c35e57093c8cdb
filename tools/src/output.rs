//! Standard output and standard error, as every command uses them.
//!
//! A closed pipe (`strongroom state | head`) ends a command quietly instead of with a panic, and colours reach terminals only.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Writes to standard output; text that doesn't end its line gets a newline.
///
/// # Errors
/// Any failure to write but a reader that went away.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output can't be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::failed(format!("the answer has no JSON form: {error}")))?;
    print(&text)
}

/// The one line of a command that failed. There is nowhere left to report to when standard error is closed.
pub(crate) fn complain(failure: &Failure) {
    let _nowhere_left = writeln!(io::stderr().lock(), "strongroom: {failure}");
}

/// A line that doesn't end the command, for commands that don't log.
pub(crate) fn warn(warning: &str) {
    let _nowhere_left = writeln!(io::stderr().lock(), "strongroom: warning: {}", crate::failure::one_line(warning));
}

/// Terminal colours, or nothing where there is no terminal or `NO_COLOR` is set (<https://no-color.org>).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn for_stdout() -> Paint {
        Paint(io::stdout().is_terminal() && colours_wanted())
    }

    pub(crate) fn for_stderr() -> Paint {
        Paint(io::stderr().is_terminal() && colours_wanted())
    }

    pub(crate) fn is_on(self) -> bool {
        self.0
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Makes control characters of texts from elsewhere visible, so that a document or a peer can't drive the terminal; line ends and tabs stay.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let harmless = matches!(character, '\n' | '\t') || !character.is_control();
        if harmless { shown.push(character) } else { shown.extend(character.escape_default()) }
    }
    shown
}
