//! One question by its deadline: the mandatory part, then thoughts while they fit, and always an
//! answer or a declared fallback.
//!
//! A plain loop around a [`Session`], on the thread of who calls. The clock is the caller's: the
//! time since the question came. Before every layer it is looked at, and the work given up where
//! the next look could come too late; the last answer that was had stands.

use std::ops::ControlFlow;
use std::time::Duration;

use serde::Serialize;

use super::bundle::{Bundle, Form};
use super::costs::{Costs, Needs, TooShort, next_chunk, split};
use super::session::{Answer, QuestionError, Session};

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
    pub label: String,
    /// In the order of the labels; empty where the model does not stand behind the answer.
    pub probabilities: Vec<f64>,
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
    #[error(transparent)]
    TooShort(#[from] TooShort),
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
            Err(Refused::TooShort(short)) => Err((Reason::Deadline, short.to_string())),
            Err(Refused::Question(question)) => Err((Reason::InvalidInput, question.to_string())),
        };
        let (needs, prepared) = match needs {
            Ok(taken) => taken,
            Err((reason, why)) => return self.fallback(reason, why, tokens, now()),
        };
        let calibration = self.bundle.calibration(1);
        let stop = self.last_look(deadline, needs.new, needs.cached + needs.new);
        let mut between = by(now, stop);
        let mut best = match self.session.begin(&prepared, calibration, &mut between) {
            Ok(answer) => answer,
            Err(_) => {
                let why = String::from(
                    "the mandatory part took longer than was measured; profile the bundle again on this machine",
                );
                return self.fallback(Reason::Deadline, why, tokens, now());
            }
        };
        tokens.prefilled = needs.new;
        tokens.answered = needs.bare_answer.iter().sum();
        if !sound(&best) {
            let why = String::from("the model's probabilities are no numbers; its weights may be damaged");
            return self.fallback(Reason::BackendFault, why, tokens, now());
        }
        let mut exit = 1;
        let mut shown = 0;
        let depth = needs.cached + needs.new + needs.opener + needs.chunk * needs.chunks;
        let stop = self.last_look(deadline, 1.max(needs.answer[0]), depth);
        while exit <= needs.chunks && !self.sure(&best, exit) {
            if now() + next_chunk(&needs, self.costs, exit - 1) > stop {
                break;
            }
            let mut between = by(now, stop);
            let Ok(thought) = self.session.think(needs.chunk, &mut between) else {
                break;
            };
            let written = self.session.thought();
            // Bytes of a letter that is not whole are replaced, and shown when it is.
            if let Some(more) = written.get(shown..).filter(|more| !more.ends_with('\u{fffd}')) {
                thinking(more);
                shown = written.len();
            }
            let calibration = self.bundle.calibration(exit + 1);
            let Ok(answer) = self.session.answer(calibration, &mut between) else {
                break;
            };
            tokens.answered += needs.answer.iter().sum::<usize>();
            if !sound(&answer) {
                break;
            }
            exit += 1;
            let unchanged = answer.label == best.label
                && (answer.probabilities[best.label] - best.probabilities[best.label]).abs() < UNCHANGED;
            best = answer;
            if thought.ended || (unchanged && self.policy == Policy::Fastest && exit > 2) {
                break;
            }
        }
        tokens.thought = self.session.thought_tokens();
        let label = self.session.labels().names()[best.label].clone();
        Decision {
            answer: label.clone(),
            label,
            probabilities: best.probabilities,
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
        let needs = self.needs(prepared.cached, prepared.new());
        let stop = self.last_look(deadline, needs.new, prepared.tokens());
        split(stop.saturating_sub(now()), &needs, self.costs)?;
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
            rows: self.session.labels().rows(),
            opener: self.session.opener(),
            chunk: thoughts.chunk,
            chunks: thoughts.chunks,
        }
    }

    /// After it, a look at the clock could come too late where so many tokens are fed together.
    fn last_look(&self, deadline: Duration, tokens: usize, depth: usize) -> Duration {
        deadline.saturating_sub(MARGIN + self.costs.between_looks(tokens, depth))
    }

    /// Whether no thought is needed any more.
    fn sure(&self, answer: &Answer, exit: usize) -> bool {
        let threshold = self.bundle.calibration(exit).threshold;
        self.policy == Policy::Fastest && answer.probabilities[answer.label] >= threshold
    }

    fn fallback(&self, reason: Reason, why: String, tokens: Tokens, now: Duration) -> Decision {
        let Form::Labels(_) = &self.bundle.manifest.answer;
        let safe = &self.bundle.manifest.safe_answer;
        Decision {
            answer: safe.clone(),
            label: safe.clone(),
            probabilities: Vec::new(),
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

fn sound(answer: &Answer) -> bool {
    answer.probabilities.iter().all(|p| p.is_finite())
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::language::testing::small_model;

    const YAML: &str = "format: 1\nkind: language\nname: small\nlicence: none\nweights: {file: small.gguf}\n\
        prompt: {system: You decide., thought_opener: 'Thought:', answer_cue: 'Answer:'}\n\
        answer: {labels: [go, stop]}\nsafe_answer: stop\nthoughts: {chunk: 4, chunks: 3}\ncontext: 256\n\
        calibration: [{temperature: 1.0, threshold: 0.999}]\n";

    fn bundle(weights: &[u8]) -> (tempfile::TempDir, Bundle) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.yaml"), YAML).unwrap();
        std::fs::write(folder.path().join("small.gguf"), weights).unwrap();
        let bundle = Bundle::load(folder.path()).unwrap();
        (folder, bundle)
    }

    /// Every layer takes `layer_us` at most; heads and rows nothing.
    fn costs(layer_us: f64) -> Costs {
        Costs {
            sizes: vec![1, 64],
            depths: vec![256],
            batch_us: vec![vec![2.0 * layer_us; 2]],
            head_us: 0.0,
            rows_us: 0.0,
            layers: 2,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// The guarantee, under a fake clock: layers take what they like up to their bound, and
        /// sometimes a lot more; the longest look apart is the only lateness there may be.
        #[test]
        fn every_question_is_answered_by_its_deadline_or_by_a_declared_fallback(
            times in prop::collection::vec(1u64..100, 1..50), stall in prop::option::of(0usize..60),
            deadline_ms in 0u64..60, length in 0usize..300, best in any::<bool>(),
        ) {
            let (_folder, bundle) = bundle(&small_model(1).bytes());
            let mut session = bundle.open().unwrap();
            let costs = costs(100.0);
            let clock = Cell::new(Duration::ZERO);
            let looks = Cell::new(0usize);
            let longest = Cell::new(Duration::ZERO);
            let now = || {
                let look = looks.get();
                looks.set(look + 1);
                let mut step = Duration::from_micros(times[look % times.len()]);
                if stall == Some(look) {
                    step = Duration::from_millis(5);
                }
                longest.set(longest.get().max(step));
                clock.set(clock.get() + step);
                clock.get()
            };
            let policy = if best { Policy::Best } else { Policy::Fastest };
            let mut reasoner = Reasoner { bundle: &bundle, session: &mut session, costs: &costs, policy };
            let question = "w".repeat(length);
            let deadline = Duration::from_millis(deadline_ms);
            let decision = reasoner.decide(&question, deadline, &now, &mut |_| ());
            let labels = ["go", "stop"];
            prop_assert!(labels.contains(&decision.answer.as_str()));
            let late = clock.get().saturating_sub(deadline);
            let refused_at_once = decision.reason != Reason::None && decision.tokens.prefilled == 0;
            prop_assert!(late == Duration::ZERO || stall.is_some() || refused_at_once, "{late:?} late");
            match decision.source {
                Source::Model => {
                    prop_assert!((decision.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                    prop_assert!((1..=4).contains(&decision.exit));
                }
                Source::Fallback => {
                    prop_assert_eq!(&decision.answer, "stop");
                    prop_assert!(decision.exit == 0 && decision.explanation.is_some());
                }
            }
            if length == 0 {
                prop_assert_eq!(decision.reason, Reason::InvalidInput);
            }
            // Whole afterwards.
            let prepared = session.prepare("again").unwrap();
            let again = session.begin(&prepared, bundle.calibration(1), &mut || ControlFlow::Continue(())).unwrap();
            let mut fresh = bundle.open().unwrap();
            let prepared = fresh.prepare("again").unwrap();
            let alone = fresh.begin(&prepared, bundle.calibration(1), &mut || ControlFlow::Continue(())).unwrap();
            prop_assert_eq!(again, alone);
        }
    }

    fn decided(weights: &[u8], policy: Policy, deadline_ms: u64, question: &str) -> Decision {
        let (_folder, bundle) = bundle(weights);
        let mut session = bundle.open().unwrap();
        let costs = costs(100.0);
        let mut reasoner = Reasoner {
            bundle: &bundle,
            session: &mut session,
            costs: &costs,
            policy,
        };
        let deadline = Duration::from_millis(deadline_ms);
        reasoner.decide(question, deadline, &|| Duration::ZERO, &mut |_| ())
    }

    #[test]
    fn a_longer_deadline_gives_deeper_exits_and_one_too_short_says_what_would_fit() {
        let weights = small_model(1).bytes();
        let exits = [2, 4, 6, 9].map(|ms| decided(&weights, Policy::Best, ms, "a wall").exit);
        assert!(exits[0] == 1 && exits.is_sorted() && exits[3] == 4, "{exits:?}");
        let refused = decided(&weights, Policy::Best, 1, "a wall");
        assert_eq!((refused.reason, refused.ms), (Reason::Deadline, 0.0));
        let said = refused.explanation.unwrap();
        assert!(said.contains("new tokens would fit"), "{said}");
    }

    #[test]
    fn weights_that_give_no_numbers_are_a_fault_and_no_answer() {
        let mut writer = small_model(1);
        let norm = writer.tensors.iter_mut().find(|(name, ..)| name == "output_norm.weight");
        norm.unwrap().3[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        let decision = decided(&writer.bytes(), Policy::Best, 1000, "a wall");
        assert_eq!(decision.reason, Reason::BackendFault);
        assert_eq!(decision.answer, "stop");
    }
}
