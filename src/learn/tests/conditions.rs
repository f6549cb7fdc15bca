//! Messages made worse, the truth left as it was.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::features::{Window, WindowSpec};
use crate::learn::data::corruptions::Corruption;
use crate::learn::data::recording_decoder::{DecodedRecording, RecordedInput};
use crate::learn::report::robustness_scores::{Condition, Robustness};
use crate::learn::{EvalOptions, EvaluationReport, eval, train};
use crate::messages::MessageType;
use crate::model::Backend;

pub fn source(task: &Task, name: &str, kind: MessageType) -> RecordedInput {
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    RecordedInput {
        id: window.source(name).unwrap(),
        name: name.into(),
        topic: format!("/{name}"),
        kind,
        required: false,
    }
}

/// A second of the drive: scans at 5 Hz, each with an odometry message just before.
fn second() -> DecodedRecording {
    let each = |step: i32| {
        let time = seconds(f64::from(step) * 0.2);
        let odometry = (1, time, Some(odom(time, 0.2)));
        [odometry, (0, time, Some(scan(time, 0.6)))]
    };
    DecodedRecording {
        messages: (0..5).flat_map(each).collect(),
        label: usize::MAX,
        cut: None,
    }
}

fn under(corruption: &Corruption, yaw: f32, seed: u64) -> DecodedRecording {
    let task = task();
    let sources = [
        source(&task, "scan", MessageType::LaserScan),
        source(&task, "odom", MessageType::Odometry),
    ];
    let spec: &WindowSpec = &task.window;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    corruption.apply(spec, (&sources, &second()), yaw, &mut random)
}

/// Per scan, which beams have no return.
fn lost(decoded: &DecodedRecording) -> Vec<Vec<bool>> {
    let scans = decoded
        .messages
        .iter()
        .filter_map(|(_, _, message)| match message {
            Some(Message::LaserScan(scan)) => Some(scan.ranges.iter().map(|r| *r == 0.0).collect()),
            _ => None,
        });
    scans.collect()
}

#[test]
fn a_stronger_loss_takes_the_beams_of_a_weaker_one_and_more() {
    for kind in [Corruption::BeamsLost, Corruption::BlocksLost] {
        let (some, most) = (
            lost(&under(&kind(0.3), 0.0, 7)),
            lost(&under(&kind(0.8), 0.0, 7)),
        );
        let count = |scans: &[Vec<bool>]| scans.iter().flatten().filter(|gone| **gone).count();
        assert!(
            count(&some) > 20 && count(&most) > count(&some) + 50,
            "of 360"
        );
        let both = some.iter().flatten().zip(most.iter().flatten());
        assert!(both.into_iter().all(|(some, most)| *most || !some));
        assert_ne!(some[0], some[1], "others in every scan");
        assert_eq!(some, lost(&under(&kind(0.3), 0.0, 7)));
        assert_ne!(some, lost(&under(&kind(0.3), 0.0, 8)));
    }
}

#[test]
fn ahead_is_where_the_robot_drives_whatever_way_the_laser_looks() {
    // 72 beams, 5 degrees each, the first along the laser's zero.
    for (yaw, centre) in [
        (0.0, 0),
        (std::f32::consts::PI, 36),
        (0.5 * std::f32::consts::PI, 54),
    ] {
        for beams in lost(&under(&Corruption::BlockedAhead(21.0), yaw, 1)) {
            for (beam, gone) in beams.iter().enumerate() {
                let off = (beam as i32 - centre).rem_euclid(72);
                assert_eq!(*gone, off.min(72 - off) <= 2, "beam {beam} at yaw {yaw}");
            }
        }
    }
    let anywhere = lost(&under(&Corruption::BlockedAnywhere(50.0), 0.0, 3));
    assert_eq!(anywhere[0].iter().filter(|gone| **gone).count(), 10);
    assert!(
        anywhere.iter().all(|scan| *scan == anywhere[0]),
        "the same in all scans"
    );
}

