//! The outline of the base, swept along a motion: the time at which it comes nearer to a point than
//! a margin.
//!
//! The first time at which the point's path enters the outline grown by the margin is computed in
//! closed form: the path against the edges, shifted outwards by the margin, and against a disc at
//! every corner. Together they bound the grown outline.

use super::motion::{BasePoint, Path, PlanarMotion};
use crate::features::Footprint;

/// Where a motion that does not turn or drive touches nothing.
const NEVER: f64 = f64::INFINITY;

/// The outline, m in the base frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    shape: Shape,
    /// Nothing of it is farther from the origin, m.
    reach: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Disc {
        radius: f64,
    },
    /// Corners, counter-clockwise.
    Polygon(Vec<BasePoint>),
}

impl From<&Footprint> for Outline {
    fn from(footprint: &Footprint) -> Outline {
        match footprint {
            Footprint::Circle { radius } => Outline {
                shape: Shape::Disc { radius: *radius },
                reach: *radius,
            },
            Footprint::Polygon(corners) => {
                let twice_area: f64 = edges(corners)
                    .map(|([ax, ay], [bx, by])| ax * by - bx * ay)
                    .sum();
                let mut corners = corners.clone();
                if twice_area < 0.0 {
                    corners.reverse();
                }
                let far = corners.iter().map(|[x, y]| x.hypot(*y));
                Outline {
                    reach: far.fold(0.0, f64::max),
                    shape: Shape::Polygon(corners),
                }
            }
        }
    }
}

impl Outline {
    /// Nothing of it is farther from the base frame's origin, m.
    pub fn reach(&self) -> f64 {
        self.reach
    }

    /// Whether turning on the spot moves nothing of it.
    pub fn is_round(&self) -> bool {
        matches!(self.shape, Shape::Disc { .. })
    }

    /// How far it reaches straight ahead, m.
    pub fn front(&self) -> f64 {
        match &self.shape {
            Shape::Disc { radius } => *radius,
            Shape::Polygon(corners) => corners.iter().map(|[x, _]| *x).fold(0.0, f64::max),
        }
    }

    /// Distance of a point from the outline, m; negative inside.
    pub fn distance(&self, [x, y]: BasePoint) -> f64 {
        match &self.shape {
            Shape::Disc { radius } => x.hypot(y) - radius,
            Shape::Polygon(corners) => {
                let mut nearest = f64::INFINITY;
                let mut inside = false;
                for ([ax, ay], [bx, by]) in edges(corners) {
                    let (dx, dy) = (bx - ax, by - ay);
                    let along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy);
                    let along = along.clamp(0.0, 1.0);
                    nearest = nearest.min((x - ax - along * dx).hypot(y - ay - along * dy));
                    if (ay > y) != (by > y) && x < dx * (y - ay) / (by - ay) + ax {
                        inside = !inside;
                    }
                }
                if inside { -nearest } else { nearest }
            }
        }
    }

    /// Seconds until the base, moving so, is nearer to the point than `margin` (m); infinite when
    /// it never is within one turn of its circle. The point must be farther away than that now.
    pub fn contact_s(&self, margin: f64, motion: PlanarMotion, point: BasePoint) -> f64 {
        let path = Path::of(motion, point);
        match &self.shape {
            Shape::Disc { radius } => path.enters_disc([0.0, 0.0], radius + margin),
            Shape::Polygon(corners) => {
                let mut first = NEVER;
                for ([ax, ay], [bx, by]) in edges(corners) {
                    let length = (bx - ax).hypot(by - ay);
                    // Outward of a counter-clockwise outline.
                    let (nx, ny) = (margin * (by - ay) / length, margin * (ax - bx) / length);
                    let edge = path.crosses([ax + nx, ay + ny], [bx + nx, by + ny]);
                    first = first.min(edge).min(path.enters_disc([ax, ay], margin));
                }
                first
            }
        }
    }

    /// How fast the motion brings the base nearer to the point, m/s; negative: it leads away.
    pub fn approach(&self, motion: PlanarMotion, point: BasePoint) -> f64 {
        const STEP_M: f64 = 1e-4;
        let [vx, vy] = motion.of_point(point);
        let speed = vx.hypot(vy);
        if speed == 0.0 {
            return 0.0;
        }
        let step = STEP_M / speed;
        let then = self.distance([point[0] + vx * step, point[1] + vy * step]);
        (self.distance(point) - then) / step
    }
}

