//! Refused messages and time jumps, as the window handles them.

use super::tests::{CMD, CMD_FLAG, DERIVED, ODOM, SCAN, SCAN_FLAG, column, running, scan, state};
use super::*;
use crate::features::input_fault::{FaultReason, InvalidSample};
use crate::features::laser::scan_check::ScanFault;
use crate::features::testing::{self, MS, at, rows, stamped, twist};
use crate::messages::MessageType;

#[test]
fn a_refused_message_leaves_the_one_before_it_until_its_timeout() {
    let mut window = running(300);
    window.push(CMD, &twist(0.5, 0.0), at(300)).unwrap();
    for bad in [f64::NEG_INFINITY, f64::NAN] {
        let fault = window.push(CMD, &twist(bad, 0.0), at(310)).unwrap_err();
        assert_eq!(fault.reason(), FaultReason::InvalidInput);
        let text = fault.to_string();
        assert!(
            text.contains("`cmd`") && text.contains("linear.x"),
            "{text}"
        );
    }
    let (_, rows) = rows(&mut window, at(320));
    // Still the sample of 20 ms ago, a fifth of a period.
    assert_eq!(rows[3][CMD_FLAG..CMD_FLAG + 2], [1.0, 0.05]);
    assert_eq!(rows[3][DERIVED + 1], 0.5);
}

#[test]
fn a_bad_scan_is_refused_and_the_next_good_one_used_at_once() {
    let mut window = running(300);
    let Message::LaserScan(mut short) = scan(1.0) else {
        panic!("a scan");
    };
    short.ranges.truncate(36);
    let fault = window.push(SCAN, &Message::LaserScan(short), at(400));
    let what = InvalidSample::Scan(ScanFault::Count {
        ranges: 36,
        expected: 360,
    });
    let input = "scan".to_owned();
    assert_eq!(fault, Err(InputFault::Invalid { input, what }));
    let row = rows(&mut window, at(400)).1.pop().unwrap();
    assert_eq!((row[0], row[SCAN_FLAG + 1]), (0.5, 0.25));
    window.push(SCAN, &scan(1.0), at(500)).unwrap();
    assert_eq!(rows(&mut window, at(500)).1[3][0], 0.25);
}

#[test]
fn wrong_types_and_unknown_sources_are_refused() {
    let mut window = running(300);
    let fault = window.push(ODOM, &twist(0.1, 0.0), at(300)).unwrap_err();
    let (expected, found) = (MessageType::Odometry, MessageType::Twist);
    let input = "odom".to_owned();
    assert_eq!(
        fault,
        InputFault::WrongType {
            input,
            expected,
            found
        }
    );
    let fault = window
        .push(SourceId(3), &twist(0.1, 0.0), at(300))
        .unwrap_err();
    assert_eq!(fault, InputFault::UnknownSource { id: 3, inputs: 3 });
}

#[test]
fn a_loop_of_the_bag_empties_the_window_and_keeps_the_first_message() {
    let mut window = running(60_000);
    window.push(CMD, &twist(0.1, 0.0), at(60_000)).unwrap();
    let fault = window.push(SCAN, &scan(3.0), at(0)).unwrap_err();
    assert_eq!(fault.reason(), FaultReason::TimeJump);
    assert!(
        fault.to_string().contains("went back by 60.000 s"),
        "{fault}"
    );
    assert_eq!(
        state(&mut window, 0),
        WindowState::Incomplete { source: SCAN }
    );
    assert_eq!(window.age(CMD, at(0)), None);
    window.push(SCAN, &scan(1.0), at(100)).unwrap();
    let (state, rows) = rows(&mut window, at(100));
    assert!(matches!(state, WindowState::Ready { .. }));
    assert_eq!(rows[2][0], 0.75);
}

#[test]
fn a_leap_of_more_than_an_hour_empties_the_window() {
    let hour = 3_600_000;
    let mut window = running(300);
    let leap = at(300 + hour) + Duration::from_millis(1);
    let fault = window.push(SCAN, &scan(1.0), leap).unwrap_err();
    assert_eq!(fault.reason(), FaultReason::TimeJump);
    // Silence of less is no jump, only stale.
    let mut window = running(300);
    assert_eq!(window.push(SCAN, &scan(1.0), at(200 + hour)), Ok(()));
}

#[test]
fn neighbours_may_arrive_in_slight_disorder() {
    let mut window = running(300);
    let early = Stamp(at(300).0 - MS);
    assert_eq!(window.push(SCAN, &scan(1.0), early), Ok(()));
    assert_eq!(rows(&mut window, at(300)).1[3][0], 0.25);
    assert_eq!(window.push(CMD, &twist(0.5, 0.0), at(250)), Ok(()));
    let own = window.push(CMD, &twist(0.5, 0.0), at(248)).unwrap_err();
    assert_eq!(own.reason(), FaultReason::TimeJump);
}

#[test]
fn a_new_sensor_clock_empties_the_window_once() {
    let mut window = testing::window(&testing::spec());
    let header = |ms: i64| Stamp(ms * MS);
    let mut push = |stamp, ms| {
        window
            .push(SCAN, &stamped(1.0, stamp), at(ms))
            .map_err(|fault| fault.reason())
    };
    for ms in [0, 100, 200, 300] {
        assert_eq!(push(header(1000 + ms), ms), Ok(()));
    }
    assert_eq!(push(header(90_400), 400), Err(FaultReason::InvalidInput));
    assert_eq!(push(header(90_500), 500), Err(FaultReason::InvalidInput));
    assert_eq!(push(header(90_600), 600), Err(FaultReason::TimeJump));
    assert_eq!(push(header(90_700), 700), Ok(()));
    assert_eq!(push(header(90_700), 800), Err(FaultReason::InvalidInput));
    assert_eq!(push(header(90_650), 900), Err(FaultReason::InvalidInput));
    assert_eq!(push(header(91_000), 1000), Ok(()));
    let (state, rows) = rows(&mut window, at(1000));
    assert!(matches!(state, WindowState::Ready { .. }));
    assert_eq!(column(&rows, SCAN_FLAG), [1.0; 4]);
}

#[test]
fn a_new_frame_is_taken_when_it_stays() {
    let mut window = running(300);
    let Message::LaserScan(mut other) = scan(1.0) else {
        panic!("a scan");
    };
    other.header.frame_id = "other".to_owned();
    let other = Message::LaserScan(other);
    let mut reasons = Vec::new();
    for ms in [400, 500, 600, 700] {
        let pushed = window.push(SCAN, &other, at(ms));
        reasons.push(pushed.map_err(|fault| fault.reason()));
    }
    let invalid = Err(FaultReason::InvalidInput);
    assert_eq!(
        reasons,
        [invalid, invalid, Err(FaultReason::TimeJump), Ok(())]
    );
}

#[test]
fn extreme_times_do_not_overflow() {
    for now in [i64::MIN, 0, i64::MAX] {
        let mut window = testing::window(&testing::spec());
        for arrival in [i64::MAX, i64::MIN, 0, i64::MAX] {
            let _ = window.push(SCAN, &scan(1.0), Stamp(arrival));
            rows(&mut window, Stamp(now));
        }
    }
}
