//! One conversation with a language model: a question, thoughts, and an answer after each.
//!
//! [`Session::prepare`] makes a prompt of a question and says how much of it is new: what the cache
//! holds already (the fixed part of the prompt, at least) is not fed again. [`Session::begin`] is
//! the mandatory part: it feeds the rest and answers without a thought. [`Session::think`] adds a
//! few tokens of thought, [`Session::answer`] answers with what was thought so far: it closes the
//! thought, asks for the answer, scores the labels and takes all of that back, so that the thought
//! can go on. `between` is asked before every layer; where it breaks, the step is abandoned and the
//! session is whole: the next step or question goes on from what was fed.

mod prefix;
mod reading;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::language::answer::labels::Scratch;
use crate::language::answer::{Answer, Calibration, Form, Unfinished};
use crate::language::costs::{Costs, Needs};
use crate::language::decoder::{Abandoned, Decoder};
use crate::language::prompt::Prompt;
use crate::language::sampler::{Sampler, Sampling};
use crate::language::tokenizer::Tokenizer;
pub use prefix::Prefix;
pub use reading::{QuestionError, QuestionTokens, shared};

/// A question as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    tokens: Vec<u32>,
    /// Tokens that the cache holds already.
    pub cached: usize,
}

impl Prepared {
    /// Tokens that are to be fed.
    pub fn to_feed(&self) -> usize {
        self.tokens.len() - self.cached
    }

    /// Tokens of the whole prompt.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }
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
    tokenizer: Arc<Tokenizer>,
    prompt: Arc<Prompt>,
    form: Form,
    scratch: Scratch,
    logs: Vec<f64>,
    /// Logarithms of a question without content, and how much of them is taken out.
    prior: Option<(Vec<f64>, f64)>,
    sampler: Sampler,
    /// Control tokens that end nothing: never part of a thought.
    banned: Vec<u32>,
    /// What the decoder's cache holds.
    held: Vec<u32>,
    /// The prompt, the opener of the thought and the thought so far; its last token may be chosen
    /// and not fed yet.
    line: Vec<u32>,
    /// Where the thought begins in it; none before the first.
    thought_from: Option<usize>,
    /// Whether the model ended its thought.
    ended: bool,
}

impl Session {
    /// Of the parts of one model.
    pub fn new(decoder: Decoder, tokenizer: Arc<Tokenizer>, prompt: Prompt, form: Form) -> Session {
        let controls = tokenizer
            .controls()
            .filter_map(|name| tokenizer.control(name));
        let banned = controls
            .filter(|token| !tokenizer.ends.contains(token))
            .collect();
        Session {
            decoder,
            tokenizer,
            prompt: Arc::new(prompt),
            form,
            scratch: Scratch::default(),
            logs: Vec::new(),
            prior: None,
            sampler: Sampler::new(Sampling::default(), 0),
            banned,
            held: Vec::new(),
            line: Vec::new(),
            thought_from: None,
            ended: false,
        }
    }

    /// How thoughts are sampled from now on.
    pub fn sampled(&mut self, sampling: Sampling, seed: u64) {
        self.sampler = Sampler::new(sampling, seed);
    }

    /// The seed of thoughts from now on.
    pub fn seeded(&mut self, seed: u64) {
        self.sampler = Sampler::new(self.sampler.how(), seed);
    }

    /// How thoughts are sampled.
    pub fn sampling(&self) -> Sampling {
        self.sampler.how()
    }

    /// What it answers with.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Measures what its steps cost, each `runs` times; what was cached is to be fed again.
    pub fn measure(&mut self, runs: usize) -> Costs {
        self.back_to(0);
        let mut costs = Costs::measure(&mut self.decoder, self.sampler.how(), runs);
        if let Form::Structured(structured) = &mut self.form {
            costs.masked(structured.step_time(runs));
        }
        costs
    }

