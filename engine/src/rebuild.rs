//! The index made anew from the log alone, in the order of its keys.
//!
//! Records that compaction relocated stand in the log where they no longer belong, and records that were outdone may be
//! gone, so objects are not replayed: what is left of the history of each key is put in order again by `orig_seq`, and
//! what it comes to is written once. Everything else is little and replayed in the order of the log, where each record
//! changes nothing that a newer one has set; whatever takes something away stands behind all copies of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::apply::{Change, Context, Prior};
use crate::bugs::{Bug, seeded};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::effects::effects;
use crate::error::Error;
use crate::footer::Entry;
use crate::format::file;
use crate::found::FoundLog;
use crate::index::{Index, Loader};
use crate::memtable::{Mark, Memtable};
use crate::meta::{ObjectHead, Target};
use crate::row::{ObjectRow, Place, Table, key};
use crate::sorter::{Sorted, Sorter};
use crate::space;
use crate::vfs::Vfs;
use crate::view::View;

/// A finished index.
pub(crate) struct Rebuilt {
    pub(crate) index: Index,
    pub(crate) mark: Mark,
    /// Records that it was made from.
    pub(crate) records: u64,
}

/// Makes the index at `path` of `vfs` from the segments. Where damage is known it is left unfinished, so that the next start
/// does not take it for the truth.
pub(crate) fn rebuild(
    log: &mut FoundLog,
    vfs: &Arc<dyn Vfs>,
    path: &str,
    cache_bytes: usize,
) -> Result<Rebuilt, Error> {
    let index = Index::begin(vfs, path, &log.uuid, cache_bytes)?;
    let mut gathered = Gathered {
        objects: Sorter::new(Arc::clone(vfs), file::SORT[0]),
        references: Sorter::new(Arc::clone(vfs), file::SORT[1]),
        view: View { active: Arc::new(Memtable::new()), frozen: None, base: Arc::new(index.snapshot()?) },
        mark: Mark { bulk_next: 1, ..Mark::default() },
        records: 0,
    };
    // Beginning with the first record there ever was, or what is left of the log.
    let mut outcome = Ok(());
    let read = log.replay(0, None, |entry, id, meta, _| {
        if outcome.is_ok() {
            outcome = gathered.take(entry, id, meta);
        }
        Ok(())
    });
    read.map_err(|error| Error::damaged(error.to_string(), file::LOG))?;
    outcome?;
    gathered.drop_orphaned_parts()?;
    let Gathered { objects, references, view, mark, records } = gathered;
    let memtable = &*view.active;
    let finished = log.damage.is_empty().then_some((&mark, &log.uuid));
    index.load(memtable, finished, |loader| {
        let mut writer = Writer { loader, memtable, references };
        writer.objects(objects.finish()?)?;
        writer.finish()
    })?;
    Ok(Rebuilt { index, mark, records })
}

/// What was read of the log so far.
struct Gathered {
    objects: Sorter,
    references: Sorter,
    /// The rows of everything but objects, and all counts.
    view: View,
    mark: Mark,
    records: u64,
}

/// Before what is kept of a record of an object: what it does to its key.
const ADDS: u8 = 0;
const REPLACES: u8 = 1;
const DELETES: u8 = 2;

impl Gathered {
    fn take(&mut self, entry: &Entry, segment: u64, meta: &Bytes) -> Result<(), Error> {
        let change = Change::decode(entry.kind, entry.flags, &entry.key, meta)?;
        let place = entry.place(segment);
        for bulk in change.bulks() {
            self.mark.bulk_next = self.mark.bulk_next.max(bulk + 1);
        }
        let memtable = Arc::clone(&self.view.active);
        match &change {
            Change::Object { key, head, upload, bulks, replaces } => {
                if let Some(upload) = upload {
                    let ends = Change::UploadAbort { key: key.clone(), upload: *upload };
                    self.apply(&ends, entry, place, true)?;
                }
                self.sort(entry, |out| {
                    let mut encoder = Encoder::with_capacity(128);
                    encoder.u8(if *replaces { REPLACES } else { ADDS });
                    place.encode(&mut encoder);
                    head.encode(&mut encoder);
                    for bulk in bulks {
                        encoder.u64(*bulk);
                    }
                    out.extend_from_slice(&encoder.finish());
                })?;
            }
            Change::Delete { target, .. } => {
                memtable.count_space(&[(
                    segment,
                    space::Change::Tombstone { bytes: place.bytes(), orig_seq: place.orig_seq },
                )]);
                self.sort(entry, |out| {
                    out.push(DELETES);
                    out.extend_from_slice(&target.encode());
                })?;
            }
            _ => self.apply(&change, entry, place, false)?,
        }
        self.mark = Mark { seq: entry.seq, segment, offset: entry.end(), ..self.mark };
        memtable.publish(self.mark);
        self.records += 1;
        Ok(())
    }

