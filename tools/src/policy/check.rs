//! `strongroom policy check FILE...`: errors and findings beside the lines that they are about, or as JSON.

use std::path::Path;
use std::process::ExitCode;

use policy::{CheckReport, DOCUMENT_BYTES_MAX, Dialect, ERRORS_MAX, Level, ParseOptions, PolicyKind, Severity};
use serde::Serialize;

use super::excerpt::Lines;
use super::{POLICY_FILE_BYTES_MAX, dialect_name, dialect_of, is_for_aws, kind_of};
use crate::args::PolicyCheck;
use crate::failure::{Exit, Failure};
use crate::input::{self, shown_name};
use crate::output::{self, Paint};
use crate::text::{clip, counted, visible_line};

/// Most characters of a sentence that quotes a document.
const SENTENCE_CHARACTERS_MAX: usize = 500;

/// A report as `--json` prints it for one of several files.
#[derive(Serialize)]
struct FileReport<'a> {
    file: String,
    #[serde(flatten)]
    report: FileOutcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FileOutcome<'a> {
    Checked(&'a CheckReport),
    Unreadable { error: &'a str },
}

/// Checks each file. Exit 0 when all documents are valid, 1 when one is not, 2 when one can't be read; the others are checked all the same.
pub(super) fn check(arguments: &PolicyCheck, json: bool) -> Result<ExitCode, Failure> {
    let options = options_of(arguments)?;
    if arguments.files.iter().filter(|file| file.as_os_str() == "-").count() > 1 {
        return Err(Failure::usage("standard input (-) can be read once; name it once"));
    }
    let paint = Paint::for_stdout();
    let mut reports: Vec<(&Path, Result<CheckReport, String>)> = Vec::with_capacity(arguments.files.len());
    for file in &arguments.files {
        let document = match read(file) {
            Ok(document) => document,
            Err(error) => {
                reports.push((file, Err(error)));
                continue;
            }
        };
        let report = policy::check(&document, options);
        let text = match json {
            true => String::new(),
            false => {
                let judged = Judged { options, chosen: arguments.dialect.is_some() };
                text_of(&report, &document, &shown_name(file), &judged, paint)
            }
        };
        reports.push((file, Ok(report)));
        if !output::write(&[&text])? {
            return Ok(exit_code(&reports));
        }
    }
    match reports.as_slice() {
        // A single file that can't be read is the whole answer.
        [(file, Err(error))] => return Err(unreadable(file, error)),
        [(_, Ok(report))] if json => output::print_json(report)?,
        _ if json => print_json(&reports)?,
        [_] => {}
        _ => output::print(&summary(&reports))?,
    }
    for (file, report) in &reports {
        if let Err(error) = report {
            output::complain(&unreadable(file, error));
        }
    }
    Ok(exit_code(&reports))
}

/// Reads a document of any bytes, as long as its length can be told.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    let document = input::read_start(file, POLICY_FILE_BYTES_MAX + 1)?;
    if document.len() as u64 > POLICY_FILE_BYTES_MAX {
        return Err(format!("is longer than the {POLICY_FILE_BYTES_MAX} bytes that are read"));
    }
    Ok(document)
}

fn exit_code(reports: &[(&Path, Result<CheckReport, String>)]) -> ExitCode {
    if reports.iter().any(|(_, report)| report.is_err()) {
        ExitCode::from(Exit::Usage as u8)
    } else if reports.iter().all(|(_, report)| report.as_ref().is_ok_and(|report| report.valid)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Exit::Failed as u8)
    }
}

fn options_of(arguments: &PolicyCheck) -> Result<ParseOptions<'_>, Failure> {
    let (kind, dialect) = (kind_of(arguments.kind), arguments.dialect.map_or(Dialect::Aws, dialect_of));
    if dialect == Dialect::Lyve && kind != PolicyKind::Identity {
        return Err(Failure::usage("--dialect lyve is for permission files: it goes with --kind identity only"));
    }
    if arguments.bucket.is_some() && kind != PolicyKind::Bucket {
        return Err(Failure::usage("--bucket goes with --kind bucket or --batch only"));
    }
    Ok(ParseOptions { kind, dialect, bucket: arguments.bucket.as_deref(), level: Level::Storage })
}

