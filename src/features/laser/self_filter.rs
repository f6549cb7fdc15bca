//! The self filter: removes returns inside the robot's footprint and sectors that are ignored. Such
//! beams are unknown, which is not the same as free.
//!
//! The features cannot tell a sector whose beams are all unknown from one without a return. So a
//! scan with fewer than [`LEAST_AHEAD`] of its beams ahead left is refused, and the decision names
//! the reason.

use std::f64::consts::TAU;

use super::prepared_scan::{PreparedScan, UNKNOWN};
use crate::features::frames::Mount;

/// What was seen outside of the footprint by a beam, and is inside in the next scan within this, m,
/// came in: it is not the robot.
const CAME_IN: f32 = 0.3;

/// The robot's own shape and the directions not looked at, in the base frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelfFilter {
    footprint: Option<Footprint>,
    ignored: Vec<Sector>,
    /// Half of the angle that counts as ahead, rad; 0: not checked.
    ahead: f64,
}

/// An outline, m in the base frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Footprint {
    /// Its corners in order, convex or not.
    Polygon(Vec<[f64; 2]>),
    /// Around the base frame's origin.
    Circle {
        /// m
        radius: f64,
    },
}

/// From one direction to another, to the left; rad in the base frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sector {
    /// Its right end.
    pub from: f64,
    /// Its left end; less than `from` where the sector lies across the direction backwards.
    pub to: f64,
}

impl Sector {
    /// Its width, counted from `from`: 0 to a turn.
    pub fn width(&self) -> f64 {
        let width = self.to - self.from;
        match width >= TAU {
            true => TAU,
            false => width.rem_euclid(TAU),
        }
    }

    /// Whether it holds this direction.
    pub fn holds(&self, angle: f64) -> bool {
        (angle - self.from).rem_euclid(TAU) <= self.width()
    }
}

impl Footprint {
    /// Whether this point of the base frame lies within; what lies on the outline does.
    pub fn holds(&self, [x, y]: [f64; 2]) -> bool {
        match self {
            Footprint::Circle { radius } => x.hypot(y) <= *radius,
            Footprint::Polygon(corners) => {
                let mut inside = false;
                let before = corners.iter().cycle().skip(corners.len() - 1);
                for (&[x1, y1], &[x2, y2]) in before.zip(corners) {
                    // A line to the right crosses the edge; each end counts for one edge alone.
                    if (y1 > y) != (y2 > y) && x < x1 + (y - y1) / (y2 - y1) * (x2 - x1) {
                        inside = !inside;
                    }
                }
                inside
            }
        }
    }

    /// Nothing of it is farther from this point, m.
    fn reach_from(&self, [x, y]: [f64; 2]) -> f64 {
        match self {
            Footprint::Circle { radius } => x.hypot(y) + radius,
            Footprint::Polygon(corners) => corners
                .iter()
                .map(|[a, b]| (a - x).hypot(b - y))
                .fold(0.0, f64::max),
        }
    }
}

impl SelfFilter {
    /// Returns inside the footprint tell nothing, nor do beams in these sectors. `ahead` (rad) is
    /// how far to each side of forward a decision looks.
    pub fn new(footprint: Option<Footprint>, ignored: Vec<Sector>, ahead: f64) -> SelfFilter {
        SelfFilter {
            footprint,
            ignored,
            ahead,
        }
    }

