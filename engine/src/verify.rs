//! Whether the index is what the log says: every row and every count compared with a rebuild.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::Core;
use crate::error::Error;
use crate::footer::Extent;
use crate::format::file;
use crate::found::FoundLog;
use crate::memtable::Memtable;
use crate::rebuild::rebuild;
use crate::row::{Table, holding};
use crate::space::SegmentStat;
use crate::view::View;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 100;

impl Core {
    /// The differences between the index and a rebuild of it, a line each. The store must be at rest, its index up to
    /// date.
    pub(crate) fn compare_with_rebuild(&self) -> Result<Vec<String>, Error> {
        let failed = |error: crate::error::OpenError| Error::damaged(error.to_string(), file::LOG);
        // Whoever looks for segments removes what is in the making.
        self.spare.give_up(&*self.vfs);
        let mut log = FoundLog::find(Arc::clone(&self.vfs), self.uuid).map_err(failed)?;
        log.adopt_logged_freed().map_err(failed)?;
        log.leave_out_freed();
        let mark = lock_mark(self)?;
        if let Some(found) = log.segments.get(&mark.segment) {
            let first_seq = found.header.first_seq;
            log.last = Some(Extent { id: mark.segment, length: mark.offset, first_seq, last_seq: mark.seq });
        }
        let rebuilt = rebuild(&mut log, &self.vfs, file::INDEX_IN_MAKING, self.options.index_cache_bytes);
        let differences = rebuilt.and_then(|rebuilt| {
            let base = Arc::new(rebuilt.index.snapshot()?);
            let view = View { active: Arc::new(Memtable::new()), frozen: None, base };
            let mut differences = log.damage.clone();
            self.compare_rows(&view, &mut differences)?;
            if rebuilt.index.space()? != *crate::sync::lock(&self.space) {
                let ours = crate::sync::lock(&self.space).clone();
                differences.push(format!("segments count {ours:?}, the log {:?}", rebuilt.index.space()?));
            }
            let ours: BTreeMap<_, _> = crate::sync::lock(&self.usage).clone().into_iter().collect();
            let ours: Vec<_> = ours.into_iter().filter(|(_, usage)| *usage != Default::default()).collect();
            if rebuilt.index.usage()? != ours {
                differences.push(format!("buckets count {ours:?}, the log {:?}", rebuilt.index.usage()?));
            }
            Ok(differences)
        });
        match self.vfs.remove(file::INDEX_IN_MAKING) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        differences
    }

    fn compare_rows(&self, rebuilt: &View, differences: &mut Vec<String>) -> Result<(), Error> {
        let ours = self.view.load_full();
        for table in Table::ALL {
            let (mut left, mut right) = (ours.scan(table, &[], &[])?, rebuilt.scan(table, &[], &[])?);
            loop {
                let ours = left.next()?.map(|(key, row)| (key.to_vec(), row.to_vec()));
                let log = right.next()?.map(|(key, row)| (key.to_vec(), row.to_vec()));
                if ours == log {
                    if ours.is_none() {
                        break;
                    }
                    continue;
                }
                let key = |row: &Option<(Vec<u8>, Vec<u8>)>| {
                    row.as_ref().map_or("nothing".to_owned(), |(key, _)| format!("row {}", key.escape_ascii()))
                };
                differences.push(format!("{}: {} in the index, {} in the log", table.name(), key(&ours), key(&log)));
                if ours.is_none() || log.is_none() || differences.len() >= DIFFERENCES_MAX {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The bytes that rows keep alive, by segment, counted anew.
    pub(crate) fn recount(&self) -> Result<BTreeMap<u64, i64>, Error> {
        let view = self.view.load_full();
        let mut counts: BTreeMap<u64, i64> = BTreeMap::new();
        for table in Table::ALL {
            view.for_each(table, &[], |key, row| {
                if let Some((place, bytes)) = holding(table, key, row)? {
                    *counts.entry(place.segment).or_default() += bytes.cast_signed();
                }
                Ok(())
            })?;
        }
        Ok(counts)
    }

    /// Where the counts of segments differ from a recount, a line each.
    pub(crate) fn compare_with_recount(&self) -> Result<Vec<String>, Error> {
        let recount = self.recount()?;
        let stats = crate::sync::lock(&self.space).clone();
        let live = |stat: Option<&SegmentStat>| stat.map_or(0, |stat| stat.live_bytes);
        let segments = recount.keys().chain(stats.keys()).copied();
        let segments: std::collections::BTreeSet<u64> = segments.collect();
        Ok(segments
            .into_iter()
            .filter(|id| live(stats.get(id)) != recount.get(id).copied().unwrap_or(0))
            .map(|id| {
                let (counted, found) = (live(stats.get(&id)), recount.get(&id).copied().unwrap_or(0));
                format!("{}: {counted} bytes count as alive, {found} are", file::segment(id))
            })
            .collect())
    }
}

fn lock_mark(core: &Core) -> Result<crate::memtable::Mark, Error> {
    let view = core.view();
    if view.active.is_empty() && view.frozen.is_none() {
        return Ok(crate::sync::lock(&core.index).mark(&core.uuid)?);
    }
    Err(Error::Invalid { what: "the index is not up to date" })
}
