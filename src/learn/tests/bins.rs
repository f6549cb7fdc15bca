//! Bins from the task file to the report.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use burn::tensor::{Tensor, TensorData};

use super::*;
use crate::bins::Bins;
use crate::learn::evaluation::predictions::answers_and_bins;
use crate::learn::task::label_rule::LabelRule;
use crate::learn::training::fit::{LabelsOfBins, smoothed};
use crate::learn::{CompressOptions, EvalOptions, compress, eval, train};
use crate::model::{Bundle, EngineKind, Precision, WeightPrecision};

const EDGES: [f32; 6] = [0.2, 0.4, 0.6, 0.8, 1.0, 1.2];

/// The quick task with bins.
fn with_bins(folder: &Path) -> PathBuf {
    let file = quick(folder);
    let mut task = Task::load(&file).unwrap();
    bins_of(&mut task).extend(EDGES);
    let file = folder.join("bins.yaml");
    fs::write(&file, serde_yaml::to_string(&task).unwrap()).unwrap();
    file
}

fn recordings(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    let mut list = "file,kind,robot,group,yaw_rad,licence,duplicate_of\n".to_owned();
    for number in 0..4 {
        drive(&data.join(format!("r{number}.mcap")), 12.0, number as f64);
        list += &format!("r{number}.mcap,real,cart,g{number},0,cc0,\n");
    }
    fs::write(data.join("manifest.csv"), list).unwrap();
    data
}

#[test]
fn a_model_with_bins_is_trained_and_its_labels_are_sums_over_them() {
    let folder = tempdir().unwrap();
    let data = recordings(folder.path());
    let options = training(with_bins(folder.path()), data, folder.path().join("model"));
    let summary = train(&options).unwrap();
    let bundle = Bundle::load(&summary.folder).unwrap();
    let bins = bundle.manifest.bins.clone().expect("the task has bins");
    assert_eq!(bins.edges_m, EDGES);
    assert_eq!(bundle.manifest.labels.len(), 3);

    let task = Task::load(&options.task).unwrap();
    let width = crate::learn::data::dataset::width(&task);
    let windows: Vec<f32> = (0..20 * width).map(|i| (i as f32 * 0.37).sin()).collect();
    let engines = [Backend::Flex.into(), EngineKind::Packed(Precision::F32)];
    let [flex, packed] = engines.map(|kind| answers_and_bins(&bundle, &windows, kind).unwrap());
    for (labels, all) in flex.0.iter().zip(&flex.1) {
        for (labels, all) in labels.chunks_exact(3).zip(all.chunks_exact(7)) {
            let mut sums = [0.0; 3];
            bins.merge(all, &mut sums);
            assert_eq!(labels, sums);
        }
    }
    let pairs = flex.1.iter().flatten().zip(packed.1.iter().flatten());
    assert_eq!(pairs.clone().count(), 2 * 20 * 7);
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-4));

    let report = &summary.report;
    assert_eq!(report.scores.per_robot["cart"].n, report.cycles);
    let free_way = &report.free_way["cart"];
    assert_eq!((free_way.windows, free_way.exits.len()), (report.cycles, 2));
    assert_eq!(free_way.far_m, 1.2);
    let median = free_way.exits[1][3];
    assert!(median.mean_m >= free_way.exits[1][0].mean_m && median.pinball_m > 0.0);
    let text = fs::read_to_string(summary.folder.join("report.md")).unwrap();
    assert!(text.contains("## Free way") && text.contains("physics alone"));
}

#[test]
fn bins_that_mix_two_labels_are_refused_with_what_to_add() {
    let folder = tempdir().unwrap();
    let mut task = Task::load(&quick(folder.path())).unwrap();
    bins_of(&mut task).extend([0.2, 0.4, 1.0]);
    let faults = task.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("truth.bins_m lacks 0.8") && faults[0].contains("add it"));
    bins_of(&mut task).push(0.8);
    assert!(task.faults()[0].contains("rising"));
}

#[test]
fn a_bundle_without_bins_is_judged_as_before_and_not_taught_to_have_them() {
    let folder = tempdir().unwrap();
    let data = recordings(folder.path());
    let options = training(quick(folder.path()), data, folder.path().join("model"));
    let summary = train(&options).unwrap();
    let manifest = fs::read_to_string(summary.folder.join("model.yaml")).unwrap();
    assert!(!manifest.contains("bins"), "as manifests always were");
    let with_bins = with_bins(folder.path());
    let report = eval(&EvalOptions {
        model: summary.folder.clone(),
        task: with_bins.clone(),
        data: options.data.clone(),
        out: folder.path().join("eval"),
        yaw: 0.0,
        engine: Backend::Flex.into(),
        conditions: false,
        seed: 1,
    });
    let report = report.unwrap();
    assert_eq!(report.scores, summary.report.scores);
    assert!(report.free_way.is_empty());
    let refused = compress(&CompressOptions {
        model: summary.folder.clone(),
        task: with_bins,
        data: options.data.clone(),
        out: folder.path().join("small"),
        prune: 0.5,
        precision: WeightPrecision::F32,
        epochs: Some(1),
        device: Backend::Flex,
        seed: 1,
        yaw: 0.0,
        command: String::new(),
    });
    let word = refused.unwrap_err().to_string();
    assert!(word.contains("no bins_m") && word.contains("0.6"), "{word}");
}

#[test]
fn beside_the_bins_the_label_counts_whichever_of_its_bins_is_meant() {
    let bins = Bins {
        edges_m: vec![0.2, 0.4, 0.6, 0.8],
        bounds_m: vec![0.8, 0.4],
        horizon_s: 1.0,
    };
    let device = Backend::Flex.device().unwrap();
    // Of one row whose label is slow: bins 2 and 3.
    let loss = |bins_of_row: [f32; 5]| -> f32 {
        let labels = LabelsOfBins::new(&bins, 3, (&[1], &[2.0]), 0.0, &device);
        let logits = bins_of_row.map(|p| (p + 1e-6).ln()).to_vec();
        let logits = Tensor::<2>::from_data(TensorData::new(logits, [1, 5]), &device);
        labels
            .loss(&logits)
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()[0]
    };
    let (even, first) = (
        loss([0.1, 0.1, 0.3, 0.3, 0.2]),
        loss([0.1, 0.1, 0.6, 0.0, 0.2]),
    );
    assert!((even - first).abs() < 1e-4, "{even} {first}");
    assert!((even + 2.0 * 0.6f32.ln()).abs() < 1e-4, "{even}");
    assert!(loss([0.0, 0.6, 0.2, 0.2, 0.0]) > even + 0.5);
}

#[test]
fn what_is_spread_goes_to_the_neighbours_of_a_bin_and_to_all_labels_alike() {
    let target = |output, ordered| {
        let mut row = [0.0; 4];
        smoothed(&mut row, output, 0.2, ordered);
        row.map(|share| (share * 1000.0_f32).round() / 1000.0)
    };
    assert_eq!(target(1, true), [0.1, 0.8, 0.1, 0.0]);
    assert_eq!(target(0, true), [0.9, 0.1, 0.0, 0.0]);
    assert_eq!(target(3, true), [0.0, 0.0, 0.1, 0.9]);
    assert_eq!(target(1, false), [0.05, 0.85, 0.05, 0.05]);
}

/// The bins of a task on the range ahead.
fn bins_of(task: &mut Task) -> &mut Vec<f32> {
    match &mut task.truth {
        LabelRule::FutureMinRange { bins_m, .. } => bins_m,
        other => panic!("{other:?} has no bins"),
    }
}
