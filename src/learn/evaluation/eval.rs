//! Evaluates a bundle on recordings that it was not trained on, with the baselines beside it.

use std::path::PathBuf;

use super::held_out::HeldOut;
use super::robustness::robustness;
use super::score::score;
use crate::learn::data::dataset::Dataset;
use crate::learn::data::recordings::Recording;
use crate::learn::error::LearnError;
use crate::learn::report::report_file::EvaluationReport;
use crate::learn::report::write::write;
use crate::learn::task::task_file::Task;
use crate::model::{Bundle, EngineKind, Heads};

/// Options of an evaluation.
#[derive(Clone, Debug)]
pub struct EvalOptions {
    /// Folder of the bundle.
    pub model: PathBuf,
    /// Task file.
    pub task: PathBuf,
    /// Folders with recordings.
    pub data: Vec<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
    /// Yaw of the laser (rad) for folders without a list.
    pub yaw: f32,
    /// The engine; the costs reported are its own.
    pub engine: EngineKind,
    /// Whether to score under edge conditions too, which takes many times as long.
    pub conditions: bool,
    /// Seed of what is random in them.
    pub seed: u64,
}

/// Evaluates a bundle and writes `report.json`, `report.md` and the pictures into `out`.
pub fn eval(options: &EvalOptions) -> Result<EvaluationReport, LearnError> {
    let task = Task::load(&options.task)?;
    let bundle = Bundle::load(&options.model)?;
    let (held_out, known) = HeldOut::find(&bundle, &task, &options.data, options.yaw)?;
    let data = held_out.load(&task);
    let mut report = score(&bundle, &task, &data, options.engine)?;
    report.known = known.into_iter().map(|recording| recording.file).collect();
    if options.conditions {
        let (engine, seed) = (options.engine, options.seed);
        report.conditions = robustness(&bundle, &task, &held_out, engine, seed)?;
    }
    if let Some(earlier) = EvaluationReport::read(&options.model) {
        report.keep_of(earlier);
    }
    write(&report, &options.out)?;
    Ok(report)
}

/// The windows in these folders that did not teach the bundle, and the recordings left aside
/// because they did. `yaw` is that of the laser (rad) for folders without a list.
pub fn held_out(
    bundle: &Bundle,
    task: &Task,
    folders: &[PathBuf],
    yaw: f32,
) -> Result<(Dataset, Vec<Recording>), LearnError> {
    let (held_out, known) = HeldOut::find(bundle, task, folders, yaw)?;
    Ok((held_out.load(task), known))
}

/// Taught again, a model keeps its outputs.
pub(in crate::learn) fn teaches(bundle: &Bundle, task: &Task) -> Result<(), LearnError> {
    let edges = |heads: &Heads| heads.bins().map(|bins| bins.edges_m.clone());
    let (found, expected) = (bundle.manifest.heads(), task.heads());
    if found == expected {
        return Ok(());
    }
    let words = |heads: &Heads| match edges(heads) {
        Some(edges) => format!("bins_m {edges:?}"),
        None => String::from("no bins_m"),
    };
    Err(LearnError::Mismatch {
        model: bundle.id().into(),
        what: format!("it was trained with {}", words(&found)),
        expected: format!(
            "{}, as the task's truth says; name its own task file",
            words(&expected)
        ),
    })
}