    /// A part is dead where its upload is: the deletion of a bucket takes uploads away without naming them, and the
    /// record that began one may be gone before those of its parts.
    fn drop_orphaned_parts(&mut self) -> Result<(), Error> {
        if seeded(Bug::KeepOrphanedParts) {
            return Ok(());
        }
        let mut uploads = BTreeSet::new();
        self.view.for_each(Table::Uploads, &[], |row_key, _| {
            uploads.insert(key::split(row_key)?.1);
            Ok(())
        })?;
        let mut orphaned = Vec::new();
        self.view.for_each(Table::Parts, &[], |row_key, row| {
            let upload = row_key.first_chunk::<8>().map(|upload| u64::from_be_bytes(*upload)).ok_or(Malformed)?;
            if !uploads.contains(&upload) {
                orphaned.push((row_key.to_vec(), Place::split(row)?.0));
            }
            Ok(())
        })?;
        for (row_key, place) in orphaned {
            let dead = space::Change::Dead { bytes: place.bytes(), orig_seq: place.orig_seq };
            self.view.active.count_space(&[(place.segment, dead)]);
            self.view.active.insert(Table::Parts, row_key, self.mark.seq, None);
        }
        Ok(())
    }

    /// Sorted by key, then by `orig_seq`, then by `seq`, so that the last of several copies comes last.
    fn sort(&mut self, entry: &Entry, payload: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let sort_key = |out: &mut Vec<u8>| {
            out.extend_from_slice(&key::escaped(entry.bucket, &entry.key));
            out.extend_from_slice(&entry.orig_seq.to_be_bytes());
            let seq = if seeded(Bug::FirstCopyWins) { !entry.seq } else { entry.seq };
            out.extend_from_slice(&seq.to_be_bytes());
        };
        Ok(self.objects.push(sort_key, payload)?)
    }

    /// Replays what is no object. `of_object` where a manifest ends its upload, whose own bytes are counted elsewhere.
    fn apply(&mut self, change: &Change, entry: &Entry, place: Place, of_object: bool) -> Result<(), Error> {
        let memtable = &self.view.active;
        let relocated = entry.orig_seq != entry.seq;
        let context = Context { bucket: entry.bucket, versioned: true, orig_seq: Some(entry.orig_seq), relocated };
        let prior = Prior::load(change, context, &self.view)?;
        let mut effects = effects(change, entry.bucket, prior, place);
        for (table, row_key, value) in effects.rows {
            if table != Table::BulkRefs {
                memtable.insert(table, row_key, entry.seq, value);
            }
        }
        if of_object {
            for (_, change) in &mut effects.space {
                if let space::Change::Tombstone { bytes, .. } = change {
                    *bytes = 0;
                }
            }
        }
        memtable.count_space(&effects.space);
        Ok(())
    }
}

/// A version of a key, as far as its history was followed.
struct Version {
    row: ObjectRow,
    bulks: Vec<u64>,
}

/// Writes the rows of one key after another.
struct Writer<'w, 't> {
    loader: &'w mut Loader<'t>,
    memtable: &'w Memtable,
    references: Sorter,
}

/// Bytes of a sort key behind the escaped key: `orig_seq` and `seq`.
const NUMBERS_BYTES: usize = 16;

impl Writer<'_, '_> {
    fn objects(&mut self, mut sorted: Sorted) -> Result<(), Error> {
        let mut group: Vec<u8> = Vec::new();
        // Ascending by version.
        let mut versions: Vec<Version> = Vec::new();
        while let Some((sort_key, payload)) = sorted.next()? {
            let (prefix, numbers) = sort_key.split_at(sort_key.len() - NUMBERS_BYTES);
            if prefix != group {
                self.write(&group, &versions)?;
                versions.clear();
                group.clear();
                group.extend_from_slice(prefix);
            }
            self.follow(&mut versions, Decoder::new(numbers), payload)?;
        }
        self.write(&group, &versions)
    }

