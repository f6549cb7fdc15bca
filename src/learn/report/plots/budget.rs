//! The plot of balanced accuracy by compute: both policies, beside models of a fixed depth.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{FAINT, FASTEST, INK, MODEL, Plot, STATIC, font, left_out, panels, panels_size};
use crate::learn::report::budget_curves::{Budget, BudgetPoint};
use crate::learn::report::report_file::EvaluationReport;
use crate::plotting::{Failed, text};

pub(super) struct BudgetPlot<'a> {
    pub report: &'a EvaluationReport,
    pub budget: &'a Budget,
}

impl Plot for BudgetPlot<'_> {
    fn size(&self) -> (u32, u32) {
        panels_size(self.report)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), Failed>
    where
        DB::ErrorType: 'static,
    {
        let BudgetPlot { report, .. } = self;
        let line = format!("of both policies, by compute, {}", left_out(report));
        for (robot, area) in panels(report, "accuracy at budget", &line, area)? {
            self.panel(robot, &area)?;
        }
        Ok(())
    }
}

impl BudgetPlot<'_> {
    fn panel<DB: DrawingBackend>(
        &self,
        robot: &str,
        area: &DrawingArea<DB, Shift>,
    ) -> Result<(), Failed>
    where
        DB::ErrorType: 'static,
    {
        let Some(curves) = self.budget.per_robot.get(robot) else {
            return Ok(());
        };
        let at = |point: &BudgetPoint| (point.spent.macs / 1e3, point.balanced_accuracy);
        let fastest: Vec<(f64, f64)> = curves.fastest.points.iter().map(at).collect();
        let exits: Vec<(f64, f64)> = curves.best.points.iter().map(at).collect();
        let fixed: Vec<(usize, (f64, f64))> = self
            .report
            .static_depths
            .iter()
            .filter_map(|fixed| {
                let (score, _) = fixed.score(robot)?;
                Some((fixed.depth, (fixed.macs as f64 / 1e3, score)))
            })
            .collect();
        let all = || {
            fastest
                .iter()
                .chain(&exits)
                .chain(fixed.iter().map(|(_, at)| at))
        };
        let most = all().map(|point| point.0).fold(1.0, f64::max) * 1.06;
        let lowest = all().map(|point| point.1).fold(1.0, f64::min);
        let highest = all().map(|point| point.1).fold(0.0, f64::max);
        // Room below for the words.
        let height = (highest - lowest).max(0.02);
        let heights = (lowest - 0.9 * height).max(0.0)..(highest + 0.15 * height).min(1.0);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(robot, font(17))
            .x_label_area_size(38)
            .y_label_area_size(54)
            .build_cartesian_2d(0.0..most, heights)
            .map_err(text)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .x_desc("thousand multiply-adds per window")
            .x_labels(6)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.3}"))
            .label_style(font(13))
            .draw()
            .map_err(text)?;
        let steps = exits
            .windows(2)
            .flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
        let steps: Vec<(f64, f64)> = steps.chain(exits.last().copied()).collect();
        chart
            .draw_series(LineSeries::new(steps, MODEL.stroke_width(2)))
            .map_err(text)?
            .label(format!("best, area {:.3}", curves.best.area.macs))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], MODEL.stroke_width(2)));
        chart
            .draw_series(exits.iter().map(|at| Circle::new(*at, 4, MODEL.filled())))
            .map_err(text)?;
        chart
            .draw_series(LineSeries::new(
                fastest.iter().copied(),
                FASTEST.stroke_width(2),
            ))
            .map_err(text)?
            .label(format!("fastest, area {:.3}", curves.fastest.area.macs))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], FASTEST.stroke_width(2)));
        let small = fastest
            .iter()
            .map(|at| Circle::new(*at, 2, FASTEST.filled()));
        chart.draw_series(small).map_err(text)?;
        if !fixed.is_empty() {
            let squares = fixed.iter().map(|(depth, at)| {
                EmptyElement::at(*at)
                    + Rectangle::new([(-4, -4), (4, 4)], STATIC.filled())
                    + Text::new(depth.to_string(), (7, -14), font(13))
            });
            chart
                .draw_series(squares)
                .map_err(text)?
                .label("trained for one depth alone")
                .legend(|(x, y)| {
                    Rectangle::new([(x + 5, y - 4), (x + 13, y + 4)], STATIC.filled())
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .label_font(("sans-serif", 13).into_font().color(&INK))
            .draw()
            .map_err(text)
    }
}
