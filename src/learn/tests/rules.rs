//! Tasks of other kinds than clearance: where their labels come from and what is left out.

use tempfile::tempdir;

use super::*;
use crate::bag::Bag;
use crate::features::SourceSettings;
use crate::learn::data::dataset::Dataset;
use crate::learn::data::folds::Folds;
use crate::learn::data::labels::TruthBuilder;
use crate::learn::data::recordings::{Recording, TeachingLicences, find};
use crate::learn::data::truth::Truth;
use crate::learn::task::split_by::SplitBy;
use crate::learn::task::train_options::TrainOptions;
use crate::learn::{BaselineTallies, EvalOptions, LabelRule, cross_validate, eval, train};
use crate::messages::{Float32MultiArray, MessageType, RosString};
use crate::model::{Backend, Bundle};

fn ship(name: &str) -> Task {
    let file = format!("params/tasks/{name}.yaml");
    Task::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The shipped wall follower with a model and a training that take a second.
fn small() -> Task {
    let mut task = ship("wall_following");
    task.window.frames = 2;
    task.student.width = 8;
    task.student.heads = 2;
    task.student.depth = 2;
    task.student.ffn = 16;
    task.training.teacher_epochs = 0;
    task.training.student_epochs = 25;
    task.training.learning_rate = 0.02;
    task.training.batch = 16;
    task
}

fn ranges(front: f32, left: f32) -> Message {
    let mut data = vec![2.0; 24];
    data[12] = front;
    data[18] = left;
    Message::Float32MultiArray(Float32MultiArray {
        data,
        ..Float32MultiArray::default()
    })
}

fn word(text: &str) -> Message {
    Message::String(RosString { data: text.into() })
}

/// What the robot at step `i` sees, and the class of its move.
fn step(i: usize) -> (Message, usize) {
    let (front, left) = [(2.0, 0.7), (2.0, 1.5), (2.0, 0.3), (0.5, 0.7)][i / 5 % 4];
    (ranges(front, left), i / 5 % 4)
}

fn follow(file: &Path, task: &Task, steps: usize) {
    let mut messages = Vec::new();
    for i in 0..steps {
        let time = seconds(50.0 + i as f64 / 9.0);
        let (seen, class) = step(i);
        messages.push(("/decision_label", time, word(&task.labels[class])));
        messages.push(("/ultrasound", time, seen));
    }
    record(file, &messages);
}

fn own(path: &Path) -> Recording {
    let spec = task().recordings;
    find(&[path.to_path_buf()], &spec, 0.0).unwrap().remove(0)
}

fn save(task: &Task, folder: &Path) -> PathBuf {
    let file = folder.join("task.yaml");
    fs::write(&file, serde_yaml::to_string(task).unwrap()).unwrap();
    file
}

fn labels(truth: Truth) -> Vec<Option<usize>> {
    truth.scans.iter().map(|scan| scan.label).collect()
}

#[test]
fn the_shipped_tasks_are_sound_survive_yaml_and_broken_ones_are_refused() {
    for name in ["clearance", "wall_following", "terrain"] {
        let task = ship(name);
        let text = serde_yaml::to_string(&task).unwrap();
        assert_eq!(serde_yaml::from_str::<Task>(&text).unwrap(), task);
    }
    let mut broken = ship("terrain");
    broken.truth = LabelRule::Topic {
        topic: "label".into(),
        max_age_s: 0.0,
        persistence: false,
    };
    broken.recordings.split = SplitBy::Partitions;
    broken.recordings.partition_s = 1.0;
    let faults = broken.faults().join("; ");
    for part in ["\"label\"", "max_age_s is 0", "partition_s is 1"] {
        assert!(faults.contains(part), "{part} is not in: {faults}");
    }
    let mut broken = small();
    broken.truth = LabelRule::CmdVel {
        topic: "/cmd_vel".into(),
        message: MessageType::Imu,
        horizon_s: 1.0,
        linear: vec![0.2, 0.1],
        angular: vec![0.0],
    };
    let faults = broken.faults().join("; ");
    for part in ["Imu", "rising", "6 bins for 4 labels"] {
        assert!(faults.contains(part), "{part} is not in: {faults}");
    }
    let mut broken = task();
    broken.window.every_ms = 100;
    assert!(broken.faults()[0].contains("every_ms"));
}

#[test]
fn the_newest_word_that_is_young_enough_is_the_label() {
    let mut task = small();
    task.truth = LabelRule::Topic {
        topic: "/decision_label".into(),
        max_age_s: 1.0,
        persistence: true,
    };
    let mut truth = TruthBuilder::new(&task, 0.0);
    let ask = |truth: &mut TruthBuilder, s: f64| {
        truth.push("ultrasound", seconds(s), Some(&ranges(1.0, 1.0)));
    };
    ask(&mut truth, 0.5);
    ask(&mut truth, 1.0);
    // Of the same time, though written later.
    truth.label(seconds(1.0), Some(&word("Sharp-Right-Turn")));
    ask(&mut truth, 2.0);
    ask(&mut truth, 2.1);
    truth.label(seconds(3.0), Some(&word("Slight-Left-Turn")));
    truth.label(seconds(3.1), Some(&word("Somersault")));
    ask(&mut truth, 3.2);
    let truth = truth.finish();
    let before: Vec<usize> = truth.scans.iter().map(|scan| scan.now).collect();
    assert_eq!(before, [0, 0, 3, 3, 3], "what persistence says");
    assert_eq!(labels(truth), [None, Some(3), Some(3), None, None]);
}

#[test]
fn the_next_command_is_the_label_of_imitation() {
    let mut task = small();
    task.labels = ["back left", "back right", "left", "right"]
        .map(String::from)
        .into();
    task.truth = LabelRule::CmdVel {
        topic: "/cmd_vel".into(),
        message: MessageType::Twist,
        horizon_s: 0.5,
        linear: vec![0.0],
        angular: vec![0.0],
    };
    let command = |forward: f64, turn: f64| {
        let Message::Twist(mut twist) = cmd(forward) else {
            unreachable!()
        };
        twist.angular.z = turn;
        Message::Twist(twist)
    };
    let mut truth = TruthBuilder::new(&task, 0.0);
    truth.label(seconds(1.0), Some(&command(-1.0, -1.0)));
    for (asked, said) in [
        (1.0, (0.2, 0.1)),
        (2.0, (-0.2, -0.1)),
        (3.0, (f64::NAN, 0.0)),
    ] {
        truth.push("ultrasound", seconds(asked), Some(&ranges(1.0, 1.0)));
        truth.label(seconds(asked + 0.3), Some(&command(said.0, said.1)));
    }
    truth.push("ultrasound", seconds(4.0), Some(&ranges(1.0, 1.0)));
    truth.label(seconds(4.6), Some(&command(1.0, 1.0)));
    assert_eq!(labels(truth.finish()), [Some(3), Some(0), None, None]);
}

#[test]
fn a_table_teaches_what_the_recording_made_from_it_does() {
    let folder = tempdir().unwrap();
    let mut task = small();
    let bag = folder.path().join("run.mcap");
    follow(&bag, &task, 60);
    let from_bag = Dataset::load(&task, &[own(&bag)], 0, 0);
    let mut text = String::new();
    for i in 0..60 {
        let (Message::Float32MultiArray(seen), class) = step(i) else {
            unreachable!()
        };
        let cells: Vec<String> = seen.data.iter().map(f32::to_string).collect();
        text += &format!("{},{}\n", cells.join(","), task.labels[class]);
    }
    let tables = folder.path().join("tables");
    fs::create_dir(&tables).unwrap();
    fs::write(tables.join("run.csv"), &text).unwrap();
    task.truth = LabelRule::Column {
        rate_hz: 9.0,
        persistence: true,
    };
    assert_eq!(task.faults(), Vec::<String>::new());
    let from_table = Dataset::load(&task, &[own(&tables)], 0, 0);
    let classes =
        |data: &Dataset| -> Vec<_> { data.parts[0].rows.iter().map(|r| r.label).collect() };
    assert_eq!(from_bag.rows(), 60);
    assert_eq!(classes(&from_table), classes(&from_bag));
    let differ = from_table.parts[0]
        .windows
        .iter()
        .zip(&from_bag.parts[0].windows);
    assert!(differ.clone().all(|(a, b)| (a - b).abs() < 1e-4));

    fs::write(tables.join("run.csv"), text.replacen("2,", "two,", 1)).unwrap();
    let data = Dataset::load(&task, &[own(&tables)], 0, 0);
    assert!(
        data.skipped[0].contains("row 1: \"two\""),
        "{:?}",
        data.skipped
    );
}

#[test]
fn a_recording_without_the_label_topic_is_skipped_with_a_word() {
    let folder = tempdir().unwrap();
    let bag = folder.path().join("run.mcap");
    record(&bag, &[("/ultrasound", seconds(1.0), ranges(1.0, 1.0))]);
    let data = Dataset::load(&small(), &[own(&bag)], 0, 0);
    assert!(
        data.skipped[0].contains("/decision_label"),
        "{:?}",
        data.skipped
    );
}

#[test]
fn a_fast_trigger_is_thinned_and_windows_stay_in_their_partition() {
    let folder = tempdir().unwrap();
    let mut task = small();
    let bag = folder.path().join("run.mcap");
    follow(&bag, &task, 180); // 20 s
    task.window.every_ms = 500;
    let data = Dataset::load(&task, &[own(&bag)], 0, 0);
    let times: Vec<_> = data.parts[0].rows.iter().map(|row| row.time).collect();
    assert_eq!(times.len(), 40);
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1].delta_ns(pair[0]) > 400_000_000)
    );
    assert_eq!(data.parts[0].labelled.len(), 40);

    task.window.every_ms = 0;
    task.window.frames = 9; // a second
    task.recordings.split = SplitBy::Partitions;
    task.recordings.partition_s = 5.0;
    let data = Dataset::load(&task, &[own(&bag)], 0, 0);
    let part = &data.parts[0];
    for row in &part.rows {
        let into = row.time.delta_ns(part.span.0) % 5_000_000_000;
        assert!(into >= 999_000_000, "{into}");
    }
    assert_eq!(part.rows.len() as u64 + part.dropped.incomplete, 180);

    let folds = Folds::assign(&task, &data, 2, 1);
    let (taught, judged) = (folds.taught(&task, &data, 0), folds.judged(&task, &data, 0));
    assert_eq!(taught.rows() + judged.rows(), data.rows());
    let partition = |data: &Dataset| -> std::collections::BTreeSet<i64> {
        let rows = data.parts.iter().flat_map(|part| &part.rows);
        rows.map(|row| row.time.delta_ns(part.span.0) / 5_000_000_000)
            .collect()
    };
    assert!(partition(&taught).is_disjoint(&partition(&judged)));
    assert!(!judged.parts.is_empty() && !taught.parts.is_empty());
}

