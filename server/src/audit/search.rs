//! Searching the log, newest records first, file by file from its end, or what was written after a place, oldest first; a search that finds little stops after a bounded amount and says where it goes on.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::files::{numbered, numbers};

/// Bytes that one search reads.
const READ_BYTES_MAX: u64 = 128 << 20;
/// Bytes that are read at once, from the end of a file to its beginning.
const BLOCK_BYTES: u64 = 1 << 20;
/// Where the records of so many bytes in a row are older than what is searched for, so is all before them. A clock that was wrong for a while, as of a machine without a battery, makes a shorter stretch.
const OLD_BYTES_MAX: u64 = 64 << 20;
/// A line longer than this is none of ours.
const LINE_BYTES_MAX: usize = 1 << 20;

/// What is searched for; what is `None` fits everything.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The account whose records they are; `None` for the operator, who sees all.
    pub account: Option<String>,
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
    /// `eventName` in any case; `*` stands for any characters.
    pub event: Option<String>,
    /// Name, ARN or access key of the caller; `root` is the root of any account that is looked at.
    pub user: Option<String>,
    /// The bucket.
    pub bucket: Option<String>,
    /// Whether it was refused: an error code is there.
    pub refused: Option<bool>,
    /// Somewhere in what the record says, in any case; in lower case.
    pub text: Option<String>,
}

/// Where a search goes on: before this byte of the file with this number, or from it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The file's number; the newest file has the one that it will get.
    pub file: u64,
    /// Bytes from its beginning.
    pub before: u64,
}

impl Search {
    /// At most `limit` records, newest first, and where to go on. Reads files, so not for a thread that serves requests.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn run(&self, path: &Path, cursor: Option<Cursor>, limit: usize) -> io::Result<(Vec<Value>, Option<Cursor>)> {
        let (newest, newest_file) = newest_of(path)?;
        let mut found = Vec::new();
        let (mut read, mut too_old) = (0, 0);
        let full = numbers(path)?.into_iter().rev().filter(|number| *number < newest);
        for (number, file) in [(newest, newest_file)].into_iter().chain(full.map(|number| (number, None))) {
            if cursor.is_some_and(|cursor| number > cursor.file) {
                continue;
            }
            let Some(file) = file.map_or_else(|| open_full(path, number), |file| Ok(Some(file)))? else { continue };
            let mut end = file.metadata()?.len();
            if let Some(cursor) = cursor.filter(|cursor| cursor.file == number) {
                end = end.min(cursor.before);
            }
            let mut lines = Backwards { file, position: end, buffer: Vec::new() };
            while let Some((at, line)) = lines.next()? {
                let bytes = line.len() as u64 + 1;
                read += bytes;
                match self.judge(&line) {
                    Judged::Fits(record) => {
                        found.push(record);
                        too_old = 0;
                    }
                    Judged::Other => too_old = 0,
                    Judged::TooOld => too_old += bytes,
                }
                if too_old >= OLD_BYTES_MAX {
                    return Ok((found, None));
                }
                if found.len() == limit || read > READ_BYTES_MAX {
                    return Ok((found, Some(Cursor { file: number, before: at })));
                }
            }
        }
        Ok((found, None))
    }

    /// At most `limit` records that were written from `place` on, oldest first, and where to go on. Searches of this kind are left out, so that whoever follows the log doesn't meet their own asking. Reads files, like [`Search::run`].
    ///
    /// # Errors
    /// The files can't be read.
    pub fn after(&self, path: &Path, place: Cursor, limit: usize) -> io::Result<(Vec<Value>, Cursor)> {
        let (newest, newest_file) = newest_of(path)?;
        // A log that was removed begins anew.
        let mut place = if place.file > newest { Cursor { file: newest, before: 0 } } else { place };
        let mut found = Vec::new();
        let mut read = 0;
        let unread = place.file..newest;
        let full = numbers(path)?.into_iter().filter(|number| unread.contains(number));
        let files = full.map(|number| (number, None)).chain([(newest, newest_file)]);
        for (number, file) in files {
            let Some(mut file) = file.map_or_else(|| open_full(path, number), |file| Ok(Some(file)))? else { continue };
            if number != place.file {
                place = Cursor { file: number, before: 0 };
            }
            if place.before > file.metadata()?.len() {
                place.before = 0;
            }
            file.seek(SeekFrom::Start(place.before))?;
            let mut lines = BufReader::with_capacity(64 << 10, file);
            let mut line = Vec::new();
            loop {
                line.clear();
                let length = lines.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)? as u64;
                // The last one is still being written; a longer one than ours is passed over in pieces.
                if length == 0 || (line.last() != Some(&b'\n') && length < LINE_BYTES_MAX as u64) {
                    break;
                }
                (place.before, read) = (place.before + length, read + length);
                if let Judged::Fits(record) = self.judge(&line)
                    && !is_following(&record)
                {
                    found.push(record);
                }
                if found.len() == limit || read > READ_BYTES_MAX {
                    return Ok((found, place));
                }
            }
        }
        Ok((found, place))
    }

    fn judge(&self, line: &[u8]) -> Judged {
        let Ok(text) = std::str::from_utf8(line) else { return Judged::Other };
        // What JSON writes as it is can be looked for before the record is taken apart.
        let is_plain = |wanted: &String| !wanted.contains(|c: char| c.is_control() || matches!(c, '"' | '\\'));
        let plain = self.text.as_ref().filter(|wanted| self.from.is_none() && is_plain(wanted));
        if plain.is_some_and(|wanted| !text.to_lowercase().contains(wanted)) {
            return Judged::Other;
        }
        if self.from.is_some_and(|from| is_older(text, from)) {
            return Judged::TooOld;
        }
        let Ok(record) = serde_json::from_str::<Value>(text) else { return Judged::Other };
        let time = record["eventTime"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        let is = |value: &Value, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| value == wanted);
        let identity = &record["userIdentity"];
        let user = self.user.as_ref().is_none_or(|user| {
            let is_root = user == "root" && identity["type"] == "Root";
            is_root || ["userName", "arn", "accessKeyId"].iter().any(|field| &identity[*field] == user)
        });
        let event = self.event.as_ref().is_none_or(|wanted| {
            record["eventName"].as_str().is_some_and(|name| matches_event(wanted.as_bytes(), name.as_bytes()))
        });
        let bucket = self.bucket.as_ref().is_none_or(|bucket| {
            let resources = record["resources"].as_array();
            resources
                .into_iter()
                .flatten()
                .filter_map(|it| it["ARN"].as_str()?.strip_prefix("arn:aws:s3:::"))
                .any(|tail| tail.split('/').next() == Some(bucket))
        });
        let fits = time
            .is_some_and(|time| self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to))
            && is(&record["recipientAccountId"], &self.account)
            && event
            && user
            && bucket
            && self.refused.is_none_or(|refused| record["errorCode"].is_string() == refused)
            && self.text.as_ref().is_none_or(|wanted| says(&record, wanted));
        if fits { Judged::Fits(record) } else { Judged::Other }
    }
}

