//! Replays recordings offline: decisions, scores and a plot out, in simulated time.
//!
//! A replay runs the same code as the live node. Time is the recording's: a message arrives at
//! its log time, a stage costs what it cost where the model was trained (times `slowdown`), so
//! that the same inputs give byte-identical decisions on any machine.

mod clock_check;
mod decision_log;
pub mod expectations;
mod options;
mod plot;
mod recorded_transforms;
mod recording;
mod recording_replay;
mod replayed;
mod report;
mod source_summary;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::bag::find_recordings;
use crate::configure::Configuration;
use crate::learn::Task;
use expectations::Expectations;
pub use options::{ReplayError, ReplayOptions};
pub use recorded_transforms::{FoundMounting, RecordedTransforms};
use recording::replay_one;
use recording_replay::decisions_file;
use replayed::ReplayedRecording;
pub use report::{ReplayReport, ScoresByRobot};

/// Replays all recordings; one that cannot be used is named in the report and does not stop the
/// others. Two recordings of one name are distinguished by their folder's name.
///
/// ```
/// use edge_reasoner::params::{Value, Values};
/// use edge_reasoner::replay::{ReplayOptions, replay};
/// use edge_reasoner::topic_names::TopicNames;
///
/// let out = tempfile::tempdir()?;
/// let model = Value::String("models/clearance".into());
/// let report = replay(&ReplayOptions {
///     recordings: vec!["tests/data/clearance/drive_127.mcap".into()],
///     out: out.path().into(), // drive_127.mcap with the decisions, report.json, report.svg
///     values: Values::from([("model".into(), model)]),
///     names: TopicNames::default(),
///     task: None,
///     slowdown: 1.0,
///     expectations: None,
///     robot: None,
/// })?;
/// assert_eq!(report.cycles, 74); // a decision for every scan
/// assert_eq!(report.late, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn replay(options: &ReplayOptions) -> Result<ReplayReport, ReplayError> {
    if !(options.slowdown > 0.0 && options.slowdown.is_finite()) {
        return Err(ReplayError::Slowdown(options.slowdown));
    }
    let configuration = Configuration::read(&options.values)?;
    let task = match &options.task {
        Some(file) => Some(Task::load(file)?),
        None => None,
    };
    let expectations = match &options.expectations {
        Some(file) => Some(Expectations::load(file)?),
        None => None,
    };
    let paths = find_recordings(&options.recordings)?;
    if paths.is_empty() {
        let places = options.recordings.iter();
        let places: Vec<_> = places.map(|path| path.display().to_string()).collect();
        return Err(ReplayError::Nothing(places.join(", ")));
    }
    std::fs::create_dir_all(&options.out).map_err(|cause| ReplayError::Output {
        file: options.out.clone(),
        cause: cause.to_string(),
    })?;
    let began = Instant::now();
    let mut replayed = Vec::new();
    let mut failed = Vec::new();
    let names = names(&paths);
    for (path, name) in paths.iter().zip(&names) {
        let robot = match &options.robot {
            Some(robot) => robot.clone(),
            None => folder_name(path),
        };
        match replay_one(path, name, robot, &configuration, task.as_ref(), options) {
            Ok(one) => replayed.push(one),
            Err(error) => {
                failed.push(error.to_string());
                // Decisions of an earlier replay must not pass for this one's.
                let _ = std::fs::remove_file(decisions_file(&options.out, name));
            }
        }
    }
    let safe = usize::from(configuration.cycle_config().safe_label);
    let deadline_ms = configuration.params.deadline.as_secs_f64() * 1e3;
    let outcomes = expectations.map(|all| all.check(&replayed, safe, deadline_ms));
    let mut report = ReplayReport::new(
        &configuration,
        task.as_ref(),
        options,
        &replayed,
        failed,
        began,
    );
    report.expectations = outcomes.unwrap_or_default();
    report.write(&options.out.join("report.json"))?;
    draw(&configuration, &replayed, &options.out)?;
    Ok(report)
}

fn draw(
    configuration: &Configuration,
    replayed: &[ReplayedRecording],
    out: &Path,
) -> Result<(), ReplayError> {
    let file = out.join("report.svg");
    plot::draw(configuration, replayed, &file).map_err(|cause| ReplayError::Output { file, cause })
}

/// The recordings' names, each once: those that repeat get their folder's name in front, and a
/// number if that is not enough.
fn names(paths: &[PathBuf]) -> Vec<Arc<str>> {
    let stem = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(".mcap").unwrap_or(&name);
        name.strip_suffix(".db3").unwrap_or(name).to_owned()
    };
    let stems: Vec<String> = paths.iter().map(stem).collect();
    let mut names: Vec<Arc<str>> = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let alone = stems.iter().filter(|other| **other == stems[index]).count() == 1;
        let base = match alone {
            true => stems[index].clone(),
            false => format!("{}_{}", folder_name(path), stems[index]),
        };
        let mut name = base.clone();
        let mut number = 1;
        while names.iter().any(|taken| **taken == *name) {
            number += 1;
            name = format!("{base}_{number}");
        }
        names.push(Arc::from(name));
    }
    names
}

fn folder_name(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder = full.parent().and_then(Path::file_name);
    folder.map_or_else(
        || String::from("robot"),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_one_name_do_not_overwrite_each_other() {
        let paths = ["a/run.mcap", "b/run.mcap", "b/run.db3", "b/other.mcap"];
        let names = names(&paths.map(PathBuf::from));
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        assert_eq!(names[3], "other");
        let mut all = names.clone();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4, "{names:?}");
    }
}