#[test]
fn the_last_part_of_time_is_left_out_and_no_window_reaches_into_it() {
    let folder = tempdir().unwrap();
    let mut task = small();
    task.window.frames = 9;
    let bag = folder.path().join("run.mcap");
    follow(&bag, &task, 181);
    let data = Dataset::load(&task, &[own(&bag)], 0, 0);
    let folds = Folds::last_of(&task);
    let (taught, judged) = (folds.taught(&task, &data, 0), folds.judged(&task, &data, 0));
    let start = data.parts[0].span.0;
    let end = |data: &Dataset| data.parts[0].rows.last().unwrap().time.delta_ns(start);
    assert!(end(&taught) < 15_000_000_000);
    let first = judged.parts[0].rows[0].time.delta_ns(start);
    assert!((15_999_000_000..16_200_000_000).contains(&first), "{first}");
    assert_eq!(taught.rows() + judged.rows(), 181 - 9);
}

#[test]
fn a_task_without_severity_is_trained_judged_and_cross_validated() {
    let folder = tempdir().unwrap();
    let task = small();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    follow(&data.join("run.mcap"), &task, 400);
    let options = training(
        save(&task, folder.path()),
        data.clone(),
        folder.path().join("model"),
    );
    let summary = train(&options).unwrap();
    let scores = summary.report.scores.per_robot["unknown"];
    assert!(scores.accuracy.unwrap() > 0.9, "{scores:?}");
    assert!(scores.macro_f1.is_some() && scores.onset_recall.is_none());
    let names: Vec<&String> = summary.report.baselines.keys().collect();
    assert_eq!(names, ["majority", "persistence"]);
    let counted: u64 = summary.report.confusion["unknown"].iter().flatten().sum();
    assert_eq!(counted, summary.report.cycles);
    let text = fs::read_to_string(summary.folder.join("report.md")).unwrap();
    for part in ["macro F1", "truth \\ answer", "the last, did not teach"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(Bundle::load(&summary.folder).is_ok());

    let judged = eval(&EvalOptions {
        model: summary.folder.clone(),
        task: options.task.clone(),
        data: vec![data],
        out: folder.path().join("eval"),
        yaw: 0.0,
        engine: Backend::Flex.into(),
        conditions: false,
        seed: 1,
    })
    .unwrap();
    assert_eq!(
        judged.scores, summary.report.scores,
        "the last quarter again"
    );

    for (split, most) in [(SplitBy::Time, 400), (SplitBy::Partitions, 400)] {
        let options = TrainOptions {
            split: Some(split),
            static_depths: false,
            out: folder.path().join("folds"),
            ..options.clone()
        };
        let report = cross_validate(&options, 3, TeachingLicences::Licensed).unwrap();
        assert_eq!(report.folds.len(), 3);
        let n: u64 = report.folds.iter().map(|fold| fold.n).sum();
        assert!(n > most * 3 / 4 && n <= most, "{n}");
        let accuracy = report.folds.iter().map(|fold| fold.accuracy).sum::<f64>() / 3.0;
        assert!((report.mean_and_spread["accuracy"].0 - accuracy).abs() < 1e-12);
        let file = format!("folds-{}.md", split.name());
        assert!(options.out.join(file).is_file());
    }
}

#[test]
fn the_replay_reads_the_same_truth() {
    let folder = tempdir().unwrap();
    let task = small();
    let bag = folder.path().join("run.mcap");
    follow(&bag, &task, 20);
    let truth = Truth::read(
        &Bag::open(&bag).unwrap(),
        &task,
        &BTreeMap::new(),
        &SourceSettings::default(),
    )
    .unwrap();
    let mut baselines = BaselineTallies::of(&task.truth, task.labels.len());
    truth.scans.iter().for_each(|scan| baselines.add(scan));
    assert_eq!(
        labels(truth),
        (0..20).map(|i| Some(step(i).1)).collect::<Vec<_>>()
    );
    let figures = baselines.by_name();
    assert_eq!(figures.len(), 2);
    assert_eq!(
        (figures[1].0, figures[1].1.accuracy),
        ("persistence", Some(0.85))
    );
}
