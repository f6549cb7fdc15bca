//! Accuracy at budget as markdown.

use std::fmt::{self, Write as _};

use super::figure;
use crate::learn::metrics::fixed_depth_scores::DepthComparison;
use crate::learn::report::budget_curves::{Budget, PerMeasure};
use crate::learn::report::report_file::EvaluationReport;

impl EvaluationReport {
    pub(super) fn markdown_budget(&self, budget: &Budget, text: &mut String) -> fmt::Result {
        writeln!(
            text,
            "## Accuracy at budget\n\n![Balanced accuracy by compute](report-budget.svg)\n\n\
             | up to exit | multiply-adds | µs ({}) |\n|---:|---:|---:|",
            budget.engine
        )?;
        for exit in &budget.exits {
            let PerMeasure { stages, macs, us } = exit;
            writeln!(text, "| {stages:.0} | {macs:.0} | {us:.1} |")?;
        }
        writeln!(
            text,
            "\n| area under balanced accuracy by multiply-adds | `fastest` | `best` | whole model |\n\
             |---|---:|---:|---:|"
        )?;
        for (robot, curves) in &budget.per_robot {
            let whole = curves
                .best
                .points
                .last()
                .map(|point| point.balanced_accuracy);
            writeln!(
                text,
                "| {robot} | {:.3} | {:.3} | {} |",
                curves.fastest.area.macs,
                curves.best.area.macs,
                figure(whole)
            )?;
        }
        writeln!(
            text,
            "\nThe area is the mean balanced accuracy over the compute from the first exit to the \
             whole model. `fastest` moves with one threshold for all exits, `best` with its \
             budget.\n"
        )?;
        self.markdown_static(budget, text)
    }

    fn markdown_static(&self, budget: &Budget, text: &mut String) -> fmt::Result {
        if self.static_depths.is_empty() {
            return writeln!(
                text,
                "No model was trained for one depth alone beside it; `train --static-depths` does.\n"
            );
        }
        writeln!(
            text,
            "| trained for one depth alone | multiply-adds | µs | robot | balanced accuracy | at as \
             many stages | multiply-adds | µs |\n|---:|---:|---:|---|---:|---|---|---|"
        )?;
        for fixed in &self.static_depths {
            let us = fixed.us.get(&budget.engine);
            let us = us.map_or("-".into(), |us| format!("{us:.1}"));
            for robot in fixed.per_robot.keys() {
                let (Some((score, error)), Some(against)) =
                    (fixed.score(robot), budget.against(fixed, robot))
                else {
                    continue;
                };
                writeln!(
                    text,
                    "| {} | {} | {us} | {robot} | {score:.3} ± {error:.3} | {} | {} | {} |",
                    fixed.depth,
                    fixed.macs,
                    word(against.stages),
                    word(against.macs),
                    word(against.us)
                )?;
            }
        }
        writeln!(
            text,
            "\nEarly exit, the better of both policies at no more compute, *dominates* a fixed model \
             where it is at least as good, *touches* it where it is worse by at most the standard \
             error (binomial, as if windows were independent), and is *below* it otherwise. *none \
             as cheap*: its first exit costs more, because the block before it serves the later \
             ones too. Microseconds within 5 % count as the same.\n"
        )
    }
}

fn word(verdict: DepthComparison) -> &'static str {
    match verdict {
        DepthComparison::Dominated => "dominates",
        DepthComparison::Touched => "touches",
        DepthComparison::Better => "**below**",
        DepthComparison::Cheaper => "none as cheap",
        DepthComparison::Unmeasured => "not measured",
    }
}
