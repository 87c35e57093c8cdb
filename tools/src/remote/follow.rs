//! `strongroom audit search --follow`: records as they are written.
//!
//! The node is asked again and again for what came after the last answer, which no restart, rotation or late record can make it miss or tell twice.

use std::time::Duration;

use serde_json::value::RawValue;

use super::audit::{COLUMNS, PAGE_MAX, row, search_call};
use super::node::{Node, parse};
use crate::args::AuditSearch;
use crate::ended::Ended;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::refusal::text_of;
use crate::text::{padded, visible_line};

/// The place from which on records are new.
const START: &str = "end";
/// How long nothing new is waited for before the node is asked again.
const ASK_AFTER: Duration = Duration::from_secs(1);
/// Widths of the columns but the last; a longer cell moves those behind it.
const WIDTHS: [usize; 6] = [20, 20, 16, 15, 30, 18];

/// Prints records until somebody ends it, nobody reads any more, or there were as many as wanted.
pub(super) fn follow(node: &Node, arguments: &AuditSearch, json: bool) -> Result<(), Failure> {
    let ended = Ended::watch()?;
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    // Why the node is waited for, as far as it was told.
    let (mut place, mut told) = (START.to_owned(), None);
    if !json {
        output::print(&line(&COLUMNS.map(str::to_owned)))?;
    }
    while left > 0 {
        let page = left.min(PAGE_MAX);
        let answer = match node.answer(search_call(arguments, page, ("after", Some(&place)))) {
            Ok(answer) => answer,
            // A node that answered will be there again: it is started anew, or the way to it is. Who may no longer ask is told so.
            Err(failure) if failure.exit == Exit::Failed && place != START => {
                // A time that runs down makes no other reason.
                let reason = failure.message.replace(|it: char| it.is_ascii_digit(), "");
                if told.as_ref() != Some(&reason) {
                    output::warn(&format!("{}: waiting for the node", failure.summary()));
                    told = Some(reason);
                }
                if ended.within(ASK_AFTER) {
                    break;
                }
                continue;
            }
            Err(failure) => return Err(failure),
        };
        told = None;
        place = answer
            .header("x-next-cursor")
            .map(str::to_owned)
            .ok_or_else(|| Failure::failed("audit log: this node can't be followed; it is of an older version"))?;
        let records: Vec<Box<RawValue>> = parse(&text_of(answer)?)?;
        for record in &records {
            let line = if json { format!("{}\n", record.get()) } else { line(&row(&parse(record.get())?)) };
            if !output::write(&[&line])? {
                return Ok(());
            }
        }
        left = left.saturating_sub(records.len() as u64);
        // A full page may have another one behind it.
        let pause = if records.len() as u64 == page { Duration::ZERO } else { ASK_AFTER };
        if ended.within(pause) {
            break;
        }
    }
    Ok(())
}

fn line(cells: &[String]) -> String {
    let mut line = String::new();
    for (place, cell) in cells.iter().enumerate() {
        let width = WIDTHS.get(place).copied().unwrap_or(0);
        line.push_str(&padded(&visible_line(cell), width));
        line.push_str("  ");
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let cells = ["2026-11-22T07:53:12Z", "GetObject", "wor\nker", "::1", "lake/a", "200", ""].map(str::to_owned);
        assert_eq!(
            line(&cells),
            "2026-11-22T07:53:12Z  GetObject             wor\\nker          ::1              lake/a                          200\n"
        );
    }
}