    /// Feeds the fixed part of the prompt, which stays, and asks the questions whose average answer
    /// is taken out of all others to the degree of `strength`.
    ///
    /// # Errors
    /// Where the prompt leaves no room for a question.
    pub fn warm(&mut self, questions: &[String], strength: f64) -> Result<(), QuestionError> {
        self.prior = None;
        let plain = [String::from("?")];
        let questions = match questions {
            [] => &plain,
            questions => questions,
        };
        let mut sum = vec![0.0; self.form.names().len()];
        for question in questions {
            let prepared = self.prepare(question)?;
            // Never abandoned, so never an error.
            let _ = self.begin(&prepared, Calibration::default(), &mut || {
                ControlFlow::Continue(())
            });
            let share = 1.0 / questions.len() as f64;
            sum.iter_mut()
                .zip(&self.logs)
                .for_each(|(sum, log)| *sum += share * log);
        }
        if strength > 0.0 {
            self.prior = Some((sum, strength));
        }
        Ok(())
    }

    /// Keeps nothing but the fixed part of the prompt: a question that is asked again costs as
    /// much.
    pub fn forget_question(&mut self) {
        let fixed = self.question_tokens().fixed();
        let fixed = shared(&fixed, &self.held);
        self.back_to(fixed);
    }

    /// Forgets all that it holds, and the thought in hand.
    pub fn forget_all(&mut self) {
        self.line.clear();
        self.thought_from = None;
        self.back_to(0);
    }

    /// What makes prompts of questions, for whoever asks while this is at work.
    pub fn question_tokens(&self) -> QuestionTokens {
        QuestionTokens {
            tokenizer: Arc::clone(&self.tokenizer),
            prompt: Arc::clone(&self.prompt),
            room: self.decoder.room(),
            reserve: self.reserve(),
        }
    }

    /// What a question needs that thinks up to `chunks` chunks of `chunk` tokens; nothing of its
    /// prompt is counted yet.
    pub fn needs(&self, chunk: usize, chunks: usize) -> Needs {
        Needs {
            cached: 0,
            new: 0,
            bare_answer: self.answer_batches(false),
            answer: self.answer_batches(true),
            rows: self.form.rows(),
            choices: self.form.choices(),
            opener: self.opener(),
            chunk,
            chunks,
        }
    }

    /// Positions that closing a thought and answering take at most.
    pub fn reserve(&self) -> usize {
        self.prompt.closer.len() + self.prompt.cue.len() + self.form.depth()
    }

    /// The prompt of a question, and how much of it is cached.
    ///
    /// # Errors
    /// Where it is empty or does not fit beside an answer.
    pub fn prepare(&self, question: &str) -> Result<Prepared, QuestionError> {
        let tokens = self.question_tokens().of(question)?;
        let cached = shared(&tokens, &self.held);
        Ok(Prepared { tokens, cached })
    }

