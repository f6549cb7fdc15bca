//! The cost model: upper bounds of what each stage costs on this machine at present.

use std::time::Duration;

use super::decision::MAX_EXITS;

/// Costs remembered per stage.
const REMEMBERED: usize = 64;
/// Added to the largest cost seen, for what was not seen.
const HEADROOM: f64 = 1.25;

/// Per stage, the largest cost among the last 64 runs plus a quarter.
///
/// A moving maximum rises with the first slow run and forgets it only after 64 more: quick
/// upwards, slow downwards, and no distribution is assumed. Its share of exceedances among
/// exchangeable costs is at most 1/65 even without the headroom (rank statistics: the next value
/// is as likely to be the largest of 65 as any other).
///
/// A stage whose bound does not fit is not run, so nothing new would ever be learned of it: after
/// 64 cycles that passed it over, its largest cost is forgotten as if it had left the window. A
/// bound that then proves too low costs nothing but the attempt; the watchdog answers by the exit
/// before it.
///
/// Of an engine whose exits are dear to read it knows as well what all that is left costs in one
/// go, from every stage on.
#[derive(Clone, Debug)]
pub struct CostModel {
    stages: Vec<Stage>,
    /// By the stage it begins with; empty where only single stages are run.
    finishes: Vec<Stage>,
}

#[derive(Clone, Debug)]
struct Stage {
    recent: [Duration; REMEMBERED],
    seen: usize,
    bound: Duration,
    passed_over: usize,
}

impl CostModel {
    /// A model that knows nothing yet: every bound is zero until a cost is recorded.
    pub fn new(stages: usize) -> Self {
        CostModel {
            stages: vec![Stage::UNKNOWN; stages.min(MAX_EXITS)],
            finishes: Vec::new(),
        }
    }

    /// Takes in what stage `stage` (0-based) just cost.
    pub fn record(&mut self, stage: usize, cost: Duration) {
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.record(cost);
        }
    }

    /// Takes in what all stages from `from` (0-based) on just cost in one go.
    pub fn record_finish(&mut self, from: usize, cost: Duration) {
        // The first one says that this engine is run so.
        self.finishes.resize(self.stages.len(), Stage::UNKNOWN);
        if let Some(finish) = self.finishes.get_mut(from) {
            finish.record(cost);
        }
    }

    /// Stage `stage` (0-based) was wanted and not begun, because its bound did not fit.
    pub fn pass_over(&mut self, stage: usize) {
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.pass_over();
        }
    }

    /// All that is left from stage `from` (0-based) on was wanted in one go and did not fit.
    pub fn pass_over_finish(&mut self, from: usize) {
        if let Some(finish) = self.finishes.get_mut(from) {
            finish.pass_over();
        }
    }

    /// Upper bound of all stages from `from` (0-based) on in one go; none where they are only run
    /// one by one, or only one is left.
    pub fn finish_bound(&self, from: usize) -> Option<Duration> {
        let several = from + 1 < self.stages.len();
        let finish = self.finishes.get(from).filter(|_| several);
        finish.map(|finish| finish.bound)
    }

    /// Upper bound of stage `stage` (0-based).
    pub fn bound(&self, stage: usize) -> Duration {
        self.stages
            .get(stage)
            .map_or(Duration::ZERO, |stage| stage.bound)
    }

    /// Median of the remembered costs of stage `stage` (0-based).
    pub fn typical(&self, stage: usize) -> Duration {
        let Some(stage) = self.stages.get(stage) else {
            return Duration::ZERO;
        };
        let mut known = stage.recent[..stage.seen.min(REMEMBERED)].to_vec();
        known.sort_unstable();
        known.get(known.len() / 2).copied().unwrap_or_default()
    }

    /// Stages it knows.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }
}

impl Stage {
    const UNKNOWN: Stage = Stage {
        recent: [Duration::ZERO; REMEMBERED],
        seen: 0,
        bound: Duration::ZERO,
        passed_over: 0,
    };

    fn record(&mut self, cost: Duration) {
        self.recent[self.seen % REMEMBERED] = cost;
        self.seen += 1;
        self.passed_over = 0;
        self.settle();
    }

    fn pass_over(&mut self) {
        self.passed_over += 1;
        if self.passed_over >= REMEMBERED {
            self.passed_over = 0;
            self.forget_largest();
            self.settle();
        }
    }

    fn known(&mut self) -> &mut [Duration] {
        &mut self.recent[..self.seen.min(REMEMBERED)]
    }

    fn settle(&mut self) {
        let worst = self.known().iter().max().copied();
        self.bound = worst.unwrap_or_default().mul_f64(HEADROOM);
    }

    /// The smallest known cost takes the largest one's place.
    fn forget_largest(&mut self) {
        let known = self.known();
        let least = known.iter().min().copied().unwrap_or_default();
        if let Some(largest) = known.iter_mut().max() {
            *largest = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_stage_that_is_passed_over_is_tried_again() {
        let mut costs = CostModel::new(1);
        for _ in 0..100 {
            costs.record(0, MS);
        }
        let calm = costs.bound(0);
        costs.record(0, 50 * MS);
        let hiccup = costs.bound(0);
        for _ in 0..REMEMBERED - 1 {
            costs.pass_over(0);
        }
        assert_eq!(costs.bound(0), hiccup, "forgotten too early");
        costs.pass_over(0);
        assert_eq!(costs.bound(0), calm);
    }

    #[test]
    fn one_slow_run_raises_the_bound_and_only_many_fast_ones_lower_it() {
        let mut costs = CostModel::new(2);
        for _ in 0..100 {
            costs.record(1, MS);
        }
        let calm = costs.bound(1);
        costs.record(1, 3 * MS);
        assert!(costs.bound(1) >= 3 * MS);
        for _ in 0..REMEMBERED - 1 {
            costs.record(1, MS);
        }
        assert!(costs.bound(1) >= 3 * MS, "forgotten too early");
        costs.record(1, MS);
        assert_eq!(costs.bound(1), calm);
        assert_eq!(costs.bound(0), Duration::ZERO, "stages are separate");
    }

    #[test]
    fn finishes_are_known_apart_from_stages_once_one_was_seen() {
        let mut costs = CostModel::new(3);
        costs.record(0, MS);
        assert_eq!(costs.finish_bound(0), None, "never run so");
        for from in 0..3 {
            costs.record_finish(from, 4 * MS);
        }
        assert_eq!(costs.finish_bound(0), Some(5 * MS));
        assert_eq!(costs.finish_bound(1), Some(5 * MS));
        assert_eq!(costs.finish_bound(2), None, "a single stage");
        assert_eq!(costs.bound(1), Duration::ZERO);
        costs.record_finish(0, 40 * MS);
        for _ in 0..REMEMBERED {
            costs.pass_over_finish(0);
        }
        assert_eq!(costs.finish_bound(0), Some(5 * MS), "tried again");
    }

    #[test]
    fn the_bound_lies_above_everything_remembered() {
        let mut costs = CostModel::new(1);
        for n in 1..200u32 {
            let cost = MS * (n * 7919 % 101);
            costs.record(0, cost);
            assert!(costs.bound(0) >= cost);
        }
    }
}
