//! What an examination of the store has found, as plain values for whoever shows it.

use std::fmt;

use crate::object::VersionId;

/// One thing that is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The bucket's name, or its number if it has none any more.
    pub bucket: Option<String>,
    /// The key; for a record of configuration its rows.
    pub key: Option<String>,
    /// The version.
    pub version: Option<VersionId>,
    /// What is wrong.
    pub what: String,
    /// Where: file and offset.
    pub place: String,
    /// Whether something that is stored is affected, rather than only what was replaced or deleted.
    pub alive: bool,
}

/// One line.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bucket) = &self.bucket {
            write!(f, "{bucket}")?;
        }
        if let Some(key) = &self.key {
            write!(f, "/{key}")?;
        }
        if let Some(version) = self.version {
            write!(f, " (version {version})")?;
        }
        if self.bucket.is_some() || self.key.is_some() {
            f.write_str(": ")?;
        }
        f.write_str(&self.what)?;
        if !self.place.is_empty() {
            write!(f, " at {}", self.place)?;
        }
        Ok(())
    }
}

/// What a scrub has read, and what it has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Log segments read.
    pub segments: u64,
    /// Records read.
    pub records: u64,
    /// Bulk segments read.
    pub bulk_segments: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is damaged, at most 10,000.
    pub damage: Vec<Damage>,
    /// How much more is.
    pub unnamed: u64,
}

/// What an offline check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// What opening the directory did, or would do, a line each.
    pub recovery: Vec<String>,
    /// Every record and bulk segment, read.
    pub scrub: ScrubReport,
    /// Where the index differs from what the log says, a line each; empty if it was missing.
    pub index: Vec<String>,
}

impl FsckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.scrub.damage.is_empty() && self.index.is_empty()
    }
}

/// What a backup or a restore has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// The number of the last record in it.
    pub seq: u64,
    /// Files that were copied.
    pub files_copied: u64,
    /// Their bytes.
    pub bytes_copied: u64,
    /// Files that were linked.
    pub files_linked: u64,
    /// Files that the destination had already.
    pub files_kept: u64,
}

/// A log segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its id.
    pub id: u64,
    /// How much of it counts, in bytes.
    pub length: u64,
    /// The number of the first record.
    pub first_seq: u64,
    /// The number of the last one; one less than the first if there is none.
    pub last_seq: u64,
    /// Whether nothing is appended to it any more.
    pub sealed: bool,
    /// Whether it has an intact footer.
    pub footer: bool,
    /// Bytes that are alive.
    pub live_bytes: i64,
    /// The lowest number of a record in it that is dead.
    pub dead_from: Option<u64>,
    /// Bytes of records that take something away.
    pub tombstone_bytes: i64,
}

/// A record of a log segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    /// Where it begins in its segment.
    pub offset: u64,
    /// Its length, in bytes.
    pub length: u64,
    /// Its kind, as FORMAT.md names it.
    pub kind: &'static str,
    /// Its number.
    pub seq: u64,
    /// The number under which it was first written.
    pub orig_seq: u64,
    /// The bucket's number; 0 for none.
    pub bucket: u64,
    /// Its key; what is no UTF-8 is replaced.
    pub key: String,
}

/// A row of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowInfo {
    /// Its table, as FORMAT.md names it.
    pub table: &'static str,
    /// Its key; what is not printable is escaped.
    pub key: String,
    /// Its value, likewise; `None` if it does not match its checksum.
    pub value: Option<String>,
    /// What key and value say, in the order of FORMAT.md; of a value that does not match its checksum only the key, and
    /// nothing of what cannot be decoded.
    pub fields: Vec<(&'static str, RowField)>,
}

/// A field of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowField {
    /// A number; times are in milliseconds since 1970, and so named.
    Number(u64),
    /// A name, a version's or an ETag; ids of segments as their files are called.
    Text(String),
}
