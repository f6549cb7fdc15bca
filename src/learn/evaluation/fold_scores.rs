//! Scores of a cross-validation: mean and spread, robot by robot.

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::learn::data::recordings::TeachingLicences;
use crate::learn::error::LearnError;
use crate::learn::metrics::baselines::{ARC, BASELINES};
use crate::learn::metrics::counts::ReportCounts;
use crate::learn::metrics::scores::Scores;
use crate::learn::report::markdown::{confusion_table, head, row};
use crate::learn::report::report_file::EvaluationReport;
use crate::learn::task::split_by::SplitBy;
use crate::learn::task::task_file::Task;
use crate::learn::task::train_options::TrainOptions;

/// Scores of the deepest exit on one fold left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldScores {
    /// Windows.
    pub n: u64,
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean over the classes.
    pub balanced_accuracy: f64,
    /// Where the classes have no order of severity.
    pub macro_f1: Option<f64>,
    /// Of the policy `fastest`.
    pub fastest_accuracy: f64,
    /// Stages it runs on average.
    pub fastest_stages: f64,
    /// Robot to figures by their names; those of a robot that the fold has none of are absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub per_robot: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Mean and standard deviation of a figure over the folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Folds that have the figure.
    pub folds: usize,
    /// Over these.
    pub mean: f64,
    /// Of a sample; 0 of a single one.
    pub deviation: f64,
}

/// A model per fold, each scored on what it has not learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldsReport {
    /// Name of the task.
    pub task: String,
    /// How folds are formed.
    pub split: SplitBy,
    /// Which recordings taught.
    #[serde(default)]
    pub taught: TeachingLicences,
    /// One per fold; all robots together, each counted alike.
    pub folds: Vec<FoldScores>,
    /// Figure to mean and standard deviation over the folds.
    pub mean_and_spread: BTreeMap<String, (f64, f64)>,
    /// Robot to figures; the baselines' are balanced accuracies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub per_robot: BTreeMap<String, BTreeMap<String, Spread>>,
    /// Robot to what all folds' windows together score, each by the model that had not learned from
    /// it: baselines, exits, policy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pooled: BTreeMap<String, Vec<(String, Scores)>>,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Of all folds together, robot to `[truth][answer]`; empty for classes in order of severity.
    pub confusion: BTreeMap<String, Vec<Vec<u64>>>,
    /// Recordings that could not be used or may not teach, and why.
    pub skipped: Vec<String>,
    /// The command that makes it again.
    pub command: String,
}

impl FoldScores {
    pub(in crate::learn) fn of(report: &EvaluationReport) -> FoldScores {
        let mean = |scores: &BTreeMap<String, Scores>, pick: &dyn Fn(&Scores) -> Option<f64>| {
            let figures: Vec<f64> = scores.values().filter_map(pick).collect();
            (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
        };
        let deepest = &report.scores.per_robot;
        let fastest = &report.fastest;
        let robots = deepest.keys();
        FoldScores {
            n: report.cycles,
            accuracy: mean(deepest, &|s| s.accuracy).unwrap_or(0.0),
            balanced_accuracy: mean(deepest, &|s| s.balanced_accuracy).unwrap_or(0.0),
            macro_f1: mean(deepest, &|s| s.macro_f1),
            fastest_accuracy: mean(&fastest.per_robot, &|s| s.accuracy).unwrap_or(0.0),
            fastest_stages: fastest.mean_stages,
            per_robot: robots
                .map(|robot| (robot.clone(), figures(report, robot)))
                .collect(),
        }
    }
}

/// Of one robot in one fold, the baselines beside.
fn figures(report: &EvaluationReport, robot: &str) -> BTreeMap<String, f64> {
    let mut figures = BTreeMap::new();
    let mut add = |name: String, value: Option<f64>| {
        if let Some(value) = value {
            figures.insert(name, value);
        }
    };
    if let Some(scores) = report.scores.per_robot.get(robot) {
        add("accuracy".into(), scores.accuracy);
        add("balanced_accuracy".into(), scores.balanced_accuracy);
        add("macro_f1".into(), scores.macro_f1);
        add("onset_recall".into(), scores.onset_recall);
        add("false_alarm".into(), scores.false_alarm);
    }
    if let Some(scores) = report.fastest.per_robot.get(robot) {
        add("fastest".into(), scores.balanced_accuracy);
    }
    for name in BASELINES.into_iter().chain([ARC]) {
        let scores = report.baseline(name, robot);
        add(
            format!("baseline {name}"),
            scores.and_then(|s| s.balanced_accuracy),
        );
    }
    figures
}

impl FoldsReport {
    pub(in crate::learn) fn new(
        options: &TrainOptions,
        task: &Task,
        taught: TeachingLicences,
        reports: &[EvaluationReport],
        skipped: Vec<String>,
    ) -> FoldsReport {
        let folds: Vec<FoldScores> = reports.iter().map(FoldScores::of).collect();
        let mut counts = ReportCounts::default();
        for report in reports {
            counts.merge(&report.counts);
        }
        let mut mean_and_spread = BTreeMap::new();
        let mut figure = |name: &str, values: Vec<f64>| {
            if let Some(spread) = Spread::of(&values) {
                mean_and_spread.insert(name.to_owned(), (spread.mean, spread.deviation));
            }
        };
        figure("accuracy", folds.iter().map(|f| f.accuracy).collect());
        figure(
            "balanced_accuracy",
            folds.iter().map(|f| f.balanced_accuracy).collect(),
        );
        figure(
            "macro_f1",
            folds.iter().filter_map(|f| f.macro_f1).collect(),
        );
        figure(
            "fastest_accuracy",
            folds.iter().map(|f| f.fastest_accuracy).collect(),
        );
        figure(
            "fastest_stages",
            folds.iter().map(|f| f.fastest_stages).collect(),
        );
        FoldsReport {
            task: task.name.clone(),
            split: task.recordings.split,
            taught,
            pooled: counts.scores(),
            per_robot: per_robot(&folds),
            folds,
            mean_and_spread,
            labels: task.labels.clone(),
            confusion: match task.truth.is_ordered() {
                true => BTreeMap::new(),
                false => counts.confusion(),
            },
            skipped,
            command: options.command.clone(),
        }
    }

