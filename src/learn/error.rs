//! Errors of training, compression and evaluation.

use std::io;
use std::path::PathBuf;

use crate::bag::BagError;
use crate::model::BundleError;

/// Why a training, an evaluation or a truth could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// A file cannot be read or written.
    #[error("{file}: {source}; {remedy}")]
    File {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A task file that does not read.
    #[error("{file}: {what}; expected a task as in params/tasks/clearance.yaml: correct the line")]
    Task {
        /// The file.
        file: PathBuf,
        /// The parser's error, with line and column.
        what: String,
    },
    /// A task that contradicts itself; all faults at once.
    #[error("{file}: {}; correct these", faults.join("; "))]
    TaskRefused {
        /// The file.
        file: PathBuf,
        /// Every fault, as a sentence.
        faults: Vec<String>,
    },
    /// The list of recordings in a data folder.
    #[error(
        "{file}: {what}; expected a csv with the columns the task names: correct it, or remove it to use every recording as its own group"
    )]
    List {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A recording that cannot be used.
    #[error("{file}: {what}; expected {expected}")]
    Recording {
        /// The recording.
        file: PathBuf,
        /// What is wrong.
        what: String,
        /// What would do.
        expected: String,
    },
    /// Nothing to learn from, or nothing to validate on.
    #[error("{what}; {remedy}")]
    Nothing {
        /// What is missing.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The model and the task do not belong together.
    #[error("model {model}: {what}; expected {expected}: name the task it was trained for")]
    Mismatch {
        /// Id of the bundle.
        model: String,
        /// What differs.
        what: String,
        /// By the task file.
        expected: String,
    },
    /// Training went astray.
    #[error(
        "training failed: {0}; lower training.learning_rate in the task file or check the data"
    )]
    Training(String),
    /// A picture that cannot be drawn.
    #[error("{file}: the picture cannot be drawn: {what}; check that the folder can be written")]
    Picture {
        /// The file.
        file: PathBuf,
        /// The plotter's error.
        what: String,
    },
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A recording's container.
    #[error(transparent)]
    Bag(#[from] BagError),
}
