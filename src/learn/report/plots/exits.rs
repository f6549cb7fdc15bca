//! The plot of balanced accuracy by exit, one panel per robot, the baselines as lines.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{FAINT, FASTEST, INK, MODEL, Plot, font, left_out, panels, panels_size};
use crate::learn::metrics::baselines::{ARC, BASELINES};
use crate::learn::metrics::scores::Scores;
use crate::learn::report::report_file::EvaluationReport;
use crate::plotting::{Failed, text};

/// Of the baselines, in their order; the last is the arc's.
const COLOURS: [RGBColor; 4] = [
    RGBColor(176, 190, 197),
    RGBColor(120, 144, 156),
    RGBColor(46, 125, 50),
    RGBColor(0, 131, 143),
];

pub(super) struct ExitsPlot<'a>(pub &'a EvaluationReport);

impl Plot for ExitsPlot<'_> {
    fn size(&self) -> (u32, u32) {
        panels_size(self.0)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), Failed>
    where
        DB::ErrorType: 'static,
    {
        let report = self.0;
        let line = format!("by exit, beside the baselines, {}", left_out(report));
        for (robot, area) in panels(report, "balanced accuracy", &line, area)? {
            panel(report, robot, &area)?;
        }
        Ok(())
    }
}

fn panel<DB: DrawingBackend>(
    report: &EvaluationReport,
    robot: &str,
    area: &DrawingArea<DB, Shift>,
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let depth = report.exits.len();
    let score = |scores: Option<&Scores>| scores.and_then(|s| s.balanced_accuracy);
    let points: Vec<(f64, f64)> = report
        .exits
        .iter()
        .filter_map(|exit| Some((exit.exit as f64, score(exit.per_robot.get(robot))?)))
        .collect();
    let windows = report.scores.per_robot.get(robot).map_or(0, |s| s.n);
    let names = BASELINES.into_iter().chain([ARC]);
    let baselines: Vec<(&str, f64, RGBColor)> = names
        .zip(COLOURS)
        .filter_map(|(name, colour)| {
            let scores = report.baseline(name, robot)?;
            Some((name, scores.balanced_accuracy?, colour))
        })
        .collect();
    // With more classes guessing scores less.
    let least = baselines.iter().map(|(_, value, _)| *value);
    let lowest = if least.fold(1.0, f64::min) < 0.3 {
        0.0
    } else {
        0.3
    };
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(format!("{robot}, {windows} windows"), font(17))
        .x_label_area_size(34)
        .y_label_area_size(44)
        .build_cartesian_2d(0.6..depth as f64 + 0.9, lowest..1.0)
        .map_err(text)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .x_labels(depth + 1)
        .x_label_formatter(&|x| {
            if (x - x.round()).abs() < 0.01 && *x >= 1.0 && *x <= depth as f64 {
                format!("exit {x:.0}")
            } else {
                String::new()
            }
        })
        .y_label_formatter(&|y| format!("{y:.1}"))
        .label_style(font(13))
        .draw()
        .map_err(text)?;
    for (name, value, colour) in baselines {
        let ends = [(0.6, value), (depth as f64 + 0.9, value)];
        chart
            .draw_series(DashedLineSeries::new(ends, 6, 4, colour.stroke_width(2)))
            .map_err(text)?
            .label(format!("{name} {value:.3}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let deepest = points.last().map_or(0.0, |point| point.1);
    chart
        .draw_series(LineSeries::new(
            points.iter().copied(),
            MODEL.stroke_width(3),
        ))
        .map_err(text)?
        .label(format!("exits, deepest {deepest:.3}"))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], MODEL.stroke_width(3)));
    chart
        .draw_series(
            points
                .iter()
                .map(|point| Circle::new(*point, 4, MODEL.filled())),
        )
        .map_err(text)?;
    if let Some(value) = score(report.fastest.per_robot.get(robot)) {
        let at = (report.fastest.mean_stages, value);
        chart
            .draw_series([TriangleMarker::new(at, 7, FASTEST.filled())])
            .map_err(text)?
            .label(format!("fastest {value:.3} at {:.2} stages", at.0))
            .legend(|(x, y)| TriangleMarker::new((x + 9, y), 6, FASTEST.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .label_font(("sans-serif", 13).into_font().color(&INK))
        .draw()
        .map_err(text)
}
