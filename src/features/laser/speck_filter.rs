//! The speck filter: removes returns that stand alone, from dust, rain, sunlight or a beam that hit
//! an edge.
//!
//! By beams: a return counts when a neighbouring beam sees something about as near, at once; what
//! only one beam meets is not seen, so nothing narrower than two beams (2 × angle_increment ×
//! range) is sure to be. By scans: a return counts when one of the two scans before saw something
//! as near about there, however thin, as far aside as a robot turns between two scans: everything
//! is seen one scan later.

use super::prepared_scan::UNKNOWN;
use super::scan_geometry::ScanGeometry;
use super::settings::SpeckFilter;

/// Neighbours that see one thing are off by less than this, m and share.
const ONE_THING: (f32, f32) = (0.1, 0.15);
/// Nothing turns (rad/s) or comes (m/s) faster between two scans.
const TURN: f32 = 2.5;
const SPEED: f32 = 2.5;
/// Noise, m.
const NOISE: f32 = 0.1;
/// Most time between two scans that counts, s.
const LONGEST: f32 = 0.5;
/// Scans that may confirm a return: two, since a thin thing is missed now and then.
const KEPT: usize = 2;

/// The filter of one source.
#[derive(Clone, Debug)]
pub(super) struct SpeckRemover {
    filter: SpeckFilter,
    /// As they came; the newest first.
    before: [EarlierScan; KEPT],
    /// This one, as it came.
    now: EarlierScan,
}

#[derive(Clone, Debug, Default)]
struct EarlierScan {
    ranges: Vec<f32>,
    /// How its beams lie, and when it was; none before the first scan.
    seen: Option<(ScanGeometry, i64)>,
}

impl SpeckRemover {
    pub(super) fn new(filter: SpeckFilter) -> SpeckRemover {
        SpeckRemover {
            filter,
            before: Default::default(),
            now: EarlierScan::default(),
        }
    }

    pub(super) fn reset(&mut self) {
        for kept in &mut self.before {
            kept.seen = None;
        }
    }

    /// Makes what stands alone unknown.
    pub(super) fn filter(&mut self, shape: ScanGeometry, time: i64, out: &mut [f32]) {
        match self.filter {
            SpeckFilter::None => {}
            SpeckFilter::Beams => by_beams(shape, out),
            SpeckFilter::Scans => self.by_scans(shape, time, out),
        }
    }

    fn by_scans(&mut self, shape: ScanGeometry, time: i64, out: &mut [f32]) {
        self.now.ranges.clear();
        self.now.ranges.extend_from_slice(out);
        self.now.seen = Some((shape, time));
        // The first scan has no earlier one to compare with.
        if self.before[0].seen.is_some() {
            for (beam, range) in out.iter_mut().enumerate() {
                let asked = range.is_finite();
                if asked
                    && !self
                        .before
                        .iter()
                        .any(|kept| kept.confirms(shape, beam, *range, time))
                {
                    *range = UNKNOWN;
                }
            }
        }
        self.before.rotate_right(1);
        std::mem::swap(&mut self.before[0], &mut self.now);
    }
}

impl EarlierScan {
    /// Whether something was as near where a beam of a later scan looks.
    fn confirms(&self, shape: ScanGeometry, beam: usize, range: f32, time: i64) -> bool {
        let Some((before, then)) = self.seen else {
            return false;
        };
        let seconds = (time.saturating_sub(then) as f32 * 1e-9).clamp(0.0, LONGEST);
        let reach = range + NOISE + SPEED * seconds;
        let is_there = |at: i64| {
            let kept = usize::try_from(at).ok().and_then(|at| self.ranges.get(at));
            kept.is_some_and(|kept| *kept <= reach)
        };
        let angle = shape.first + beam as f32 * shape.step;
        let at = ((angle - before.first) / before.step).round() as i64;
        let aside = (TURN * seconds / before.step.abs())
            .ceil()
            .min(self.ranges.len() as f32) as i64;
        // A full turn has no ends.
        let turn = (std::f32::consts::TAU / before.step.abs()).round() as i64;
        (0..=aside + 1).any(|off| {
            let places = [at - off, at + off];
            places
                .iter()
                .any(|&at| is_there(at) || is_there(at - turn) || is_there(at + turn))
        })
    }
}

/// Beams beside each other at the seam of a full turn are neighbours.
fn by_beams(shape: ScanGeometry, out: &mut [f32]) {
    let beams = out.len();
    let span = beams as f32 * shape.step.abs();
    let is_turn = beams > 2 && (span - std::f32::consts::TAU).abs() < 2.0 * shape.step.abs();
    let at_seam = |beam: usize| if is_turn { out[beam] } else { UNKNOWN };
    let (mut left, first) = match beams {
        0 => return,
        _ => (at_seam(beams - 1), at_seam(0)),
    };
    for beam in 0..beams {
        let range = out[beam];
        let right = if beam + 1 < beams {
            out[beam + 1]
        } else {
            first
        };
        let reach = range + ONE_THING.0.max(ONE_THING.1 * range);
        let agrees = |other: f32| other <= reach;
        if range.is_finite() && !agrees(left) && !agrees(right) {
            out[beam] = UNKNOWN;
        }
        left = range;
    }
}
