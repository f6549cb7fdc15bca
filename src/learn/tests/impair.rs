//! Copies whose messages suffer on their way, and whose truth does not.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tempfile::tempdir;

use super::conditions::source;
use super::*;
use crate::learn::Dataset;
use crate::learn::data::link_impairments::impaired;
use crate::learn::data::recording_decoder::DecodedRecording;
use crate::learn::data::recordings::Recording;
use crate::learn::task::augmentation_spec::ImpairmentSpec;
use crate::learn::task::split_by::SplitBy;
use crate::messages::MessageType;

/// A minute: scans at 5 Hz, odometry just before each, a label a second on a topic that is no
/// input.
fn minute() -> DecodedRecording {
    let mut messages = Vec::new();
    for step in 0..300 {
        let time = seconds(f64::from(step) * 0.2);
        messages.push((1, time, Some(odom(time, 0.2))));
        messages.push((0, time, Some(scan(time, 0.6))));
        if step % 5 == 0 {
            messages.push((2, time, Some(cmd(0.0))));
        }
    }
    DecodedRecording {
        messages,
        label: 2,
        cut: None,
    }
}

fn under(spec: ImpairmentSpec, yaw: f32, seed: u64) -> DecodedRecording {
    let task = task();
    let sources = [
        source(&task, "scan", MessageType::LaserScan),
        source(&task, "odom", MessageType::Odometry),
    ];
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    impaired(&spec, &task.window, (&sources, &minute()), yaw, &mut random)
}

/// Of the messages of an input: arrival and delay, ms.
fn delays(decoded: &DecodedRecording, input: usize) -> Vec<(i64, i64)> {
    let mine = decoded
        .messages
        .iter()
        .filter(|(index, ..)| *index == input);
    mine.map(|(_, time, message)| {
        let sent = message.as_ref().unwrap().header().unwrap().stamp;
        (time.0 / 1_000_000, time.delta_ns(sent) / 1_000_000)
    })
    .collect()
}

