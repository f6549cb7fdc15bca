//! Keeps what came nearer than the sensor can measure, beam by beam, until its beam is seen free or
//! the scene shows that the robot has left.
//!
//! A value of 0.0, NaN or a code is no measurement. Where the beam was measured shortly before, and
//! would by now be nearer than range_min at the speed it came with, that nothing is a thing in the
//! blind zone: it counts at range_min, and nearer with every scan, at that speed, down to half of
//! it. It ends when the beam measures again, or says a range above range_max. +inf is "no return"
//! (REP 117), but some drivers say it when something is too near as well: where two neighbouring
//! beams were approaching, and would be there now, they stay near under +inf too; what stood still
//! goes free. -inf means "too near" by itself.
//!
//! Where no valid return comes back (open space behind a driver that says 0.0 there), the robot has
//! left when, after a second or more, most of what else was in sight when it began is not where it
//! was, part of it farther; the scene is remembered again every few seconds. With nothing else in
//! sight nothing ends it but a measurement: turning gives one. Motion by odometry is not used: not
//! every robot has one, and a wrong one must not free the way.

use super::range_value::{LEAST_RANGE, RangeLimits};
use super::scan_geometry::ScanGeometry;

/// A measurement older than this is not used, ns.
const RECENT_NS: i64 = 1_500_000_000;
/// A beam that vanishes later than this after its last range was lost for another reason, ns.
/// Drivers lose beams for seconds at any range: with 1.5 s here, and the way of 1.5 s, the recorded
/// robots would have stopped twice as often as they had to.
const MOMENT_NS: i64 = 600_000_000;
/// Fewer ranges in a row are a stray beam.
const LEAST_COUNT: u8 = 3;
/// A robot that comes so near drives no faster, m/s; what a turning one sweeps past does.
const DRIVES: f32 = 1.0;
/// Noise, m.
const MARGIN: f32 = 0.03;
/// Likewise where the value means "no return" to most drivers.
const TIGHT_MARGIN: f32 = 0.01;
/// Slower than this (m/s) nothing approaches.
const SLOWEST: f32 = 0.05;
/// Nothing comes faster, m/s.
const FASTEST: f32 = 2.5;
/// Noise between two ranges of one thing, m.
const NOISE: f32 = 0.1;
/// Speeds are taken over this long at least, and about this long at most, s.
const STEP_S: f32 = 0.25;
const SPAN_S: f32 = 0.6;
/// How deep in the blind zone a thing is taken to be at most, in parts of range_min: a laser never
/// says the rest, so that no model has learned what it means.
const INNER: f32 = 0.5;
/// The robot is not taken to have left before this time, ns.
const STAYS_NS: i64 = 1_000_000_000;
/// Something that came too near has arrived after this, and the scene is remembered again; and then
/// at times, ns.
const COMES_NS: i64 = 2_000_000_000;
const AGAIN_NS: i64 = 5_000_000_000;
/// Fewer beams than this, and than this share (percent) of all, tell nothing about the scene.
const LEAST_SCENE: (usize, usize) = (8, 10);
/// The share of them that must have changed, and that must be farther or gone, in percent: on going
/// on towards a wall all else comes nearer.
const CHANGED: usize = 60;
const FARTHER: usize = 30;
/// Off by less than this much (m) and this share, a range has not changed.
const SAME: (f32, f32) = (0.3, 0.3);

/// The beams of one source, in memory of their number.
#[derive(Clone, Debug, Default)]
pub(super) struct BlindZone {
    tracks: Vec<Track>,
    /// For a scan of another shape.
    spare: Vec<Track>,
    shape: Option<ScanGeometry>,
    /// Since when something is held.
    since: Option<i64>,
    /// When the scene was remembered.
    looked: Option<i64>,
}

/// The last measurement in one direction.
#[derive(Clone, Copy, Debug)]
struct Track {
    /// m
    range: f32,
    /// When, ns.
    seen: i64,
    /// Measurements of one thing in a row.
    count: u8,
    /// An earlier one of the same thing, m and ns.
    older: (f32, i64),
    /// Speed at which it came nearer, m/s; at least 0.
    closing: f32,
    /// Whether something in the blind zone is taken to be there.
    held: bool,
    /// The range when the scene was remembered, m; NaN without one.
    then: f32,
}

