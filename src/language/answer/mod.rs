//! What a question may be answered with: a closed set of labels, or texts of a schema or grammar.

pub mod bound;
pub mod calibration;
pub mod labels;
pub mod structured;

use super::decoder::Abandoned;

pub use calibration::Calibration;
pub use labels::{LabelError, Labels};
pub use structured::{Structured, StructuredError};

/// The answers there are.
pub enum Form {
    Labels(Labels),
    Structured(Box<Structured>),
}

impl Form {
    /// Of labels, in their order; none where answers are written.
    pub fn names(&self) -> &[String] {
        match self {
            Form::Labels(labels) => labels.names(),
            Form::Structured(_) => &[],
        }
    }

    /// Batches of tokens that an answer feeds behind its cue, one after the other.
    pub fn batches(&self) -> Vec<usize> {
        match self {
            Form::Labels(labels) => labels.batches().collect(),
            Form::Structured(structured) => vec![1; structured.longest()],
        }
    }

    /// Positions that an answer takes behind its cue at most.
    pub fn depth(&self) -> usize {
        match self {
            Form::Labels(labels) => labels.depth(),
            Form::Structured(structured) => structured.longest(),
        }
    }

    /// Tokens whose rows of the head an answer takes, beside whole heads.
    pub fn rows(&self) -> usize {
        match self {
            Form::Labels(labels) => labels.rows(),
            Form::Structured(_) => 0,
        }
    }

    /// Choices by a grammar that an answer takes at most, each with a mask and the whole head.
    pub fn choices(&self) -> usize {
        match self {
            Form::Labels(_) => 0,
            Form::Structured(structured) => structured.longest(),
        }
    }
}

/// An answer at an exit.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The label, or what was written.
    pub text: String,
    /// The likeliest label, the first of equals; none where answers are written.
    pub label: Option<usize>,
    /// Of labels, in their order.
    pub probabilities: Vec<f64>,
    /// The probability of the label, or of all choices of a written answer together.
    pub confidence: f64,
    /// Tokens that were fed for it.
    pub fed: usize,
}

/// Why an answer did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfinished {
    Abandoned,
    /// A grammar's own limits: the model is sound.
    NoAnswer(String),
    /// Probabilities that are no numbers.
    Fault(String),
}

impl From<Abandoned> for Unfinished {
    fn from(Abandoned: Abandoned) -> Unfinished {
        Unfinished::Abandoned
    }
}
