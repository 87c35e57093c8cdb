//! Scrub: every record and every block is read and compared with its checksum, and what does not match is named.
//!
//! It repairs nothing: a copy that could replace what has rotted is not to be had on one node, and whoever has one
//! elsewhere must know what to restore.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::apply::Change;
use crate::bucket::BucketId;
use crate::bulk::file_bytes;
use crate::core::{Core, SegmentFile};
use crate::error::Error;
use crate::footer::{self, Entry, Extent};
use crate::format::{BLOCK_BYTES, align, file};
use crate::meta::{ObjectMeta, PartMeta};
use crate::object::VersionId;
use crate::report::{Damage, ScrubReport};
use crate::row::{ObjectRow, PartRow, Place, Table, key};
use crate::segment::Walk;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::vfs::OpenMode;

/// The most damages that a report names.
const DAMAGES_MAX: usize = 10_000;
/// How much of a bulk segment is read at a time.
const READ_BYTES: usize = 1 << 20;

/// Compares the content of an object version with what is stored beside it; whether it is that.
pub(crate) type Check<'c> = &'c mut dyn FnMut(BucketId, &str, VersionId) -> Result<bool, Error>;

/// What a scrub has seen so far.
struct Scrub<'c> {
    core: &'c Core,
    check: Option<Check<'c>>,
    report: ScrubReport,
    /// Where the records of a segment can no longer be told apart: its rows are followed one by one.
    lost_from: BTreeMap<u64, u64>,
    /// Segments whose records were read, and that are where they belong.
    segments: HashSet<u64>,
    bulk_seen: HashSet<u64>,
    /// What is wrong with bulk segments, so that everything that refers to one is named.
    bulk_damaged: HashMap<u64, Vec<Error>>,
}

impl Core {
    /// Reads everything at a bounded rate.
    pub(crate) fn scrub<'c>(&'c self, check: Option<Check<'c>>) -> Result<ScrubReport, Error> {
        let report = ScrubReport::default();
        let mut scrub = Scrub {
            core: self,
            check,
            report,
            lost_from: BTreeMap::new(),
            segments: HashSet::new(),
            bulk_seen: HashSet::new(),
            bulk_damaged: HashMap::new(),
        };
        for damage in crate::superblock::damage(&*self.vfs).unwrap_or_default() {
            scrub.note(damage);
        }
        for line in &self.damage {
            scrub.note(Damage { what: line.clone(), ..Damage::default() });
        }
        // Without the count only the progress is less exact.
        let _ = self.bulk.count_stored();
        let (bulk_segments, bulk_bytes) = self.bulk.stored().unwrap_or_default();
        let sealed = self.segments.sealed();
        let log_bytes = sealed.values().map(|sealed| sealed.extent).chain(self.active_extent()).map(|one| one.length);
        let segments = sealed.len() as u64 + u64::from(self.active_extent().is_some());
        let _running = self.meters.scrub.begin(segments + bulk_segments, log_bytes.sum::<u64>() + bulk_bytes);
        let mut ids: Vec<u64> = sealed.into_keys().collect();
        ids.extend(self.active_extent().map(|extent| extent.id));
        for id in ids {
            // So that it is not freed meanwhile.
            let _one_at_a_time = lock(&self.compacting);
            let sealed = self.segments.sealed().get(&id).map(|sealed| sealed.extent);
            let Some(extent) = sealed.or_else(|| self.active_extent().filter(|active| active.id == id)) else {
                continue;
            };
            scrub.segment(extent)?;
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
        }
        match self.check_index() {
            // Nothing that its rows lead to is certain any more.
            Some(what) => scrub.note(Damage { what, place: file::INDEX.to_owned(), alive: true, ..Damage::default() }),
            None => scrub.rows()?,
        }
        Ok(scrub.report)
    }
}

