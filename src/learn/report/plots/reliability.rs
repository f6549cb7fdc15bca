//! The reliability plot: how often the deepest exit is right, by its confidence; on the diagonal
//! both are the same.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{FAINT, INK, MODEL, Plot, floor, font, left_out, panels, panels_size};
use crate::learn::metrics::reliability::ConfidenceBin;
use crate::learn::report::report_file::EvaluationReport;
use crate::plotting::{Failed, text};

pub(super) struct ReliabilityPlot<'a>(pub &'a EvaluationReport);

impl Plot for ReliabilityPlot<'_> {
    fn size(&self) -> (u32, u32) {
        panels_size(self.0)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), Failed>
    where
        DB::ErrorType: 'static,
    {
        let report = self.0;
        let line = format!(
            "of the deepest exit, {}; the larger a dot, the more windows, ten at least",
            left_out(report)
        );
        for (robot, area) in panels(report, "right as often as it says?", &line, area)? {
            let bins = report.reliability.get(robot).map_or(&[][..], Vec::as_slice);
            panel(robot, bins, &area)?;
        }
        Ok(())
    }
}

fn panel<DB: DrawingBackend>(
    robot: &str,
    bins: &[ConfidenceBin],
    area: &DrawingArea<DB, Shift>,
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let all: u64 = bins.iter().map(|bin| bin.n).sum();
    let share = |bin: &ConfidenceBin| bin.n as f64 / all.max(1) as f64;
    // A handful of windows says nothing.
    let bins: Vec<&ConfidenceBin> = bins.iter().filter(|bin| bin.n >= 10).collect();
    let least = floor(bins.iter().map(|bin| bin.confidence));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(robot, font(17))
        .x_label_area_size(38)
        .y_label_area_size(48)
        .build_cartesian_2d(least..1.02, 0.0..1.05)
        .map_err(text)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .x_desc("mean confidence")
        .y_desc("share right")
        .x_label_formatter(&|x| format!("{x:.1}"))
        .y_label_formatter(&|y| format!("{y:.1}"))
        .label_style(font(13))
        .draw()
        .map_err(text)?;
    let diagonal = [(least, least), (1.0, 1.0)];
    chart
        .draw_series(DashedLineSeries::new(
            diagonal,
            6,
            4,
            INK.mix(0.5).stroke_width(1),
        ))
        .map_err(text)?;
    let line = bins.iter().map(|bin| (bin.confidence, bin.accuracy));
    chart
        .draw_series(LineSeries::new(
            line.clone(),
            MODEL.mix(0.5).stroke_width(2),
        ))
        .map_err(text)?;
    let radius = |bin: &ConfidenceBin| 3 + (9.0 * share(bin).sqrt()) as i32;
    let dots = bins.iter().zip(line);
    chart
        .draw_series(dots.map(|(bin, at)| Circle::new(at, radius(bin), MODEL.filled())))
        .map_err(text)?;
    Ok(())
}
