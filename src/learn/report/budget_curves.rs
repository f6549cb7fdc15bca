//! The curves of accuracy by compute, as a report holds them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One number per measure of compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerMeasure<T> {
    /// Stages, and exits, of the model.
    pub stages: T,
    /// Multiply-adds.
    pub macs: T,
    /// Microseconds on the engine that scored.
    pub us: T,
}

/// Accuracy at budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Name of the engine whose microseconds these are.
    pub engine: String,
    /// Compute up to every exit.
    pub exits: Vec<PerMeasure<f64>>,
    /// Robot to curves.
    pub per_robot: BTreeMap<String, Curves>,
}

/// The curves of both policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// By its threshold, the same at every exit.
    pub fastest: Curve,
    /// By its budget, µs.
    pub best: Curve,
}

/// Points in rising order of compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// One per setting.
    pub points: Vec<BudgetPoint>,
    /// Mean balanced accuracy over the compute from the first exit to the whole model.
    pub area: PerMeasure<f64>,
}

/// One setting of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetPoint {
    /// Threshold or budget.
    pub setting: f64,
    /// Mean compute of a window.
    pub spent: PerMeasure<f64>,
    /// Mean over the classes.
    pub balanced_accuracy: f64,
}
