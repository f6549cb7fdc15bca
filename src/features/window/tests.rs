//! What a window shows and when it says that it should not be decided on.

use super::*;
use crate::features::testing::{self, at, odometry, rows, stamped, twist};
use crate::features::window_spec::{DerivedSpec, MotionSpec};

pub(super) const SCAN: SourceId = SourceId(0);
pub(super) const ODOM: SourceId = SourceId(1);
pub(super) const CMD: SourceId = SourceId(2);
/// Columns of the testing specification: flag and age of each input, the derived ones.
pub(super) const SCAN_FLAG: usize = 16;
const ODOM_SPEED: usize = 18;
const ODOM_FLAG: usize = 20;
pub(super) const CMD_FLAG: usize = 24;
pub(super) const DERIVED: usize = 26;

pub(super) fn scan(range: f32) -> Message {
    stamped(range, Stamp(0))
}

/// A window that has seen a scan every 100 ms until `last` ms.
pub(super) fn running(last: i64) -> Window {
    let mut window = testing::window(&testing::spec());
    for ms in (0..=last).step_by(100) {
        window.push(SCAN, &scan(2.0), at(ms)).unwrap();
    }
    window
}

pub(super) fn state(window: &mut Window, ms: i64) -> WindowState {
    rows(window, at(ms)).0
}

pub(super) fn column(rows: &[Vec<f32>], column: usize) -> Vec<f32> {
    rows.iter().map(|row| row[column]).collect()
}

#[test]
fn rows_show_the_world_a_period_apart_oldest_first() {
    let mut window = testing::window(&testing::spec());
    for (ms, range) in [(0, 0.4), (100, 0.8), (200, 1.2), (300, 1.6)] {
        window.push(SCAN, &scan(range), at(ms)).unwrap();
    }
    let (state, rows) = rows(&mut window, at(300));
    assert_eq!(
        state,
        WindowState::Ready {
            oldest_input: Duration::ZERO
        }
    );
    assert_eq!(column(&rows, 0), [0.1, 0.2, 0.3, 0.4]);
    assert_eq!(column(&rows, SCAN_FLAG), [1.0; 4]);
    assert_eq!(column(&rows, SCAN_FLAG + 1), [0.0; 4]);
    assert_eq!(window.features(), 29);
    assert_eq!(
        (window.source("cmd"), window.source("imu")),
        (Some(CMD), None)
    );
    assert_eq!(window.trigger(), SCAN);
}

