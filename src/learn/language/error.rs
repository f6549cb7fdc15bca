//! Why language models could not be scored.

use std::io;
use std::path::PathBuf;

use crate::language::bundle::BundleError;

/// Errors of [`eval`](super::eval) and [`compare`](super::compare).
#[derive(Debug, thiserror::Error)]
pub enum LanguageEvalError {
    /// A file or folder.
    #[error("{}: {cause}; check that it can be {to}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// The system's error.
        cause: String,
        /// What was tried: read, written.
        to: &'static str,
    },
    /// Lines that cannot be scored.
    #[error("{0}; every line needs a question and a truth, or a command and a meaning")]
    Lines(String),
    /// Too few lines for what was asked.
    #[error("{file}: {found} questions, expected {expected} or more to {what}", file = file.display())]
    Few {
        /// The file.
        file: PathBuf,
        /// Its questions.
        found: usize,
        /// Needed.
        expected: usize,
        /// What for.
        what: &'static str,
    },
    /// Calibration without labels.
    #[error(
        "{0}: its answers are written, and a temperature is fitted to labels only; leave --calibrate away"
    )]
    NoLabels(String),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The model failed on a question.
    #[error("{model}: question {id}: {why}")]
    Answer {
        /// Its name.
        model: String,
        /// Of the line.
        id: String,
        /// Why there is no answer.
        why: String,
    },
    /// Threads for answers by the clock.
    #[error("no thread to answer on: {0}")]
    Thread(#[from] io::Error),
    /// The picture.
    #[error("{}: the picture cannot be drawn: {what}", file.display())]
    Picture {
        /// Its file.
        file: PathBuf,
        /// The plotter's error.
        what: String,
    },
}
