//! Locking, where what a panic left behind is still whole.
//!
//! Every critical section of the engine leaves its data consistent at each step, so a poisoned mutex is no reason to
//! panic in another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic of another holder.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
