use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::replay::replayed::DecisionTruth;

const STOP: usize = 2;

/// A recording of decisions every 0.1 s: label, what is seen now, the truth.
fn recording(name: &str, points: &[(u8, usize, usize)]) -> ReplayedRecording {
    let points = points
        .iter()
        .enumerate()
        .map(|(n, &(label, now, truth))| ReplayedDecision {
            at: n as f64 * 0.1,
            latency: Duration::from_millis(1),
            label,
            exit: 1,
            source: DecisionSource::Model,
            truth: Some(DecisionTruth { label: truth, now }),
        });
    ReplayedRecording {
        name: Arc::from(name),
        robot: "r".into(),
        tally: Default::default(),
        points: points.collect(),
        seconds: 1.0,
        silences: 0,
        without: Default::default(),
        notices: Vec::new(),
        refused: (0, None),
        remarks: Vec::new(),
        cut: None,
        scored: None,
    }
}

fn outcome(expect: &str, replayed: &[ReplayedRecording]) -> ExpectationOutcome {
    let text = format!("expectations: [{{name: x, {expect}}}]");
    let expectations: Expectations = serde_yaml::from_str(&text).unwrap();
    expectations.check(replayed, STOP, 20.0).remove(0)
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 1e-9)
}

#[test]
fn times_and_shares_are_those_of_the_decisions() {
    // Free, a wall that is stopped for two scans late, free again one scan late, one false stop.
    let run = recording(
        "wall_1",
        &[
            (0, 0, 0),
            (0, 0, 2),
            (0, 2, 2),
            (1, 2, 2),
            (2, 2, 2),
            (2, 0, 0),
            (0, 0, 0),
            (2, 0, 0),
        ],
    );
    let all = outcome(
        "expect: {time_to_stop_s: {max: 0.15}, resume_time_s: {max: 0.2}, false_stop_share: \
         {max: 0.3}, late: {max: 0}, accuracy: {min: 0.1}}",
        &[run],
    );
    assert!(near(all.measured["time_to_stop_s"], 0.201), "{all:?}");
    assert!(near(all.measured["resume_time_s"], 0.101), "{all:?}");
    assert!(near(all.measured["false_stop_share"], 0.5), "{all:?}");
    assert!(near(all.measured["accuracy"], 3.0 / 8.0), "{all:?}");
    assert_eq!(all.failures.len(), 2, "{all:?}");
}

#[test]
fn only_matching_recordings_count_and_none_is_a_failure() {
    let runs = [
        recording("wall_1", &[(2, 2, 2)]),
        recording("hall_1", &[(0, 2, 2)]),
    ];
    let wall = outcome(
        "recordings: ['wall_*'], expect: {accuracy: {min: 1}}",
        &runs,
    );
    assert_eq!(
        (wall.recordings, wall.failures),
        (vec!["wall_1".into()], vec![])
    );
    let none = outcome("recordings: [ramp], expect: {late: {max: 0}}", &runs);
    assert!(none.failures[0].contains("no recording matched ramp"));
    let nothing = outcome("expect: {time_to_stop_s: {max: 1}}", &runs);
    assert!(nothing.failures[0].contains("could not be measured"));
}

#[test]
fn a_file_that_expects_nothing_or_what_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("expectations.yaml");
    for (text, word) in [
        ("expectations: []", "it expects nothing"),
        (
            "expectations: [{name: a, expect: {speed: {max: 1}}}]",
            "speed",
        ),
        (
            "expectations: [{name: a, expect: {late: {}}}]",
            "neither min nor max",
        ),
        (
            "expectations: [{name: a, recordings: ['['], expect: {late: {max: 1}}}]",
            "pattern",
        ),
        ("3", "expected"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Expectations::load(&file).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn a_stop_in_a_silence_ends_the_way_to_the_stop_and_counts_as_fallback() {
    // The wall comes at 0.1 s, is missed at 0.1 and 0.2 s, and the laser falls silent at 0.3 s.
    let mut run = recording(
        "wall",
        &[(0, 0, 0), (0, 2, 2), (0, 2, 2), (2, 2, 2), (2, 2, 2)],
    );
    for point in &mut run.points[3..] {
        point.truth = None;
        point.source = DecisionSource::Fallback;
    }
    let all = outcome(
        "expect: {time_to_stop_s: {max: 1}, fallback_share: {max: 0}}",
        &[run],
    );
    assert!(near(all.measured["time_to_stop_s"], 0.201), "{all:?}");
    assert!(near(all.measured["fallback_share"], 0.4), "{all:?}");
    assert_eq!(all.failures.len(), 1, "{all:?}");
}
