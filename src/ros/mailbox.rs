//! New limits for an act on a hot thread, handed over so that neither side waits for the other and
//! no hot thread frees memory.

use crossbeam::queue::ArrayQueue;

/// Holds what is to be taken over next, and what it replaced.
pub struct Mailbox<T> {
    next: ArrayQueue<T>,
    past: ArrayQueue<T>,
}

impl<T> Mailbox<T> {
    /// Empty.
    pub fn new() -> Mailbox<T> {
        Mailbox {
            next: ArrayQueue::new(1),
            past: ArrayQueue::new(1),
        }
    }

    /// The cold side: to be taken over; what was not taken over yet is replaced.
    pub fn send(&self, next: T) {
        while self.past.pop().is_some() {}
        drop(self.next.force_push(next));
    }

    /// The hot thread, one at a time: lets `replace` put what came into the place of what it gives
    /// back.
    pub fn receive(&self, replace: impl FnOnce(T) -> T) {
        // What is past is only in the way when two came between two looks of the cold side.
        if let Some(next) = self.next.pop() {
            drop(self.past.force_push(replace(next)));
        }
    }
}
