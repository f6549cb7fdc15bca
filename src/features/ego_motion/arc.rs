//! Clearance along an arc: the points of a scan, as seen from a robot that drives on at constant
//! speed and turn rate through a static world.

use std::f32::consts::TAU;

use crate::features::laser::PreparedScan;

/// Points kept of a scan: the nearest of every 3 degrees. The edges of the sectors lie at odd
/// multiples of 1.5 degrees, so that a cone of ± 22.5 degrees has whole ones.
pub(in crate::features) const POINTS: usize = 120;
/// Values of them in a sample: all x, then all y; m, robot frame.
pub(in crate::features) const POINT_VALUES: usize = 2 * POINTS;
/// The place of a missing point; far beyond any laser, and finite, so that turning it does
/// not make a NaN of it.
const NOWHERE: f32 = 1e6;
/// Below this (rad/s) the arc is a straight line.
const STRAIGHT: f32 = 1e-4;

/// Speed and turn rate of a robot that cannot move sideways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::features) struct ArcMotion {
    /// m/s.
    pub forward: f32,
    /// rad/s, left positive.
    pub turn: f32,
}

impl ArcMotion {
    pub(in crate::features) const REST: ArcMotion = ArcMotion {
        forward: 0.0,
        turn: 0.0,
    };
}

/// Points as they lie in a sample.
#[derive(Clone, Copy, Debug)]
pub(in crate::features) struct ScanPoints<'a> {
    x: &'a [f32],
    y: &'a [f32],
}

impl ScanPoints<'_> {
    /// The first `POINT_VALUES` of some values of a sample.
    pub(in crate::features) fn of(values: &[f32]) -> ScanPoints<'_> {
        let (x, y) = values[..POINT_VALUES].split_at(POINTS);
        ScanPoints { x, y }
    }
}

/// Writes the points of a scan that has passed its check.
pub(in crate::features) fn points(beams: &PreparedScan, out: &mut [f32]) {
    let mut found = [(f32::INFINITY, 0.0); POINTS];
    beams.nearest(&mut found);
    let (x, y) = out.split_at_mut(POINTS);
    for ((x, y), (range, angle)) in x.iter_mut().zip(y).zip(found) {
        (*x, *y) = match range.is_finite() {
            true => (range * angle.cos(), range * angle.sin()),
            false => (NOWHERE, NOWHERE),
        };
    }
}

/// The least range (m) in the forward cone after `horizon` s of a motion; at least [`NOWHERE`]
/// when nothing is there. `slope` is the tangent of the cone's half angle.
pub(in crate::features) fn least_after(
    points: ScanPoints<'_>,
    motion: ArcMotion,
    horizon: f32,
    slope: f32,
) -> f32 {
    let turned = motion.turn * horizon;
    let distance = motion.forward * horizon;
    let (sin, cos) = (turned % TAU).sin_cos();
    let (dx, dy) = if motion.turn.abs() < STRAIGHT {
        (distance, 0.0)
    } else {
        (distance * sin / turned, distance * (1.0 - cos) / turned)
    };
    let mut least = f32::INFINITY;
    for (x, y) in points.x.iter().zip(points.y) {
        let (x, y) = (x - dx, y - dy);
        let (ahead, left) = (cos * x + sin * y, cos * y - sin * x);
        let inside = left.abs() <= slope * ahead;
        let square = ahead * ahead + left * left;
        let square = if inside { square } else { f32::INFINITY };
        least = if square < least { square } else { least };
    }
    least.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::prepared;
    use proptest::prelude::*;

    const HALF_ANGLE: f32 = 22.5 * std::f32::consts::PI / 180.0;

    fn after(ranges: Vec<f32>, forward: f32, turn: f32, horizon: f32) -> f32 {
        let mut values = [0.0; POINT_VALUES];
        points(&prepared(ranges), &mut values);
        let motion = ArcMotion { forward, turn };
        least_after(ScanPoints::of(&values), motion, horizon, HALF_ANGLE.tan())
    }

    /// 360 beams, nothing but one return; `degrees` to the left.
    fn post(degrees: usize, range: f32) -> Vec<f32> {
        let mut ranges = vec![0.0; 360];
        ranges[(180 + degrees) % 360] = range;
        ranges
    }

    #[test]
    fn straight_ahead_it_is_the_way_that_is_left() {
        assert!((after(post(0, 2.0), 0.5, 0.0, 1.0) - 1.5).abs() < 1e-3);
        assert!((after(post(0, 2.0), -0.5, 0.0, 1.0) - 2.5).abs() < 1e-3);
        // What has been passed is behind.
        assert!(after(post(0, 0.3), 0.5, 0.0, 1.0) > 1e3);
    }

    #[test]
    fn a_robot_that_turns_sees_what_stood_beside_it() {
        // A post at 60 degrees comes into the cone in a left turn, not in a right one.
        let turn = 60f32.to_radians();
        assert!((after(post(60, 1.0), 0.0, turn, 1.0) - 1.0).abs() < 1e-3);
        assert!(after(post(60, 1.0), 0.0, -turn, 1.0) > 1e3);
        assert!(after(post(0, 1.0), 0.0, turn, 1.0) > 1e3);
    }

    #[test]
    fn a_quarter_circle_ends_where_geometry_says() {
        // Radius 1 m: after a quarter turn to the left the robot is at (1, 1) and looks along +y.
        // A post at (1, 2) is then 1 m ahead: 63.43 degrees to the left, sqrt(5) m away.
        let quarter = TAU / 4.0;
        let found = after(post(63, 5f32.sqrt()), quarter, quarter, 1.0);
        assert!((found - 1.0).abs() < 0.02, "{found}");
    }

    #[test]
    fn nothing_stays_nothing() {
        assert!(after(vec![0.0; 360], 1.0, 2.0, 1.0) > 1e3);
        assert!(after(vec![f32::INFINITY; 360], 1.0, 0.0, 1.0) > 1e3);
    }

    proptest! {
        #[test]
        fn at_rest_it_is_the_clearance(ranges in prop::collection::vec(0.0f32..6.0, 360)) {
            let exact = prepared(ranges.clone()).clearance(HALF_ANGLE).unwrap_or(f32::INFINITY);
            let found = after(ranges, 0.0, 0.0, 1.0);
            prop_assert!((found - exact).abs() < 1e-3 || (found > 1e3 && exact > 1e3));
        }

        #[test]
        fn left_and_right_are_alike(
            ranges in prop::collection::vec(0.2f32..6.0, 360),
            forward in -1.0f32..1.0,
            turn in -3.0f32..3.0,
        ) {
            // Beam i looks along i - 180 degrees; its mirror image is beam 360 - i.
            let mirrored: Vec<f32> = (0..360).map(|i| ranges[(360 - i) % 360]).collect();
            let (left, right) = (after(ranges, forward, turn, 0.5), after(mirrored, forward, -turn, 0.5));
            prop_assert!((left - right).abs() < 2e-2 || (left > 1e3 && right > 1e3), "{left} {right}");
        }
    }
}
