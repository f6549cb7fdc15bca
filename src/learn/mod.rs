//! Learning: datasets from bags, labels, teacher, student, calibration, evaluation, reports.

mod baselines;
mod batches;
mod calibrate;
mod checkpoint;
mod compress;
mod dataset;
mod error;
mod eval;
mod fit;
mod folds;
mod labels;
mod latest;
mod onsets;
mod picture;
mod prune;
mod read;
mod recordings;
mod report;
mod rule;
mod scores;
mod table;
mod task;
mod teachers;
mod train;
mod variants;
mod vary;

pub use baselines::{BaselineTallies, Baselines};
pub use compress::{CompressOptions, CompressSummary, compress};
pub use dataset::{Dataset, Dropped, Part};
pub use error::LearnError;
pub use eval::{EvalOptions, answers, eval, score, unseen};
pub use folds::{FoldScores, FoldsReport, cross_validate};
pub use labels::{ScanTruth, Truth, TruthBuilder, class_of};
pub use recordings::{Recording, Split};
pub use report::{ExitReport, FastestReport, PerRobot, Report};
pub use rule::LabelRule;
pub use scores::{Scores, Tally};
pub use task::{SplitBy, Task};
pub use train::{TrainOptions, TrainSummary, train};
pub use variants::Variant;

#[cfg(test)]
mod tests;
