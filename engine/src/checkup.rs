//! The check of the index while it is used: every page is compared with its checksum.
//!
//! The index is disposable, but only if somebody notices that it is damaged: a key that a rotten page no longer leads to
//! is not there, without an error. The log still has what it said.

use crate::core::Core;
use crate::error::Error;
use crate::format::file;
use crate::index::{Checkup, IndexError};
use crate::sync::atomic::Ordering;
use crate::sync::lock;

impl Core {
    /// Has the index checked, once, for a row of it could not be read.
    pub(crate) fn suspect_index(&self, error: &Error) {
        let of_index = matches!(error, Error::Damaged { place, .. } if &**place == file::INDEX);
        if of_index && !self.index_suspected.swap(true, Ordering::Relaxed) {
            self.index_unchecked.store(true, Ordering::Relaxed);
            self.maintenance.request();
        }
    }

    /// Checks it if that is still to be done.
    pub(crate) fn check_index_if_unchecked(&self) {
        if self.index_unchecked.load(Ordering::Relaxed) {
            // What is wrong is in the health.
            let _ = self.check_index();
        }
    }

    /// Compares the index with its checksums; answers what is wrong with it. If something is, it is set aside: the next
    /// start makes it anew from the log. Until then what it does not find is an error, and mutations, which look up what
    /// was there before, are refused.
    pub(crate) fn check_index(&self) -> Option<String> {
        self.index_unchecked.store(false, Ordering::Relaxed);
        if !self.damage.is_empty() || self.poisoned().is_some() {
            // Somebody has to look at it anyway, and nothing is written to it.
            return None;
        }
        let checkup = {
            let index = lock(&self.index);
            if !index.is_open() {
                return None;
            }
            index.checkup()
        };
        checkup.and_then(Checkup::run).err()?;
        // Again while nobody writes to it, before so much is made of it.
        let index = lock(&self.index);
        let error = index.checkup().and_then(Checkup::run).err();
        // Once the store was closed the file may be somebody else's.
        let error = error.filter(|error| !matches!(error, IndexError::Closed))?;
        self.doubt.lose_index();
        index.give_up_sums();
        let in_memory = index.is_in_memory();
        let set_aside = if in_memory { Ok(()) } else { Core::set_aside_if_there(&*self.vfs, file::INDEX) };
        let and =
            set_aside.map_or_else(|error| format!("could not be set aside ({error})"), |()| "was set aside".to_owned());
        let Error::ReadOnly { reason } =
            self.poison(&format!("the index is damaged and {and}: start again, and it is made anew: {error}"))
        else {
            unreachable!("it latches")
        };
        Some(reason.to_string())
    }
}
