//! Recordings through the rooms: deterministic, in time, and honest about what they are.

use std::fs;

use crate::made::{EPOCH, MS, answers, drive, entry, run, scan, write};

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    write(&bag, &drive(EPOCH, 200));
    let bytes = |out: &str| {
        let out = folder.path().join(out);
        run(std::slice::from_ref(&bag), &out, 1.0, &[]);
        (
            fs::read(out.join("drive.mcap")).unwrap(),
            fs::read(out.join("report.json")).unwrap(),
        )
    };
    assert!(bytes("first") == bytes("second"));
}

#[test]
fn every_trigger_has_one_answer_and_counts_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    let entries = drive(EPOCH, 100);
    write(&bag, &entries);
    let out = folder.path().join("out");
    let report = run(&[bag], &out, 1.0, &[]);
    assert_eq!(report.received, 100);
    assert_eq!(report.cycles + report.superseded, 100);
    assert_eq!(report.late, 0);
    let stamps: Vec<i64> = answers(&out.join("drive.mcap"))
        .iter()
        .map(|a| a.stamp.0)
        .collect();
    let asked: Vec<i64> = entries.iter().map(|(time, ..)| *time).collect();
    assert_eq!(stamps, asked);
    for file in ["report.json", "report.svg"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 200, "{file}");
    }
    // One format of picture, as in the reports of a training.
    assert!(!out.join("report.png").exists());
}

#[test]
fn on_a_slow_machine_decisions_come_from_earlier_exits_and_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    write(&bag, &drive(EPOCH, 100));
    let depth_at = |slowdown: f64| {
        let out = folder.path().join(format!("x{slowdown}"));
        let report = run(
            std::slice::from_ref(&bag),
            &out,
            slowdown,
            &["policy:=best"],
        );
        assert_eq!(report.late, 0, "slowdown {slowdown}");
        let answers = answers(&out.join("drive.mcap"));
        assert!(answers.iter().all(|a| a.latency_ms <= 20.0));
        let by_model = answers.iter().filter(|a| a.source == "MODEL");
        let exits: Vec<u8> = by_model.map(|a| a.exit).collect();
        exits.iter().map(|exit| f64::from(*exit)).sum::<f64>() / exits.len().max(1) as f64
    };
    // Costs differ by bundle and engine: look for the slowdowns rather than fix them.
    let full = depth_at(1.0);
    let slower: Vec<f64> = (4..16)
        .map(|power| depth_at(f64::from(1 << power)))
        .collect();
    assert!(full >= 3.9, "the whole depth fits at first: {full}");
    assert!(
        slower
            .iter()
            .any(|depth| *depth > 0.0 && *depth < full - 0.9),
        "a slower machine answers from earlier exits: {slower:?}"
    );
}

#[test]
fn the_model_tells_far_from_near() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("rooms.mcap");
    let mut entries: Vec<_> = (0..20)
        .map(|n| entry(&scan(EPOCH + n * 200 * MS, 3.0)))
        .collect();
    entries.extend((20..40).map(|n| entry(&scan(EPOCH + n * 200 * MS, 0.25))));
    write(&bag, &entries);
    let out = folder.path().join("out");
    run(&[bag], &out, 1.0, &[]);
    let answers = answers(&out.join("rooms.mcap"));
    assert_eq!(answers[19].label, "go");
    assert_eq!(answers[39].label, "stop");
}

#[test]
fn a_recording_without_the_topic_is_told_with_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    write(&bag, &drive(EPOCH, 10));
    let out = folder.path().join("out");
    let report = run(&[bag], &out, 1.0, &["scan.topic:=/laser"]);
    assert_eq!(report.cycles, 0);
    assert_eq!(report.failed.len(), 1);
    let word = &report.failed[0];
    assert!(word.contains("/laser") && word.contains("/scan"), "{word}");
}

