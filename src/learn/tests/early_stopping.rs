//! Fits that end before their last epoch.

use tempfile::tempdir;

use super::fit::{toy, toy_fit};
use super::*;
use crate::features::Window;
use crate::learn::Dataset;
use crate::learn::task::task_file::EarlyStopping;
use crate::learn::training::batches::Batches;
use crate::learn::training::checkpoint::{Checkpoints, FitState};
use crate::learn::training::early_stopping::{BestEpoch, EarlyStop};
use crate::learn::training::fit::Fit;
use crate::model::Weights;

/// Four groups of windows; what `sound` is false of has truths of its own.
fn groups(task: &Task, sound: impl Fn(usize) -> bool) -> Dataset {
    let mut data = toy(task, 120, 1);
    let mut parts = Vec::new();
    for group in 0..4 {
        let mut part = toy(task, 120, 1 + group as u64).parts.remove(0);
        part.recording.group = format!("g{group}");
        if !sound(group) {
            for row in &mut part.rows {
                row.label = row.label.map(|label| (label + 1) % 3);
            }
        }
        parts.push(part);
    }
    data.parts = parts;
    data
}

fn quick_task(patience: Option<usize>) -> Task {
    let folder = tempdir().unwrap();
    let mut task = Task::load(&quick(folder.path())).unwrap();
    task.training.variations.mask = 0.0;
    task.training.learning_rate = 0.01;
    task.training.early_stopping = patience.map(|patience| EarlyStopping {
        patience,
        watch: 0.25,
    });
    task
}

fn fit(task: &Task, data: &Dataset, epochs: usize) -> Weights {
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let fit = Fit {
        epochs,
        ..toy_fit(task, task.student.architecture(&window))
    };
    fit.run(&Batches::new(data, task, &window, 0)).unwrap()
}

/// The group that is watched.
fn watched(task: &Task) -> usize {
    let data = groups(task, |_| true);
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let batches = Batches::new(&data, task, &window, 0);
    let seen: Vec<f32> = batches.watched(1000).flat_map(|b| b.windows).collect();
    assert_eq!(batches.per_epoch(), 360);
    data.parts
        .iter()
        .position(|part| part.windows == seen)
        .unwrap()
}

#[test]
fn what_gets_worse_on_the_groups_watched_ends_with_its_best_epoch() {
    let task = quick_task(Some(2));
    let odd = watched(&task);
    // Whatever is learned is wrong of the group watched: its first epoch is the best.
    let data = groups(&task, |group| group != odd);
    let stopped = fit(&task, &data, 12);
    let patient = fit(&quick_task(Some(11)), &data, 12);
    assert_eq!(
        stopped, patient,
        "the same best epoch, however long one waits"
    );
    // Without a watch all groups teach, and the last epoch counts.
    assert_ne!(stopped, fit(&quick_task(None), &data, 12));
}

#[test]
fn patience_counts_epochs_since_the_best_and_is_kept_by_a_checkpoint() {
    let task = quick_task(Some(2));
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let sizes = task.student.architecture(&window);
    let weights = |seed| Weights::random(&sizes, 3, seed);
    let stopping = task.training.early_stopping.unwrap();
    let mut watch = EarlyStop::new(stopping, None);
    assert!(!watch.is_over(0));
    for (epoch, loss) in [(1, 0.9), (2, 0.7), (3, 0.7), (4, f64::NAN)] {
        assert!(!watch.is_over(epoch - 1));
        watch.take(epoch, loss, weights(epoch as u64));
    }
    assert!(watch.is_over(4));
    let best = BestEpoch {
        epoch: 2,
        loss: 0.7,
        weights: weights(2),
    };
    assert_eq!(watch.best, Some(best));

    let folder = tempdir().unwrap();
    let checkpoint = Checkpoints::within(folder.path()).of("toy", "key".into());
    for best in [watch.best, None] {
        let fit_state = FitState {
            epochs: 4,
            weights: weights(4),
            best: best.clone(),
            optimizer: vec![1, 2],
            drawn: 7,
        };
        checkpoint.save(&fit_state).unwrap();
        let fit_state = checkpoint.load().unwrap();
        assert_eq!(
            (fit_state.best.clone(), fit_state.weights),
            (best.clone(), weights(4))
        );
        assert_eq!(
            EarlyStop::new(stopping, fit_state.best).is_over(4),
            best.is_some()
        );
    }
}