#[test]
fn a_late_source_keeps_its_stamps_and_lets_the_others_pass() {
    let late = under(&Corruption::Late { input: 1, ms: 300 }, 0.0, 1);
    assert_eq!(late.messages.len(), 10);
    assert!(late.messages.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    for (index, time, message) in &late.messages {
        let header = message.as_ref().unwrap().header().unwrap();
        let delay = time.delta_ns(header.stamp) / 1_000_000;
        assert_eq!(delay, if *index == 1 { 300 } else { 0 });
    }
    let missing = under(&Corruption::Missing(vec![1]), 0.0, 1);
    assert!(missing.messages.iter().all(|(index, ..)| *index == 0));
    let plain = second();
    let noisy = under(
        &Corruption::Noisy {
            input: 1,
            share: 0.1,
        },
        0.0,
        1,
    );
    for (was, is) in plain.messages.iter().zip(&noisy.messages) {
        assert_eq!(was.2 == is.2, was.0 == 0, "odometry alone");
    }
}

struct Trained {
    folder: TempDir,
    task: PathBuf,
}

/// A small model of four drives, and one that it has not seen.
fn trained(change: impl Fn(&mut Task)) -> Trained {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut list = "file,kind,robot,group,yaw_rad,licence,duplicate_of\n".to_owned();
    for (number, licence) in ["cc0", "cc0", "cc0", "cc0", "none-stated"]
        .iter()
        .enumerate()
    {
        drive(&data.join(format!("r{number}.mcap")), 60.0, number as f64);
        list += &format!("r{number}.mcap,real,cart,g{number},0,{licence},\n");
    }
    fs::write(data.join("manifest.csv"), list).unwrap();
    let file = quick(folder.path());
    let mut task = Task::load(&file).unwrap();
    task.training.learning_rate = 0.01;
    task.training.student_epochs = 6;
    change(&mut task);
    fs::write(&file, serde_yaml::to_string(&task).unwrap()).unwrap();
    let trained = Trained { folder, task: file };
    train(&training(
        trained.task.clone(),
        data,
        trained.folder.path().join("model"),
    ))
    .unwrap();
    trained
}

impl Trained {
    fn eval(&self, conditions: bool, seed: u64) -> EvaluationReport {
        eval(&EvalOptions {
            model: self.folder.path().join("model"),
            task: self.task.clone(),
            data: vec![self.folder.path().join("data")],
            out: self.folder.path().join("eval"),
            yaw: 0.0,
            engine: Backend::Flex.into(),
            conditions,
            seed,
        })
        .unwrap()
    }
}

fn scores<'r>(report: &'r EvaluationReport, condition: &str) -> Vec<&'r Robustness> {
    let named = |c: &&Condition| c.name == condition;
    let found = report.conditions.iter().find(named);
    let levels = found
        .unwrap_or_else(|| panic!("no {condition}"))
        .levels
        .iter();
    levels.map(|level| &level.per_robot["cart"]).collect()
}

#[test]
fn what_is_not_seen_is_not_decided_and_confidence_is_reported_with_it() {
    let trained = trained(|_| {});
    let report = trained.eval(true, 1);
    let plain = report.scores.per_robot["cart"].balanced_accuracy.unwrap();
    assert!(plain > 0.7, "{plain}");
    for condition in &report.conditions {
        let first = &condition.levels[0].per_robot["cart"];
        let at_rest = first.balanced_accuracy.unwrap();
        assert!(
            (at_rest - plain).abs() < 1e-5,
            "{}: as recorded",
            condition.name
        );
    }
    // The wall fills 40 degrees ahead; turned by 45 the cone of 45 looks past nearly all of it.
    let turned = *scores(&report, "yaw error").last().unwrap();
    let blind = *scores(&report, "sector blocked ahead").last().unwrap();
    for (name, scores) in [("turned", turned), ("blocked", blind)] {
        assert!(scores.kinematic.unwrap() < 0.4, "{name}: {scores:?}");
        assert!(
            scores.balanced_accuracy.unwrap() < plain - 0.2,
            "{name}: {scores:?}"
        );
        assert!(scores.calibration_error.is_some() && scores.confidence.is_some());
        assert_eq!(scores.refused, 0.0);
    }
    // The truth is that of the recording: as many windows of every class as ever.
    assert_eq!(turned.n, report.cycles);
    let small = scores(&report, "range noise")[1].balanced_accuracy.unwrap();
    assert!(small > plain - 0.1, "a centimetre of noise: {small}");

    assert_eq!(trained.eval(true, 1).conditions, report.conditions);
    assert_ne!(trained.eval(true, 2).conditions, report.conditions);

    let out = trained.folder.path().join("eval");
    let text = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(
        text.contains("yaw error: 45°") && text.contains("correlation of"),
        "{text}"
    );
    for name in [
        "report",
        "report-budget",
        "report-conditions",
        "report-reliability",
    ] {
        let svg = fs::read(out.join(name).with_extension("svg")).unwrap();
        assert!(
            svg.starts_with(b"<svg") && svg.len() < 300_000,
            "{name}: {}",
            svg.len()
        );
        // One format of pictures is enough in a repository.
        assert!(!out.join(name).with_extension("png").exists());
    }
    assert!(trained.eval(false, 1).conditions.is_empty());
    for stale in [
        "report-conditions.md",
        "report-conditions.png",
        "report-conditions.svg",
    ] {
        assert!(!out.join(stale).exists(), "{stale} is of another report");
    }
}

#[test]
fn windows_that_are_refused_are_counted_and_not_scored() {
    let trained = trained(|task| task.window.inputs[1].required = true);
    let report = trained.eval(true, 1);
    let [plain, odom, cmd, both] = scores(&report, "source missing")[..] else {
        panic!("{:?}", report.conditions);
    };
    assert!(
        plain.refused < 0.05 && cmd.refused < 0.05,
        "{plain:?} {cmd:?}"
    );
    for scores in [odom, both] {
        assert_eq!((scores.refused, scores.n), (1.0, 0));
        assert_eq!((scores.balanced_accuracy, scores.confidence), (None, None));
    }
    // A second late is later than its timeout allows at some scans, and a gap at the start.
    let late = scores(&report, "odom late");
    assert!(late[4].refused > late[1].refused, "{late:?}");
    assert!(late[4].n > 0 && late[4].n < report.cycles);
}