#[test]
fn a_row_never_shows_what_came_later() {
    let mut window = running(300);
    window
        .push(ODOM, &odometry(0.25, Stamp(0)), at(210))
        .unwrap();
    window
        .push(ODOM, &odometry(0.5, Stamp(0)), at(290))
        .unwrap();
    let (_, rows) = rows(&mut window, at(310));
    assert_eq!(column(&rows, ODOM_FLAG), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(column(&rows, ODOM_SPEED), [0.0, 0.0, 0.5, 1.0]);
    assert_eq!(rows[2][ODOM_FLAG + 1], 0.0);
    assert_eq!(rows[3][ODOM_FLAG + 1], 0.05);
}

#[test]
fn invalid_rows_are_zeros_of_the_greatest_age() {
    let mut window = running(300);
    let (_, rows) = rows(&mut window, at(300));
    assert_eq!(rows[3][ODOM_SPEED..22], [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn the_first_valid_speed_wins_and_an_impossible_one_counts_as_standing() {
    let mut window = running(300);
    let derived = |window: &mut Window| rows(window, at(300)).1[3][DERIVED..].to_vec();
    assert_eq!(derived(&mut window), [0.5, 0.0, 0.5]);
    window.push(CMD, &twist(0.5, 0.0), at(300)).unwrap();
    assert_eq!(derived(&mut window), [0.5, 0.5, 0.375]);
    window
        .push(ODOM, &odometry(1.0, Stamp(0)), at(300))
        .unwrap();
    assert_eq!(derived(&mut window), [0.5, 1.0, 0.25]);
    window
        .push(ODOM, &odometry(1975.0, Stamp(0)), at(300))
        .unwrap();
    assert_eq!(derived(&mut window), [0.5, 0.0, 0.5]);
}

#[test]
fn incomplete_until_the_trigger_has_spoken_for_enough_rows() {
    let mut window = testing::window(&testing::spec());
    assert_eq!(
        state(&mut window, 0),
        WindowState::Incomplete { source: SCAN }
    );
    window.push(SCAN, &scan(1.0), at(0)).unwrap();
    assert_eq!(
        state(&mut window, 0),
        WindowState::Incomplete { source: SCAN }
    );
    assert!(matches!(state(&mut window, 100), WindowState::Ready { .. }));
}

#[test]
fn a_required_input_that_never_spoke_is_named() {
    let mut spec = testing::spec();
    spec.inputs[1].required = true;
    let mut window = testing::window(&spec);
    for ms in [0, 100, 200, 300] {
        window.push(SCAN, &scan(1.0), at(ms)).unwrap();
    }
    assert_eq!(
        state(&mut window, 300),
        WindowState::Incomplete { source: ODOM }
    );
    window
        .push(ODOM, &odometry(0.0, Stamp(0)), at(300))
        .unwrap();
    assert!(matches!(state(&mut window, 300), WindowState::Ready { .. }));
    let age = Duration::from_millis(501);
    for ms in [400, 500, 600, 700, 800] {
        window.push(SCAN, &scan(1.0), at(ms)).unwrap();
    }
    assert!(matches!(state(&mut window, 800), WindowState::Ready { .. }));
    assert_eq!(
        state(&mut window, 801),
        WindowState::Stale { source: ODOM, age }
    );
}

#[test]
fn a_silent_trigger_is_stale_and_ready_again_with_the_next_message() {
    let mut window = running(500);
    assert!(matches!(state(&mut window, 800), WindowState::Ready { .. }));
    let age = Duration::from_millis(301);
    assert_eq!(
        state(&mut window, 801),
        WindowState::Stale { source: SCAN, age }
    );
    window.push(SCAN, &scan(1.0), at(810)).unwrap();
    assert!(matches!(state(&mut window, 810), WindowState::Ready { .. }));
}

#[test]
fn an_optional_input_only_loses_its_flag() {
    let mut window = running(300);
    window.push(CMD, &twist(0.5, 0.0), at(300)).unwrap();
    for ms in (400..=1400).step_by(100) {
        window.push(SCAN, &scan(1.0), at(ms)).unwrap();
    }
    let (state, rows) = rows(&mut window, at(1400));
    assert!(matches!(state, WindowState::Ready { .. }));
    assert_eq!(column(&rows, CMD_FLAG), [1.0, 1.0, 1.0, 0.0]);
    assert_eq!(column(&rows, CMD_FLAG + 1), [1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn ready_tells_the_age_of_the_oldest_input_in_use() {
    let mut window = running(300);
    window.push(CMD, &twist(0.5, 0.0), at(300)).unwrap();
    window.push(SCAN, &scan(1.0), at(400)).unwrap();
    let oldest_input = Duration::from_millis(150);
    assert_eq!(state(&mut window, 450), WindowState::Ready { oldest_input });
    assert_eq!(window.age(SCAN, at(450)), Some(Duration::from_millis(50)));
    assert_eq!(window.age(ODOM, at(450)), None);
    assert_eq!(window.age(SourceId(9), at(450)), None);
}

#[test]
fn a_sample_that_comes_while_now_is_read_is_used() {
    let mut window = running(300);
    let (state, rows) = rows(&mut window, at(298));
    assert_eq!(
        state,
        WindowState::Ready {
            oldest_input: Duration::ZERO
        }
    );
    assert_eq!(rows[3][SCAN_FLAG..SCAN_FLAG + 2], [1.0, 0.0]);
}

#[test]
fn a_clock_turned_back_without_a_message_does_not_make_old_samples_fresh() {
    let mut window = running(60_000);
    let age = Duration::from_secs(60);
    assert_eq!(
        state(&mut window, 0),
        WindowState::Stale { source: SCAN, age }
    );
}

#[test]
fn another_beam_count_and_field_of_view_mid_run_is_fine() {
    let mut window = running(300);
    let narrow = crate::messages::LaserScan {
        angle_min: -0.5,
        angle_max: 0.5,
        angle_increment: 0.01,
        ..testing::scan(vec![1.0; 101])
    };
    window
        .push(SCAN, &Message::LaserScan(narrow), at(400))
        .unwrap();
    let row = rows(&mut window, at(400)).1.pop().unwrap();
    assert_eq!(row[8..16], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(row[0], 0.25);
}

#[test]
fn a_reset_forgets_everything() {
    let mut window = running(60_000);
    window.reset();
    assert_eq!(
        state(&mut window, 60_000),
        WindowState::Incomplete { source: SCAN }
    );
    assert_eq!(window.push(SCAN, &scan(1.0), at(0)), Ok(()));
}

#[test]
fn a_slice_of_another_length_is_left_alone() {
    let mut window = running(300);
    let mut out = vec![7.0; 3];
    let state = window.assemble(at(300), &mut out);
    assert_eq!(state, WindowState::Incomplete { source: SCAN });
    assert_eq!(out, [7.0; 3]);
}

#[test]
fn a_source_of_any_rate_is_shown_no_staler_than_a_quarter_period_and_costs_the_same() {
    let mut window = running(0);
    for ms in 0..=10_000 {
        window
            .push(CMD, &twist(0.0, f64::from(ms) * 1e-4), at(i64::from(ms)))
            .unwrap();
    }
    let kept = window.sources[2].history.len();
    assert!(kept <= 24, "{kept} samples kept");
    let (_, rows) = rows(&mut window, at(10_000));
    let shown: Vec<f32> = rows.iter().map(|row| row[CMD_FLAG + 1] * 4.0).collect();
    assert!(shown.iter().all(|periods| *periods <= 0.25), "{shown:?}");
    assert_eq!(column(&rows, CMD_FLAG), [1.0; 4]);
}

#[test]
fn an_arc_follows_the_first_motion_that_is_valid() {
    let mut spec = testing::spec();
    let motion = |source: &str, forward: &str, turn: &str| MotionSpec {
        source: source.to_owned(),
        forward: forward.to_owned(),
        turn: turn.to_owned(),
        turn_source: None,
    };
    let arc = |near_m: f32, far_m: f32| DerivedSpec::ArcClearance {
        scan: "scan".to_owned(),
        motions: vec![
            motion("odom", "twist.twist.linear.x", "twist.twist.angular.z"),
            motion("cmd", "linear.x", "angular.z"),
        ],
        half_angle_deg: 22.5,
        horizons_s: vec![0.5, 1.0],
        near_m,
        far_m,
    };
    // The same arc in two scales.
    spec.derived = vec![arc(0.0, 4.0), arc(1.0, 3.0)];
    let mut window = testing::window(&spec);
    // A wall across, 2 m ahead, that fills 30 degrees to either side; nothing elsewhere.
    let wall = |degrees: f32| match degrees.abs() < 30.0 {
        true => 2.0 / degrees.to_radians().cos(),
        false => 0.0,
    };
    let ranges = (0..360).map(|i| wall(i as f32 - 180.0)).collect();
    let wall = Message::LaserScan(testing::scan(ranges));
    window.push(SCAN, &wall, at(0)).unwrap();
    let mut newest = |pushed: Option<(SourceId, Message)>| -> Vec<f32> {
        if let Some((source, message)) = pushed {
            window.push(source, &message, at(0)).unwrap();
        }
        let row = rows(&mut window, at(0)).1.pop().unwrap();
        row[DERIVED..]
            .iter()
            .map(|column| (column * 100.0).round() / 100.0)
            .collect()
    };
    // Without a motion at rest: 2 of 4 m.
    assert_eq!(newest(None), [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
    // Half a turn away from the wall, by the command.
    let half_turn = std::f64::consts::PI;
    let away = newest(Some((CMD, twist(0.0, half_turn))));
    assert_eq!(away, [1.0, 1.0, 0.5, 1.0, 1.0, 0.5]);
    // Odometry knows better: straight on at 1 m/s.
    let on = newest(Some((ODOM, testing::odometry(1.0, at(0)))));
    assert_eq!(on, [0.38, 0.25, 0.25, 0.25, 0.0, 0.0]);
}

#[test]
fn a_speed_by_the_pose_is_not_misled_by_the_twist_once_it_is_known() {
    let mut spec = testing::spec();
    let DerivedSpec::ProjectedClearance { speeds, .. } = &mut spec.derived[0] else {
        panic!("the first is a projected clearance");
    };
    speeds.insert(0, "odom:travelled(200).forward".to_owned());
    let mut window = testing::window(&spec);
    let mut speed_after = |x: f64, ms: i64| {
        let mut message = testing::posed((x, 0.0, 0.0), at(ms));
        if let Message::Odometry(odometry) = &mut message {
            odometry.twist.twist.linear.x = 0.75;
        }
        // Fails where time jumps, and is then the first of the new time.
        window.push(ODOM, &message, at(ms)).ok();
        window.push(SCAN, &scan(2.0), at(ms)).unwrap();
        rows(&mut window, at(ms)).1[3][DERIVED + 1]
    };
    assert_eq!(speed_after(0.0, 0), 0.75);
    assert_eq!(speed_after(0.02, 100), 0.75);
    assert!((speed_after(0.04, 200) - 0.2).abs() < 1e-6);
    assert!((speed_after(0.06, 300) - 0.2).abs() < 1e-6);
    assert_eq!(
        speed_after(9.0, 400),
        0.75,
        "a jump of the pose is no speed"
    );
    assert_eq!(speed_after(9.0, 500), 0.75);
    assert!(speed_after(9.02, 600).abs() < 0.11);
    assert_eq!(speed_after(9.02, -5000), 0.75, "time jumped");
    assert_eq!(speed_after(9.04, -4900), 0.75);
    assert!((speed_after(9.06, -4800) - 0.2).abs() < 1e-4);
}

#[test]
fn a_motion_may_be_put_together_from_two_sources_and_needs_both() {
    let mut spec = testing::spec();
    let motion = |source: &str, forward: &str, turn_source: Option<&str>| MotionSpec {
        source: source.to_owned(),
        forward: forward.to_owned(),
        turn: "angular.z".to_owned(),
        turn_source: turn_source.map(str::to_owned),
    };
    spec.derived = vec![DerivedSpec::ArcClearance {
        scan: "scan".to_owned(),
        motions: vec![
            motion("odom", "twist.twist.linear.x", Some("cmd")),
            motion("cmd", "linear.x", None),
        ],
        half_angle_deg: 22.5,
        horizons_s: vec![1.0],
        near_m: 0.0,
        far_m: 4.0,
    }];
    let mut window = testing::window(&spec);
    // Only ahead, out to 10 degrees on both sides.
    let ahead = |i: usize| if (170..=190).contains(&i) { 2.0 } else { 0.0 };
    let seen = Message::LaserScan(testing::scan((0..360).map(ahead).collect()));
    window.push(SCAN, &seen, at(0)).unwrap();
    let mut after = |source: SourceId, message: &Message| {
        window.push(source, message, at(0)).unwrap();
        (rows(&mut window, at(0)).1[3][DERIVED] * 100.0).round() / 100.0
    };
    assert_eq!(after(ODOM, &odometry(1.0, at(0))), 0.5, "no turn: at rest");
    assert_eq!(after(CMD, &twist(0.5, 0.0)), 0.25, "the speed of odom");
    let away = twist(0.0, std::f64::consts::PI);
    assert_eq!(after(CMD, &away), 1.0, "the turn of cmd");
}

#[test]
fn a_robot_without_odometry_sees_by_its_laser_how_fast_it_comes_closer() {
    let mut spec = testing::spec();
    let DerivedSpec::ProjectedClearance { speeds, .. } = &mut spec.derived[0] else {
        panic!("the first is a projected clearance");
    };
    *speeds = vec![
        "scan:travelled(400).forward".to_owned(),
        "cmd:linear.x".to_owned(),
    ];
    let mut window = testing::window(&spec);
    // A square room with the robot on its way to one of the walls; told to go three times as fast.
    let room = |x: f32| {
        let beam = |i: usize| {
            let angle = (i as f32 - 180.0).to_radians();
            let ahead = if angle.cos() > 0.0 { 2.0 - x } else { 2.0 + x };
            (ahead / angle.cos().abs()).min(2.0 / angle.sin().abs())
        };
        Message::LaserScan(testing::scan((0..360).map(beam).collect()))
    };
    let mut speeds = Vec::new();
    for ms in (0..=800).step_by(100) {
        window.push(CMD, &twist(0.9, 0.0), at(ms)).unwrap();
        window
            .push(SCAN, &room(0.3e-3 * ms as f32), at(ms))
            .unwrap();
        speeds.push(rows(&mut window, at(ms)).1[3][DERIVED + 1]);
    }
    assert_eq!(speeds[..4], [0.9; 4], "not known yet");
    let known = &speeds[4..];
    assert!(
        known.iter().all(|speed| (speed - 0.3).abs() < 0.05),
        "{known:?}"
    );
}
