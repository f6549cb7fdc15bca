//! A prepared scan: its beams as features read them, and the queries that features make.

use std::f64::consts::TAU;

use crate::features::frames::Mount;
use crate::messages::LaserScan;

/// As stored: nothing within the sensor's reach.
pub(super) const NO_RETURN: f32 = f32::INFINITY;
/// As stored: the beam is unknown.
pub(super) const UNKNOWN: f32 = f32::NAN;

/// Beams within this share of a sector of an edge belong to the sectors on both sides, so that
/// rounding in the driver's angles cannot decide and left and right are treated alike.
const EDGE: f64 = 1e-4;

/// Likewise for the two ends of the forward cone, in rad.
const CONE_EDGE: f64 = 1e-5;

/// The meaning of one beam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beam {
    /// Something is there, at this range in m, or nearer where that is the least the sensor can
    /// measure.
    At(f32),
    /// Nothing within the sensor's reach.
    NoReturn,
    /// The beam is unknown.
    Unknown,
}

/// A prepared scan: one entry per beam, and where the beams look in the robot frame.
#[derive(Clone, Debug, Default)]
pub struct PreparedScan {
    /// m, [`NO_RETURN`] or [`UNKNOWN`].
    ranges: Vec<f32>,
    /// Angle of beam 0 in the robot frame, rad, not wrapped.
    first: f64,
    step: f64,
    /// Beams that are the robot's own body or not looked at.
    taken: usize,
    /// Of those ahead, and how many there are ahead.
    taken_ahead: (usize, usize),
}

impl PreparedScan {
    /// Takes the shape of a scan by a laser that is mounted like this.
    pub(super) fn point(&mut self, scan: &LaserScan, mount: &Mount) {
        self.ranges.clear();
        self.ranges.resize(scan.ranges.len(), UNKNOWN);
        self.first = mount.sense() * f64::from(scan.angle_min) + f64::from(mount.yaw);
        // A single beam needs no step, and its driver may have left anything there.
        self.step = match scan.ranges.len() {
            0 | 1 => 0.0,
            _ => mount.sense() * f64::from(scan.angle_increment),
        };
        (self.taken, self.taken_ahead) = (0, (0, 0));
    }

    /// So many beams were taken out, and so many of those ahead, of which there are so many.
    pub(super) fn taken_out(&mut self, taken: usize, taken_ahead: (usize, usize)) {
        (self.taken, self.taken_ahead) = (taken, taken_ahead);
    }

    /// How many beams ahead were taken out, of how many there are, where too few are left.
    pub fn hidden_ahead(&self) -> Option<(usize, usize)> {
        let (taken, ahead) = self.taken_ahead;
        let left = (ahead - taken) as f64;
        (taken > 0 && left < LEAST_AHEAD * ahead as f64).then_some((taken, ahead))
    }

    /// Beams.
    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// As stored.
    pub(super) fn ranges_mut(&mut self) -> &mut [f32] {
        &mut self.ranges
    }

    /// Every beam in the message's order.
    pub fn beams(&self) -> impl Iterator<Item = Beam> + '_ {
        self.ranges.iter().map(|&range| {
            if range.is_nan() {
                Beam::Unknown
            } else if range.is_infinite() {
                Beam::NoReturn
            } else {
                Beam::At(range)
            }
        })
    }

    /// Where a beam looks, rad in the robot frame, left positive, not wrapped.
    pub fn angle(&self, beam: usize) -> f64 {
        self.first + beam as f64 * self.step
    }

    /// Index and range (m) of the beams that see something.
    fn seen(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        let ranges = self.ranges.iter().copied().enumerate();
        ranges.filter(|(_, range)| range.is_finite())
    }

    /// Share of the beams that see something, 0..1, without those taken out; 0 for a scan without
    /// beams.
    pub fn returns(&self) -> f32 {
        self.seen().count() as f32 / (self.ranges.len() - self.taken).max(1) as f32
    }

    /// c(t) of the clearance task: the least range (m) among the beams within `half_angle` (rad) of
    /// the robot's forward direction; none when no beam there sees anything ("far").
    pub fn clearance(&self, half_angle: f32) -> Option<f32> {
        let reach = f64::from(half_angle) + CONE_EDGE;
        self.seen()
            .filter(|&(beam, _)| {
                let angle = self.angle(beam);
                let wrapped = angle - TAU * (angle / TAU).round();
                wrapped.abs() <= reach
            })
            .map(|(_, range)| range)
            .reduce(f32::min)
    }

    /// Writes 2 × count features: least range per sector / far, clamped to 0..1 (1 where nothing is
    /// seen), then 1 where the sector has a beam that sees something. The scan must have passed its
    /// check.
    pub(in crate::features) fn sectors(&self, far: f32, out: &mut [f32]) {
        let count = out.len() / 2;
        let (near, seen) = out.split_at_mut(count);
        near.fill(1.0);
        seen.fill(0.0);
        let per_far = far.recip();
        self.by_sector(count, |sector, _, range| {
            near[sector] = near[sector].min((range * per_far).min(1.0));
            seen[sector] = 1.0;
        });
    }

    /// Range (m) and angle (rad, robot frame, not wrapped) of the nearest beam of every sector;
    /// sectors in which nothing is seen are left alone. The scan must have passed its check.
    pub(in crate::features) fn nearest(&self, out: &mut [(f32, f32)]) {
        self.by_sector(out.len(), |sector, beam, range| {
            if range < out[sector].0 {
                out[sector] = (range, self.angle(beam) as f32);
            }
        });
    }

    /// Calls `note` with sector, beam and range (m) of every beam that sees something; one on an
    /// edge belongs to both sectors.
    fn by_sector(&self, count: usize, mut note: impl FnMut(usize, usize, f32)) {
        if count == 0 {
            return;
        }
        // Angles in sectors, shifted by half a sector so that sector 0 is 0..1, and by whole turns
        // so that the least is in the second turn: truncation is then the floor, and a few
        // subtractions are the remainder. Both are much cheaper than the general ones.
        let turn = count as f64;
        let stride = self.step * turn / TAU;
        let start = self.first * turn / TAU + 0.5;
        let least = start.min(start + stride * self.ranges.len() as f64);
        let start = start - turn * (least / turn).floor() + turn;
        let wrap = |mut sector: usize| {
            for _ in 0..2 {
                match sector >= count {
                    true => sector -= count,
                    false => return sector,
                }
            }
            // A check that let a wider scan through must not cost more than this division.
            sector % count
        };
        for (beam, range) in self.seen() {
            let at = start + beam as f64 * stride;
            let (low, high) = ((at - EDGE) as usize, (at + EDGE) as usize);
            note(wrap(low), beam, range);
            if high != low {
                note(wrap(high), beam, range);
            }
        }
    }
}

/// Of the beams ahead that must be left, 0..1.
pub const LEAST_AHEAD: f64 = 0.25;
