//! The answers of a language model to questions: at every exit, and by a deadline.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::error::LanguageEvalError;
use super::questions::Question;
use crate::language::bundle::Bundle;
use crate::language::questions::{Decision, LanguageAnswer, LanguageEngine, LanguageLane};
use crate::scheduler::Policy;
use crate::scheduler::questions::{PartFault, QuestionEngine, TakeFault, Terms};

/// Kept of a deadline for writing the answer down, as the lane keeps it.
const MARGIN: Duration = Duration::from_millis(1);

/// An answer at one exit.
#[derive(Clone, Debug, PartialEq)]
pub struct ExitAnswer {
    /// The label, or what was written.
    pub text: String,
    /// Calibrated, of labels in their order; empty where answers are written.
    pub probabilities: Vec<f64>,
    /// The label's probability, or that of all choices together.
    pub confidence: f64,
    /// Tokens of thought behind it.
    pub thought: usize,
    /// By which the answer is there for certain, by the upper bounds of costs, ms.
    pub within_ms: f64,
    /// When it was there, ms.
    pub took_ms: f64,
}

/// To one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// From the one without a thought on; none where the question cannot be asked.
    pub exits: Vec<ExitAnswer>,
    /// Why there is none.
    pub refused: Option<String>,
}

impl Answers {
    /// The deepest exit that is there by a deadline for certain.
    pub fn by(&self, deadline_ms: f64) -> Option<&ExitAnswer> {
        let within = |exit: &&ExitAnswer| exit.within_ms <= deadline_ms;
        self.exits.iter().take_while(within).last()
    }
}

/// Answers a question at all its exits, without a deadline.
///
/// # Errors
/// Where the model fails.
pub fn at_all_exits(
    engine: &mut LanguageEngine,
    question: &Question,
) -> Result<Answers, LanguageEvalError> {
    let failed = |name: &str, why: String| LanguageEvalError::Answer {
        model: name.to_owned(),
        id: question.id.to_string(),
        why,
    };
    let start = Instant::now();
    let mut exits = Vec::new();
    let mut part = match engine.take(&question.text) {
        Ok(part) => part,
        Err(TakeFault::Unusable(why)) => {
            return Ok(Answers {
                exits,
                refused: Some(why),
            });
        }
        Err(TakeFault::Engine(fault)) => return Err(failed(engine.name(), fault.0)),
    };
    let (mut before, mut within) = (Duration::ZERO, Duration::ZERO);
    loop {
        let exit = match engine.advance(&mut || ControlFlow::Continue(())) {
            Ok(Some(exit)) => exit,
            Ok(None) => break,
            // A deeper exit without an answer: those before it stand.
            Err(PartFault::NoAnswer(_)) if !exits.is_empty() => break,
            Err(PartFault::NoAnswer(why)) => {
                return Ok(Answers {
                    exits,
                    refused: Some(why),
                });
            }
            Err(PartFault::GivenUp) => break,
            Err(PartFault::Engine(fault)) => return Err(failed(engine.name(), fault.0)),
        };
        // The last look of the part before may be a longer one than this whole part.
        within = within.max(before + part.needs() + MARGIN);
        exits.push(exit_answer(exit.answer, within, start.elapsed()));
        before += part.whole;
        match engine.next_part() {
            Some(next) => part = next,
            None => break,
        }
    }
    Ok(Answers {
        exits,
        refused: None,
    })
}

fn exit_answer(answer: LanguageAnswer, within: Duration, took: Duration) -> ExitAnswer {
    ExitAnswer {
        text: answer.text,
        probabilities: answer.probabilities,
        confidence: answer.confidence,
        thought: answer.tokens.thought,
        within_ms: within.as_secs_f64() * 1e3,
        took_ms: took.as_secs_f64() * 1e3,
    }
}

/// Answers a question by a deadline, by the clock.
pub fn by_the_clock(lane: &LanguageLane, question: &Question, deadline_ms: f64) -> Decision {
    let terms = Terms {
        deadline: Duration::from_secs_f64(deadline_ms / 1e3),
        policy: Policy::Best,
    };
    lane.answer(&question.text, terms, &mut |_| ())
}

/// An engine that answers every question as if it were the first.
pub fn engine(bundle: &Bundle, ready: crate::language::ready::Ready) -> LanguageEngine {
    LanguageEngine::new(bundle, ready.session, ready.costs.into()).forgetting()
}
