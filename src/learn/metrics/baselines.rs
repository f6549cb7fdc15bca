//! The baselines that every model is compared with: the most frequent class, persistence, and
//! kinematics.

use serde::{Deserialize, Serialize};

use super::scores::{ConfusionCounts, Scores};
use crate::learn::data::truth::ScanTruth;
use crate::learn::task::label_rule::LabelRule;

/// The three baselines on the same scans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineTallies {
    truths: ConfusionCounts,
    persistence: ConfusionCounts,
    kinematic: ConfusionCounts,
    /// (truth, now) counts, for the majority's onset scores.
    pairs: Vec<u64>,
    labels: usize,
    /// Those that make sense, of [`BASELINES`].
    shown: Vec<&'static str>,
    empty: ConfusionCounts,
}

/// Their figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// Always the most frequent class of these very scans.
    pub majority: Scores,
    /// The class of the clearance now.
    pub persistence: Scores,
    /// The class of the clearance less the way of one horizon at the present speed.
    pub kinematic: Scores,
}

impl BaselineTallies {
    /// For classes `0..labels`, in rising severity.
    pub fn new(labels: usize) -> BaselineTallies {
        Self::with(ConfusionCounts::new(labels), labels, BASELINES.to_vec())
    }

    /// For a label rule: only the baselines that make sense under it.
    pub fn of(rule: &LabelRule, labels: usize) -> BaselineTallies {
        let shown = BASELINES.into_iter().filter(|name| rule.has_baseline(name));
        Self::with(rule.tally(labels), labels, shown.collect())
    }

    fn with(empty: ConfusionCounts, labels: usize, shown: Vec<&'static str>) -> BaselineTallies {
        BaselineTallies {
            truths: empty.clone(),
            persistence: empty.clone(),
            kinematic: empty.clone(),
            pairs: vec![0; labels * labels],
            labels,
            shown,
            empty,
        }
    }

    /// The figures of those that make sense, the simplest first.
    pub fn by_name(&self) -> Vec<(&'static str, Scores)> {
        let scores = self.scores();
        let named = self.shown.iter().map(|name| (*name, scores.named(name)));
        named.collect()
    }

    /// Counts a scan, if it has a label.
    pub fn add(&mut self, scan: &ScanTruth) {
        let Some(label) = scan.label else { return };
        self.truths.add(label, scan.now, label);
        self.persistence.add(label, scan.now, scan.now);
        self.kinematic.add(label, scan.now, scan.kinematic);
        self.pairs[label * self.labels + scan.now] += 1;
    }

    /// Adds the counts of another one of as many classes.
    pub fn merge(&mut self, other: &BaselineTallies) {
        self.truths.merge(&other.truths);
        self.persistence.merge(&other.persistence);
        self.kinematic.merge(&other.kinematic);
        self.empty.merge(&other.empty);
        self.shown.retain(|name| other.shown.contains(name));
        for (mine, theirs) in self.pairs.iter_mut().zip(&other.pairs) {
            *mine += theirs;
        }
    }

    /// The most frequent class; the more severe of equals.
    pub fn majority_class(&self) -> usize {
        let truths = self.truths.truths();
        (0..self.labels)
            .max_by_key(|class| truths[*class])
            .unwrap_or(0)
    }

    /// The figures.
    pub fn scores(&self) -> Baselines {
        let answer = self.majority_class();
        let mut majority = self.empty.clone();
        for (index, count) in self.pairs.iter().enumerate() {
            for _ in 0..*count {
                majority.add(index / self.labels, index % self.labels, answer);
            }
        }
        Baselines {
            majority: majority.scores(),
            persistence: self.persistence.scores(),
            kinematic: self.kinematic.scores(),
        }
    }
}

impl Baselines {
    /// By the name of the field; zeros for any other.
    pub fn named(&self, name: &str) -> Scores {
        match name {
            "majority" => self.majority,
            "persistence" => self.persistence,
            "kinematic" => self.kinematic,
            _ => Scores::default(),
        }
    }
}

/// The baselines that the truth alone allows, the simplest first.
pub const BASELINES: [&str; 3] = ["majority", "persistence", "kinematic"];

/// The baseline of tasks with an arc among their inputs: the arc alone as a rule.
pub const ARC: &str = "arc";
