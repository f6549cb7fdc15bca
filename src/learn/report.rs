//! A report in three guises: `report.json` for machines, `report.md` and `report.svg` for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dataset::Dropped;
use super::error::LearnError;
use super::picture;
use super::scores::Scores;
use super::task::SplitBy;
use super::variants::{Variant, table};
use crate::quantiles::Quantiles;

/// The baselines, the simplest first.
pub const BASELINES: [&str; 3] = ["majority", "persistence", "kinematic"];

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
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
    /// Where the classes have no order of severity: of the deepest exit, robot to `[truth][answer]`.
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
                .filter(|(name, _)| simulated || !name.ends_with(super::recordings::SIMULATED))
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

/// Writes `report.json`, `report.md` and `report.svg`.
pub fn write(report: &Report, folder: &Path) -> Result<(), LearnError> {
    let put = |name: &str, text: String| {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|source| LearnError::File {
            file,
            source,
            remedy: "check that the folder can be written",
        })
    };
    fs::create_dir_all(folder).map_err(|source| LearnError::File {
        file: folder.into(),
        source,
        remedy: "check that the folder can be written",
    })?;
    let json = serde_json::to_string_pretty(report).unwrap_or_default();
    put("report.json", json + "\n")?;
    put("report.md", report.to_markdown())?;
    picture::draw(report, &folder.join("report.svg"))
}

impl Report {
    /// The one in a folder; none where there is none that reads.
    pub fn read(folder: &Path) -> Option<Report> {
        serde_json::from_slice(&fs::read(folder.join("report.json")).ok()?).ok()
    }

    /// Scores of a baseline on a robot.
    pub fn baseline(&self, name: &str, robot: &str) -> Option<Scores> {
        self.baselines.get(name)?.per_robot.get(robot).copied()
    }

    /// For people.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.markdown(&mut text);
        text
    }

    fn markdown(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "# {} on {}\n", self.model, self.task)?;
        writeln!(
            text,
            "{} windows of {} recordings in {} groups. {} ({} recordings did). {} parameters.\n",
            self.cycles,
            self.recordings.len(),
            self.groups,
            match self.split {
                SplitBy::Groups => "None of these groups taught the model",
                SplitBy::Time =>
                    "The part of them that is scored, the last, did not teach the model",
                SplitBy::Partitions => "The partitions that are scored did not teach the model",
            },
            self.trained_on,
            self.parameters
        )?;
        writeln!(
            text,
            "![Balanced accuracy by exit, with the baselines](report.svg)\n"
        )?;
        if !self.variants.is_empty() {
            writeln!(
                text,
                "## Teacher, student and what compression cost\n\n{}",
                table(&self.variants)
            )?;
        }
        for robot in self.scores.per_robot.keys() {
            writeln!(text, "## {robot}\n")?;
            if self.is_ordered() {
                writeln!(
                    text,
                    "| | windows | balanced accuracy | accuracy | onset recall | false alarms |"
                )?;
                writeln!(text, "|---|---:|---:|---:|---:|---:|")?;
            } else {
                writeln!(
                    text,
                    "| | windows | balanced accuracy | accuracy | macro F1 |"
                )?;
                writeln!(text, "|---|---:|---:|---:|---:|")?;
            }
            for name in BASELINES {
                if let Some(scores) = self.baseline(name, robot) {
                    row(text, name, &scores)?;
                }
            }
            for exit in &self.exits {
                if let Some(scores) = exit.per_robot.get(robot) {
                    let deepest = exit.exit == self.exits.len();
                    let bold = if deepest { "**" } else { "" };
                    let name = format!("{bold}exit {} of {}{bold}", exit.exit, self.exits.len());
                    row(text, &name, scores)?;
                }
            }
            if let Some(scores) = self.fastest.per_robot.get(robot) {
                row(text, "policy `fastest`", scores)?;
            }
            writeln!(text)?;
            let alarms = self
                .baseline("kinematic", robot)
                .and_then(|s| s.false_alarm);
            let found = self.onset_recall_at_kinematic.get(robot);
            if let (Some(alarms), Some(found)) = (alarms, found) {
                writeln!(
                    text,
                    "With the false alarms of the kinematic baseline ({alarms:.3}) the deepest exit \
                     finds {found:.3} of the onsets.\n"
                )?;
            }
            if let Some(confusion) = self.confusion.get(robot) {
                writeln!(text, "{}", confusion_table(&self.labels, confusion))?;
            }
        }
        if !self.is_ordered() {
            return self.markdown_costs(text);
        }
        writeln!(
            text,
            "Onset recall: of the scans where the truth is more severe than now, the share answered \
             more severe than now. False alarms: the same share of all other scans. The baselines \
             are scored on every scan that has a label, also those without a window.\n"
        )?;
        self.markdown_costs(text)
    }

    fn is_ordered(&self) -> bool {
        self.confusion.is_empty()
    }

    fn markdown_costs(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "## Exits\n")?;
        writeln!(
            text,
            "| exit | stage µs | temperature | threshold | calibration error | `fastest` stops here |"
        )?;
        writeln!(text, "|---:|---:|---:|---:|---:|---:|")?;
        for exit in &self.exits {
            let stops = self
                .by_exit
                .get(&exit.exit.to_string())
                .copied()
                .unwrap_or(0);
            writeln!(
                text,
                "| {} | {:.0} | {:.2} | {:.3} | {:.3} | {:.1} % |",
                exit.exit,
                exit.stage_cost_us,
                exit.temperature,
                exit.threshold,
                exit.calibration_error,
                100.0 * stops as f64 / self.cycles.max(1) as f64
            )?;
        }
        writeln!(
            text,
            "\n`fastest` runs {:.2} of {} stages on average and answers as the deepest exit on \
             {:.2} % of the windows. Temperatures and thresholds were fitted on the left-out groups \
             of the training; they do not change the deepest exit's answers.\n",
            self.fastest.mean_stages,
            self.fastest.stages,
            100.0 * self.fastest.agreement
        )?;
        writeln!(text, "## Left aside\n")?;
        writeln!(text, "{}.\n", self.dropped)?;
        for word in self.cut.iter().chain(&self.skipped) {
            writeln!(text, "- {word}")?;
        }
        writeln!(text, "\nMade by `{}`.", self.command)
    }
}

/// How often each class was answered as each, as a table.
pub(super) fn confusion_table(labels: &[String], confusion: &[Vec<u64>]) -> String {
    let answers: Vec<String> = labels.iter().map(|label| format!(" {label} |")).collect();
    let mut text = format!("| truth \\ answer |{}\n|---|", answers.concat());
    text += &"---:|".repeat(labels.len());
    for (label, row) in labels.iter().zip(confusion) {
        let cells: Vec<String> = row.iter().map(|count| format!(" {count} |")).collect();
        text += &format!("\n| {label} |{}", cells.concat());
    }
    text + "\n"
}

fn row(text: &mut String, name: &str, scores: &Scores) -> std::fmt::Result {
    let figure = |share: Option<f64>| share.map_or("-".into(), |share| format!("{share:.3}"));
    write!(
        text,
        "| {name} | {} | {} | {} |",
        scores.n,
        figure(scores.balanced_accuracy),
        figure(scores.accuracy)
    )?;
    if scores.macro_f1.is_some() {
        return writeln!(text, " {} |", figure(scores.macro_f1));
    }
    writeln!(
        text,
        " {} | {} |",
        figure(scores.onset_recall),
        figure(scores.false_alarm)
    )
}
