//! Sensors' clocks that are set, clips that are played again: decided on again after three
//! messages, with the reason between.

use edge_reasoner::replay::ReplayReport;

use crate::made::{Answer, EPOCH, MS, answers, case, entry_at, run, scan, write};

fn reasons(answers: &[Answer]) -> Vec<&str> {
    answers
        .iter()
        .map(|answer| answer.reason.as_str())
        .collect()
}

/// 120 scans at 10 Hz; what is added to the stamp of each.
fn stamped(ahead: impl Fn(i64) -> i64) -> (ReplayReport, Vec<Answer>) {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    let scans = (0..120).map(|n| {
        let time = EPOCH + n * 100 * MS;
        entry_at(time, &scan(time + ahead(n) * MS, 2.0))
    });
    write(&bag, &scans.collect::<Vec<_>>());
    let report = run(&[bag], folder.path(), 1.0, &[]);
    let answers = answers(&folder.path().join("drive.mcap"));
    assert_eq!(answers.len(), 120, "every trigger is answered once");
    for answer in &answers {
        if answer.source == "FALLBACK" {
            assert_eq!(answer.label, "stop");
        }
    }
    (report, answers)
}

#[test]
fn a_laser_clock_set_back_by_three_seconds_costs_three_decisions() {
    let folder = tempfile::tempdir().unwrap();
    let bag = case("clocks/laser_clock_steps_back_3s.mcap");
    let report = run(&[bag], folder.path(), 1.0, &[]);
    assert_eq!(report.by_source["MODEL"], 87, "{report}");
    assert_eq!(report.by_reason["INVALID_INPUT"], 2);
    assert_eq!(report.by_reason["TIME_JUMP"], 1);
}

#[test]
fn a_clip_in_a_loop_is_decided_on_in_every_round() {
    let folder = tempfile::tempdir().unwrap();
    let bag = case("loop/clip_3s_five_times.mcap");
    let report = run(&[bag], folder.path(), 1.0, &[]);
    assert!(report.by_source["FALLBACK"] <= 4 * 3, "{report}");
    let answers = answers(&folder.path().join("clip_3s_five_times.mcap"));
    // 30 scans a round, and none of the last 25 of any is refused.
    for round in answers.chunks(30) {
        assert!(round[5..].iter().all(|answer| answer.source == "MODEL"));
    }
}

#[test]
fn a_step_of_any_size_is_over_after_three_messages() {
    let day = 86_400_000;
    for step in [
        -250, -350, -1_000, -3_000, -6_000, -day, 6_000, day, 1, -1, 3_000,
    ] {
        let (_, answers) = stamped(|n| if n < 50 { 0 } else { step });
        let reasons = reasons(&answers);
        let bad: Vec<usize> = (0..120).filter(|n| reasons[*n] != "NONE").collect();
        assert!(bad.iter().all(|n| (50..53).contains(n)), "{step}: {bad:?}");
        let anew = step.abs() > 300 && !(1..=5_000).contains(&step);
        assert_eq!(reasons.contains(&"TIME_JUMP"), anew, "{step}: {reasons:?}");
    }
}

#[test]
fn two_lasers_on_one_topic_with_two_clocks_are_named_and_one_is_kept() {
    for pattern in [2, 4, 6] {
        // In turn, in twos, in threes.
        let second = |n: i64| n % pattern >= pattern / 2;
        let (report, answers) = stamped(|n| if second(n) { -4_000 } else { 0 });
        let jumps = reasons(&answers)
            .iter()
            .filter(|reason| **reason == "TIME_JUMP")
            .count();
        assert!(jumps <= 1, "{pattern}: {jumps}");
        let by_model = report.by_source["MODEL"];
        assert!((55..=62).contains(&by_model), "{pattern}: {report}");
    }
}

#[test]
fn messages_that_overtake_each_other_are_refused_alone() {
    // The twentieth is late by one, by two, by three places.
    for late in 1..4 {
        let places = |n: i64| match n - 20 {
            d if d == late => -late * 100,
            d if (0..late).contains(&d) => 100,
            _ => 0,
        };
        let (report, answers) = stamped(places);
        let reasons = reasons(&answers);
        assert_eq!(reasons[20 + late as usize], "INVALID_INPUT", "{late}");
        assert_eq!(report.by_source["MODEL"], 119, "{late}: {report}");
    }
}
