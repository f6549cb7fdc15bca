//! From a dataset to a bundle: batches, the training loop, calibration, cross-validation.

pub(super) mod batches;
pub(super) mod checkpoint;
pub(super) mod cross_validation;
pub(super) mod early_stopping;
pub(super) mod fit;
pub(super) mod fixed_depths;
pub(super) mod progress;
pub(super) mod taught_exits;
pub(super) mod teachers;
pub(super) mod train;
