//! The plot of robustness, a panel per corruption: balanced accuracy of the deepest exit and of the
//! kinematic baseline, the share refused; at the end, whether confidence falls when accuracy does.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{FAINT, HEAD, INK, Plot, ROBOTS, floor, font, grid, left_out};
use crate::learn::report::report_file::EvaluationReport;
use crate::learn::report::robustness_scores::{Condition, Robustness};
use crate::plotting::{Failed, text};

const COLUMNS: usize = 4;
const PANEL: (u32, u32) = (300, 220);

pub(super) struct RobustnessPlot<'a>(pub &'a EvaluationReport);

impl Plot for RobustnessPlot<'_> {
    fn size(&self) -> (u32, u32) {
        let (columns, rows) = grid(self.0.conditions.len() + 1, COLUMNS);
        (
            (PANEL.0 * columns as u32).max(640),
            PANEL.1 * rows as u32 + HEAD,
        )
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), Failed>
    where
        DB::ErrorType: 'static,
    {
        let report = self.0;
        let (head, body) = area.split_vertically(HEAD);
        self.head(&head)?;
        let (columns, rows) = grid(report.conditions.len() + 1, COLUMNS);
        let mut areas = body.split_evenly((rows, columns)).into_iter();
        let scores = report
            .conditions
            .iter()
            .flat_map(|condition| &condition.levels);
        let scores = scores.flat_map(|level| level.per_robot.values());
        let lowest = floor(
            scores
                .flat_map(|s| [s.balanced_accuracy, s.kinematic])
                .flatten(),
        );
        for (condition, area) in report.conditions.iter().zip(areas.by_ref()) {
            self.panel(condition, lowest, &area)?;
        }
        match areas.next() {
            Some(area) => self.confidence(&area),
            None => Ok(()),
        }
    }
}

