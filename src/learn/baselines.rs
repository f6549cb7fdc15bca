//! What every model must be compared with: the most frequent class, nothing changes, and physics.

use serde::{Deserialize, Serialize};

use super::labels::ScanTruth;
use super::scores::{Scores, Tally};

/// The three baselines on the same scans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineTallies {
    truths: Tally,
    persistence: Tally,
    kinematic: Tally,
    /// (truth, now) counts, for the majority's onset scores.
    pairs: Vec<u64>,
    labels: usize,
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
        BaselineTallies {
            truths: Tally::new(labels),
            persistence: Tally::new(labels),
            kinematic: Tally::new(labels),
            pairs: vec![0; labels * labels],
            labels,
        }
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
        let mut majority = Tally::new(self.labels);
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
