//! The log as it is found: which segments are there, how far each is proven, and what is missing.
//!
//! Everything here happens before a record is applied, so that what follows can trust the log: each segment has a known
//! end, and every record before it is durable.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::bugs::{Bug, seeded};
use crate::core::Core;
use crate::doubt::{Doubt, Sequence};
use crate::error::OpenError;
use crate::footer::{self, Entry, Extent};
use crate::format::{self, file};
use crate::freed::Freed;
use crate::memtable::Mark;
use crate::meta::ConfigMeta;
use crate::record::Kind;
use crate::segment::{SegmentHeader, Walk, read_header, salvage_header};
use crate::vfs::{OpenMode, VFile, Vfs, is_full};

pub(crate) fn failed(what: &str) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::io(what, source)
}

pub(crate) const READING: &str = "reading a log segment";

/// A segment that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn VFile>,
    pub(crate) length: u64,
}

/// All of them.
pub(crate) struct FoundLog {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) uuid: [u8; 16],
    pub(crate) segments: BTreeMap<u64, Found>,
    pub(crate) freed: Freed,
    /// What of the last segment counts, once that is known.
    pub(crate) last: Option<Extent>,
    /// Segments that are there although they were freed.
    left_out: Vec<u64>,
    pub(crate) damage: Vec<String>,
    /// What may have been lost.
    pub(crate) doubt: Doubt,
    /// Whether the log ends before its last record.
    pub(crate) is_cut: bool,
}

impl FoundLog {
    /// Reads the headers of all named segments and removes those that never got their name.
    pub(crate) fn find(vfs: Arc<dyn Vfs>, uuid: [u8; 16]) -> Result<FoundLog, OpenError> {
        let mut log = FoundLog {
            vfs: Arc::clone(&vfs),
            uuid,
            segments: BTreeMap::new(),
            freed: Freed::default(),
            last: None,
            left_out: Vec::new(),
            damage: Vec::new(),
            doubt: Doubt::default(),
            is_cut: false,
        };
        let mut unreadable = 0;
        for name in vfs.read_dir(file::LOG).map_err(failed("reading log/"))? {
            let path = format!("{}/{name}", file::LOG);
            if file::is_reserve(&name) {
                continue;
            }
            if name.ends_with(".tmp") {
                match vfs.remove(&path) {
                    // It is removed when its name is wanted.
                    Err(error) if is_full(&error) => {}
                    removed => removed.map_err(failed("removing an unfinished segment"))?,
                }
                continue;
            }
            let Some(id) = file::id_of(&name, ".seg") else { continue };
            let opened = vfs.open(&path, OpenMode::Write).map_err(failed("opening a log segment"))?;
            let header = read_header(&*opened, &uuid).map_err(failed(READING))?;
            let length = opened.length().map_err(failed(READING))?;
            match header {
                // The header identifies a segment, not the name.
                Ok(header) if header.id == id => {
                    log.segments.insert(id, Found { header, file: opened, length });
                }
                Ok(header) => log.damage.push(format!("{path} is segment {:016x} by its header", header.id)),
                Err(_) => {
                    log.damage.push(format!("{path}: the segment's header is damaged"));
                    // What it says is known all the same: it is all that tells where this segment and the one before end.
                    let salvaged = salvage_header(&*opened, &uuid).map_err(failed(READING))?;
                    if let Some(header) = salvaged.filter(|header| header.id == id) {
                        log.segments.insert(id, Found { header, file: opened, length });
                    }
                }
            }
            if !log.segments.contains_key(&id) {
                unreadable = id.max(unreadable);
            }
        }
        log.is_cut = log.segments.keys().next_back().is_none_or(|newest| *newest < unreadable) && unreadable > 0;
        Ok(log)
    }

    pub(crate) fn seed(&self, id: u64) -> u32 {
        format::seed(&self.uuid, id)
    }

    /// What of segment `id` counts: its successor says so, or the record that freed that. `None` if neither is there.
    pub(crate) fn extent(&self, id: u64) -> Option<Extent> {
        if let Some(last) = self.last.filter(|last| last.id == id) {
            return Some(last);
        }
        let first_seq = self.segments.get(&id)?.header.first_seq;
        if let Some(next) = self.segments.get(&(id + 1)) {
            let sealed = next.header.sealed;
            let extent = Extent { id, length: sealed.length, first_seq, last_seq: sealed.last_seq };
            return (sealed.id == id).then_some(extent);
        }
        let (length, next_seq) = self.freed.before(id + 1)?;
        Some(Extent { id, length, first_seq, last_seq: next_seq - 1 })
    }