fn unreadable(file: &Path, error: &str) -> Failure {
    Failure::usage(format!("policy document {}: {error}", file.display()))
}

fn print_json(reports: &[(&Path, Result<CheckReport, String>)]) -> Result<(), Failure> {
    let reports = reports.iter().map(|(file, report)| FileReport {
        file: file.display().to_string(),
        report: match report {
            Ok(report) => FileOutcome::Checked(report),
            Err(error) => FileOutcome::Unreadable { error },
        },
    });
    output::print_json(&reports.collect::<Vec<_>>())
}

fn summary(reports: &[(&Path, Result<CheckReport, String>)]) -> String {
    let count =
        |what: fn(&Result<CheckReport, String>) -> bool| reports.iter().filter(|(_, report)| what(report)).count();
    let valid = count(|report| report.as_ref().is_ok_and(|report| report.valid));
    let unread = count(Result::is_err);
    let mut summary = format!("{}: {valid} valid", counted(reports.len(), "document"));
    for (count, what) in [(reports.len() - valid - unread, "not valid"), (unread, "not read")] {
        if count > 0 {
            summary.push_str(&format!(", {count} {what}"));
        }
    }
    summary
}

/// How a document was judged.
struct Judged<'a> {
    options: ParseOptions<'a>,
    /// Whether somebody chose the dialect.
    chosen: bool,
}

impl Judged<'_> {
    fn dialect(&self) -> &'static str {
        dialect_name(self.options.dialect)
    }

    /// What the other dialect would say, where that is news.
    fn note(&self, report: &CheckReport, document: &[u8]) -> Option<String> {
        let ParseOptions { kind, dialect, .. } = self.options;
        if dialect == Dialect::Lyve {
            let note =
                "pass --dialect aws to judge it as an AWS policy, and to strongroom permission create to import it so";
            let is_for_aws = !report.valid && is_for_aws(document, self.options);
            return is_for_aws.then(|| note.to_owned());
        }
        if !report.valid || self.chosen || kind != PolicyKind::Identity {
            return None;
        }
        let refused = policy::check(document, ParseOptions::lyve()).message?;
        Some(format!(
            "strongroom permission create judges by dialect lyve unless it is passed --dialect aws, and refuses this: {}",
            shown(&refused)
        ))
    }
}

/// One error or finding, in the form that both have here.
struct Remark<'a> {
    label: String,
    code: &'a str,
    message: &'a str,
    place: (u32, u32),
    pointer: &'a str,
    suggestion: Option<&'a str>,
    resolution: &'a str,
}

/// Every error and finding with its line, then the verdict; for a refused document in the dialect's own words too, since scripts and clients see those.
fn text_of(report: &CheckReport, document: &[u8], file: &str, judged: &Judged<'_>, paint: Paint) -> String {
    // What is too long to be read as a policy is no text to quote either.
    let source = if document.len() > DOCUMENT_BYTES_MAX { Ok("") } else { std::str::from_utf8(document) };
    let lines = source.ok().map(Lines::new);
    let mut text = String::new();
    let errors = report.errors.iter().map(|error| Remark {
        label: paint.red("error"),
        code: error.code,
        message: &error.message,
        place: (error.line, error.column),
        pointer: &error.pointer,
        suggestion: error.suggestion.as_deref(),
        resolution: &error.resolution,
    });
    let findings = report.findings.iter().map(|finding| Remark {
        label: severity(finding.severity, 1, paint),
        code: finding.code,
        message: &finding.message,
        place: (finding.line, finding.column),
        pointer: &finding.pointer,
        suggestion: None,
        resolution: &finding.resolution,
    });
    for remark in errors.chain(findings) {
        write_remark(&mut text, &remark, file, lines.as_ref(), paint);
    }
    if let Err(error) = source
        && !is_utf16(document)
    {
        let line = document.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        let place = format!("byte {} of the file, in line {line}", error.valid_up_to() + 1);
        text.push_str(&format!("{}: the first byte that is not UTF-8 is {place}\n\n", paint.bold("note")));
    }
    if let Some(note) = judged.note(report, document) {
        text.push_str(&format!("{}: {note}\n\n", paint.bold("note")));
    }
    text.push_str(&format!("{file}: {}\n", verdict(report, judged.dialect(), paint)));
    text
}

