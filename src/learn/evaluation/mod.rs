//! Evaluation of a bundle: predictions, scores, robustness, folds.

pub(super) mod accuracy_at_budget;
pub(super) mod corruption_grid;
pub(super) mod eval;
pub(super) mod fold_scores;
pub(super) mod forward;
pub(super) mod held_out;
pub(super) mod predictions;
pub(super) mod robustness;
pub(super) mod score;
pub(super) mod stage_timing;
