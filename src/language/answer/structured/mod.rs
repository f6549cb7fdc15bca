//! Answers of a JSON schema or a grammar, token by token under the mask that `llguidance` gives.
//!
//! Tokens that the grammar forces are fed as a batch and never chosen. Where it allows few, only
//! their rows of the head are computed. How long an answer can be is known before it begins.

mod compile;
mod error;
mod picking;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llguidance::Matcher;
use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};

use super::bound::longest;
use super::outcome::Unfinished;
use crate::language::decoder::Decoder;
use crate::language::tokenizer::Tokenizer;
use compile::compile;
pub use error::{MAX_SOURCE, StructuredError};
use picking::{Chance, FORCED, Model, Pick};

/// A grammar, compiled for one model.
pub struct Structured {
    matcher: Matcher,
    longest: usize,
    choices: usize,
    end: u32,
    /// Scratch.
    allowed: Vec<u32>,
    logits: Vec<f32>,
}

/// An answer under a grammar.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub tokens: Vec<u32>,
    /// The probability of all choices together, among what the grammar allowed.
    pub probability: f64,
}

impl Structured {
    /// Of a JSON schema's text.
    ///
    /// # Errors
    /// No JSON, a field without a bound (named), or a schema that nothing satisfies.
    pub fn schema(text: &str, tokenizer: &Arc<Tokenizer>) -> Result<Structured, StructuredError> {
        if text.len() > MAX_SOURCE {
            return Err(StructuredError::Long(text.len()));
        }
        let mut schema: Value =
            serde_json::from_str(text).map_err(|cause| StructuredError::Json(cause.to_string()))?;
        let longest = longest(&schema)?;
        if let Some(schema) = schema.as_object_mut() {
            let how = json!({"whitespace_flexible": false, "json_allowed_escapes": "\"\\"});
            schema.insert(String::from("x-guidance"), how);
        }
        let grammar = TopLevelGrammar::from_json_schema(schema);
        // And the end.
        Structured::new(grammar, longest.bytes + 1, longest.open + 1, tokenizer)
    }

    /// Of a grammar in the words of Lark; answers are cut, and so no answers, behind `longest`
    /// tokens.
    ///
    /// # Errors
    /// What is no grammar.
    pub fn grammar(
        text: &str,
        longest: usize,
        tokenizer: &Arc<Tokenizer>,
    ) -> Result<Structured, StructuredError> {
        if text.len() > MAX_SOURCE {
            return Err(StructuredError::Long(text.len()));
        }
        let grammar = TopLevelGrammar::from_lark(text.to_owned());
        Structured::new(grammar, longest, longest, tokenizer)
    }

    fn new(
        grammar: TopLevelGrammar,
        longest: usize,
        choices: usize,
        tokenizer: &Arc<Tokenizer>,
    ) -> Result<Structured, StructuredError> {
        Ok(Structured {
            matcher: compile(grammar, tokenizer)?,
            longest,
            choices,
            end: tokenizer.ends[0],
            allowed: Vec::new(),
            logits: Vec::new(),
        })
    }

    /// Tokens of the longest answer.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Tokens that are chosen at most, each with a mask; the others are forced by those before.
    pub fn choices(&self) -> usize {
        self.choices
    }

    /// Batches that are fed at most: one for each choice, and the tokens that are forced between
    /// them in batches of their own.
    pub fn batches(&self) -> Vec<usize> {
        let forced = self.longest.saturating_sub(self.choices);
        let mut batches = vec![FORCED; forced.div_ceil(FORCED)];
        batches.extend(std::iter::repeat_n(1, self.choices));
        batches
    }

    /// Whether a text is one of its answers.
    pub fn accepts(&mut self, text: &str, tokenizer: &Tokenizer) -> bool {
        let tokens = tokenizer.encode(text, false);
        let _ = self.matcher.reset();
        let taken = self.matcher.try_consume_tokens(&tokens).ok() == Some(tokens.len());
        let whole = taken && self.matcher.is_accepting().unwrap_or(false);
        let _ = self.matcher.reset();
        whole
    }

