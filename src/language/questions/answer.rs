//! What a language model answers at an exit.

use serde::Serialize;

use crate::scheduler::questions::Answer;

/// Tokens of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Of the prompt, fed now.
    pub prefilled: usize,
    /// Of the prompt, kept from before.
    pub cached: usize,
    pub thought: usize,
    /// Fed to score the answers of all exits.
    pub answered: usize,
}

/// An answer that counts, with all that was thought for it.
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageAnswer {
    /// The label, or what was written.
    pub text: String,
    /// The label's number; none where answers are written.
    pub label: Option<usize>,
    /// Of labels, in their order; empty where answers are written.
    pub probabilities: Vec<f64>,
    /// The label's probability, or that of all choices of a written answer together.
    pub confidence: f64,
    /// What the model wrote on the way; no proof of why it answers so.
    pub thought: String,
    pub tokens: Tokens,
}

impl Answer for LanguageAnswer {
    fn fault(&self) -> Option<String> {
        let sum: f64 = self.probabilities.iter().sum();
        let wrong = self
            .probabilities
            .iter()
            .any(|p| !p.is_finite() || *p < 0.0)
            || !self.probabilities.is_empty() && (sum - 1.0).abs() > 1e-6;
        let unsure = !self.confidence.is_finite();
        (wrong || unsure).then(|| String::from("returned no probabilities"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_probability_is_a_fault() {
        let answer = |probabilities: &[f64], confidence| LanguageAnswer {
            text: String::new(),
            label: None,
            probabilities: probabilities.to_vec(),
            confidence,
            thought: String::new(),
            tokens: Tokens::default(),
        };
        assert_eq!(answer(&[0.25, 0.75], 0.75).fault(), None);
        assert_eq!(answer(&[], 0.1).fault(), None, "written");
        for wrong in [
            answer(&[0.5, f64::NAN], 0.5),
            answer(&[0.5, 0.6], 0.6),
            answer(&[-0.5, 1.5], 1.5),
            answer(&[], f64::NAN),
        ] {
            assert!(wrong.fault().is_some(), "{wrong:?}");
        }
    }
}
