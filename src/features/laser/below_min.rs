//! Decides whether a positive value below range_min is a measurement of something too near, or a
//! driver's code.
//!
//! A thing that near is wide: it is seen by neighbouring beams, at ranges that vary by noise and
//! slant, or go on beside it where the sensor still measures, or it has approached. A code is
//! exactly one of a few constants, in places that have nothing to do with each other, with nothing
//! near around it. In between, a value counts as near at first sight where it could be a thing of 1
//! cm or more, and from its third scan at one place on where it could be a thinner one; until it
//! turns out that it does not vary at all where everything else does. Values of a few millimetres
//! lie inside the sensor and are codes always.

use std::ops::Range;

use super::blind_zone::BlindZone;
use super::driver_codes::{CodePlace, DIRECTIONS, DriverCodes};
use super::range_value::RangeLimits;
use super::scan_geometry::ScanGeometry;
use super::settings::BelowMin;

/// Inside the sensor's own housing, m.
const HOUSING: f32 = 0.025;
/// A run of beams narrower than this is no measurement at first sight, m.
const THIN: f32 = 0.01;
/// Scans after which what stands at one place is real however thin it is.
const STANDS: u8 = 3;
/// Values of a run that differ are a measurement, not two codes side by side.
const VARIED: usize = 3;
/// A surface goes on beside a run when the next range is off by less than this, m and share.
const GOES_ON: (f32, f32) = (0.05, 0.15);
/// The same value over an arc on which a plane differs by this (m) is no surface, even to a sensor
/// that measures in centimetres.
const ARC: f32 = 0.012;

/// Judges the values of one source, scan by scan.
#[derive(Clone, Debug, Default)]
pub(super) struct BelowMinFilter {
    codes: DriverCodes,
    /// Per beam: scans in a row in which something thin stood there or beside it.
    stood: Vec<u8>,
}

/// The meaning of neighbouring beams with values below range_min.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BeamGroup {
    /// It varies, goes on or has approached.
    Measured,
    /// It could be.
    Wide,
    /// It is too thin to tell yet.
    Thin,
}

struct Scan<'a> {
    ranges: &'a [f32],
    limits: RangeLimits,
    step: f32,
}

impl BelowMinFilter {
    pub(super) fn reset(&mut self) {
        self.stood.clear();
    }

    /// The constants that turned out to be codes, m.
    pub(super) fn codes(&self) -> &[f32] {
        self.codes.known()
    }

    /// Writes what is a measurement over `out`. How many beams that are, and the first range of
    /// them.
    pub(super) fn judge(
        &mut self,
        mode: BelowMin,
        (ranges, shape): (&[f32], ScanGeometry),
        limits: RangeLimits,
        (zone, time): (&mut BlindZone, i64),
        out: &mut [f32],
    ) -> Option<(usize, f32)> {
        let mut measured = None;
        let mut count = |range: f32| {
            let (count, _) = measured.get_or_insert((0, range));
            *count += 1;
        };
        let scan = Scan {
            ranges,
            limits,
            step: shape.step.abs(),
        };
        if mode == BelowMin::Near {
            for (beam, &range) in ranges.iter().enumerate() {
                if limits.is_below(range) {
                    out[beam] = range;
                    zone.measure(beam, range, time);
                    count(range);
                }
            }
            return measured;
        }
        self.learn(&scan, zone, time);
        if self.stood.len() != ranges.len() {
            self.stood.clear();
            self.stood.resize(ranges.len(), 0);
        }
        let mut clear_from = 0;
        // What stood at the beam before the next one, before it is written over.
        let mut before = 0;
        let mut next = 0;
        while let Some(run) = scan.run(next, &self.codes) {
            next = run.end;
            let approached = run
                .clone()
                .any(|beam| zone.approached(beam, limits.least, time));
            let verdict = scan.verdict(&run, approached);
            if clear_from < run.start {
                before = self.stood[run.start - 1];
                self.stood[clear_from..run.start].fill(0);
            }
            clear_from = run.end;
            for beam in run.clone() {
                let stood = self.stood[beam];
                let after = self.stood.get(beam + 1).copied().unwrap_or(0);
                let longest = before.max(stood).max(after);
                before = stood;
                self.stood[beam] = match verdict {
                    BeamGroup::Thin => longest.saturating_add(1),
                    _ => 0,
                };
                if verdict != BeamGroup::Thin || self.stood[beam] >= STANDS {
                    out[beam] = ranges[beam];
                    count(ranges[beam]);
                }
                if verdict == BeamGroup::Measured {
                    zone.measure(beam, ranges[beam], time);
                }
            }
        }
        self.stood[clear_from..].fill(0);
        measured
    }