    pub(in crate::learn) fn write(&self, options: &TrainOptions) -> Result<(), LearnError> {
        let fail = |file: std::path::PathBuf| {
            move |source| LearnError::File {
                file,
                source,
                remedy: "check that the folder can be written",
            }
        };
        fs::create_dir_all(&options.out).map_err(fail(options.out.clone()))?;
        let json = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        for (end, text) in [("json", json), ("md", self.to_string())] {
            let suffix = self.taught.suffix();
            let name = format!("folds-{}{suffix}.{end}", self.split.name());
            let file = options.out.join(name);
            fs::write(&file, text).map_err(fail(file.clone()))?;
        }
        Ok(())
    }
}

fn per_robot(folds: &[FoldScores]) -> BTreeMap<String, BTreeMap<String, Spread>> {
    let robots: BTreeSet<&String> = folds
        .iter()
        .flat_map(|fold| fold.per_robot.keys())
        .collect();
    let figures = |robot: &String| {
        let mine = || folds.iter().filter_map(|fold| fold.per_robot.get(robot));
        let names: BTreeSet<&String> = mine().flat_map(BTreeMap::keys).collect();
        let spread = |name: &String| {
            let values: Vec<f64> = mine().filter_map(|all| all.get(name).copied()).collect();
            Some((name.clone(), Spread::of(&values)?))
        };
        names.into_iter().filter_map(spread).collect()
    };
    let each = |robot: &String| (robot.clone(), figures(robot));
    robots.into_iter().map(each).collect()
}

impl Spread {
    /// None without values.
    fn of(values: &[f64]) -> Option<Spread> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (!values.is_empty()).then(|| Spread {
            folds: values.len(),
            mean,
            deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
        })
    }
}

impl fmt::Display for FoldsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# {}: {} folds, {} left out\n",
            self.task,
            self.folds.len(),
            self.split.name()
        )?;
        if self.taught == TeachingLicences::AllLicences {
            writeln!(
                f,
                "Recordings of every licence class teach here, also those that may not teach a bundle: \
                 these are figures, and their models are gone.\n"
            )?;
        }
        writeln!(
            f,
            "| figure (deepest exit) | mean | standard deviation | folds |\n|---|---:|---:|---|"
        )?;
        let of = |name: &str, fold: &FoldScores| match name {
            "accuracy" => Some(fold.accuracy),
            "balanced_accuracy" => Some(fold.balanced_accuracy),
            "macro_f1" => fold.macro_f1,
            "fastest_accuracy" => Some(fold.fastest_accuracy),
            _ => Some(fold.fastest_stages),
        };
        for (name, (mean, spread)) in &self.mean_and_spread {
            let each = self.folds.iter().filter_map(|fold| of(name, fold));
            let each: Vec<String> = each.map(|value| format!("{value:.4}")).collect();
            writeln!(
                f,
                "| {name} | {mean:.4} | {spread:.4} | {} |",
                each.join(", ")
            )?;
        }
        for (robot, figures) in &self.per_robot {
            writeln!(
                f,
                "\n## {robot}\n\n| figure | mean | standard deviation | folds |\n|---|---:|---:|---|"
            )?;
            for (name, spread) in figures {
                let each = self.folds.iter().map(|fold| {
                    let value = fold.per_robot.get(robot).and_then(|all| all.get(name));
                    value.map_or("-".into(), |value| format!("{value:.4}"))
                });
                writeln!(
                    f,
                    "| {name} | {:.4} | {:.4} | {} |",
                    spread.mean,
                    spread.deviation,
                    each.collect::<Vec<String>>().join(", ")
                )?;
            }
            if let Some(pooled) = self.pooled.get(robot) {
                writeln!(f, "\nAll folds' windows together:\n")?;
                head(f, self.confusion.is_empty())?;
                for (name, scores) in pooled {
                    row(f, name, scores)?;
                }
            }
            if let Some(confusion) = self.confusion.get(robot) {
                writeln!(f, "\n{}", confusion_table(&self.labels, confusion))?;
            }
        }
        for word in &self.skipped {
            writeln!(f, "- {word}")?;
        }
        writeln!(f, "\nMade by `{}`.", self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        let spread = Spread::of(&[0.5, 0.7, 0.9]).unwrap();
        assert_eq!(spread.folds, 3);
        assert!((spread.mean - 0.7).abs() < 1e-12 && (spread.deviation - 0.2).abs() < 1e-12);
        assert_eq!(Spread::of(&[0.5]).unwrap().deviation, 0.0);
        assert_eq!(Spread::of(&[]), None);
    }
}
