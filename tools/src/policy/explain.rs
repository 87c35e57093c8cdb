//! `strongroom policy explain`: why one request is decided as it is, with the statements that matter as they stand in their files.

use std::process::ExitCode;

use policy::{Explanation, Outcome, StatementTrace};

use super::excerpt::{Lines, plain_line};
use super::question::{self, Question, Source};
use super::statement;
use super::trace::Trace;
use crate::args::PolicyExplain;
use crate::failure::Failure;
use crate::output::{self, Paint};
use crate::text::{counted, visible_line};

/// Most lines of a statement that are shown.
const STATEMENT_LINES_MAX: usize = 24;

pub(super) fn explain(arguments: &PolicyExplain, json: bool) -> Result<ExitCode, Failure> {
    let question = question::read(arguments)?;
    let explanation =
        policy::explain_case(&question.case).map_err(|error| Failure::usage(format!("{}: {error}", question.name)))?;
    for warning in &question.warnings {
        output::warn(warning);
    }
    if json {
        output::print_json(&explanation)?;
    } else {
        output::print(&text_of(&explanation, &question, Paint::for_stdout())?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The decision, the request, and the statements behind the decision.
fn text_of(explanation: &Explanation, question: &Question, paint: Paint) -> Result<String, Failure> {
    let outcome = match explanation.decision {
        Outcome::Allow => paint.green("allowed"),
        Outcome::ExplicitDeny => paint.red("denied by a statement"),
        Outcome::ImplicitDeny => paint.red("denied"),
    };
    let because = match &explanation.deciding {
        // The line is that of the document; the place in the file stands below.
        Some(trace) => explanation.because.replace(&format!(" (line {})", trace.line), ""),
        None => explanation.because.clone(),
    };
    let mut text = format!("{outcome}: {}\n", visible_line(&because));
    text.push_str(&format!("  {}\n", visible_line(&explanation.request)));
    if let Some(trace) = &explanation.deciding {
        let verb = if explanation.decision == Outcome::Allow { "allowed" } else { "denied" };
        write_statement(&mut text, verb, "", trace, question, paint)?;
    }
    for trace in &explanation.insufficient {
        write_statement(&mut text, "allowed", ", which is not enough", trace, question, paint)?;
    }
    for trace in &explanation.nearly {
        write_statement(&mut text, "nearly allowed", "", trace, question, paint)?;
    }
    if explanation.nearly_omitted > 0 {
        text.push_str(&format!("\nand {} that come less near\n", counted(explanation.nearly_omitted, "statement")));
    }
    Ok(text)
}

fn write_statement(
    text: &mut String,
    verb: &str,
    but: &str,
    trace: &StatementTrace,
    question: &Question,
    paint: Paint,
) -> Result<(), Failure> {
    let heading = visible_line(&format!("{verb} by {} of {}{but}", trace.sid, trace.policy));
    text.push_str(&format!("\n{}\n", paint.bold(&heading)));
    let gutter = write_source(text, trace, &question.sources, paint);
    let texts = trace.resources.shown.iter();
    let mut open: Vec<&str> = texts.flat_map(|text| question.variables_without_value(text)).collect();
    open.dedup();
    for remark in Trace::of(trace)?.remarks(&open) {
        text.push_str(&format!("{gutter} {} {}\n", paint.blue("="), remark.line(paint)));
    }
    Ok(())
}

/// The statement as its file has it, behind line numbers; one that is too long for that, in lines of its own. Returns the width that the numbers take.
fn write_source(text: &mut String, trace: &StatementTrace, sources: &[Source], paint: Paint) -> String {
    let found = sources.iter().find_map(|source| Some((source, statement::find(source, trace)?)));
    let Some((source, statement)) = found else { return String::new() };
    let (bar, arrow) = (paint.blue("|"), paint.blue("-->"));
    let place = visible_line(&source.place(trace.line));
    let as_written: Vec<String> = Lines::new(&statement.lines).all().map(plain_line).collect();
    let (numbered, lines) = match statement::is_readable(&statement.lines) {
        true => (true, as_written),
        false => (false, Lines::new(&statement.laid_out()).all().map(plain_line).collect()),
    };
    let first = source.line_in_file(trace.line);
    let width = if numbered { (first + lines.len().min(STATEMENT_LINES_MAX)).to_string().len() } else { 1 };
    let gutter = " ".repeat(width);
    text.push_str(&format!("{gutter}{arrow} {place}\n{gutter} {bar}\n"));
    for (index, line) in lines.iter().take(STATEMENT_LINES_MAX).enumerate() {
        let number = if numbered { (first + index).to_string() } else { String::new() };
        text.push_str(&format!("{} {bar} {line}\n", paint.blue(&format!("{number:>width$}"))));
    }
    if lines.len() > STATEMENT_LINES_MAX {
        text.push_str(&format!("{gutter} {bar} and {} more lines\n", lines.len() - STATEMENT_LINES_MAX));
    }
    text.push_str(&format!("{gutter} {bar}\n"));
    gutter
}
