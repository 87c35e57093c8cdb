//! Explanations as text: several lines for people, one line for a log, visible ASCII for a header.
//!
//! Names, keys and values come from clients, so nothing that could forge a line or steer a terminal is written as it is.

use std::fmt::{self, Write as _};

use super::{ConditionTrace, Explanation, Found, StatementTrace, Texts};
use crate::decide::Outcome;

/// Most bytes of [`Explanation::header_value`].
pub const HEADER_BYTES_MAX: usize = 1_024;
/// Most characters of [`Explanation::one_line`].
const LINE_CHARACTERS_MAX: usize = 2_048;
/// Most near misses in one line.
const LINE_STATEMENTS_MAX: usize = 3;

impl Explanation {
    /// The outcome, the deciding statement and its conditions, or the nearest Allows and what they lack, in one line without
    /// control characters, of at most 2,048 characters. For logs.
    pub fn one_line(&self) -> String {
        let mut line = format!("{}: {}", outcome(self.decision), self.because);
        if let Some(deciding) = &self.deciding {
            let parts: Vec<String> = deciding.conditions.iter().map(condition).collect();
            if !parts.is_empty() {
                let _ = write!(line, ": {}", parts.join(", "));
            }
        }
        for trace in self.insufficient.iter().take(1) {
            let _ = write!(line, "; {} of {} allows it but is not enough", trace.sid, trace.policy);
        }
        for trace in self.nearly.iter().take(LINE_STATEMENTS_MAX) {
            let parts = lacks(trace).join(", ");
            let _ = write!(line, "; nearest: {} of {} (line {}): {parts}", trace.sid, trace.policy, trace.line);
        }
        let more = self.nearly_omitted + self.nearly.len().saturating_sub(LINE_STATEMENTS_MAX);
        if more > 0 {
            let _ = write!(line, "; and {more} more");
        }
        let line = printable(&line);
        super::clip(&line, LINE_CHARACTERS_MAX - 1)
    }

    /// [`one_line`](Explanation::one_line) as the value of a header.
    pub fn header_value(&self) -> String {
        header_text(&self.one_line())
    }
}

/// A text in visible ASCII and spaces, of at most [`HEADER_BYTES_MAX`] bytes, so that it can be the value of a header (RFC 9110,
/// section 5.5). Other characters are written as `\u{e9}`.
pub fn header_text(text: &str) -> String {
    const CUT: &str = "...";
    let mut value = String::new();
    for c in text.chars() {
        let before = value.len();
        match c {
            ' '..='~' => value.push(c),
            '…' => value.push_str(CUT),
            other => value.extend(other.escape_unicode()),
        }
        if value.len() > HEADER_BYTES_MAX - CUT.len() {
            value.truncate(before);
            value.push_str(CUT);
            break;
        }
    }
    value
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", printable(&self.request))?;
        writeln!(f, "{}: {}", outcome(self.decision), printable(&self.because))?;
        if let Some(deciding) = &self.deciding {
            write_conditions(f, deciding)?;
        }
        for trace in &self.insufficient {
            writeln!(f, "allowed by {}, which is not enough:", statement(trace))?;
            write_conditions(f, trace)?;
        }
        for trace in &self.nearly {
            writeln!(f, "nearly allowed by {}:", statement(trace))?;
            for lack in selectors(trace) {
                writeln!(f, "  {}", printable(&lack))?;
            }
            write_conditions(f, trace)?;
        }
        if self.nearly_omitted > 0 {
            writeln!(f, "and {} more", self.nearly_omitted)?;
        }
        Ok(())
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allowed",
        Outcome::ExplicitDeny => "denied by a statement",
        Outcome::ImplicitDeny => "denied",
    }
}

fn statement(trace: &StatementTrace) -> String {
    printable(&format!("{} of {} (line {})", trace.sid, trace.policy, trace.line))
}

fn write_conditions(f: &mut fmt::Formatter<'_>, trace: &StatementTrace) -> fmt::Result {
    for one in &trace.conditions {
        let verdict = if one.holds { "holds" } else { "fails" };
        let line = format!("{} {} {} {verdict}: {}", one.operator, one.key, list(&one.wanted), found(&one.found));
        writeln!(f, "  {}", printable(&line))?;
    }
    if trace.conditions_omitted > 0 {
        writeln!(f, "  and {} more conditions", trace.conditions_omitted)?;
    }
    Ok(())
}

/// Everything that keeps a statement from applying.
fn lacks(trace: &StatementTrace) -> Vec<String> {
    let mut parts = selectors(trace);
    parts.extend(trace.conditions.iter().filter(|one| !one.holds).map(condition));
    parts
}

/// What a statement names instead of what was asked for.
fn selectors(trace: &StatementTrace) -> Vec<String> {
    let mut parts = Vec::new();
    if trace.disabled {
        parts.push("the permission is disabled".to_owned());
    }
    if !trace.action_matches {
        parts.push(format!("it doesn't name this action ({})", list(&trace.actions)));
    }
    if !trace.principal_matches {
        parts.push("it doesn't name this caller".to_owned());
    }
    if !trace.resource_matches {
        parts.push(format!("it doesn't name this resource ({})", list(&trace.resources)));
    }
    parts
}

fn condition(one: &ConditionTrace) -> String {
    format!("{} {} {}: {}", one.operator, one.key, list(&one.wanted), found(&one.found))
}

fn found(found: &Found) -> String {
    match found {
        Found::Absent => "the request has no such key".to_owned(),
        Found::Unreadable => "it could not be read".to_owned(),
        Found::Malformed(text) => format!("the request has {text}, which is not of the operator's type"),
        Found::One(text) if text.is_empty() => "the request has an empty text".to_owned(),
        Found::One(text) => format!("the request has {text}"),
        Found::Many(texts) if texts.shown.is_empty() => "the request has an empty list".to_owned(),
        Found::Many(texts) => format!("the request has the list {}", list(texts)),
    }
}

fn list(texts: &Texts) -> String {
    let mut text = match texts.shown.is_empty() {
        true => "no value".to_owned(),
        false => texts.shown.join(", "),
    };
    if texts.omitted > 0 {
        let _ = write!(text, " and {} more", texts.omitted);
    }
    text
}

/// The text with control characters, line ends and marks of direction escaped.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let steers =
            matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || steers {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