    /// Tokens fed together by an answer, by batch: the cue, behind the closer where something was
    /// thought, then what scoring the labels feeds. What is new of the prompt or the thought goes
    /// with the first.
    pub fn answer_batches(&self, thought: bool) -> Vec<usize> {
        let closing = match thought {
            true => self.prompt.closer.len() + self.prompt.cue.len() + 1,
            false => self.prompt.cue.len(),
        };
        let mut batches = vec![closing];
        batches.extend(self.form.batches());
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
    /// Where `between` breaks, or there is no answer.
    pub fn begin(
        &mut self,
        prepared: &Prepared,
        calibration: Calibration,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Answer, Unfinished> {
        self.line.clone_from(&prepared.tokens);
        self.thought_from = None;
        self.ended = false;
        self.sampler.restart();
        self.back_to(prepared.cached);
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
        if self.thought_from.is_none() {
            // Room for the opener, one token, and the answer.
            let wanted = self.line.len() + self.prompt.opener.len() + 1 + self.reserve();
            if wanted > self.decoder.room() {
                self.ended = true;
                return Ok(Thought {
                    tokens: 0,
                    ended: true,
                });
            }
            self.line.extend(&self.prompt.opener);
            self.thought_from = Some(self.line.len());
        }
        let before = self.line.len();
        while !self.ended && self.line.len() < before + tokens {
            // Room for one more token, and for the answer.
            if self.line.len() + 1 + self.reserve() > self.decoder.room() {
                self.ended = true;
                break;
            }
            if self.held.len() >= self.line.len() {
                // The logits behind the last token were overwritten by an answer.
                self.back_to(self.line.len().saturating_sub(1));
            }
            self.feed_line(between)?;
            match self.sampler.pick(self.decoder.logits(), &self.banned) {
                Some(token) if !self.tokenizer.ends.contains(&token) => {
                    self.line.push(token);
                    self.ended = self.prompt.ends_thought(&self.thought());
                }
                _ => self.ended = true,
            }
        }
        Ok(Thought {
            tokens: self.line.len() - before,
            ended: self.ended,
        })
    }

    /// The answer with what was thought so far.
    ///
    /// # Errors
    /// Where `between` breaks, or there is no answer; the thought stays.
    pub fn answer(
        &mut self,
        calibration: Calibration,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Answer, Unfinished> {
        let mut closing = self.line[self.held.len()..].to_vec();
        let new = closing.len();
        if self.thought_from.is_some() {
            closing.extend(&self.prompt.closer);
        }
        closing.extend(&self.prompt.cue);
        let words = closing.len() - new;
        // What is new of the line goes with the words around the answer in one batch.
        let done = match self.feed(&closing, between) {
            Ok(()) => self.read(calibration, between),
            Err(abandoned) => Err(abandoned.into()),
        };
        // Also where it was abandoned: those words are no part of the line.
        self.back_to(self.line.len());
        done.map(|answer| Answer {
            fed: answer.fed + words,
            ..answer
        })
    }

    /// The answer behind its cue.
    fn read(
        &mut self,
        calibration: Calibration,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Answer, Unfinished> {
        let labels = match &mut self.form {
            Form::Labels(labels) => labels,
            Form::Structured(structured) => {
                let written = structured.write(&mut self.decoder, &[], between)?;
                return Ok(Answer {
                    text: self.tokenizer.decode(&written.tokens),
                    label: None,
                    probabilities: Vec::new(),
                    confidence: written.probability,
                    fed: written.tokens.len(),
                });
            }
        };
        labels.score(
            &mut self.decoder,
            &mut self.scratch,
            &mut self.logs,
            between,
        )?;
        let prior = self.prior.as_ref();
        let prior = prior.map(|(logs, by)| (logs.as_slice(), *by));
        let probabilities = calibration.probabilities(&self.logs, prior);
        if probabilities.iter().any(|p| !p.is_finite()) {
            let why = "the model's probabilities are no numbers; its weights may be damaged";
            return Err(Unfinished::Fault(String::from(why)));
        }
        let mut label = 0;
        for (index, p) in probabilities.iter().enumerate() {
            if *p > probabilities[label] {
                label = index;
            }
        }
        Ok(Answer {
            text: labels.names()[label].clone(),
            label: Some(label),
            confidence: probabilities[label],
            probabilities,
            fed: labels.fed(),
        })
    }

    /// Feeds what of the line is not fed yet.
    fn feed_line(&mut self, between: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), Abandoned> {
        let rest = self.line[self.held.len()..].to_vec();
        self.feed(&rest, between)
    }

    fn feed(
        &mut self,
        tokens: &[u32],
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<(), Abandoned> {
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
        let from = self.thought_from.unwrap_or(self.line.len());
        self.tokenizer.decode(&self.line[from..])
    }

    /// Tokens of it.
    pub fn thought_tokens(&self) -> usize {
        self.line.len() - self.thought_from.unwrap_or(self.line.len())
    }

    /// Positions that are filled.
    pub fn filled(&self) -> usize {
        self.decoder.filled()
    }
}
