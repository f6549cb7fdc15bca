use std::collections::BTreeMap;

use super::*;
use crate::bag::Bag;
use crate::features::SourceSettings;
use crate::learn::data::truth::{ScanTruth, Truth};
use crate::learn::{BaselineTallies, ConfusionCounts, Scores, TruthBuilder, class_of};

fn build(messages: &[(&str, f64, Message)]) -> Truth {
    let mut builder = TruthBuilder::new(&task(), 0.0);
    for (source, time, message) in messages {
        builder.push(source, seconds(*time), Some(message));
    }
    builder.finish()
}

fn labels(truth: &Truth) -> Vec<Option<usize>> {
    truth.scans.iter().map(|scan| scan.label).collect()
}

#[test]
fn a_bound_belongs_to_the_milder_class() {
    let bounds = [0.8, 0.4];
    let classes = [
        None,
        Some(0.8),
        Some(0.79),
        Some(0.4),
        Some(0.39),
        Some(0.0),
    ];
    assert_eq!(classes.map(|c| class_of(c, &bounds)), [0, 0, 1, 1, 2, 2]);
}

#[test]
fn the_label_is_the_worst_class_of_the_next_second() {
    let s = |time: f64, ahead: f32| ("scan", time, scan(seconds(time), ahead));
    let truth = build(&[
        s(0.0, 0.2), // its own range does not count
        s(0.5, 0.7),
        s(1.0, 0.3), // exactly one second after the first: counts
        s(1.0, 2.0), // a burst: the same time is not the future
        s(1.5, 2.0),
        s(2.0, 0.5),
        s(4.5, 2.0), // a gap before it, and less than a second before the end
        s(5.0, 2.0),
    ]);
    assert_eq!(
        labels(&truth),
        [
            Some(2),
            Some(2),
            Some(1),
            Some(1),
            Some(1),
            None,
            None,
            None
        ]
    );
    let now: Vec<usize> = truth.scans.iter().map(|scan| scan.now).collect();
    assert_eq!(now, [2, 1, 2, 0, 0, 1, 0, 0]);
}

#[test]
fn a_scan_that_cannot_be_read_keeps_its_place_and_no_label() {
    let mut builder = TruthBuilder::new(&task(), 0.0);
    for (time, message) in [
        (0.0, Some(scan(seconds(0.0), 2.0))),
        (0.5, None),
        (1.0, Some(scan(seconds(1.0), 0.5))),
        (2.0, Some(scan(seconds(2.0), 2.0))),
    ] {
        builder.push("scan", seconds(time), message.as_ref());
    }
    assert_eq!(labels(&builder.finish()), [Some(1), None, Some(0), None]);
}

#[test]
fn the_laser_of_a_robot_may_look_backwards() {
    let mut builder = TruthBuilder::new(&task(), std::f32::consts::PI);
    builder.push("scan", seconds(0.0), Some(&scan(seconds(0.0), 0.2)));
    assert_eq!(builder.finish().scans[0].now, 0, "the near wall is behind");
}

#[test]
fn physics_counts_the_way_of_one_second_forward() {
    let at = |messages: &[(&str, f64, Message)]| {
        let mut all = messages.to_vec();
        all.push(("scan", 1.0, scan(seconds(1.0), 0.9)));
        build(&all).scans[0].kinematic
    };
    let odometry = |speed| ("odom", 0.5, odom(seconds(0.5), speed));
    assert_eq!(at(&[]), 0);
    assert_eq!(at(&[odometry(0.2)]), 1);
    assert_eq!(at(&[odometry(0.6)]), 2);
    assert_eq!(at(&[odometry(-0.6)]), 0, "backwards brings nothing nearer");
    assert_eq!(at(&[odometry(f64::NAN)]), 0);
    assert_eq!(at(&[odometry(1975.0)]), 0, "a spike");
    assert_eq!(at(&[("cmd", 0.5, cmd(0.2))]), 1, "no odometry at all");
    let both = [odometry(0.2), ("cmd", 0.6, cmd(0.6))];
    assert_eq!(
        at(&both),
        1,
        "odometry is preferred, though the command is newer"
    );
}

