//! Files of many cases: `strongroom policy check --batch` and `strongroom policy eval`.
//!
//! The file is read and found to be an array before anything is printed; the answers are then made and printed in runs, so that a large batch takes little more memory than its text.
//! A case that is no case is answered with what is wrong and where, and doesn't hold up the others.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::case::{self, json_kind, offset_in, without_place};
use crate::failure::Failure;
use crate::output;

/// Longest id of a case.
const ID_BYTES_MAX: usize = 1_024;
/// Cases that are answered before their answers are printed.
const RUN_CASES_MAX: usize = 1_000;
/// Bytes of cases that are answered before their answers are printed, unless one case is longer.
const RUN_BYTES_MAX: usize = 4 << 20;

/// Bytes of answers that are collected before they are written.
const WRITE_BYTES_MIN: usize = 256 << 10;

/// What the cases of a file are, and how they are answered.
pub(super) struct Batch<'f> {
    /// The form of a case, for errors.
    pub(super) form: &'static str,
    /// What is wrong with the shape of a case, beside its id.
    pub(super) shape: fn(&str) -> Result<(), String>,
    /// Answers an array of well-shaped cases with an array of as many answers.
    pub(super) answer: &'f dyn Fn(&str) -> Result<String, String>,
}

#[derive(Serialize)]
struct Refused {
    id: Value,
    error: String,
}

#[derive(Deserialize)]
struct Identified<'t> {
    #[serde(borrow)]
    id: Option<&'t RawValue>,
}

/// Prints an array with one answer for each case of the file, in order.
///
/// # Errors
/// The file is no JSON array, or has too many cases: nothing is printed then.
pub(super) fn run(name: &str, text: &str, batch: &Batch<'_>) -> Result<(), Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let cases =
        case::cases_of(text, batch.form).map_err(|error| Failure::usage(format!("case file {name}: {error}")))?;
    let mut printer = Printer::new();
    let mut places = Places { text, offset: 0, line: 1 };
    let (mut waiting, mut waiting_bytes) = (Vec::new(), 0);
    for (index, case) in cases.iter().enumerate() {
        let line = places.line(case);
        let (id, shape) = inspect(case.get(), batch.shape);
        if let Err(error) = shape {
            answer(&std::mem::take(&mut waiting), batch, &mut printer)?;
            waiting_bytes = 0;
            printer.print(&refused(id, format!("case {} (line {line}) {error}", index + 1))?)?;
            continue;
        }
        waiting.push(case.get());
        waiting_bytes += case.get().len();
        if waiting.len() >= RUN_CASES_MAX || waiting_bytes >= RUN_BYTES_MAX {
            answer(&std::mem::take(&mut waiting), batch, &mut printer)?;
            waiting_bytes = 0;
        }
        if !printer.reader_is_there {
            return Ok(());
        }
    }
    answer(&waiting, batch, &mut printer)?;
    printer.finish()
}

/// The id of a case, and what is wrong with the case.
fn inspect(case: &str, shape: fn(&str) -> Result<(), String>) -> (Value, Result<(), String>) {
    if !case.starts_with('{') {
        return (Value::Null, Err(format!("is {}, not an object", json_kind(case))));
    }
    let id = match serde_json::from_str::<Identified<'_>>(case) {
        Ok(Identified { id: Some(id) }) => id.get(),
        Ok(Identified { id: None }) => {
            return (Value::Null, Err("has no id; give each case its own, a text or a number".to_owned()));
        }
        Err(error) => return (Value::Null, Err(format!("can't be read: {}", without_place(&error)))),
    };
    let value: Value = match id.as_bytes().first() {
        _ if id.len() > ID_BYTES_MAX => Value::Null,
        Some(b'"' | b'-' | b'0'..=b'9') => serde_json::from_str(id).unwrap_or_default(),
        _ => Value::Null,
    };
    if value.is_null() {
        let error = format!("has an id that is no text of at most {ID_BYTES_MAX} bytes and no number; write one");
        return (value, Err(error));
    }
    (value, shape(case))
}

/// Answers cases and prints the answers.
fn answer(cases: &[&str], batch: &Batch<'_>, printer: &mut Printer) -> Result<(), Failure> {
    if cases.is_empty() || !printer.reader_is_there {
        return Ok(());
    }
    let mut array = String::with_capacity(cases.iter().map(|case| case.len() + 1).sum::<usize>() + 2);
    array.push('[');
    array.push_str(&cases.join(","));
    array.push(']');
    let answered = (batch.answer)(&array);
    drop(array);
    match (answered, cases) {
        (Ok(answers), _) => {
            let answers: Vec<&RawValue> = serde_json::from_str(&answers)
                .map_err(|error| Failure::failed(format!("the answers are no JSON array: {error}")))?;
            if answers.len() != cases.len() {
                return Err(Failure::failed(format!("{} cases got {} answers", cases.len(), answers.len())));
            }
            answers.into_iter().try_for_each(|answer| printer.print(answer.get()))
        }
        // Only the cases themselves can be wrong, so the one that is answers for itself.
        (Err(error), [case]) => {
            let id = serde_json::from_str::<Value>(case).ok().and_then(|case| case.get("id").cloned());
            printer.print(&refused(id.unwrap_or_default(), error)?)
        }
        (Err(_), cases) => cases.iter().try_for_each(|case| answer(&[case], batch, printer)),
    }
}

fn refused(id: Value, error: String) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(&Refused { id, error })
        .map_err(|error| Failure::failed(format!("the answer has no JSON form: {error}")))?;
    // As deep as an element of the array that it becomes part of. Texts have no line ends in JSON.
    Ok(text.replace('\n', "\n  "))
}

/// Prints the elements of an array, indented as `serde_json` indents one, many with one write.
struct Printer {
    waiting: String,
    is_first: bool,
    reader_is_there: bool,
}

impl Printer {
    fn new() -> Printer {
        Printer { waiting: String::new(), is_first: true, reader_is_there: true }
    }

    fn print(&mut self, element: &str) -> Result<(), Failure> {
        self.waiting.push_str(if self.is_first { "[\n  " } else { ",\n  " });
        self.waiting.push_str(element);
        self.is_first = false;
        if self.waiting.len() >= WRITE_BYTES_MIN { self.flush() } else { Ok(()) }
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.waiting.push_str(if self.is_first { "[]\n" } else { "\n]\n" });
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if self.reader_is_there {
            self.reader_is_there = output::write(&[&self.waiting])?;
        }
        self.waiting.clear();
        Ok(())
    }
}

/// The lines of the cases, counted on from one case to the next.
struct Places<'t> {
    text: &'t str,
    offset: usize,
    line: usize,
}

impl Places<'_> {
    /// One-based line where a case begins. Cases are asked for in the order of the text.
    fn line(&mut self, case: &RawValue) -> usize {
        let start = offset_in(self.text, case.get());
        let between = self.text.as_bytes().get(self.offset..start).unwrap_or_default();
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.offset = start.max(self.offset);
        self.line
    }
}
