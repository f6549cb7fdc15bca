//! Scores a bundle on recordings it has not learned from, with the baselines beside.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;

use super::conditions::conditions;
use super::dataset::{Dataset, Part, width};
use super::error::LearnError;
use super::folds::Folds;
use super::recordings::{Recording, digest, find};
use super::report::{Report, write};
use super::score::score;
use super::task::{SplitBy, Task};
use crate::model::{Bundle, EngineKind, Heads};

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct EvalOptions {
    /// Folder of the bundle.
    pub model: PathBuf,
    /// Task file.
    pub task: PathBuf,
    /// Folders with recordings.
    pub data: Vec<PathBuf>,
    /// Where the reports go.
    pub out: PathBuf,
    /// Yaw of the laser (rad) for folders without a list.
    pub yaw: f32,
    /// What computes; the costs reported are this engine's.
    pub engine: EngineKind,
    /// Whether to score under edge conditions too, which takes many times as long.
    pub conditions: bool,
    /// Seed of what is random in them.
    pub seed: u64,
}

/// Evaluates a bundle and writes `report.json`, `report.md` and the pictures into `out`.
pub fn eval(options: &EvalOptions) -> Result<Report, LearnError> {
    let task = Task::load(&options.task)?;
    let bundle = Bundle::load(&options.model)?;
    let (unseen, known) = Unseen::find(&bundle, &task, &options.data, options.yaw)?;
    let data = unseen.load(&task);
    let mut report = score(&bundle, &task, &data, options.engine)?;
    report.known = known.into_iter().map(|recording| recording.file).collect();
    if options.conditions {
        let (engine, seed) = (options.engine, options.seed);
        report.conditions = conditions(&bundle, &task, &unseen, engine, seed)?;
    }
    if let Some(earlier) = Report::read(&options.model) {
        report.keep_of(earlier);
    }
    write(&report, &options.out)?;
    Ok(report)
}

/// The windows in these folders that did not teach the bundle, and the recordings left aside
/// because they did. `yaw` is that of the laser (rad) for folders without a list.
pub fn unseen(
    bundle: &Bundle,
    task: &Task,
    folders: &[PathBuf],
    yaw: f32,
) -> Result<(Dataset, Vec<Recording>), LearnError> {
    let (unseen, known) = Unseen::find(bundle, task, folders, yaw)?;
    Ok((unseen.load(task), known))
}

/// What a bundle has not learned from.
pub(super) struct Unseen {
    /// These recordings.
    whole: Vec<Recording>,
    /// And of these the last part.
    ends: Vec<Recording>,
}

impl Unseen {
    /// In some folders; and the recordings left aside.
    fn find(
        bundle: &Bundle,
        task: &Task,
        folders: &[PathBuf],
        yaw: f32,
    ) -> Result<(Unseen, Vec<Recording>), LearnError> {
        fits(bundle, task)?;
        let all = find(folders, &task.recordings, yaw)?;
        let (whole, mut known) = left_out(bundle, all, task.recordings.split)?;
        let ends = match task.recordings.split {
            SplitBy::Time => std::mem::take(&mut known),
            _ => Vec::new(),
        };
        Ok((Unseen { whole, ends }, known))
    }

    fn load(&self, task: &Task) -> Dataset {
        let mut data = Dataset::load(task, &self.whole, 0, 0);
        if !self.ends.is_empty() {
            let seen = Dataset::load(task, &self.ends, 0, 0);
            let last = Folds::last_of(task).judged(task, &seen, 0);
            data.parts.extend(last.parts);
            data.skipped.extend(last.skipped);
        }
        data
    }

    pub(super) fn recordings(&self) -> impl Iterator<Item = &Recording> {
        self.whole.iter().chain(&self.ends)
    }

    /// What judges of the windows of one of the recordings; none, if nothing does.
    pub(super) fn judged(&self, task: &Task, part: Part) -> Option<Part> {
        if !self.ends.contains(&part.recording) {
            return Some(part);
        }
        let data = Dataset {
            width: width(task),
            parts: vec![part],
            skipped: Vec::new(),
        };
        Folds::last_of(task).judged(task, &data, 0).parts.pop()
    }
}

/// A model answers only the task it was trained for.
pub(super) fn fits(bundle: &Bundle, task: &Task) -> Result<(), LearnError> {
    let mismatch = |what: String, expected: String| LearnError::Mismatch {
        model: bundle.id().into(),
        what,
        expected,
    };
    let manifest = &bundle.manifest;
    if manifest.labels != task.labels {
        return Err(mismatch(
            format!("its labels are {:?}", manifest.labels),
            format!("{:?}", task.labels),
        ));
    }
    if manifest.window != task.window {
        return Err(mismatch(
            "its window has other inputs or features".into(),
            "the window of the task file".into(),
        ));
    }
    Ok(())
}

/// Taught again, a model keeps its outputs.
pub(super) fn teaches(bundle: &Bundle, task: &Task) -> Result<(), LearnError> {
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

/// The recordings the bundle has not learned from, nor from any other of their group; then the
/// others. When none is left, that is refused: a score on known ones would say nothing.
pub(super) fn left_out(
    bundle: &Bundle,
    all: Vec<Recording>,
    split: SplitBy,
) -> Result<(Vec<Recording>, Vec<Recording>), LearnError> {
    let taught = &bundle.manifest.training.recordings;
    let taught: BTreeSet<&str> = taught.iter().map(|r| r.sha256.as_str()).collect();
    // By content, for the same recording may lie under another name. One that cannot be read is
    // reported when its turn comes.
    let known = |recording: &&Recording| {
        digest(&recording.path).is_ok_and(|sha256| taught.contains(sha256.as_str()))
    };
    let groups: BTreeSet<&str> = all
        .par_iter()
        .filter(known)
        .map(|recording| recording.group.as_str())
        .collect();
    let (known, left): (Vec<_>, Vec<_>) = all
        .iter()
        .cloned()
        .partition(|recording| groups.contains(recording.group.as_str()));
    if left.is_empty() && split != SplitBy::Time {
        return Err(LearnError::Nothing {
            what: format!("{} has learned from every group in the data", bundle.id()),
            remedy: "name recordings of other groups, or let `train --folds` judge".into(),
        });
    }
    Ok((left, known))
}
