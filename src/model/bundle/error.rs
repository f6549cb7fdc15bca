//! Errors of a bundle that cannot be used.

use std::io;
use std::path::PathBuf;

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file is missing or cannot be read or written.
    #[error(
        "{file}: {source}; expected a bundle folder with {MANIFEST} and the weights it names: check the path, or make one with `edge_reasoner train`"
    )]
    File {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is larger than any bundle of ours.
    #[error(
        "{file}: {size} bytes; expected at most {limit}: this is not a bundle of edge_reasoner, restore it or train again"
    )]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The manifest is not one.
    #[error(
        "{file}: {what}; expected a manifest as `edge_reasoner train` writes it: correct the line or restore the file"
    )]
    Manifest {
        /// The file.
        file: PathBuf,
        /// The parser's error, with line and column.
        what: String,
    },
    /// The manifest reads well but contradicts itself; all faults at once.
    #[error("{file}: {}; correct these or restore the file", faults.join("; "))]
    Refused {
        /// The file.
        file: PathBuf,
        /// Every fault, as a sentence.
        faults: Vec<String>,
    },
    /// The weights are not those the manifest was written for.
    #[error(
        "{file}: its sha256 is {found}; expected {expected} as {MANIFEST} says: restore both files from the same bundle"
    )]
    Digest {
        /// The file.
        file: PathBuf,
        /// What it hashes to.
        found: String,
        /// By the manifest.
        expected: String,
    },
    /// The weights hash right but do not fit.
    #[error("{file}: {what}; expected {expected}: restore the bundle or train again")]
    Weights {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
        /// What should be there.
        expected: String,
    },
    /// The engine cannot run it.
    #[error("{0}")]
    Engine(String),
}

pub(super) const MANIFEST: &str = "model.yaml";
