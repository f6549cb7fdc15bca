//! One row of the table of variants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::WeightPrecision;

/// One model of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// `teacher`, `student` or `given`, `pruned` (`f32` where nothing was pruned), `int8`, `int4`.
    pub name: String,
    /// Id of the bundle.
    pub model: String,
    /// What the matrices are on disk.
    pub precision: WeightPrecision,
    /// What scored it.
    pub engine: String,
    /// Numbers in the matrices of the blocks.
    pub block_weights: usize,
    /// Numbers in all.
    pub parameters: usize,
    /// Of the weights file.
    pub bytes_on_disk: u64,
    /// What the packed engine takes once loaded, weights and scratch: packed_f32 for f32,
    /// packed_int8 for integers.
    pub ram_bytes: usize,
    /// Robot to balanced accuracy by exit, shallow to deep.
    pub balanced_accuracy: BTreeMap<String, Vec<Option<f64>>>,
    /// Share of the windows on which `fastest` answers as the deepest exit; teachers do not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastest_agreement: Option<f64>,
    /// Stages that `fastest` runs on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastest_stages: Option<f64>,
}

/// Name of the row of those that the student learned from.
pub(in crate::learn) const TEACHER: &str = "teacher";
