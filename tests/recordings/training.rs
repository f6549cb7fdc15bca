//! A training that is killed goes on where it was, to the same weights.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use edge_reasoner::learn::{EarlyStopping, Task};

use crate::made::{EPOCH, MS, drive, root, write};

/// The shipped task with a model so small that many epochs take a second or two.
fn task(folder: &Path, early_stopping: Option<EarlyStopping>) {
    let mut task = Task::load(&root().join("params/tasks/clearance.yaml")).unwrap();
    task.student.width = 8;
    task.student.heads = 2;
    task.student.depth = 2;
    task.student.ffn = 16;
    task.teacher = task.student;
    task.training.teachers = 2;
    task.training.teacher_epochs = 1;
    task.training.student_epochs = 120;
    task.training.batch = 32;
    task.training.early_stopping = early_stopping;
    task.training.variations.copies = 1;
    let text = serde_yaml::to_string(&task).unwrap();
    fs::write(folder.join("task.yaml"), text).unwrap();
}

fn train(folder: &Path, out: &str, seed: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge_reasoner"));
    command
        .current_dir(folder)
        .args(["train", "--task", "task.yaml", "--data", "data"])
        .args(["--out", out, "--seed", &seed.to_string()])
        .stdout(Stdio::null());
    command
}

/// What it said, once it is done.
fn done(mut command: Command) -> String {
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    words
}

fn weights(folder: &Path, out: &str) -> Vec<u8> {
    fs::read(folder.join(out).join("weights.safetensors")).unwrap()
}

#[test]
fn a_training_that_was_killed_ends_with_the_same_weights() {
    killed(None);
}

#[test]
fn one_that_may_stop_early_does_so_at_the_same_epoch() {
    killed(Some(EarlyStopping {
        patience: 60,
        watch: 0.4,
    }));
}

fn killed(early_stopping: Option<EarlyStopping>) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    task(folder, early_stopping);
    fs::create_dir(folder.join("data")).unwrap();
    for number in 0..3 {
        let bag = folder.join(format!("data/r{number}.mcap"));
        write(
            &bag,
            &drive(EPOCH + number * 7 * MS, 80 + 10 * number as usize),
        );
    }
    done(train(folder, "whole", 1));

    let student = folder.join("cut/checkpoints/student.safetensors");
    let mut cut = train(folder, "cut", 1)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !student.is_file() {
        assert!(start.elapsed() < Duration::from_secs(60));
        assert!(cut.try_wait().unwrap().is_none(), "it ended unseen");
        sleep(Duration::from_millis(2));
    }
    cut.kill().unwrap();
    cut.wait().unwrap();
    assert!(
        !folder.join("cut/model.yaml").exists(),
        "it was done before"
    );

    // Another training does not take it for its own.
    let other = folder.join("other/checkpoints");
    fs::create_dir_all(&other).unwrap();
    for entry in fs::read_dir(folder.join("cut/checkpoints")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), other.join(entry.file_name())).unwrap();
    }
    let words = done(train(folder, "other", 2));
    assert!(
        words.contains("student.safetensors is of another"),
        "{words}"
    );
    assert!(!words.contains("goes on"), "{words}");

    let words = done(train(folder, "cut", 1));
    assert!(
        words.contains("teacher 2 goes on after epoch 1/1"),
        "{words}"
    );
    assert!(words.contains("student goes on after epoch"), "{words}");
    assert!(weights(folder, "whole") == weights(folder, "cut"));
    assert!(!folder.join("cut/checkpoints").exists());
}