    /// Goes one record on in the history of a key.
    fn follow(&self, versions: &mut Vec<Version>, mut numbers: Decoder<'_>, payload: &[u8]) -> Result<(), Error> {
        let orig_seq = u64::from_be_bytes(numbers.array()?);
        let (tag, rest) = payload.split_first().ok_or(Malformed)?;
        if *tag == DELETES {
            match Target::decode(rest)? {
                Target::Null => self.bury(versions, ObjectRow::is_null),
                Target::Version(number) => {
                    self.bury(versions, |row| !row.is_null() && row.head.version == number);
                }
            }
            return Ok(());
        }
        let mut decoder = Decoder::new(rest);
        let place = Place::decode(&mut decoder)?;
        let row = ObjectRow::new(place, ObjectHead::decode(&mut decoder)?);
        let mut bulks = Vec::new();
        while !decoder.is_empty() {
            bulks.push(decoder.u64()?);
        }
        // There is one null version at a time. Also where only its attributes were replaced: the put that took the place
        // of the null version before may be gone.
        let replaces_only = *tag == REPLACES && seeded(Bug::ForgetReplacedPut);
        if row.is_null() && !seeded(Bug::NullsPileUp) && !replaces_only {
            self.bury(versions, ObjectRow::is_null);
        }
        self.bury(versions, |old| old.head.version == row.head.version);
        debug_assert_eq!(place.orig_seq, orig_seq);
        let at = versions.partition_point(|old| old.row.head.version < row.head.version);
        versions.insert(at, Version { row, bulks });
        Ok(())
    }

    fn bury(&self, versions: &mut Vec<Version>, is_gone: impl Fn(&ObjectRow) -> bool) {
        versions.retain(|version| {
            let gone = is_gone(&version.row);
            if gone {
                let place = version.row.place;
                self.memtable.count_space(&[(place.segment, space::Change::Stillborn { orig_seq: place.orig_seq })]);
            }
            !gone
        });
    }

    fn write(&mut self, group: &[u8], versions: &[Version]) -> Result<(), Error> {
        if versions.is_empty() {
            return Ok(());
        }
        let (bucket, object_key) = key::unescaped(group)?;
        let current = versions.len() - 1;
        // The newest version has the least key.
        for (position, Version { row, bulks }) in versions.iter().enumerate().rev() {
            let place = row.place;
            let value = row.encode();
            if position == current && !row.is_delete_marker() {
                self.loader.insert(Table::Current, &key::object(bucket, &object_key), &value)?;
            } else {
                let row_key = [group, &(!row.head.version).to_be_bytes()].concat();
                self.loader.insert(Table::Versions, &row_key, &value)?;
                if row.is_null() {
                    let pointer = row.head.version.to_le_bytes();
                    self.loader.insert(Table::Nulls, &key::object(bucket, &object_key), &pointer)?;
                }
            }
            self.memtable.count_space(&[(place.segment, space::Change::Live { bytes: place.bytes() })]);
            if !row.is_delete_marker() {
                self.memtable.count_usage(bucket, 1, row.head.size.cast_signed());
            }
            for bulk in bulks {
                self.refer(*bulk, place.orig_seq)?;
            }
        }
        Ok(())
    }

    fn refer(&mut self, bulk: u64, referrer: u64) -> Result<(), Error> {
        for row_key in [key::bulk_referrer(bulk, referrer), key::referrer_bulk(referrer, bulk)] {
            self.references.push(|out| out.extend_from_slice(&row_key), |_| {})?;
        }
        Ok(())
    }

    /// The references, those of parts of uploads in progress too.
    fn finish(mut self) -> Result<(), Error> {
        let mut parts = Vec::new();
        let mut scan = self.memtable.scan(Table::Parts, &[], u64::MAX);
        while scan.key().is_some() {
            if let Some(row) = scan.value() {
                let row = crate::row::PartRow::decode(row)?;
                parts.push((row.part.bulk.id, row.place.orig_seq));
            }
            scan.advance();
        }
        for (bulk, referrer) in parts {
            self.refer(bulk, referrer)?;
        }
        let mut sorted = self.references.finish()?;
        while let Some((row_key, _)) = sorted.next()? {
            self.loader.insert(Table::BulkRefs, row_key, &[])?;
        }
        Ok(())
    }
}
