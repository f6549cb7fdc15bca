use super::*;

const THRESHOLDS: Thresholds = Thresholds {
    warn_fallback_share: 0.05,
    error_fallback_share: 0.5,
    error_late_share: 0.01,
};

fn tally(decisions: u64, model: u64, late: u64) -> CounterValues {
    CounterValues {
        decisions,
        late,
        per_source: [model, 0, decisions - model],
        ..CounterValues::default()
    }
}

fn levels(
    before: &CounterValues,
    now: &CounterValues,
    preferred: bool,
    age: Option<Duration>,
) -> Vec<u8> {
    levels_and(before, now, preferred, age, None)
}

fn levels_and(
    before: &CounterValues,
    now: &CounterValues,
    preferred: bool,
    age: Option<Duration>,
    attention: Option<(bool, String)>,
) -> Vec<u8> {
    let scan = InputHealth {
        name: "scan",
        topic: "/scan",
        age,
        used_age: age,
        timeout: Duration::from_millis(500),
        required: true,
        static_return: None,
    };
    let odom = InputHealth {
        required: false,
        ..scan.clone()
    };
    let health = NodeHealth {
        node: "/edge_reasoner",
        model: "m-1",
        before,
        now,
        latency_ms: [1.0, 2.0, 3.0],
        deadline: Duration::from_millis(20),
        engine: ("flex", preferred),
        inputs: vec![scan, odom],
        attention,
        gate: None,
    };
    judge(&health, &THRESHOLDS)
        .iter()
        .map(|s| s.level)
        .collect()
}

#[test]
fn levels_follow_the_period_and_not_the_past() {
    let fresh = Some(Duration::from_millis(100));
    let level = |before: CounterValues, now: CounterValues| levels(&before, &now, true, fresh)[0];
    assert_eq!(level(tally(0, 0, 0), tally(100, 100, 0)), 0);
    assert_eq!(level(tally(0, 0, 0), tally(100, 95, 0)), 0);
    assert_eq!(level(tally(0, 0, 0), tally(100, 94, 0)), 1);
    assert_eq!(level(tally(0, 0, 0), tally(100, 49, 0)), 2);
    assert_eq!(level(tally(0, 0, 0), tally(1000, 1000, 10)), 1);
    assert_eq!(level(tally(0, 0, 0), tally(1000, 1000, 11)), 2);
    let after_bad = level(tally(100, 0, 100), tally(200, 100, 100));
    assert_eq!(after_bad, 0, "what is over is over");
    assert_eq!(level(tally(5, 5, 0), tally(5, 5, 0)), 0, "a quiet period");
}

#[test]
fn silent_sources_and_second_choices_are_shown() {
    let tally = tally(10, 10, 0);
    let old = Some(Duration::from_millis(501));
    assert_eq!(levels(&tally, &tally, false, None), [0, 1, 2, 1]);
    assert_eq!(levels(&tally, &tally, true, old), [0, 0, 2, 1]);
}

#[test]
fn a_source_that_is_heard_and_never_used_is_not_green() {
    let fresh = Some(Duration::from_millis(100));
    let source = |used_age| InputHealth {
        name: "cmd",
        topic: "/cmd_vel",
        age: fresh,
        used_age,
        timeout: Duration::from_millis(500),
        required: false,
        static_return: None,
    };
    assert_eq!(source(fresh).refusal(), None);
    for bad in [None, Some(Duration::from_secs(2))] {
        let said = source(bad).refusal().unwrap();
        assert!(said.contains("/cmd_vel is heard, but none"), "{said}");
    }
}

#[test]
fn a_laser_that_sees_its_robot_is_a_warning_that_says_so() {
    let tally = tally(10, 10, 0);
    let laser = InputHealth {
        name: "scan",
        topic: "/scan",
        age: Some(Duration::ZERO),
        used_age: Some(Duration::ZERO),
        timeout: Duration::from_millis(500),
        required: true,
        static_return: Some("scan: something stands at 5°"),
    };
    let health = NodeHealth {
        node: "/edge_reasoner",
        model: "m-1",
        before: &tally,
        now: &tally,
        latency_ms: [1.0, 2.0, 3.0],
        deadline: Duration::from_millis(20),
        engine: ("flex", true),
        inputs: Vec::new(),
        attention: None,
        gate: None,
    };
    let status = input(&health, &laser);
    assert_eq!(status.level, Level::Warn as u8);
    assert!(status.message.contains("stands at 5°"));
}

#[test]
fn a_call_for_attention_is_a_warning() {
    let (tally, fresh) = (tally(10, 10, 0), Some(Duration::ZERO));
    let level = |needed| {
        let attention = Some((needed, String::from("why")));
        levels_and(&tally, &tally, true, fresh, attention)[4]
    };
    assert_eq!((level(true), level(false)), (1, 0));
}
