//! The pictures of a report, each as `.svg` and as `.png`.

mod budget;
mod conditions;
mod exits;
mod reliability;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::error::LearnError;
use super::report::Report;
use super::task::SplitBy;
use crate::chart::{Failed, bring_the_font, text};

const INK: RGBColor = RGBColor(38, 50, 56);
const FAINT: RGBColor = RGBColor(224, 228, 232);
const MODEL: RGBColor = RGBColor(21, 101, 192);
const FASTEST: RGBColor = RGBColor(230, 126, 34);
const STATIC: RGBColor = RGBColor(123, 31, 162);
/// Of robots, in their order; more of them begin anew.
const ROBOTS: [RGBColor; 5] = [
    RGBColor(21, 101, 192),
    RGBColor(230, 126, 34),
    RGBColor(46, 125, 50),
    RGBColor(123, 31, 162),
    RGBColor(120, 90, 70),
];

/// One picture, on whatever draws it.
trait Picture {
    /// Width and height, pixels.
    fn size(&self) -> (u32, u32);

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), Failed>
    where
        DB::ErrorType: 'static;
}

/// Draws what the report has figures for; a picture it has none for is removed.
pub fn draw(report: &Report, folder: &Path) -> Result<(), LearnError> {
    bring_the_font();
    save(folder, "report", Some(exits::Exits(report)))?;
    let reliable = (!report.reliability.is_empty()).then_some(reliability::Diagram(report));
    save(folder, "report-reliability", reliable)?;
    let budget = report.budget.as_ref();
    let budget = budget.map(|budget| budget::Curves { report, budget });
    save(folder, "report-budget", budget)?;
    let conditions = (!report.conditions.is_empty()).then_some(conditions::Panels(report));
    save(folder, "report-conditions", conditions)
}

fn save<P: Picture>(folder: &Path, name: &str, picture: Option<P>) -> Result<(), LearnError> {
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
fn paint_png<P: Picture>(picture: &P, file: &Path) -> Result<(), Failed> {
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

fn paint<P: Picture, DB: DrawingBackend>(picture: &P, backend: DB) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let area = backend.into_drawing_area();
    area.fill(&WHITE).map_err(text)?;
    picture.draw(&area)?;
    area.present().map_err(text)
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Height of a title with a line below.
const HEAD: u32 = 62;

/// Of a grid of panels, one per robot, below a title.
fn panels_size(report: &Report) -> (u32, u32) {
    let (columns, rows) = grid(report.scores.per_robot.len(), 3);
    ((440 * columns as u32).max(600), 340 * rows as u32 + HEAD)
}

/// Columns and rows for so many panels.
fn grid(panels: usize, most: usize) -> (usize, usize) {
    let columns = panels.clamp(1, most);
    (columns, panels.div_ceil(columns).max(1))
}

/// A robot's name and its part of a picture.
type Panel<'r, DB> = (&'r String, DrawingArea<DB, Shift>);

/// Robots beside their part of a picture with a title and a line below it.
fn panels<'r, DB: DrawingBackend>(
    report: &'r Report,
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

/// On which windows the scores are.
fn left_out(report: &Report) -> &'static str {
    match report.split {
        SplitBy::Groups => "on left-out groups",
        SplitBy::Time => "on the last part, left out",
        SplitBy::Partitions => "on left-out partitions",
    }
}

/// Lowest share that an axis needs to show for these: whole tenths, with room below.
fn floor(shares: impl Iterator<Item = f64>) -> f64 {
    let least = shares.fold(1.0, f64::min);
    (((least - 0.03) * 10.0).floor() / 10.0).clamp(0.0, 0.9)
}
