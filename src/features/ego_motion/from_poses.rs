//! Motion from the poses of an odometry. The twist of many drivers is the quotient of one small and
//! uneven step, with spikes of metres per second; the pose adds the steps up.

use std::f64::consts::{PI, TAU};

use super::moments::{MeanMotion, Moments};
use crate::messages::{Odometry, Twist};

/// A twist beyond this (m/s, rad/s) means that the robot moves.
const MOVING: (f64, f64) = (0.01, 0.02);

/// m and rad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PlanarPose {
    x: f64,
    y: f64,
    yaw: f64,
}

/// Keeps the pose of a message; how the robot came there.
pub(super) fn travelled(
    past: &mut Moments<PlanarPose>,
    odometry: &Odometry,
    time: i64,
) -> Option<MeanMotion> {
    let Some(now) = PlanarPose::of(odometry) else {
        past.clear();
        return None;
    };
    // A pose that stays to the bit while the twist moves is not filled in by its driver.
    let moves = moves(&odometry.twist.twist);
    let travelled = past
        .before(time)
        .filter(|(then, _)| !(**then == now && moves))
        .map(|(then, seconds)| between(then, &now, seconds));
    past.keep(time, now);
    travelled
}

impl PlanarPose {
    fn of(odometry: &Odometry) -> Option<PlanarPose> {
        let pose = &odometry.pose.pose;
        let (at, q) = (&pose.position, &pose.orientation);
        let norm = q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w;
        let known = at.x.is_finite() && at.y.is_finite() && norm.is_finite() && norm > 1e-6;
        known.then(|| PlanarPose {
            x: at.x,
            y: at.y,
            yaw: (2.0 * (q.w * q.z + q.x * q.y)).atan2(norm - 2.0 * (q.y * q.y + q.z * q.z)),
        })
    }
}

fn moves(twist: &Twist) -> bool {
    twist.linear.x.abs() > MOVING.0 || twist.angular.z.abs() > MOVING.1
}

fn between(then: &PlanarPose, now: &PlanarPose, seconds: f64) -> MeanMotion {
    let turned = (now.yaw - then.yaw + PI).rem_euclid(TAU) - PI;
    let (sin, cos) = (then.yaw + turned / 2.0).sin_cos();
    MeanMotion {
        forward: ((now.x - then.x) * cos + (now.y - then.y) * sin) / seconds,
        turn: turned / seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::ego_motion::MotionHistory;
    use crate::features::testing::{at, posed};
    use crate::messages::{Message, MessageType};
    use crate::time::Stamp;

    fn fresh() -> MotionHistory {
        MotionHistory::new(MessageType::Odometry, 300_000_000).unwrap()
    }

    /// Poses of a circle at 0.4 m/s and 0.5 rad/s, this many ms apart.
    fn circle(motion_history: &mut MotionHistory, step_ms: i64, steps: i64, stamped: bool) {
        for i in 0..steps {
            let t = (i * step_ms) as f64 * 1e-3;
            let yaw = 0.5 * t + 3.0;
            let (x, y) = (0.8 * yaw.sin(), -0.8 * yaw.cos());
            let stamp = if stamped { at(i * step_ms) } else { Stamp(0) };
            let message = posed((x + 1e5, y - 3e4, yaw), stamp);
            // Bursts: arrivals say nothing about when, unless they are all there is.
            let arrival = if stamped { at(0) } else { at(i * step_ms) };
            motion_history.note((&message, None), arrival);
        }
    }

    #[test]
    fn it_is_the_motion_between_two_poses_whatever_the_rate_and_the_clock() {
        for (step_ms, steps) in [(1, 2000), (20, 60), (150, 9), (333, 5), (1100, 3)] {
            for stamped in [true, false] {
                let mut motion_history = fresh();
                circle(&mut motion_history, step_ms, steps, stamped);
                let found = motion_history.travelled().unwrap();
                assert!((found.forward - 0.4).abs() < 0.01, "{step_ms}: {found:?}");
                assert!((found.turn - 0.5).abs() < 1e-6, "{step_ms}: {found:?}");
            }
        }
    }

    #[test]
    fn backwards_is_negative() {
        let mut motion_history = fresh();
        for i in 0..10 {
            let message = posed((0.0, 0.1 * i as f64, -PI / 2.0), at(100 * i));
            motion_history.note((&message, None), at(0));
        }
        let found = motion_history.travelled().unwrap();
        assert!((found.forward + 1.0).abs() < 1e-9 && found.turn.abs() < 1e-9);
    }

    #[test]
    fn a_pose_that_nobody_fills_in_is_not_a_robot_at_rest() {
        let known = |forward: f64, turn: f64, creeps: f64| {
            let mut motion_history = fresh();
            for i in 0..10 {
                let mut message = posed((creeps * i as f64, 0.0, 0.0), at(100 * i));
                if let Message::Odometry(odometry) = &mut message {
                    odometry.twist.twist.linear.x = forward;
                    odometry.twist.twist.angular.z = turn;
                }
                motion_history.note((&message, None), at(100 * i));
            }
            motion_history.travelled().is_some()
        };
        assert!(!known(0.3, 0.0, 0.0) && !known(0.0, -0.5, 0.0));
        assert!(known(0.0, 0.0, 0.0), "at rest");
        assert!(known(0.3, 0.0, 1e-4), "spinning wheels");
    }

    #[test]
    fn what_is_too_short_too_old_or_no_pose_tells_nothing() {
        let mut motion_history = fresh();
        let mut moved = |x: f64, ms: i64| {
            motion_history.note((&posed((x, 0.0, 0.0), at(ms)), None), at(ms));
            motion_history.travelled().is_some()
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
        let mut motion_history = fresh();
        motion_history.note((&posed((0.0, 0.0, 0.0), at(0)), None), at(0));
        let mut message = posed((1.0, 0.0, 0.0), at(400));
        if let Message::Odometry(odometry) = &mut message {
            // A driver that leaves the orientation empty.
            odometry.pose.pose.orientation.w = 0.0;
        }
        motion_history.note((&message, None), at(400));
        assert_eq!(motion_history.travelled(), None);
    }
}
