//! Decimates a fast trigger: which of its messages ask for a decision.

use crate::time::Stamp;

/// Lets the first message of every stretch of time pass. The stretches lie on a fixed grid, so a
/// trigger that jitters or pauses does not shift what comes after.
#[derive(Clone, Debug, Default)]
pub struct TriggerDecimator {
    /// 0: everything passes.
    every_ns: i64,
    last: Option<i64>,
}

impl TriggerDecimator {
    /// For stretches of `every_ms`; 0 lets everything pass.
    pub fn new(every_ms: u32) -> TriggerDecimator {
        TriggerDecimator {
            every_ns: i64::from(every_ms) * 1_000_000,
            last: None,
        }
    }

    /// Whether a trigger that arrived at this time asks for a decision.
    pub fn asks(&mut self, arrival: Stamp) -> bool {
        if self.every_ns == 0 {
            return true;
        }
        let stretch = Some(arrival.0.div_euclid(self.every_ns));
        let first = stretch != self.last;
        self.last = stretch;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(decimator: &mut TriggerDecimator, times_ms: &[i64]) -> Vec<i64> {
        let at = |ms: i64| Stamp(ms * 1_000_000);
        let passed = times_ms.iter().filter(|ms| decimator.asks(at(**ms)));
        passed.copied().collect()
    }

    #[test]
    fn the_first_of_every_stretch_passes_however_irregular_the_rate() {
        let times = [0, 10, 99, 103, 150, 420, 499, 500, 1001];
        assert_eq!(
            passed(&mut TriggerDecimator::new(100), &times),
            [0, 103, 420, 500, 1001]
        );
        assert_eq!(passed(&mut TriggerDecimator::new(0), &times), times);
    }

    #[test]
    fn time_that_jumps_back_does_not_silence_it() {
        assert_eq!(
            passed(&mut TriggerDecimator::new(100), &[1000, 5, 7, 101]),
            [1000, 5, 101]
        );
    }
}
