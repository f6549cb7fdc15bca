//! Options of a replay, and its errors.

use std::path::PathBuf;

use super::expectations::ExpectError;
use crate::bag::BagError;
use crate::bag::writer::WriteError;
use crate::configure::ConfigureError;
use crate::learn::LearnError;
use crate::params::Values;
use crate::topic_names::TopicNames;

/// Options of a replay.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Files, rosbag2 directories, or folders of them.
    pub recordings: Vec<PathBuf>,
    /// Folder of the decisions, the report and the picture.
    pub out: PathBuf,
    /// Parameters, as of a live node.
    pub values: Values,
    /// The node's namespace and its remappings, by which topics are resolved.
    pub names: TopicNames,
    /// Task whose truth the decisions are scored against.
    pub task: Option<PathBuf>,
    /// As if the machine were this many times slower.
    pub slowdown: f64,
    /// File of the expectations.
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