impl RobustnessPlot<'_> {
    fn robots(&self) -> impl Iterator<Item = (&String, RGBColor)> {
        let colours = ROBOTS.into_iter().cycle();
        self.0.scores.per_robot.keys().zip(colours)
    }

    fn head<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), Failed>
    where
        DB::ErrorType: 'static,
    {
        let report = self.0;
        let title = format!("{}: edge conditions, {}", report.model, left_out(report));
        area.draw_text(&title, &font(20), (14, 10)).map_err(text)?;
        let mut x = 14;
        let mut word = |area: &DrawingArea<DB, Shift>, word: &str| {
            let drawn = area.draw_text(word, &font(14), (x + 26, 38)).map_err(text);
            let from = x;
            x += 44 + 7 * word.chars().count() as i32;
            drawn.map(|()| from)
        };
        for (robot, colour) in self.robots() {
            let x = word(area, robot)?;
            let line = PathElement::new([(x, 45), (x + 20, 45)], colour.stroke_width(3));
            area.draw(&line).map_err(text)?;
        }
        if report.baselines.contains_key("kinematic") {
            let x = word(area, "kinematic baseline (dashes, rings)")?;
            for dash in [0, 8, 16] {
                let ends = [(x + dash, 45), (x + dash + 4, 45)];
                area.draw(&PathElement::new(ends, INK.stroke_width(2)))
                    .map_err(text)?;
            }
        }
        let x = word(area, "share refused")?;
        let bar = Rectangle::new([(x, 40), (x + 20, 50)], INK.mix(0.12).filled());
        area.draw(&bar).map_err(text)
    }

    fn panel<DB: DrawingBackend>(
        &self,
        condition: &Condition,
        lowest: f64,
        area: &DrawingArea<DB, Shift>,
    ) -> Result<(), Failed>
    where
        DB::ErrorType: 'static,
    {
        let levels = condition.levels.len();
        let cases = condition.unit.is_empty();
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .caption(&condition.name, font(15))
            .x_label_area_size(26)
            .y_label_area_size(36)
            .build_cartesian_2d(-0.5..levels as f64 - 0.5, lowest..1.0)
            .map_err(text)?;
        let name = |x: &f64| {
            let index = x.round();
            if (x - index).abs() > 0.01 || index < 0.0 {
                return String::new();
            }
            match condition.levels.get(index as usize) {
                Some(_) if index == 0.0 => "none".into(),
                Some(level) => level.name.clone(),
                None => String::new(),
            }
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .x_labels(levels * 2 + 2)
            .x_label_formatter(&name)
            .y_labels(5)
            .y_label_formatter(&|y| format!("{y:.1}"))
            .label_style(font(if cases { 10 } else { 11 }))
            .draw()
            .map_err(text)?;
        let robots = self.robots().count() as f64;
        for (number, (robot, colour)) in self.robots().enumerate() {
            let scores = |pick: fn(&Robustness) -> Option<f64>| {
                let levels = condition.levels.iter().enumerate();
                let at = levels
                    .filter_map(|(x, level)| Some((x as f64, pick(level.per_robot.get(robot)?)?)));
                at.collect::<Vec<(f64, f64)>>()
            };
            let width = 0.7 / robots;
            let bars = scores(|s| Some(s.refused)).into_iter().map(|(x, share)| {
                let left = x - 0.35 + number as f64 * width;
                let top = lowest + share * (1.0 - lowest);
                Rectangle::new(
                    [(left, lowest), (left + width, top)],
                    colour.mix(0.15).filled(),
                )
            });
            chart.draw_series(bars).map_err(text)?;
            let deepest = scores(|s| s.balanced_accuracy);
            let kinematic = scores(|s| s.kinematic);
            if !cases {
                let dashes = DashedLineSeries::new(kinematic, 4, 4, colour.stroke_width(1));
                chart.draw_series(dashes).map_err(text)?;
                let line = LineSeries::new(deepest.iter().copied(), colour.stroke_width(2));
                chart.draw_series(line).map_err(text)?;
            } else {
                let rings = kinematic
                    .iter()
                    .map(|at| Circle::new(*at, 4, colour.stroke_width(1)));
                chart.draw_series(rings).map_err(text)?;
            }
            let dots = deepest
                .iter()
                .map(|at| Circle::new(*at, 3, colour.filled()));
            chart.draw_series(dots).map_err(text)?;
        }
        Ok(())
    }

    /// Every level as a dot.
    fn confidence<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), Failed>
    where
        DB::ErrorType: 'static,
    {
        let of = |robot: &str| {
            let levels = self.0.conditions.iter().flat_map(|c| &c.levels);
            let at = levels.filter_map(|level| {
                let scores = level.per_robot.get(robot)?;
                Some((scores.accuracy?, scores.confidence?))
            });
            at.collect::<Vec<(f64, f64)>>()
        };
        let all = self.robots().flat_map(|(robot, _)| of(robot));
        let lowest = floor(all.flat_map(|(accuracy, confidence)| [accuracy, confidence]));
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .caption("does it know? every level a dot", font(15))
            .x_label_area_size(34)
            .y_label_area_size(46)
            .build_cartesian_2d(lowest..1.0, lowest..1.0)
            .map_err(text)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .x_labels(5)
            .y_labels(5)
            .x_desc("accuracy")
            .y_desc("mean confidence")
            .x_label_formatter(&|x| format!("{x:.1}"))
            .y_label_formatter(&|y| format!("{y:.1}"))
            .label_style(font(12))
            .draw()
            .map_err(text)?;
        let diagonal = [(lowest, lowest), (1.0, 1.0)];
        chart
            .draw_series(DashedLineSeries::new(
                diagonal,
                6,
                4,
                INK.mix(0.5).stroke_width(1),
            ))
            .map_err(text)?;
        for (robot, colour) in self.robots() {
            let dots = of(robot);
            let dots = dots
                .iter()
                .map(|at| Circle::new(*at, 3, colour.mix(0.7).filled()));
            chart.draw_series(dots).map_err(text)?;
        }
        Ok(())
    }
}
