//! `strongroom fsck` and `strongroom inspect`: what is in a data directory, and whether it is whole, without a node.

use std::path::Path;
use std::process::ExitCode;

use engine::{FsckReport, Options, RecordInfo, RowField, RowInfo, SegmentInfo};
use serde::Serialize;
use server::backup;
use server::maintenance::Scrubbed;

use crate::args::{Fsck, Inspect, Inspected};
use crate::broken;
use crate::failure::{Exit, Failure};
use crate::job::unopened;
use crate::output;
use crate::text::{counted, size, visible_line};

/// How much of a long answer is written at a time, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// What fsck answers as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked<'a> {
    clean: bool,
    /// What opening the directory did, or would do.
    recovery: &'a [String],
    /// What is wrong with the index, which holds no data of its own.
    index: &'a [String],
    index_repaired: bool,
    #[serde(flatten)]
    scrubbed: ScrubbedWithoutClean<'a>,
}

/// `clean` is about the index too.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ScrubbedWithoutClean<'a> {
    segments: u64,
    records: u64,
    bulk_segments: u64,
    bytes: u64,
    damage: &'a [server::maintenance::Damage],
    unnamed: u64,
}

/// Checks a data directory; exit 1 when something is wrong.
pub(crate) fn fsck(arguments: &Fsck, json: bool) -> Result<ExitCode, Failure> {
    let directory = &arguments.directory;
    if arguments.repair_index {
        backup::check_is_no_backup(directory).map_err(|error| Failure::conflict(error.to_string()))?;
    }
    let options = options();
    // What is wrong with an index that is there is a fault; that there is none is not.
    let had_index = directory.join("index.redb").exists();
    let advice = match (had_index, arguments.repair_index) {
        (true, false) => format!(
            "if its index is what is damaged, which holds no data of its own: strongroom fsck {} --repair-index",
            directory.display()
        ),
        _ => "restore a backup with strongroom restore".to_owned(),
    };
    let report = broken::guarded(&advice, || {
        let report = match arguments.repair_index {
            true => engine::repair_index(directory, options),
            false => engine::fsck(directory, options),
        };
        report.map_err(|error| unexaminable(directory, &error))
    })?;
    let index_faults = index_faults(&report, had_index && !arguments.repair_index);
    let scrubbed = Scrubbed::from(&report.scrub);
    let clean = scrubbed.clean && index_faults.is_empty();
    if json {
        let Scrubbed { segments, records, bulk_segments, bytes, ref damage, unnamed, .. } = scrubbed;
        output::print_json(&Checked {
            clean,
            recovery: &report.recovery,
            index: &index_faults,
            index_repaired: arguments.repair_index,
            scrubbed: ScrubbedWithoutClean { segments, records, bulk_segments, bytes, damage, unnamed },
        })?;
    } else {
        let mut text = damage_lines(&scrubbed);
        for fault in &index_faults {
            text.push_str(&format!("index: {}\n", visible_line(fault)));
        }
        let notes = report.recovery.iter().filter(|line| !index_faults.contains(line));
        text.extend(notes.map(|note| format!("note: {}\n", visible_line(note))));
        if !index_faults.is_empty() {
            let shown = directory.display();
            text.push_str(&format!(
                "the index holds no data of its own: strongroom fsck {shown} --repair-index makes it anew\n"
            ));
        }
        text.push_str(&summary(&scrubbed));
        output::print(&text)?;
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

/// What is wrong with the index: where it differs from the log, or why it could not be used at all.
fn index_faults(report: &FsckReport, was_to_be_used: bool) -> Vec<String> {
    let unusable = report.recovery.iter().filter(|_| was_to_be_used);
    report.index.iter().chain(unusable).cloned().collect()
}

/// Prints what is asked for.
pub(crate) fn inspect(arguments: &Inspect, json: bool) -> Result<ExitCode, Failure> {
    let directory = &arguments.directory;
    let id = match (arguments.what, &arguments.id) {
        (Inspected::Records, Some(text)) => Some(segment_id(text)?),
        (_, Some(text)) => {
            return Err(Failure::usage(format!("{text}: only records takes the id of a segment; see --help")));
        }
        (_, None) => None,
    };
    let mut table = Table::new(json);
    let mut damaged_at = None;
    let done = match arguments.what {
        Inspected::Segments => {
            table.head(&format!("{SEGMENT_HEAD}\n"));
            engine::inspect_segments(directory, options())
                .map(|segments| segments.iter().for_each(|segment| table.segment(segment)))
        }
        Inspected::Records => {
            table.head(&format!("{RECORD_HEAD}\n"));
            let id = id.unwrap_or_default();
            let shown = engine::inspect_records(directory, options(), id, |record| table.record(&record));
            shown.map(|damaged| damaged_at = damaged)
        }
        Inspected::Rows => engine::inspect_rows(directory, options(), |row| table.row(&row)),
    };
    if let (Err(engine::OpenError::Damaged { .. }), Some(id)) = (&done, id)
        && matches!(directory.join(format!("log/{id:016x}.seg")).try_exists(), Ok(false))
    {
        let shown = directory.display();
        return Err(Failure::not_found(format!(
            "{shown} has no segment {id:016x}: strongroom inspect {shown} lists those there are"
        )));
    }
    done.map_err(|error| unexaminable(directory, &error))?;
    table.end()?;
    match damaged_at {
        None => Ok(ExitCode::SUCCESS),
        Some(offset) => Err(Failure::failed(format!(
            "the record at offset {offset} is damaged, and those behind it can't be told apart; strongroom fsck {} names them",
            directory.display()
        ))),
    }
}

fn options() -> Options {
    Options {
        // Nothing is written there, or only the index.
        allow_network_filesystem: true,
        // Nobody is kept waiting by it.
        maintenance_bytes_per_second: None,
        ..Options::default()
    }
}

/// Why a directory can't be looked at.
fn unexaminable(directory: &Path, error: &engine::OpenError) -> Failure {
    match error {
        engine::OpenError::InUse(_) => {
            let shown = directory.display();
            Failure::failed(format!(
                "{shown} is in use: strongroom scrub {shown} checks it while its node runs; for this, stop the node"
            ))
        }
        error => unopened(directory, error),
    }
}

/// A segment's id, as its file is called, with or without what is around it.
fn segment_id(text: &str) -> Result<u64, Failure> {
    let name = text.rsplit('/').next().unwrap_or(text);
    let name = name.strip_suffix(".seg").unwrap_or(name);
    let digits = (1..=16).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u64::from_str_radix(name, 16).ok().filter(|_| digits);
    id.ok_or_else(|| {
        Failure::usage(format!("{text}: write a segment's id as its file is called, such as 0000000000000001"))
    })
}

/// One line for each damage, the last for what isn't named.
pub(crate) fn damage_lines(scrubbed: &Scrubbed) -> String {
    let mut text = String::new();
    for damage in &scrubbed.damage {
        let stored = if damage.alive || damage.key.is_none() { "" } else { " (replaced or deleted since)" };
        text.push_str(&format!("{}{stored}\n", visible_line(&damage.to_string())));
    }
    if scrubbed.unnamed > 0 {
        text.push_str(&format!("and {} more\n", scrubbed.unnamed));
    }
    text
}

/// What was read and how much of it is damaged, in one line.
pub(crate) fn summary(scrubbed: &Scrubbed) -> String {
    let found = match scrubbed.damage_count() {
        0 => "nothing is damaged".to_owned(),
        count => format!("{count} damaged"),
    };
    let (read, records) = (size(scrubbed.bytes), counted(scrubbed.records, "record"));
    let (log, bulk) = (counted(scrubbed.segments, "log segment"), counted(scrubbed.bulk_segments, "bulk segment"));
    format!("{found}: {read} read, {records} in {log}, {bulk}")
}

const SEGMENT_HEAD: &str = "segment               length    live bytes  first sequence   last sequence  state";
/// What is said of a row in place of its value.
const ROTTEN: &str = "(does not match its checksum)";
const RECORD_HEAD: &str = "    offset    length  kind            sequence        original      bucket  key";

/// A field's name as JSON spells it.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut spelt = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        spelt.push_str(&first.to_ascii_uppercase());
        spelt.push_str(rest);
    }
    spelt
}

