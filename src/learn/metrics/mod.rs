//! Metrics: scores, baselines, onsets, reliability, accuracy at budget.

pub(super) mod arc_baseline;
pub(super) mod baselines;
pub(super) mod block_weights;
pub(super) mod calibration;
pub(super) mod counts;
pub(super) mod fixed_depth_scores;
pub(super) mod free_way;
pub(super) mod onsets;
pub(super) mod reliability;
pub(super) mod scores;
