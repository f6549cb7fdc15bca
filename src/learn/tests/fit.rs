use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tempfile::tempdir;

use super::*;
use crate::features::Window;
use crate::learn::data::dataset::{Dropped, RecordingWindows};
use crate::learn::data::recordings::Recording;
use crate::learn::data::truth::ScanTruth;
use crate::learn::evaluation::forward::predict;
use crate::learn::metrics::calibration::{
    DISAGREEMENT, best, probabilities, stop_when, temperature, thresholds,
};
use crate::learn::metrics::reliability::Reliability;
use crate::learn::training::batches::Batches;
use crate::learn::training::fit::Fit;
use crate::learn::training::taught_exits::TaughtExits;
use crate::learn::{Dataset, EvalOptions, eval, train};
use crate::model::{Architecture, Backend, Bundle, Heads, Weights, uniform};

/// Windows whose class is written in the newest frame's projected clearance.
pub fn toy(task: &Task, rows: usize, seed: u64) -> Dataset {
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let (features, width) = (window.features(), window.frames() * window.features());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut windows: Vec<f32> = (0..rows * width)
        .map(|_| uniform(&mut random) - 0.5)
        .collect();
    let mut truths = Vec::new();
    for row in 0..rows {
        let class = row % 3;
        let clue = (row + 1) * width - features + features - 1;
        windows[clue] = class as f32 - 1.0;
        truths.push(ScanTruth {
            time: seconds(row as f64),
            label: Some(class),
            now: 0,
            kinematic: 0,
            least_m: None,
            kinematic_m: None,
        });
    }
    let recording = Recording {
        path: "toy".into(),
        file: "toy".into(),
        group: "g".into(),
        robot: "r".into(),
        simulated: false,
        licence: String::new(),
        yaw: 0.0,
    };
    Dataset {
        width,
        parts: vec![RecordingWindows {
            recording,
            sha256: "0".repeat(64),
            span: (seconds(0.0), seconds(rows as f64)),
            windows,
            labelled: truths.clone(),
            rows: truths,
            dropped: Dropped::default(),
            refused_optional: 0,
            cut: None,
        }],
        skipped: Vec::new(),
    }
}

fn accuracy(logits: &[f32], data: &Dataset) -> f64 {
    let rows = logits.chunks_exact(3).zip(&data.parts[0].rows);
    let right = rows
        .filter(|(row, truth)| Some(best(row).0) == truth.label)
        .count();
    right as f64 / data.rows() as f64
}

/// One epoch on toys, without a teacher.
pub fn toy_fit(task: &Task, sizes: Architecture) -> Fit<'_> {
    Fit {
        name: "toy".into(),
        sizes,
        heads: Heads::new(3, None),
        epochs: 1,
        training: &task.training,
        device: Backend::Flex,
        seed: 1,
        first: None,
        teachers: &[],
        exits: TaughtExits::All,
        checkpoints: None,
    }
}

#[test]
fn classes_weigh_by_their_rarity_and_by_what_the_task_adds() {
    let mut task = task();
    task.training.class_balance = 1.0;
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let mut data = toy(&task, 300, 5);
    // Of the 100 rows of class 2 half become class 0: 150, 100, 50.
    for row in data.parts[0].rows.iter_mut().skip(2).step_by(6) {
        row.label = Some(0);
    }
    let mut weights = |further: &[f32]| {
        task.training.class_weights = further.to_vec();
        assert_eq!(task.faults(), Vec::<String>::new());
        let batches = Batches::new(&data, &task, &window, 0);
        // The first six rows are 0, 1, 0, 0, 1, 2.
        let rows: Vec<_> = (0..6).map(|row| (0, row)).collect();
        let batch = batches.batch(&rows, &mut ChaCha8Rng::seed_from_u64(1));
        let [calm, middle, severe] = [0, 1, 5].map(|row| batch.weights[row]);
        [middle / calm, severe / calm].map(|ratio| (ratio * 100.0).round() / 100.0)
    };
    assert_eq!(weights(&[]), [1.5, 3.0]);
    assert_eq!(weights(&[1.0, 1.2, 2.0]), [1.8, 6.0]);
    task.training.class_weights = vec![1.0, 0.0, 2.0];
    assert!(task.faults()[0].contains("class_weights"));
}