/// Whether a record is older than `from`, and by more than records stand out of order: they are written in the order of their answers. Many of them may be passed over, so nothing else of one is read.
fn is_older(record: &str, from: Timestamp) -> bool {
    const SLACK: SignedDuration = SignedDuration::from_mins(10);
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Dated<'a> {
        #[serde(borrow)]
        event_time: Cow<'a, str>,
    }
    let dated = serde_json::from_str::<Dated<'_>>(record).ok();
    let time = dated.and_then(|dated| dated.event_time.parse::<Timestamp>().ok());
    time.is_some_and(|time| time.saturating_add(SLACK).is_ok_and(|time| time < from))
}

/// Whether a text or number of a record holds what is wanted, in any case; `wanted` is in lower case.
fn says(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text.to_lowercase().contains(wanted),
        Value::Number(number) => number.to_string().contains(wanted),
        Value::Array(values) => values.iter().any(|it| says(it, wanted)),
        Value::Object(fields) => fields.values().any(|it| says(it, wanted)),
        Value::Null | Value::Bool(_) => false,
    }
}

/// Whether a name fits a pattern in any case. Only the last star is ever taken up again, so a long pattern costs no more than its length times the name's.
fn matches_event(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, of));
            at += 1;
        } else if pattern.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&name[of])) {
            (at, of) = (at + 1, of + 1);
        } else if let Some((star_at, star_of)) = star {
            star = Some((star_at, star_of + 1));
            (at, of) = (star_at + 1, star_of + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

impl Cursor {
    /// The end of the log as it is now.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn end(path: &Path) -> io::Result<Cursor> {
        let (file, newest) = newest_of(path)?;
        let before = newest.map_or(Ok(0), |newest| newest.metadata().map(|it| it.len()))?;
        Ok(Cursor { file, before })
    }
}

/// The newest file and the number that it will get; none where there is no log yet.
fn newest_of(path: &Path) -> io::Result<(u64, Option<File>)> {
    loop {
        let number = |full: Vec<u64>| full.last().map_or(1, |last| last + 1);
        let before = number(numbers(path)?);
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file?),
        };
        // Else it was set aside in between, which happens once in 64 MiB.
        if number(numbers(path)?) == before {
            return Ok((before, file));
        }
    }
}

