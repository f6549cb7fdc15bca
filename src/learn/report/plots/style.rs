//! Colours, fonts and panels that the plots of a report share.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::learn::report::report_file::EvaluationReport;
use crate::learn::task::split_by::SplitBy;
use crate::plotting::{Failed, text};

/// One picture, on whatever draws it.
pub(super) trait Plot {
    /// Width and height, pixels.
    fn size(&self) -> (u32, u32);

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), Failed>
    where
        DB::ErrorType: 'static;
}

/// A robot's name and its part of a picture.
pub(super) type Panel<'r, DB> = (&'r String, DrawingArea<DB, Shift>);

pub(in crate::learn) const FAINT: RGBColor = RGBColor(224, 228, 232);

pub(in crate::learn) const FASTEST: RGBColor = RGBColor(230, 126, 34);

pub(in crate::learn) const INK: RGBColor = RGBColor(38, 50, 56);

pub(in crate::learn) const MODEL: RGBColor = RGBColor(21, 101, 192);

pub(in crate::learn) const STATIC: RGBColor = RGBColor(123, 31, 162);

/// Height of a title with a line below.
pub(in crate::learn) const HEAD: u32 = 62;

/// Of robots, in their order; more of them begin anew.
pub(super) const ROBOTS: [RGBColor; 5] = [
    RGBColor(21, 101, 192),
    RGBColor(230, 126, 34),
    RGBColor(46, 125, 50),
    RGBColor(123, 31, 162),
    RGBColor(120, 90, 70),
];

/// Lowest share that an axis needs to show for these: whole tenths, with room below.
pub(super) fn floor(shares: impl Iterator<Item = f64>) -> f64 {
    let least = shares.fold(1.0, f64::min);
    (((least - 0.03) * 10.0).floor() / 10.0).clamp(0.0, 0.9)
}

pub(in crate::learn) fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Columns and rows for so many panels.
pub(super) fn grid(panels: usize, most: usize) -> (usize, usize) {
    let columns = panels.clamp(1, most);
    (columns, panels.div_ceil(columns).max(1))
}

/// On which windows the scores are.
pub(super) fn left_out(report: &EvaluationReport) -> &'static str {
    match report.split {
        SplitBy::Groups => "on left-out groups",
        SplitBy::Time => "on the last part, left out",
        SplitBy::Partitions => "on left-out partitions",
    }
}

/// Robots beside their part of a picture with a title and a line below it.
pub(super) fn panels<'r, DB: DrawingBackend>(
    report: &'r EvaluationReport,
    title: &str,
    line: &str,
    area: &DrawingArea<DB, Shift>,
) -> Result<Vec<Panel<'r, DB>>, Failed>
where
    DB::ErrorType: 'static,
{
    let (head, body) = area.split_vertically(HEAD);
    head.draw_text(&format!("{}: {title}", report.model), &font(20), (14, 10))
        .map_err(text)?;
    head.draw_text(line, &font(14), (14, 38)).map_err(text)?;
    let (columns, rows) = grid(report.scores.per_robot.len(), 3);
    let parts = body.split_evenly((rows, columns));
    Ok(report.scores.per_robot.keys().zip(parts).collect())
}

/// Of a grid of panels, one per robot, below a title.
pub(super) fn panels_size(report: &EvaluationReport) -> (u32, u32) {
    let (columns, rows) = grid(report.scores.per_robot.len(), 3);
    ((440 * columns as u32).max(600), 340 * rows as u32 + HEAD)
}
