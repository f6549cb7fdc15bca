//! `model.yaml` of a language bundle (`kind: language`): which weights, how it is asked, what it
//! may answer.

mod error;
pub mod manifest;
mod opening;
mod sums;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::language::answer::Calibration;
use crate::user_cache::user_cache;
pub use error::BundleError;
pub use manifest::{Form, Manifest};
pub use sums::{check_sums, sha256};

/// A folder with `model.yaml`, read and checked; its weights are not opened yet.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub folder: PathBuf,
    pub manifest: Manifest,
}

impl Bundle {
    /// Reads and checks `model.yaml`.
    ///
    /// # Errors
    /// A file that is not there, no such yaml, or a field out of its range.
    pub fn load(folder: &Path) -> Result<Bundle, BundleError> {
        let path = folder.join("model.yaml");
        let text = std::fs::read_to_string(&path).map_err(|cause| BundleError::Io {
            path: path.clone(),
            what: format!("{cause}; name the folder of a language bundle"),
        })?;
        let manifest: Manifest =
            serde_yaml::from_str(&text).map_err(|cause| BundleError::Yaml {
                path: path.clone(),
                what: cause.to_string(),
            })?;
        let bundle = Bundle {
            folder: folder.to_owned(),
            manifest,
        };
        match bundle.manifest.fault() {
            None => Ok(bundle),
            Some((field, what)) => Err(BundleError::Field { path, field, what }),
        }
    }

    /// The same with other answers; `safe` is the fallback's, and one of them.
    ///
    /// # Errors
    /// Where it is no label.
    pub fn with_answers(mut self, form: Form, safe: String) -> Result<Bundle, BundleError> {
        self.manifest.answer = form;
        self.manifest.safe_answer = safe;
        // Calibrated for other answers.
        let exits = self.manifest.calibration.iter_mut();
        exits.for_each(|exit| exit.temperature = 1.0);
        match self.manifest.fault() {
            None => Ok(self),
            Some((field, what)) => Err(BundleError::Field {
                path: self.folder.join("model.yaml"),
                field,
                what,
            }),
        }
    }

    /// Of an exit, from 1.
    pub fn calibration(&self, exit: usize) -> Calibration {
        let all = &self.manifest.calibration;
        let found = all.get(exit - 1).or(all.last());
        found.copied().unwrap_or_default()
    }

    /// Where fetched weights are kept; none where the system names no such place.
    pub fn kept(&self) -> Option<PathBuf> {
        let sum = self.manifest.weights.sha256.as_ref()?;
        let file = self.manifest.weights.file.file_name()?;
        Some(user_cache()?.join("weights").join(&sum[..16]).join(file))
    }

    /// The file of the weights, wherever it lies.
    ///
    /// # Errors
    /// Where it lies nowhere.
    pub fn weights(&self) -> Result<PathBuf, BundleError> {
        let mut looked = vec![self.folder.join(&self.manifest.weights.file)];
        looked.extend(self.kept());
        if let Some(found) = looked.iter().find(|path| path.is_file()) {
            return Ok(found.clone());
        }
        let folder = self.folder.display();
        let advice = match self.manifest.weights.fetch {
            Some(_) => format!("edge_reasoner fetch {folder} brings them, once"),
            None => format!("put the file there, or its path into {folder}/model.yaml"),
        };
        Err(BundleError::NoWeights {
            name: self.manifest.name.clone(),
            looked,
            advice,
        })
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifest = &self.manifest;
        let answers = match &manifest.answer {
            Form::Labels(labels) => labels.join(", "),
            Form::Schema(file) => format!("JSON of {}", file.display()),
            Form::Grammar { file, longest } => {
                format!("texts of {}, up to {longest} tokens", file.display())
            }
        };
        writeln!(
            f,
            "{}: answers {} ({})",
            manifest.name, answers, manifest.licence
        )?;
        writeln!(f, "safe answer: {}", manifest.safe_answer)?;
        let thoughts = manifest.thoughts;
        writeln!(
            f,
            "exits: {}, the first without a thought, then every {} tokens of it; context of {} tokens",
            thoughts.chunks + 1,
            thoughts.chunk,
            manifest.context
        )?;
        for (index, exit) in manifest.calibration.iter().enumerate() {
            let (temperature, threshold) = (exit.temperature, exit.threshold);
            writeln!(
                f,
                "  exit {}: temperature {temperature}, threshold {threshold}",
                index + 1
            )?;
        }
        writeln!(f, "told before every question:")?;
        let system = manifest.prompt.system.trim();
        system.lines().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
