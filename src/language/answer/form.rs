//! The answers that a question may have: compiled labels, or a compiled grammar, and what either
//! takes of a decoder.

use super::labels::Labels;
use super::structured::Structured;

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
            Form::Structured(structured) => structured.batches(),
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
            Form::Structured(structured) => structured.choices(),
        }
    }
}
