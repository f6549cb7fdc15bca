//! Detects what stays at one place of the scan while the robot drives: most likely a part of the
//! robot. It is reported, and never ignored without the parameter.

use std::f32::consts::TAU;
use std::time::Duration;

use super::prepared_scan::PreparedScan;
use crate::time::Stamp;

/// Directions told apart.
const BINS: usize = 120;
const WIDTH: f32 = TAU / BINS as f32;
/// Nothing of a robot is farther from its laser, m.
const NEAR: f32 = 1.5;
/// Ranges of one thing differ by this at most: m, and part of the range.
const NOISE: f32 = 0.03;
const NOISE_PART: f32 = 0.02;
/// So many scans must have shown it, while the robot went so far (m; a rad of turning counts as
/// half).
const LEAST_SCANS: u32 = 15;
const LEAST_WAY: f64 = 0.6;
/// Beyond the ends of a part of the robot ranges jump by this part.
const JUMP: f32 = 0.35;
/// A wall alongside stands still too. It is wider than this, in bins, and as far to the side
/// everywhere, but for this part.
const WIDE: usize = 12;
const STRAIGHT: f32 = 0.2;
/// The robot counts as standing where less than this part of what is seen moves.
const LEAST_MOVING: f32 = 0.05;
/// Until the same is named again.
const AGAIN: Duration = Duration::from_secs(10);

/// Something that stands still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StaticReturn {
    /// Its right end, rad in the base frame, left positive.
    pub from: f32,
    /// Its left end; less than `from` where it lies across the rear.
    pub to: f32,
    /// The nearest of it, m from the sensor.
    pub range: f32,
}

/// Watches the scans of one laser.
#[derive(Clone, Debug)]
pub struct StaticReturnDetector {
    bins: [DirectionBin; BINS],
    now: [(f32, f32); BINS],
    told: [bool; BINS],
    told_at: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct DirectionBin {
    low: f32,
    high: f32,
    scans: u32,
    missed: u32,
    /// Distance the robot had travelled when it was seen first.
    since: f64,
}

impl DirectionBin {
    fn note(&mut self, range: f32, distance: f64) {
        if !range.is_finite() {
            self.missed += 1;
            if self.missed > 2 + self.scans / 5 {
                self.scans = 0;
            }
            return;
        }
        let (low, high) = (self.low.min(range), self.high.max(range));
        if self.scans > 0 && high - low <= NOISE + NOISE_PART * low {
            (self.low, self.high) = (low, high);
            self.scans += 1;
        } else {
            *self = DirectionBin {
                low: range,
                high: range,
                scans: 1,
                missed: 0,
                since: distance,
            };
        }
    }

    fn stands(&self, distance: f64) -> bool {
        self.scans >= LEAST_SCANS && distance - self.since >= LEAST_WAY
    }
}

impl Default for StaticReturnDetector {
    fn default() -> StaticReturnDetector {
        StaticReturnDetector {
            bins: [DirectionBin::default(); BINS],
            now: [(f32::INFINITY, 0.0); BINS],
            told: [false; BINS],
            told_at: None,
        }
    }
}

impl StaticReturnDetector {
    /// Forgets all scans.
    pub fn reset(&mut self) {
        *self = StaticReturnDetector::default();
    }

    /// Looks at a scan from which the robot's known body was taken out; `distance` is how far the
    /// robot has gone since some beginning, m. Something that stands still comes back once, and
    /// again while it goes on. Takes no memory.
    pub fn look(&mut self, scan: &PreparedScan, distance: f64, now: Stamp) -> Option<StaticReturn> {
        self.now.fill((f32::INFINITY, 0.0));
        scan.nearest(&mut self.now);
        for (bin, (range, _)) in self.bins.iter_mut().zip(&self.now) {
            bin.note(*range, distance);
        }
        if self.told_at.is_some_and(|at| now.since(at) >= AGAIN) {
            self.told.fill(false);
            self.told_at = None;
        }
        let seen = self.bins.iter().filter(|bin| bin.scans > 0).count();
        let standing = self.bins.iter().filter(|bin| bin.stands(distance)).count();
        if standing == 0 || ((seen - standing) as f32) < LEAST_MOVING * seen as f32 {
            return None;
        }
        let candidate =
            |index: usize| self.bins[index].stands(distance) && self.bins[index].low <= NEAR;
        for first in 0..BINS {
            let before = (first + BINS - 1) % BINS;
            if !candidate(first) || candidate(before) {
                continue;
            }
            let length = (1..BINS).find(|length| !candidate((first + length) % BINS));
            let Some(length) = length else {
                continue;
            };
            let last = (first + length - 1) % BINS;
            let news = (0..length).any(|step| !self.told[(first + step) % BINS]);
            let ends = self.ends(first, BINS - 1) && self.ends(last, 1);
            if news && ends && !self.is_wall(first, length) {
                for step in 0..length {
                    self.told[(first + step) % BINS] = true;
                }
                self.told_at.get_or_insert(now);
                let lows = (0..length).map(|step| self.bins[(first + step) % BINS].low);
                return Some(StaticReturn {
                    from: wrapped(first as f32 - 0.5),
                    to: wrapped(last as f32 + 0.5),
                    range: lows.fold(f32::INFINITY, f32::min),
                });
            }
        }
        None
    }