/// A file that was set aside; none if it was removed meanwhile, as the oldest, or was never there.
fn open_full(path: &Path, number: u64) -> io::Result<Option<File>> {
    match File::open(numbered(path, number)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

/// Whether a record is of a call that asked for what comes after a place.
fn is_following(record: &Value) -> bool {
    record["requestParameters"]["after"].is_string() && record["eventName"] == "ListAuditRecords"
}

enum Judged {
    Fits(Value),
    Other,
    TooOld,
}

/// The lines of a file from its end.
struct Backwards {
    file: File,
    /// Where the buffer begins.
    position: u64,
    buffer: Vec<u8>,
}

impl Backwards {
    /// The line before the last one that was given, and where it begins.
    fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            // The end of the line itself is not what separates it from the one before.
            let searched = self.buffer.len().saturating_sub(1);
            if let Some(end) = self.buffer[..searched].iter().rposition(|&byte| byte == b'\n') {
                let mut line = self.buffer.split_off(end + 1);
                line.pop_if(|byte| *byte == b'\n');
                return Ok(Some((self.position + end as u64 + 1, line)));
            }
            if self.position == 0 {
                let mut line = std::mem::take(&mut self.buffer);
                line.pop_if(|byte| *byte == b'\n');
                return Ok((!line.is_empty()).then_some((0, line)));
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                self.buffer.clear();
            }
            let begin = self.position.saturating_sub(BLOCK_BYTES);
            let length = usize::try_from(self.position - begin).map_err(io::Error::other)?;
            let mut block = vec![0; length];
            self.file.read_exact_at(&mut block, begin)?;
            block.append(&mut self.buffer);
            self.buffer = block;
            self.position = begin;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u32, name: &str) -> String {
        format!(
            "{{\"eventTime\":\"2026-11-22T05:{:02}:00.000Z\",\"eventName\":\"{name}\",\"recipientAccountId\":\"1\",\"userIdentity\":{{}},\"resources\":[]}}\n",
            n
        )
    }

    #[test]
    fn records_are_found_newest_first_across_files_and_pages() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let text = |range: std::ops::Range<u32>| {
            range.map(|n| line(n, if n % 2 == 0 { "Even" } else { "Odd" })).collect::<String>()
        };
        std::fs::write(numbered(&path, 1), text(0..10)).unwrap();
        std::fs::write(numbered(&path, 2), text(10..20)).unwrap();
        std::fs::write(&path, text(20..30) + "cut off").unwrap();
        let search = Search { event: Some("Even".into()), ..Search::default() };
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = search.run(&path, cursor, 4).unwrap();
            seen.extend(page.iter().map(|it| it["eventTime"].as_str().unwrap()[14..16].to_owned()));
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..30).rev().filter(|n| n % 2 == 0).map(|n| format!("{n:02}")).collect();
        assert_eq!(seen, expected);
        let none = Search { account: Some("2".into()), ..Search::default() };
        assert!(none.run(&path, None, 4).unwrap().0.is_empty());
        let late = Search { from: Some("2026-11-22T05:28:00Z".parse().unwrap()), ..Search::default() };
        assert_eq!(late.run(&path, None, 10).unwrap().0.len(), 2);
    }

    #[test]
    fn a_file_that_is_set_aside_meanwhile_is_searched_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                for n in 1..=4_000 {
                    std::fs::write(&path, line(0, &n.to_string())).unwrap();
                    std::fs::rename(&path, numbered(&path, n)).unwrap();
                    if n > 5 {
                        std::fs::remove_file(numbered(&path, n - 5)).unwrap();
                    }
                }
            });
            let mut compared = 0;
            while !writing.is_finished() {
                let (found, _) = Search::default().run(&path, None, 10).unwrap();
                let number = |it: &Value| it["eventName"].as_str().unwrap().parse::<u32>().unwrap();
                let numbers: Vec<u32> = found.iter().map(number).collect();
                assert!(numbers.windows(2).all(|it| it[0] == it[1] + 1), "one is missing: {numbers:?}");
                compared += usize::from(numbers.len() > 1);
            }
            assert!(compared > 0, "nothing was ever found beside another");
        });
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_hides_nothing_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let wrong = |year: &str| (0..9).map(|n| line(n, "Wrong").replace("2026", year)).collect::<String>();
        let before: String = (0..30).map(|n| line(n, "Right")).collect();
        std::fs::write(&path, before + &wrong("1970") + &wrong("2031") + &line(30, "Right")).unwrap();
        let found = |from: &str, to: Option<&str>| {
            let from = Some(from.parse().unwrap());
            let search = Search { from, to: to.map(|it| it.parse().unwrap()), ..Search::default() };
            search.run(&path, None, 100).unwrap().0.len()
        };
        assert_eq!(found("2026-11-22T05:00:00Z", Some("2027-01-01T00:00:00Z")), 31);
        assert_eq!(found("2031-01-01T00:00:00Z", None), 9);
        // A stretch as long as a whole file is the past.
        let past = line(0, &"x".repeat(1 << 16)).replace("2026", "1970").repeat(1 << 10);
        std::fs::write(&path, line(0, "Hidden") + &past + &line(30, "Right")).unwrap();
        assert_eq!(found("2026-11-22T05:00:00Z", None), 1);
    }

    #[test]
    fn a_text_is_looked_for_in_what_a_record_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let key = serde_json::to_string("arn:aws:s3:::box/\"Zq\" back\\slash\nend").unwrap();
        let line = line(1, "GetObject").replace("[]", &format!("[{{\"ARN\":{key}}}]"));
        std::fs::write(&path, line.replace("\"recipient", "\"httpStatus\":404,\"recipient")).unwrap();
        for (text, fits) in [
            ("\"zq\"", true),
            ("back\\slash", true),
            ("back\\\\slash", false),
            ("slash\nend", true),
            ("getobj", true),
            ("404", true),
            ("eventname", false),
            ("\"arn\":", false),
        ] {
            for from in [None, Some("2026-01-01T00:00:00Z".parse().unwrap())] {
                let search = Search { text: Some(text.to_owned()), from, ..Search::default() };
                assert_eq!(search.run(&path, None, 9).unwrap().0.len(), usize::from(fits), "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_written_after_a_place_is_found_once_and_oldest_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let (all, search) = (Search::default(), Search { event: Some("B".into()), ..Search::default() });
        let minutes = |records: &[Value]| -> Vec<String> {
            records.iter().map(|it| it["eventTime"].as_str().unwrap()[14..16].to_owned()).collect()
        };
        let begin = Cursor::end(&path).unwrap();
        assert_eq!(begin, Cursor { file: 1, before: 0 });
        assert_eq!(all.after(&path, begin, 10).unwrap(), (vec![], begin));
        std::fs::write(&path, line(0, "A") + &line(1, "B") + &line(2, "A") + "cut o").unwrap();
        let (found, place) = all.after(&path, begin, 2).unwrap();
        assert_eq!(minutes(&found), ["00", "01"]);
        let (found, place) = all.after(&path, place, 2).unwrap();
        assert_eq!(minutes(&found), ["02"]);
        assert_eq!(all.after(&path, place, 2).unwrap(), (vec![], place));
        // The file is set aside, and another one follows.
        std::fs::write(&path, line(0, "A") + &line(1, "B") + &line(2, "A") + &line(3, "B")).unwrap();
        std::fs::rename(&path, numbered(&path, 1)).unwrap();
        let own = line(4, "ListAuditRecords")
            .replace("\"resources\"", "\"requestParameters\":{\"after\":\"end\"},\"resources\"");
        std::fs::write(&path, own + &line(5, "ListAuditRecords") + &line(6, "B")).unwrap();
        assert_eq!(minutes(&all.after(&path, place, 10).unwrap().0), ["03", "05", "06"]);
        let (found, place) = search.after(&path, place, 10).unwrap();
        assert_eq!(minutes(&found), ["03", "06"]);
        assert_eq!(place, Cursor::end(&path).unwrap());
        // A log that somebody removed begins anew.
        for file in [numbered(&path, 1), path.clone()] {
            std::fs::remove_file(file).unwrap();
        }
        std::fs::write(&path, line(7, "B")).unwrap();
        assert_eq!(minutes(&search.after(&path, place, 10).unwrap().0), ["07"]);
    }

    #[test]
    fn events_are_found_in_any_case_and_by_a_pattern() {
        for (pattern, name, fits) in [
            ("PutObject", "PutObject", true),
            ("putobject", "PutObject", true),
            ("Put*", "PutObjectTagging", true),
            ("*object*", "PutObjectTagging", true),
            ("*Policy", "PutBucketPolicy", true),
            ("*", "", true),
            ("Put", "PutObject", false),
            ("*Object", "PutObjectTagging", false),
            ("", "PutObject", false),
            (&"*a".repeat(1000), &"a".repeat(999), false),
        ] {
            assert_eq!(matches_event(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn lines_longer_than_a_block_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let long = "x".repeat(900_000);
        std::fs::write(&path, format!("a\n{long}\n{long}\nb\n")).unwrap();
        let file = File::open(&path).unwrap();
        let mut lines = Backwards { position: file.metadata().unwrap().len(), file, buffer: Vec::new() };
        let mut lengths = Vec::new();
        while let Some((_, line)) = lines.next().unwrap() {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [1, 900_000, 900_000, 1]);
    }
}
