//! Upper bounds of what each stage costs on this machine, as it is now.

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
#[derive(Clone, Debug)]
pub struct CostModel {
    stages: Vec<Stage>,
}

#[derive(Clone, Debug)]
struct Stage {
    recent: [Duration; REMEMBERED],
    seen: usize,
    bound: Duration,
}

impl CostModel {
    /// A model that knows nothing yet: every bound is zero until a cost is recorded.
    pub fn new(stages: usize) -> Self {
        let stage = Stage {
            recent: [Duration::ZERO; REMEMBERED],
            seen: 0,
            bound: Duration::ZERO,
        };
        CostModel {
            stages: vec![stage; stages.min(MAX_EXITS)],
        }
    }

    /// Takes in what stage `stage` (0-based) just cost.
    pub fn record(&mut self, stage: usize, cost: Duration) {
        let Some(stage) = self.stages.get_mut(stage) else {
            return;
        };
        stage.recent[stage.seen % REMEMBERED] = cost;
        stage.seen += 1;
        let known = stage.seen.min(REMEMBERED);
        let worst = stage.recent[..known].iter().max().copied();
        stage.bound = worst.unwrap_or_default().mul_f64(HEADROOM);
    }

    /// Upper bound of stage `stage` (0-based).
    pub fn bound(&self, stage: usize) -> Duration {
        self.stages
            .get(stage)
            .map_or(Duration::ZERO, |stage| stage.bound)
    }

    /// Stages it knows.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

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
    fn the_bound_lies_above_everything_remembered() {
        let mut costs = CostModel::new(1);
        for n in 1..200u32 {
            let cost = MS * (n * 7919 % 101);
            costs.record(0, cost);
            assert!(costs.bound(0) >= cost);
        }
    }
}
