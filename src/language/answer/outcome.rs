//! An answer at one exit, or why there is none.

use crate::language::decoder::Abandoned;

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
