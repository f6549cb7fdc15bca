//! Whether to buy the next stage or to stop at the exit in hand.

use std::time::Duration;

/// How the optional stages are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Stop at the first exit whose confidence reaches its threshold.
    Fastest,
    /// Use the budget.
    Best,
}

impl Policy {
    /// From the parameter's word.
    pub fn from_name(name: &str) -> Option<Policy> {
        match name {
            "fastest" => Some(Policy::Fastest),
            "best" => Some(Policy::Best),
            _ => None,
        }
    }
}

/// What the policy looks at after an exit.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Confidence of the exit in hand.
    pub confidence: f32,
    /// Its threshold under [`Policy::Fastest`].
    pub threshold: f32,
    /// Upper bound of the next stage's cost; `None` after the last one.
    pub next_bound: Option<Duration>,
    /// Left until the deadline less the publish margin.
    pub budget: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run the next stage.
    Advance,
    /// Decide by the exit in hand.
    Stop,
    /// The same, though the next stage was wanted: it does not fit.
    PassOver,
}

impl Policy {
    /// Neither policy starts a stage whose bound does not fit in the budget.
    pub fn next(self, progress: &Progress) -> Step {
        let sure = self == Policy::Fastest && progress.confidence >= progress.threshold;
        match progress.next_bound {
            Some(bound) if !sure && bound <= progress.budget => Step::Advance,
            Some(_) if !sure => Step::PassOver,
            _ => Step::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn progress(confidence: f32, bound: Option<Duration>, budget: Duration) -> Progress {
        Progress {
            confidence,
            threshold: 0.9,
            next_bound: bound,
            budget,
        }
    }

    #[test]
    fn a_stage_that_does_not_fit_is_never_started() {
        for policy in [Policy::Fastest, Policy::Best] {
            let tight = progress(0.1, Some(3 * MS), 2 * MS);
            assert_eq!(policy.next(&tight), Step::PassOver);
            let wide = progress(0.1, Some(3 * MS), 3 * MS);
            assert_eq!(policy.next(&wide), Step::Advance);
        }
    }

    #[test]
    fn fastest_stops_when_sure_and_best_goes_on() {
        let sure = progress(0.95, Some(MS), 10 * MS);
        assert_eq!(Policy::Fastest.next(&sure), Step::Stop);
        assert_eq!(Policy::Best.next(&sure), Step::Advance);
    }

    #[test]
    fn after_the_last_exit_there_is_nothing_to_buy() {
        assert_eq!(Policy::Best.next(&progress(0.1, None, 10 * MS)), Step::Stop);
    }
}