    /// Whether what stands from a bin on goes along with the robot's way.
    fn is_wall(&self, first: usize, length: usize) -> bool {
        let sides = (0..length).map(|step| {
            let index = (first + step) % BINS;
            let (range, angle) = self.now[index];
            if range.is_finite() {
                range * angle.sin()
            } else {
                f32::NAN
            }
        });
        let (least, most) =
            sides.fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), side| {
                // Both take the number when the other is NaN.
                (least.min(side), most.max(side))
            });
        let far = least.abs().max(most.abs());
        length > WIDE && most - least <= STRAIGHT * far + NOISE
    }

    /// Whether what stands in a bin ends there, going on by `step` bins: the next may be half of
    /// it.
    fn ends(&self, bin: usize, step: usize) -> bool {
        let range = self.bins[bin].low;
        let jumps = |index: usize| {
            let (other, _) = self.now[index % BINS];
            !other.is_finite() || (other - range).abs() > JUMP * range
        };
        jumps(bin + step) || jumps(bin + 2 * step)
    }
}

/// From a place in bins to an angle within half a turn.
fn wrapped(bin: f32) -> f32 {
    let angle = bin * WIDTH;
    angle - TAU * (angle / TAU).round()
}

impl StaticReturn {
    /// Both ends in rad, rounded outwards to hundredths.
    pub fn rounded(&self) -> [f32; 2] {
        [
            (self.from * 100.0).floor() / 100.0,
            (self.to * 100.0).ceil() / 100.0,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing;

    const TO_DEGREES: f32 = 180.0 / std::f32::consts::PI;

    /// Drives `metres` in steps of 2 cm through a room 6 m wide and 20 m long; `own` says what of
    /// the robot the laser sees at a degree. Everything that is named.
    fn drive(metres: f64, moves: bool, own: impl Fn(i32) -> Option<f32>) -> Vec<StaticReturn> {
        drive_in(3.0, metres, moves, own)
    }

    fn drive_in(
        half_width: f32,
        metres: f64,
        moves: bool,
        own: impl Fn(i32) -> Option<f32>,
    ) -> Vec<StaticReturn> {
        let mut still = StaticReturnDetector::default();
        let mut named = Vec::new();
        for step in 0..(metres / 0.02) as u64 {
            let distance = step as f64 * 0.02;
            let at = if moves { distance as f32 } else { 0.0 };
            let ranges = (0..360).map(|beam| {
                let degree = beam - 180;
                let (sin, cos) = (degree as f32).to_radians().sin_cos();
                let ahead = if cos > 0.0 { 10.0 - at } else { 10.0 + at };
                let wall = (ahead / cos.abs()).min(half_width / sin.abs());
                let noise = ((beam * 7919 + step as i32 * 104_729) % 21 - 10) as f32 * 1e-3;
                own(degree).unwrap_or(wall) + noise
            });
            let mut scan = testing::scan(ranges.collect());
            scan.range_max = 30.0;
            let beams = testing::prepare(&scan, 0.0);
            let now = testing::at(step as i64 * 100);
            named.extend(still.look(&beams, distance, now));
        }
        named
    }

    fn mast(degree: i32) -> Option<f32> {
        (8..=20).contains(&degree).then_some(0.16)
    }

    #[test]
    fn a_mast_is_named_with_its_place() {
        let named = drive(1.2, true, mast);
        assert_eq!(named.len(), 1, "{named:?}");
        let (from, to) = (named[0].from * TO_DEGREES, named[0].to * TO_DEGREES);
        assert!(
            (4.0..=8.0).contains(&from) && (20.0..=24.0).contains(&to),
            "{named:?}"
        );
        assert!((named[0].range - 0.15).abs() < 0.011);
        let again = drive(4.0, true, mast);
        assert!((2..=4).contains(&again.len()), "now and then: {again:?}");
    }

    #[test]
    fn two_parts_are_named_each_and_one_behind_goes_across_the_rear() {
        let both = |degree: i32| match degree {
            _ if degree.abs() > 170 => Some(0.3),
            40..=50 => Some(0.2),
            _ => None,
        };
        let named = drive(1.0, true, both);
        assert_eq!(named.len(), 2, "{named:?}");
        assert!(
            named.iter().any(|one| one.from > 2.0 && one.to < -2.0),
            "{named:?}"
        );
    }

    #[test]
    fn a_robot_that_stands_or_goes_a_little_way_names_nothing() {
        assert_eq!(drive(0.5, true, mast), []);
        // Its odometry says that it drives, and nothing moves.
        assert_eq!(drive(4.0, false, mast), []);
    }

    #[test]
    fn walls_alongside_are_not_the_robot() {
        for half_width in [0.3, 0.6, 1.2, 3.0] {
            assert_eq!(
                drive_in(half_width, 4.0, true, |_| None),
                [],
                "{half_width} m"
            );
        }
        // The field of view ends where the wall stands.
        let narrow = |degree: i32| (degree.abs() > 90).then_some(0.0);
        assert_eq!(drive_in(0.5, 4.0, true, narrow), []);
    }

    #[test]
    fn what_was_taken_out_of_the_scan_is_not_named() {
        let hidden = |degree: i32| mast(degree).map(|_| f32::NAN);
        assert_eq!(drive(2.0, true, hidden), []);
    }

    #[test]
    fn what_the_parameter_is_told_holds_all_of_it() {
        let standing = StaticReturn {
            from: 0.0786,
            to: 0.3403,
            range: 0.2,
        };
        let [from, to] = standing.rounded();
        assert!(from <= standing.from && to >= standing.to && to - from < 0.29);
    }
}
