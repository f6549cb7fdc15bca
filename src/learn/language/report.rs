//! The report on a language model: `report.json`, `report.md`, `report.svg`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::baselines::Baselines;
use super::calibrate::FittedExit;
use super::scores::{DeadlineScore, ExitScore, Score};

/// How the time of the answers by a deadline is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Time {
    /// By the upper bounds of costs: an exit counts where it is there for certain.
    Bounds,
    /// By the clock, question by question.
    Measured,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct LanguageReport {
    /// Name of the bundle.
    pub model: String,
    /// What is asked: the task file's name, else the data file's.
    pub task: String,
    /// Files of questions.
    pub data: Vec<String>,
    /// Questions in them.
    pub questions: usize,
    /// Those that cannot be asked, such as longer than the context; the safe answer counts.
    pub refused: usize,
    /// Processor, and how many of it may be used.
    pub machine: String,
    /// How the time in `by_deadline` is told.
    pub time: Time,
    /// Figures.
    pub scores: LanguageScores,
    /// What needs no model.
    pub baselines: Baselines,
    /// Fitted temperatures and thresholds, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Vec<FittedExit>>,
}

/// Figures of a report.
#[derive(Clone, Debug, Serialize)]
pub struct LanguageScores {
    /// The deepest exit, all questions.
    pub all: Score,
    /// The deepest exit, by kind of question.
    pub per_kind: BTreeMap<String, Score>,
    /// Every exit.
    pub by_exit: Vec<ExitScore>,
    /// By each deadline.
    pub by_deadline: Vec<DeadlineScore>,
}

impl LanguageReport {
    /// For people.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        self.write_markdown(&mut out).unwrap_or_default();
        out
    }

    fn write_markdown(&self, out: &mut String) -> std::fmt::Result {
        let scores = &self.scores;
        writeln!(out, "# {} on {}\n", self.model, self.task)?;
        write!(
            out,
            "{} questions of {}",
            self.questions,
            self.data.join(", ")
        )?;
        match self.refused {
            0 => writeln!(out, ".\n")?,
            more => writeln!(
                out,
                "; {more} of them cannot be asked, and the safe answer counts for them.\n"
            )?,
        }
        writeln!(out, "## Beside what needs no model\n")?;
        writeln!(out, "| | right |\n|---|---|")?;
        let rows = [
            (
                "the answer that is right most often",
                self.baselines.majority,
            ),
            (
                "the question that shares most words",
                self.baselines.nearest_neighbour,
            ),
            (
                "any answer of the form, by chance",
                self.baselines.random_answer,
            ),
        ];
        for (name, share) in rows {
            writeln!(out, "| {name} | {:.3} |", share.exact)?;
        }
        for exit in &scores.by_exit {
            let thought = exit.thought_tokens;
            writeln!(
                out,
                "| exit {}, {thought:.0} tokens of thought | {:.3} |",
                exit.exit, exit.score.exact
            )?;
        }
        writeln!(
            out,
            "\nThe answer that shares most words is one of {}.\n",
            self.baselines.taught_on
        )?;
        writeln!(out, "## By kind of question\n\nOf the deepest exit.\n")?;
        writeln!(
            out,
            "| kind | questions | right | first action right | calibration error |\n|---|---|---|---|---|"
        )?;
        let all = ("all", &scores.all);
        let kinds = scores
            .per_kind
            .iter()
            .map(|(kind, score)| (kind.as_str(), score));
        for (kind, s) in kinds.chain([all]) {
            writeln!(
                out,
                "| {kind} | {} | {:.3} | {:.3} | {:.3} |",
                s.n, s.exact, s.top_action, s.ece
            )?;
        }
        writeln!(out, "\n## By exit\n")?;
        writeln!(
            out,
            "| exit | tokens of thought | right | calibration error | there within, ms | took, ms |\n|---|---|---|---|---|---|"
        )?;
        for exit in &scores.by_exit {
            writeln!(
                out,
                "| {} | {:.1} | {:.3} | {:.3} | {:.0} | {:.0} |",
                exit.exit,
                exit.thought_tokens,
                exit.score.exact,
                exit.score.ece,
                exit.within_ms,
                exit.took_ms
            )?;
        }
        writeln!(
            out,
            "\nMedians of the upper bounds by which an exit is there for certain, and of what it took, on {}.\n",
            self.machine
        )?;
        writeln!(out, "## By deadline\n")?;
        writeln!(
            out,
            "{}\n",
            match self.time {
                Time::Bounds =>
                    "In the time that the upper bounds of costs say: what is certain. By the clock more may fit (`--measured`).",
                Time::Measured => "By the clock, question by question.",
            }
        )?;
        writeln!(
            out,
            "| deadline, ms | right | fallbacks | late | exit |\n|---|---|---|---|---|"
        )?;
        for at in &scores.by_deadline {
            let late = at.late.map_or(String::from("-"), |late| late.to_string());
            writeln!(
                out,
                "| {} | {:.3} | {:.3} | {late} | {:.1} |",
                at.deadline_ms, at.exact, at.fallback_share, at.exit
            )?;
        }
        writeln!(
            out,
            "\nA fallback counts as right where the safe answer happens to be."
        )?;
        if let Some(fitted) = &self.calibration {
            writeln!(
                out,
                "\n## Fitted\n\nFor `calibration` in model.yaml. The error after is of either half of the questions by the other half's temperature.\n"
            )?;
            writeln!(
                out,
                "| exit | temperature | threshold | calibration error before | after |\n|---|---|---|---|---|"
            )?;
            for (index, exit) in fitted.iter().enumerate() {
                let of = exit.calibration;
                writeln!(
                    out,
                    "| {} | {:.3} | {:.3} | {:.3} | {:.3} |",
                    index + 1,
                    of.temperature,
                    of.threshold,
                    exit.ece_before,
                    exit.ece_after
                )?;
            }
        }
        Ok(())
    }
}
