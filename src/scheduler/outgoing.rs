//! A decision between the moment it is made and its publication, which may be on another thread.

use std::sync::Arc;

use tracing::trace_span;

use super::CYCLE;
use super::counters::Counters;
use super::decision::Decision;
use crate::time::Clock;

/// A decision that is to be published once. Its latency and whether it is late are measured where
/// it is published.
#[must_use = "a decision that is neither sent nor withheld is never counted"]
pub struct OutgoingDecision {
    decision: Decision,
    clock: Arc<dyn Clock>,
    counts: Arc<Counters>,
}

impl OutgoingDecision {
    pub(super) fn new(
        mut decision: Decision,
        clock: Arc<dyn Clock>,
        counts: Arc<Counters>,
    ) -> Self {
        decision.latency = clock.now().since(decision.trigger.arrival);
        OutgoingDecision {
            decision,
            clock,
            counts,
        }
    }

    /// One with counters of its own.
    #[cfg(test)]
    pub(crate) fn alone(decision: Decision) -> OutgoingDecision {
        let clock = Arc::new(crate::time::SystemClock::new());
        OutgoingDecision::new(decision, clock, Arc::new(Counters::new(4)))
    }

    /// What is decided; its latency is the one so far.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Publishes it by `how`, on this thread, and counts it.
    pub fn send(mut self, how: impl FnOnce(&Decision)) {
        let arrival = self.decision.trigger.arrival;
        self.decision.latency = self.clock.now().since(arrival);
        let span = trace_span!(
            target: CYCLE,
            "publish",
            cycle = self.decision.cycle,
            source = self.decision.source.name(),
            reason = self.decision.reason.name(),
            latency_us = self.decision.latency.as_micros() as u64,
        );
        let _inside = span.enter();
        how(&self.decision);
        let took = self.clock.now().since(arrival);
        if self.decision.reused.is_some() {
            self.counts.reused();
        }
        let why = (self.decision.source, self.decision.reason);
        let exit = usize::from(self.decision.exit);
        self.counts.decided(why, exit, self.decision.deadline, took);
    }

    /// Drops it unpublished; it counts as answered.
    pub fn withhold(self) {
        self.send(|_| ());
    }
}
