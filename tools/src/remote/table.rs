//! Tables and lists of fields for people: as wide as the terminal, whole where nobody looks through one.

use crate::text::{padded, visible_line};
use rustix::termios::tcgetwinsize;
use std::io::IsTerminal;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Narrowest a column gets, in characters.
const COLUMN_MIN: usize = 8;
const GAP: usize = 2;
/// Columns that tell rows apart, or hold what is copied into the next command: the others are cut first.
const KEPT: [&str; 6] = ["NAME", "ACCESS KEY", "ID", "TIME", "BUCKET", "VERSION"];
/// Widest that a name keeps a column, so that one long name doesn't squeeze the others out.
const KEPT_MAX: usize = 40;

/// A table of these columns, a line a row. On a terminal the widest columns are cut until a row fits.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    render(columns, rows, terminal_width())
}

/// Fields with their names, a line each.
pub(super) fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{}  {}\n", padded(name, width), visible_line(value));
    fields.iter().map(line).collect()
}

fn terminal_width() -> Option<usize> {
    let out = std::io::stdout();
    let width = out.is_terminal().then(|| tcgetwinsize(&out).ok())??.ws_col;
    (width > 0).then_some(usize::from(width))
}

fn render(columns: &[&str], rows: &[Vec<String>], width_max: Option<usize>) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| visible_line(cell)).collect()).collect();
    let mut widths: Vec<usize> = columns.iter().map(|name| name.width()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    if let Some(width_max) = width_max {
        let kept: Vec<usize> = columns.iter().map(|name| if KEPT.contains(name) { KEPT_MAX } else { 0 }).collect();
        shrink(&mut widths, &kept, width_max.saturating_sub(GAP * columns.len().saturating_sub(1)));
    }
    let mut text = line(columns.iter().copied(), &widths);
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str), &widths));
    }
    text
}

/// Takes from the widest column until all fit, as far as columns stay readable; from one that keeps a width only when nothing else is left.
fn shrink(widths: &mut [usize], kept: &[usize], total_max: usize) {
    while widths.iter().sum::<usize>() > total_max {
        let cuttable = widths.iter_mut().zip(kept).filter(|(width, _)| **width > COLUMN_MIN);
        match cuttable.max_by_key(|(width, kept)| (**width > **kept, **width)) {
            Some((widest, _)) => *widest -= 1,
            None => return,
        }
    }
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.zip(widths) {
        let cell = cut(cell, *width);
        text.push_str(&padded(&cell, *width + GAP));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A cell that is too wide ends with an ellipsis.
fn cut(cell: &str, width: usize) -> String {
    if cell.width() <= width {
        return cell.to_owned();
    }
    let mut text = String::new();
    let mut used = 1;
    for character in cell.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        text.push(character);
    }
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[[&str; 2]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = render(&["NAME", "TYPE"], &rows(&[["a", "x"], ["longer", "牛牛"], ["e\u{1b}[2J", ""]]), None);
        assert_eq!(text, "NAME        TYPE\na           x\nlonger      牛牛\ne\\u{1b}[2J\n");
    }

    #[test]
    fn the_widest_column_is_cut_where_a_terminal_ends() {
        let long = "a description of forty characters or so!";
        let text = render(&["NAME", "DESCRIPTION"], &rows(&[["a", long]]), Some(20));
        assert_eq!(text, "NAME  DESCRIPTION\na     a description…\n");
        assert!(text.lines().all(|line| line.width() <= 20));
        // What tells rows apart is cut when nothing else is left to cut.
        let by_time = rows(&[["2026-11-22T18:53:14Z", "ListAuditRecords"]]);
        assert_eq!(
            render(&["TIME", "EVENT"], &by_time, Some(32)),
            "TIME                  EVENT\n2026-11-22T18:53:14Z  ListAudit…\n"
        );
        assert!(render(&["TIME", "EVENT"], &by_time, Some(20)).contains("2026-11-2…  ListAud…"));
        let name = "n".repeat(60);
        assert!(
            render(&["NAME", "EVENT"], &rows(&[[&name, "ListAuditRecords"]]), Some(60))
                .ends_with("…  ListAuditRecords\n")
        );
        // A terminal that is too narrow for anything breaks lines as it likes.
        assert!(render(&["NAME", "DESCRIPTION"], &rows(&[["a", long]]), Some(1)).contains("a descr…"));
    }
}
