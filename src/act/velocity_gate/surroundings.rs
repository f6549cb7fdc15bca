//! The points of the newest scan of every laser, moved to where the base is now.

use super::motion::{BasePoint, PlanarMotion};
use crate::time::When;

/// Odometry older than this says nothing of how the base moves now, s.
const ODOMETRY_S: f64 = 0.5;

/// Scans of all lasers, as points; and how the base has moved since.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// By source; none before its first scan.
    scans: Vec<Option<Scan>>,
    moved: DeadReckoning,
    /// Where the points that matter are collected.
    near: Vec<BasePoint>,
}

#[derive(Debug)]
struct Scan {
    arrival: When,
    /// Where the base was then, by its own count.
    from: DeadReckonedPose,
    points: Vec<BasePoint>,
}

/// Where the base is by dead reckoning, in a frame of no meaning.
#[derive(Debug, Default)]
struct DeadReckoning {
    pose: DeadReckonedPose,
    as_of: Option<When>,
    /// By odometry, and when it said so.
    said: Option<(PlanarMotion, When)>,
    /// What the base was told last, for bases without odometry.
    told: PlanarMotion,
    /// Which of the two counted last.
    now: PlanarMotion,
}

#[derive(Clone, Copy, Debug, Default)]
struct DeadReckonedPose {
    at: BasePoint,
    heading: f64,
}

impl Surroundings {
    /// A scan came, which shows what was there `lag_s` before.
    pub fn scan(
        &mut self,
        (arrival, lag_s): (When, f64),
        source: usize,
        points: impl Iterator<Item = BasePoint>,
        seconds: impl Fn(When, When) -> f64,
    ) {
        self.moved.to(arrival, seconds);
        if self.scans.len() <= source {
            self.scans.resize_with(source + 1, || None);
        }
        let scan = self.scans[source].get_or_insert_with(|| Scan {
            arrival,
            from: DeadReckonedPose::default(),
            points: Vec::new(),
        });
        scan.arrival = arrival;
        scan.from = self.moved.before(lag_s);
        scan.points.clear();
        scan.points.extend(points);
        let all: usize = self.scans.iter().flatten().map(|s| s.points.len()).sum();
        self.near.reserve(all);
    }

    /// Odometry says how the base moves.
    pub fn moves(
        &mut self,
        arrival: When,
        motion: PlanarMotion,
        seconds: impl Fn(When, When) -> f64,
    ) {
        self.moved.to(arrival, seconds);
        self.moved.said = Some((motion, arrival));
    }

    /// The base is told how to move.
    pub fn told(&mut self, now: When, motion: PlanarMotion, seconds: impl Fn(When, When) -> f64) {
        self.moved.to(now, seconds);
        self.moved.told = motion;
    }

    /// Whether a laser was heard, and each that ever was counts as heard still.
    pub fn are_known(&self, is_heard: impl Fn(When) -> bool) -> bool {
        let mut scans = self.scans.iter().flatten().peekable();
        scans.peek().is_some() && scans.all(|scan| is_heard(scan.arrival))
    }

    /// How fast the base is now, by odometry or by what it was told, m/s.
    pub fn speed(&self) -> f64 {
        self.moved.now.speed()
    }

    /// The points within so many metres of the base, as seen from where it is now.
    pub fn near(
        &mut self,
        now: When,
        reach_m: f64,
        seconds: impl Fn(When, When) -> f64,
    ) -> &[BasePoint] {
        self.moved.to(now, seconds);
        self.near.clear();
        for scan in self.scans.iter().flatten() {
            let ([dx, dy], heading) = self.moved.pose.seen_from(scan.from);
            let (sin, cos) = heading.sin_cos();
            let from_here = scan.points.iter().map(|[x, y]| {
                let (x, y) = (x - dx, y - dy);
                [x * cos + y * sin, y * cos - x * sin]
            });
            let reach_squared = reach_m * reach_m;
            let near = from_here.filter(|[x, y]| x * x + y * y <= reach_squared);
            self.near.extend(near);
        }
        &self.near
    }
}

impl DeadReckoning {
    /// Time passes.
    fn to(&mut self, now: When, seconds: impl Fn(When, When) -> f64) {
        let before = *self.as_of.get_or_insert(now);
        if now.mono <= before.mono {
            // Threads read the time in one order and may come here in the other.
            return;
        }
        self.as_of = Some(now);
        self.now = match self.said {
            Some((motion, at)) if seconds(at, now) <= ODOMETRY_S => motion,
            _ => self.told,
        };
        self.pose = self.pose.moved(self.now.after(seconds(before, now)));
    }

