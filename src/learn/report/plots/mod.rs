//! The pictures of a report, each as `.svg` and as `.png`.

mod budget;
mod conditions;
mod exits;
mod reliability;
pub(in crate::learn) mod style;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::report_file::EvaluationReport;
use crate::learn::error::LearnError;
use crate::learn::task::split_by::SplitBy;
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
    for end in ["svg", "png"] {
        let file = folder.join(format!("{name}.{end}"));
        let Some(picture) = &picture else {
            // Of an earlier report, if it was there at all.
            let _ = fs::remove_file(file);
            continue;
        };
        let drawn = match end {
            "svg" => paint(picture, SVGBackend::new(&file, picture.size())),
            _ => paint_png(picture, &file),
        };
        drawn.map_err(|what| LearnError::Picture { file, what })?;
    }
    Ok(())
}

/// Packed tighter than plotters would, for reports lie in repositories.
fn paint_png<P: Plot>(picture: &P, file: &Path) -> Result<(), Failed> {
    let (width, height) = picture.size();
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    let backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
    paint(picture, backend)?;
    let out = BufWriter::new(File::create(file).map_err(text)?);
    let mut encoder = png::Encoder::new(out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Best);
    encoder.set_adaptive_filter(png::AdaptiveFilterType::Adaptive);
    let mut writer = encoder.write_header().map_err(text)?;
    writer.write_image_data(&pixels).map_err(text)?;
    writer.finish().map_err(text)
}

fn paint<P: Plot, DB: DrawingBackend>(picture: &P, backend: DB) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let area = backend.into_drawing_area();
    area.fill(&WHITE).map_err(text)?;
    picture.draw(&area)?;
    area.present().map_err(text)
}
