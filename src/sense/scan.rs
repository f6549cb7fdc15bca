//! What a LaserScan says about the surroundings of the robot, whatever the scanner: beam count,
//! field of view, direction of turning, limits and coding of "no return" are read per message.

use std::f64::consts::TAU;

use super::decode::MAX_ELEMENTS;
use super::message::LaserScan;

/// Below this no scanner measures; a range_min of 0 must not turn the "no return" code 0 into an
/// obstacle.
const LEAST_RANGE: f32 = 0.001;

/// Beams within this share of a sector of an edge belong to the sectors on both sides, so that
/// rounding in the driver's angles cannot decide and left and right are treated alike.
const EDGE: f64 = 1e-4;

/// Likewise for the two ends of the forward cone, in rad.
const CONE_EDGE: f64 = 1e-5;

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
}

/// The beams of a scan that can be trusted, and where they look.
pub(super) struct Beams<'a> {
    ranges: &'a [f32],
    least: f32,
    most: f32,
    /// Angle of beam 0 in the robot frame, rad, not wrapped.
    first: f64,
    step: f64,
}

impl<'a> Beams<'a> {
    fn new(scan: &'a LaserScan, yaw: f32) -> Self {
        Beams {
            ranges: &scan.ranges,
            // f32::max takes the number when the other is NaN.
            least: scan.range_min.max(LEAST_RANGE),
            most: scan.range_max,
            first: f64::from(scan.angle_min) + f64::from(yaw),
            step: f64::from(scan.angle_increment),
        }
    }

    /// Index and range of the valid beams. NaN fails both comparisons; infinity is excluded even
    /// where range_max is infinite.
    fn valid(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        let (least, most) = (self.least, self.most.min(f32::MAX));
        let ranges = self.ranges.iter().copied().enumerate();
        ranges.filter(move |&(_, range)| range >= least && range <= most)
    }

    fn angle(&self, beam: usize) -> f64 {
        self.first + beam as f64 * self.step
    }
}

/// c(t) of the clearance task: the least valid range (m) among the beams within `half_angle` (rad)
/// of the robot's forward direction; none when no beam there is valid ("far"). A beam is valid
/// when it is finite and max(range_min, 1 mm) ≤ range ≤ range_max. `yaw` (rad) is added to the
/// scan's angles to get angles in the robot frame.
pub fn clearance(scan: &LaserScan, yaw: f32, half_angle: f32) -> Option<f32> {
    let beams = Beams::new(scan, yaw);
    let reach = f64::from(half_angle) + CONE_EDGE;
    beams
        .valid()
        .filter(|&(beam, _)| {
            let angle = beams.angle(beam);
            let wrapped = angle - TAU * (angle / TAU).round();
            wrapped.abs() <= reach
        })
        .map(|(_, range)| range)
        .reduce(f32::min)
}

/// Share of a scan's beams that return something valid, 0..1; 0 for a scan without beams.
pub fn returns(scan: &LaserScan) -> f32 {
    Beams::new(scan, 0.0).valid().count() as f32 / scan.ranges.len().max(1) as f32
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

/// Writes 2 × count features: least valid range per sector / far, clamped to 0..1 (1 without a
/// valid beam), then 1 where the sector has a valid beam. The scan must have passed `check`.
pub(super) fn sectors(scan: &LaserScan, yaw: f32, far: f32, out: &mut [f32]) {
    let count = out.len() / 2;
    let (near, seen) = out.split_at_mut(count);
    near.fill(1.0);
    seen.fill(0.0);
    let per_far = far.recip();
    by_sector(scan, yaw, count, |sector, _, range| {
        near[sector] = near[sector].min((range * per_far).min(1.0));
        seen[sector] = 1.0;
    });
}

/// Range (m) and angle (rad, robot frame, not wrapped) of the nearest valid beam of every sector;
/// sectors without one are left alone. The scan must have passed `check`.
pub(super) fn nearest(scan: &LaserScan, yaw: f32, out: &mut [(f32, f32)]) {
    let angles = Beams::new(scan, yaw);
    by_sector(scan, yaw, out.len(), |sector, beam, range| {
        if range < out[sector].0 {
            out[sector] = (range, angles.angle(beam) as f32);
        }
    });
}

/// Calls `note` with sector, beam and range (m) of every valid beam; one on an edge belongs to
/// both sectors.
fn by_sector(scan: &LaserScan, yaw: f32, count: usize, mut note: impl FnMut(usize, usize, f32)) {
    if count == 0 {
        return;
    }
    let beams = Beams::new(scan, yaw);
    // Angles in sectors, shifted by half a sector so that sector 0 is 0..1, and by whole turns so
    // that the least is in the second turn: truncation is then the floor, and a few subtractions
    // are the remainder. Both are much cheaper than the general ones.
    let turn = count as f64;
    let stride = beams.step * turn / TAU;
    let start = beams.first * turn / TAU + 0.5;
    let least = start.min(start + stride * beams.ranges.len() as f64);
    let start = start - turn * (least / turn).floor() + turn;
    let wrap = |mut sector: usize| {
        while sector >= count {
            sector -= count;
        }
        sector
    };
    for (beam, range) in beams.valid() {
        let at = start + beam as f64 * stride;
        let (low, high) = ((at - EDGE) as usize, (at + EDGE) as usize);
        note(wrap(low), beam, range);
        if high != low {
            note(wrap(high), beam, range);
        }
    }
}

#[cfg(test)]
mod tests;
