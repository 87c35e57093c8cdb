//! Locks and threads: those of the standard library, or those of a model checker that chooses every interleaving.
//!
//! Every critical section of the engine leaves its data consistent at each step, so a poisoned mutex is no reason to
//! panic in another thread.

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

use std::sync::PoisonError;

/// Locks, also after a panic of another holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Likewise what redb stands on: redb calls it with locks of its own held, of which a model checker knows nothing.
pub(crate) fn lock_below<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for the commit queue alone, which is small enough for loom: that tries every order of the calls that it sees,
/// so it must see no others.
pub(crate) mod commit {
    #[cfg(not(all(test, loom)))]
    pub(crate) use super::{Condvar, Mutex, lock, thread};

    #[cfg(all(test, loom))]
    pub(crate) use loom::{
        sync::{Condvar, Mutex},
        thread,
    };

    /// Locks, also after a panic of another holder.
    #[cfg(all(test, loom))]
    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> loom::sync::MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Lets another thread go on, where a model checker says so.
#[cfg(any(test, feature = "sim"))]
pub(crate) fn step() {
    #[cfg(all(test, shuttle))]
    thread::sleep(std::time::Duration::ZERO);
}
