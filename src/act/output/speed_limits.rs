//! The speed limit between the threads: decisions go in, and each new limit goes to the thread that
//! publishes it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::config_slot::ConfigSlot;
use super::publish::{PublishFailures, PublishSpeedLimit};
use super::publisher_thread::{NewestOnly, PublisherThread};
use crate::act::act_input::ActInput;
use crate::act::speed_limit::{Percent, SpeedLimiter, SpeedLimits};
use crate::time::{Stamp, When};

/// The speed limit of one robot.
pub(super) struct SpeedLimitOutput {
    limited: Mutex<LimiterState>,
    limits: ConfigSlot<SpeedLimits>,
    post: PublisherThread<NewestOnly<(Stamp, Percent)>>,
}

struct LimiterState {
    limiter: SpeedLimiter,
    closed: bool,
}

impl SpeedLimitOutput {
    /// Closed, until it is opened.
    pub fn new(
        limits: SpeedLimits,
        (mut wire, failed): (PublishSpeedLimit, Arc<PublishFailures>),
        prepare: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<SpeedLimitOutput> {
        let none = || (Stamp(0), Percent::NONE);
        let send = move |said: &mut (Stamp, Percent)| failed.count(wire(said.0, said.1));
        Ok(SpeedLimitOutput {
            limited: Mutex::new(LimiterState {
                limiter: SpeedLimiter::new(limits),
                closed: true,
            }),
            limits: ConfigSlot::new(),
            post: PublisherThread::start(
                "speed-limit",
                NewestOnly::new(none()),
                none(),
                prepare,
                send,
            )?,
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

    /// Publishes nothing more by itself.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// The controller's own speed again.
    pub fn lift(&self, stamp: Stamp) {
        let _held = self.lock();
        self.hand_over(stamp, Percent::NONE);
    }

    /// A decision leaves.
    pub fn decision(&self, now: When, act_input: ActInput) {
        let mut limited = self.lock();
        let limiter = &mut limited.limiter;
        self.limits.receive(|limits| limiter.set_limits(limits));
        let limit = limiter.on_decision(now.mono, act_input);
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
    pub fn has_panicked(&self) -> bool {
        self.post.has_panicked()
    }

    fn hand_over(&self, stamp: Stamp, limit: Percent) {
        self.post.put(|slot| *slot.newest() = (stamp, limit));
    }

    fn lock(&self) -> MutexGuard<'_, LimiterState> {
        // A limiter that a panic left half changed says its limit with the next decision.
        self.limited.lock().unwrap_or_else(|held| held.into_inner())
    }
}
