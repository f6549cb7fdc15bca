//! Bad messages: each is answered by the safe label with its reason, none is remembered, and the
//! next good one is used at once.

use edge_reasoner::messages::LaserScan;
use edge_reasoner::time::Stamp;

use crate::made::{Answer, EPOCH, Entry, MS, answers, drive, entry, entry_at, run, scan, write};

const BEFORE: usize = 20;

fn at(n: usize) -> i64 {
    EPOCH + n as i64 * 200 * MS
}

/// Good scans, then `middle`, then good scans again.
fn decide(middle: Vec<Entry>) -> Vec<Answer> {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("bad.mcap");
    let mut entries = drive(EPOCH, BEFORE);
    let after = BEFORE + middle.len();
    entries.extend(middle);
    entries.extend(drive(at(after), 20));
    write(&bag, &entries);
    let out = folder.path().join("out");
    let report = run(&[bag], &out, 1.0, &[]);
    assert_eq!(report.late, 0);
    assert_eq!(report.cycles + report.superseded, report.received);
    answers(&out.join("bad.mcap"))
}

/// One bad scan among good ones.
fn one_bad(name: &str, reason: &str, bad: Entry) {
    let answers = decide(vec![bad]);
    assert_eq!(
        answers.len(),
        BEFORE + 21,
        "{name}: every trigger is answered"
    );
    let answer = &answers[BEFORE];
    assert_eq!(
        (
            answer.label.as_str(),
            answer.source.as_str(),
            answer.reason.as_str()
        ),
        ("stop", "FALLBACK", reason),
        "{name}"
    );
    for (n, answer) in answers.iter().enumerate() {
        if n != BEFORE {
            assert_ne!(
                answer.reason, reason,
                "{name}: only the bad one, not number {n}"
            );
        }
    }
    let next = &answers[BEFORE + 1];
    assert_eq!(
        next.source, "MODEL",
        "{name}: good scans are used again at once"
    );
}

fn changed(change: impl FnOnce(&mut LaserScan)) -> Entry {
    let mut scan = scan(at(BEFORE), 2.0);
    change(&mut scan);
    entry_at(at(BEFORE), &scan)
}

#[test]
fn scans_that_cannot_be_used() {
    one_bad("empty", "INVALID_INPUT", changed(|s| s.ranges.clear()));
    one_bad(
        "all NaN",
        "INVALID_INPUT",
        changed(|s| s.ranges.fill(f32::NAN)),
    );
    one_bad(
        "too few beams",
        "INVALID_INPUT",
        changed(|s| s.ranges.truncate(36)),
    );
    one_bad(
        "no increment",
        "INVALID_INPUT",
        changed(|s| s.angle_increment = 0.0),
    );
    one_bad(
        "NaN angles",
        "INVALID_INPUT",
        changed(|s| s.angle_min = f32::NAN),
    );
    let other = changed(|s| s.header.frame_id = "other".into());
    one_bad("another frame, once", "INVALID_INPUT", other);
}

#[test]
fn stamps_that_cannot_be_right() {
    let repeated = changed(|s| s.header.stamp = Stamp(at(BEFORE - 1)));
    one_bad("repeated", "INVALID_INPUT", repeated);
    let future = changed(|s| s.header.stamp = Stamp(at(BEFORE) + 3_600_000 * MS));
    one_bad("an hour ahead", "INVALID_INPUT", future);
    let back = changed(|s| s.header.stamp = Stamp(at(BEFORE - 3)));
    one_bad("a little back", "INVALID_INPUT", back);
}

#[test]
fn bytes_that_are_no_scan() {
    let good = entry(&scan(at(BEFORE), 2.0)).2;
    let bytes = |bytes: Vec<u8>| (at(BEFORE), "/scan", bytes);
    one_bad("nothing", "INVALID_INPUT", bytes(Vec::new()));
    one_bad("header alone", "INVALID_INPUT", bytes(good[..4].to_vec()));
    one_bad(
        "cut",
        "INVALID_INPUT",
        bytes(good[..good.len() / 2].to_vec()),
    );
    one_bad(
        "noise",
        "INVALID_INPUT",
        bytes((0..400).map(|n| (n * 37 % 251) as u8).collect()),
    );
    // The length of ranges claims four billion beams.
    let mut absurd = good.clone();
    let ranges = 4 + 8 + 4 + 12 + 7 * 4;
    absurd[ranges..ranges + 4].fill(0xff);
    one_bad("absurd length", "INVALID_INPUT", bytes(absurd));
}

