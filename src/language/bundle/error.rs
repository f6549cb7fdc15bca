//! Errors of a language bundle.

use std::path::PathBuf;

use crate::language::answer::{LabelError, StructuredError};
use crate::language::gguf::GgufError;
use crate::language::prompt::PromptError;
use crate::language::session::QuestionError;

/// A bundle that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("{}: {what}", path.display())]
    Io { path: PathBuf, what: String },
    #[error("{}: {what}", path.display())]
    Yaml { path: PathBuf, what: String },
    #[error("{}: {field}: {what}", path.display())]
    Field {
        path: PathBuf,
        field: &'static str,
        what: String,
    },
    #[error("{name}: its weights are not on this machine ({}); {advice}", looked.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "))]
    NoWeights {
        name: String,
        looked: Vec<PathBuf>,
        advice: String,
    },
    #[error(
        "{}: {what} is {found}, the bundle names {expected}; it is another file or a damaged one: remove it and \
         fetch it again",
        path.display()
    )]
    Sum {
        path: PathBuf,
        what: &'static str,
        found: String,
        expected: String,
    },
    #[error(
        "{}: it needs about {needs_mb} MB with {context} tokens of context, {free_mb} MB of memory are free; \
         take a smaller model or context",
        path.display()
    )]
    Memory {
        path: PathBuf,
        needs_mb: u64,
        free_mb: u64,
        context: usize,
    },
    #[error(transparent)]
    Gguf(#[from] GgufError),
    #[error("{name}: {cause}")]
    Labels { name: String, cause: LabelError },
    #[error("{}: {cause}", path.display())]
    Structured {
        path: PathBuf,
        cause: StructuredError,
    },
    #[error("{name}: {cause}")]
    Prompt { name: String, cause: PromptError },
    #[error("{name}: prompt: {cause}")]
    Question { name: String, cause: QuestionError },
}
