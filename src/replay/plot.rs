//! The plot of a replay: decisions, latencies and exits over time.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::replayed::{ReplayedDecision, ReplayedRecording};
use crate::configure::Configuration;
use crate::plotting::{Failed, bring_the_font, text};

const SIZE: (u32, u32) = (1600, 1000);
const INK: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(205, 209, 216);
const PROMISE: RGBColor = RGBColor(200, 60, 50);
const DOT: RGBColor = RGBColor(54, 100, 170);
/// From the mildest label to the most severe; more labels than colours begin anew.
const LABELS: [RGBColor; 6] = [
    RGBColor(78, 160, 96),
    RGBColor(236, 178, 64),
    RGBColor(206, 76, 68),
    RGBColor(96, 120, 190),
    RGBColor(140, 96, 170),
    RGBColor(110, 110, 110),
];
/// Rows of recordings shown; the rest is in the report.
const ROWS: usize = 16;
/// Decisions drawn as dots; more are thinned evenly.
const DOTS: usize = 20_000;

/// Draws into an `.svg` or `.png` file.
pub fn draw(
    configuration: &Configuration,
    replayed: &[ReplayedRecording],
    file: &Path,
) -> Result<(), Failed> {
    bring_the_font();
    if file.extension().is_some_and(|extension| extension == "svg") {
        let area = SVGBackend::new(file, SIZE).into_drawing_area();
        compose(&area, configuration, replayed)
    } else {
        let mut pixels = vec![0; (3 * SIZE.0 * SIZE.1) as usize];
        let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        compose(&area, configuration, replayed)?;
        drop(area);
        write_png(file, &pixels)
    }
}

/// Writes `pixels` (red, green, blue; row by row, [`SIZE`]) as a PNG file.
///
/// plotters would do it by the crate `image`, of which nothing else is used here and which is among
/// the dearest dependencies to compile.
fn write_png(file: &Path, pixels: &[u8]) -> Result<(), Failed> {
    let out = BufWriter::new(File::create(file).map_err(text)?);
    let mut encoder = png::Encoder::new(out, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(text)?;
    writer.write_image_data(pixels).map_err(text)?;
    writer.finish().map_err(text)
}

fn compose<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    configuration: &Configuration,
    replayed: &[ReplayedRecording],
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    area.fill(&WHITE).map_err(text)?;
    let rows = replayed.len().clamp(1, ROWS) as i32;
    let (top, bottom) = area.split_vertically((130 + 34 * rows).min(620));
    strips(&top, configuration, replayed)?;
    let (left, right) = bottom.split_horizontally(1100);
    latencies(&left, configuration, replayed)?;
    exits(&right, configuration, replayed)?;
    area.present().map_err(text)
}

/// One strip per recording, coloured by label.
fn strips<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    configuration: &Configuration,
    replayed: &[ReplayedRecording],
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let shown = &replayed[..replayed.len().min(ROWS)];
    let longest = shown.iter().map(|one| one.seconds).fold(1.0, f64::max);
    let title = match replayed.len() - shown.len() {
        0 => String::from("Decisions over time"),
        _ => format!(
            "Decisions over time, {ROWS} of {} recordings",
            replayed.len()
        ),
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 26).into_font().color(&INK))
        .margin(14)
        .x_label_area_size(34)
        .y_label_area_size(230)
        .build_cartesian_2d(0.0..longest, 0.0..shown.len().max(1) as f64)
        .map_err(text)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(FAINT)
        .y_labels(0)
        .x_desc("s")
        .label_style(("sans-serif", 17).into_font().color(&INK))
        .draw()
        .map_err(text)?;
    let name_style = ("sans-serif", 17).into_font().color(&INK);
    for (row, one) in shown.iter().enumerate() {
        let base = (shown.len() - 1 - row) as f64;
        let bars = one.points.iter().enumerate().map(|(index, point)| {
            // A decision stands until the next one, but not through a silence.
            let next = one
                .points
                .get(index + 1)
                .map_or(point.at + 0.2, |next| next.at);
            let end = next.min(point.at + 1.0);
            let colour = LABELS[usize::from(point.label) % LABELS.len()];
            Rectangle::new(
                [(point.at, base + 0.12), (end, base + 0.88)],
                colour.filled(),
            )
        });
        chart.draw_series(bars).map_err(text)?;
        let (_, y) = chart.backend_coord(&(0.0, base + 0.62));
        let (_, origin) = area.get_base_pixel();
        area.draw_text(&clipped(&one.name), &name_style, (20, y - origin))
            .map_err(text)?;
    }
    legend(area, configuration)
}