#[test]
fn codings_of_no_return_are_not_faults() {
    for none in [0.0, f32::INFINITY, 9.9, f32::NEG_INFINITY, -1.0] {
        let some_nan = changed(|s| {
            s.ranges.fill(none);
            s.ranges[180] = f32::NAN;
        });
        let answers = decide(vec![some_nan]);
        assert_eq!(answers[BEFORE].source, "MODEL", "{none}");
    }
}

#[test]
fn beams_field_of_view_and_frame_may_change_for_good() {
    let half = |n: usize| {
        let mut scan = scan(at(n), 2.0);
        scan.ranges.truncate(180);
        scan.angle_max = 179f32.to_radians();
        scan
    };
    let answers = decide((BEFORE..BEFORE + 5).map(|n| entry(&half(n))).collect());
    assert!(
        answers.iter().skip(2).all(|a| a.source == "MODEL"),
        "field of view"
    );

    let moved = |n: usize| {
        let mut scan = scan(at(n), 2.0);
        scan.header.frame_id = "other".into();
        scan
    };
    let answers = decide((BEFORE..BEFORE + 10).map(|n| entry(&moved(n))).collect());
    let sources: Vec<&str> = answers.iter().map(|a| a.source.as_str()).collect();
    assert_eq!(
        sources[BEFORE], "FALLBACK",
        "at first it is taken for a fault"
    );
    assert_eq!(sources[BEFORE + 9], "MODEL", "then for the new frame");
}

#[test]
fn stamps_of_zero_are_a_driver_that_does_not_stamp() {
    let unstamped = |n: usize| {
        let mut scan = scan(at(n), 2.0);
        scan.header.stamp = Stamp(0);
        entry_at(at(n), &scan)
    };
    let answers = decide((BEFORE..BEFORE + 5).map(unstamped).collect());
    let five = &answers[BEFORE..BEFORE + 5];
    assert!(five.iter().all(|a| a.source == "MODEL"));
    assert_eq!(five[0].stamp.0, at(BEFORE), "the answer names its arrival");
}

#[test]
fn a_clock_that_jumps_starts_the_window_anew() {
    // The sensor's clock is set an hour ahead and stays there.
    let hour = 3_600_000 * MS;
    let ahead = |n: usize| {
        let mut scan = scan(at(n), 2.0);
        scan.header.stamp = Stamp(at(n) + hour);
        entry_at(at(n), &scan)
    };
    let answers = decide((BEFORE..BEFORE + 6).map(ahead).collect());
    let reasons: Vec<&str> = answers.iter().map(|a| a.reason.as_str()).collect();
    assert_eq!(
        reasons[BEFORE..BEFORE + 3],
        ["INVALID_INPUT", "INVALID_INPUT", "TIME_JUMP"],
        "three that agree are a clock"
    );
    assert_eq!(answers[BEFORE + 5].source, "MODEL");
}

#[test]
fn topics_of_unknown_types_are_nobodys_business() {
    let odd = (0..3).map(|n| (at(BEFORE) + n, "/odd", vec![0xff; 16]));
    let answers = decide(odd.collect());
    assert!(answers.iter().skip(2).all(|a| a.source == "MODEL"));
}

#[test]
fn a_scan_repeated_under_new_stamps_is_stale_where_that_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("frozen.mcap");
    let mut entries = drive(EPOCH, BEFORE);
    entries.extend((0..10).map(|n| entry(&scan(at(BEFORE + n), 2.0))));
    entries.extend(drive(at(BEFORE + 10), 20));
    write(&bag, &entries);
    let reasons = |watched: &[&str]| -> Vec<String> {
        let out = folder.path().join(format!("out{}", watched.len()));
        run(std::slice::from_ref(&bag), &out, 1.0, watched);
        let answers = answers(&out.join("frozen.mcap"));
        answers.into_iter().map(|answer| answer.reason).collect()
    };
    assert!(!reasons(&[]).contains(&"STALE_INPUT".into()));
    let watched = reasons(&["scan.freeze_timeout_ms:=1000.0"]);
    // The first of them is new; the sixth after it has been the same for more than a second.
    let stale = (BEFORE + 6)..(BEFORE + 10);
    for (n, reason) in watched.iter().enumerate() {
        assert_eq!(
            reason == "STALE_INPUT",
            stale.contains(&n),
            "number {n}: {reason}"
        );
    }
}