#[test]
fn late_messages_keep_their_order_and_their_stamps_and_labels_their_time() {
    let spec = ImpairmentSpec {
        late_ms: 500.0,
        jitter_ms: 300.0,
        ..ImpairmentSpec::default()
    };
    let mut kinds = BTreeSet::new();
    for seed in 0..40 {
        let seen = under(spec, 0.0, seed);
        assert_eq!(seen.messages.len(), 660);
        assert!(seen.messages.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let labels = seen.messages.iter().filter(|(index, ..)| *index == 2);
        assert!(
            labels
                .map(|(_, t, _)| t.0)
                .eq((0..60).map(|s| s * 1_000_000_000))
        );
        for input in 0..2 {
            let seen = delays(&seen, input);
            let sent: Vec<i64> = seen.iter().map(|(at, delay)| at - delay).collect();
            assert!(sent.is_sorted(), "in the order they were sent");
            let least = seen.iter().map(|(_, delay)| *delay).min().unwrap();
            let most = seen.iter().map(|(_, delay)| *delay).max().unwrap();
            assert!(least >= 0 && most <= 800, "{least} to {most}");
            kinds.insert((least > 10, most - least > 10));
        }
    }
    assert_eq!(
        kinds.len(),
        4,
        "late, irregular, both or neither: {kinds:?}"
    );
}

#[test]
fn some_inputs_lose_some_of_their_messages() {
    let spec = ImpairmentSpec {
        lost: 0.5,
        ..ImpairmentSpec::default()
    };
    let counts = (0..20).map(|seed| delays(&under(spec, 0.0, seed), 0).len());
    let counts: Vec<usize> = counts.collect();
    let whole = counts.iter().filter(|count| **count == 300).count();
    assert!((4..=16).contains(&whole), "half of the inputs: {counts:?}");
    assert!(counts.iter().all(|count| *count > 120), "{counts:?}");
    assert!(counts.iter().any(|count| *count < 220), "{counts:?}");
}

#[test]
fn noise_has_a_level_per_spell_and_what_lasts_is_the_same_in_the_whole_copy() {
    let speeds = |spec: ImpairmentSpec, seed: u64| -> Vec<f64> {
        let seen = under(spec, 0.0, seed);
        let speed = |message: &Option<Message>| match message {
            Some(Message::Odometry(odometry)) => Some(odometry.twist.twist.linear.x),
            _ => None,
        };
        seen.messages
            .iter()
            .filter_map(|(.., m)| speed(m))
            .collect()
    };
    let noise = ImpairmentSpec {
        noise: 0.1,
        ..ImpairmentSpec::default()
    };
    let seen = speeds(noise, 1);
    // 20 messages to a spell of four seconds.
    let deviation = |spell: &[f64]| {
        let square: f64 = spell.iter().map(|x| (x - 0.2).powi(2)).sum();
        (square / spell.len() as f64).sqrt()
    };
    let levels: Vec<f64> = seen.chunks(20).map(deviation).collect();
    let of = |range: std::ops::Range<f64>| levels.iter().filter(|l| range.contains(*l)).count();
    assert_eq!(of(5e-5..0.15), levels.len(), "{levels:?}");
    assert!(of(5e-5..1e-3) > 0 && of(1e-2..0.15) > 0, "{levels:?}");
    assert_eq!(seen, speeds(noise, 1));

    let lasting = ImpairmentSpec {
        bias: 0.1,
        gain: 0.1,
        ..ImpairmentSpec::default()
    };
    let seen = speeds(lasting, 1);
    assert!(seen.iter().all(|speed| *speed == seen[0]) && seen[0] != 0.2);
    assert_ne!(seen[0], speeds(lasting, 2)[0]);
}

#[test]
fn blocks_of_beams_return_nothing_for_a_while_and_often_ahead() {
    let spec = ImpairmentSpec {
        blocked: 0.5,
        ..ImpairmentSpec::default()
    };
    // 72 beams; the robot's forward direction is that of beam 36.
    let seen = under(spec, std::f32::consts::PI, 3);
    let gone = |message: &Option<Message>| match message {
        Some(Message::LaserScan(scan)) => {
            let gone = scan.ranges.iter().map(|range| *range == 0.0);
            Some(gone.collect::<Vec<bool>>())
        }
        _ => None,
    };
    let scans: Vec<Vec<bool>> = seen.messages.iter().filter_map(|(.., m)| gone(m)).collect();
    let spells: Vec<&[Vec<bool>]> = scans.chunks(20).collect();
    assert!(
        spells
            .iter()
            .all(|spell| spell.iter().all(|scan| *scan == spell[0]))
    );
    let blocked = spells.iter().filter(|spell| spell[0].contains(&true));
    assert!((4..=11).contains(&blocked.count()), "of 15 spells");
    let ahead = scans.iter().filter(|scan| scan[36]).count();
    let behind = scans.iter().filter(|scan| scan[0]).count();
    assert!(ahead > behind, "{ahead} and {behind}");
    assert!(scans.iter().all(|s| s.iter().filter(|g| **g).count() <= 25));
}

#[test]
fn the_truth_of_a_copy_is_that_of_what_was_sent() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("run.mcap");
    drive(&file, 60.0, 0.0);
    let recording = Recording {
        path: file,
        file: "run.mcap".into(),
        group: "g".into(),
        robot: "r".into(),
        simulated: false,
        licence: String::new(),
        yaw: 0.0,
    };
    let mut task = task();
    let varied = &mut task.training.variations;
    (varied.copies, varied.scale, varied.yaw_error_deg) = (1, 1.0, 0.0);
    (varied.withhold, varied.thin, varied.range_noise_m) = (0.0, 0.0, 0.0);
    let load = |impairments: ImpairmentSpec, seed: u64| {
        let mut task = task.clone();
        task.training.variations.impairments = impairments;
        let data = Dataset::load(&task, std::slice::from_ref(&recording), 1, seed);
        let labels = |part: usize| -> Vec<_> {
            let rows = data.parts[part].rows.iter();
            rows.map(|row| (row.time, row.label)).collect()
        };
        (labels(0), labels(1), data)
    };
    let (plain, copy, data) = load(ImpairmentSpec::default(), 1);
    assert_eq!(plain, copy);
    assert_eq!(data.parts[0].windows, data.parts[1].windows);
    let blind = ImpairmentSpec {
        blocked: 1.0,
        ..ImpairmentSpec::default()
    };
    let (plain, copy, data) = load(blind, 1);
    assert_eq!(plain, copy, "it sees less, and no less is there");
    assert_ne!(data.parts[0].windows, data.parts[1].windows);

    let late = ImpairmentSpec {
        late_ms: 1000.0,
        ..ImpairmentSpec::default()
    };
    let (plain, copy, _) = (1..20)
        .map(|seed| load(late, seed))
        .find(|(plain, copy, _)| copy.first() != plain.first())
        .expect("one of them has late scans");
    let newest = |time| plain.iter().rfind(|(known, _)| *known <= time);
    // What a late scan is asked about is the time it arrives at.
    let known = copy
        .iter()
        .filter_map(|(time, label)| Some((newest(*time)?.1, *label)));
    assert!(known.clone().count() > 100);
    assert!(known.clone().all(|(truth, label)| truth == label));
}

#[test]
fn impairments_that_mean_nothing_or_would_leak_are_refused() {
    let mut task = task();
    let varied = &mut task.training.variations;
    varied.impairments.late_ms = 100.0;
    assert_eq!(task.faults(), Vec::<String>::new());
    task.recordings.split = SplitBy::Partitions;
    assert!(task.faults()[0].contains("late_ms"), "{:?}", task.faults());
    task.recordings.split = SplitBy::Groups;
    task.training.variations.impairments.noise = f32::NAN;
    assert!(task.faults()[0].contains("noise"), "{:?}", task.faults());
    task.training.variations.impairments.noise = 0.1;
    task.training.variations.copies = 0;
    assert!(task.faults()[0].contains("copies"), "{:?}", task.faults());
    let text = serde_yaml::to_string(&task).unwrap();
    assert!(text.contains("late_ms: 100.0"));
    let odd = text.replace("late_ms", "later_ms");
    let error = serde_yaml::from_str::<Task>(&odd).unwrap_err().to_string();
    assert!(error.contains("later_ms"), "{error}");
}
