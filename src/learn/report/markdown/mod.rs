//! A report as markdown.

mod budget;
mod conditions;
pub(in crate::learn) mod variants;

use std::fmt::{self, Write};

use super::report_file::EvaluationReport;
use crate::learn::metrics::baselines::{ARC, BASELINES};
use crate::learn::metrics::scores::Scores;
use crate::learn::task::split_by::SplitBy;
use variants::table;

impl EvaluationReport {
    /// For people.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.markdown(&mut text);
        text
    }

    fn markdown(&self, text: &mut String) -> fmt::Result {
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
            self.markdown_robot(text, robot)?;
        }
        if self.is_ordered() {
            writeln!(
                text,
                "Onset recall: of the scans where the truth is more severe than now, the share \
                 answered more severe than now. False alarms: the same share of all other scans. \
                 The baselines are scored on every scan that has a label, also those without a \
                 window; `{ARC}`, the least range along the arc that the robot drives, taken alone \
                 as a rule, on the windows.\n"
            )?;
        }
        if !self.free_way.is_empty() {
            writeln!(
                text,
                "## Free way\n\nOf the least range ahead over the next horizon, the model answers a \
                 distribution; by quantile: the share of the windows after which the way was shorter, \
                 the mean pinball loss, and what it says on average. Physics alone is the least range \
                 now less the way of one horizon at the present speed.\n"
            )?;
        }
        for (robot, free_way) in &self.free_way {
            free_way.markdown(text, robot)?;
        }
        self.markdown_costs(text)?;
        self.markdown_reliability(text)?;
        if let Some(budget) = &self.budget {
            self.markdown_budget(budget, text)?;
        }
        self.markdown_conditions(text)?;
        writeln!(text, "## Left aside\n")?;
        writeln!(text, "{}.\n", self.dropped)?;
        for word in self.cut.iter().chain(&self.skipped) {
            writeln!(text, "- {word}")?;
        }
        writeln!(text, "\nMade by `{}`.", self.command)
    }

    fn markdown_robot(&self, text: &mut String, robot: &str) -> fmt::Result {
        writeln!(text, "## {robot}\n")?;
        head(text, self.is_ordered())?;
        for name in BASELINES.into_iter().chain([ARC]) {
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
        let kinematic = self.baseline("kinematic", robot);
        let alarms = kinematic.and_then(|scores| scores.false_alarm);
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
        Ok(())
    }

    fn is_ordered(&self) -> bool {
        self.confusion.is_empty()
    }

    fn markdown_costs(&self, text: &mut String) -> fmt::Result {
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
                "| {} | {:.1} | {:.2} | {:.3} | {:.3} | {:.1} % |",
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
        )
    }

    fn markdown_reliability(&self, text: &mut String) -> fmt::Result {
        if self.reliability.is_empty() {
            return Ok(());
        }
        writeln!(
            text,
            "## How sure it is\n\n![Share right by confidence](report-reliability.svg)\n\n\
             | of the deepest exit | windows | mean confidence | share right |\n|---|---:|---:|---:|"
        )?;
        for (robot, bins) in &self.reliability {
            let n: u64 = bins.iter().map(|bin| bin.n).sum();
            let mean = |of: fn(&crate::learn::metrics::reliability::ConfidenceBin) -> f64| {
                let sum: f64 = bins.iter().map(|bin| bin.n as f64 * of(bin)).sum();
                sum / n.max(1) as f64
            };
            let (sure, right) = (mean(|bin| bin.confidence), mean(|bin| bin.accuracy));
            writeln!(text, "| {robot} | {n} | {sure:.3} | {right:.3} |")?;
        }
        writeln!(text)
    }
}

/// How often each class was answered as each, as a table.
pub(in crate::learn) fn confusion_table(labels: &[String], confusion: &[Vec<u64>]) -> String {
    let answers: Vec<String> = labels.iter().map(|label| format!(" {label} |")).collect();
    let mut text = format!("| truth \\ answer |{}\n|---|", answers.concat());
    text += &"---:|".repeat(labels.len());
    for (label, row) in labels.iter().zip(confusion) {
        let cells: Vec<String> = row.iter().map(|count| format!(" {count} |")).collect();
        text += &format!("\n| {label} |{}", cells.concat());
    }
    text + "\n"
}

/// A share as it stands in tables.
fn figure(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{share:.3}"))
}

/// Of a table of `row`s.
pub(in crate::learn) fn head(text: &mut impl Write, is_ordered: bool) -> fmt::Result {
    let (names, columns) = match is_ordered {
        true => ("onset recall | false alarms", 5),
        false => ("macro F1", 4),
    };
    writeln!(
        text,
        "| | windows | balanced accuracy | accuracy | {names} |"
    )?;
    writeln!(text, "|---|{}", "---:|".repeat(columns))
}

pub(in crate::learn) fn row(text: &mut impl Write, name: &str, scores: &Scores) -> fmt::Result {
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
