//! The last decision of the model, for as long as it may stand in for a missing one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Mono;

/// One word, so that it is read and written whole without a lock:
/// milliseconds of its trigger's arrival + 1 (40 bits), label (8), confidence in 1/65535 (16).
/// Zero: there was none yet. What a later trigger said stands, whichever thread comes last.
#[derive(Debug)]
pub(super) struct Held(AtomicU64);

/// In the label's place: a decision that withdrew what was held.
const WITHDRAWN: u8 = u8::MAX;

impl Held {
    pub fn new() -> Self {
        Held(AtomicU64::new(0))
    }

    /// Keeps this decision, made for a trigger that arrived at `arrival`.
    pub fn remember(&self, arrival: Mono, label: u8, confidence: f32) {
        let confidence = (confidence.clamp(0.0, 1.0) * 65535.0) as u64;
        // Within one millisecond nobody knows which came first: what is withdrawn stays so.
        self.replace(
            arrival,
            u64::from(label) << 16 | confidence,
            |at, before, label| before < at || before == at && label != WITHDRAWN,
        );
    }

    /// A trigger that arrived at `arrival` withdraws what was decided up to it.
    pub fn withdraw(&self, arrival: Mono) {
        self.replace(arrival, u64::from(WITHDRAWN) << 16, |at, before, _| {
            before <= at
        });
    }

    /// Where it may replace, by its own millisecond and by that and the label of what is there.
    fn replace(&self, arrival: Mono, rest: u64, may: impl Fn(u64, u64, u8) -> bool) {
        let millis = (arrival.0 / 1_000_000 + 1) & 0xff_ffff_ffff;
        let newer = |word: u64| {
            let label = (word >> 16 & 0xff) as u8;
            may(millis, word >> 24, label).then_some(millis << 24 | rest)
        };
        // A refusal: a later trigger has spoken already.
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, newer);
    }

    /// Label and confidence, if they answered a trigger not older than `hold` at `now`.
    pub fn recall(&self, now: Mono, hold: Duration) -> Option<(u8, f32)> {
        let word = self.0.load(Ordering::Acquire);
        let label = (word >> 16 & 0xff) as u8;
        if word == 0 || label == WITHDRAWN {
            return None;
        }
        // Rounded so that the age comes out too large by up to a millisecond, never too small.
        let arrival = Mono(((word >> 24) - 1) * 1_000_000);
        (now.since(arrival) <= hold).then_some((label, (word & 0xffff) as f32 / 65535.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_recalled_within_its_time_and_not_after() {
        let held = Held::new();
        let hold = Duration::from_millis(200);
        let at = Mono(5_000_000_000);
        assert_eq!(held.recall(at, hold), None);
        held.remember(at, 2, 0.5);
        let (label, confidence) = held.recall(at + hold, hold).expect("within its time");
        assert_eq!(label, 2);
        assert!((confidence - 0.5).abs() < 1e-4);
        assert_eq!(
            held.recall(at + hold + Duration::from_millis(1), hold),
            None
        );
        held.withdraw(at);
        assert_eq!(held.recall(at, hold), None);
    }

    #[test]
    fn an_earlier_trigger_that_comes_last_changes_nothing() {
        let held = Held::new();
        let hold = Duration::from_millis(200);
        let (early, late) = (Mono(5_000_000_000), Mono(5_100_000_000));
        held.withdraw(late);
        held.remember(early, 0, 1.0);
        assert_eq!(
            held.recall(late, hold),
            None,
            "a stop outlives the go before it"
        );
        // A millisecond later: within the same one a stop stays a stop, whichever came last.
        held.remember(late, 1, 1.0);
        assert_eq!(held.recall(late, hold), None);
        let late = late + Duration::from_millis(1);
        held.remember(late, 1, 1.0);
        held.withdraw(early);
        assert_eq!(held.recall(late, hold), Some((1, 1.0)));
    }
}