impl Default for Track {
    fn default() -> Track {
        Track {
            range: f32::INFINITY,
            seen: i64::MIN,
            count: 0,
            older: (f32::INFINITY, i64::MIN),
            closing: 0.0,
            held: false,
            then: f32::NAN,
        }
    }
}

impl Track {
    /// Seconds since it was measured; none where that is too long ago, or not yet.
    fn gap(&self, time: i64) -> Option<f32> {
        let gap = time.saturating_sub(self.seen);
        (0..=RECENT_NS).contains(&gap).then_some(gap as f32 * 1e-9)
    }

    fn measure(&mut self, range: f32, time: i64) {
        let off = (self.range - range).abs();
        match self.gap(time) {
            // Twice in one moment.
            Some(gap) if gap < 1e-3 => {}
            Some(gap) if off <= NOISE + FASTEST * gap.min(STEP_S) => {
                self.count = self.count.saturating_add(1);
                let span = time.saturating_sub(self.older.1) as f32 * 1e-9;
                if span >= STEP_S {
                    self.closing = ((self.older.0 - range) / span).clamp(0.0, FASTEST);
                }
                if span >= SPAN_S {
                    self.older = (range, time);
                }
            }
            _ => {
                (self.count, self.closing, self.older) = (1, 0.0, (range, time));
            }
        }
        (self.range, self.seen, self.held) = (range, time, false);
    }

    /// How near it may be by now, m, if it was measured a moment ago; none if it was not.
    fn by_now(&self, time: i64) -> Option<f32> {
        let gap = time.saturating_sub(self.seen);
        if self.count < LEAST_COUNT || !(0..=MOMENT_NS).contains(&gap) {
            return None;
        }
        let gap = (gap as f32 * 1e-9).min(STEP_S);
        Some(self.range - self.closing.min(DRIVES) * gap)
    }

    /// Whether what was measured is nearer than `least` by now.
    fn approached(&self, least: f32, time: i64) -> bool {
        self.by_now(time).is_some_and(|now| now <= least + MARGIN)
    }

    /// Likewise, and it was coming.
    fn surely_approached(&self, least: f32, time: i64) -> bool {
        let now = self.by_now(time);
        self.closing >= SLOWEST && now.is_some_and(|now| now <= least + TIGHT_MARGIN)
    }

    /// Its estimated range in the blind zone, m.
    fn inside(&self, least: f32, time: i64) -> f32 {
        let gap = time.saturating_sub(self.seen).max(0) as f32 * 1e-9;
        let now = self.range - self.closing * gap;
        now.min(least).max(INNER * least).max(LEAST_RANGE)
    }

    /// By how much it is farther than then, m; 0 where that is not known. None where it is the
    /// same.
    fn moved(&self, time: i64) -> Option<f32> {
        if self.seen != time {
            return Some(0.0);
        }
        let off = self.range - self.then;
        (off.abs() > SAME.0 + SAME.1 * self.then).then_some(off)
    }
}

impl BlindZone {
    pub(super) fn reset(&mut self) {
        self.tracks.fill(Track::default());
        (self.since, self.looked) = (None, None);
    }

    /// The next scan looks like this: what is known of a direction goes to the beam that looks
    /// there.
    pub(super) fn follow(&mut self, shape: ScanGeometry) {
        if self.shape == Some(shape) {
            return;
        }
        let before = self.shape.replace(shape);
        self.spare.clear();
        for beam in 0..shape.beams {
            let angle = shape.first + beam as f32 * shape.step;
            let at = before.map(|before| ((angle - before.first) / before.step).round());
            let track = at.filter(|at| *at >= 0.0);
            let track = track.and_then(|at| self.tracks.get(at as usize)).copied();
            self.spare.push(track.unwrap_or_default());
        }
        std::mem::swap(&mut self.tracks, &mut self.spare);
    }

    /// Notes a measurement below range_min.
    pub(super) fn measure(&mut self, beam: usize, range: f32, time: i64) {
        self.tracks[beam].measure(range, time);
    }

