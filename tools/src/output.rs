//! Standard output and standard error, as every command uses them.
//!
//! A closed pipe (`strongroom state | head`) ends a command quietly instead of with a panic, and colours reach terminals only.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Writes to standard output; text that doesn't end its line gets a newline.
///
/// # Errors
/// Any failure to write but a reader that went away.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    write(&[text, newline]).map(|_reader_is_there| ())
}

/// Writes a part of a longer answer to standard output as it is. False when the reader went away, so that nobody works for it any longer.
///
/// # Errors
/// As [`print`].
pub(crate) fn write(parts: &[&str]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match parts.iter().try_for_each(|part| out.write_all(part.as_bytes())).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::failed(format!("standard output can't be written: {error}"))),
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

/// Terminal colours, or nothing where nobody sees them.
///
/// `NO_COLOR` (<https://no-color.org>) switches them off, else `CLICOLOR_FORCE` (<https://bixense.com/clicolors>) on, else they are for terminals that aren't dumb.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn for_stdout() -> Paint {
        Paint(colours_wanted(|name| std::env::var_os(name), io::stdout().is_terminal()))
    }

    pub(crate) fn for_stderr() -> Paint {
        Paint(colours_wanted(|name| std::env::var_os(name), io::stderr().is_terminal()))
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

    pub(crate) fn blue(self, text: &str) -> String {
        self.paint("34", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn colours_wanted(variable: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return false;
    }
    let forced = variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    forced || (is_terminal && variable("TERM").is_none_or(|value| value != "dumb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_the_environment_says_otherwise() {
        let wanted = |variables: &[(&str, &str)], is_terminal| {
            let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
            colours_wanted(|name| find(name).map(|(_, value)| OsString::from(value)), is_terminal)
        };
        assert!(wanted(&[], true) && !wanted(&[], false));
        assert!(!wanted(&[("TERM", "dumb")], true));
        assert!(wanted(&[("NO_COLOR", "")], true) && !wanted(&[("NO_COLOR", "1")], true));
        assert!(wanted(&[("CLICOLOR_FORCE", "1")], false) && !wanted(&[("CLICOLOR_FORCE", "0")], false));
        assert!(!wanted(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true));
    }
}
