//! The policy: whether to run the next stage or to stop at the exit in hand.

use std::time::Duration;

/// How the optional stages are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Stop at the first exit whose confidence reaches its threshold, or once more changes nothing.
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
pub struct StageProgress {
    /// Confidence of the exit in hand.
    pub confidence: f32,
    /// Its threshold under [`Policy::Fastest`].
    pub threshold: f32,
    /// Upper bound of the next stage's cost; `None` after the last one.
    pub next_bound: Option<Duration>,
    /// Upper bound of all that is left in one go; `None` where that is not to be had.
    pub finish_bound: Option<Duration>,
    /// The last parts changed nothing: whoever need not use the budget stops.
    pub unchanged: bool,
    /// Left until the deadline less the publish margin.
    pub budget: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run the next stage.
    Advance,
    /// Run all that is left in one go.
    Finish,
    /// Decide by the exit in hand.
    Stop,
    /// The same, though the next stage was wanted: it does not fit.
    PassOver,
}

impl Policy {
    /// Whether all stages are run in one go from the start, by their upper bound; else the first
    /// alone. [`Policy::Fastest`] looks at every exit, since it may stop there. [`Policy::Best`]
    /// wants the last one, and looks on the way only where time is short: a submission that takes
    /// longer than its bound leaves no exit behind, so from the start it has to fit twice.
    pub fn finishes_at_once(self, finish_bound: Option<Duration>, budget: Duration) -> bool {
        self == Policy::Best && finish_bound.is_some_and(|bound| bound * 2 <= budget)
    }

    /// Neither policy starts a stage whose bound does not fit in the budget. With an exit in hand,
    /// [`Policy::Best`] runs all that is left in one go where that fits.
    pub fn next(self, progress: &StageProgress) -> Step {
        let enough = progress.confidence >= progress.threshold || progress.unchanged;
        let sure = self == Policy::Fastest && enough;
        let finish = progress.finish_bound.filter(|_| self == Policy::Best);
        if finish.is_some_and(|bound| bound <= progress.budget) {
            return Step::Finish;
        }
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

    fn progress(confidence: f32, bound: Option<Duration>, budget: Duration) -> StageProgress {
        StageProgress {
            confidence,
            threshold: 0.9,
            next_bound: bound,
            finish_bound: None,
            unchanged: false,
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
    fn fastest_stops_when_more_changes_nothing_and_best_goes_on() {
        let same = StageProgress {
            unchanged: true,
            ..progress(0.1, Some(MS), 10 * MS)
        };
        assert_eq!(Policy::Fastest.next(&same), Step::Stop);
        assert_eq!(Policy::Best.next(&same), Step::Advance);
    }

    #[test]
    fn best_goes_to_the_end_at_once_where_that_fits_and_fastest_never() {
        let left = |finish: u32, budget: u32| StageProgress {
            finish_bound: Some(MS * finish),
            ..progress(0.1, Some(MS), MS * budget)
        };
        assert_eq!(Policy::Best.next(&left(3, 3)), Step::Finish);
        assert_eq!(Policy::Best.next(&left(3, 2)), Step::Advance);
        assert_eq!(Policy::Fastest.next(&left(3, 9)), Step::Advance);
        assert!(Policy::Best.finishes_at_once(Some(3 * MS), 6 * MS));
        assert!(!Policy::Best.finishes_at_once(Some(3 * MS), 5 * MS));
        assert!(!Policy::Best.finishes_at_once(None, 5 * MS));
        assert!(!Policy::Fastest.finishes_at_once(Some(MS), 5 * MS));
    }

    #[test]
    fn after_the_last_exit_there_is_nothing_to_buy() {
        assert_eq!(Policy::Best.next(&progress(0.1, None, 10 * MS)), Step::Stop);
    }
}