    /// Finds out which values are codes.
    fn learn(&mut self, scan: &Scan, zone: &BlindZone, time: i64) {
        self.codes.begin();
        for &range in scan.ranges {
            if scan.limits.is_below(range) && range < HOUSING {
                self.codes.convict(range);
            }
        }
        let mut next = 0;
        while let Some(run) = scan.run(next, &self.codes) {
            next = run.end;
            let least = scan.limits.least;
            let approached = run.clone().any(|beam| zone.approached(beam, least, time));
            let verdict = scan.verdict(&run, approached);
            if let Some(value) = scan.arc(&run) {
                if !approached {
                    self.codes.convict(value);
                }
            } else if verdict != BeamGroup::Measured {
                let middle = (run.start + run.end) / 2;
                let direction = middle * DIRECTIONS / scan.ranges.len().max(1);
                let other = scan.other(&run);
                let place = CodePlace {
                    direction,
                    wide: verdict == BeamGroup::Wide,
                    beams: if other.is_none() { run.len() } else { 1 },
                };
                self.codes.suspect(scan.ranges[run.start], place);
                if let Some(other) = other {
                    self.codes.suspect(other, place);
                }
            }
        }
        let varies = zone.varies(scan.ranges, scan.limits, time);
        self.codes.settle(varies);
    }
}

impl Scan<'_> {
    fn is_open(&self, beam: usize, codes: &DriverCodes) -> bool {
        let range = self.ranges[beam];
        range >= HOUSING && self.limits.is_below(range) && !codes.is_known(range)
    }

    /// The next neighbouring beams with values that may be measurements.
    fn run(&self, from: usize, codes: &DriverCodes) -> Option<Range<usize>> {
        let beams = self.ranges.len();
        let start = (from..beams).find(|&beam| self.is_open(beam, codes))?;
        let end = (start..beams).find(|&beam| !self.is_open(beam, codes));
        Some(start..end.unwrap_or(beams))
    }

    fn verdict(&self, run: &Range<usize>, approached: bool) -> BeamGroup {
        if approached || self.distinct(run) >= VARIED || self.goes_on(run) {
            return BeamGroup::Measured;
        }
        let nearest = self.ranges[run.clone()].iter().copied();
        let nearest = nearest.fold(f32::INFINITY, f32::min);
        match run.len() as f32 * self.step * nearest >= THIN {
            true => BeamGroup::Wide,
            false => BeamGroup::Thin,
        }
    }

    /// Different values of a run, as far as they matter.
    fn distinct(&self, run: &Range<usize>) -> usize {
        let mut seen = [0.0; VARIED];
        let mut count = 0;
        for &range in &self.ranges[run.clone()] {
            if !seen[..count].contains(&range) {
                seen[count] = range;
                count += 1;
                if count == VARIED {
                    break;
                }
            }
        }
        count
    }

    /// A value of a run that differs from its first.
    fn other(&self, run: &Range<usize>) -> Option<f32> {
        let first = self.ranges[run.start];
        let mut ranges = self.ranges[run.clone()].iter();
        ranges.find(|range| **range != first).copied()
    }

    /// Whether the surface is seen beside the run, where the sensor can measure it or says that it
    /// is too near.
    fn goes_on(&self, run: &Range<usize>) -> bool {
        let beside = |end: f32, beam: Option<usize>| {
            let range = beam.and_then(|beam| self.ranges.get(beam)).copied();
            let step = GOES_ON.0.max(GOES_ON.1 * end);
            range.is_some_and(|range| {
                let measured = range >= self.limits.least && range <= self.limits.most;
                range == f32::NEG_INFINITY || (measured && range - end <= step)
            })
        };
        beside(self.ranges[run.start], run.start.checked_sub(1))
            || beside(self.ranges[run.end - 1], Some(run.end))
    }

    /// The value that a run repeats over an arc that no surface follows.
    fn arc(&self, run: &Range<usize>) -> Option<f32> {
        let mut start = run.start;
        for beam in run.clone() {
            let value = self.ranges[start];
            if self.ranges[beam] != value {
                start = beam;
                continue;
            }
            let half = (beam - start) as f32 * self.step / 2.0;
            let bends =
                half >= std::f32::consts::FRAC_PI_2 || value * (half.cos().recip() - 1.0) >= ARC;
            if bends {
                return Some(value);
            }
        }
        None
    }
}