    /// Takes what is the robot itself out of a scan. `before` is what this left of the one before:
    /// what comes nearer across the outline stays what it was.
    pub(super) fn take_out(&self, mount: &Mount, scan: &mut PreparedScan, before: &mut Vec<f32>) {
        if self.footprint.is_none() && self.ignored.is_empty() {
            return;
        }
        if before.len() != scan.len() {
            before.clear();
            before.resize(scan.len(), UNKNOWN);
        }
        let place = [f64::from(mount.x), f64::from(mount.y)];
        let footprint = self.footprint.as_ref();
        let footprint = footprint.map(|footprint| (footprint, footprint.reach_from(place)));
        let (mut ahead, mut taken_ahead, mut taken) = (0, 0, 0);
        for (beam, before) in before.iter_mut().enumerate() {
            let angle = scan.angle(beam);
            let range = f64::from(scan.ranges_mut()[beam]);
            let own = self.ignored.iter().any(|sector| sector.holds(angle))
                || footprint.is_some_and(|(footprint, reach)| {
                    // NaN is near nothing.
                    let came_in = (*before - range as f32).abs() <= CAME_IN;
                    range <= reach && !came_in && {
                        let (sin, cos) = angle.sin_cos();
                        footprint.holds([place[0] + range * cos, place[1] + range * sin])
                    }
                });
            let wrapped = angle - TAU * (angle / TAU).round();
            let is_ahead = wrapped.abs() <= self.ahead;
            ahead += usize::from(is_ahead);
            if own {
                scan.ranges_mut()[beam] = UNKNOWN;
                taken += 1;
                taken_ahead += usize::from(is_ahead);
                *before = UNKNOWN;
            } else if !range.is_nan() {
                // One unknown beam does not reset it.
                *before = range as f32;
            }
        }
        scan.taken_out(taken, (taken_ahead, ahead));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::laser::ScanPreparation;
    use crate::features::laser::prepared_scan::Beam;
    use crate::features::testing;
    use crate::features::window_spec::SourceSettings;
    use proptest::prelude::*;
    use std::f64::consts::PI;
    use std::sync::Arc;

    fn square(half: f64) -> Footprint {
        Footprint::Polygon(vec![
            [half, half],
            [-half, half],
            [-half, -half],
            [half, -half],
        ])
    }

    /// 360 beams of this range by a laser mounted like this; which are left, by their degrees from
    /// -180 on in the sensor's frame.
    fn left(body: SelfFilter, mount: Mount, range: f32) -> Vec<i32> {
        let settings = SourceSettings {
            body: Arc::new(body),
            ..SourceSettings::default()
        };
        let mut preparation = ScanPreparation::new(&settings);
        preparation.mount(mount);
        let scan = testing::scan(vec![range; 360]);
        let prepared = preparation.prepare(&scan, testing::at(0));
        let beams = prepared.beams().enumerate();
        let left = beams.filter(|(_, beam)| matches!(beam, Beam::At(_)));
        left.map(|(beam, _)| beam as i32 - 180).collect()
    }

    #[test]
    fn without_a_word_nothing_is_taken_out() {
        assert_eq!(
            left(SelfFilter::default(), Mount::default(), 0.15).len(),
            360
        );
    }

    #[test]
    fn a_footprint_is_seen_from_where_the_sensor_sits() {
        let body = || SelfFilter::new(Some(square(0.3)), Vec::new(), 0.0);
        // In the middle a circle of 0.29 m is inside, one of 0.31 m sticks out where edges are
        // near.
        assert_eq!(left(body(), Mount::default(), 0.29), Vec::<i32>::new());
        let out = left(body(), Mount::default(), 0.31);
        assert!(
            out.contains(&0) && out.contains(&90) && !out.contains(&45),
            "{out:?}"
        );
        // At the front edge, looking back at the robot with its rear half only.
        let front = Mount {
            x: 0.3,
            ..Mount::default()
        };
        let out = left(body(), front, 0.2);
        assert!(out.contains(&0) && out.contains(&89) && !out.contains(&180) && !out.contains(&91));
        // Turned and upside down, the rear is ahead of the sensor.
        let turned = Mount {
            yaw: std::f32::consts::PI,
            upside_down: true,
            ..front
        };
        let out = left(body(), turned, 0.2);
        assert!(
            !out.contains(&0) && out.contains(&-179) && out.contains(&-91),
            "{out:?}"
        );
    }

    #[test]
    fn what_comes_in_across_the_outline_is_not_the_robot() {
        let circle = Footprint::Circle { radius: 0.25 };
        let body = SelfFilter::new(Some(circle), Vec::new(), 0.0);
        let settings = SourceSettings {
            body: Arc::new(body),
            ..SourceSettings::default()
        };
        let mut preparation = ScanPreparation::new(&settings);
        let mut ahead = |range: f32, n: i64| {
            let mut scan = testing::scan(vec![3.0; 360]);
            scan.ranges[180] = range;
            // The robot's mast, always there.
            scan.ranges[90] = 0.2;
            let prepared = preparation.prepare(&scan, testing::at(100 * n));
            let beams: Vec<Beam> = prepared.beams().collect();
            assert_eq!(beams[90], Beam::Unknown, "the mast");
            beams[180]
        };
        assert_eq!(ahead(0.4, 0), Beam::At(0.4));
        assert_eq!(ahead(0.22, 1), Beam::At(0.22), "it came in");
        assert_eq!(ahead(f32::NAN, 2), Beam::Unknown);
        assert_eq!(ahead(0.15, 3), Beam::At(0.15));
        assert_eq!(ahead(3.0, 4), Beam::At(3.0), "it is gone");
        assert_eq!(
            ahead(0.2, 5),
            Beam::Unknown,
            "what is there at once is the robot"
        );
    }

    #[test]
    fn a_footprint_need_not_be_convex() {
        // A horseshoe, open ahead, 0.1 m wide around a laser in its middle.
        let horseshoe = Footprint::Polygon(vec![
            [0.4, 0.4],
            [0.4, 0.3],
            [-0.3, 0.3],
            [-0.3, -0.3],
            [0.4, -0.3],
            [0.4, -0.4],
            [-0.4, -0.4],
            [-0.4, 0.4],
        ]);
        let out = left(
            SelfFilter::new(Some(horseshoe), Vec::new(), 0.0),
            Mount::default(),
            0.35,
        );
        assert!(out.contains(&0) && out.contains(&30), "{out:?}");
        assert!(
            !out.contains(&90) && !out.contains(&179) && !out.contains(&-90),
            "{out:?}"
        );
    }

    #[test]
    fn sectors_are_the_robots_whatever_the_mounting() {
        let body = || {
            let left = Sector { from: 0.5, to: 1.0 };
            SelfFilter::new(None, vec![left], 0.0)
        };
        let taken = |mount| {
            let out = left(body(), mount, 2.0);
            (-180..180)
                .filter(|degree| !out.contains(degree))
                .collect::<Vec<_>>()
        };
        assert_eq!(taken(Mount::default()), (29..=57).collect::<Vec<_>>());
        let flipped = Mount {
            upside_down: true,
            ..Mount::default()
        };
        assert_eq!(taken(flipped), (-57..=-29).collect::<Vec<_>>());
        let backwards = Mount {
            yaw: std::f32::consts::PI,
            ..Mount::default()
        };
        assert_eq!(taken(backwards), (-151..=-123).collect::<Vec<_>>());
    }

    #[test]
    fn a_sector_goes_to_the_left_from_its_first_angle() {
        let holds = |from, to, angle| Sector { from, to }.holds(angle);
        assert!(holds(-0.2, 0.2, 0.0) && holds(-0.2, 0.2, TAU) && !holds(-0.2, 0.2, PI));
        assert!(holds(2.8, -2.8, PI) && holds(2.8, -2.8, -PI) && !holds(2.8, -2.8, 0.0));
        assert!(holds(-PI, PI, 1.0) && holds(0.0, TAU, -1.0));
        assert!(holds(5.0, 7.0, 0.0) && !holds(5.0, 7.0, 1.0));
    }

    #[test]
    fn a_scan_that_sees_next_to_nothing_ahead_is_refused() {
        let ahead = 22.5_f64.to_radians();
        let hidden = |to: f64| {
            let body = SelfFilter::new(None, vec![Sector { from: -ahead, to }], ahead);
            let settings = SourceSettings {
                body: Arc::new(body),
                ..SourceSettings::default()
            };
            let mut preparation = ScanPreparation::new(&settings);
            let scan = testing::scan(vec![2.0; 360]);
            preparation.prepare(&scan, testing::at(0)).hidden_ahead()
        };
        assert_eq!(hidden(0.0), None);
        let (taken, of) = hidden(ahead * 0.8).unwrap();
        assert!(taken > 36 && of == 45, "{taken} of {of}");
    }

    proptest! {
        #[test]
        fn only_what_lies_inside_is_taken_out(
            radius in 0.05f64..1.0,
            x in -0.5f32..0.5,
            y in -0.5f32..0.5,
            yaw in -3.0f32..3.0,
            upside_down: bool,
            range in 0.11f32..2.0,
        ) {
            let mount = Mount { yaw, upside_down, x, y };
            let body = SelfFilter::new(Some(Footprint::Circle { radius }), Vec::new(), 0.0);
            let out = left(body, mount, range);
            for degree in -180..180_i32 {
                let angle = f64::from(yaw) + mount.sense() * f64::from(degree).to_radians();
                let (sin, cos) = angle.sin_cos();
                let far = (f64::from(x) + f64::from(range) * cos)
                    .hypot(f64::from(y) + f64::from(range) * sin);
                if (far - radius).abs() > 1e-4 {
                    prop_assert_eq!(out.contains(&degree), far > radius, "{} at {}", far, degree);
                }
            }
        }
    }
}