#[test]
fn a_recording_without_odometry_is_known_only_at_its_end() {
    // The command counts nowhere in a recording that has odometry, not even before its first.
    let truth = build(&[
        ("cmd", 0.1, cmd(0.6)),
        ("scan", 0.2, scan(seconds(0.2), 0.9)),
        ("odom", 0.3, odom(seconds(0.3), 0.2)),
        ("scan", 0.4, scan(seconds(0.4), 0.9)),
    ]);
    let physics: Vec<usize> = truth.scans.iter().map(|scan| scan.kinematic).collect();
    assert_eq!(physics, [0, 1]);
}

#[test]
fn truth_reads_from_a_bag_under_other_topic_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.mcap");
    let messages: Vec<_> = (0..10)
        .map(|i| {
            let time = seconds(f64::from(i) * 0.2);
            ("/laser", time, scan(time, 0.6))
        })
        .collect();
    record(&file, &messages);
    let bag = Bag::open(&file).unwrap();
    let topics = BTreeMap::from([("scan".to_owned(), "/laser".to_owned())]);
    let truth = Truth::read(&bag, &task(), &topics, &SourceSettings::default()).unwrap();
    assert_eq!(truth.scans.len(), 10);
    assert_eq!(truth.scans[0].label, Some(1));
    assert_eq!(truth.scans[5].label, None, "0.8 s before the end");
    let word = Truth::read(&bag, &task(), &BTreeMap::new(), &SourceSettings::default())
        .unwrap_err()
        .to_string();
    assert!(word.contains("/scan"), "{word}");
}

#[test]
fn scores_by_hand() {
    let mut tally = ConfusionCounts::new(3);
    // (truth, now, answer)
    for (truth, now, answer) in [
        (0, 0, 0),
        (0, 0, 0),
        (0, 0, 1), // false alarm
        (1, 0, 1), // onset found
        (2, 0, 1), // onset found, though of the wrong class
        (2, 1, 1), // onset missed
        (2, 2, 2),
        (1, 2, 2),
    ] {
        tally.add(truth, now, answer);
    }
    let scores = tally.scores();
    assert_eq!(scores.n, 8);
    assert_eq!(scores.accuracy, Some(4.0 / 8.0));
    let recalls = (2.0 / 3.0 + 1.0 / 2.0 + 1.0 / 3.0) / 3.0;
    assert!((scores.balanced_accuracy.unwrap() - recalls).abs() < 1e-12);
    assert_eq!(scores.onset_recall, Some(2.0 / 3.0));
    assert_eq!(scores.false_alarm, Some(1.0 / 5.0));
    assert_eq!(
        ConfusionCounts::new(3).scores(),
        Scores::default(),
        "nothing to count"
    );
    let mut only = ConfusionCounts::new(3);
    only.add(1, 1, 1);
    assert_eq!(
        only.scores().balanced_accuracy,
        Some(1.0),
        "classes that occur"
    );
    assert_eq!(only.scores().onset_recall, None);
}

#[test]
fn baselines_by_hand() {
    let mut tallies = BaselineTallies::new(3);
    for (label, now, kinematic) in [
        (Some(0), 0, 0),
        (Some(0), 0, 1),
        (Some(1), 0, 1),
        (Some(2), 1, 2),
        (None, 2, 2),
    ] {
        tallies.add(&ScanTruth {
            time: seconds(0.0),
            label,
            now,
            kinematic,
            least_m: None,
            kinematic_m: None,
        });
    }
    assert_eq!(tallies.majority_class(), 0);
    let scores = tallies.scores();
    let balanced = |scores: Scores| scores.balanced_accuracy.unwrap();
    assert!((balanced(scores.majority) - 1.0 / 3.0).abs() < 1e-12);
    assert!((balanced(scores.persistence) - 1.0 / 3.0).abs() < 1e-12);
    assert!((balanced(scores.kinematic) - 2.5 / 3.0).abs() < 1e-12);
    assert_eq!(scores.kinematic.onset_recall, Some(1.0));
    assert_eq!(scores.kinematic.false_alarm, Some(0.5));
    assert_eq!(scores.persistence.onset_recall, Some(0.0));
    assert_eq!(
        scores.majority.n, 4,
        "scans without a label are not counted"
    );
}