fn is_utf16(document: &[u8]) -> bool {
    document.starts_with(&[0xff, 0xfe]) || document.starts_with(&[0xfe, 0xff])
}

fn write_remark(text: &mut String, remark: &Remark<'_>, file: &str, lines: Option<&Lines<'_>>, paint: Paint) {
    let (line, column) = remark.place;
    // The question that programs find in the message stands with the help here.
    let question = remark.suggestion.map(|suggestion| format!(" Did you mean {suggestion}?"));
    let sentence = question.as_deref().and_then(|question| remark.message.strip_suffix(question));
    let sentence = shown(sentence.unwrap_or(remark.message));
    text.push_str(&format!("{}{}\n", remark.label, paint.bold(&format!("[{}]: {sentence}", remark.code))));
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let pointer = if remark.pointer.is_empty() { String::new() } else { format!(" ({})", shown(remark.pointer)) };
    text.push_str(&format!("{gutter}{} {file}:{line}:{column}{pointer}\n", paint.blue("-->")));
    let bar = paint.blue("|");
    if let Some(excerpt) = lines.and_then(|lines| lines.excerpt(line, column)) {
        let underline = paint.red(&"^".repeat(excerpt.width));
        text.push_str(&format!("{gutter} {bar}\n{} {bar} {}\n", paint.blue(&number), excerpt.text));
        text.push_str(&format!("{gutter} {bar} {}{underline}\n", " ".repeat(excerpt.indent)));
    }
    let equals = paint.blue("=");
    if let Some(suggestion) = remark.suggestion {
        text.push_str(&format!("{gutter} {equals} {}: did you mean {}?\n", paint.bold("help"), shown(suggestion)));
    }
    if !remark.resolution.is_empty() {
        text.push_str(&format!("{gutter} {equals} {}: {}\n", paint.bold("help"), shown(remark.resolution)));
    }
    text.push('\n');
}

fn shown(text: &str) -> String {
    visible_line(&clip(text, SENTENCE_CHARACTERS_MAX))
}

fn severity(severity: Severity, count: usize, paint: Paint) -> String {
    let plural = if count == 1 { "" } else { "s" };
    match severity {
        Severity::SecurityWarning => paint.red(&format!("security warning{plural}")),
        Severity::Warning => paint.yellow(&format!("warning{plural}")),
        Severity::Suggestion => paint.green(&format!("suggestion{plural}")),
    }
}

fn verdict(report: &CheckReport, dialect: &str, paint: Paint) -> String {
    if let Some(message) = &report.message {
        let more = if report.errors.len() >= ERRORS_MAX { "at least " } else { "" };
        let errors = counted(report.errors.len(), "error");
        return format!("{} (dialect {dialect}, {more}{errors}): {}", paint.red("not valid"), shown(message));
    }
    let mut verdict = format!("{} (dialect {dialect})", paint.green("valid"));
    for one in [Severity::SecurityWarning, Severity::Warning, Severity::Suggestion] {
        let count = report.findings.iter().filter(|finding| finding.severity == one).count();
        if count > 0 {
            verdict.push_str(&format!(", {count} {}", severity(one, count, paint)));
        }
    }
    verdict
}