#[test]
fn a_cut_recording_is_used_up_to_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    // Several chunks, so that the cut lies behind something whole.
    write(&bag, &drive(EPOCH, 3000));
    let whole = fs::read(&bag).unwrap();
    let cut = folder.path().join("cut.mcap");
    fs::write(&cut, &whole[..whole.len() * 3 / 5]).unwrap();
    let out = folder.path().join("out");
    let report = run(&[cut], &out, 1.0, &[]);
    assert_eq!(report.failed, Vec::<String>::new());
    assert_eq!(report.cut.len(), 1);
    assert!(report.cut[0].contains("used up to"), "{}", report.cut[0]);
    assert!(
        report.cycles > 500 && report.cycles < 3000,
        "{}",
        report.cycles
    );
}

#[test]
fn a_recording_cut_before_its_first_message_is_cut_and_not_without_its_topic() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    write(&bag, &drive(EPOCH, 50));
    let whole = fs::read(&bag).unwrap();
    fs::write(&bag, &whole[..200]).unwrap();
    let report = run(&[bag], &folder.path().join("out"), 1.0, &[]);
    assert_eq!(report.failed, Vec::<String>::new());
    assert_eq!(report.cycles, 0);
    assert!(
        report.cut[0].contains("nothing could be used"),
        "{}",
        report.cut[0]
    );
}

#[test]
fn decisions_of_an_earlier_replay_do_not_pass_for_those_of_one_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    write(&bag, &drive(EPOCH, 50));
    let out = folder.path().join("out");
    run(std::slice::from_ref(&bag), &out, 1.0, &[]);
    assert!(out.join("drive.mcap").is_file());
    let report = run(&[bag], &out, 1.0, &["scan.topic:=/laser"]);
    assert_eq!(report.failed.len(), 1);
    assert!(!out.join("drive.mcap").exists());
    assert_eq!(report.parameters["scan.topic"], "/laser");
}

#[test]
fn a_broken_recording_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.mcap");
    let bad = folder.path().join("bad.mcap");
    write(&good, &drive(EPOCH, 10));
    fs::write(&bad, b"this is no recording").unwrap();
    let report = run(&[bad, good], &folder.path().join("out"), 1.0, &[]);
    assert_eq!(report.recordings, ["good"]);
    assert_eq!(report.failed.len(), 1);
    assert!(
        report.failed[0].contains("bad.mcap"),
        "{}",
        report.failed[0]
    );
}

#[test]
#[cfg_attr(
    not(has_recordings),
    ignore = "skipped: needs the recordings in ../shared/data"
)]
fn real_recordings_are_decided_on_with_scores() {
    let data = crate::made::root().join("../shared/data/clearance");
    let folder = tempfile::tempdir().unwrap();
    let bags: Vec<_> = ["neato_square_04", "neato_unknown_01", "neato_teleop_01"]
        .map(|name| data.join(format!("neato/{name}.mcap")))
        .to_vec();
    let report = run(&bags, folder.path(), 1.0, &["scan.yaw:=3.14159"]);
    assert_eq!(report.failed, Vec::<String>::new());
    assert_eq!(report.late, 0);
    let scores = &report.scores.per_robot["neato"];
    let majority = &report.baselines["majority"].per_robot["neato"];
    assert!(scores.balanced_accuracy > majority.balanced_accuracy);
    // The scan of 37 beams among those of 361 is refused, and only it and its kin.
    assert!(
        report.by_reason["INVALID_INPUT"] < 10,
        "{:?}",
        report.by_reason
    );

    // One recording, three containers, the same decisions.
    let twins = [
        data.join("neato/neato_avoid_02.mcap"),
        data.join("db3/neato_avoid_02"),
    ];
    let decided = twins.map(|twin| {
        let out = tempfile::tempdir().unwrap();
        run(&[twin], out.path(), 1.0, &["scan.yaw:=3.14159"]);
        let answers = answers(&out.path().join("neato_avoid_02.mcap"));
        answers
            .iter()
            .map(|a| (a.stamp, a.label.clone(), a.exit))
            .collect::<Vec<_>>()
    });
    assert!(!decided[0].is_empty());
    assert!(decided[0] == decided[1]);
}