fn legend<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    configuration: &Configuration,
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let style = ("sans-serif", 19).into_font().color(&INK);
    let mut x = 1120;
    for (index, label) in configuration.bundle.manifest.labels.iter().enumerate() {
        let colour = LABELS[index % LABELS.len()];
        area.draw(&Rectangle::new([(x, 18), (x + 20, 38)], colour.filled()))
            .map_err(text)?;
        area.draw_text(label, &style, (x + 28, 19)).map_err(text)?;
        x += 60 + 11 * label.chars().count() as i32;
    }
    Ok(())
}

fn clipped(name: &str) -> String {
    match name.chars().count() {
        0..=25 => name.to_owned(),
        _ => name.chars().take(24).chain(['…']).collect(),
    }
}

/// Every decision's latency against the promise, on a logarithmic axis.
fn latencies<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    configuration: &Configuration,
    replayed: &[ReplayedRecording],
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let deadline = configuration.params.deadline.as_secs_f64() * 1e3;
    let points: Vec<&ReplayedDecision> = replayed.iter().flat_map(|one| &one.points).collect();
    let millis = |point: &ReplayedDecision| (point.latency.as_secs_f64() * 1e3).max(1e-3);
    let least = points.iter().map(|p| millis(p)).fold(deadline, f64::min);
    let most = points.iter().map(|p| millis(p)).fold(deadline, f64::max);
    let late = points
        .iter()
        .filter(|point| millis(point) > deadline)
        .count();
    let title = format!("Latency of {} decisions: {late} late", points.len());
    let count = points.len().max(1);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 26).into_font().color(&INK))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(90)
        .build_cartesian_2d(0..count, (least * 0.6..most * 1.8).log_scale())
        .map_err(text)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(FAINT)
        .x_desc("decision")
        .y_desc("ms")
        .y_label_formatter(&|ms| format!("{}", (ms * 1e3).round() / 1e3))
        .label_style(("sans-serif", 17).into_font().color(&INK))
        .draw()
        .map_err(text)?;
    let step = points.len().div_ceil(DOTS).max(1);
    let dots = points.iter().enumerate().step_by(step);
    chart
        .draw_series(
            dots.map(|(index, point)| {
                Circle::new((index, millis(point)), 2, DOT.mix(0.5).filled())
            }),
        )
        .map_err(text)?;
    chart
        .draw_series(LineSeries::new(
            [(0, deadline), (count, deadline)],
            PROMISE.stroke_width(2),
        ))
        .map_err(text)?;
    let style = ("sans-serif", 18).into_font().color(&PROMISE);
    let (x, y) = chart.backend_coord(&(0, deadline));
    let (left, top) = area.get_base_pixel();
    area.draw_text(
        &format!("deadline {deadline} ms"),
        &style,
        (x - left + 12, y - top - 24),
    )
    .map_err(text)
}

/// How many decisions came from each exit.
fn exits<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    configuration: &Configuration,
    replayed: &[ReplayedRecording],
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let exits = configuration.bundle.manifest.exits.len();
    let mut counts = vec![0u32; exits + 1];
    for point in replayed.iter().flat_map(|one| &one.points) {
        if let Some(count) = counts.get_mut(usize::from(point.exit)) {
            *count += 1;
        }
    }
    let total = counts.iter().sum::<u32>().max(1);
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let mut chart = ChartBuilder::on(area)
        .caption("Exits used", ("sans-serif", 26).into_font().color(&INK))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(10)
        .build_cartesian_2d(-0.5..exits as f64 + 0.5, 0.0..f64::from(most) * 1.15)
        .map_err(text)?;
    let label_style = ("sans-serif", 18).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(FAINT)
        .y_labels(0)
        .x_labels(exits + 1)
        .x_label_formatter(&|exit| match exit.round() as i64 {
            0 => String::from("none"),
            exit => exit.to_string(),
        })
        .label_style(label_style.clone())
        .draw()
        .map_err(text)?;
    let bars = counts.iter().enumerate().map(|(exit, count)| {
        let colour = if exit == 0 { PROMISE } else { DOT };
        let x = exit as f64;
        Rectangle::new(
            [(x - 0.34, 0.0), (x + 0.34, f64::from(*count))],
            colour.filled(),
        )
    });
    chart.draw_series(bars).map_err(text)?;
    let (left, top) = area.get_base_pixel();
    for (exit, count) in counts.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(exit as f64, f64::from(*count)));
        let share = format!("{:.1} %", f64::from(*count) * 100.0 / f64::from(total));
        area.draw_text(&share, &label_style, (x - left - 24, y - top - 26))
            .map_err(text)?;
    }
    Ok(())
}
