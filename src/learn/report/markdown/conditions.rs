//! Robustness as markdown.

use std::fmt::{self, Write as _};

use super::figure;
use crate::learn::metrics::baselines::ARC;
use crate::learn::report::report_file::EvaluationReport;
use crate::learn::report::robustness_scores::{Level, Robustness};

impl EvaluationReport {
    /// What is worst at every condition, and whether the model knows.
    pub(super) fn markdown_conditions(&self, text: &mut String) -> fmt::Result {
        if self.conditions.is_empty() {
            return writeln!(
                text,
                "## Edge conditions\n\nNot tried; `eval --conditions` does.\n"
            );
        }
        writeln!(
            text,
            "## Edge conditions\n\n\
             ![Balanced accuracy under edge conditions](report-conditions.svg)\n\n\
             The messages of the same recordings are disturbed and go through the same window; the \
             truth stays that of the recordings as they are. What the node would refuse (a declared \
             fallback) is not scored but counted. The strongest level of each; all of them are in \
             [report-conditions.md](report-conditions.md).\n"
        )?;
        for robot in self.scores.per_robot.keys() {
            writeln!(text, "### {robot}\n")?;
            self.head(text, "condition")?;
            let first = self.conditions.first().and_then(|c| c.levels.first());
            if let Some(scores) = first.and_then(|level| level.per_robot.get(robot)) {
                self.line(text, "as recorded", scores)?;
            }
            for condition in &self.conditions {
                if let Some(level) = condition.levels.last()
                    && let Some(scores) = level.per_robot.get(robot)
                {
                    let name = format!("{}: {}", condition.name, level.name);
                    self.line(text, &name, scores)?;
                }
            }
            writeln!(text, "\n{}\n", self.knows(robot))?;
        }
        Ok(())
    }

    /// Every level of every condition; none without conditions.
    pub fn conditions_to_markdown(&self) -> Option<String> {
        let mut text = format!("# {} on {}: edge conditions\n\n", self.model, self.task);
        // Writing into a String cannot fail.
        let _ = self.every_condition(&mut text);
        (!self.conditions.is_empty()).then_some(text)
    }

    fn every_condition(&self, text: &mut String) -> fmt::Result {
        writeln!(
            text,
            "![Balanced accuracy under edge conditions](report-conditions.svg)\n"
        )?;
        for condition in &self.conditions {
            writeln!(text, "## {}\n", condition.name)?;
            if !condition.unit.is_empty() {
                writeln!(text, "In: {}.\n", condition.unit)?;
            }
            for robot in self.scores.per_robot.keys() {
                self.head(text, robot)?;
                for level in &condition.levels {
                    if let Some(scores) = level.per_robot.get(robot) {
                        self.line(text, &level.name, scores)?;
                    }
                }
                writeln!(text)?;
            }
        }
        Ok(())
    }

    fn head(&self, text: &mut String, first: &str) -> fmt::Result {
        let (mut names, mut rule) = (String::new(), String::new());
        for (name, _) in self.shown(&Robustness::default()) {
            names += &format!(" {name} |");
            rule += "---:|";
        }
        writeln!(text, "| {first} |{names}\n|---|{rule}")
    }

    fn line(&self, text: &mut String, name: &str, scores: &Robustness) -> fmt::Result {
        let cells = self
            .shown(scores)
            .into_iter()
            .map(|(_, cell)| format!(" {cell} |"));
        writeln!(text, "| {name} |{}", cells.collect::<String>())
    }

    /// Names and figures of the columns.
    fn shown(&self, scores: &Robustness) -> Vec<(&'static str, String)> {
        let mut shown = vec![
            ("windows", scores.n.to_string()),
            ("refused", format!("{:.1} %", 100.0 * scores.refused)),
            ("deepest exit", figure(scores.balanced_accuracy)),
            ("`fastest`", figure(scores.fastest)),
        ];
        if self.baselines.contains_key("kinematic") {
            shown.push(("kinematic", figure(scores.kinematic)));
        }
        if self.baselines.contains_key(ARC) {
            shown.push((ARC, figure(scores.arc)));
        }
        shown.push(("accuracy", figure(scores.accuracy)));
        shown.push(("confidence", figure(scores.confidence)));
        shown.push(("calibration error", figure(scores.calibration_error)));
        shown
    }

    /// Whether confidence falls when accuracy does.
    fn knows(&self, robot: &str) -> String {
        let levels = self.conditions.iter().flat_map(|condition| {
            let named = move |level| (condition.name.as_str(), level);
            condition.levels.iter().map(named)
        });
        let mut found: Vec<(f64, f64, String)> = Vec::new();
        for (condition, level) in levels {
            let Level {
                name, per_robot, ..
            } = level;
            let Some(scores) = per_robot.get(robot) else {
                continue;
            };
            if let (Some(accuracy), Some(confidence)) = (scores.accuracy, scores.confidence) {
                found.push((accuracy, confidence, format!("{condition}: {name}")));
            }
        }
        let gap = |(accuracy, confidence, _): &&(f64, f64, String)| confidence - accuracy;
        let worst = found.iter().max_by(|a, b| gap(a).total_cmp(&gap(b)));
        let (Some((accuracy, confidence, name)), Some(together)) = (worst, correlation(&found))
        else {
            return "Confidence and accuracy cannot be compared here.".into();
        };
        format!(
            "Over all levels, mean confidence and accuracy go together with a correlation of \
             {together:.2}. It is most sure of what is wrong at \"{name}\": {confidence:.3} \
             confident, {accuracy:.3} right."
        )
    }
}

/// Pearson's; none where one of them does not vary.
fn correlation(pairs: &[(f64, f64, String)]) -> Option<f64> {
    let n = pairs.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64, String)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (a, b) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        pairs.iter().map(|pair| of(pair.0 - a, pair.1 - b)).sum()
    };
    let spread = (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
    (spread > 1e-12).then(|| sum(&|x, y| x * y) / spread)
}
