//! What checks, compactions and backups answer, as JSON: the node sends these values and the command line shows them, so that both say the same.

use serde::{Deserialize, Serialize};

use crate::backup::{Restored, RestoredKey, Taken};

/// One thing that is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Damage {
    /// The bucket's name, or its number if it has none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The key; for a record of configuration its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The version id, `null` for the null version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is wrong.
    pub what: String,
    /// Where: file and offset.
    pub place: String,
    /// Whether something that is stored is affected, rather than only what was replaced or deleted.
    pub alive: bool,
}

impl From<&engine::Damage> for Damage {
    fn from(damage: &engine::Damage) -> Damage {
        Damage {
            bucket: damage.bucket.clone(),
            key: damage.key.clone(),
            version: damage.version.map(|version| version.to_string()),
            what: damage.what.clone(),
            place: damage.place.clone(),
            alive: damage.alive,
        }
    }
}

/// `BUCKET/KEY (version ID): what at place`. The key is as it is: whoever shows it makes hidden characters visible.
impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = match (&self.bucket, &self.key) {
            (Some(bucket), Some(key)) => format!("{bucket}/{key}"),
            (Some(name), None) | (None, Some(name)) => name.clone(),
            (None, None) => String::new(),
        };
        if !whose.is_empty() {
            f.write_str(&whose)?;
            if let Some(version) = &self.version {
                write!(f, " (version {version})")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)?;
        if !self.place.is_empty() {
            write!(f, " at {}", self.place)?;
        }
        Ok(())
    }
}

/// What a scrub has read and found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scrubbed {
    /// Whether nothing is damaged.
    pub clean: bool,
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

impl Scrubbed {
    /// How much is damaged, named or not.
    pub fn damage_count(&self) -> u64 {
        self.damage.len() as u64 + self.unnamed
    }
}

impl From<&engine::ScrubReport> for Scrubbed {
    fn from(report: &engine::ScrubReport) -> Scrubbed {
        Scrubbed {
            clean: report.damage.is_empty(),
            segments: report.segments,
            records: report.records,
            bulk_segments: report.bulk_segments,
            bytes: report.bytes,
            damage: report.damage.iter().map(Damage::from).collect(),
            unnamed: report.unnamed,
        }
    }
}

/// What a compaction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compacted {
    /// Log segments freed.
    pub segments_freed: u64,
    /// Their bytes.
    pub bytes_freed: u64,
    /// Bytes that had to be copied for it.
    pub bytes_copied: u64,
}

impl From<engine::Compaction> for Compacted {
    fn from(done: engine::Compaction) -> Compacted {
        Compacted {
            segments_freed: done.segments_freed,
            bytes_freed: done.bytes_freed,
            bytes_copied: done.bytes_copied,
        }
    }
}

/// What a backup or a restore has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackedUp {
    /// The number of the last record in it.
    pub sequence: u64,
    /// Files that were copied.
    pub files_copied: u64,
    /// Their bytes.
    pub bytes_copied: u64,
    /// Files that were linked.
    pub files_linked: u64,
    /// Files that the destination had already.
    pub files_kept: u64,
    /// The fingerprint of the key that the secrets are sealed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_fingerprint: Option<String>,
    /// Whether the key lies in the backup, or was restored.
    pub key_included: bool,
}

impl BackedUp {
    /// Of a backup.
    pub fn taken(taken: &Taken) -> BackedUp {
        BackedUp {
            key_fingerprint: taken.fingerprint.clone(),
            key_included: taken.key_included,
            ..BackedUp::of(&taken.report)
        }
    }

    /// Of a restore.
    pub fn restored(restored: &Restored) -> BackedUp {
        let missing = match &restored.key {
            RestoredKey::Missing(fingerprint) => Some(fingerprint.clone()),
            RestoredKey::Present | RestoredKey::Unknown => None,
        };
        let key_included = restored.key == RestoredKey::Present;
        BackedUp { key_fingerprint: missing, key_included, ..BackedUp::of(&restored.report) }
    }

    fn of(report: &engine::BackupReport) -> BackedUp {
        BackedUp {
            sequence: report.seq,
            files_copied: report.files_copied,
            bytes_copied: report.bytes_copied,
            files_linked: report.files_linked,
            files_kept: report.files_kept,
            ..BackedUp::default()
        }
    }
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobAnswer {
    /// Its number.
    pub job: u64,
    /// `scrub`, `compact` or `backup`.
    pub kind: String,
    /// How long it has been running, or took.
    pub seconds: u64,
    /// How it stands.
    #[serde(flatten)]
    pub progress: Progress,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Progress {
    /// It is not at its end.
    Running,
    /// It did what it should.
    Done {
        /// [`Scrubbed`], [`Compacted`] or [`BackedUp`].
        report: serde_json::Value,
    },
    /// It could not.
    Failed {
        /// `NotFound`, `Conflict`, `Ended` (with the node) or `Failed`.
        code: String,
        /// Why, in one line.
        message: String,
    },
}
