//! The plots of a report, as `.svg` files beside it.

mod budget;
mod conditions;
mod exits;
mod reliability;
pub(in crate::learn) mod style;

use std::fs;
use std::path::Path;

use plotters::prelude::*;

use super::report_file::EvaluationReport;
use crate::learn::error::LearnError;
use crate::plotting::{Failed, bring_the_font, text};
use style::Plot;

/// Draws what the report has figures for; a picture it has none for is removed.
pub fn draw(report: &EvaluationReport, folder: &Path) -> Result<(), LearnError> {
    bring_the_font();
    save(folder, "report", Some(exits::ExitsPlot(report)))?;
    let reliable = (!report.reliability.is_empty()).then_some(reliability::ReliabilityPlot(report));
    save(folder, "report-reliability", reliable)?;
    let budget = report.budget.as_ref();
    let budget = budget.map(|budget| budget::BudgetPlot { report, budget });
    save(folder, "report-budget", budget)?;
    let conditions = (!report.conditions.is_empty()).then_some(conditions::RobustnessPlot(report));
    save(folder, "report-conditions", conditions)
}

fn save<P: Plot>(folder: &Path, name: &str, picture: Option<P>) -> Result<(), LearnError> {
    // Earlier reports had a `.png` beside each plot.
    let _ = fs::remove_file(folder.join(format!("{name}.png")));
    let file = folder.join(format!("{name}.svg"));
    let Some(picture) = picture else {
        // Of an earlier report, if it was there at all.
        let _ = fs::remove_file(file);
        return Ok(());
    };
    paint(&picture, SVGBackend::new(&file, picture.size()))
        .map_err(|what| LearnError::Picture { file, what })
}

fn paint<P: Plot>(picture: &P, backend: SVGBackend<'_>) -> Result<(), Failed> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE).map_err(text)?;
    picture.draw(&area)?;
    area.present().map_err(text)
}