    /// Whether something in this beam has come to `least` (m) or nearer.
    pub(super) fn approached(&self, beam: usize, least: f32, time: i64) -> bool {
        let track = &self.tracks[beam];
        track.held || track.approached(least, time)
    }

    /// Whether most of a scan's measurements, not noted yet, are others than before: by noise or by
    /// motion.
    pub(super) fn varies(&self, ranges: &[f32], limits: RangeLimits, time: i64) -> bool {
        let (mut known, mut others) = (0, 0);
        for (track, &range) in self.tracks.iter().zip(ranges) {
            let measured = range >= limits.least && range <= limits.most;
            if measured && track.gap(time).is_some() {
                known += 1;
                others += usize::from(track.range != range);
            }
        }
        known >= LEAST_SCENE.0 && 2 * others >= known
    }

    /// Notes the scan's measurements and writes what is in the blind zone over `out`. How many
    /// beams those are.
    pub(super) fn fill(
        &mut self,
        ranges: &[f32],
        limits: RangeLimits,
        time: i64,
        out: &mut [f32],
    ) -> usize {
        let least = limits.least;
        let mut held = 0;
        for (beam, (out, &range)) in out.iter_mut().zip(ranges).enumerate() {
            let came = match range == f32::INFINITY {
                true => self.surely_came(beam, least, time),
                false => self.tracks[beam].approached(least, time),
            };
            let track = &mut self.tracks[beam];
            if range >= least && range <= limits.most {
                track.measure(range, time);
                continue;
            }
            let too_near = range == f32::NEG_INFINITY;
            let is_free = range > limits.most && range.is_finite();
            // What was judged a measurement below range_min has been noted by its judge.
            if is_free || (out.is_finite() && range.is_finite()) {
                if is_free {
                    (track.held, track.count) = (false, 0);
                }
                continue;
            }
            if too_near && !came && !track.held {
                (track.range, track.seen, track.closing) = (least, time, 0.0);
            }
            if too_near || came || track.held {
                track.held = true;
                *out = track.inside(least, time);
                held += 1;
            }
        }
        self.look_around(held, time);
        held
    }

    /// Whether something was coming in this beam and in one beside it.
    fn surely_came(&self, beam: usize, least: f32, time: i64) -> bool {
        let came = |beam: Option<usize>| {
            let track = beam.and_then(|beam| self.tracks.get(beam));
            track.is_some_and(|track| track.held || track.surely_approached(least, time))
        };
        came(Some(beam)) && (came(beam.checked_sub(1)) || came(Some(beam + 1)))
    }

    /// Frees all beams when the robot has left.
    fn look_around(&mut self, held: usize, time: i64) {
        if held == 0 {
            (self.since, self.looked) = (None, None);
            return;
        }
        let (Some(since), Some(looked)) = (self.since, self.looked) else {
            (self.since, self.looked) = (Some(time), Some(time));
            return self.remember_scene(time);
        };
        // By then it has come as far as it could; what changes later is not its coming.
        let came = looked > since;
        let (mut seen, mut changed, mut farther) = (0, 0, 0);
        let scene = self.tracks.iter();
        for track in scene.filter(|track| track.then.is_finite() && !track.held) {
            let moved = track.moved(time);
            seen += 1;
            changed += usize::from(moved.is_some());
            farther += usize::from(moved.is_some_and(|moved| moved > 0.0));
        }
        let share = self.tracks.len() * LEAST_SCENE.1 / 100;
        let enough = seen >= LEAST_SCENE.0 && (came || seen >= share);
        let other = changed * 100 >= CHANGED * seen && farther * 100 >= FARTHER * seen;
        let ago = time.saturating_sub(looked);
        if enough && other && ago >= STAYS_NS {
            for track in self.tracks.iter_mut().filter(|track| track.held) {
                *track = Track::default();
            }
            (self.since, self.looked) = (None, None);
        } else if ago >= if came { AGAIN_NS } else { COMES_NS } {
            self.looked = Some(time);
            self.remember_scene(time);
        }
    }

    fn remember_scene(&mut self, time: i64) {
        for track in &mut self.tracks {
            let seen = track.seen == time && !track.held;
            track.then = if seen { track.range } else { f32::NAN };
        }
    }
}
