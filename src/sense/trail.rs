//! How a robot moved by its own account of where it is. The twist of many drivers is the quotient
//! of one small and uneven step, with spikes of metres per second; the pose adds the steps up.

use std::f64::consts::{PI, TAU};

use super::message::Message;
use crate::time::Stamp;

/// Poses kept, an eighth of the span apart or more: twice the span.
const KEPT: usize = 16;
/// A twist beyond this (m/s, rad/s) says that the robot moves.
const MOVING: (f64, f64) = (0.01, 0.02);
/// A pose this many spans back tells too little about now.
const LONGEST: i64 = 4;

/// Mean motion between two poses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Travelled {
    /// m/s, along the mean heading.
    pub forward: f64,
    /// rad/s, left positive.
    pub turn: f64,
}

/// The poses of one Odometry source that reach back over a span.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    span_ns: i64,
    /// In order of time, the first `len` of them.
    poses: [Pose; KEPT],
    len: usize,
    travelled: Option<Travelled>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pose {
    time: i64,
    x: f64,
    y: f64,
    yaw: f64,
}

impl Trail {
    pub(super) fn new(span_ns: i64) -> Trail {
        Trail {
            span_ns,
            poses: [Pose::default(); KEPT],
            len: 0,
            travelled: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.travelled = None;
    }

    /// Takes the pose of a message. Where the driver stamps them, the stamps say when: arrivals
    /// come in bursts.
    pub(super) fn note(&mut self, message: &Message, arrival: Stamp) {
        let Some(pose) = pose(message, arrival) else {
            return self.clear();
        };
        let back = |kept: &Pose| pose.time.saturating_sub(kept.time);
        let kept = &self.poses[..self.len];
        if kept.last().is_some_and(|last| back(last) < 0) {
            self.clear();
        }
        let kept = &self.poses[..self.len];
        let before = kept.iter().rev().find(|kept| back(kept) >= self.span_ns);
        let before = before.filter(|kept| back(kept) <= LONGEST * self.span_ns);
        self.travelled = before
            .filter(|before| !(before.is_at(&pose) && moves(message)))
            .map(|before| between(before, &pose));
        if kept
            .last()
            .is_none_or(|last| back(last) >= self.span_ns / 8)
        {
            if self.len == KEPT {
                self.poses.copy_within(1.., 0);
                self.len -= 1;
            }
            self.poses[self.len] = pose;
            self.len += 1;
        }
    }

    /// Between the newest pose and the one a span or a little more before it; none without one, and
    /// none where the pose stays to the bit while the twist moves: the driver does not fill it in.
    pub(super) fn travelled(&self) -> Option<Travelled> {
        self.travelled
    }
}

impl Pose {
    fn is_at(&self, other: &Pose) -> bool {
        (self.x, self.y, self.yaw) == (other.x, other.y, other.yaw)
    }
}

fn moves(message: &Message) -> bool {
    let Message::Odometry(odometry) = message else {
        return false;
    };
    let twist = &odometry.twist.twist;
    twist.linear.x.abs() > MOVING.0 || twist.angular.z.abs() > MOVING.1
}

fn pose(message: &Message, arrival: Stamp) -> Option<Pose> {
    let Message::Odometry(odometry) = message else {
        return None;
    };
    let stamp = odometry.header.stamp;
    let (at, q) = (
        &odometry.pose.pose.position,
        &odometry.pose.pose.orientation,
    );
    let norm = q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w;
    let known = at.x.is_finite() && at.y.is_finite() && norm.is_finite() && norm > 1e-6;
    known.then(|| Pose {
        time: if stamp == Stamp(0) { arrival } else { stamp }.0,
        x: at.x,
        y: at.y,
        yaw: (2.0 * (q.w * q.z + q.x * q.y)).atan2(norm - 2.0 * (q.y * q.y + q.z * q.z)),
    })
}

fn between(from: &Pose, to: &Pose) -> Travelled {
    let seconds = to.time.saturating_sub(from.time) as f64 * 1e-9;
    let turned = (to.yaw - from.yaw + PI).rem_euclid(TAU) - PI;
    let (sin, cos) = (from.yaw + turned / 2.0).sin_cos();
    Travelled {
        forward: ((to.x - from.x) * cos + (to.y - from.y) * sin) / seconds,
        turn: turned / seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::testing::{at, posed};

    /// Poses of a circle at 0.4 m/s and 0.5 rad/s, this many ms apart.
    fn circle(trail: &mut Trail, step_ms: i64, steps: i64, stamped: bool) {
        for i in 0..steps {
            let t = (i * step_ms) as f64 * 1e-3;
            let yaw = 0.5 * t + 3.0;
            let (x, y) = (0.8 * yaw.sin(), -0.8 * yaw.cos());
            let stamp = if stamped { at(i * step_ms) } else { Stamp(0) };
            let message = posed((x + 1e5, y - 3e4, yaw), stamp);
            // Bursts: arrivals say nothing about when, unless they are all there is.
            let arrival = if stamped { at(0) } else { at(i * step_ms) };
            trail.note(&message, arrival);
        }
    }

    #[test]
    fn it_is_the_motion_between_two_poses_whatever_the_rate_and_the_clock() {
        for (step_ms, steps) in [(1, 2000), (20, 60), (150, 9), (333, 5), (1100, 3)] {
            for stamped in [true, false] {
                let mut trail = Trail::new(300_000_000);
                circle(&mut trail, step_ms, steps, stamped);
                let found = trail.travelled().unwrap();
                assert!((found.forward - 0.4).abs() < 0.01, "{step_ms}: {found:?}");
                assert!((found.turn - 0.5).abs() < 1e-6, "{step_ms}: {found:?}");
            }
        }
    }

    #[test]
    fn backwards_is_negative() {
        let mut trail = Trail::new(300_000_000);
        for i in 0..10 {
            trail.note(&posed((0.0, 0.1 * i as f64, -PI / 2.0), at(100 * i)), at(0));
        }
        let found = trail.travelled().unwrap();
        assert!((found.forward + 1.0).abs() < 1e-9 && found.turn.abs() < 1e-9);
    }

    #[test]
    fn a_pose_that_nobody_fills_in_is_not_a_robot_at_rest() {
        let known = |forward: f64, turn: f64, creeps: f64| {
            let mut trail = Trail::new(300_000_000);
            for i in 0..10 {
                let mut message = posed((creeps * i as f64, 0.0, 0.0), at(100 * i));
                if let Message::Odometry(odometry) = &mut message {
                    odometry.twist.twist.linear.x = forward;
                    odometry.twist.twist.angular.z = turn;
                }
                trail.note(&message, at(100 * i));
            }
            trail.travelled().is_some()
        };
        assert!(!known(0.3, 0.0, 0.0) && !known(0.0, -0.5, 0.0));
        assert!(known(0.0, 0.0, 0.0), "at rest");
        assert!(known(0.3, 0.0, 1e-4), "spinning wheels");
    }

    #[test]
    fn what_is_too_short_too_old_or_no_pose_tells_nothing() {
        let mut trail = Trail::new(300_000_000);
        let mut moved = |x: f64, ms: i64| {
            trail.note(&posed((x, 0.0, 0.0), at(ms)), at(ms));
            trail.travelled().is_some()
        };
        assert!(!moved(0.0, 0));
        assert!(!moved(0.0, 299));
        assert!(moved(0.0, 300));
        assert!(!moved(0.0, 1600), "1.3 s lie between");
        assert!(moved(0.0, 1900));
        assert!(!moved(f64::NAN, 2000));
        assert!(!moved(0.0, 2100), "what was before the fault is forgotten");
        assert!(moved(0.0, 2400));
        assert!(!moved(0.0, 1000), "the clock went back");
        let mut trail = Trail::new(300_000_000);
        trail.note(&posed((0.0, 0.0, 0.0), at(0)), at(0));
        let mut message = posed((1.0, 0.0, 0.0), at(400));
        if let Message::Odometry(odometry) = &mut message {
            // A driver that leaves the orientation empty.
            odometry.pose.pose.orientation.w = 0.0;
        }
        trail.note(&message, at(400));
        assert_eq!(trail.travelled(), None);
    }
}