    /// The entries of a segment, from an offset and the number of the record there on if one is given. What is damaged
    /// there is noted.
    pub(crate) fn entries(&mut self, id: u64, start: Option<(u64, u64)>) -> Result<Vec<Entry>, OpenError> {
        let Some(found) = self.segments.get(&id) else { return Ok(Vec::new()) };
        let (seed, path) = (self.seed(id), file::segment(id));
        let known = self.extent(id);
        let extent = known.unwrap_or(unknown_extent(id, found));
        if let Some(mut entries) = footer::read(&*found.file, seed, extent).map_err(failed(READING))? {
            entries.retain(|entry| start.is_none_or(|(offset, _)| u64::from(entry.offset) >= offset));
            return Ok(entries);
        }
        let start = start.unwrap_or(extent.start());
        let found = footer::salvage(&*found.file, seed, extent, start).map_err(failed(READING))?;
        if known.is_some() {
            for offset in found.damaged {
                self.note(format!("{path}, offset {offset}: a record is damaged"));
            }
        }
        Ok(found.entries)
    }

    /// Notes damage, unless it is known.
    pub(crate) fn note(&mut self, line: String) {
        if !self.damage.contains(&line) {
            self.damage.push(line);
        }
    }

    /// Reads the segments from `first` on, in order, and passes each record that counts to `take`, with its metadata.
    /// What may have been lost is noted, where `next` is the number of the record that should come first.
    pub(crate) fn replay(
        &mut self,
        first: u64,
        start: Option<(u64, u64)>,
        mut take: impl FnMut(&Entry, u64, &Bytes, bool) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let mut doubt = std::mem::take(&mut self.doubt);
        let mut sequence = Sequence::from(start.map_or(1, |(_, next)| next));
        let ids: Vec<u64> = self.segments.keys().copied().filter(|id| *id >= first).collect();
        for id in ids {
            let starts_inside = start.filter(|_| id == first);
            if starts_inside.is_none() {
                sequence.begin(self.segments[&id].header.first_seq, self.freed.contains(id - 1), &mut doubt);
            }
            let entries = self.entries(id, starts_inside)?;
            let (file, seed) = (Arc::clone(&self.segments[&id].file), self.seed(id));
            for entry in &entries {
                sequence.meet(entry.seq, &mut doubt);
                let meta = if entry.corrected && !entry.is_object() {
                    // It was not what it says it is until somebody has restored it.
                    None
                } else {
                    meta_of(&*file, seed, entry).map_err(failed(READING))?
                };
                match meta {
                    Some(meta) => take(entry, id, &meta, !self.damage.is_empty())?,
                    None => {
                        lose(&mut doubt, entry);
                        self.note(format!("{}, offset {}: a record is damaged", file::segment(id), entry.offset));
                    }
                }
            }
            sequence.end(self.extent(id).map(|extent| extent.last_seq), &mut doubt);
        }
        if self.is_cut {
            sequence.cut(&mut doubt);
        }
        self.doubt = doubt;
        Ok(())
    }

    /// I7: a segment that is missing without a record of its freeing is damage. Answers whether the index is older than
    /// a freeing that it would have to know, so that it cannot be brought up to date.
    pub(crate) fn account_for_gaps(
        &mut self,
        mark: &Mark,
        noted: Option<u64>,
        has_index: bool,
    ) -> Result<bool, OpenError> {
        let newest = self.segments.keys().next_back().copied().unwrap_or(0);
        let newest = newest.max(mark.segment).max(noted.unwrap_or(0));
        if seeded(Bug::IgnoreGaps) {
            return Ok(false);
        }
        let missing: Vec<u64> = (1..=newest).filter(|id| !self.segments.contains_key(id)).collect();
        let known = std::mem::take(&mut self.freed);
        if missing.iter().all(|id| known.contains(*id)) {
            self.freed = known;
            return Ok(false);
        }
        let logged = self.logged_freed()?.unwrap_or_default();
        // Also where the segment is still there: with what is freed it is left out of a replay.
        let stale = (mark.segment..=newest).any(|id| logged.contains(id) && !known.contains(id));
        let mut lost = false;
        for id in missing.into_iter().filter(|id| !known.contains(*id)) {
            let path = file::segment(id);
            if !logged.contains(id) {
                lost = true;
                self.is_cut |= self.segments.keys().next_back().is_none_or(|last| *last < id);
                if !self.damage.iter().any(|line| line.contains(&path)) {
                    self.damage.push(format!("{path} is missing"));
                }
            }
        }
        let outdated = stale && has_index;
        // Of what is lost an outdated index may be all that is known: then what it misses of the log must not be left out.
        self.freed = if logged.count() < known.count() || (outdated && lost) { known } else { logged };
        Ok(outdated && !lost)
    }

