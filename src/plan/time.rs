//! How long a model takes on a device: the prompt, a token, and the verdict on a deadline.
//!
//! A token takes what its weights take to be read or multiplied, whichever is more, attention over
//! what lies before it, and a little beside. Bounds are that times a slack that grows where the
//! device is known worse; the deadline is split by the scheduler's own rule over these bounds.

use std::time::Duration;

use serde::Serialize;

use super::device::How;
use super::engine::Rates;
use super::memory::CacheType;
use super::shape::Shape;
use super::weights::Weights;
use crate::language::costs::{Costs, Needs, Split, TooShort, split};
use crate::language::decoder::BATCH;

/// What a question takes, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Question {
    /// Of the task's text: fed once, kept.
    pub cached: usize,
    /// New with every question.
    pub prompt: usize,
    /// Of the longest answer.
    pub answer: usize,
    /// Thoughts at most, in chunks of this many, with an answer behind each.
    pub thoughts: usize,
    pub chunk: usize,
}

/// Tokens that open a thought, and ask for an answer.
const OPENER: usize = 4;

impl Question {
    /// Positions that all of it takes.
    pub fn context(&self) -> usize {
        self.cached + self.prompt + 2 * OPENER + self.thoughts + self.answer + self.chunk
    }

    fn chunks(&self) -> usize {
        self.thoughts.div_ceil(self.chunk)
    }

    fn needs(&self) -> Needs {
        let written = |cue: usize| {
            let mut batches = vec![cue];
            batches.resize(1 + self.answer.saturating_sub(1), 1);
            batches
        };
        Needs {
            cached: self.cached,
            new: self.prompt,
            bare_answer: written(OPENER),
            answer: written(OPENER),
            rows: 0,
            choices: self.answer,
            opener: OPENER,
            chunk: self.chunk.min(self.thoughts.max(1)),
            chunks: self.chunks(),
        }
    }
}

/// A model on an engine on a device.
#[derive(Clone, Debug)]
pub struct Times<'a> {
    pub rates: Rates<'a>,
    pub shape: &'a Shape,
    pub weights: &'a Weights,
}

/// How much longer than expected something is taken to last, by how the device is known.
pub fn slack(how: How) -> f64 {
    match how {
        // As of costs that are measured.
        How::Measured => 1.25,
        How::DataSheet => 1.5,
        How::Estimated => 2.0,
    }
}

/// A choice among all tokens, microseconds of each thousand; and a mask of a grammar.
const CHOICE_US_PER_1000: f64 = 1.0;
const MASK_US: f64 = 100.0;

impl Times<'_> {
    fn all_bytes(&self) -> u64 {
        self.weights
            .tensors
            .iter()
            .map(super::weights::Tensor::packed_bytes)
            .sum()
    }

    /// Seconds of the layers for so many tokens behind `depth` others.
    pub fn batch_s(&self, tokens: usize, depth: usize) -> f64 {
        let all = self.all_bytes();
        let matrices: f64 = self
            .weights
            .body()
            .map(|tensor| self.rates.rows_s(tensor, tokens, all))
            .sum();
        let seen = depth + tokens.div_ceil(2);
        let macs = self.shape.attention_macs(seen) * tokens as u64;
        let cache = self
            .shape
            .kv_bytes(seen, CacheType::F16.of_32(), |window| window);
        let attention = self.rates.attention_s(macs, cache, tokens);
        let Shape {
            layers, width, ffn, ..
        } = *self.shape;
        matrices + attention + self.rates.beside_s(layers, width, ffn, tokens)
    }

    /// Seconds of the whole head.
    pub fn head_s(&self) -> f64 {
        let head = self
            .weights
            .head()
            .map(|head| self.rates.one_row_s(head, self.all_bytes()));
        head.unwrap_or(0.0) + self.shape.vocabulary as f64 * CHOICE_US_PER_1000 * 1e-9
    }

    /// Milliseconds of a token behind `depth` others, head and choice included.
    pub fn decode_ms(&self, depth: usize) -> f64 {
        (self.batch_s(1, depth) + self.head_s()) * 1e3
    }

    /// Milliseconds of `tokens` of a prompt behind `cached` others.
    pub fn prefill_ms(&self, tokens: usize, cached: usize) -> f64 {
        let mut done = 0;
        let mut seconds = 0.0;
        while done < tokens {
            let batch = (tokens - done).min(BATCH);
            seconds += self.batch_s(batch, cached + done);
            done += batch;
        }
        seconds * 1e3
    }

    /// The table of upper bounds that the scheduler would have; `slower` for lasting heat.
    fn bounds(&self, slower: f64, room: usize) -> Costs {
        let by = slack(self.rates.how) * slower * 1e6;
        let sizes = vec![1, 2, 4, 8, 16, 32, BATCH];
        let mut depths: Vec<usize> = [128, 512, 2048, 8192]
            .into_iter()
            .filter(|depth| *depth < room)
            .collect();
        depths.push(room.max(BATCH));
        let row = |depth: &usize| -> Vec<f64> {
            let of = |size: &usize| by * self.batch_s(*size, depth.saturating_sub(*size));
            let mut most = 0f64;
            let rising = |time: f64| {
                most = most.max(time);
                most
            };
            sizes.iter().map(of).map(rising).collect()
        };
        let head = self.head_s();
        Costs {
            batch_us: depths.iter().map(row).collect(),
            sizes,
            depths,
            head_us: by * head,
            rows_us: by * head * 16.0 / self.shape.vocabulary.max(16) as f64,
            mask_us: by / 1e6 * MASK_US,
            layers: self.shape.layers,
        }
    }

    /// How a deadline is spent at most, the margin for publishing taken off.
    ///
    /// # Errors
    /// Where not even the answer without a thought fits.
    pub fn split(
        &self,
        question: &Question,
        deadline: Duration,
        slower: f64,
    ) -> Result<Split, TooShort> {
        let costs = self.bounds(slower, question.context());
        split(
            deadline.saturating_sub(margin(deadline)),
            &question.needs(),
            &costs,
        )
    }

    /// What all of it takes at most, milliseconds: the deadline that leaves nothing out.
    pub fn bound_ms(&self, question: &Question, slower: f64) -> f64 {
        let costs = self.bounds(slower, question.context());
        let long = Duration::from_secs(1 << 30);
        split(long, &question.needs(), &costs)
            .map_or(f64::MAX, |split| split.all.as_secs_f64() * 1e3)
    }
}

/// Kept free for publishing, as of the node by default.
pub fn margin(deadline: Duration) -> Duration {
    (deadline / 10).min(Duration::from_millis(2))
}
