//! Locks that stay usable after a holder panicked: every value behind them is valid at each moment, so poisoning is ignored.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks a mutex.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading.
pub fn read<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing.
pub fn write<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_lock_is_usable_after_its_holder_panicked() {
        let (mutex, shared) = (Arc::new(Mutex::new(1)), Arc::new(RwLock::new(1)));
        let theirs = (Arc::clone(&mutex), Arc::clone(&shared));
        let panicked = std::thread::spawn(move || {
            let _held = (lock(&theirs.0), write(&theirs.1));
            panic!("with both locks held");
        });
        assert!(panicked.join().is_err() && mutex.is_poisoned() && shared.is_poisoned());
        *write(&shared) += *lock(&mutex);
        assert_eq!(*read(&shared), 2);
    }
}
