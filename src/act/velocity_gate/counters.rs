//! Counters of what holds commands back although decisions allow them: written by the gate on hot
//! threads, read by the control plane.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Shared by a gate and whoever speaks of it.
#[derive(Debug, Default)]
pub struct GateCounters {
    /// Microseconds between two triggers where that is longer than a decision counts; else 0.
    slow: AtomicU64,
    old: SpanCounter,
    ahead: SpanCounter,
}

/// How often, and the newest span in microseconds.
#[derive(Debug, Default)]
struct SpanCounter {
    times: AtomicU64,
    newest: AtomicU64,
}

/// What was found until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateCounterValues {
    /// The time between two triggers where that is longer than a decision counts.
    pub slow: Option<Duration>,
    /// Commands refused as too old by their stamps, and how old the newest of them was.
    pub old: (u64, Duration),
    /// Commands refused because their stamps are ahead of the node's clock, and how far.
    pub ahead: (u64, Duration),
}

impl GateCounters {
    /// As of now.
    pub fn found(&self) -> GateCounterValues {
        let slow = self.slow.load(Ordering::Relaxed);
        GateCounterValues {
            slow: (slow > 0).then(|| Duration::from_micros(slow)),
            old: self.old.read(),
            ahead: self.ahead.read(),
        }
    }

    pub(super) fn triggers(&self, come: TriggerRateState) {
        let micros = match come {
            TriggerRateState::Seldom(period) => micros(period).max(1),
            TriggerRateState::OftenEnough => 0,
            TriggerRateState::Unclear => return,
        };
        self.slow.store(micros, Ordering::Relaxed);
    }

    pub(super) fn old_command(&self, age: Duration) {
        self.old.add(age);
    }

    pub(super) fn command_ahead(&self, ahead: Duration) {
        self.ahead.add(ahead);
    }
}

impl SpanCounter {
    fn add(&self, span: Duration) {
        self.newest.store(micros(span), Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> (u64, Duration) {
        let newest = Duration::from_micros(self.newest.load(Ordering::Relaxed));
        (self.times.load(Ordering::Relaxed), newest)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Whether triggers come too seldom: three of the last ten gaps between decisions were longer than
/// a decision counts.
#[derive(Debug, Default)]
pub(super) struct TriggerRate {
    /// One bit per gap, the newest lowest.
    slow: u16,
}

impl TriggerRate {
    const LOOKED_AT: u16 = (1 << 10) - 1;
    const MANY: u32 = 3;

    /// The next gap; a single long one is a pause.
    pub fn next(&mut self, gap: Duration, timeout: Duration) -> TriggerRateState {
        let slow = gap > timeout;
        self.slow = (self.slow << 1 | u16::from(slow)) & TriggerRate::LOOKED_AT;
        match (slow, self.slow.count_ones()) {
            (true, TriggerRate::MANY..) => TriggerRateState::Seldom(gap),
            (_, 0) => TriggerRateState::OftenEnough,
            _ => TriggerRateState::Unclear,
        }
    }
}

/// How often triggers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TriggerRateState {
    /// Further apart than a decision counts: this far.
    Seldom(Duration),
    OftenEnough,
    /// What was found before holds.
    Unclear,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn seldom_triggers_are_told_from_a_pause() {
        let mut pace = TriggerRate::default();
        let mut next = |ms: u32| pace.next(ms * MS, 500 * MS);
        assert_eq!(next(100), TriggerRateState::OftenEnough);
        assert_eq!(next(3000), TriggerRateState::Unclear, "a pause");
        assert_eq!(next(100), TriggerRateState::Unclear);
        assert_eq!(next(560), TriggerRateState::Unclear);
        assert_eq!(
            next(550),
            TriggerRateState::Seldom(550 * MS),
            "the third of five"
        );
        let quick: Vec<_> = (0..10).map(|_| next(100)).collect();
        assert_eq!(quick[8], TriggerRateState::Unclear);
        assert_eq!(quick[9], TriggerRateState::OftenEnough, "ten quick ones");
    }

    #[test]
    fn commands_are_counted_with_their_newest_span() {
        let findings = GateCounters::default();
        findings.old_command(2000 * MS);
        findings.old_command(3000 * MS);
        findings.command_ahead(700 * MS);
        findings.triggers(TriggerRateState::Seldom(560 * MS));
        let found = findings.found();
        assert_eq!(found.old, (2, 3000 * MS));
        assert_eq!(found.ahead, (1, 700 * MS));
        assert_eq!(found.slow, Some(560 * MS));
        findings.triggers(TriggerRateState::OftenEnough);
        assert_eq!(findings.found().slow, None);
    }
}
