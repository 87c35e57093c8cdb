//! One file of the simulated disk: what programs see of it, what is on the platter, and everything in between.
//!
//! Contents are pages that are shared until they are written to, so that neither a sync nor a power cut copies them.

use std::sync::Arc;

use super::Rng;

/// What the disk writes as a whole: a sector is old or new, never half.
const SECTOR: usize = 512;
const PAGE: usize = 8 * SECTOR;

/// The bytes of a file. What lies beyond the length in the last page is zero.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// `None` is a page of zeros.
    pages: Vec<Option<Arc<[u8]>>>,
    length: usize,
}

/// What some sectors of a page were after one change.
#[derive(Debug)]
struct Version {
    page: usize,
    /// Sectors of the page, from and to.
    from: u8,
    to: u8,
    content: Option<Arc<[u8]>>,
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) cache: Content,
    pub(super) durable: Content,
    /// Contents of sectors since the last sync, oldest first.
    dirty: Vec<Version>,
    /// Lengths since the last sync.
    lengths: Vec<usize>,
    /// A sync failed: sectors may count as clean that differ from the platter's.
    has_lost: bool,
    /// Space set aside, in bytes from the beginning.
    pub(super) reserved: u64,
}

impl Content {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Reads as much as there is.
    pub(super) fn read(&self, buffer: &mut [u8], offset: usize) -> usize {
        let count = self.length.saturating_sub(offset).min(buffer.len());
        let mut done = 0;
        while done < count {
            let (page, from) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let step = (PAGE - from).min(count - done);
            let target = &mut buffer[done..done + step];
            match &self.pages[page] {
                Some(page) => target.copy_from_slice(&page[from..from + step]),
                None => target.fill(0),
            }
            done += step;
        }
        count
    }

    /// All from an offset on.
    pub(super) fn bytes_from(&self, offset: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.length.saturating_sub(offset)];
        self.read(&mut bytes, offset);
        bytes
    }

    /// Writes within the length.
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let mut done = 0;
        while done < bytes.len() {
            let (page, from) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let step = (PAGE - from).min(bytes.len() - done);
            let source = &bytes[done..done + step];
            if step == PAGE {
                self.pages[page] = Some(source.into());
            } else {
                let page = self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE]));
                Arc::make_mut(page)[from..from + step].copy_from_slice(source);
            }
            done += step;
        }
    }

    pub(super) fn set_length(&mut self, length: usize) {
        let last = length / PAGE;
        if length < self.length
            && let Some(Some(page)) = self.pages.get_mut(last)
        {
            Arc::make_mut(page)[length % PAGE..].fill(0);
        }
        self.pages.resize(length.div_ceil(PAGE), None);
        self.length = length;
    }

    /// Takes over sectors of a page, as far as they are within the length.
    fn take_over(&mut self, page: usize, from: u8, to: u8, content: Option<&Arc<[u8]>>) {
        let (start, end) = (usize::from(from) * SECTOR, usize::from(to) * SECTOR);
        let end = end.min(self.length.saturating_sub(page * PAGE));
        if start >= end {
            return;
        }
        if content.is_none() && self.pages[page].is_none() {
            return;
        }
        let target = self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE]));
        let target = &mut Arc::make_mut(target)[start..end];
        match content {
            Some(content) => target.copy_from_slice(&content[start..end]),
            None => target.fill(0),
        }
    }
}

impl Inode {
    /// Notes what the sectors hold now in which these bytes lie.
    fn touch(&mut self, start: usize, end: usize) {
        const SECTORS: usize = PAGE / SECTOR;
        let (mut sector, last) = (start / SECTOR, end.div_ceil(SECTOR));
        while sector < last {
            let page = sector / SECTORS;
            let to = last.min((page + 1) * SECTORS);
            let (from, to_here) = ((sector % SECTORS) as u8, (to - page * SECTORS) as u8);
            let content = self.cache.pages.get(page).cloned().flatten();
            self.dirty.push(Version { page, from, to: to_here, content });
            sector = to;
        }
    }

    /// Whether something was written since the last sync.
    #[cfg(all(test, loom))]
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The space that it takes.
    pub(super) fn allocated(&self) -> u64 {
        self.reserved.max(self.cache.length as u64)
    }

    pub(super) fn set_length(&mut self, length: usize) {
        let before = self.cache.length;
        self.cache.set_length(length);
        self.lengths.push(length);
        self.touch(before.min(length), before.max(length));
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if end > self.cache.length {
            self.set_length(end);
        }
        self.cache.write(bytes, offset);
        self.touch(offset, end);
    }

    pub(super) fn sync(&mut self) {
        self.durable.set_length(self.cache.length);
        for Version { page, from, to, .. } in self.dirty.drain(..) {
            // It may have been cut off since.
            let Some(content) = self.cache.pages.get(page) else { continue };
            if self.has_lost {
                self.durable.take_over(page, from, to, content.as_ref());
            } else {
                self.durable.pages[page].clone_from(content);
            }
        }
        self.lengths.clear();
    }

    /// What is on the platter when only some of what was not synced got there. Each sector and the length are as they
    /// were at the last sync or at any time since.
    fn settle(&mut self, rng: &mut Rng) {
        let mut lengths = vec![self.durable.length];
        lengths.append(&mut self.lengths);
        let length = *rng.choose(&lengths);
        let keep_all = rng.below(4) == 0;
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_by_key(|version| version.page);
        let pages = dirty.last().map_or(0, |last| last.page + 1);
        self.durable.set_length(self.durable.length.max(pages * PAGE));
        for versions in dirty.chunk_by(|one, next| one.page == next.page) {
            for sector in 0..(PAGE / SECTOR) as u8 {
                let mut of_sector = versions.iter().filter(|version| (version.from..version.to).contains(&sector));
                let count = of_sector.clone().count();
                if count == 0 {
                    continue;
                }
                let choice = if keep_all { count } else { rng.below(count as u64 + 1) as usize };
                if let Some(version) = choice.checked_sub(1).and_then(|choice| of_sector.nth(choice)) {
                    self.durable.take_over(version.page, sector, sector + 1, version.content.as_ref());
                }
            }
        }
        self.durable.set_length(length);
        dirty.clear();
        self.dirty = dirty;
    }

    /// A sync failed: the kernel gave up on what was dirty. It stays in the cache, counts as clean, and some was written.
    pub(super) fn lose(&mut self, rng: &mut Rng) {
        self.settle(rng);
        self.has_lost = true;
    }

    /// The power was cut.
    pub(super) fn cut_power(&mut self, rng: &mut Rng) {
        self.settle(rng);
        self.cache.clone_from(&self.durable);
        self.has_lost = false;
    }
}
