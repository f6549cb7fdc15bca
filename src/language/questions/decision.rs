//! What whoever asked is told: the answer, and what stands behind it.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::answer::{LanguageAnswer, Tokens};
use crate::language::bundle::{Bundle, Form};
use crate::scheduler::questions::{Answered, FallbackReason, Outcome, Refused};
use crate::scheduler::{DecisionSource, Reason};

/// The answer that a bundle declares safe: what fallbacks carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeAnswer {
    pub text: String,
    pub is_label: bool,
}

impl SafeAnswer {
    pub fn of(bundle: &Bundle) -> SafeAnswer {
        SafeAnswer {
            text: bundle.manifest.safe_answer.clone(),
            is_label: matches!(bundle.manifest.answer, Form::Labels(_)),
        }
    }
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    pub answer: String,
    /// The same where answers are labels.
    pub label: Option<String>,
    /// In the order of the labels; empty where there are none, or the model does not stand behind
    /// the answer.
    pub probabilities: Vec<f64>,
    /// The label's probability, or that of all choices of a written answer together; 0 where the
    /// model does not stand behind it.
    pub confidence: f64,
    #[serde(serialize_with = "source")]
    pub source: DecisionSource,
    #[serde(serialize_with = "reason")]
    pub reason: Reason,
    /// The exit it was read from, from 1; 0: none.
    pub exit: usize,
    pub tokens: Tokens,
    /// Since the question came.
    pub ms: f64,
    /// What the model wrote on the way; no proof of why it answers so.
    pub thought: String,
    /// Why it is no answer of the model, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

fn source<S: Serializer>(source: &DecisionSource, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(source.name())
}

fn reason<S: Serializer>(reason: &Reason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.name())
}

impl Decision {
    /// Of a question that was accepted.
    pub fn of(answered: Answered<LanguageAnswer>, safe: &SafeAnswer) -> Decision {
        let ms = milliseconds(answered.took);
        let by = match answered.outcome {
            Outcome::Model(by) | Outcome::Cancelled { so_far: Some(by) } => by,
            Outcome::Fallback { reason, why } => return Decision::fallback(reason, why, safe, ms),
            Outcome::Cancelled { so_far: None } => {
                let why = String::from("it was cancelled before there was an answer");
                return Decision::fallback(FallbackReason::Inactive, why, safe, ms);
            }
        };
        let said = by.answer;
        Decision {
            label: said.label.map(|_| said.text.clone()),
            answer: said.text,
            probabilities: said.probabilities,
            confidence: said.confidence,
            source: DecisionSource::Model,
            reason: Reason::None,
            exit: by.exit.get(),
            tokens: said.tokens,
            ms,
            thought: said.thought,
            explanation: None,
        }
    }

    /// Of a question that was not taken.
    pub fn refused(refused: &Refused, safe: &SafeAnswer, took: Duration) -> Decision {
        let why = refused.to_string();
        Decision::fallback(refused.reason(), why, safe, milliseconds(took))
    }

    fn fallback(reason: FallbackReason, why: String, safe: &SafeAnswer, ms: f64) -> Decision {
        Decision {
            answer: safe.text.clone(),
            label: safe.is_label.then(|| safe.text.clone()),
            probabilities: Vec::new(),
            confidence: 0.0,
            source: DecisionSource::Fallback,
            reason: reason.reason(),
            exit: 0,
            tokens: Tokens::default(),
            ms,
            thought: String::new(),
            explanation: Some(why),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