    /// Writes the likeliest answer, choice by choice, behind what the decoder has taken and
    /// `before`, which goes in first; the decoder forgets again what was fed, also where it was
    /// given up.
    ///
    /// # Errors
    /// Where `between`, which is asked before every layer, breaks, or the grammar gives up.
    pub fn write(
        &mut self,
        decoder: &mut Decoder,
        before: &[u32],
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Written, Unfinished> {
        let filled = decoder.filled();
        let mut model = Model {
            decoder: &mut *decoder,
            pending: before.to_vec(),
            logits: std::mem::take(&mut self.logits),
            log: 0.0,
            between,
        };
        let done = self.walk(&mut model);
        let probability = model.log.exp();
        self.logits = model.logits;
        decoder.rewind(filled);
        Ok(Written {
            tokens: done?,
            probability,
        })
    }

    /// Goes through the grammar by what is picked of the tokens that it allows.
    fn walk(&mut self, by: &mut dyn Pick) -> Result<Vec<u32>, Unfinished> {
        let failed = |matcher: &Matcher| {
            let why = matcher
                .get_error()
                .unwrap_or_else(|| String::from("the grammar gave up"));
            Unfinished::NoAnswer(why.lines().next().unwrap_or("").to_owned())
        };
        if self.matcher.reset().is_err() {
            return Err(failed(&self.matcher));
        }
        let mut out = Vec::new();
        let allowed = &mut self.allowed;
        loop {
            let Some(forced) = consume_forced(&mut self.matcher) else {
                return Err(failed(&self.matcher));
            };
            forced.iter().for_each(|token| by.taken(*token));
            out.extend(forced);
            if out.len() > self.longest {
                let why = format!("the answer has more than {} tokens", self.longest);
                return Err(Unfinished::NoAnswer(why));
            }
            if self.matcher.is_error() {
                return Err(failed(&self.matcher));
            }
            if self.matcher.is_stopped() {
                return Ok(out);
            }
            let Ok(mask) = self.matcher.compute_mask() else {
                return Err(failed(&self.matcher));
            };
            allowed.clear();
            allowed.extend(mask.iter());
            if allowed.is_empty() {
                return Err(failed(&self.matcher));
            }
            let token = by.pick(allowed)?;
            if self.matcher.consume_token(token).is_err() {
                return Err(failed(&self.matcher));
            }
            if token == self.end {
                return Ok(out);
            }
            by.taken(token);
            out.push(token);
        }
    }

    /// The tokens of an answer by chance, each choice as likely; none where the grammar gives up.
    pub fn by_chance(&mut self, seed: u64) -> Option<Vec<u32>> {
        self.walk(&mut Chance::new(seed)).ok()
    }

    /// The longest that a step of the grammar was seen to take, over answers chosen at random.
    pub fn step_time(&mut self, answers: usize) -> Duration {
        let mut chance = Chance::new(1);
        for _ in 0..answers {
            chance.last = Instant::now();
            let _ = self.walk(&mut chance);
        }
        chance.most
    }
}

/// Goes on by all bytes that the grammar forces, cut into tokens as the tokenizer cuts them. Also by
/// the last of them, which might have been part of a longer token: so what is forced is never a
/// choice, and the bound of choices holds.
fn consume_forced(matcher: &mut Matcher) -> Option<Vec<u32>> {
    let bytes = matcher.compute_ff_bytes();
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let words = matcher.tok_env().ok()?;
    let mut tokens = words.tokenize_bytes(&bytes);
    if words.tok_trie().decode_raw(&tokens) != bytes {
        tokens = words.tok_trie().greedy_tokenize(&bytes);
    }
    matcher.consume_tokens(&tokens).ok()?;
    Some(tokens)
}