/// Prints many things as they come, as lines or as one JSON array.
struct Table {
    json: bool,
    text: String,
    any: bool,
    /// Whether somebody still reads; else why it can't be written.
    reader: Result<bool, Failure>,
}

impl Table {
    fn new(json: bool) -> Table {
        Table { json, text: String::new(), any: false, reader: Ok(true) }
    }

    fn head(&mut self, line: &str) {
        if !self.json {
            self.text.push_str(line);
        }
    }

    fn segment(&mut self, segment: &SegmentInfo) {
        if self.json {
            return self.value(&serde_json::json!({
                "id": format!("{:016x}", segment.id), "length": segment.length, "firstSequence": segment.first_seq,
                "lastSequence": segment.last_seq, "sealed": segment.sealed, "footer": segment.footer,
                "liveBytes": segment.live_bytes, "deadFrom": segment.dead_from, "tombstoneBytes": segment.tombstone_bytes,
            }));
        }
        let state = match (segment.sealed, segment.footer) {
            (true, true) => "sealed",
            (true, false) => "sealed, without footer",
            (false, _) => "active",
        };
        self.line(&format!(
            "{:016x}  {:>10}  {:>12}  {:>14}  {:>14}  {state}\n",
            segment.id, segment.length, segment.live_bytes, segment.first_seq, segment.last_seq
        ));
    }

