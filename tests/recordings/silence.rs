//! A laser that says nothing: replay answers as the live node does, once per timeout.

use edge_reasoner::replay::ReplayReport;

use crate::made::{Answer, EPOCH, Entry, MS, answers, case, entry, run, scan, write};

const TIMEOUT: i64 = 500 * MS;

fn replayed(entries: &[Entry], overrides: &[&str]) -> (ReplayReport, Vec<Answer>) {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    write(&bag, entries);
    let out = folder.path().join("out");
    let overrides = [&["scan.timeout_ms:=500.0"], overrides].concat();
    let report = run(&[bag], &out, 1.0, &overrides);
    assert_eq!(report.failed, Vec::<String>::new());
    (report, answers(&out.join("drive.mcap")))
}

/// Scans every `period` ms in these stretches of ms.
fn scans(period: i64, stretches: &[(i64, i64)]) -> Vec<Entry> {
    let times = stretches
        .iter()
        .flat_map(|(from, to)| (*from..*to).step_by(period as usize));
    times.map(|ms| entry(&scan(EPOCH + ms * MS, 2.0))).collect()
}

/// Something else that is recorded, once a second.
fn others(from: i64, to: i64) -> impl Iterator<Item = Entry> {
    let times = (from..=to).step_by(1000);
    times.map(|ms| (EPOCH + ms * MS, "/odd", vec![0, 1, 0, 0]))
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|(time, ..)| *time);
    entries
}

/// Times of the answers to silence, in ms, and their reasons.
fn silences(answers: &[Answer]) -> Vec<(i64, &str)> {
    let of = answers.iter().filter(|answer| answer.source == "FALLBACK");
    of.map(|answer| {
        assert_eq!(answer.label, "stop");
        ((answer.stamp.0 - EPOCH) / MS, answer.reason.as_str())
    })
    .collect()
}

#[test]
fn three_seconds_without_a_scan_are_six_stops() {
    let folder = tempfile::tempdir().unwrap();
    let bag = case("silence/scan_silent_3_to_6s.mcap");
    let report = run(&[bag], folder.path(), 1.0, &["scan.timeout_ms:=500.0"]);
    assert_eq!(report.by_source["MODEL"], 60);
    assert!((5..=6).contains(&report.silences), "{report}");
    assert_eq!(report.by_reason["STALE_INPUT"], report.silences);
    assert_eq!(report.received, 60 + report.silences);
    // They have no scan, and so no truth.
    let scored = &report.scores.per_robot["silence"];
    assert_eq!(scored.n, 49);
    assert_eq!(scored.accuracy, Some(1.0));
}

#[test]
fn silence_is_answered_once_per_timeout_at_any_rate() {
    for period in [20, 100, 250, 499] {
        let entries = scans(period, &[(0, 3000), (7000, 9000)]);
        let last = (entries.iter().map(|(time, ..)| (time - EPOCH) / MS))
            .filter(|ms| *ms < 3000)
            .max()
            .unwrap();
        let (report, answers) = replayed(&entries, &[]);
        let expected: Vec<(i64, &str)> = (1..)
            .map(|n| (last + n * TIMEOUT / MS, "STALE_INPUT"))
            .take_while(|(ms, _)| *ms < 7000)
            .collect();
        let found = silences(&answers);
        // The first scans after the silence see it in the window, not as silence.
        let early: Vec<_> = found.into_iter().filter(|(ms, _)| *ms < 7000).collect();
        assert_eq!(early, expected, "{period}");
        assert_eq!(report.silences, expected.len() as u64);
    }
}

#[test]
fn a_laser_slower_than_its_timeout_is_silent_between_its_scans() {
    let (report, answers) = replayed(&scans(800, &[(0, 8000)]), &[]);
    assert_eq!(report.silences, 9);
    assert_eq!(silences(&answers)[0], (500, "STALE_INPUT"));
}

#[test]
fn before_the_first_scan_and_after_the_last_others_tell_how_long_it_lasts() {
    let entries = scans(100, &[(2000, 4000)]);
    let alone = replayed(&entries, &[]).0;
    assert_eq!(alone.silences, 0, "nobody else tells of a silence");
    let entries = sorted(entries.into_iter().chain(others(0, 7000)).collect());
    let (report, answers) = replayed(&entries, &[]);
    let found = silences(&answers);
    let before = [500, 1000, 1500].map(|ms| (ms, "INCOMPLETE_INPUT"));
    let after = [4400, 4900, 5400, 5900, 6400, 6900].map(|ms| (ms, "STALE_INPUT"));
    assert_eq!(found[..3], before);
    assert_eq!(found[found.len() - 6..], after);
    assert_eq!(report.silences, 9);
    assert!((report.seconds - 7.0).abs() < 1e-9);
}

#[test]
fn a_topic_without_a_message_is_silent_throughout_and_named() {
    let entries: Vec<Entry> = others(0, 5000).collect();
    let (report, answers) = replayed(&entries, &[]);
    assert_eq!(report.silences, 9);
    assert_eq!(silences(&answers)[8], (4500, "INCOMPLETE_INPUT"));
    let notices = &report.notices["drive"];
    let named = "scan: /scan is recorded without a message";
    assert!(notices.iter().any(|notice| notice == named), "{notices:?}");
}

#[test]
fn of_a_silence_of_hours_one_is_answered_and_that_is_said() {
    let hours = 50 * 3_600_000;
    let (report, answers) = replayed(&scans(100, &[(0, 2000), (hours, hours + 2000)]), &[]);
    assert!((7199..=7201).contains(&report.silences), "{report}");
    assert_eq!(answers.last().unwrap().source, "MODEL");
    let notices = report.notices["drive"].join("\n");
    assert!(notices.contains("for an hour of it"), "{notices}");
    // What lies hours apart from the scans was not recorded with them.
    let mut entries = vec![(EPOCH - hours * MS, "/odd", vec![0, 1, 0, 0])];
    entries.extend(scans(100, &[(0, 2000)]));
    entries.push((EPOCH + hours * MS, "/odd", vec![0, 1, 0, 0]));
    let report = replayed(&entries, &[]).0;
    assert_eq!(report.silences, 0);
    assert_eq!(report.notices["drive"].len(), 2, "{report}");
}

#[test]
fn scores_are_those_of_the_scans() {
    let entries = scans(100, &[(0, 4000), (6000, 9000)]);
    let patient = replayed(&entries, &["scan.timeout_ms:=60000.0"]).0;
    let report = replayed(&entries, &[]).0;
    assert_eq!((patient.silences, report.silences), (0, 4));
    let scored = |report: &ReplayReport| report.scores.per_robot.values().next().unwrap().n;
    assert_eq!(scored(&patient), scored(&report));
}
