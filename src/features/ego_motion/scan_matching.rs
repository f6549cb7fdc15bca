//! Motion of a laser between two scans by correlative scan matching (Olson, "Real-time correlative
//! scan matching", ICRA 2009), for a robot that cannot move sideways, so that two numbers are
//! searched: how far it turned, and how far it went along the mean heading. They are searched one
//! after the other, coarsely and then finely; a search of all pairs predicted the recorded robots'
//! clearances no better, for ten times the work.

use std::f32::consts::TAU;

use super::arc::POINTS;
use super::moments::{MeanMotion, Moments};
use crate::features::laser::PreparedScan;

/// Points beyond this (m) say little about the way: a sector is wider there than a robot goes.
const FAR: f32 = 4.0;
/// Fewer points than this are no scene.
const LEAST_POINTS: usize = 12;
/// A point that is off by this (m) or more belongs to something that moved, or is not seen any
/// more.
const OUTLIER: f32 = 0.15;
/// Between neighbours whose ranges differ by this factor there is an edge and no wall.
const EDGE: f32 = 1.5;
/// Searched: m/s and rad/s.
const SLOWEST: f32 = -1.0;
const FASTEST: f32 = 2.0;
const TURN_MOST: f32 = 2.0;
/// Coarse steps, m and rad.
const WAY_STEP: f32 = 0.05;
const TURN_STEP: f32 = 0.08;
/// Width of a sector, rad.
const SECTOR: f32 = TAU / POINTS as f32;
/// The ranges around are laid out in cells of half a degree.
const CELLS: usize = 6 * POINTS;
const CELL: f32 = TAU / CELLS as f32;
/// Fine steps per coarse one.
const FINE: f32 = 5.0;
/// Where two ways fit alike, the shorter one: m of misfit per m and per rad.
const SHORTER: f32 = 0.004;
/// The best way must fit better than the mean of all by this (m): along a smooth wall none does.
const LEAST_CONTRAST: f32 = 0.02;

/// The nearest return of every 3 degrees: range (m, infinite without one) and angle (rad).
pub(super) type SparseScan = [(f32, f32); POINTS];

/// Keeps what a scan shows; how the laser came there, given how it came to where it was `lately`.
pub(super) fn travelled(
    past: &mut Moments<SparseScan>,
    beams: &PreparedScan,
    time: i64,
    lately: Option<MeanMotion>,
) -> Option<MeanMotion> {
    let mut now = [(f32::INFINITY, 0.0); POINTS];
    beams.nearest(&mut now);
    let before = past.before(time);
    let travelled = before.and_then(|(then, seconds)| between(then, &now, seconds, lately));
    past.keep(time, now);
    travelled
}

/// What lay where, and what is seen where now.
struct Scene {
    points: [ScenePoint; POINTS],
    count: usize,
    /// Ranges (m, infinite without a return) all around, three times over: an angle of less than
    /// a turn more or less than one turn needs no remainder.
    now: [f32; 3 * CELLS],
}

/// Where something lay.
#[derive(Clone, Copy, Default)]
struct ScenePoint {
    /// 0 to one turn, in cells.
    at: f32,
    range: f32,
    sin: f32,
    cos: f32,
}

impl Scene {
    /// None where too little lay there.
    fn new(then: &SparseScan, now: &SparseScan) -> Option<Scene> {
        let mut points = [ScenePoint::default(); POINTS];
        let mut count = 0;
        for &(range, angle) in then.iter().filter(|(range, _)| *range < FAR) {
            let (sin, cos) = angle.sin_cos();
            points[count] = ScenePoint {
                at: angle.rem_euclid(TAU) / CELL,
                range,
                sin,
                cos,
            };
            count += 1;
        }
        (count >= LEAST_POINTS).then(|| Scene {
            points,
            count,
            now: around(now),
        })
    }

    /// Where the points are, seen from a place `distance` m along `heading` and still turned as
    /// before.
    fn from(&self, distance: f32, heading: f32) -> SceneView<'_> {
        let (sin_heading, cos_heading) = heading.sin_cos();
        let mut seen = [(0.0, 0.0); POINTS];
        for (seen, point) in seen.iter_mut().zip(&self.points[..self.count]) {
            // Beside and along the heading.
            let sin = point.sin * cos_heading - point.cos * sin_heading;
            let cos = point.cos * cos_heading + point.sin * sin_heading;
            let square = point.range * (point.range - 2.0 * distance * cos) + distance * distance;
            let range = square.max(1e-6).sqrt();
            let shift = (distance * sin / range).clamp(-1.0, 1.0);
            // The arcsine, to a degree at 60 degrees.
            let shift = shift + shift * shift * shift / 6.0;
            *seen = (point.at + shift / CELL, range);
        }
        SceneView { scene: self, seen }
    }
}

