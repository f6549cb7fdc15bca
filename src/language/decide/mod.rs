//! One question by its deadline: the mandatory part, then thoughts while they fit, and always an
//! answer or a declared fallback.
//!
//! A plain loop around a [`Session`], on the thread of who calls. The clock is the caller's: the
//! time since the question came. Before every layer it is looked at, and the work given up where
//! the next look could come too late; the last answer that was had stands.

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::time::Duration;

use serde::Serialize;

use super::answer::{Answer, Unfinished};
use super::bundle::{Bundle, Form};
use super::costs::{Costs, Needs, TooShort, next_chunk, split};
use super::session::{QuestionError, Session};

/// Kept of a deadline for writing the answer down.
const MARGIN: Duration = Duration::from_millis(1);
/// Two exits that agree this closely on a label's probability end a `fastest` thought.
const UNCHANGED: f64 = 0.01;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// When sure enough, or thoughts changed nothing
    Fastest,
    /// When the deadline leaves no room for more
    Best,
}

/// What stands behind an answer; as in Decision.msg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Source {
    Model,
    Fallback,
}

/// Why it is not the model; as in Decision.msg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    None,
    Deadline,
    InvalidInput,
    BackendFault,
}

/// Tokens of a decision.
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
    pub source: Source,
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

/// Why a question was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Question(#[from] QuestionError),
    #[error(
        "the deadline is {deadline_ms} ms; {new} new tokens of prompt and an answer take up to {needs_ms} ms on this \
         machine: give that much{shorter}"
    )]
    TooShort {
        deadline_ms: f64,
        needs_ms: f64,
        new: usize,
        shorter: String,
    },
}

/// Reasons of one bundle with what they need.
pub struct Reasoner<'a> {
    pub bundle: &'a Bundle,
    pub session: &'a mut Session,
    pub costs: &'a Costs,
    pub policy: Policy,
}