impl Scrub<'_> {
    fn note(&mut self, damage: Damage) {
        if self.report.damage.len() < DAMAGES_MAX {
            self.report.damage.push(damage);
        } else {
            self.report.unnamed += 1;
        }
    }

    /// Reads all records of a segment.
    fn segment(&mut self, extent: Extent) -> Result<(), Error> {
        let place = file::segment(extent.id);
        // Also one that is open and gone.
        let named = match self.core.vfs.open(&place, OpenMode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::damaged("a log segment is missing", place.as_str()))
            }
            opened => opened.map_err(Error::from),
        };
        let segment = match named.and_then(|_| self.core.segments.segment(extent.id, true)) {
            Err(error) => {
                let (what, place) = split(&error, place);
                self.note(Damage { what, place, ..Damage::default() });
                return Ok(());
            }
            Ok(segment) => segment,
        };
        if !matches!(crate::segment::read_header(&*segment.file, &self.core.uuid)?, Ok(header) if header.id == extent.id)
        {
            self.note(Damage { what: "the segment's header is damaged".to_owned(), place, ..Damage::default() });
        }
        let is_sealed = self.core.segments.sealed().contains_key(&extent.id);
        if is_sealed && footer::is_rotten(&*segment.file, segment.seed, extent)? {
            let what = "the footer of a segment does not match its checksum: it is written again at the next start";
            let place = format!("{}, offset {}", file::segment(extent.id), extent.length);
            self.note(Damage { what: what.to_owned(), place, ..Damage::default() });
        }
        let (entries, lost_from) = footer::entries(&*segment.file, segment.seed, extent)?;
        for entry in &entries {
            self.record(&segment, entry)?;
        }
        if let Some(offset) = lost_from {
            self.lost_from.insert(extent.id, offset);
            let what = "a record is damaged, and those behind it cannot be told apart but by the index".to_owned();
            self.note(Damage {
                what,
                place: format!("{}, offset {offset}", file::segment(extent.id)),
                ..Damage::default()
            });
        }
        self.segments.insert(extent.id);
        self.report.segments += 1;
        self.core.meters.scrub.add(1, 0);
        Ok(())
    }

    fn record(&mut self, segment: &SegmentFile, entry: &Entry) -> Result<(), Error> {
        let mut walk = Walk::to_one(&*segment.file, segment.seed, entry.length);
        let met = walk.record_at(entry.offset.into())?.filter(|met| met.front.header.seq == entry.seq);
        let what = match met {
            None => Some("a record does not match its checksum"),
            Some(met) => walk.data_of(&met)?.is_none().then_some("the data of a record does not match its checksum"),
        };
        self.report.records += 1;
        self.report.bytes += u64::from(entry.length);
        self.core.meters.scrub.add(0, align(entry.length.into()));
        self.core.pace_scrub(entry.length.into());
        if let Some(what) = what {
            let damage = self.named(segment.id, entry, what);
            self.note(damage);
        }
        Ok(())
    }

    /// Whose record an entry is.
    fn named(&self, segment: u64, entry: &Entry, what: &str) -> Damage {
        let place = entry.place(segment);
        let change =
            entry.meta.as_ref().and_then(|meta| Change::decode(entry.kind, entry.flags, &entry.key, meta).ok());
        let mut damage = Damage {
            bucket: self.bucket_name(entry.bucket),
            key: (!entry.key.is_empty()).then(|| String::from_utf8_lossy(&entry.key).into_owned()),
            what: what.to_owned(),
            place: format!("{}, offset {}", file::segment(segment), entry.offset),
            ..Damage::default()
        };
        match change {
            Some(Change::Object { key: object_key, head, .. }) => {
                let row = ObjectRow::new(place, head);
                damage.version = Some(row.version_id());
                let view = self.core.view();
                let current = view.current(entry.bucket, &object_key).ok().flatten();
                let older = view.object(Table::Versions, &key::version(entry.bucket, &object_key, row.head.version));
                let older = older.ok().flatten();
                damage.alive = [current, older].into_iter().flatten().any(|found| found.place == place);
            }
            Some(Change::Config(changes)) => {
                let names: Vec<_> =
                    changes.iter().map(|change| format!("{}/{}", change.namespace, change.key)).collect();
                damage.key = Some(names.join(", "));
                damage.alive = true;
            }
            _ => damage.alive = true,
        }
        damage
    }

    fn bucket_name(&self, bucket: u64) -> Option<String> {
        if bucket == 0 {
            return None;
        }
        let name = self.core.bucket_entry(bucket).map(|entry| entry.bucket.name.to_string());
        Some(name.unwrap_or_else(|_| format!("bucket number {bucket}")))
    }

    /// Follows every row: to the bulk segments, and to records that the log alone cannot find any more.
    fn rows(&mut self) -> Result<(), Error> {
        let view = self.core.view.load_full();
        for table in Table::ALL {
            let mut scan = view.scan(table, &[], &[])?;
            while let Some((row_key, value)) = scan.next_even_damaged()? {
                let Some(value) = value else {
                    let what = format!("a row of table {} does not match its checksum", table.name());
                    let place = format!("{}, row {}", file::INDEX, row_key.escape_ascii());
                    self.note(Damage { what, place, ..Damage::default() });
                    continue;
                };
                match table {
                    Table::Current | Table::Versions => {
                        let row = ObjectRow::decode(value)?;
                        let (bucket, name) = match table {
                            Table::Current => (bucket_of(row_key), key::object_key(row_key)?.to_owned()),
                            _ => (bucket_of(row_key), key::split(row_key)?.0),
                        };
                        self.object(bucket, &name, &row)?;
                    }
                    Table::Parts => {
                        let row = PartRow::decode(value)?;
                        self.bulk(0, &format!("part {} of an upload", row.part.number), None, &row.place, &row.part)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn object(&mut self, bucket: u64, name: &str, row: &ObjectRow) -> Result<(), Error> {
        self.content(bucket, name, row)?;
        let lost = self.lost_from.get(&row.place.segment).is_some_and(|offset| u64::from(row.place.offset) >= *offset);
        // Or of a segment that was made since.
        let unread = !self.segments.contains(&row.place.segment);
        if !lost && !unread && !row.is_bulk() {
            return Ok(());
        }
        let version = Some(row.version_id());
        if lost || unread {
            let read = self.read_whole(&row.place);
            if let Err(error) = read {
                return self.missed(bucket, name, version, &row.place, &error);
            }
        }
        let read = crate::store::read_record(self.core, row, name.as_bytes());
        match read {
            Ok(meta) => {
                let Ok(meta) = ObjectMeta::decode(&meta) else {
                    let error = Error::damaged("metadata does not decode", place_of(&row.place));
                    return self.missed(bucket, name, version, &row.place, &error);
                };
                for part in &meta.parts {
                    self.bulk(bucket, name, version, &row.place, part)?;
                }
                Ok(())
            }
            Err(error) => self.missed(bucket, name, version, &row.place, &error),
        }
    }

    /// Reads a record that no walk over its segment has met, at its place by name.
    fn read_whole(&self, place: &Place) -> Result<(), Error> {
        let path = file::segment(place.segment);
        let opened = match self.core.vfs.open(&path, OpenMode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::damaged("a log segment is missing", path));
            }
            opened => opened?,
        };
        let mut walk = Walk::to_one(&*opened, crate::format::seed(&self.core.uuid, place.segment), place.length);
        let met = walk.record_at(place.offset.into())?;
        let whole = met.filter(|met| met.front.header.orig_seq == place.orig_seq);
        let Some(met) = whole else {
            return Err(Error::damaged("a record does not match its checksum", place_of(place)));
        };
        if walk.data_of(&met)?.is_none() {
            return Err(Error::damaged("the data of a record does not match its checksum", place_of(place)));
        }
        Ok(())
    }

    /// Has somebody look at the content of an object, who knows what its ETag and checksums are made of.
    fn content(&mut self, bucket: u64, name: &str, row: &ObjectRow) -> Result<(), Error> {
        let Some(check) = self.check.as_mut().filter(|_| !row.is_delete_marker()) else { return Ok(()) };
        let checked = check(BucketId(bucket), name, row.version_id());
        self.core.pace_scrub(row.head.size);
        match checked {
            Ok(true) => Ok(()),
            Ok(false) => {
                let error = Error::damaged("the content is not what was stored, by its checksum", place_of(&row.place));
                self.missed(bucket, name, Some(row.version_id()), &row.place, &error)
            }
            // Gone meanwhile; and what is damaged is named by whoever compares blocks.
            Err(Error::NoSuchKey | Error::NoSuchVersion | Error::DeleteMarker { .. } | Error::Damaged { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Names an object, unless it was moved or taken away since its row was read.
    fn missed(
        &mut self,
        bucket: u64,
        name: &str,
        version: Option<VersionId>,
        place: &Place,
        error: &Error,
    ) -> Result<(), Error> {
        let id = BucketId(bucket);
        let now = crate::store::find_row(self.core, id, name, version);
        if version.is_some() && now.is_none_or(|now| now.place != *place) {
            return Ok(());
        }
        let (what, place) = split(error, place_of(place));
        let key = Some(name.to_owned());
        let damage = Damage { bucket: self.bucket_name(bucket), key, version, what, place, alive: true };
        self.note(damage);
        Ok(())
    }

    /// Reads all blocks of a bulk segment.
    fn bulk(
        &mut self,
        bucket: u64,
        name: &str,
        version: Option<VersionId>,
        place: &Place,
        part: &PartMeta,
    ) -> Result<(), Error> {
        if self.bulk_seen.insert(part.bulk.id) {
            let damage = self.bulk_damage(place, part)?;
            if !damage.is_empty() {
                self.bulk_damaged.insert(part.bulk.id, damage);
            }
        }
        for error in self.bulk_damaged.get(&part.bulk.id).cloned().unwrap_or_default() {
            self.missed(bucket, name, version, place, &error)?;
        }
        Ok(())
    }

    /// What is wrong with a bulk segment, block by block.
    fn bulk_damage(&mut self, place: &Place, part: &PartMeta) -> Result<Vec<Error>, Error> {
        let _pin = self.core.bulk.pin(place.orig_seq);
        let reader = match self.core.bulk.open_afresh(&part.bulk) {
            Err(error) => return Ok(vec![error]),
            Ok(reader) => reader,
        };
        let mut damage = Vec::new();
        self.report.bulk_segments += 1;
        let mut offset = 0;
        while offset < part.bulk.length {
            let count = usize::try_from(part.bulk.length - offset).unwrap_or(READ_BYTES).min(READ_BYTES);
            match reader.read(offset, count, false) {
                Err(Error::Damaged { .. }) => {
                    let blocks = (offset..offset + count as u64).step_by(BLOCK_BYTES);
                    let of_block = |at| {
                        let block = usize::try_from(part.bulk.length - at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
                        reader.read(at, block, false).err()
                    };
                    damage.extend(blocks.filter_map(of_block));
                }
                read => _ = read?,
            }
            offset += count as u64;
            self.report.bytes += count as u64;
            self.core.meters.scrub.add(0, count as u64);
            self.core.pace_scrub(count as u64);
            if self.core.closed.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
        }
        self.core.meters.scrub.add(1, file_bytes(part.bulk.length) - part.bulk.length);
        Ok(damage)
    }
}

fn place_of(place: &Place) -> String {
    format!("{}, offset {}", file::segment(place.segment), place.offset)
}

/// What went wrong and where: the place that the error names, if it names one.
fn split(error: &Error, place: String) -> (String, String) {
    match error {
        Error::Damaged { what, place } => (what.to_string(), place.to_string()),
        error => (error.to_string(), place),
    }
}

fn bucket_of(row_key: &[u8]) -> u64 {
    row_key.first_chunk::<8>().map_or(0, |bucket| u64::from_be_bytes(*bucket))
}
