//! What is important is found, and what goes leaves the rest in its place.

use tempfile::tempdir;

use super::fit::{toy, toy_fit};
use super::*;
use crate::features::Window;
use crate::learn::compression::pruning::{Importance, KeptStructures, choose, cut, importance};
use crate::learn::evaluation::forward::predict;
use crate::learn::metrics::block_weights::block_weights;
use crate::learn::training::batches::Batches;
use crate::model::{Architecture, Backend, Weights};

fn silence(weights: &mut Weights, name: &str, rows: std::ops::Range<usize>) {
    let tensor = weights.0.get_mut(name).unwrap();
    let width = tensor.shape[1];
    tensor.data[rows.start * width..rows.end * width].fill(0.0);
}

#[test]
fn what_nothing_reads_is_not_important_and_its_loss_changes_no_answer() {
    let folder = tempdir().unwrap();
    let task = Task::load(&quick(folder.path())).unwrap();
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    // A width that the heads do not fill, as after an earlier pruning.
    let sizes = Architecture {
        heads: 3,
        head_width: Some(5),
        ffn: 12,
        ..task.student.architecture(&window)
    };
    let mut weights = Weights::random(&sizes, 3, 7);
    let silent = [(0, 1, 0..4), (1, 2, 7..11)];
    for (block, head, channels) in silent.clone() {
        let name = |layer: &str| format!("blocks.{block}.{layer}.weight");
        silence(&mut weights, &name("output"), head * 5..head * 5 + 5);
        silence(&mut weights, &name("contract"), channels);
    }
    let data = toy(&task, 96, 1);
    let batches = Batches::new(&data, &task, &window, 0);
    let fit = toy_fit(&task, sizes);
    let found = importance(&fit, &weights, &batches, 3).unwrap();
    for (block, head, channels) in silent {
        for (at, value) in found.heads[block].iter().enumerate() {
            assert_eq!(*value == 0.0, at == head, "head {at}: {value}");
        }
        for (at, value) in found.channels[block].iter().enumerate() {
            assert_eq!(
                *value == 0.0,
                channels.contains(&at),
                "channel {at}: {value}"
            );
        }
    }
    let kept = KeptStructures { heads: 2, ffn: 8 };
    let (smaller, less) = cut(&weights, &sizes, &found, kept);
    less.check(&smaller, 3).unwrap();
    assert_eq!(
        (smaller.heads, smaller.head_width, smaller.ffn),
        (2, Some(5), 8)
    );
    let windows = &data.parts[0].windows;
    let logits = |sizes, weights| predict(sizes, 3, weights, windows, Backend::Flex).unwrap();
    let before = logits(&sizes, &weights);
    let after = logits(&smaller, &less);
    for (a, b) in before.iter().flatten().zip(after.iter().flatten()) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    // Another head would have been missed.
    let mut wrong = found.clone();
    wrong.heads[0] = vec![0.0, 1.0, 1.0];
    let (smaller, less) = cut(&weights, &sizes, &wrong, kept);
    let after = logits(&smaller, &less);
    let far = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-3;
    assert!(before.iter().flatten().zip(after.iter().flatten()).any(far));
}

/// The gradient of a gate is what the loss changes by when the gate moves a little.
#[test]
fn importance_is_the_slope_of_the_loss() {
    let folder = tempdir().unwrap();
    let mut task = Task::load(&quick(folder.path())).unwrap();
    // Without these, two losses of a batch differ by the weights alone.
    task.training.variations.mirror = Some(false);
    task.training.variations.mask = 0.0;
    task.training.distillation.deepest = 0.0;
    task.training.class_weights = Vec::new();
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let sizes = task.student.architecture(&window);
    let weights = Weights::random(&sizes, 3, 3);
    let data = toy(&task, 30, 1);
    let batches = Batches::new(&data, &task, &window, 0);
    let fit = toy_fit(&task, sizes);
    let found = importance(&fit, &weights, &batches, 1).unwrap();
    let loss = |name: &str, row: usize, rows: usize, gate: f32| -> f64 {
        let mut weights = weights.clone();
        let tensor = weights.0.get_mut(name).unwrap();
        let width = tensor.shape[1];
        for value in &mut tensor.data[row * rows * width..(row + 1) * rows * width] {
            *value *= gate;
        }
        // Hard labels with label smoothing, a mean over the exits, classes of one weight.
        let windows = &data.parts[0].windows;
        let logits = predict(&sizes, 3, &weights, windows, Backend::Flex).unwrap();
        let spread = f64::from(task.training.label_smoothing);
        let mut sum = 0.0;
        for exit in &logits {
            for (row, truth) in exit.chunks(3).zip(&data.parts[0].rows) {
                let total: f64 = row.iter().map(|l| f64::from(*l).exp()).sum();
                for (class, logit) in row.iter().enumerate() {
                    let sure = f64::from(u8::from(Some(class) == truth.label));
                    let target = sure * (1.0 - spread) + spread / 3.0;
                    sum -= target * (f64::from(*logit) - total.ln());
                }
            }
        }
        sum / logits.len() as f64 / data.rows() as f64
    };
    for (name, rows, expected) in [
        (
            "blocks.0.output.weight",
            sizes.head_width(),
            &found.heads[0],
        ),
        ("blocks.1.contract.weight", 1, &found.channels[1]),
    ] {
        for (row, expected) in expected.iter().enumerate() {
            let step = 0.02;
            let rise = loss(name, row, rows, 1.0 + step) - loss(name, row, rows, 1.0 - step);
            let slope = (rise / f64::from(2.0 * step)).abs();
            assert!(
                (slope - expected).abs() < 1e-4 + 0.03 * slope,
                "{name} {row}: {slope} {expected}"
            );
        }
    }
}

#[test]
fn the_most_important_stays_within_the_share() {
    let sizes = Architecture {
        frames: 4,
        features: 4,
        width: 64,
        heads: 4,
        head_width: None,
        depth: 2,
        ffn: 256,
    };
    let even = |heads: f64, channels: f64| Importance {
        heads: vec![vec![heads; 4]; 2],
        channels: vec![vec![channels; 256]; 2],
    };
    let whole = block_weights(&sizes);
    assert_eq!(whole, 2 * 49152);
    for share in [0.3, 0.4, 0.5, 0.8] {
        for importance in [even(1.0, 1e-6), even(1e-6, 1.0)] {
            let kept = choose(&importance, &sizes, share).unwrap();
            let weights = Weights::random(&sizes, 3, 1);
            let (smaller, _) = cut(&weights, &sizes, &importance, kept);
            let gone = 1.0 - block_weights(&smaller) as f64 / whole as f64;
            assert!(
                gone >= share && gone < share + 0.09,
                "{share}: {gone} {kept:?}"
            );
            assert!(kept.ffn.is_multiple_of(16));
        }
    }
    let heads = choose(&even(1.0, 1e-6), &sizes, 0.4).unwrap();
    let channels = choose(&even(1e-6, 1.0), &sizes, 0.4).unwrap();
    assert!(heads.heads == 4 && channels.heads == 1 && channels.ffn > heads.ffn);
    let word = choose(&even(1.0, 1.0), &sizes, 0.9)
        .unwrap_err()
        .to_string();
    assert!(word.contains("--prune 0.875"), "{word}");
}
