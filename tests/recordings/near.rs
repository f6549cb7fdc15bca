//! Things that come nearer than a laser can measure, and returns that stand alone: what is decided,
//! moment by moment.

use std::fs;
use std::path::PathBuf;

use crate::made::{Answer, MS, answers, root, run};

fn case(name: &str) -> PathBuf {
    root().join("tests/cases").join(name)
}

/// What a replay decides on a case: seconds since its first scan, and the answer.
fn decided(name: &str, overrides: &[&str]) -> Vec<(f64, Answer)> {
    let folder = tempfile::tempdir().unwrap();
    let bag = case(name);
    let report = run(std::slice::from_ref(&bag), folder.path(), 1.0, overrides);
    assert_eq!(report.failed, Vec::<String>::new());
    let answers = answers(&folder.path().join(bag.file_name().unwrap()));
    let first = answers[0].stamp.0;
    let since = |answer: Answer| ((answer.stamp.0 - first) as f64 / (1000 * MS) as f64, answer);
    answers.into_iter().map(since).collect()
}

/// Seconds until the model first says this.
fn first(decided: &[(f64, Answer)], label: &str) -> Option<f64> {
    let mut by_model = decided
        .iter()
        .filter(|(_, answer)| answer.source == "MODEL");
    by_model
        .find(|(_, answer)| answer.label == label)
        .map(|(at, _)| *at)
}

fn labels_from(decided: &[(f64, Answer)], from: f64) -> Vec<&str> {
    let later = decided.iter().filter(|(at, _)| *at >= from);
    later.map(|(_, answer)| answer.label.as_str()).collect()
}

#[test]
fn a_wall_that_is_too_near_for_the_laser_stays_a_stop() {
    let decided = decided("too_near/lidar_012_minus_inf.mcap", &[]);
    let stop = first(&decided, "stop").expect("a stop");
    assert!(stop < 10.5, "{stop}");
    let later = labels_from(&decided, stop + 0.5);
    assert!(later.iter().all(|label| *label == "stop"), "{later:?}");
}

#[test]
fn a_true_range_below_range_min_stops_as_one_above_does() {
    let control = decided("too_near/box_appears_control_range_min_010.mcap", &[]);
    let below = decided("too_near/box_appears_value_below_min.mcap", &[]);
    let (control, stop) = (first(&control, "stop").unwrap(), first(&below, "stop"));
    let stop = stop.expect("a stop");
    assert!((stop - control).abs() <= 0.1, "{stop} {control}");
    let later = labels_from(&below, stop + 0.2);
    assert!(later.iter().all(|label| *label == "stop"), "{later:?}");
}

#[test]
fn what_vanishes_on_coming_too_near_is_still_there() {
    for overrides in [&[][..], &["scan.below_min:=near"]] {
        let decided = decided("too_near/camera_045_zero.mcap", overrides);
        let later = labels_from(&decided, 10.2);
        assert!(later.len() >= 5);
        assert!(!later.contains(&"go"), "{later:?}");
    }
}

#[test]
fn a_parameter_ignores_it_all() {
    let none = &["scan.below_min:=none"];
    let below = decided("too_near/box_appears_value_below_min.mcap", none);
    assert_eq!(first(&below, "stop"), None);
    let vanished = decided("too_near/camera_045_zero.mcap", none);
    assert!(labels_from(&vanished, 10.2).contains(&"go"));
}

#[test]
fn stray_beams_stop_the_robot_unless_it_is_told_to_drop_them() {
    let name = "specks/one_beam_in_one_of_ten.mcap";
    let stops = |overrides: &[&str]| {
        let decided = decided(name, overrides);
        let by_model = decided
            .iter()
            .filter(|(_, answer)| answer.source == "MODEL");
        by_model
            .filter(|(_, answer)| answer.label == "stop")
            .count()
    };
    assert!(stops(&[]) > 0);
    assert_eq!(stops(&["scan.speck_filter:=beams"]), 0);
    assert_eq!(stops(&["scan.speck_filter:=scans"]), 0);
}

#[test]
fn a_filter_over_scans_costs_one_scan() {
    let name = "too_near/box_appears_control_range_min_010.mcap";
    let plain = first(&decided(name, &[]), "stop").unwrap();
    let beams = first(&decided(name, &["scan.speck_filter:=beams"]), "stop").unwrap();
    let scans = first(&decided(name, &["scan.speck_filter:=scans"]), "stop").unwrap();
    assert_eq!(beams, plain);
    assert!(scans - plain < 0.15, "{scans} {plain}");
}

#[test]
fn the_cases_are_small() {
    for folder in ["too_near", "specks"] {
        for file in fs::read_dir(case(folder)).unwrap() {
            assert!(file.unwrap().metadata().unwrap().len() < 160_000);
        }
    }
}
