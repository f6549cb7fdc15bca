//! The packed engine decides as the f32 model does, on recordings that taught nothing.

use super::*;
use crate::learn::{EvaluationReport, held_out, predict_exits, score};
use crate::model::{Backend, Bundle, EngineKind, Precision};

/// Of every precision: the least share of windows on which the deepest exit prefers the label that
/// flex prefers, and how much lower a robot's score may be at any exit.
const DEMANDS: [(Precision, f64, f64); 3] = [
    (Precision::F32, 0.9999, 0.0001),
    (Precision::Bf16, 0.995, 0.005),
    (Precision::Int8, 0.99, 0.005),
];

fn label(row: &[f32]) -> usize {
    crate::learn::metrics::calibration::best(row).0
}

/// The most any robot's accuracy or balanced accuracy loses at any exit.
fn loss(of: &EvaluationReport, against: &EvaluationReport) -> f64 {
    let mut most = 0.0_f64;
    for (of, against) in of.exits.iter().zip(&against.exits) {
        for (robot, scores) in &against.per_robot {
            let found = &of.per_robot[robot];
            for (a, b) in [
                (scores.accuracy, found.accuracy),
                (scores.balanced_accuracy, found.balanced_accuracy),
            ] {
                most = most.max(a.unwrap() - b.unwrap());
            }
        }
    }
    most
}

#[test]
fn the_packed_engine_agrees_with_flex_on_the_shipped_tasks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["clearance", "terrain", "wall_following"] {
        let folder = root.join("../shared/data").join(name);
        if !folder.join("manifest.csv").is_file() {
            eprintln!("no recordings at ../shared/data/{name}: engines not compared on them");
            continue;
        }
        let bundle = Bundle::load(&root.join("models").join(name)).unwrap();
        let task = Task::load(&root.join(format!("params/tasks/{name}.yaml"))).unwrap();
        let (data, _) = held_out(&bundle, &task, &[folder], 0.0).unwrap();
        let windows: Vec<f32> = data.parts.iter().flat_map(|p| p.windows.clone()).collect();
        let labels = bundle.manifest.labels.len();
        let flex = EngineKind::Burn(Backend::Flex);
        let expected = predict_exits(&bundle, &windows, flex).unwrap();
        let expected_report = score(&bundle, &task, &data, flex).unwrap();
        for (precision, share, points) in DEMANDS {
            let packed = EngineKind::Packed(precision);
            let found = predict_exits(&bundle, &windows, packed).unwrap();
            let deepest = |answers: &[Vec<f32>]| -> Vec<usize> {
                let rows = answers.last().unwrap().chunks(labels);
                rows.map(label).collect()
            };
            let (found, expected) = (deepest(&found), deepest(&expected));
            let same = found.iter().zip(&expected).filter(|(a, b)| a == b).count();
            let agree = same as f64 / expected.len() as f64;
            let report = score(&bundle, &task, &data, packed).unwrap();
            let lost = loss(&report, &expected_report);
            let count = expected.len();
            println!("{name} {packed}: agrees on {agree:.5} of {count}, loses {lost:.5}");
            assert!(agree >= share, "{name} {packed}: agrees on {agree} only");
            assert!(lost <= points, "{name} {packed}: loses {lost}");
        }
    }
}
