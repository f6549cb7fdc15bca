//! The offline door: recordings in, decisions, scores and a picture out, in logical time.
//!
//! A replay walks the same rooms as the live node. Time is the recording's: a message arrives at
//! its log time, a stage costs what it cost where the model was trained (times `slowdown`), so
//! that the same inputs give byte-identical decisions on any machine.

pub mod bag;
mod clocks;
pub mod expect;
mod frames;
mod one;
mod picture;
mod record;
mod report;
mod sources;
pub mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub use frames::{Looked, RecordedFrames};
pub use report::{Report, ScoresByRobot};

use crate::configure::{Configuration, ConfigureError};
use crate::learn::{LearnError, Task};
use crate::params::Values;
use crate::topic_names::TopicNames;
use bag::{BagError, find_recordings};
use expect::{ExpectError, Expectations};
use one::{Replayed, decisions_file, replay_one};
use writer::WriteError;

/// What to replay and how.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Files, rosbag2 directories, or folders of them.
    pub recordings: Vec<PathBuf>,
    /// Where the decisions, the report and the picture go.
    pub out: PathBuf,
    /// Parameters, as of a live node.
    pub values: Values,
    /// How topics are named: the node's namespace and its remappings.
    pub names: TopicNames,
    /// Task whose truth the decisions are scored against.
    pub task: Option<PathBuf>,
    /// As if the machine were this many times slower.
    pub slowdown: f64,
    /// What is expected of the recordings.
    pub expectations: Option<PathBuf>,
    /// Robot the scores are reported under; by default the name of a recording's folder.
    pub robot: Option<String>,
}

/// Why a replay gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Parameters or bundle.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// The recordings.
    #[error(transparent)]
    Bag(#[from] BagError),
    /// There are none.
    #[error("no recording found in {0}; expected .mcap or .db3 files or rosbag2 directories")]
    Nothing(String),
    /// A topic the window needs.
    #[error("{recording}: {what}")]
    Topic {
        /// The recording.
        recording: String,
        /// What is missing or different, and what to do.
        what: String,
    },
    /// Log times in another unit than nanoseconds.
    #[error(
        "{recording}: the header stamps of {source_name} span {headers_s:.3} s, their log times \
         {logs_s:.9} s: the log times are not in nanoseconds, so nothing was when it seems; write the \
         recording anew with log times in nanoseconds since 1970"
    )]
    LogTimes {
        /// The recording.
        recording: String,
        /// The source whose messages tell.
        source_name: String,
        /// From stamp to stamp.
        headers_s: f64,
        /// The same messages by their log times.
        logs_s: f64,
    },
    /// The task.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// The decisions file.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The report or the picture.
    #[error("{}: {cause}; check that the folder can be written", .file.display())]
    Output {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        cause: String,
    },
    /// The expectations.
    #[error(transparent)]
    Expect(#[from] ExpectError),
    /// A slowdown that is none.
    #[error("slowdown is {0}; expected a number above 0, such as 8")]
    Slowdown(f64),
}

/// Replays all recordings; one that cannot be used is told in the report and does not stop the
/// others. Two recordings of one name are told apart by their folder's name.
pub fn replay(options: &ReplayOptions) -> Result<Report, ReplayError> {
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
    let safe = usize::from(configuration.terms().safe_label);
    let deadline_ms = configuration.params.deadline.as_secs_f64() * 1e3;
    let outcomes = expectations.map(|all| all.check(&replayed, safe, deadline_ms));
    let mut report = Report::new(
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
    replayed: &[Replayed],
    out: &Path,
) -> Result<(), ReplayError> {
    for file in ["report.svg", "report.png"] {
        let file = out.join(file);
        picture::draw(configuration, replayed, &file).map_err(|cause| ReplayError::Output {
            file: file.clone(),
            cause,
        })?;
    }
    Ok(())
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
