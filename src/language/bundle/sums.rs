//! Whether a file of weights is the one that a bundle names.

use std::fs::File;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::BundleError;
use super::manifest::Weights;

/// Checks the size and sum of the file at `path` by what `weights` names of them.
///
/// # Errors
/// Where it is not, or cannot be read.
pub fn check_sums(weights: &Weights, path: &Path) -> Result<(), BundleError> {
    let io = |cause: std::io::Error| BundleError::Io {
        path: path.to_owned(),
        what: cause.to_string(),
    };
    let wrong = |what, found, expected| BundleError::Sum {
        path: path.to_owned(),
        what,
        found,
        expected,
    };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if let Some(expected) = weights.bytes
        && bytes != expected
    {
        return Err(wrong("its size", bytes.to_string(), expected.to_string()));
    }
    if let Some(expected) = &weights.sha256 {
        let found = sha256(path).map_err(io)?;
        if !found.eq_ignore_ascii_case(expected) {
            return Err(wrong("its sha256", found, expected.clone()));
        }
    }
    Ok(())
}

/// Of a file, in hex.
pub fn sha256(path: &Path) -> std::io::Result<String> {
    let file = File::open(path)?;
    // Mapped: read without a copy. An empty file cannot be.
    let bytes = match file.metadata()?.len() {
        0 => Sha256::digest([]),
        // SAFETY: mapped for reading only, and unmapped here; as where weights are read.
        _ => Sha256::digest(&*unsafe { memmap2::Mmap::map(&file) }?),
    };
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
