//! Whether the fields of a LaserScan fit each other, whatever the scanner: beam count, field of view,
//! direction of turning and limits are read per message.

use std::f64::consts::TAU;

use super::decode::MAX_ELEMENTS;
use super::laser::LEAST_RANGE;
use super::message::LaserScan;

/// Why a scan cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScanFault {
    #[error("the scan has no ranges")]
    Empty,

    #[error("the scan has {ranges} ranges; at most {MAX_ELEMENTS} are taken")]
    TooMany { ranges: usize },

    #[error("{ranges} ranges, but the angles say {expected}")]
    Count { ranges: usize, expected: u64 },

    #[error(
        "angles {angle_min}..{angle_max} rad in steps of {angle_increment} rad describe no scan; expected finite radians within one turn"
    )]
    Angles {
        angle_min: f32,
        angle_max: f32,
        angle_increment: f32,
    },

    #[error("range limits {range_min}..{range_max} m leave no valid range")]
    Limits { range_min: f32, range_max: f32 },

    #[error("all {ranges} ranges are NaN")]
    AllNan { ranges: usize },

    #[error(
        "{:.1} % of its beams return something, min_returns asks for {:.1} %; look whether the laser \
         is covered or dirty, or lower min_returns of this input in the open",
        100.0 * share, 100.0 * least
    )]
    Blind { share: f32, least: f32 },
}

/// Refuses scans whose fields contradict each other.
pub(super) fn check(scan: &LaserScan) -> Result<(), ScanFault> {
    let ranges = scan.ranges.len();
    if ranges == 0 {
        return Err(ScanFault::Empty);
    }
    if ranges > MAX_ELEMENTS {
        return Err(ScanFault::TooMany { ranges });
    }
    check_angles(scan)?;
    // A range_max of 0, as careless drivers leave it, would make every obstacle invisible.
    let least = scan.range_min.max(LEAST_RANGE);
    if scan.range_max.is_nan() || scan.range_max <= least {
        return Err(ScanFault::Limits {
            range_min: scan.range_min,
            range_max: scan.range_max,
        });
    }
    if scan.ranges.iter().all(|range| range.is_nan()) {
        return Err(ScanFault::AllNan { ranges });
    }
    Ok(())
}

fn check_angles(scan: &LaserScan) -> Result<(), ScanFault> {
    let ranges = scan.ranges.len();
    let (min, max, step) = (
        f64::from(scan.angle_min),
        f64::from(scan.angle_max),
        f64::from(scan.angle_increment),
    );
    let fault = ScanFault::Angles {
        angle_min: scan.angle_min,
        angle_max: scan.angle_max,
        angle_increment: scan.angle_increment,
    };
    // Two turns is far beyond any convention and far below degrees given as radians.
    let sane = |angle: f64| angle.is_finite() && angle.abs() <= 2.0 * TAU;
    if !sane(min) || !sane(max) || !sane(step) {
        return Err(fault);
    }
    if ranges == 1 {
        return Ok(());
    }
    if step == 0.0 {
        return Err(fault);
    }
    let expected = ((max - min) / step).round() + 1.0;
    if expected < 1.0 {
        // The step turns away from angle_max.
        return Err(fault);
    }
    // Drivers differ on whether angle_max is the last beam or the one after; for scans of many
    // beams the rounding of the step adds up.
    let slack = 1.0_f64.max(ranges as f64 * 0.005);
    if (expected - ranges as f64).abs() > slack {
        return Err(ScanFault::Count {
            ranges,
            expected: expected as u64,
        });
    }
    let span = (ranges - 1) as f64 * step.abs();
    if span > TAU * 1.01 + 2.0 * step.abs() {
        return Err(fault);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
