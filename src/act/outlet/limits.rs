//! The speed limit at work: decisions go in, and a limit that is to be said is handed to the thread
//! that publishes it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::mailbox::Mailbox;
use super::post::{Latest, Post};
use super::{Failed, SpeedWire};
use crate::act::Verdict;
use crate::act::speed_limit::{Percent, SpeedLimiter, SpeedLimits};
use crate::time::{Stamp, When};

/// The speed limit of one robot.
pub(super) struct Limits {
    limited: Mutex<Limited>,
    limits: Mailbox<SpeedLimits>,
    post: Post<Latest<(Stamp, Percent)>>,
}

struct Limited {
    limiter: SpeedLimiter,
    closed: bool,
}

impl Limits {
    /// Closed, until it is opened.
    pub fn new(
        limits: SpeedLimits,
        (mut wire, failed): (SpeedWire, Arc<Failed>),
        prepare: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Limits> {
        let none = || (Stamp(0), Percent::NONE);
        let send = move |said: &mut (Stamp, Percent)| failed.count(wire(said.0, said.1));
        Ok(Limits {
            limited: Mutex::new(Limited {
                limiter: SpeedLimiter::new(limits),
                closed: true,
            }),
            limits: Mailbox::new(),
            post: Post::start("speed-limit", Latest::new(none()), none(), prepare, send)?,
        })
    }

    /// From the next decision on these hold.
    pub fn set_limits(&self, limits: SpeedLimits) {
        self.limits.send(limits);
    }

    /// Forgets everything and follows the decisions from here on.
    pub fn open(&self) {
        let mut limited = self.lock();
        limited.limiter.reset();
        limited.closed = false;
    }

    /// Says nothing more by itself.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// The controller's own speed again.
    pub fn lift(&self, stamp: Stamp) {
        let _held = self.lock();
        self.hand_over(stamp, Percent::NONE);
    }

    /// A decision leaves.
    pub fn decision(&self, now: When, verdict: Verdict) {
        let mut limited = self.lock();
        let limiter = &mut limited.limiter;
        self.limits.receive(|limits| limiter.set_limits(limits));
        let limit = limiter.on_decision(now.mono, verdict);
        if let Some(limit) = limit
            && !limited.closed
        {
            self.hand_over(now.ros, limit);
        }
    }

    /// Whether all that was handed over is published by then.
    pub fn flush(&self, until: Instant) -> bool {
        self.post.flush(until)
    }

    /// Whether what publishes has ended by a panic.
    pub fn has_fallen(&self) -> bool {
        self.post.has_fallen()
    }

    fn hand_over(&self, stamp: Stamp, limit: Percent) {
        self.post.put(|slot| *slot.newest() = (stamp, limit));
    }

    fn lock(&self) -> MutexGuard<'_, Limited> {
        // A limiter that a panic left half changed says its limit with the next decision.
        self.limited.lock().unwrap_or_else(|held| held.into_inner())
    }
}
