//! The recordings that a bundle was not trained on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::learn::data::dataset::{Dataset, RecordingWindows, width};
use crate::learn::data::folds::Folds;
use crate::learn::data::recordings::{Recording, digest, find};
use crate::learn::error::LearnError;
use crate::learn::task::split_by::SplitBy;
use crate::learn::task::task_file::Task;
use crate::model::Bundle;

/// The recordings, and parts of some, that a bundle was not trained on.
pub(in crate::learn) struct HeldOut {
    /// Whole recordings.
    whole: Vec<Recording>,
    /// Recordings of which the last part counts.
    ends: Vec<Recording>,
}

impl HeldOut {
    /// In some folders; and the recordings left aside.
    pub(super) fn find(
        bundle: &Bundle,
        task: &Task,
        folders: &[PathBuf],
        yaw: f32,
    ) -> Result<(HeldOut, Vec<Recording>), LearnError> {
        fits(bundle, task)?;
        let all = find(folders, &task.recordings, yaw)?;
        let (whole, mut known) = left_out(bundle, all, task.recordings.split)?;
        let ends = match task.recordings.split {
            SplitBy::Time => std::mem::take(&mut known),
            _ => Vec::new(),
        };
        Ok((HeldOut { whole, ends }, known))
    }

    pub(super) fn load(&self, task: &Task) -> Dataset {
        let mut data = Dataset::load(task, &self.whole, 0, 0);
        if !self.ends.is_empty() {
            let seen = Dataset::load(task, &self.ends, 0, 0);
            let last = Folds::last_of(task).judged(task, &seen, 0);
            data.parts.extend(last.parts);
            data.skipped.extend(last.skipped);
        }
        data
    }

    pub(in crate::learn) fn recordings(&self) -> impl Iterator<Item = &Recording> {
        self.whole.iter().chain(&self.ends)
    }

    /// What judges of the windows of one of the recordings; none, if nothing does.
    pub(in crate::learn) fn judged(
        &self,
        task: &Task,
        part: RecordingWindows,
    ) -> Option<RecordingWindows> {
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

/// The recordings the bundle has not learned from, nor from any other of their group; then the
/// others. When none is left, that is refused: a score on known ones would say nothing.
pub(in crate::learn) fn left_out(
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

/// A model answers only the task it was trained for.
pub(in crate::learn) fn fits(bundle: &Bundle, task: &Task) -> Result<(), LearnError> {
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
