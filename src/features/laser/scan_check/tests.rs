//! Traps of real scanners, one by one.

use super::*;
use crate::features::testing;

const FAR: f32 = 4.0;

fn seen(scan: &LaserScan, yaw: f32, count: usize) -> (Vec<f32>, Vec<f32>) {
    assert_eq!(check(scan), Ok(()));
    let mut out = vec![f32::NAN; 2 * count];
    testing::prepare(scan, yaw).sectors(FAR, &mut out);
    let mask = out.split_off(count);
    (out, mask)
}

fn clearance(scan: &LaserScan, yaw: f32, half_angle: f32) -> Option<f32> {
    testing::prepare(scan, yaw).clearance(half_angle)
}

/// A full turn of 360 beams from backwards, one return of 1 m at `degrees` of the sensor.
fn one_return(degrees: usize, nothing: f32) -> LaserScan {
    let mut ranges = vec![nothing; 360];
    ranges[(degrees + 180) % 360] = 1.0;
    testing::scan(ranges)
}

#[test]
fn sector_0_is_forward_and_sectors_count_to_the_left() {
    for (degrees, sector) in [(0, 0), (40, 0), (350, 0), (90, 1), (180, 2), (270, 3)] {
        let (near, mask) = seen(&one_return(degrees, 0.0), 0.0, 4);
        let mut expected = vec![0.0; 4];
        expected[sector] = 1.0;
        assert_eq!(mask, expected, "{degrees} degrees");
        assert_eq!(near[sector], 0.25);
    }
}

