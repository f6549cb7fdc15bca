//! The recordings that ship (`tests/data`): read, scored, replayed, and the same to every engine.

use std::fs;
use std::path::PathBuf;

use edge_reasoner::bag::Bag;
use edge_reasoner::learn::{EvalOptions, Scores, Task, eval, held_out, predict_exits};
use edge_reasoner::model::{Backend, Bundle, EngineKind, Precision};

use crate::made::{root, run};

fn data() -> PathBuf {
    root().join("tests/data/clearance")
}

fn drive(number: &str) -> PathBuf {
    data().join(format!("drive_{number}.mcap"))
}

fn task() -> PathBuf {
    root().join("params/tasks/clearance.yaml")
}

fn shipped() -> Bundle {
    Bundle::load(&root().join("models/clearance")).unwrap()
}

#[test]
fn each_has_the_topics_that_its_description_names() {
    let readme = fs::read_to_string(root().join("tests/data/README.md")).unwrap();
    for number in ["044", "127", "134"] {
        assert!(readme.contains(&format!("`drive_{number}.mcap`")));
        let bag = Bag::open(&drive(number)).unwrap();
        let topics = ["/scan", "/odom", "/cmd_vel"];
        let mut counts = [0; 3];
        for message in bag.read(&topics).unwrap() {
            counts[message.unwrap().topic] += 1;
        }
        assert!(counts.iter().all(|count| *count > 70), "{counts:?}");
    }
}

#[test]
fn a_replay_has_scores_and_is_the_same_twice() {
    let once = || {
        let out = tempfile::tempdir().unwrap();
        let report = run(&[drive("127"), drive("134")], out.path(), 1.0, &[]);
        let bytes = ["drive_127.mcap", "drive_134.mcap", "report.json"]
            .map(|file| fs::read(out.path().join(file)).unwrap());
        (report, bytes)
    };
    let ((report, bytes), (_, again)) = (once(), once());
    assert!(bytes == again, "another replay, other bytes");
    assert_eq!(report.failed, Vec::<String>::new());
    assert_eq!(report.cut, Vec::<String>::new());
    assert_eq!(report.late, 0);
    assert_eq!(report.cycles + report.superseded, report.received);
    assert!(report.by_source["MODEL"] * 10 > report.cycles * 9);
    let ours = balanced(&report.scores.per_robot["clearance"]);
    let majority = balanced(&report.baselines["majority"].per_robot["clearance"]);
    assert!(ours > majority + 0.1, "{ours} beside {majority}");
}

/// Over the classes that the truth has.
fn balanced(scores: &Scores) -> f64 {
    scores.balanced_accuracy.expect("there is a truth")
}

#[test]
fn a_laser_that_looks_backwards_is_scored_with_its_yaw() {
    let out = tempfile::tempdir().unwrap();
    let report = run(&[drive("044")], out.path(), 1.0, &["scan.yaw:=3.141593"]);
    let found = balanced(&report.scores.per_robot["clearance"]);
    assert!(found > 0.5, "{found}");
}

#[test]
fn the_truth_can_be_computed_and_every_exit_is_scored() {
    let out = tempfile::tempdir().unwrap();
    let report = eval(&EvalOptions {
        model: root().join("models/clearance"),
        task: task(),
        data: vec![data()],
        out: out.path().to_path_buf(),
        yaw: 0.0,
        engine: EngineKind::Packed(Precision::Int8),
        conditions: false,
        seed: 1,
    })
    .unwrap();
    assert_eq!(report.known, Vec::<String>::new(), "it learned from these");
    assert_eq!(report.exits.len(), 4);
    for exit in &report.exits {
        let score = &exit.per_robot["drawn (sim)"];
        assert!(balanced(score) > 0.5, "{score:?}");
    }
    assert!(out.path().join("report.md").is_file());
}

/// Of all windows and exits: the share with the same label, and the largest difference of a
/// probability.
fn agreement(ours: &[Vec<f32>], exact: &[Vec<f32>], labels: usize) -> (f64, f32) {
    let best = |row: &[f32]| (0..labels).max_by(|a, b| row[*a].total_cmp(&row[*b]));
    let (mut same, mut rows, mut apart) = (0, 0, 0.0_f32);
    for (ours, exact) in ours.iter().zip(exact) {
        assert_eq!(ours.len(), exact.len());
        for (ours, exact) in ours.chunks(labels).zip(exact.chunks(labels)) {
            rows += 1;
            same += usize::from(best(ours) == best(exact));
            let differences = ours.iter().zip(exact).map(|(a, b)| (a - b).abs());
            apart = differences.fold(apart, f32::max);
        }
    }
    assert!(rows > 0);
    (same as f64 / f64::from(rows), apart)
}

/// What is asked of an engine beside `flex`, which computes in f32 as the model was trained: the
/// least share with the same label, and the largest difference of a probability.
const ASKED: [(Precision, f64, f32); 3] = [
    (Precision::F32, 0.999, 1e-3),
    (Precision::Bf16, 0.99, 0.05),
    (Precision::Int8, 0.99, 0.08),
];

#[test]
fn every_precision_agrees_with_the_exact_engine_and_a_wrong_scale_is_noticed() {
    let bundle = shipped();
    let task = Task::load(&task()).unwrap();
    let (data, _) = held_out(&bundle, &task, &[data()], 0.0).unwrap();
    let windows: Vec<f32> = data.parts.iter().flat_map(|p| p.windows.clone()).collect();
    let labels = bundle.manifest.labels.len();
    let exact = predict_exits(&bundle, &windows, Backend::Flex.into()).unwrap();
    let asked = |bundle: &Bundle, precision| {
        let ours = predict_exits(bundle, &windows, EngineKind::Packed(precision)).unwrap();
        agreement(&ours, &exact, labels)
    };
    for (precision, least, most) in ASKED {
        let (same, apart) = asked(&bundle, precision);
        println!("{precision:?}: {same:.4} of the labels, {apart:.4} apart");
        assert!(
            same >= least && apart <= most,
            "{precision:?}: {same}, {apart}"
        );
    }
    // A quarter of the outputs of one matrix with scales that are twice what they should be, as a
    // wrong quantisation would have them: beyond the bounds.
    let mut weights = bundle.weights().clone();
    let matrix = weights.0.get_mut("blocks.0.expand.weight").unwrap();
    let columns = matrix.shape[1];
    for column in 0..columns / 4 {
        matrix
            .data
            .iter_mut()
            .skip(column)
            .step_by(columns)
            .for_each(|w| *w *= 2.0);
    }
    let broken = Bundle::new(bundle.manifest.clone(), weights).unwrap();
    let (same, apart) = asked(&broken, Precision::Int8);
    println!("broken: {same:.4} of the labels, {apart:.4} apart");
    let (_, least, most) = ASKED[2];
    assert!(same < least || apart > most, "not noticed: {same}, {apart}");
}