#[test]
fn a_separable_task_is_learned_at_every_exit_and_to_the_same_bits_twice() {
    let folder = tempdir().unwrap();
    let mut task = Task::load(&quick(folder.path())).unwrap();
    task.training.variations.mask = 0.0;
    task.training.learning_rate = 0.01;
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let sizes = task.student.architecture(&window);
    let (taught, judged) = (toy(&task, 384, 1), toy(&task, 150, 2));
    let batches = Batches::new(&taught, &task, &window, 0);
    let run = |seed: u64, teachers: &[&Weights]| {
        let teachers: Vec<_> = teachers.iter().map(|w| (sizes, (*w).clone())).collect();
        let fit = Fit {
            name: "toy".into(),
            sizes,
            heads: Heads::new(3, None),
            epochs: 12,
            training: &task.training,
            device: Backend::Flex,
            seed,
            first: None,
            teachers: &teachers,
            exits: TaughtExits::All,
            checkpoints: None,
        };
        fit.run(&batches).unwrap()
    };
    let (teacher, other) = (run(1, &[]), run(2, &[]));
    assert_eq!(teacher, run(1, &[]), "the same seed gives the same bits");
    assert_ne!(teacher, other);
    let student = run(3, &[&teacher, &other]);
    assert_eq!(
        run(3, &[&teacher]),
        run(3, &[&teacher, &teacher]),
        "the mean of equals"
    );
    assert_ne!(student, run(3, &[&teacher]), "every teacher has a say");
    for weights in [teacher, student] {
        let logits = predict(&sizes, 3, &weights, &judged.parts[0].windows, Backend::Flex).unwrap();
        assert_eq!(logits.len(), sizes.depth);
        for (exit, logits) in logits.iter().enumerate() {
            let accuracy = accuracy(logits, &judged);
            assert!(accuracy > 0.95, "exit {exit}: {accuracy}");
        }
    }
}

#[test]
fn a_teacher_may_speak_with_all_its_exits() {
    let folder = tempdir().unwrap();
    let mut task = Task::load(&quick(folder.path())).unwrap();
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let data = toy(&task, 96, 1);
    let sizes = task.student.architecture(&window);
    let shallow = Architecture { depth: 1, ..sizes };
    let mut student = |teacher: Architecture, all_exits: bool| {
        task.training.distillation.all_exits = all_exits;
        let batches = Batches::new(&data, &task, &window, 0);
        let fit = Fit {
            seed: 3,
            teachers: &[(teacher, Weights::random(&teacher, 3, 8))],
            ..toy_fit(&task, sizes)
        };
        fit.run(&batches).unwrap()
    };
    assert_ne!(student(sizes, true), student(sizes, false));
    assert_eq!(
        student(shallow, true),
        student(shallow, false),
        "it has one"
    );
}

