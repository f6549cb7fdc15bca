//! Scores of models of a fixed depth, and how a model with exits compares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scores::Scores;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedDepth {
    /// Blocks; the only exit is behind the last.
    pub depth: usize,
    /// Numbers in the model, the exits that are not trained left out.
    pub parameters: usize,
    /// Multiply-adds of a window.
    pub macs: u64,
    /// Engine to microseconds of a window, where it was trained.
    pub us: BTreeMap<String, f64>,
    /// Robot to scores.
    pub per_robot: BTreeMap<String, FixedDepthScore>,
}

impl FixedDepth {
    /// Balanced accuracy on a robot and its standard error.
    pub(in crate::learn) fn score(&self, robot: &str) -> Option<(f64, f64)> {
        let found = self.per_robot.get(robot)?;
        let score = found.scores.balanced_accuracy?;
        Some((score, found.standard_error.unwrap_or(0.0)))
    }
}

/// Its score on a robot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedDepthScore {
    /// On the same windows as the model with exits.
    pub scores: Scores,
    /// Of the balanced accuracy, as if windows were independent.
    pub standard_error: Option<f64>,
}

/// An early exit compared with a model of a fixed depth at no more compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepthComparison {
    /// At least as good.
    Dominated,
    /// Worse by at most one standard error of the fixed one's score.
    Touched,
    /// Worse: the fixed one is better.
    Better,
    /// Nothing of ours costs so little.
    Cheaper,
    /// The fixed one's cost on this engine is not known.
    #[default]
    Unmeasured,
}
