//! Checks that the fields of a LaserScan fit each other, for any scanner: beam count, field of
//! view, direction of turning and limits are read per message.

use std::f64::consts::TAU;

use super::range_value::LEAST_RANGE;
use crate::messages::LaserScan;
use crate::messages::decode_in_place::MAX_ELEMENTS;

/// Angles that span nearly what the beams span, the other way round, are those of the beams.
const LIKE: f64 = 0.25;

/// No scanner turns by less between two beams, rad.
const LEAST_STEP: f64 = 1e-5;

/// Why a scan cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant has its sentence")]
pub enum ScanFault {
    #[error("the scan has no ranges")]
    Empty,

    #[error("the scan has {ranges} ranges; at most {MAX_ELEMENTS} are taken")]
    TooMany { ranges: usize },

    #[error(
        "{ranges} ranges, but angle_min, angle_max and angle_increment say {expected}; the scan is cut, \
         or angle_increment is too small"
    )]
    Count { ranges: usize, expected: u64 },

    #[error("angle_min is {angle_min}; expected a finite angle in rad, within two turns of 0{}", degrees(*.angle_min, 1))]
    Start { angle_min: f32 },

    #[error(
        "angle_increment is {angle_increment}, with {ranges} ranges; expected the angle between two \
         beams in rad, {LEAST_STEP} to a turn"
    )]
    Step { angle_increment: f32, ranges: usize },

    #[error(
        "{ranges} ranges in steps of {angle_increment} rad (angle_increment) make {:.1} turns; expected \
         one at most{}",
        turns(*.ranges, *.angle_increment), degrees(*.angle_increment, *.ranges)
    )]
    Turns { ranges: usize, angle_increment: f32 },

    #[error(
        "angle_increment is {angle_increment} ({}), but angle_max ({angle_max}) lies {} angle_min \
         ({angle_min}): {}; left and right cannot be told apart until the driver says a {} step, or \
         exchanges angle_min and angle_max",
        match *.angle_increment < 0.0 { true => "negative: clockwise", false => "positive: counter-clockwise" },
        match *.angle_increment < 0.0 { true => "above", false => "below" },
        match *.angle_increment < 0.0 { true => "counter-clockwise", false => "clockwise" },
        match *.angle_increment < 0.0 { true => "positive", false => "negative" },
    )]
    Direction {
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

    #[error(
        "{hidden} of its {ahead} beams ahead are inside the footprint or ignored, so that what is \
         ahead cannot be seen; look whether the laser is covered, and correct footprint, robot_radius \
         or ignore"
    )]
    Hidden { hidden: usize, ahead: usize },
}

/// Refuses scans whose fields contradict each other.
pub(in crate::features) fn check(scan: &LaserScan) -> Result<(), ScanFault> {
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

/// `angle_min`, the step and the count say where every beam looks. `angle_max` is what drivers get
/// wrong most: it is held against them only where it shows that beams are missing, or that the step
/// has the wrong sign.
fn check_angles(scan: &LaserScan) -> Result<(), ScanFault> {
    let ranges = scan.ranges.len();
    let LaserScan {
        angle_min,
        angle_max,
        angle_increment,
        ..
    } = *scan;
    let (min, max, step) = (
        f64::from(angle_min),
        f64::from(angle_max),
        f64::from(angle_increment),
    );
    // Two turns is far beyond any convention and far below degrees given as radians.
    if !min.is_finite() || min.abs() > 2.0 * TAU {
        return Err(ScanFault::Start { angle_min });
    }
    if ranges == 1 {
        return Ok(());
    }
    if !(LEAST_STEP..=TAU).contains(&step.abs()) {
        return Err(ScanFault::Step {
            angle_increment,
            ranges,
        });
    }
    let within_a_turn = |span: f64| span <= TAU * 1.01 + 2.0 * step.abs();
    let span = (ranges - 1) as f64 * step.abs();
    if !within_a_turn(span) {
        return Err(ScanFault::Turns {
            ranges,
            angle_increment,
        });
    }
    let said = max - min;
    if !said.is_finite() || !within_a_turn(said.abs()) {
        return Ok(());
    }
    let expected = (said / step).round() + 1.0;
    if expected < 1.0 && (said.abs() - span).abs() <= LIKE * span {
        return Err(ScanFault::Direction {
            angle_min,
            angle_max,
            angle_increment,
        });
    }
    if expected + 1.0 >= 2.0 * ranges as f64 && expected > 4.0 {
        return Err(ScanFault::Count {
            ranges,
            expected: expected as u64,
        });
    }
    Ok(())
}

fn turns(ranges: usize, step: f32) -> f64 {
    ranges.saturating_sub(1) as f64 * f64::from(step).abs() / TAU
}

/// A hint where so many steps of a value that is too large in rad are an angle in degrees.
fn degrees(value: f32, steps: usize) -> String {
    let rad = f64::from(value).to_radians();
    match (0.45..=TAU * 1.01).contains(&(rad.abs() * steps as f64)) {
        true => format!("; {value} looks like degrees, which are {rad:.5} rad"),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests;
