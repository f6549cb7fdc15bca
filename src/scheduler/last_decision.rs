//! The last decision of the model, for as long as it may be held in place of a missing one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Mono;

/// One word, so that it is read and written whole without a lock:
/// milliseconds of its trigger's arrival + 1 (36 bits, two years), label (7), confidence in 1/8191
/// (13), free way in [`STEP_M`] (8).
/// Zero: there was none yet. What a later trigger said stands, whichever thread comes last.
#[derive(Debug)]
pub(super) struct LastDecision(AtomicU64);

/// What may stand in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recalled {
    pub label: u8,
    pub confidence: f32,
    /// Rounded down, so that it never grows by being held; none where the model does not tell.
    pub free_way_m: Option<f32>,
}

/// In the label's place: a decision that withdrew what was held.
const WITHDRAWN: u8 = 127;
const MILLIS: u32 = 28;
const LABEL: u32 = 21;
const CONFIDENCE: u32 = 8;
const SURE: u64 = 8191;
/// Of a free way, m.
const STEP_M: f32 = 0.02;
/// In the free way's place: the model does not tell.
const UNTOLD: u64 = 255;

const _: () = assert!(super::decision::MAX_LABELS <= WITHDRAWN as usize);

impl LastDecision {
    pub fn new() -> Self {
        LastDecision(AtomicU64::new(0))
    }

    /// Keeps this decision, made for a trigger that arrived at `arrival`.
    pub fn remember(&self, arrival: Mono, label: u8, confidence: f32, free_way_m: Option<f32>) {
        let confidence = (confidence.clamp(0.0, 1.0) * SURE as f32).round() as u64;
        // Saturates; what is no number becomes 0, the nearest.
        let steps = |metres: f32| ((metres / STEP_M) as u64).min(UNTOLD - 1);
        let way = free_way_m.map_or(UNTOLD, steps);
        // Within one millisecond nobody knows which came first: what is withdrawn stays so.
        self.replace(
            arrival,
            u64::from(label) << LABEL | confidence << CONFIDENCE | way,
            |at, before, label| before < at || before == at && label != WITHDRAWN,
        );
    }

    /// A trigger that arrived at `arrival` withdraws what was decided up to it.
    pub fn withdraw(&self, arrival: Mono) {
        self.replace(arrival, u64::from(WITHDRAWN) << LABEL, |at, before, _| {
            before <= at
        });
    }

    /// Where it may replace, by its own millisecond and by that and the label of what is there.
    fn replace(&self, arrival: Mono, rest: u64, may: impl Fn(u64, u64, u8) -> bool) {
        let millis = (arrival.0 / 1_000_000 + 1) & 0xf_ffff_ffff;
        let newer = |word: u64| {
            may(millis, word >> MILLIS, label_of(word)).then_some(millis << MILLIS | rest)
        };
        // A refusal: a later trigger has spoken already.
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, newer);
    }

    /// What was held, if it answered a trigger not older than `hold` at `now`.
    pub fn recall(&self, now: Mono, hold: Duration) -> Option<Recalled> {
        let word = self.0.load(Ordering::Acquire);
        let label = label_of(word);
        if word == 0 || label == WITHDRAWN {
            return None;
        }
        // Rounded so that the age comes out too large by up to a millisecond, never too small.
        let arrival = Mono(((word >> MILLIS).saturating_sub(1)) * 1_000_000);
        let way = word & 0xff;
        (now.since(arrival) <= hold).then_some(Recalled {
            label,
            confidence: (word >> CONFIDENCE & SURE) as f32 / SURE as f32,
            free_way_m: (way != UNTOLD).then_some(way as f32 * STEP_M),
        })
    }
}

fn label_of(word: u64) -> u8 {
    (word >> LABEL & 0x7f) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_recalled_within_its_time_and_not_after() {
        let held = LastDecision::new();
        let hold = Duration::from_millis(200);
        let at = Mono(5_000_000_000);
        assert_eq!(held.recall(at, hold), None);
        held.remember(at, 2, 0.5, None);
        let recalled = held.recall(at + hold, hold).expect("within its time");
        assert_eq!((recalled.label, recalled.free_way_m), (2, None));
        assert!((recalled.confidence - 0.5).abs() < 1e-4);
        assert_eq!(
            held.recall(at + hold + Duration::from_millis(1), hold),
            None
        );
        held.withdraw(at);
        assert_eq!(held.recall(at, hold), None);
    }

    #[test]
    fn an_earlier_trigger_that_comes_last_changes_nothing() {
        let held = LastDecision::new();
        let hold = Duration::from_millis(200);
        let (early, late) = (Mono(5_000_000_000), Mono(5_100_000_000));
        held.withdraw(late);
        held.remember(early, 0, 1.0, None);
        assert_eq!(
            held.recall(late, hold),
            None,
            "a stop outlives the go before it"
        );
        // A millisecond later: within the same one a stop stays a stop, whichever came last.
        held.remember(late, 1, 1.0, None);
        assert_eq!(held.recall(late, hold), None);
        let late = late + Duration::from_millis(1);
        held.remember(late, 1, 1.0, None);
        held.withdraw(early);
        let recalled = held
            .recall(late, hold)
            .map(|held| (held.label, held.confidence));
        assert_eq!(recalled, Some((1, 1.0)));
    }

    #[test]
    fn a_free_way_is_held_and_never_grows() {
        let (held, hold) = (LastDecision::new(), Duration::from_millis(200));
        for (ms, metres) in [0.0f32, 0.019, 0.5, 2.999, 80.0, f32::INFINITY]
            .iter()
            .enumerate()
        {
            let at = Mono((ms as u64 + 1) * 1_000_000);
            held.remember(at, 63, 1.0, Some(*metres));
            let recalled = held.recall(at, hold).expect("young enough");
            assert_eq!((recalled.label, recalled.confidence), (63, 1.0));
            let way = recalled.free_way_m.expect("a way was told");
            assert!(
                way <= *metres && way > metres.min(5.0) - 0.021,
                "{metres}: {way}"
            );
        }
    }
}
