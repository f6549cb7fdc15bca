//! `report.svg`: balanced accuracy by exit, one panel per robot, the baselines as lines.

use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::error::LearnError;
use super::report::{BASELINES, Report};
use super::task::SplitBy;

const INK: RGBColor = RGBColor(38, 50, 56);
const MODEL: RGBColor = RGBColor(21, 101, 192);
const FASTEST: RGBColor = RGBColor(230, 126, 34);
/// Of the baselines, in their order.
const COLOURS: [RGBColor; 3] = [
    RGBColor(176, 190, 197),
    RGBColor(120, 144, 156),
    RGBColor(46, 125, 50),
];

/// Draws the report's picture.
pub fn draw(report: &Report, file: &Path) -> Result<(), LearnError> {
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        // Its own font, so that the picture is the same on machines without any.
        let _ = register_font(
            "sans-serif",
            FontStyle::Normal,
            epaint_default_fonts::UBUNTU_LIGHT,
        );
    });
    panels(report, file).map_err(|error| LearnError::Picture {
        file: file.into(),
        what: error.to_string(),
    })
}

fn panels<'a>(report: &Report, file: &'a Path) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let robots: Vec<&String> = report.scores.per_robot.keys().collect();
    let columns = robots.len().clamp(1, 3);
    let rows = robots.len().div_ceil(columns).max(1);
    let size = (440 * columns as u32, 360 * rows as u32 + 44);
    let root = SVGBackend::new(file, size).into_drawing_area();
    root.fill(&WHITE)?;
    let left = match report.split {
        SplitBy::Groups => "left-out groups",
        SplitBy::Time => "the last part, left out",
        SplitBy::Partitions => "left-out partitions",
    };
    let title = format!("{}: balanced accuracy on {left}", report.model);
    let root = root.titled(&title, ("sans-serif", 20).into_font().color(&INK))?;
    for (robot, area) in robots.iter().zip(root.split_evenly((rows, columns))) {
        panel(report, robot, &area)?;
    }
    root.present()?;
    Ok(())
}

fn panel<'a>(
    report: &Report,
    robot: &str,
    area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let depth = report.exits.len();
    let score = |scores: Option<&super::scores::Scores>| scores.and_then(|s| s.balanced_accuracy);
    let points: Vec<(f64, f64)> = report
        .exits
        .iter()
        .filter_map(|exit| Some((exit.exit as f64, score(exit.per_robot.get(robot))?)))
        .collect();
    let windows = report
        .scores
        .per_robot
        .get(robot)
        .map_or(0, |scores| scores.n);
    // With more classes guessing scores less.
    let baselines = BASELINES
        .into_iter()
        .filter_map(|name| report.baseline(name, robot));
    let least = baselines.filter_map(|scores| scores.balanced_accuracy);
    let lowest = if least.fold(1.0, f64::min) < 0.3 {
        0.0
    } else {
        0.3
    };
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(
            format!("{robot}, {windows} windows"),
            ("sans-serif", 17).into_font().color(&INK),
        )
        .x_label_area_size(34)
        .y_label_area_size(44)
        .build_cartesian_2d(0.6..depth as f64 + 0.9, lowest..1.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE.mix(0.0))
        .x_labels(depth + 1)
        .x_label_formatter(&|x| {
            if (x - x.round()).abs() < 0.01 && *x >= 1.0 && *x <= depth as f64 {
                format!("exit {x:.0}")
            } else {
                String::new()
            }
        })
        .y_label_formatter(&|y| format!("{y:.1}"))
        .label_style(("sans-serif", 13).into_font().color(&INK))
        .draw()?;
    for (name, colour) in BASELINES.into_iter().zip(COLOURS) {
        let Some(value) = score(report.baseline(name, robot).as_ref()) else {
            continue;
        };
        let ends = [(0.6, value), (depth as f64 + 0.9, value)];
        chart
            .draw_series(DashedLineSeries::new(ends, 6, 4, colour.stroke_width(2)))?
            .label(format!("{name} {value:.3}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .draw_series(LineSeries::new(
            points.iter().copied(),
            MODEL.stroke_width(3),
        ))?
        .label(format!(
            "exits, deepest {:.3}",
            points.last().map_or(0.0, |p| p.1)
        ))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], MODEL.stroke_width(3)));
    chart.draw_series(
        points
            .iter()
            .map(|point| Circle::new(*point, 4, MODEL.filled())),
    )?;
    if let Some(value) = score(report.fastest.per_robot.get(robot)) {
        let at = (report.fastest.mean_stages, value);
        chart
            .draw_series([TriangleMarker::new(at, 7, FASTEST.filled())])?
            .label(format!("fastest {value:.3} at {:.2} stages", at.0))
            .legend(|(x, y)| TriangleMarker::new((x + 9, y), 6, FASTEST.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .label_font(("sans-serif", 13).into_font().color(&INK))
        .draw()?;
    Ok(())
}