    /// Where the base was so many seconds before, as it moves now.
    fn before(&self, lag_s: f64) -> DeadReckonedPose {
        self.pose.moved(self.now.after(-lag_s))
    }
}

impl DeadReckonedPose {
    /// After this way, as seen from here.
    fn moved(&self, ([x, y], turned): (BasePoint, f64)) -> DeadReckonedPose {
        let (sin, cos) = self.heading.sin_cos();
        DeadReckonedPose {
            at: [
                self.at[0] + x * cos - y * sin,
                self.at[1] + x * sin + y * cos,
            ],
            heading: self.heading + turned,
        }
    }

    /// This pose in the frame of an earlier one.
    fn seen_from(&self, earlier: DeadReckonedPose) -> (BasePoint, f64) {
        let (x, y) = (self.at[0] - earlier.at[0], self.at[1] - earlier.at[1]);
        let (sin, cos) = earlier.heading.sin_cos();
        let heading = self.heading - earlier.heading;
        ([x * cos + y * sin, y * cos - x * sin], heading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Mono, Stamp};
    use std::time::Duration;

    fn at(ms: u64) -> When {
        let since = Duration::from_millis(ms);
        When {
            mono: Mono(0) + since,
            ros: Stamp(0) + since,
        }
    }

    fn seconds(then: When, now: When) -> f64 {
        now.mono.since(then.mono).as_secs_f64()
    }

    fn motion(forward: f64, turn: f64) -> PlanarMotion {
        PlanarMotion {
            forward,
            left: 0.0,
            turn,
        }
    }

    #[test]
    fn points_come_nearer_as_the_base_moves() {
        let mut around = Surroundings::default();
        around.moves(at(0), motion(0.5, 0.0), seconds);
        around.scan((at(0), 0.0), 0, [[2.0, 0.0]].into_iter(), seconds);
        assert_eq!(around.near(at(0), 3.0, seconds), [[2.0, 0.0]]);
        let [[x, y]] = around.near(at(400), 3.0, seconds) else {
            panic!("one point");
        };
        assert!((x - 1.8).abs() < 1e-12 && y.abs() < 1e-12, "{x} {y}");
        // A quarter turn to the left: what was ahead is to the right.
        around.moves(at(400), motion(0.0, std::f64::consts::PI), seconds);
        let [[x, y]] = around.near(at(900), 3.0, seconds) else {
            panic!("one point");
        };
        assert!(x.abs() < 1e-9 && (y + 1.8).abs() < 1e-9, "{x} {y}");
    }

    #[test]
    fn a_scan_that_comes_late_shows_what_was_there_before() {
        let mut around = Surroundings::default();
        around.moves(at(0), motion(0.5, 0.0), seconds);
        around.scan((at(400), 0.2), 0, [[2.0, 0.0]].into_iter(), seconds);
        let [[x, _]] = around.near(at(400), 3.0, seconds) else {
            panic!("one point");
        };
        assert!((x - 1.9).abs() < 1e-12, "{x}");
    }

    #[test]
    fn without_odometry_the_base_does_what_it_is_told() {
        let mut around = Surroundings::default();
        around.scan((at(0), 0.0), 0, [[2.0, 0.0]].into_iter(), seconds);
        around.told(at(0), motion(1.0, 0.0), seconds);
        assert!((around.near(at(500), 3.0, seconds)[0][0] - 1.5).abs() < 1e-12);
        // Odometry that ended counts for half a second.
        around.moves(at(500), motion(0.0, 0.0), seconds);
        assert!((around.near(at(1000), 3.0, seconds)[0][0] - 1.5).abs() < 1e-12);
        assert!((around.near(at(1500), 3.0, seconds)[0][0] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn every_laser_keeps_its_own_scan() {
        let mut around = Surroundings::default();
        around.scan((at(0), 0.0), 1, [[-1.0, 0.0]].into_iter(), seconds);
        around.scan(
            (at(50), 0.0),
            0,
            [[1.0, 0.0], [9.0, 0.0]].into_iter(),
            seconds,
        );
        assert_eq!(around.near(at(50), 3.0, seconds), [[1.0, 0.0], [-1.0, 0.0]]);
        around.scan((at(100), 0.0), 1, [].into_iter(), seconds);
        assert_eq!(around.near(at(100), 3.0, seconds), [[1.0, 0.0]]);
        assert!(around.are_known(|_| true));
        assert!(
            !around.are_known(|arrival| arrival == at(100)),
            "one is older"
        );
        assert!(!Surroundings::default().are_known(|_| true));
    }
}
