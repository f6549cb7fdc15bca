//! One conversation with a language model: a question, thoughts, and an answer after each.
//!
//! [`Session::prepare`] makes a prompt of a question and says how much of it is new: what the cache
//! holds already (the fixed part of the prompt, at least) is not fed again. [`Session::begin`] is
//! the mandatory part: it feeds the rest and answers without a thought. [`Session::think`] adds a
//! few tokens of thought, [`Session::answer`] answers with what was thought so far: it closes the
//! thought, asks for the answer, scores the labels and takes all of that back, so that the thought
//! can go on. `between` is asked before every layer; where it breaks, the step is abandoned and the
//! session is whole: the next step or question goes on from what was fed.

use std::ops::ControlFlow;

use super::answer::labels::Scratch;
use super::answer::{Calibration, Labels};
use super::decoder::{Abandoned, BATCH, Decoder};
use super::prompt::{Prompt, PromptError};
use super::sampler::{Sampler, Sampling};
use super::tokenizer::Tokenizer;

/// A question that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    #[error("the question is empty")]
    Empty,
    #[error(
        "the question takes {found} tokens or more with its prompt, the context of {room} leaves {left}; \
         ask more shortly, or give the bundle a larger context"
    )]
    TooLong {
        found: usize,
        left: usize,
        room: usize,
    },
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

/// A question as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    tokens: Vec<u32>,
    /// Tokens that the cache holds already.
    pub cached: usize,
}

impl Prepared {
    /// Tokens that are to be fed.
    pub fn new(&self) -> usize {
        self.tokens.len() - self.cached
    }

    /// Tokens of the whole prompt.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }
}

/// Probabilities of all labels at an exit.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// In the order of the labels.
    pub probabilities: Vec<f64>,
    /// The likeliest label, the first of equals.
    pub label: usize,
}

/// What a call of [`Session::think`] came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Thought {
    /// Tokens that were added.
    pub tokens: usize,
    /// Whether the model ended its thought, or there is no room for more.
    pub ended: bool,
}

/// The model at work.
pub struct Session {
    decoder: Decoder,
    tokenizer: Tokenizer,
    prompt: Prompt,
    labels: Labels,
    scratch: Scratch,
    logs: Vec<f64>,
    /// Logarithms of a question without content, and how much of them is taken out.
    prior: Option<(Vec<f64>, f64)>,
    sampler: Sampler,
    sampling: Sampling,
    /// Control tokens that end nothing: never part of a thought.
    banned: Vec<u32>,
    /// What the decoder's cache holds.
    held: Vec<u32>,
    /// Tokens of the prompt in hand, with the thought's opener once it is fed.
    asked: usize,
    /// The thought so far; its last token may be chosen but not fed yet.
    thought: Vec<u32>,
    thinking: bool,
    ended: bool,
}

impl Session {
    /// # Panics
    /// Never for parts of one model.
    pub fn new(decoder: Decoder, tokenizer: Tokenizer, prompt: Prompt, labels: Labels) -> Session {
        let controls = tokenizer.controls().filter_map(|name| tokenizer.control(name));
        let banned = controls.filter(|token| !tokenizer.ends.contains(token)).collect();
        Session {
            decoder,
            tokenizer,
            prompt,
            labels,
            scratch: Scratch::default(),
            logs: Vec::new(),
            prior: None,
            sampler: Sampler::new(Sampling::default(), 0),
            sampling: Sampling::default(),
            banned,
            held: Vec::new(),
            asked: 0,
            thought: Vec::new(),
            thinking: false,
            ended: false,
        }
    }

    /// How thoughts are sampled from now on.
    pub fn sampled(&mut self, sampling: Sampling, seed: u64) {
        self.sampling = sampling;
        self.sampler = Sampler::new(sampling, seed);
    }

    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    pub fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Forgets all that is cached; after the decoder was used for something else.
    pub fn forget(&mut self) {
        self.held.clear();
        self.decoder.rewind(0);
    }

    /// Feeds the fixed part of the prompt, which stays; and, where `strength` is above 0, asks a
    /// question without content, whose probabilities are taken out of all others to that degree.
    ///
    /// # Errors
    /// Where the prompt leaves no room for a question.
    pub fn warm(&mut self, strength: f64) -> Result<(), QuestionError> {
        self.prior = None;
        let prepared = self.prepare("N/A")?;
        let fed = self.begin(&prepared, Calibration::default(), &mut || ControlFlow::Continue(()));
        if fed.is_ok() && strength > 0.0 {
            self.prior = Some((self.logs.clone(), strength));
        }
        Ok(())
    }

    /// Positions that closing a thought and answering take at most.
    pub fn reserve(&self) -> usize {
        self.prompt.closer.len() + self.prompt.cue.len() + self.labels.depth()
    }

    /// The prompt of a question, and how much of it is cached.
    ///
    /// # Errors
    /// Where it is empty or does not fit beside an answer.
    pub fn prepare(&self, question: &str) -> Result<Prepared, QuestionError> {
        if question.trim().is_empty() {
            return Err(QuestionError::Empty);
        }
        let room = self.decoder.room();
        let left = room.saturating_sub(self.reserve());
        let too_long = |found| QuestionError::TooLong { found, left, room };
        // Not to be cut into tokens first: no token has more bytes than the longest.
        let least = question.len() / self.tokenizer.longest().max(1);
        if least > left {
            return Err(too_long(least));
        }
        let tokens = self.prompt.tokens(&self.tokenizer, question)?;
        if tokens.len() > left {
            return Err(too_long(tokens.len()));
        }
        let same = tokens.iter().zip(&self.held).take_while(|(a, b)| a == b);
        let cached = same.count();
        Ok(Prepared { tokens, cached })
    }