fn edges(corners: &[BasePoint]) -> impl Iterator<Item = (BasePoint, BasePoint)> + '_ {
    let next = corners.iter().cycle().skip(1);
    corners.iter().copied().zip(next.copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    fn disc(radius: f64) -> Outline {
        Outline::from(&Footprint::Circle { radius })
    }

    fn polygon(corners: Vec<BasePoint>) -> Outline {
        Outline::from(&Footprint::Polygon(corners))
    }

    fn square(half: f64) -> Outline {
        polygon(vec![
            [half, -half],
            [half, half],
            [-half, half],
            [-half, -half],
        ])
    }

    const AHEAD: PlanarMotion = PlanarMotion {
        forward: 0.5,
        left: 0.0,
        turn: 0.0,
    };

    #[test]
    fn a_wall_ahead_is_reached_after_the_gap() {
        assert!((disc(0.2).contact_s(0.1, AHEAD, [1.3, 0.0]) - 2.0).abs() < 1e-12);
        assert!((square(0.2).contact_s(0.1, AHEAD, [1.3, 0.15]) - 2.0).abs() < 1e-12);
        assert_eq!(disc(0.2).contact_s(0.1, AHEAD, [-1.0, 0.0]), NEVER);
        assert_eq!(disc(0.2).contact_s(0.1, AHEAD, [1.0, 0.31]), NEVER);
        // The square with rounded corners is wider there than the disc, the margin included.
        let beside = square(0.2).contact_s(0.1, AHEAD, [1.0, 0.29]);
        assert!(beside.is_finite());
    }

    #[test]
    fn the_order_of_corners_does_not_matter() {
        let clockwise = polygon(vec![[0.2, 0.2], [0.2, -0.2], [-0.2, -0.2], [-0.2, 0.2]]);
        let contact = clockwise.contact_s(0.1, AHEAD, [1.3, 0.15]);
        assert!((contact - 2.0).abs() < 1e-12);
        assert_eq!(clockwise.front(), 0.2);
    }

    #[test]
    fn a_turning_square_touches_what_a_disc_does_not() {
        let turn = PlanarMotion {
            turn: 1.0,
            ..PlanarMotion::default()
        };
        let beside = [0.0, 0.25];
        assert_eq!(disc(0.2).contact_s(0.0, turn, beside), NEVER);
        let time = square(0.2).contact_s(0.0, turn, beside);
        // Where the circle through the point crosses the edge next to the corner.
        assert!((time - (0.2f64 / 0.25).acos()).abs() < 1e-9, "{time}");
    }

    fn shape() -> impl Strategy<Value = Outline> {
        prop_oneof![
            (0.05..0.5f64).prop_map(disc),
            (3usize..8, 0.1..0.5f64, 0.1..0.5f64, 0.0..6.0f64).prop_map(|(n, a, b, turn)| {
                let corner = |i: usize| turn + TAU * i as f64 / n as f64;
                let corners = (0..n).map(|i| [a * corner(i).cos(), b * corner(i).sin()]);
                polygon(corners.collect())
            }),
            // Not convex.
            (0.1..0.4f64).prop_map(|s| polygon(vec![
                [s, -s],
                [s, s],
                [0.3 * s, 0.2 * s],
                [-s, s],
                [-s, -s]
            ])),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]
        /// Against the motion in small steps.
        #[test]
        fn contact_is_where_stepping_finds_it(
            outline in shape(),
            margin in 0.0..0.2f64,
            forward in -1.0..1.0f64,
            left in prop_oneof![Just(0.0), -1.0..1.0f64],
            turn in prop_oneof![Just(0.0), -2.0..2.0f64],
            x in -2.0..2.0f64,
            y in -2.0..2.0f64,
        ) {
            const STEP_S: f64 = 0.002;
            const HORIZON_S: f64 = 2.5;
            let motion = PlanarMotion { forward, left, turn };
            prop_assume!(outline.distance([x, y]) > margin + 1e-3);
            let found = outline.contact_s(margin, motion, [x, y]);
            let (mut at, mut time, mut least) = ([x, y], 0.0, f64::INFINITY);
            let ([sx, sy], heading) = motion.after(STEP_S);
            let (sin, cos) = (-heading).sin_cos();
            while time < HORIZON_S {
                least = least.min(outline.distance(at) - margin);
                if least <= 0.0 {
                    break;
                }
                let (dx, dy) = (at[0] - sx, at[1] - sy);
                at = [dx * cos - dy * sin, dx * sin + dy * cos];
                time += STEP_S;
            }
            if least <= 0.0 {
                prop_assert!(found <= time + 1e-9, "{found} {time}");
                let early = found < time - STEP_S - 1e-3;
                prop_assert!(!early || found > 0.0 && least > -1e-4, "{found} {time}");
            } else if found < HORIZON_S - 0.05 {
                // Grazed between two steps.
                prop_assert!(least < 0.003, "{found}, but at least {least} m apart");
            }
        }

        #[test]
        fn what_leads_away_is_told_from_what_comes_nearer(
            outline in shape(), angle in 0.0..TAU, speed in 0.05..1.0f64,
        ) {
            let direction = [angle.cos(), angle.sin()];
            let at = |reach: f64| [direction[0] * reach, direction[1] * reach];
            let mut reach = outline.reach() + 0.05;
            while outline.distance(at(reach)) > 0.05 {
                reach -= 0.001;
            }
            let point = at(reach + 0.001);
            let towards = PlanarMotion { forward: direction[0] * speed, left: direction[1] * speed, turn: 0.0 };
            let away = towards.scaled(-1.0, 1.0);
            let [towards, away] = [towards, away].map(|motion| outline.approach(motion, point));
            prop_assert!(towards <= speed * 1.001 && towards >= -speed * 1.001);
            prop_assert!(towards <= 0.0 || away <= 1e-3 * speed, "{towards} {away}");
        }
    }
}