/// A scene from another place.
struct SceneView<'a> {
    scene: &'a Scene,
    /// Angle in cells, and range.
    seen: [(f32, f32); POINTS],
}

impl SceneView<'_> {
    /// Mean distance (m) between where the points should be seen after a turn and what is seen
    /// there, outliers cut.
    fn misfit(&self, turn: f32) -> f32 {
        let turned = CELLS as f32 + 0.5 - turn / CELL;
        let count = self.scene.count;
        let off = |&(at, range): &(f32, f32)| {
            let cell = (at + turned) as usize;
            (self.scene.now[cell.min(3 * CELLS - 1)] - range).abs()
        };
        let sum: f32 = self.seen[..count]
            .iter()
            .map(|point| off(point).min(OUTLIER))
            .sum();
        sum / count as f32
    }
}

/// The range at every cell. Between neighbours that may be one wall, 1 / range is all but linear in
/// the angle; elsewhere the nearer of them in angle counts.
fn around(sight: &SparseScan) -> [f32; 3 * CELLS] {
    let mut cells = [f32::INFINITY; 3 * CELLS];
    let at = |sector: usize| {
        let (range, angle) = sight[sector % POINTS];
        // To the turn that its sector is in; without a return in the middle of its sector.
        let middle = sector as f32 * SECTOR;
        let turns = ((angle - middle) / TAU).round();
        match range.is_finite() {
            true => ((angle - turns * TAU) / CELL, range),
            false => (middle / CELL, range),
        }
    };
    for sector in 0..POINTS {
        let ((from, near), (to, far)) = (at(sector), at(sector + 1));
        let is_wall = near.max(far) < EDGE * near.min(far);
        let width = (to - from).max(1e-3);
        let (first, last) = (from.ceil() as i32, to.ceil() as i32);
        for cell in first..last {
            let part = ((cell as f32 - from) / width).clamp(0.0, 1.0);
            let range = match is_wall {
                true => (near.recip() * (1.0 - part) + far.recip() * part).recip(),
                false if part < 0.5 => near,
                false => far,
            };
            let index = cell.rem_euclid(CELLS as i32) as usize;
            cells[index] = range;
            cells[index + CELLS] = range;
            cells[index + 2 * CELLS] = range;
        }
    }
    cells
}

fn between(
    then: &SparseScan,
    now: &SparseScan,
    seconds: f64,
    lately: Option<MeanMotion>,
) -> Option<MeanMotion> {
    let scene = Scene::new(then, now)?;
    let span = seconds as f32;
    let (distance, turn) = lately.map_or((0.0, 0.0), |lately| {
        (lately.forward as f32 * span, lately.turn as f32 * span)
    });
    let most = TURN_MOST * span;
    let mut turn = scene.turn(distance, turn, (-most, most, TURN_STEP)).at;
    let ways = scene.distance(turn, (SLOWEST * span, FASTEST * span, WAY_STEP));
    if ways.mean - ways.least < LEAST_CONTRAST {
        return None;
    }
    let mut distance = ways.at;
    for step in [1.0, 0.5] {
        let near = |at: f32, coarse: f32| {
            let reach = coarse * step;
            (at - reach, at + reach, reach / FINE)
        };
        turn = scene.turn(distance, turn, near(turn, TURN_STEP)).at;
        distance = scene.distance(turn, near(distance, WAY_STEP)).at;
    }
    Some(MeanMotion {
        forward: f64::from(distance) / seconds,
        turn: f64::from(turn) / seconds,
    })
}

impl Scene {
    /// The turn that fits best from among `(from, to, step)`, after that way, at about that turn.
    fn turn(&self, distance: f32, about: f32, grid: (f32, f32, f32)) -> Search {
        let view = self.from(distance, about / 2.0);
        Search::over(grid, |turn| view.misfit(turn) + SHORTER * turn.abs())
    }

    /// The way that fits best from among `(from, to, step)`, under that turn.
    fn distance(&self, turn: f32, grid: (f32, f32, f32)) -> Search {
        Search::over(grid, |distance| {
            self.from(distance, turn / 2.0).misfit(turn) + SHORTER * distance.abs()
        })
    }
}

/// The least of a function on a grid.
struct Search {
    at: f32,
    least: f32,
    mean: f32,
}

impl Search {
    fn over((from, to, step): (f32, f32, f32), f: impl Fn(f32) -> f32) -> Search {
        let count = ((to - from) / step).round().max(1.0) as usize;
        let mut best = (from, f32::INFINITY);
        let mut sum = 0.0;
        for i in 0..=count {
            let at = from + i as f32 * step;
            let value = f(at);
            sum += value;
            if value < best.1 {
                best = (at, value);
            }
        }
        Search {
            at: best.0,
            least: best.1,
            mean: sum / (count + 1) as f32,
        }
    }
}

#[cfg(test)]
mod tests;
