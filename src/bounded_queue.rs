//! A bounded queue between threads of different priorities. A lock-free one spins while the other
//! side is half done: a realtime thread that has displaced the other from its processor would spin
//! for ever. Here it sleeps, or goes on without.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, TryLockError};

/// Room for so many from the start; nothing is allocated later. Held for one move at a time.
pub struct BoundedQueue<T>(Mutex<VecDeque<T>>);

impl<T> BoundedQueue<T> {
    /// Empty, with room for `room`, at least one.
    pub fn new(room: usize) -> BoundedQueue<T> {
        BoundedQueue(Mutex::new(VecDeque::with_capacity(room.max(1))))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        // What is in there is moved whole.
        self.0.lock().unwrap_or_else(|held| held.into_inner())
    }

    /// Last in the queue; it comes back where there is no room.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.lock();
        match items.len() < items.capacity() {
            true => {
                items.push_back(item);
                Ok(())
            }
            false => Err(item),
        }
    }

    /// Last in the queue; the first comes back where there is no room for both.
    pub fn force_push(&self, item: T) -> Option<T> {
        let mut items = self.lock();
        let full = items.len() == items.capacity();
        let oldest = full.then(|| items.pop_front()).flatten();
        items.push_back(item);
        oldest
    }

    /// The first in the queue.
    pub fn pop(&self) -> Option<T> {
        self.lock().pop_front()
    }

    /// The first in the queue; none, too, where another thread has the queue in hand just now. For
    /// a hot thread that tries again soon and must not wait for the control plane.
    pub fn try_pop(&self) -> Option<T> {
        match self.0.try_lock() {
            Ok(mut items) => items.pop_front(),
            Err(TryLockError::Poisoned(held)) => held.into_inner().pop_front(),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

impl<T> fmt::Debug for BoundedQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_its_order_and_no_more_than_there_is_room_for() {
        let ring = BoundedQueue::new(2);
        assert_eq!(
            (ring.push(1), ring.push(2), ring.push(3)),
            (Ok(()), Ok(()), Err(3))
        );
        assert_eq!(ring.force_push(3), Some(1));
        assert_eq!((ring.len(), ring.pop(), ring.pop()), (2, Some(2), Some(3)));
        assert!(ring.is_empty() && ring.pop().is_none());
        assert_eq!(ring.force_push(4), None);
        assert_eq!(ring.try_pop(), Some(4));
    }

    #[test]
    fn whoever_must_not_wait_goes_on_without() {
        let ring = BoundedQueue::new(1);
        let _ = ring.push(1);
        let held = ring.0.lock().unwrap();
        assert_eq!(ring.try_pop(), None);
        drop(held);
        assert_eq!(ring.try_pop(), Some(1));
    }
}