impl Reasoner<'_> {
    /// Answers by `deadline`, which counts from the clock's zero; `thinking` gets what is thought
    /// as it is written.
    pub fn decide(
        &mut self,
        question: &str,
        deadline: Duration,
        now: &dyn Fn() -> Duration,
        thinking: &mut dyn FnMut(&str),
    ) -> Decision {
        let mut tokens = Tokens::default();
        let taken = self.take(question, deadline, now);
        let needs = match taken {
            Ok((needs, prepared)) => {
                tokens.cached = needs.cached;
                Ok((needs, prepared))
            }
            Err(short @ Refused::TooShort { .. }) => Err((Reason::Deadline, short.to_string())),
            Err(Refused::Question(question)) => Err((Reason::InvalidInput, question.to_string())),
        };
        let (needs, prepared) = match needs {
            Ok(taken) => taken,
            Err((reason, why)) => return self.fallback(reason, why, tokens, now()),
        };
        let calibration = self.bundle.calibration(1);
        let stop = deadline.saturating_sub(self.after_asking(&needs));
        let mut between = by(now, stop);
        let mut best = match self.session.begin(&prepared, calibration, &mut between) {
            Ok(answer) => answer,
            Err(Unfinished::Fault(why)) => {
                return self.fallback(Reason::BackendFault, why, tokens, now());
            }
            Err(Unfinished::Abandoned) => {
                let why = String::from(
                    "the mandatory part took longer than was measured; measure again what the model costs here",
                );
                return self.fallback(Reason::Deadline, why, tokens, now());
            }
        };
        tokens.prefilled = needs.new;
        tokens.answered = best.fed;
        let mut exit = 1;
        let mut shown = 0;
        let stop = deadline.saturating_sub(self.after_thinking(&needs));
        while exit <= needs.chunks && !self.sure(&best, exit) {
            if now() + next_chunk(&needs, self.costs, exit - 1) > stop {
                break;
            }
            let mut between = by(now, stop);
            let Ok(thought) = self.session.think(needs.chunk, &mut between) else {
                break;
            };
            if thought.tokens == 0 {
                break;
            }
            let written = self.session.thought();
            // Bytes of a letter that is not whole are replaced, and shown when it is.
            let more = written.get(shown..);
            if let Some(more) = more.filter(|more| !more.ends_with('\u{fffd}')) {
                thinking(more);
                shown = written.len();
            }
            let calibration = self.bundle.calibration(exit + 1);
            let Ok(answer) = self.session.answer(calibration, &mut between) else {
                break;
            };
            tokens.answered += answer.fed;
            exit += 1;
            let unchanged =
                answer.text == best.text && (answer.confidence - best.confidence).abs() < UNCHANGED;
            best = answer;
            if thought.ended || (unchanged && self.policy == Policy::Fastest && exit > 2) {
                break;
            }
        }
        tokens.thought = self.session.thought_tokens();
        Decision {
            label: best.label.map(|_| best.text.clone()),
            answer: best.text,
            probabilities: best.probabilities,
            confidence: best.confidence,
            source: Source::Model,
            reason: Reason::None,
            exit,
            tokens,
            ms: milliseconds(now()),
            thought: self.session.thought(),
            explanation: None,
        }
    }

    /// A declared fallback for what is no question at all.
    pub fn invalid(&self, why: String) -> Decision {
        self.fallback(Reason::InvalidInput, why, Tokens::default(), Duration::ZERO)
    }

    fn take(
        &self,
        question: &str,
        deadline: Duration,
        now: &dyn Fn() -> Duration,
    ) -> Result<(Needs, super::session::Prepared), Refused> {
        let prepared = self.session.prepare(question)?;
        let needs = self.needs(prepared.cached, prepared.to_feed());
        let after = self.after_asking(&needs);
        let so_far = now();
        let budget = deadline.saturating_sub(after + so_far);
        let refused = |short: TooShort| Refused::TooShort {
            deadline_ms: milliseconds(deadline),
            // Twice what it took to come here, for the clock is read again then.
            needs_ms: ((short.needs + after + 2 * so_far).as_secs_f64() * 1e3).ceil() + 1.0,
            new: short.new,
            shorter: match short.fits {
                0 => String::new(),
                fits => format!(", or ask more shortly: {fits} new tokens would fit"),
            },
        };
        split(budget, &needs, self.costs).map_err(refused)?;
        Ok((needs, prepared))
    }

    /// Of a question with so many tokens kept and new.
    pub fn needs(&self, cached: usize, new: usize) -> Needs {
        let thoughts = self.bundle.manifest.thoughts;
        Needs {
            cached,
            new,
            bare_answer: self.session.answer_batches(false),
            answer: self.session.answer_batches(true),
            rows: self.session.form().rows(),
            choices: self.session.form().choices(),
            opener: self.session.opener(),
            chunk: thoughts.chunk,
            chunks: thoughts.chunks,
        }
    }

    /// What there may be from the last look at the clock in the mandatory part to its end.
    fn after_asking(&self, needs: &Needs) -> Duration {
        let first = needs.new + needs.bare_answer.first().unwrap_or(&0);
        let most = needs
            .bare_answer
            .iter()
            .fold(first, |most, batch| most.max(*batch));
        let depth = needs.cached + needs.new + needs.bare_answer.iter().sum::<usize>();
        MARGIN + self.costs.layer(most, depth) + self.step(needs)
    }

    /// The same while it thinks.
    fn after_thinking(&self, needs: &Needs) -> Duration {
        let most = needs
            .answer
            .iter()
            .fold(needs.opener, |most, batch| most.max(*batch));
        let depth = needs.cached + needs.new + needs.opener + needs.chunk * needs.chunks;
        let layer = self
            .costs
            .layer(most, depth + needs.answer.iter().sum::<usize>());
        MARGIN + layer + self.step(needs).max(self.costs.head())
    }

    /// What may lie between two layers in an answer.
    fn step(&self, needs: &Needs) -> Duration {
        match needs.choices {
            0 => self.costs.rows(needs.rows),
            _ => self.costs.choice(),
        }
    }

    /// Whether no thought is needed any more.
    fn sure(&self, answer: &Answer, exit: usize) -> bool {
        let threshold = self.bundle.calibration(exit).threshold;
        self.policy == Policy::Fastest && answer.confidence >= threshold
    }

    fn fallback(&self, reason: Reason, why: String, tokens: Tokens, now: Duration) -> Decision {
        let safe = &self.bundle.manifest.safe_answer;
        let labels = matches!(self.bundle.manifest.answer, Form::Labels(_));
        Decision {
            answer: safe.clone(),
            label: labels.then(|| safe.clone()),
            probabilities: Vec::new(),
            confidence: 0.0,
            source: Source::Fallback,
            reason,
            exit: 0,
            tokens,
            ms: milliseconds(now),
            thought: String::new(),
            explanation: Some(why),
        }
    }
}

/// Goes on until `stop`.
fn by(now: &dyn Fn() -> Duration, stop: Duration) -> impl FnMut() -> ControlFlow<()> {
    move || match now() > stop {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
