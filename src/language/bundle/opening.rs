//! From a bundle to a session that answers: weights checked and packed, the fixed part of the
//! prompt fed.

use std::path::Path;
use std::sync::Arc;

use super::{Bundle, BundleError, Form, check_sums};
use crate::language::answer::{self, Labels, Structured, StructuredError};
use crate::language::architecture::Architecture;
use crate::language::decoder::Decoder;
use crate::language::gguf::Gguf;
use crate::language::prompt::Prompt;
use crate::language::session::Session;
use crate::language::tokenizer::Tokenizer;

impl Bundle {
    /// A session with the fixed part of the prompt fed: see [`Bundle::open_unfed`].
    ///
    /// # Errors
    /// Whatever of it is wrong, by name.
    pub fn open(&self) -> Result<Session, BundleError> {
        let mut session = self.open_unfed()?;
        let prior = &self.manifest.prior;
        let warm = session.warm(&prior.questions, prior.strength);
        warm.map_err(|cause| BundleError::Question {
            name: self.manifest.name.clone(),
            cause,
        })?;
        Ok(session)
    }

    /// Checks the weights' size and sum and packs them. The fixed part of the prompt is to be fed
    /// or held before questions are asked.
    ///
    /// # Errors
    /// Whatever of it is wrong, by name.
    pub fn open_unfed(&self) -> Result<Session, BundleError> {
        let path = self.weights()?;
        // Before the sum, for which all of it is read.
        let bytes = std::fs::metadata(&path).map_or(0, |facts| facts.len());
        self.check_memory(&path, bytes)?;
        check_sums(&self.manifest.weights, &path)?;
        let file = Gguf::open(&path)?;
        let Architecture {
            layers,
            kv_heads,
            head,
            context: made_for,
            ..
        } = Architecture::read(&file)?;
        // Keys and values in f16.
        let kv = (4 * layers * kv_heads * head) as u64;
        let kv = kv.saturating_mul(self.manifest.context as u64);
        self.check_memory(&path, bytes.saturating_add(kv))?;
        if made_for < self.manifest.context {
            return Err(BundleError::Field {
                path: self.folder.join("model.yaml"),
                field: "context",
                what: format!(
                    "it is {}; the model was made for {made_for}",
                    self.manifest.context
                ),
            });
        }
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
        let mut session = Session::new(decoder, tokenizer, prompt, form);
        session.sampled(self.manifest.sampling, 0);
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

    /// Packed weights take about what the file does; keys and values come on top.
    pub(super) fn check_memory(&self, path: &Path, needs: u64) -> Result<(), BundleError> {
        match free_memory() {
            Some(free) if needs > free => Err(BundleError::Memory {
                path: path.to_owned(),
                needs_mb: needs / 1_000_000,
                free_mb: free / 1_000_000,
                context: self.manifest.context,
            }),
            _ => Ok(()),
        }
    }
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