#[test]
fn training_makes_a_bundle_that_loads_runs_and_is_judged_on_strangers() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut list = "file,kind,robot,group,yaw_rad,licence,duplicate_of\n".to_owned();
    for (number, licence) in ["cc0", "cc0", "apache", "none-stated"].iter().enumerate() {
        drive(&data.join(format!("r{number}.mcap")), 12.0, number as f64);
        list += &format!("r{number}.mcap,real,cart,g{number},0,{licence},\n");
    }
    list += "gone.mcap,real,cart,g9,0,cc0,\n";
    fs::write(data.join("manifest.csv"), list).unwrap();
    let options = |out: &str| training(quick(folder.path()), data.clone(), folder.path().join(out));
    let summary = train(&options("model")).unwrap();
    assert_eq!(summary.recordings, (3, 1));
    assert_eq!(summary.skipped.len(), 1, "{:?}", summary.skipped);
    let bundle = Bundle::load(&summary.folder).unwrap();
    assert_eq!(bundle.id(), summary.model);
    let taught: Vec<&str> = bundle
        .manifest
        .training
        .recordings
        .iter()
        .map(|r| r.file.as_str())
        .collect();
    assert_eq!(taught, ["r0.mcap", "r1.mcap", "r2.mcap"]);
    assert!(
        bundle
            .manifest
            .stage_cost_us
            .flex()
            .iter()
            .all(|cost| *cost > 0.0)
    );
    assert_eq!(summary.report.recordings, ["r3.mcap"]);
    for name in ["report.json", "report.md", "report.svg"] {
        assert!(summary.folder.join(name).is_file(), "{name}");
    }
    let again = train(&options("again")).unwrap();
    let weights = |folder: &Path| fs::read(folder.join("weights.safetensors")).unwrap();
    assert_eq!(weights(&summary.folder), weights(&again.folder));

    let judge = |data: &Path| {
        eval(&EvalOptions {
            model: summary.folder.clone(),
            task: options("model").task,
            data: vec![data.to_path_buf()],
            out: folder.path().join("eval"),
            yaw: 0.0,
            engine: "packed_f32".parse().unwrap(),
            conditions: false,
            seed: 1,
        })
    };
    let report = judge(&data).unwrap();
    assert_eq!(report.recordings, ["r3.mcap"], "what taught does not judge");
    assert_eq!(report.known, ["r0.mcap", "r1.mcap", "r2.mcap"]);
    assert_eq!(report.cycles, summary.report.cycles);
    assert_eq!(report.scores, summary.report.scores);
    assert_eq!(report.by_exit.values().sum::<u64>(), report.cycles);
    let json = fs::read_to_string(folder.path().join("eval/report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["scores"]["per_robot"]["cart"]["balanced_accuracy"].is_number());
    assert!(json["baselines"]["kinematic"]["per_robot"]["cart"]["n"].is_number());

    let known = folder.path().join("known");
    fs::create_dir(&known).unwrap();
    fs::copy(data.join("r0.mcap"), known.join("by_another_name.mcap")).unwrap();
    let word = judge(&known).unwrap_err().to_string();
    assert!(word.contains("learned from every group"), "{word}");
}

#[test]
fn nothing_to_learn_from_is_said_with_the_licences_that_would_do() {
    let folder = tempdir().unwrap();
    drive(&folder.path().join("a.mcap"), 5.0, 0.0);
    let list = "file,kind,robot,group,yaw_rad,licence,duplicate_of\n\
                a.mcap,real,cart,g1,0,none-stated,\n";
    fs::write(folder.path().join("manifest.csv"), list).unwrap();
    let word = train(&training(
        quick(folder.path()),
        folder.path().to_path_buf(),
        folder.path().join("model"),
    ))
    .unwrap_err()
    .to_string();
    assert!(word.contains("apache"), "{word}");
    assert!(!folder.path().join("model").exists());
}

/// Logits and truths whose softmax is right as often as it says.
fn calibrated_data(rows: usize) -> (Vec<f32>, Vec<usize>) {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut logits = Vec::new();
    let mut truths = Vec::new();
    for _ in 0..rows {
        let row: Vec<f32> = (0..3).map(|_| 3.0 * uniform(&mut random)).collect();
        let chances = probabilities(&row, &Heads::new(3, None), 1.0);
        let mut pick = uniform(&mut random);
        let mut truth = 0;
        while truth < 2 && pick >= chances[truth] {
            pick -= chances[truth];
            truth += 1;
        }
        logits.extend(row);
        truths.push(truth);
    }
    (logits, truths)
}

#[test]
fn the_temperature_undoes_overconfidence() {
    let (logits, truths) = calibrated_data(20_000);
    assert!((temperature(&logits, &truths, &Heads::new(3, None)) - 1.0).abs() < 0.1);
    let hot: Vec<f32> = logits.iter().map(|logit| logit * 4.0).collect();
    let found = temperature(&hot, &truths, &Heads::new(3, None));
    assert!((found - 4.0).abs() < 0.4, "{found}");
    let error = |temperature| {
        let mut reliability = Reliability::default();
        for (row, truth) in probabilities(&hot, &Heads::new(3, None), temperature)
            .chunks_exact(3)
            .zip(&truths)
        {
            let (class, confidence) = best(row);
            reliability.add(confidence, class == *truth);
        }
        reliability.error()
    };
    assert!(
        error(1.0) > 0.2 && error(found) < 0.03,
        "{} {}",
        error(1.0),
        error(found)
    );
}

#[test]
fn thresholds_keep_fastest_to_the_deepest_exit() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    // Earlier exits see the deepest one's logits through noise.
    let deepest: Vec<f32> = (0..9000).map(|_| 6.0 * uniform(&mut random)).collect();
    let mut exit = |noise: f32| {
        let seen: Vec<f32> = deepest
            .iter()
            .map(|l| l + noise * (uniform(&mut random) - 0.5))
            .collect();
        probabilities(&seen, &Heads::new(3, None), 1.0)
    };
    let exits = vec![
        exit(6.0),
        exit(2.0),
        probabilities(&deepest, &Heads::new(3, None), 1.0),
    ];
    let thresholds = thresholds(&exits, 3);
    assert_eq!(thresholds.len(), 3);
    assert_eq!(thresholds[2], 0.0);
    let rows = deepest.len() / 3;
    let class = |exit: usize, row: usize| best(&exits[exit][row * 3..row * 3 + 3]).0;
    let stops: Vec<usize> = (0..rows)
        .map(|row| {
            stop_when(&thresholds, |exit| {
                best(&exits[exit][row * 3..row * 3 + 3]).1
            })
        })
        .collect();
    let other = (0..rows)
        .filter(|row| class(stops[*row], *row) != class(2, *row))
        .count();
    assert!(
        other as f64 <= DISAGREEMENT * rows as f64,
        "{other} of {rows}"
    );
    let early = stops.iter().filter(|stop| **stop < 2).count();
    assert!(early > rows / 4, "only {early} of {rows} stop early");
}
