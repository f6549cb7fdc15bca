use super::*;
use crate::features::ego_motion::MotionHistory;
use crate::features::testing::{at, prepare, scan};
use crate::messages::{LaserScan, Message, MessageType};
use proptest::prelude::*;

/// x0, y0, x1, y1 of walls, m.
type Walls = [[f32; 4]];

/// A room with a cupboard in a corner.
const ROOM: [[f32; 4]; 6] = [
    [-1.5, -2.0, 2.5, -2.0],
    [2.5, -2.0, 2.5, 1.5],
    [2.5, 1.5, -1.5, 1.5],
    [-1.5, 1.5, -1.5, -2.0],
    [1.8, 0.8, 2.5, 0.8],
    [1.8, 0.8, 1.8, 1.5],
];
const CORRIDOR: [[f32; 4]; 2] = [[-50.0, -0.8, 50.0, -0.8], [-50.0, 0.8, 50.0, 0.8]];

/// What a laser of 360 beams sees from x, y (m) and yaw (rad).
fn look(walls: &Walls, (x, y, yaw): (f32, f32, f32)) -> LaserScan {
    let beam = |i: usize| {
        let angle = yaw - TAU / 2.0 + i as f32 * TAU / 360.0;
        let (dy, dx) = angle.sin_cos();
        let along = |&[ax, ay, bx, by]: &[f32; 4]| {
            let (ex, ey, px, py) = (bx - ax, by - ay, ax - x, ay - y);
            let cross = dx * ey - dy * ex;
            let (distance, part) = ((px * ey - py * ex) / cross, (px * dy - py * dx) / cross);
            let met = distance > 0.0 && (0.0..=1.0).contains(&part);
            if met { distance } else { f32::INFINITY }
        };
        walls.iter().map(along).fold(f32::INFINITY, f32::min)
    };
    scan((0..360).map(beam).collect())
}

/// Where a robot is after so many seconds on its arc, from the origin.
fn arc(forward: f32, turn: f32, seconds: f32) -> (f32, f32, f32) {
    let turned = turn * seconds;
    let chord = forward * seconds;
    (
        chord * (turned / 2.0).cos(),
        chord * (turned / 2.0).sin(),
        turned,
    )
}

/// Drives for 1.2 s with a scan every `step_ms`; what is known at the end.
fn drive(
    walls: &Walls,
    (forward, turn): (f32, f32),
    step_ms: i64,
    spoil: impl Fn(&mut LaserScan),
) -> Option<MeanMotion> {
    let mut motion_history = MotionHistory::new(MessageType::LaserScan, 400_000_000).unwrap();
    for ms in (0..=1200).step_by(step_ms as usize) {
        let mut seen = look(walls, arc(forward, turn, ms as f32 * 1e-3));
        spoil(&mut seen);
        seen.header.stamp = at(ms);
        let beams = prepare(&seen, 0.0);
        motion_history.note((&Message::LaserScan(seen), Some(&beams)), at(0));
    }
    motion_history.travelled()
}

#[track_caller]
fn assert_near(found: Option<MeanMotion>, forward: f32, turn: f32) {
    let found = found.expect("a motion");
    let off = (
        (found.forward as f32 - forward).abs(),
        (found.turn as f32 - turn).abs(),
    );
    assert!(
        off.0 < 0.04 && off.1 < 0.1,
        "{found:?}; {forward} m/s, {turn} rad/s"
    );
}

#[test]
fn a_room_tells_speed_and_turn_rate_at_any_rate_of_scans() {
    for step_ms in [20, 70, 100, 200, 400] {
        for (forward, turn) in [
            (0.0, 0.0),
            (0.3, 0.0),
            (-0.2, 0.0),
            (0.2, 0.6),
            (0.25, -0.9),
            (0.0, 1.2),
            (1.0, 0.0),
        ] {
            assert_near(
                drive(&ROOM, (forward, turn), step_ms, |_| {}),
                forward,
                turn,
            );
        }
    }
}

#[test]
fn lost_beams_and_somebody_before_the_laser_do_not_mislead_it() {
    let found = drive(&ROOM, (0.3, 0.4), 100, |scan| {
        for (i, range) in scan.ranges.iter_mut().enumerate() {
            // Half of the beams return nothing; somebody walks along, half a metre ahead.
            if i * 7919 % 10 < 5 {
                *range = 0.0;
            } else if (170..190).contains(&i) {
                *range = 0.5;
            }
        }
    });
    assert_near(found, 0.3, 0.4);
}

#[test]
fn smooth_walls_and_open_space_tell_nothing() {
    assert_eq!(drive(&CORRIDOR, (0.5, 0.0), 100, |_| {}), None);
    assert_eq!(drive(&[], (0.5, 0.0), 100, |_| {}), None);
    let near_only = |scan: &mut LaserScan| {
        for range in &mut scan.ranges[30..] {
            *range = 0.0;
        }
    };
    assert_eq!(drive(&ROOM, (0.5, 0.0), 100, near_only), None);
}

proptest! {
    #[test]
    fn whatever_it_sees_it_says_a_motion_within_reach_or_none(
        first in prop::collection::vec(0.0f32..6.0, 1..400),
        second in prop::collection::vec(0.0f32..6.0, 1..400),
        yaw in -6.3f32..6.3,
        ms in 100i64..3000,
    ) {
        let mut motion_history = MotionHistory::new(MessageType::LaserScan, 400_000_000).unwrap();
        for (ranges, time) in [(first, 0), (second, ms)] {
            let mut seen = scan(ranges);
            seen.header.stamp = at(time);
            let beams = prepare(&seen, yaw);
            motion_history.note((&Message::LaserScan(seen), Some(&beams)), at(0));
        }
        if let Some(found) = motion_history.travelled() {
            prop_assert!((400..=1600).contains(&ms));
            prop_assert!((-1.1..=2.1).contains(&found.forward), "{found:?}");
            prop_assert!(found.turn.abs() <= 2.2, "{found:?}");
        }
    }
}
