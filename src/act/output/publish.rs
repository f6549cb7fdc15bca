//! How one robot's messages are published, and the count of those that the middleware did not take.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::act::speed_limit::Percent;
use crate::time::Stamp;

/// Counts what was not taken.
#[derive(Default)]
pub(super) struct PublishFailures(pub(super) AtomicU64);

impl PublishFailures {
    pub(super) fn count(&self, taken: bool) {
        if !taken {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Bytes a message of ours never exceeds, labels and frames of sane length provided.
pub(super) const ROOM: usize = 2048;

/// Publishes bytes; whether they were taken. May block.
pub type PublishBytes = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// Publishes a speed limit; whether it was taken. May block.
pub type PublishSpeedLimit = Box<dyn FnMut(Stamp, Percent) -> bool + Send>;
