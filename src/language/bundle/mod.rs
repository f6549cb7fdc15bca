//! `model.yaml` of a language bundle (`kind: language`): which weights, how it is asked, what it
//! may answer.

pub mod manifest;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::language::answer::{self, Calibration, LabelError, Labels, Structured, StructuredError};
use crate::language::decoder::Decoder;
use crate::language::gguf::{Gguf, GgufError};
use crate::language::prompt::{Prompt, PromptError};
use crate::language::session::{QuestionError, Session};
use crate::language::summary::Summary;
use crate::language::tokenizer::Tokenizer;
use crate::user_cache::user_cache;
pub use manifest::{Form, Manifest};

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

/// A folder with `model.yaml`, read and checked; its weights are not opened yet.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub folder: PathBuf,
    pub manifest: Manifest,
}

impl Bundle {
    /// Whether this folder is a language bundle, by the word `kind` alone.
    pub fn is(folder: &Path) -> bool {
        #[derive(Deserialize)]
        struct Only {
            kind: Option<String>,
        }
        let text = std::fs::read_to_string(folder.join("model.yaml"));
        let only = text.map(|text| serde_yaml::from_str::<Only>(&text));
        matches!(only, Ok(Ok(Only { kind: Some(kind) })) if kind == "language")
    }

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

    /// Checks the weights' size and sum, packs them, and feeds the fixed part of the prompt.
    ///
    /// # Errors
    /// Whatever of it is wrong, by name.
    pub fn open(&self) -> Result<Session, BundleError> {
        let path = self.weights()?;
        self.check_sums(&path)?;
        let file = Gguf::open(&path)?;
        self.check_memory(&path, &file)?;
        let name = &self.manifest.name;
        let tokenizer = Tokenizer::read(&file)?;
        let prompt = Prompt::new(self.manifest.prompt.clone(), &file, &tokenizer);
        let prompt = prompt.map_err(|cause| BundleError::Prompt {
            name: name.clone(),
            cause,
        })?;
        let tokenizer = Arc::new(tokenizer);
        let form = self.form(&tokenizer)?;
        let decoder = Decoder::new(file, self.manifest.context)?;
        if decoder.architecture.context < self.manifest.context {
            return Err(BundleError::Field {
                path: self.folder.join("model.yaml"),
                field: "context",
                what: format!(
                    "it is {}; the model was made for {}",
                    self.manifest.context, decoder.architecture.context
                ),
            });
        }
        let mut session = Session::new(decoder, tokenizer, prompt, form);
        session.sampled(self.manifest.sampling, 0);
        let warm = session.warm(&self.manifest.prior.questions, self.manifest.prior.strength);
        warm.map_err(|cause| BundleError::Question {
            name: name.clone(),
            cause,
        })?;
        Ok(session)
    }

    /// Compiles what it answers with for a model.
    fn form(&self, tokenizer: &Arc<Tokenizer>) -> Result<answer::Form, BundleError> {
        let read = |file: &Path| {
            let path = self.folder.join(file);
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|cause| BundleError::Io {
                path: path.clone(),
                what: cause.to_string(),
            });
            Ok::<_, BundleError>((path, text?))
        };
        let (path, compiled) = match &self.manifest.answer {
            Form::Labels(labels) => {
                let labels = Labels::new(labels, tokenizer);
                return labels
                    .map(answer::Form::Labels)
                    .map_err(|cause| BundleError::Labels {
                        name: self.manifest.name.clone(),
                        cause,
                    });
            }
            Form::Schema(file) => {
                let (path, text) = read(file)?;
                (path, Structured::schema(&text, tokenizer))
            }
            Form::Grammar { file, longest } => {
                let (path, text) = read(file)?;
                (path, Structured::grammar(&text, *longest, tokenizer))
            }
        };
        let safe = &self.manifest.safe_answer;
        let compiled =
            compiled.and_then(|mut structured| match structured.accepts(safe, tokenizer) {
                true => Ok(structured),
                false => Err(StructuredError::Safe(safe.clone())),
            });
        match compiled {
            Ok(structured) => Ok(answer::Form::Structured(Box::new(structured))),
            Err(cause) => Err(BundleError::Structured { path, cause }),
        }
    }

    /// Whether a file is the one that the bundle names.
    ///
    /// # Errors
    /// Where it is not, or cannot be read.
    pub fn check_sums(&self, path: &Path) -> Result<(), BundleError> {
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
        if let Some(expected) = self.manifest.weights.bytes
            && bytes != expected
        {
            return Err(wrong("its size", bytes.to_string(), expected.to_string()));
        }
        if let Some(expected) = &self.manifest.weights.sha256 {
            let found = sha256(path).map_err(io)?;
            if !found.eq_ignore_ascii_case(expected) {
                return Err(wrong("its sha256", found, expected.clone()));
            }
        }
        Ok(())
    }

    /// Packed weights take about what the file does; keys and values come on top.
    fn check_memory(&self, path: &Path, file: &Gguf) -> Result<(), BundleError> {
        let context = self.manifest.context;
        let sizes = Summary::of(file).sizes;
        let kv = sizes.map_or(0, |sizes| sizes.kv_bytes_per_token as u64 * context as u64);
        let needs = file.file_size() + kv;
        match free_memory() {
            Some(free) if needs > free => Err(BundleError::Memory {
                path: path.to_owned(),
                needs_mb: needs / 1_000_000,
                free_mb: free / 1_000_000,
                context,
            }),
            _ => Ok(()),
        }
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

/// Bytes that the system could give to us; none where it does not say.
fn free_memory() -> Option<u64> {
    let facts = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = facts
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