    fn record(&mut self, record: &RecordInfo) {
        if self.json {
            return self.value(&serde_json::json!({
                "offset": record.offset, "length": record.length, "kind": record.kind, "sequence": record.seq,
                "originalSequence": record.orig_seq, "bucket": record.bucket, "key": record.key,
            }));
        }
        self.line(&format!(
            "{:>10}  {:>8}  {:<12}  {:>10}  {:>14}  {:>10}  {}\n",
            record.offset,
            record.length,
            record.kind,
            record.seq,
            record.orig_seq,
            record.bucket,
            visible_line(&record.key)
        ));
    }

    fn row(&mut self, row: &RowInfo) {
        if self.json {
            let fields = row.fields.iter().map(|(name, field)| match field {
                RowField::Number(number) => (camel_case(name), (*number).into()),
                RowField::Text(text) => (camel_case(name), text.as_str().into()),
            });
            let fields: serde_json::Map<String, serde_json::Value> = fields.collect();
            return self.value(&serde_json::json!({
                "table": row.table, "fields": fields, "key": row.key, "value": row.value,
            }));
        }
        let mut line = row.table.to_owned();
        for (name, field) in &row.fields {
            let field = match field {
                RowField::Number(number) => number.to_string(),
                RowField::Text(text) if text.is_empty() || text.contains([' ', '"']) => format!("{text:?}"),
                RowField::Text(text) => visible_line(text),
            };
            line.push_str(&format!("  {}={field}", name.replace('_', "-")));
        }
        match &row.value {
            _ if row.fields.is_empty() => {
                line.push_str(&format!("  {}  {}", row.key, row.value.as_deref().unwrap_or(ROTTEN)));
            }
            None => line.push_str(&format!("  {ROTTEN}")),
            Some(_) => {}
        }
        self.line(&format!("{line}\n"));
    }

    fn value(&mut self, value: &serde_json::Value) {
        let before = if self.any { ",\n" } else { "[\n" };
        self.line(&format!("{before}{value}"));
    }

    fn line(&mut self, line: &str) {
        self.any = true;
        if matches!(self.reader, Ok(true)) {
            self.text.push_str(line);
            if self.text.len() >= PIECE_BYTES {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        self.reader = output::write(&[&self.text]);
        self.text.clear();
    }

    fn end(mut self) -> Result<(), Failure> {
        if self.json {
            self.text.push_str(if self.any { "\n]\n" } else { "[]\n" });
        }
        if matches!(self.reader, Ok(true)) {
            self.flush();
        }
        self.reader.map(|_reader_is_there| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line_of_what_it_says_and_the_bytes_only_of_what_says_nothing() {
        let fields = vec![
            ("key", RowField::Text("a b\u{1b}".into())),
            ("offset", RowField::Number(128)),
            ("original_sequence", RowField::Number(7)),
        ];
        let row = RowInfo { table: "current", key: "k".into(), value: Some("\\x00".into()), fields };
        let rotten = RowInfo { value: None, ..row.clone() };
        let unknown = RowInfo { fields: Vec::new(), ..row.clone() };
        let mut table = Table::new(false);
        for row in [&row, &rotten, &unknown] {
            table.row(row);
        }
        let said = "current  key=\"a b\\u{1b}\"  offset=128  original-sequence=7";
        assert_eq!(table.text, format!("{said}\n{said}  {ROTTEN}\ncurrent  k  \\x00\n"));
        let mut table = Table::new(true);
        table.row(&row);
        let json: serde_json::Value = serde_json::from_str(&format!("{}]", table.text)).unwrap();
        assert_eq!((&json[0]["fields"]["originalSequence"], &json[0]["value"]), (&7.into(), &"\\x00".into()));
    }

    #[test]
    fn a_segment_is_named_as_its_file_is() {
        for text in ["1f", "000000000000001f", "000000000000001f.seg", "data/log/000000000000001F.seg"] {
            assert_eq!(segment_id(text).unwrap(), 31, "{text}");
        }
        for text in ["", "x", "+1", "00000000000000001", "log/"] {
            assert!(segment_id(text).is_err(), "{text}");
        }
    }
}
