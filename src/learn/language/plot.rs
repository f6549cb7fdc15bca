//! The picture of a report: right answers by the deadline, and by confidence.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::report::{LanguageReport, Time};
use crate::learn::report::plots::style::{FAINT, FASTEST, HEAD, INK, MODEL, STATIC, font};
use crate::plotting::{Failed, bring_the_font, text};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 400;

/// Draws it as SVG.
pub fn draw(report: &LanguageReport, file: &Path) -> Result<(), Failed> {
    bring_the_font();
    let area = SVGBackend::new(file, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE).map_err(text)?;
    let (head, body) = area.split_vertically(HEAD);
    let title = format!("{}: right answers on {}", report.model, report.task);
    head.draw_text(&title, &font(20), (14, 10)).map_err(text)?;
    let time = match report.time {
        Time::Bounds => "by upper bounds of costs",
        Time::Measured => "by the clock",
    };
    let line = format!("{} questions; deadlines {time}", report.questions);
    head.draw_text(&line, &font(14), (14, 38)).map_err(text)?;
    let (left, right) = body.split_horizontally(WIDTH * 3 / 5);
    curve(report, &left)?;
    reliability(report, &right)?;
    area.present().map_err(text)
}

fn curve<DB: DrawingBackend>(
    report: &LanguageReport,
    area: &DrawingArea<DB, Shift>,
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let points = &report.scores.by_deadline;
    let least = points
        .iter()
        .map(|at| at.deadline_ms)
        .fold(f64::INFINITY, f64::min);
    let most = points.iter().map(|at| at.deadline_ms).fold(0.0, f64::max);
    let (least, most) = match least < most {
        true => (least, most),
        // One deadline, or none: room at both sides.
        false => (most.max(1.0) / 2.0, most.max(1.0) * 2.0),
    };
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(48)
        .build_cartesian_2d((least..most).log_scale(), 0.0..1.05)
        .map_err(text)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .x_desc("deadline, ms")
        .y_desc("share")
        .y_label_formatter(&|y| format!("{y:.1}"))
        .label_style(font(13))
        .draw()
        .map_err(text)?;
    let lines = [
        (
            "right",
            MODEL,
            points
                .iter()
                .map(|at| (at.deadline_ms, at.exact))
                .collect::<Vec<_>>(),
        ),
        (
            "fallbacks",
            FASTEST,
            points
                .iter()
                .map(|at| (at.deadline_ms, at.fallback_share))
                .collect(),
        ),
    ];
    for (name, colour, line) in lines {
        let dots = line.clone();
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))
            .map_err(text)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart
            .draw_series(
                dots.into_iter()
                    .map(|at| Circle::new(at, 3, colour.filled())),
            )
            .map_err(text)?;
    }
    let baselines = &report.baselines;
    let flat = [
        ("majority", baselines.majority.exact, INK),
        (
            "nearest neighbour",
            baselines.nearest_neighbour.exact,
            STATIC,
        ),
        ("by chance", baselines.random_answer.exact, FAINT),
    ];
    for (name, share, colour) in flat {
        let line = [(least, share), (most, share)];
        chart
            .draw_series(DashedLineSeries::new(line, 6, 4, colour.stroke_width(1)))
            .map_err(text)?
            .label(format!("{name} {share:.2}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(1)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .label_font(font(13))
        .draw()
        .map_err(text)
}

fn reliability<DB: DrawingBackend>(
    report: &LanguageReport,
    area: &DrawingArea<DB, Shift>,
) -> Result<(), Failed>
where
    DB::ErrorType: 'static,
{
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption("right as often as it says?", font(14))
        .x_label_area_size(38)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..1.02, 0.0..1.05)
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
    let diagonal = [(0.0, 0.0), (1.0, 1.0)];
    let even = INK.mix(0.5).stroke_width(1);
    chart
        .draw_series(DashedLineSeries::new(diagonal, 6, 4, even))
        .map_err(text)?;
    let exits = &report.scores.by_exit;
    let shown = exits
        .iter()
        .take(1)
        .chain(exits.last().filter(|_| exits.len() > 1));
    for (exit, colour) in shown.zip([MODEL, FASTEST]) {
        let line: Vec<(f64, f64)> = exit
            .reliability
            .iter()
            .map(|bin| (bin.confidence, bin.accuracy))
            .collect();
        let all = exit.score.n.max(1) as f64;
        let dots = exit.reliability.iter().map(|bin| {
            let size = 3 + (9.0 * (bin.n as f64 / all).sqrt()) as i32;
            Circle::new((bin.confidence, bin.accuracy), size, colour.filled())
        });
        chart.draw_series(dots).map_err(text)?;
        chart
            .draw_series(LineSeries::new(line, colour.mix(0.5).stroke_width(2)))
            .map_err(text)?
            .label(format!("exit {}", exit.exit))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .label_font(font(13))
        .draw()
        .map_err(text)
}
