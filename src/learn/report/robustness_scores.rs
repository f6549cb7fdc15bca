//! Scores under corruptions, as a report holds them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One thing that gets worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Such as `beams lost`.
    pub name: String,
    /// Of the levels' values; empty where they are cases rather than amounts.
    pub unit: String,
    /// The first is without it.
    pub levels: Vec<Level>,
}

/// How much of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// For people.
    pub name: String,
    /// In the condition's unit.
    pub value: f64,
    /// Robot to scores.
    pub per_robot: BTreeMap<String, Robustness>,
}

/// Scores of a robot under a condition, on the windows that were not refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// Windows answered.
    pub n: u64,
    /// Of the triggers with a truth, the share without a window: the node declares a fallback.
    pub refused: f64,
    /// Of the deepest exit.
    pub balanced_accuracy: Option<f64>,
    /// Of the deepest exit.
    pub accuracy: Option<f64>,
    /// Mean confidence of the deepest exit; of a calibrated one it is the accuracy.
    pub confidence: Option<f64>,
    /// Of the deepest exit.
    pub calibration_error: Option<f64>,
    /// Balanced accuracy of the policy `fastest`.
    pub fastest: Option<f64>,
    /// Stages it runs on average.
    pub fastest_stages: Option<f64>,
    /// Balanced accuracy of the kinematic baseline on the same disturbed messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinematic: Option<f64>,
    /// Of the arc alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arc: Option<f64>,
}
