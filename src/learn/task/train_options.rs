//! Options of a training.

use std::path::PathBuf;

use super::split_by::SplitBy;
use super::task_file::Task;
use crate::features::Window;
use crate::learn::error::LearnError;
use crate::model::Backend;

/// What to train.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// Task file.
    pub task: PathBuf,
    /// Folders with recordings.
    pub data: Vec<PathBuf>,
    /// Folder of the bundle to write.
    pub out: PathBuf,
    /// Device that computes.
    pub device: Backend,
    /// Seed of every random choice.
    pub seed: u64,
    /// Yaw of the laser (rad) for folders without a list.
    pub yaw: f32,
    /// What to leave out, instead of the task's own split.
    pub split: Option<SplitBy>,
    /// Whether to train models of every fixed depth too, for the report to compare with.
    pub static_depths: bool,
    /// The command line, for the manifest.
    pub command: String,
}

impl TrainOptions {
    /// The task with what the options change of it, and its window.
    pub(in crate::learn) fn task(&self) -> Result<(Task, Window), LearnError> {
        let mut task = Task::load(&self.task)?;
        task.recordings.split = self.split.unwrap_or(task.recordings.split);
        let refused = |faults| LearnError::TaskRefused {
            file: self.task.clone(),
            faults,
        };
        let faults = task.faults();
        if !faults.is_empty() {
            return Err(refused(faults));
        }
        let window = Window::new(&task.window, &task.settings(0.0));
        let window = window.map_err(|error| refused(vec![error.to_string()]))?;
        Ok((task, window))
    }
}
