//! Planar motion of a base, and the path of a fixed point as seen from it.

use std::f64::consts::TAU;

/// Turn rates below this (rad/s) are straight lines: over any horizon of use the arc is within
/// micrometres of it.
const STRAIGHT: f64 = 1e-6;

/// A point of the base frame, m: ahead, to the left.
pub type BasePoint = [f64; 2];

/// Velocity of the base in its own frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlanarMotion {
    /// m/s
    pub forward: f64,
    /// To the left, m/s; 0 on bases that cannot.
    pub left: f64,
    /// To the left, rad/s.
    pub turn: f64,
}

impl PlanarMotion {
    /// Of the base's origin, m/s.
    pub fn speed(&self) -> f64 {
        self.forward.hypot(self.left)
    }

    /// These parts of its speed and of its turn.
    pub fn scaled(&self, linear: f64, turn: f64) -> PlanarMotion {
        PlanarMotion {
            forward: self.forward * linear,
            left: self.left * linear,
            turn: self.turn * turn,
        }
    }

    /// How a point that stands still moves as seen from the base, m/s.
    pub fn of_point(&self, [x, y]: BasePoint) -> BasePoint {
        [self.turn * y - self.forward, -self.turn * x - self.left]
    }

    /// Where the base is after so many seconds: its origin and its heading in today's frame.
    pub fn after(&self, seconds: f64) -> (BasePoint, f64) {
        let heading = self.turn * seconds;
        if self.turn.abs() <= STRAIGHT {
            return ([self.forward * seconds, self.left * seconds], heading);
        }
        let (sin, cos) = heading.sin_cos();
        let x = (self.forward * sin - self.left * (1.0 - cos)) / self.turn;
        let y = (self.forward * (1.0 - cos) + self.left * sin) / self.turn;
        ([x, y], heading)
    }
}

/// The way of a point as seen from a base that keeps its motion: the other way round the centre
/// about which the base turns.
pub(super) enum Path {
    Rest,
    Line {
        from: BasePoint,
        velocity: BasePoint,
    },
    Arc {
        centre: BasePoint,
        radius: f64,
        /// Where the point is now, rad about the centre.
        angle: f64,
        /// rad/s, with sign.
        rate: f64,
    },
}

impl Path {
    pub fn of(motion: PlanarMotion, point: BasePoint) -> Path {
        if motion.turn.abs() > STRAIGHT {
            let centre = [-motion.left / motion.turn, motion.forward / motion.turn];
            let (dx, dy) = (point[0] - centre[0], point[1] - centre[1]);
            return Path::Arc {
                centre,
                radius: dx.hypot(dy),
                angle: dy.atan2(dx),
                rate: -motion.turn,
            };
        }
        match motion.speed() > 0.0 {
            true => Path::Line {
                from: point,
                velocity: [-motion.forward, -motion.left],
            },
            false => Path::Rest,
        }
    }

    /// Seconds until it is inside this disc, from outside it.
    pub fn enters_disc(&self, [cx, cy]: BasePoint, radius: f64) -> f64 {
        match self {
            Path::Rest => f64::INFINITY,
            Path::Line { from, velocity } => {
                let (dx, dy) = (from[0] - cx, from[1] - cy);
                let [vx, vy] = *velocity;
                let (a, half_b) = (vx * vx + vy * vy, dx * vx + dy * vy);
                let c = dx * dx + dy * dy - radius * radius;
                let root = half_b * half_b - a * c;
                if half_b >= 0.0 || root < 0.0 {
                    return f64::INFINITY;
                }
                ((-half_b - root.sqrt()) / a).max(0.0)
            }
            Path::Arc {
                centre, radius: of, ..
            } => {
                let (dx, dy) = (cx - centre[0], cy - centre[1]);
                let apart = dx.hypot(dy);
                if apart == 0.0 || *of == 0.0 {
                    return f64::INFINITY;
                }
                // Law of cosines: where the two circles cross.
                let cosine = (apart * apart + of * of - radius * radius) / (2.0 * apart * of);
                if cosine.abs() > 1.0 {
                    return f64::INFINITY;
                }
                let (towards, half) = (dy.atan2(dx), cosine.acos());
                self.until(towards - half).min(self.until(towards + half))
            }
        }
    }

    /// Seconds until it crosses the segment from `a` to `b`.
    pub fn crosses(&self, a: BasePoint, b: BasePoint) -> f64 {
        let (ex, ey) = (b[0] - a[0], b[1] - a[1]);
        match self {
            Path::Rest => f64::INFINITY,
            Path::Line { from, velocity } => {
                let [vx, vy] = *velocity;
                let cross = vx * ey - vy * ex;
                if cross == 0.0 {
                    return f64::INFINITY;
                }
                let (dx, dy) = (a[0] - from[0], a[1] - from[1]);
                let (time, along) = ((dx * ey - dy * ex) / cross, (dx * vy - dy * vx) / cross);
                match time >= 0.0 && (0.0..=1.0).contains(&along) {
                    true => time,
                    false => f64::INFINITY,
                }
            }
            Path::Arc { centre, radius, .. } => {
                let (dx, dy) = (a[0] - centre[0], a[1] - centre[1]);
                let (qa, half_b) = (ex * ex + ey * ey, dx * ex + dy * ey);
                let root = half_b * half_b - qa * (dx * dx + dy * dy - radius * radius);
                if qa == 0.0 || root < 0.0 {
                    return f64::INFINITY;
                }
                let root = root.sqrt();
                let at = |along: f64| match (0.0..=1.0).contains(&along) {
                    true => self.until((dy + along * ey).atan2(dx + along * ex)),
                    false => f64::INFINITY,
                };
                at((-half_b - root) / qa).min(at((-half_b + root) / qa))
            }
        }
    }

    /// Seconds until an arc is at this angle about its centre.
    fn until(&self, target: f64) -> f64 {
        match self {
            Path::Arc { angle, rate, .. } => {
                let way = ((target - angle) * rate.signum()).rem_euclid(TAU);
                way / rate.abs()
            }
            _ => f64::INFINITY,
        }
    }
}
