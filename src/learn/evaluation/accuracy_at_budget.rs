//! Accuracy at budget: balanced accuracy as a function of compute, for both policies, beside models
//! of a fixed depth.

use super::predictions::Predictions;
use crate::learn::metrics::fixed_depth_scores::{DepthComparison, FixedDepth};
use crate::learn::metrics::scores::ConfusionCounts;
use crate::learn::report::budget_curves::{Budget, BudgetPoint, Curve, Curves, PerMeasure};
use crate::scheduler::{Policy, StageProgress, Step};

/// Settings of the threshold of `fastest`, apart from never stopping early.
const THRESHOLDS: usize = 20;

/// How a curve goes on between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interpolation {
    /// A threshold between two of them is between them: a straight line.
    Line,
    /// What does not fit is not run: a step.
    Step,
}

impl Budget {
    /// Of what every exit answered. `stages` are multiply-adds and microseconds of each.
    pub(in crate::learn) fn of<'a>(
        engine: &str,
        stages: (&[u64], &[f64]),
        robots: impl Iterator<Item = (&'a String, &'a Predictions)>,
        empty: &ConfusionCounts,
    ) -> Budget {
        let mut sum = PerMeasure::<f64>::default();
        let costs = stages.0.iter().zip(stages.1);
        let exits: Vec<PerMeasure<f64>> = costs
            .map(|(macs, us)| {
                sum.stages += 1.0;
                sum.macs += *macs as f64;
                sum.us += us;
                sum
            })
            .collect();
        let curves = |answered: &Predictions| Curves {
            fastest: fastest(answered, &exits, empty),
            best: best(answered, &exits, empty),
        };
        Budget {
            engine: engine.into(),
            per_robot: robots.map(|(name, a)| (name.clone(), curves(a))).collect(),
            exits,
        }
    }

    /// How a model of a fixed depth compares with the better of both policies on a robot.
    pub(in crate::learn) fn against(
        &self,
        fixed: &FixedDepth,
        robot: &str,
    ) -> Option<PerMeasure<DepthComparison>> {
        let curves = self.per_robot.get(robot)?;
        let points = || curves.fastest.points.iter().chain(&curves.best.points);
        let (score, error) = fixed.score(robot)?;
        let judge = |cost: Option<f64>, slack: f64, of: fn(&PerMeasure<f64>) -> f64| {
            let Some(cost) = cost else {
                return DepthComparison::Unmeasured;
            };
            let affordable = points().filter(|point| of(&point.spent) <= cost * (1.0 + slack));
            let best = affordable.map(|point| point.balanced_accuracy);
            match best.reduce(f64::max) {
                None => DepthComparison::Cheaper,
                Some(best) if best >= score => DepthComparison::Dominated,
                Some(best) if best >= score - error => DepthComparison::Touched,
                Some(_) => DepthComparison::Better,
            }
        };
        let us = fixed.us.get(&self.engine).copied();
        Some(PerMeasure {
            stages: judge(Some(fixed.depth as f64), 1e-9, |spent| spent.stages),
            macs: judge(Some(fixed.macs as f64), 1e-9, |spent| spent.macs),
            // Two timings of the same work differ by so much.
            us: judge(us, 0.05, |spent| spent.us),
        })
    }
}

/// Under the policy of the node: the exit at which a window is decided.
fn exit_of(
    policy: Policy,
    answered: &Predictions,
    row: usize,
    (threshold, budget_us): (f32, f64),
    exits: &[PerMeasure<f64>],
) -> usize {
    let duration = |us: f64| std::time::Duration::from_secs_f64(us.max(0.0) * 1e-6);
    let mut exit = 0;
    while let Some(next) = exits.get(exit + 1) {
        let spent = exits[exit].us;
        let progress = StageProgress {
            confidence: answered.answer(exit, row).1,
            threshold,
            next_bound: Some(duration(next.us - spent)),
            finish_bound: None,
            unchanged: false,
            budget: duration(budget_us - spent),
        };
        if policy.next(&progress) != Step::Advance {
            break;
        }
        exit += 1;
    }
    exit
}

fn fastest(answered: &Predictions, exits: &[PerMeasure<f64>], empty: &ConfusionCounts) -> Curve {
    // Thresholds at which the first exit stops on equal shares of the windows; then never.
    let mut sure: Vec<f32> = (0..answered.rows())
        .map(|row| answered.answer(0, row).1)
        .collect();
    sure.sort_by(f32::total_cmp);
    let at = |step: usize| {
        sure.get(step * (sure.len().max(1) - 1) / THRESHOLDS)
            .copied()
    };
    let mut thresholds: Vec<f32> = (0..=THRESHOLDS).filter_map(at).collect();
    thresholds.push(2.0);
    thresholds.dedup();
    let settings = thresholds.into_iter();
    let points = settings.filter_map(|threshold| {
        let of = |row: usize| exit_of(Policy::Fastest, answered, row, (threshold, AMPLE_US), exits);
        point(f64::from(threshold.min(1.0)), answered, exits, empty, of)
    });
    Curve::new(points.collect(), Interpolation::Line)
}

fn best(answered: &Predictions, exits: &[PerMeasure<f64>], empty: &ConfusionCounts) -> Curve {
    // Just enough for every exit; the node asks for the worst of its last costs and a quarter more.
    let points = exits.iter().filter_map(|budget| {
        let us = budget.us * (1.0 + 1e-6) + 1e-3;
        let of = |row: usize| exit_of(Policy::Best, answered, row, (0.0, us), exits);
        point(budget.us, answered, exits, empty, of)
    });
    Curve::new(points.collect(), Interpolation::Step)
}