    /// What the newest SegmentFreed record in the log says. Each holds all that was freed before it.
    fn logged_freed(&self) -> Result<Option<Freed>, OpenError> {
        for (id, found) in self.segments.iter().rev() {
            let extent = self.extent(*id).unwrap_or(unknown_extent(*id, found));
            let (entries, _) = footer::entries(&*found.file, self.seed(*id), extent).map_err(failed(READING))?;
            let record = entries.iter().filter(|entry| entry.kind == Kind::SegmentFreed).max_by_key(|entry| entry.seq);
            let Some(record) = record else { continue };
            let meta = meta_of(&*found.file, self.seed(*id), record).map_err(failed(READING))?;
            if let Some(freed) = meta.and_then(|meta| Freed::decode(&meta).ok()) {
                return Ok(Some(freed));
            }
        }
        Ok(None)
    }

    /// Takes over what the log says of freed segments, for want of an index.
    pub(crate) fn adopt_logged_freed(&mut self) -> Result<(), OpenError> {
        if let Some(freed) = self.logged_freed()? {
            self.freed = freed;
        }
        Ok(())
    }

    /// A freed segment that is still there was not unlinked before a crash. Nothing in it counts any more.
    pub(crate) fn leave_out_freed(&mut self) {
        if seeded(Bug::ReviveFreed) {
            return;
        }
        let freed = &self.freed;
        self.left_out.extend(self.segments.keys().copied().filter(|id| freed.contains(*id)));
        self.segments.retain(|id, _| !freed.contains(*id));
    }

    /// A segment that ends before the place up to which its successor says that it was synced has lost records.
    pub(crate) fn measure(&mut self) {
        let mut cut = Vec::new();
        for (id, found) in &self.segments {
            let path = file::segment(*id);
            if self.extent(*id).is_some_and(|extent| found.length < extent.length)
                && !self.damage.iter().any(|line| line.starts_with(&path))
            {
                cut.push(format!("{path} is shorter than when it was sealed: acknowledged records are missing"));
            }
        }
        self.damage.extend(cut);
    }

    /// Unlinks these segments, unless there is damage.
    pub(crate) fn unlink_left_out(&mut self) -> Result<(), OpenError> {
        if self.left_out.is_empty() || !self.damage.is_empty() {
            return Ok(());
        }
        for id in std::mem::take(&mut self.left_out) {
            self.vfs.remove(&file::segment(id)).map_err(failed("removing a freed segment"))?;
        }
        self.vfs.sync_dir(file::LOG).map_err(failed("syncing log/"))
    }

    /// Tells the running store of the segments.
    pub(crate) fn hand_over(&self, core: &Core) {
        core.segments.set_count(self.segments.len() as u64);
        for (id, found) in self.segments.iter().rev().take(16) {
            core.segments.insert(*id, Arc::clone(&found.file));
        }
        let last = self.last.map(|last| last.id);
        for (id, found) in &self.segments {
            if Some(*id) != last
                && let Some(extent) = self.extent(*id)
            {
                core.segments.seal(found.header, extent);
            }
        }
    }
}

/// Notes what a record was about that is lost.
fn lose(doubt: &mut Doubt, entry: &Entry) {
    let rows = entry.meta.as_ref().filter(|_| entry.kind == Kind::Config);
    for row in rows.and_then(|meta| ConfigMeta::decode_all(meta).ok()).into_iter().flatten() {
        doubt.lose_row(&row.namespace, &row.key);
    }
    if entry.kind != Kind::Config {
        doubt.lose_key(entry.bucket, &entry.key, entry.orig_seq);
    }
}

/// Of a segment whose successor is missing, so that nobody says where it ends.
fn unknown_extent(id: u64, found: &Found) -> Extent {
    Extent { id, length: found.length, first_seq: found.header.first_seq, last_seq: u64::MAX - 1 }
}

/// The metadata of a record: what its entry kept, else read from the record. `None` if that is damaged.
pub(crate) fn meta_of(file: &dyn VFile, seed: u32, entry: &Entry) -> io::Result<Option<Bytes>> {
    if let Some(meta) = &entry.meta {
        return Ok(Some(meta.clone()));
    }
    let met = Walk::to_one(file, seed, entry.length).record_at(entry.offset.into())?;
    Ok(met.filter(|met| met.front.header.seq == entry.seq).map(|met| met.front.meta()))
}
