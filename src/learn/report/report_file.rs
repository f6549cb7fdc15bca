//! The report of an evaluation as `report.json` holds it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::budget_curves::Budget;
use super::robustness_scores::Condition;
use super::variant::Variant;
use crate::learn::data::dataset::Dropped;
use crate::learn::metrics::counts::ReportCounts;
use crate::learn::metrics::fixed_depth_scores::FixedDepth;
use crate::learn::metrics::free_way::FreeWayReport;
use crate::learn::metrics::reliability::ConfidenceBin;
use crate::learn::metrics::scores::Scores;
use crate::learn::task::split_by::SplitBy;
use crate::quantiles::Quantiles;

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Id of the bundle.
    pub model: String,
    /// Name of the task.
    pub task: String,
    /// The recordings scored, none of a group that taught.
    pub recordings: Vec<String>,
    /// Their groups.
    pub groups: usize,
    /// Recordings that taught.
    pub trained_on: usize,
    /// Windows scored.
    pub cycles: u64,
    /// Always 0: an evaluation takes its time.
    pub superseded: u64,
    /// Always 0.
    pub late: u64,
    /// Windows by where the answer came from.
    pub by_source: BTreeMap<String, u64>,
    /// Scans that the node would have answered with a fallback, by reason.
    pub by_reason: BTreeMap<String, u64>,
    /// Windows by the exit at which the policy `fastest` stops.
    pub by_exit: BTreeMap<String, u64>,
    /// Under `fastest`, from the stage costs in the manifest.
    pub latency_us: Quantiles,
    /// Of the deepest exit.
    pub scores: PerRobot,
    /// By name, on all scans that have a label.
    pub baselines: BTreeMap<String, PerRobot>,
    /// What the figures were counted from; not in the file.
    #[serde(skip)]
    pub counts: ReportCounts,
    /// Every exit by itself.
    pub exits: Vec<ExitReport>,
    /// Robot to the onset recall of the deepest exit when it may raise as many false alarms as the
    /// kinematic baseline does: alarms from the probability on at which their shares are equal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub onset_recall_at_kinematic: BTreeMap<String, f64>,
    /// What was left out of the training to validate on.
    #[serde(default, skip_serializing_if = "is_groups")]
    pub split: SplitBy,
    /// Names of the classes, where there is a confusion to read by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Where the classes have no order of severity: of the deepest exit, robot to
    /// `[truth][answer]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub confusion: BTreeMap<String, Vec<Vec<u64>>>,
    /// The policy `fastest`.
    pub fastest: FastestReport,
    /// Scans without a window or a label.
    pub dropped: Dropped,
    /// Recordings that are cut, and where.
    pub cut: Vec<String>,
    /// Recordings that could not be used, and why.
    pub skipped: Vec<String>,
    /// Recordings not scored, because the model has learned from their groups.
    pub known: Vec<String>,
    /// What makes the model again.
    pub command: String,
    /// Numbers in the model.
    pub parameters: usize,
    /// Robot to how often the deepest exit is right, by how sure it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reliability: BTreeMap<String, Vec<ConfidenceBin>>,
    /// Accuracy at budget; reports from before it was there have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Robot to how good the distribution of its free way is, where the bundle has bins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub free_way: BTreeMap<String, FreeWayReport>,
    /// Models of a fixed depth, where some were trained beside this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_depths: Vec<FixedDepth>,
    /// The same scores under edge conditions, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Of a compressed bundle: itself in every precision, beside what it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
}

fn is_groups(split: &SplitBy) -> bool {
    *split == SplitBy::Groups
}

/// Scores by robot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerRobot {
    /// Robot type to scores.
    pub per_robot: BTreeMap<String, Scores>,
}

impl From<BTreeMap<String, Scores>> for PerRobot {
    fn from(per_robot: BTreeMap<String, Scores>) -> PerRobot {
        PerRobot { per_robot }
    }
}

/// One exit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExitReport {
    /// 1 is the first.
    pub exit: usize,
    /// Of its calibration.
    pub temperature: f32,
    /// Of the policy `fastest`.
    pub threshold: f32,
    /// Expected calibration error over all windows scored.
    pub calibration_error: f64,
    /// Median cost of its stage where it was trained.
    pub stage_cost_us: f64,
    /// Scores by robot.
    pub per_robot: BTreeMap<String, Scores>,
}

impl ExitReport {
    /// Mean over the real robots; over all, if there are only simulated ones.
    pub fn mean_balanced_accuracy(&self) -> f32 {
        let figures = |simulated: bool| -> Vec<f64> {
            let robots = self.per_robot.iter();
            robots
                .filter(|(name, _)| {
                    simulated || !name.ends_with(crate::learn::data::recordings::SIMULATED)
                })
                .filter_map(|(_, scores)| scores.balanced_accuracy)
                .collect()
        };
        let real = figures(false);
        let figures = if real.is_empty() { figures(true) } else { real };
        (figures.iter().sum::<f64>() / figures.len().max(1) as f64) as f32
    }
}

/// The policy `fastest`, without a deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FastestReport {
    /// Scores by robot.
    pub per_robot: BTreeMap<String, Scores>,
    /// Share of the windows on which it answers as the deepest exit does.
    pub agreement: f64,
    /// Stages it runs on average.
    pub mean_stages: f64,
    /// Stages there are.
    pub stages: usize,
}

impl EvaluationReport {
    /// The one in a folder; none where there is none that reads.
    pub fn read(folder: &Path) -> Option<EvaluationReport> {
        serde_json::from_slice(&fs::read(folder.join("report.json")).ok()?).ok()
    }

    /// Takes over what an earlier report of the same bundle on the same windows says and this one
    /// could not find out: it took other models than the bundle.
    pub(in crate::learn) fn keep_of(&mut self, earlier: EvaluationReport) {
        let same = self.model == earlier.model
            && self.recordings == earlier.recordings
            && self.cycles == earlier.cycles;
        if same {
            self.static_depths = earlier.static_depths;
            self.variants = earlier.variants;
        }
    }

    /// Scores of a baseline on a robot.
    pub fn baseline(&self, name: &str, robot: &str) -> Option<Scores> {
        self.baselines.get(name)?.per_robot.get(robot).copied()
    }
}
