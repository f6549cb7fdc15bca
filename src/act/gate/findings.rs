//! What keeps commands from passing though decisions are as they should be: counted by the gate on
//! hot threads, read by the cold side.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Shared by a gate and whoever speaks of it.
#[derive(Debug, Default)]
pub struct Findings {
    /// Microseconds between two triggers where that is longer than a decision counts; else 0.
    slow: AtomicU64,
    old: Counted,
    ahead: Counted,
}

/// How often, and the newest span in microseconds.
#[derive(Debug, Default)]
struct Counted {
    times: AtomicU64,
    newest: AtomicU64,
}

/// What was found until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The time between two triggers where that is longer than a decision counts.
    pub slow: Option<Duration>,
    /// Commands refused as too old by their stamps, and how old the newest of them was.
    pub old: (u64, Duration),
    /// Commands refused because their stamps are ahead of the node's clock, and how far.
    pub ahead: (u64, Duration),
}

impl Findings {
    /// As of now.
    pub fn found(&self) -> Found {
        let slow = self.slow.load(Ordering::Relaxed);
        Found {
            slow: (slow > 0).then(|| Duration::from_micros(slow)),
            old: self.old.read(),
            ahead: self.ahead.read(),
        }
    }

    pub(super) fn triggers(&self, come: Triggers) {
        let micros = match come {
            Triggers::Seldom(period) => micros(period).max(1),
            Triggers::OftenEnough => 0,
            Triggers::Unclear => return,
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

impl Counted {
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
pub(super) struct Pace {
    /// One bit per gap, the newest lowest.
    slow: u16,
}

impl Pace {
    const LOOKED_AT: u16 = (1 << 10) - 1;
    const MANY: u32 = 3;

    /// The next gap; a single long one is a pause.
    pub fn next(&mut self, gap: Duration, timeout: Duration) -> Triggers {
        let slow = gap > timeout;
        self.slow = (self.slow << 1 | u16::from(slow)) & Pace::LOOKED_AT;
        match (slow, self.slow.count_ones()) {
            (true, Pace::MANY..) => Triggers::Seldom(gap),
            (_, 0) => Triggers::OftenEnough,
            _ => Triggers::Unclear,
        }
    }
}

/// How often triggers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Triggers {
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
        let mut pace = Pace::default();
        let mut next = |ms: u32| pace.next(ms * MS, 500 * MS);
        assert_eq!(next(100), Triggers::OftenEnough);
        assert_eq!(next(3000), Triggers::Unclear, "a pause");
        assert_eq!(next(100), Triggers::Unclear);
        assert_eq!(next(560), Triggers::Unclear);
        assert_eq!(next(550), Triggers::Seldom(550 * MS), "the third of five");
        let quick: Vec<_> = (0..10).map(|_| next(100)).collect();
        assert_eq!(quick[8], Triggers::Unclear);
        assert_eq!(quick[9], Triggers::OftenEnough, "ten quick ones");
    }

    #[test]
    fn commands_are_counted_with_their_newest_span() {
        let findings = Findings::default();
        findings.old_command(2000 * MS);
        findings.old_command(3000 * MS);
        findings.command_ahead(700 * MS);
        findings.triggers(Triggers::Seldom(560 * MS));
        let found = findings.found();
        assert_eq!(found.old, (2, 3000 * MS));
        assert_eq!(found.ahead, (1, 700 * MS));
        assert_eq!(found.slow, Some(560 * MS));
        findings.triggers(Triggers::OftenEnough);
        assert_eq!(findings.found().slow, None);
    }
}