#[test]
fn yaw_turns_the_sensor_into_the_robot_frame() {
    let scan = one_return(180, 0.0);
    assert_eq!(seen(&scan, std::f32::consts::PI, 4).1, [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(clearance(&scan, std::f32::consts::PI, 0.4), Some(1.0));
    assert_eq!(clearance(&scan, 0.0, 0.4), None);
    let left = std::f32::consts::FRAC_PI_2;
    assert_eq!(seen(&scan, left, 4).1, [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_beam_on_an_edge_counts_on_both_sides() {
    assert_eq!(seen(&one_return(45, 0.0), 0.0, 4).1, [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(seen(&one_return(315, 0.0), 0.0, 4).1, [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(seen(&one_return(180, 0.0), 0.0, 3).1, [0.0, 1.0, 1.0]);
}

#[test]
fn every_coding_of_no_return_is_no_obstacle() {
    for nothing in [0.0, f32::INFINITY, f32::NAN, -1.0, 0.05, 5.1, 65.0] {
        let scan = one_return(90, nothing);
        let (near, mask) = seen(&scan, 0.0, 4);
        assert_eq!(near, [1.0, 0.25, 1.0, 1.0], "coded as {nothing}");
        assert_eq!(mask, [0.0, 1.0, 0.0, 0.0], "coded as {nothing}");
        assert_eq!(clearance(&scan, 0.0, 0.4), None);
    }
}

#[test]
fn minus_infinity_is_something_at_range_min() {
    let (near, mask) = seen(&one_return(90, f32::NEG_INFINITY), 0.0, 4);
    assert_eq!(near, [0.1 / FAR; 4]);
    assert_eq!(mask, [1.0; 4]);
}

#[test]
fn limits_are_inclusive_and_a_range_min_of_0_does_not_make_0_an_obstacle() {
    let mut scan = testing::scan(vec![0.0; 360]);
    scan.range_min = 0.0;
    scan.ranges[180] = 0.0009;
    assert_eq!(clearance(&scan, 0.0, 0.4), None);
    scan.ranges[180] = 0.001;
    assert_eq!(clearance(&scan, 0.0, 0.4), Some(0.001));
    scan.ranges[180] = scan.range_max;
    assert_eq!(clearance(&scan, 0.0, 0.4), Some(scan.range_max));
}

#[test]
fn the_cone_of_the_clearance_has_both_its_ends() {
    let half = 20.0_f32.to_radians();
    for (degrees, inside) in [(20, true), (340, true), (21, false), (339, false)] {
        let found = clearance(&one_return(degrees, 0.0), 0.0, half);
        assert_eq!(found.is_some(), inside, "{degrees} degrees");
    }
    assert!(clearance(&one_return(180, 0.0), 0.0, std::f32::consts::PI).is_some());
}

#[test]
fn a_scanner_mounted_upside_down_is_read_too() {
    let mut scan = one_return(90, 0.0);
    scan.ranges.reverse();
    std::mem::swap(&mut scan.angle_min, &mut scan.angle_max);
    scan.angle_increment = -scan.angle_increment;
    assert_eq!(seen(&scan, 0.0, 4).1, [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_narrow_field_of_view_leaves_the_other_sectors_unseen() {
    let mut scan = testing::scan(vec![2.0; 89]);
    scan.angle_min = -44.0_f32.to_radians();
    scan.angle_max = 44.0_f32.to_radians();
    scan.angle_increment = 1.0_f32.to_radians();
    let (near, mask) = seen(&scan, 0.0, 12);
    assert_eq!(
        mask,
        [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    );
    assert_eq!(near[0], 0.5);
}

#[test]
#[expect(clippy::approx_constant, reason = "drivers round so")]
fn the_conventions_of_known_drivers_pass() {
    // (beams, angle_min, angle_max, step): the last beam at angle_max, one step before it, one
    // step after; first and last beam in one direction; angles given to five digits.
    for (beams, min, max, step) in [
        (360, 0.0, 6.26573, 0.0174533),
        (360, 0.0, 6.28319, 0.0175019),
        (360, 0.0, 6.28319, 0.0174533),
        (361, -3.14159, 3.14159, 0.0174533),
        (1, 0.0, 0.0, 0.0),
        (720, -2.35619, 2.35619, 0.006544),
        (3240, -3.14159, 3.14159, 0.00194),
    ] {
        let scan = LaserScan {
            angle_min: min,
            angle_max: max,
            angle_increment: step,
            ..testing::scan(vec![1.0; beams])
        };
        assert_eq!(check(&scan), Ok(()), "{beams} beams");
    }
}

#[test]
fn a_short_scan_under_the_angles_of_a_long_one_is_refused() {
    let mut scan = testing::scan(vec![1.0; 361]);
    scan.ranges.truncate(36);
    let fault = check(&scan).unwrap_err();
    assert_eq!(
        fault,
        ScanFault::Count {
            ranges: 36,
            expected: 361
        }
    );
    let word = fault.to_string();
    assert!(
        word.starts_with("36 ranges, but") && word.contains("say 361"),
        "{word}"
    );
}

#[test]
fn scans_that_describe_nothing_are_refused() {
    let good = testing::scan(vec![1.0; 360]);
    let angles = |f: fn(&mut LaserScan)| {
        let mut scan = good.clone();
        f(&mut scan);
        check(&scan)
    };
    assert_eq!(angles(|s| s.ranges.clear()), Err(ScanFault::Empty));
    for change in [
        (|s| s.range_max = 0.0) as fn(&mut LaserScan),
        |s| s.range_max = f32::NAN,
        |s| s.range_min = f32::INFINITY,
        |s| s.range_min = 7.0,
    ] {
        assert!(matches!(angles(change), Err(ScanFault::Limits { .. })));
    }
}

#[test]
fn a_step_that_no_scanner_has_is_refused_however_few_beams_there_are() {
    for beams in [2, 3, 360] {
        for step in [1e30, -1e30, 7.0, 1e-30, -1e-6, 0.0, f32::INFINITY, f32::NAN] {
            let scan = LaserScan {
                angle_min: 0.0,
                angle_max: 1e9,
                angle_increment: step,
                ..testing::scan(vec![1.0; beams])
            };
            assert!(
                matches!(check(&scan), Err(ScanFault::Step { .. })),
                "{beams} beams in steps of {step}"
            );
        }
    }
}

/// With one beam there is nothing between beams: drivers leave anything there.
#[test]
fn the_step_of_a_single_beam_does_not_matter() {
    for step in [1e30, -1e30, 0.0, 1e-30, f32::INFINITY, f32::NAN] {
        let scan = LaserScan {
            angle_min: 0.0,
            angle_increment: step,
            ..testing::scan(vec![1.0])
        };
        assert_eq!(check(&scan), Ok(()));
        assert_eq!(
            seen(&scan, 0.0, 4),
            (vec![0.25, 1.0, 1.0, 1.0], vec![1.0, 0.0, 0.0, 0.0])
        );
        assert_eq!(clearance(&scan, 0.0, 0.2), Some(1.0));
    }
}

#[test]
fn nothing_but_nan_is_a_broken_sensor_but_nothing_but_no_return_is_an_open_field() {
    let nan = testing::scan(vec![f32::NAN; 360]);
    assert_eq!(check(&nan), Err(ScanFault::AllNan { ranges: 360 }));
    for nothing in [0.0, f32::INFINITY] {
        let (near, mask) = seen(&testing::scan(vec![nothing; 360]), 0.0, 4);
        assert_eq!((near, mask), (vec![1.0; 4], vec![0.0; 4]));
    }
}

#[test]
fn more_ranges_than_any_scanner_has_are_refused() {
    let scan = testing::scan(vec![1.0; MAX_ELEMENTS + 1]);
    assert!(matches!(check(&scan), Err(ScanFault::TooMany { .. })));
}

/// What is said of the angles of 360 beams.
fn angles(min: f32, max: f32, step: f32) -> Result<(), String> {
    let scan = LaserScan {
        angle_min: min,
        angle_max: max,
        angle_increment: step,
        ..testing::scan(vec![1.0; 360])
    };
    check(&scan).map_err(|fault| fault.to_string())
}

const DEGREE: f32 = std::f32::consts::PI / 180.0;
const PI: f32 = std::f32::consts::PI;

#[test]
fn the_start_the_step_and_the_count_say_where_beams_look_whatever_angle_max_says() {
    for max in [
        -PI + 359.0 * DEGREE,
        -PI + 350.0 * DEGREE,
        0.0,
        -PI,
        7.9,
        -20.0,
        180.0,
        f32::NAN,
        f32::INFINITY,
    ] {
        assert_eq!(angles(-PI, max, DEGREE), Ok(()), "angle_max {max}");
    }
    // Clockwise, as of a scanner mounted upside down whose driver knows.
    assert_eq!(angles(PI, -PI + DEGREE, -DEGREE), Ok(()));
    assert_eq!(angles(PI, 0.3, -DEGREE), Ok(()));
}

#[test]
fn a_wrong_step_is_named_with_what_it_should_be() {
    let named = |(min, max, step): (f32, f32, f32), parts: &[&str]| {
        let word = angles(min, max, step).unwrap_err();
        for part in parts {
            assert!(word.contains(part), "{part}: {word}");
        }
    };
    named(
        (-PI, PI, 0.0),
        &["angle_increment is 0", "360 ranges", "0.00001 to a turn"],
    );
    named((-PI, PI, f32::NAN), &["angle_increment is NaN"]);
    named(
        (-PI, PI, 1.0),
        &["57.1 turns", "1 looks like degrees", "0.01745 rad"],
    );
    named((-PI, PI, 1.9 * DEGREE), &["1.9 turns", "one at most"]);
    named(
        (-180.0, 179.0, 1.0),
        &["angle_min is -180", "looks like degrees", "-3.14159 rad"],
    );
    named((f32::NAN, PI, DEGREE), &["angle_min is NaN"]);
    named((1e9, PI, DEGREE), &["angle_min is 1000000000"]);
    // As the NAV310's driver says it, and the other way round.
    named(
        (-PI, PI, -DEGREE),
        &[
            "-0.017453",
            "negative: clockwise",
            "above angle_min",
            "a positive step",
            "exchanges",
        ],
    );
    named(
        (PI, -PI, DEGREE),
        &[
            "positive: counter-clockwise",
            "below angle_min",
            "a negative step",
        ],
    );
    named(
        (-PI / 2.0, PI / 2.0, -DEGREE / 2.0),
        &["negative: clockwise"],
    );
    // Half the step that the angles need: beams would be taken for others.
    named((-PI, PI, DEGREE / 2.0), &["say 721", "too small"]);
}
