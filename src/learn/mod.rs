//! Learning: data sets from recordings, labels, teacher, student, calibration, compression,
//! evaluation, reports.

mod compression;
mod data;
mod error;
mod evaluation;
pub mod language;
mod metrics;
mod report;
mod task;
mod training;

pub use compression::compress::{CompressOptions, CompressSummary, compress};
pub use data::dataset::{Dataset, Dropped, RecordingWindows};
pub use data::export::{ExportOptions, Exported, export};
pub use data::labels::{TruthBuilder, class_of};
pub use data::recordings::{Recording, Split, TeachingLicences};
pub use data::truth::{ScanTruth, Truth};
pub use error::LearnError;
pub use evaluation::eval::{EvalOptions, eval, held_out};
pub use evaluation::fold_scores::{FoldScores, FoldsReport, Spread};
pub use evaluation::predictions::predict_exits;
pub use evaluation::score::score;
pub use metrics::baselines::{BaselineTallies, Baselines};
pub use metrics::fixed_depth_scores::{DepthComparison, FixedDepth, FixedDepthScore};
pub use metrics::reliability::ConfidenceBin;
pub use metrics::scores::{ConfusionCounts, Scores};
pub use report::budget_curves::{Budget, BudgetPoint, Curve, Curves, PerMeasure};
pub use report::report_file::{EvaluationReport, ExitReport, FastestReport, PerRobot};
pub use report::robustness_scores::{Condition, Level, Robustness};
pub use report::variant::Variant;
pub use task::label_rule::LabelRule;
pub use task::split_by::SplitBy;
pub use task::task_file::{EarlyStopping, Task};
pub use task::train_options::TrainOptions;
pub use training::cross_validation::cross_validate;
pub use training::train::{TrainSummary, train};

#[cfg(test)]
mod tests;
