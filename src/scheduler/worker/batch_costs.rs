//! Costs of batches: how many robots' windows go through the engine at once, and what that costs.

use std::time::Duration;

use crate::scheduler::cost_model::CostModel;

/// What an engine's stages cost, by how many windows go through them side by side. Sizes are powers
/// of two: a GPU's kernels are tuned for each, so a batch is filled up to the next one.
#[derive(Clone, Debug)]
pub struct BatchCosts {
    /// For 1, 2, 4, ... windows at once.
    sizes: Vec<Size>,
}

#[derive(Clone, Debug)]
struct Size {
    costs: CostModel,
    /// All stages together, as it was measured before the first cycle.
    whole: Duration,
}

impl BatchCosts {
    /// One window at a time.
    pub fn single(costs: CostModel) -> BatchCosts {
        BatchCosts::new(costs, [])
    }

    /// Costs of one window at a time, and of 2, 4, 8, ... at once.
    pub fn new(single: CostModel, several: impl IntoIterator<Item = CostModel>) -> BatchCosts {
        let whole = |costs: &CostModel| (0..costs.stages()).map(|stage| costs.typical(stage)).sum();
        let sizes = std::iter::once(single).chain(several).map(|costs| Size {
            whole: whole(&costs),
            costs,
        });
        BatchCosts {
            sizes: sizes.collect(),
        }
    }

    /// Most windows at once.
    pub fn most(&self) -> usize {
        1 << (self.sizes.len() - 1)
    }

    /// Windows that the engine is given for `count`.
    pub fn filled(count: usize) -> usize {
        count.max(1).next_power_of_two()
    }

    /// What stages cost with `count` windows at once.
    pub fn costs(&self, count: usize) -> &CostModel {
        &self.sizes[self.index(count)].costs
    }

    /// The same, to take in what they cost.
    pub fn costs_mut(&mut self, count: usize) -> &mut CostModel {
        let index = self.index(count);
        &mut self.sizes[index].costs
    }

    fn index(&self, count: usize) -> usize {
        let index = Self::filled(count).trailing_zeros() as usize;
        index.min(self.sizes.len() - 1)
    }

    /// Of `waiting` windows, how many to take at once: as many as the engine runs in less time than
    /// one after the other, whose first stage fits in the `budget` of the most urgent.
    pub fn worth(&self, waiting: usize, budget: Duration) -> usize {
        let mut count = waiting.min(self.most());
        while count > 1 {
            let size = &self.sizes[self.index(count)];
            if size.whole < self.sizes[0].whole * count as u32 && size.costs.bound(0) <= budget {
                return count;
            }
            count = count.next_power_of_two() / 2;
        }
        1
    }

    /// Whether the engine ever gains from more than one.
    pub fn ever_gain(&self) -> bool {
        self.worth(self.most(), Duration::MAX) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    fn costs(us: u32) -> CostModel {
        let mut costs = CostModel::new(2);
        for stage in 0..2 {
            costs.record(stage, US * us);
        }
        costs
    }

    #[test]
    fn as_many_as_gain_and_fit_are_taken_at_once() {
        let batches = BatchCosts::new(costs(100), [costs(120), costs(160), costs(900)]);
        assert_eq!(batches.most(), 8);
        assert!(batches.ever_gain());
        let long = Duration::from_secs(1);
        for (waiting, budget, taken) in [
            (1, long, 1),
            (2, long, 2),
            (3, long, 3),
            (4, long, 4),
            // Eight at once take longer than one by one.
            (8, long, 4),
            (60, long, 4),
            (4, 199 * US, 2),
            (4, 149 * US, 1),
            (3, Duration::ZERO, 1),
        ] {
            assert_eq!(
                batches.worth(waiting, budget),
                taken,
                "{waiting}, {budget:?}"
            );
        }
    }

    #[test]
    fn a_batch_that_is_filled_up_must_pay_for_those_it_really_holds() {
        // Four take 3.5 times as long as one: three are taken as two, four as four.
        let batches = BatchCosts::new(costs(100), [costs(150), costs(350)]);
        let long = Duration::from_secs(1);
        assert_eq!(batches.worth(3, long), 2);
        assert_eq!(batches.worth(4, long), 4);
        assert_eq!(batches.costs(3).typical(0), 350 * US);
    }

    #[test]
    fn an_engine_that_takes_one_at_a_time_does_so() {
        let batches = BatchCosts::single(costs(100));
        assert_eq!(batches.worth(9, Duration::MAX), 1);
        assert!(!batches.ever_gain());
    }
}
