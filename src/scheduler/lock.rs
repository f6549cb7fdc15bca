//! A lock for what is moved whole: a thread that panicked while it held it left nothing half done.

use std::sync::{Mutex, MutexGuard};

pub(super) fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(|held| held.into_inner())
}