/// A second: more than any model takes.
const AMPLE_US: f64 = 1e6;

fn point(
    setting: f64,
    answered: &Predictions,
    exits: &[PerMeasure<f64>],
    empty: &ConfusionCounts,
    of: impl Fn(usize) -> usize,
) -> Option<BudgetPoint> {
    let mut stops = vec![0u64; exits.len()];
    for row in 0..answered.rows() {
        stops[of(row)] += 1;
    }
    let mean = |cost: fn(&PerMeasure<f64>) -> f64| {
        let each = stops
            .iter()
            .zip(exits)
            .map(|(n, exit)| *n as f64 * cost(exit));
        each.sum::<f64>() / answered.rows().max(1) as f64
    };
    let spent = PerMeasure {
        stages: mean(|cost| cost.stages),
        macs: mean(|cost| cost.macs),
        us: mean(|cost| cost.us),
    };
    let scores = answered.tally(empty.clone(), of).scores();
    Some(BudgetPoint {
        setting,
        spent,
        balanced_accuracy: scores.balanced_accuracy?,
    })
}

impl Curve {
    fn new(points: Vec<BudgetPoint>, between: Interpolation) -> Curve {
        let area = |of: fn(&PerMeasure<f64>) -> f64| {
            let points = points.iter();
            let points: Vec<_> = points
                .map(|p| (of(&p.spent), p.balanced_accuracy))
                .collect();
            area(&points, between)
        };
        Curve {
            area: PerMeasure {
                stages: area(|spent| spent.stages),
                macs: area(|spent| spent.macs),
                us: area(|spent| spent.us),
            },
            points,
        }
    }
}

/// Mean height of (cost, height) over the costs; of one cost the greatest height.
fn area(points: &[(f64, f64)], between: Interpolation) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return 0.0;
    };
    if last.0 <= first.0 {
        return points.iter().map(|point| point.1).fold(first.1, f64::max);
    }
    let strips = points.windows(2).map(|pair| {
        let height = match between {
            Interpolation::Line => (pair[0].1 + pair[1].1) / 2.0,
            Interpolation::Step => pair[0].1,
        };
        (pair[1].0 - pair[0].0) * height
    });
    strips.sum::<f64>() / (last.0 - first.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::metrics::fixed_depth_scores::FixedDepthScore;
    use crate::learn::metrics::scores::Scores;
    use std::collections::BTreeMap;

    #[test]
    fn the_area_of_a_known_curve() {
        let points = [(1.0, 0.5), (2.0, 0.7), (4.0, 0.9)];
        // Line: 0.6 over 1 and 0.8 over 2; step: 0.5 over 1 and 0.7 over 2.
        assert!((area(&points, Interpolation::Line) - 2.2 / 3.0).abs() < 1e-12);
        assert!((area(&points, Interpolation::Step) - 1.9 / 3.0).abs() < 1e-12);
        assert_eq!(area(&points[..1], Interpolation::Line), 0.5);
        assert_eq!(area(&[], Interpolation::Step), 0.0);
    }

    fn budget(points: &[(f64, f64)]) -> Budget {
        let point = |(cost, balanced_accuracy): &(f64, f64)| BudgetPoint {
            setting: *cost,
            spent: PerMeasure {
                stages: *cost,
                macs: 100.0 * cost,
                us: 10.0 * cost,
            },
            balanced_accuracy: *balanced_accuracy,
        };
        let points: Vec<BudgetPoint> = points.iter().map(point).collect();
        let exits = points.iter().map(|point| point.spent).collect();
        let empty = Curve::new(Vec::new(), Interpolation::Line);
        let curves = Curves {
            fastest: empty,
            best: Curve::new(points, Interpolation::Step),
        };
        Budget {
            engine: "flex".into(),
            exits,
            per_robot: BTreeMap::from([("cart".into(), curves)]),
        }
    }

    fn fixed(depth: usize, macs: u64, score: f64, us: Option<f64>) -> FixedDepth {
        let scores = Scores {
            balanced_accuracy: Some(score),
            ..Scores::default()
        };
        let standard_error = Some(0.01);
        FixedDepth {
            depth,
            parameters: 1,
            macs,
            us: us.map(|us| ("flex".to_owned(), us)).into_iter().collect(),
            per_robot: BTreeMap::from([(
                "cart".into(),
                FixedDepthScore {
                    scores,
                    standard_error,
                },
            )]),
        }
    }

    #[test]
    fn a_fixed_model_is_dominated_touched_better_or_cheaper() {
        let budget = budget(&[(1.0, 0.80), (2.0, 0.90), (3.0, 0.89)]);
        let against = |fixed: &FixedDepth| budget.against(fixed, "cart").unwrap();
        let verdict = against(&fixed(1, 60, 0.80, Some(9.8)));
        assert_eq!(verdict.stages, DepthComparison::Dominated);
        assert_eq!(verdict.macs, DepthComparison::Cheaper);
        assert_eq!(
            verdict.us,
            DepthComparison::Dominated,
            "2 % apart is the same"
        );
        assert_eq!(
            against(&fixed(1, 60, 0.809, None)).stages,
            DepthComparison::Touched
        );
        assert_eq!(
            against(&fixed(1, 60, 0.811, None)).stages,
            DepthComparison::Better
        );
        // A shallower exit may be the better one.
        let deepest = against(&fixed(3, 300, 0.90, None));
        assert_eq!(
            (deepest.stages, deepest.macs),
            (DepthComparison::Dominated, DepthComparison::Dominated)
        );
        assert_eq!(deepest.us, DepthComparison::Unmeasured);
        assert_eq!(budget.against(&fixed(1, 1, 0.5, None), "another"), None);
    }
}
