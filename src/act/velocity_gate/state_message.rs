//! `edge_reasoner/msg/VelocityGate`: what was asked, what passed, and what held the rest back.

use serde::Serialize;

use super::motion::BasePoint;
use super::physics::{Cap, LimitedBy};
use super::velocity::Velocity;
use crate::act::encode::{HeaderWire, encode};
use crate::time::Stamp;

/// Type of the message.
pub const STATE_TYPE: &str = "edge_reasoner/msg/VelocityGate";

/// What held a command back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeldBy {
    /// All passed.
    Nothing,
    /// There is none that counts.
    NoCommand,
    /// Nobody knows what is around the robot.
    Blind,
    /// What a label lets through.
    Label,
    /// Something a scan shows.
    Scan {
        /// Where, m in the base frame.
        point: BasePoint,
        /// From the outline, m.
        distance_m: f64,
    },
    /// The way that the model expects to be free.
    Model {
        /// From the base frame's origin, m.
        free_way_m: f64,
    },
}

impl HeldBy {
    /// As in the message.
    pub fn name(&self) -> &'static str {
        match self {
            HeldBy::Nothing => "NOTHING",
            HeldBy::NoCommand => "NO_COMMAND",
            HeldBy::Blind => "BLIND",
            HeldBy::Label => "LABEL",
            HeldBy::Scan { .. } => "SCAN",
            HeldBy::Model { .. } => "MODEL",
        }
    }

    /// By physics, where it held anything back.
    pub(super) fn of(cap: Cap) -> Option<HeldBy> {
        Some(match cap.holds? {
            LimitedBy::Seen { point, distance_m } => HeldBy::Scan { point, distance_m },
            LimitedBy::Expected { free_way_m } => HeldBy::Model { free_way_m },
        })
    }
}

/// What passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateState {
    /// What was asked for; zero where nothing was.
    pub asked: Velocity,
    /// What the robot is told.
    pub passed: Velocity,
    /// What held the rest back.
    pub held_by: HeldBy,
}

/// Field for field `msg/VelocityGate.msg`.
#[derive(Serialize)]
struct StateWire<'a> {
    header: HeaderWire<'a>,
    asked: Velocity,
    passed: Velocity,
    word: &'a str,
    held_by: &'a str,
    linear_part: f32,
    angular_part: f32,
    point: [f64; 3],
    distance_m: f32,
}

impl GateState {
    /// Nothing was asked for and nothing passes.
    pub(super) const NONE: GateState = GateState {
        asked: Velocity::ZERO,
        passed: Velocity::ZERO,
        held_by: HeldBy::NoCommand,
    };

    /// Of the speed: go, slow or stop.
    pub fn word(&self) -> &'static str {
        match (self.parts().0, self.held_by) {
            (_, HeldBy::NoCommand | HeldBy::Blind) => "stop",
            (part, _) if part >= 1.0 => "go",
            (part, _) if part > 0.0 => "slow",
            _ => "stop",
        }
    }

    /// Of the speed and of the turn that were asked for, 0 to 1; 1 where none was.
    fn parts(&self) -> (f32, f32) {
        let part = |asked: [f64; 3], passed: [f64; 3]| {
            let length = |[x, y, z]: [f64; 3]| x.hypot(y).hypot(z);
            match length(asked) {
                0.0 => 1.0,
                asked => (length(passed) / asked) as f32,
            }
        };
        let [x, y, z, roll, pitch, yaw] = self.asked.components();
        let [px, py, pz, p_roll, p_pitch, p_yaw] = self.passed.components();
        (
            part([x, y, z], [px, py, pz]),
            part([roll, pitch, yaw], [p_roll, p_pitch, p_yaw]),
        )
    }

    /// Writes the message's CDR bytes into `out`, which keeps its capacity.
    pub fn encode(&self, stamp: Stamp, frame_id: &str, out: &mut Vec<u8>) {
        let (linear_part, angular_part) = self.parts();
        let (point, distance_m) = match self.held_by {
            HeldBy::Scan { point, distance_m } => ([point[0], point[1], 0.0], distance_m),
            HeldBy::Model { free_way_m } => ([0.0; 3], free_way_m),
            _ => ([0.0; 3], 0.0),
        };
        let wire = StateWire {
            header: HeaderWire {
                stamp: stamp.into(),
                frame_id,
            },
            asked: self.asked,
            passed: self.passed,
            word: self.word(),
            held_by: self.held_by.name(),
            linear_part,
            angular_part,
            point,
            distance_m: distance_m as f32,
        };
        encode(&wire, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(speed: f64) -> Velocity {
        let mut velocity = Velocity::ZERO;
        velocity.linear.x = speed;
        velocity
    }

    #[test]
    fn the_word_is_that_of_the_speed() {
        let word = |asked: f64, passed: f64, held_by| {
            let (asked, passed) = (ahead(asked), ahead(passed));
            let passing = GateState {
                asked,
                passed,
                held_by,
            };
            passing.word()
        };
        let scan = HeldBy::Scan {
            point: [1.0, 0.0],
            distance_m: 0.5,
        };
        assert_eq!(word(0.5, 0.5, HeldBy::Nothing), "go");
        assert_eq!(word(-0.5, -0.2, scan), "slow");
        assert_eq!(word(0.5, 0.0, scan), "stop");
        assert_eq!(word(0.0, 0.0, HeldBy::Nothing), "go", "it turns");
        assert_eq!(word(0.0, 0.0, HeldBy::Blind), "stop");
        assert_eq!(GateState::NONE.word(), "stop");
    }

    #[test]
    fn bytes_are_aligned_as_cdr_wants() {
        let passing = GateState {
            asked: ahead(0.5),
            passed: ahead(0.25),
            held_by: HeldBy::Scan {
                point: [1.5, -0.5],
                distance_m: 0.75,
            },
        };
        let mut bytes = Vec::new();
        passing.encode(Stamp::from_ros(12, 34), "base", &mut bytes);
        let body = &bytes[4..];
        let f64_at = |at: usize| f64::from_le_bytes(body[at..at + 8].try_into().unwrap());
        let f32_at = |at: usize| f32::from_le_bytes(body[at..at + 4].try_into().unwrap());
        // Header: 8 of time, 4 + 5 of the frame, filled to 24; two twists of 48.
        assert_eq!((f64_at(24), f64_at(72)), (0.5, 0.25));
        // "slow" and "SCAN": 4 + 5 each, filled to a multiple of 4.
        let text = |at: usize| std::str::from_utf8(&body[at + 4..at + 8]).unwrap();
        assert_eq!((text(120), text(132)), ("slow", "SCAN"));
        assert_eq!((f32_at(144), f32_at(148)), (0.5, 1.0));
        assert_eq!((f64_at(152), f64_at(160), f64_at(168)), (1.5, -0.5, 0.0));
        assert_eq!(f32_at(176), 0.75);
        assert_eq!(body.len(), 180);
    }
}
