//! The decisions of one recording: points for the plot, scores against the truth.

use std::time::Duration;

use super::replayed::{DecisionTruth, ReplayedDecision, START};
use crate::features::TriggerDecimator;
use crate::learn::{BaselineTallies, ConfusionCounts as ScoreTally, Task, Truth};
use crate::scheduler::Decision;
use crate::time::Mono;

/// The points and scores of the decisions.
pub struct DecisionLog {
    /// Arrivals of the trigger, in order: the place in the list is the number of the scan.
    arrivals: Vec<Mono>,
    last: Mono,
    /// One per decision.
    pub points: Vec<ReplayedDecision>,
    truth: Option<Truth>,
    /// Against the truth, where there is one.
    pub scored: Option<(ScoreTally, BaselineTallies)>,
}

impl DecisionLog {
    /// Scored where there is a truth.
    pub fn new(truth: Option<Truth>, task: Option<&Task>) -> DecisionLog {
        let scored = truth.as_ref().zip(task).map(|(truth, task)| {
            let labels = task.labels.len();
            let mut baselines = BaselineTallies::of(&task.truth, labels);
            // Only what a decision was asked for.
            let mut thin = TriggerDecimator::new(task.window.every_ms);
            let asked = truth.scans.iter().filter(|scan| thin.asks(scan.time));
            asked.for_each(|scan| baselines.add(scan));
            (task.truth.tally(labels), baselines)
        });
        DecisionLog {
            arrivals: Vec::new(),
            last: Mono(0),
            points: Vec::new(),
            truth,
            scored,
        }
    }

    /// The moment of what happens at this time. Moments are kept apart, so that each names one
    /// message, or one silence.
    pub fn moment(&mut self, at: Mono) -> Mono {
        self.last = at.max(self.last + Duration::from_nanos(1));
        self.last
    }

    /// A message of the trigger came at the newest moment.
    pub fn trigger(&mut self) {
        self.arrivals.push(self.last);
    }

    /// Keeps a decision. One that answers a silence has no scan, and so no truth.
    pub fn decided(&mut self, decision: &Decision) {
        let arrival = decision.trigger.arrival;
        let scan = self.arrivals.binary_search(&arrival).ok();
        let known = scan.and_then(|scan| self.truth.as_ref()?.scans.get(scan));
        let truth = known.and_then(|known| {
            Some(DecisionTruth {
                label: known.label?,
                now: known.now,
            })
        });
        if let (Some(truth), Some((scores, _))) = (truth, &mut self.scored) {
            scores.add(truth.label, truth.now, usize::from(decision.label));
        }
        self.points.push(ReplayedDecision {
            at: arrival.since(START).as_secs_f64(),
            latency: decision.latency,
            label: decision.label,
            exit: decision.exit,
            source: decision.source,
            truth,
        });
    }
}