    /// Tokens fed together at the end of a step, by batch, after what is new of the prompt
    /// (`opened`: after a thought): the cue, with the closer, and what scoring the labels feeds.
    pub fn answer_batches(&self, thought: bool) -> Vec<usize> {
        let closing = self.prompt.cue.len()
            + match thought {
                true => self.prompt.closer.len() + 1,
                false => 0,
            };
        let mut batches = vec![closing];
        batches.extend(self.labels.batches());
        batches
    }

    /// Tokens that open a thought.
    pub fn opener(&self) -> usize {
        self.prompt.opener.len().max(1)
    }

    /// Tokens fed by an answer.
    pub fn answered(&self, thought: bool) -> usize {
        self.answer_batches(thought).iter().sum()
    }

    /// The mandatory part: what is new of the prompt, and the answer without a thought.
    ///
    /// # Errors
    /// Where `between` breaks.
    pub fn begin(
        &mut self,
        prepared: &Prepared,
        calibration: Calibration,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Answer, Abandoned> {
        self.thought.clear();
        self.thinking = false;
        self.ended = false;
        self.sampler = Sampler::new(self.sampling, self.sampler.seed());
        self.back_to(prepared.cached);
        self.asked = prepared.cached;
        self.feed(&prepared.tokens[prepared.cached..], between)?;
        self.asked = prepared.tokens.len();
        self.answer(calibration, between)
    }

    /// Adds up to `tokens` tokens of thought.
    ///
    /// # Errors
    /// Where `between` breaks; what was added before stays.
    pub fn think(
        &mut self,
        tokens: usize,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Thought, Abandoned> {
        let before = self.thought.len();
        while !self.ended && self.thought.len() < before + tokens {
            // Room for this token, for one chosen and not fed, and for the answer.
            if self.asked + self.opener() + self.thought.len() + 2 + self.reserve() > self.decoder.room() {
                self.ended = true;
                break;
            }
            self.feed_thought(between)?;
            let chosen = self.sampler.pick(self.decoder.logits(), &self.banned);
            match chosen {
                Some(token) if !self.tokenizer.ends.contains(&token) => {
                    self.thought.push(token);
                    self.ended = self.prompt.ends_thought(&self.tokenizer.decode(&self.thought));
                }
                _ => self.ended = true,
            }
        }
        Ok(Thought {
            tokens: self.thought.len() - before,
            ended: self.ended,
        })
    }

    /// Feeds the opener, and what was thought and not fed yet; the last token always.
    fn feed_thought(&mut self, between: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), Abandoned> {
        if !self.thinking {
            self.thinking = true;
            if self.prompt.opener.is_empty() {
                // Its logits were overwritten by the answer.
                self.back_to(self.asked - 1);
            }
        }
        let mut rest: Vec<u32> = Vec::with_capacity(self.prompt.opener.len() + 1);
        match self.prompt.opener.is_empty() {
            true => rest.push(self.prompt.last),
            false => rest.extend(&self.prompt.opener),
        }
        let from = match self.prompt.opener.is_empty() {
            true => self.asked - 1,
            false => self.asked,
        };
        rest.extend(&self.thought);
        // At least one token is fed, for its logits.
        let done = (self.held.len() - from).min(rest.len() - 1);
        self.back_to(from + done);
        self.feed(&rest[done..], between)
    }

    /// The answer with what was thought so far.
    ///
    /// # Errors
    /// Where `between` breaks; the thought stays.
    pub fn answer(
        &mut self,
        calibration: Calibration,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Answer, Abandoned> {
        let done = self.score(between);
        done?;
        let prior = self.prior.as_ref().map(|(logs, by)| (logs.as_slice(), *by));
        let probabilities = calibration.probabilities(&self.logs, prior);
        let mut label = 0;
        for (index, p) in probabilities.iter().enumerate() {
            if *p > probabilities[label] {
                label = index;
            }
        }
        Ok(Answer {
            probabilities,
            label,
        })
    }

    fn score(&mut self, between: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), Abandoned> {
        // What was chosen last is not fed yet.
        let fed = self.held.len();
        let mut closing = Vec::with_capacity(self.prompt.closer.len() + self.prompt.cue.len() + 1);
        if self.thinking {
            let (from, opener) = match self.prompt.opener.len() {
                0 => (self.asked, 0),
                opener => (self.asked, opener),
            };
            closing.extend(&self.thought[fed.saturating_sub(from + opener)..]);
            closing.extend(&self.prompt.closer);
        }
        closing.extend(&self.prompt.cue);
        let done = self.feed(&closing, between).and_then(|()| {
            let (decoder, scratch) = (&mut self.decoder, &mut self.scratch);
            self.labels.score(decoder, scratch, &mut self.logs, between)
        });
        self.back_to(fed);
        done
    }

    fn feed(&mut self, tokens: &[u32], between: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), Abandoned> {
        let done = match tokens.is_empty() {
            true => Ok(()),
            false => self.decoder.take(tokens, &mut *between),
        };
        self.held.extend(tokens);
        // Whole batches before the one that was abandoned are there.
        self.held.truncate(self.decoder.filled());
        done
    }

    fn back_to(&mut self, filled: usize) {
        self.decoder.rewind(filled);
        self.held.truncate(filled);
    }

    /// What was thought, as text; a trace of what the model wrote, no proof of why it answers so.
    pub fn thought(&self) -> String {
        self.tokenizer.decode(&self.thought)
    }

    /// Tokens of thought.
    pub fn thought_tokens(&self) -> usize {
        self.thought.len()
    }

    /// Positions that are filled.
    pub fn filled(&self) -> usize {
        self.decoder.filled()
    }
}

/// Tokens of the largest batch that a feed of so many is cut into.
pub fn largest_batch(tokens: usize) -> usize {
    tokens.min(BATCH)
}
