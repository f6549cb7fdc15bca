//! What a language model's steps take on this machine at most, and how a deadline is split by it.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::decoder::{BATCH, Decoder};

/// Upper bounds, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Tokens fed together, ascending up to [`BATCH`].
    pub sizes: Vec<usize>,
    /// Positions filled behind them, ascending.
    pub depths: Vec<usize>,
    /// Microseconds of such a batch, by depth and size.
    pub batch_us: Vec<Vec<f64>>,
    /// Microseconds of the whole head and a choice among all tokens.
    pub head_us: f64,
    /// Microseconds of sixteen rows of the head.
    pub rows_us: f64,
    /// Of the model.
    pub layers: usize,
}

/// Times of what is measured; the greatest is taken.
const RUNS: usize = 3;
/// What was seen at most is taken so much longer.
const SLACK: f64 = 1.25;

impl Costs {
    /// Measures on this thread; the decoder's cache is empty afterwards.
    pub fn measure(decoder: &mut Decoder, runs: usize) -> Costs {
        let runs = runs.max(1);
        let room = decoder.room();
        let sizes: Vec<usize> = [1, 2, 4, 8, 16, 32, BATCH]
            .into_iter()
            .filter(|size| *size <= room)
            .collect();
        let mut depths: Vec<usize> = [128, 512, 2048].into_iter().filter(|d| *d < room).collect();
        depths.push(room);
        let longest = |times: &mut dyn FnMut() -> f64| {
            let times = (0..runs).map(|_| times());
            times.fold(0.0, f64::max) * SLACK * 1e6
        };
        let tokens = [0u32; BATCH];
        // The first run brings weights and scratch in.
        decoder.rewind(0);
        let _ = decoder.take(&tokens[..sizes[0]], || ControlFlow::Continue(()));
        let mut batch_us = Vec::new();
        for depth in &depths {
            let mut row: Vec<f64> = Vec::new();
            for size in &sizes {
                let size = (*size).min(*depth);
                let time = longest(&mut || {
                    decoder.suppose(depth - size);
                    let start = Instant::now();
                    let _ = decoder.take(&tokens[..size], || ControlFlow::Continue(()));
                    start.elapsed().as_secs_f64()
                });
                // A larger batch takes no less: what says otherwise is noise.
                row.push(row.last().map_or(time, |before| time.max(*before)));
            }
            if let Some(before) = batch_us.last() {
                let before: &Vec<f64> = before;
                row.iter_mut()
                    .zip(before)
                    .for_each(|(time, before)| *time = time.max(*before));
            }
            batch_us.push(row);
        }
        let mut sampler = super::sampler::Sampler::new(super::sampler::Sampling::default(), 0);
        let head_us = longest(&mut || {
            let start = Instant::now();
            std::hint::black_box(sampler.pick(decoder.logits(), &[]));
            start.elapsed().as_secs_f64()
        });
        let mut out = Vec::new();
        let rows_us = longest(&mut || {
            let start = Instant::now();
            decoder.logits_of(&[0], &mut out);
            start.elapsed().as_secs_f64()
        });
        let layers = decoder.architecture.layers;
        decoder.rewind(0);
        Costs {
            sizes,
            depths,
            batch_us,
            head_us,
            rows_us,
            layers,
        }
    }

    /// As the verbs measure where nothing was measured before: seconds.
    pub fn quickly(decoder: &mut Decoder) -> Costs {
        Costs::measure(decoder, RUNS)
    }

    /// What is wrong with figures that were read from a file.
    pub fn fault(&self) -> Option<&'static str> {
        let ascending = |list: &[usize]| !list.is_empty() && list.windows(2).all(|w| w[0] < w[1]);
        let fits = self.batch_us.len() == self.depths.len()
            && self.batch_us.iter().all(|row| row.len() == self.sizes.len());
        let all = self.batch_us.iter().flatten();
        let number = |us: &f64| us.is_finite() && *us >= 0.0;
        let numbers = all.chain([&self.head_us, &self.rows_us]).all(number);
        match ascending(&self.sizes) && ascending(&self.depths) && fits && numbers {
            true if self.sizes[0] == 1 && self.layers > 0 => None,
            _ => Some("it is no table of costs; profile the bundle again"),
        }
    }

    /// Of one batch that ends at a depth: of the next larger that were measured.
    fn batch(&self, tokens: usize, depth: usize) -> f64 {
        let at = |list: &[usize], wanted| {
            let found = list.iter().position(|x| *x >= wanted);
            found.unwrap_or(list.len() - 1)
        };
        let row = &self.batch_us[at(&self.depths, depth)];
        let size = at(&self.sizes, tokens);
        // Or of two that make it up, where that is less.
        let (mut best, mut left) = (row[size], tokens);
        let mut parts = 0.0;
        for (size, time) in self.sizes.iter().zip(row).rev() {
            while left >= *size {
                left -= size;
                parts += time;
            }
        }
        if left == 0 {
            best = best.min(parts);
        }
        best
    }

    /// Feeding `tokens` behind `from` positions.
    pub fn feed(&self, tokens: usize, from: usize) -> Duration {
        let mut us = 0.0;
        let mut done = 0;
        while done < tokens {
            let batch = (tokens - done).min(BATCH);
            done += batch;
            us += self.batch(batch, from + done);
        }
        Duration::from_secs_f64(us / 1e6)
    }

    /// A token of thought behind `from` positions: fed, all logits, chosen.
    pub fn token(&self, from: usize) -> Duration {
        self.feed(1, from) + Duration::from_secs_f64(self.head_us / 1e6)
    }

    /// An answer behind `from` positions, of these batches and rows of the head.
    pub fn answer(&self, batches: &[usize], rows: usize, from: usize) -> Duration {
        let mut depth = from;
        let mut sum = Duration::from_secs_f64(self.rows_us * rows as f64 / 1e6);
        for batch in batches {
            sum += self.feed(*batch, depth);
            depth += batch;
        }
        sum
    }

    /// From one look at the clock to the next, while `tokens` are fed at a depth: a layer, and
    /// the head.
    pub fn between_looks(&self, tokens: usize, depth: usize) -> Duration {
        let layer = self.batch(tokens.clamp(1, BATCH), depth) / self.layers as f64;
        Duration::from_secs_f64((layer + self.head_us) / 1e6)
    }
}

/// What a question needs, in tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// Of the prompt, cached, and to be fed.
    pub cached: usize,
    pub new: usize,
    /// Batches of an answer without a thought, and after one.
    pub bare_answer: Vec<usize>,
    pub answer: Vec<usize>,
    /// Rows of the head that an answer takes.
    pub rows: usize,
    /// Tokens that open a thought.
    pub opener: usize,
    /// Tokens of a chunk of thoughts, and chunks at most.
    pub chunk: usize,
    pub chunks: usize,
}

/// How a deadline is spent at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Until the answer without a thought.
    pub mandatory: Duration,
    /// Chunks of thought that fit, each with its answer.
    pub chunks: usize,
    /// All of it.
    pub all: Duration,
}

/// A deadline within which not even the mandatory part fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{budget_ms} ms are too few for {new} new tokens of prompt and an answer, which take up to {needs_ms} ms \
     on this machine; give that much, or ask more shortly ({fits} new tokens would fit)"
)]
pub struct TooShort {
    /// In ms: left of the deadline.
    pub budget_ms: u64,
    /// In ms: the mandatory part.
    pub needs_ms: u64,
    /// Of the prompt.
    pub new: usize,
    /// Of the prompt, that would fit.
    pub fits: usize,
}

/// What of `budget` (the deadline less its margin) goes to what: the answer is reserved first,
/// then the prompt, then as many chunks of thought, each with an answer, as are left.
///
/// # Errors
/// Where prompt and answer do not fit.
pub fn split(budget: Duration, needs: &Needs, costs: &Costs) -> Result<Split, TooShort> {
    let mandatory = |new: usize| {
        costs.feed(new, needs.cached)
            + costs.answer(&needs.bare_answer, needs.rows, needs.cached + new)
    };
    let first = mandatory(needs.new);
    if first > budget {
        let fits = (0..needs.new).rev().find(|new| mandatory(*new) <= budget);
        return Err(TooShort {
            budget_ms: budget.as_millis() as u64,
            needs_ms: first.as_nanos().div_ceil(1_000_000) as u64,
            new: needs.new,
            fits: fits.unwrap_or(0),
        });
    }
    let mut all = first;
    let mut chunks = 0;
    let asked = needs.cached + needs.new;
    while chunks < needs.chunks {
        let from = asked + needs.opener + chunks * needs.chunk;
        let more = chunk(needs, costs, asked, chunks, from);
        if all + more > budget {
            break;
        }
        all += more;
        chunks += 1;
    }
    Ok(Split {
        mandatory: first,
        chunks,
        all,
    })
}

/// The next chunk with its answer, the opener included where it is the first.
fn chunk(needs: &Needs, costs: &Costs, asked: usize, done: usize, from: usize) -> Duration {
    let opener = match done {
        0 => costs.feed(needs.opener, asked),
        _ => Duration::ZERO,
    };
    let last = from + needs.chunk;
    opener + costs.token(last) * needs.chunk as u32 + costs.answer(&needs.answer, needs.rows, last)
}

/// What the chunk after `done` others and its answer take at most.
pub fn next_chunk(needs: &Needs, costs: &Costs, done: usize) -> Duration {
    let asked = needs.cached + needs.new;
    chunk(needs, costs, asked, done, asked + needs.opener + done * needs.chunk)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `a` us a token, `b` us a batch, `c` us a position behind.
    fn costs(a: f64, b: f64, c: f64) -> Costs {
        let sizes = vec![1, 2, 4, 8, 16, 32, 64];
        let depths = vec![128, 512, 2048];
        let row = |depth: &usize| -> Vec<f64> {
            let of = |size: &usize| b + a * *size as f64 + c * *depth as f64;
            sizes.iter().map(of).collect()
        };
        Costs {
            batch_us: depths.iter().map(row).collect(),
            sizes,
            depths,
            head_us: a,
            rows_us: 1.0,
            layers: 2,
        }
    }

    fn needs(cached: usize, new: usize, chunk: usize, chunks: usize) -> Needs {
        Needs {
            cached,
            new,
            bare_answer: vec![2, 1],
            answer: vec![4, 1],
            rows: 3,
            opener: 2,
            chunk,
            chunks,
        }
    }

    proptest! {
        #[test]
        fn a_split_fits_and_leaves_no_room_for_one_chunk_more(
            a in 1.0..500.0f64, b in 0.0..2000.0f64, c in 0.0..2.0f64, budget_us in 0u64..900_000,
            cached in 0usize..300, new in 1usize..300, chunk in 1usize..20, chunks in 0usize..12,
        ) {
            let costs = costs(a, b, c);
            let needs = needs(cached, new, chunk, chunks);
            let budget = Duration::from_micros(budget_us);
            match split(budget, &needs, &costs) {
                Ok(split) => {
                    prop_assert!(split.mandatory <= split.all && split.all <= budget);
                    let mut sum = split.mandatory;
                    for done in 0..split.chunks {
                        sum += next_chunk(&needs, &costs, done);
                    }
                    prop_assert_eq!(sum, split.all);
                    let more = split.all + next_chunk(&needs, &costs, split.chunks);
                    prop_assert!(split.chunks == chunks || more > budget);
                }
                Err(short) => {
                    prop_assert!(short.fits < new);
                    let longer = Duration::from_millis(short.needs_ms);
                    prop_assert!(split(longer, &needs, &costs).is_ok(), "the advice does not work");
                    if short.fits > 0 {
                        let shorter = Needs { new: short.fits, ..needs };
                        prop_assert!(split(budget, &shorter, &costs).is_ok(), "nor this one");
                    }
                }
            }
        }

        #[test]
        fn more_tokens_or_more_behind_them_take_no_less(
            a in 1.0..500.0f64, b in 0.0..2000.0f64, c in 0.0..2.0f64, tokens in 1usize..200, from in 0usize..2000,
        ) {
            let costs = costs(a, b, c);
            prop_assert!(costs.feed(tokens, from) <= costs.feed(tokens, from + 100));
            // Never less than what it takes by the table's own rule.
            let true_us: f64 = (b + a) * (tokens as f64 / 64.0).floor();
            prop_assert!(costs.feed(tokens, from).as_secs_f64() * 1e6 + 1.0 >= true_us);
        }
    }

    #[test]
    fn what_is_measured_is_a_table_without_a_fault() {
        let mut small = crate::language::testing::Small::new(1);
        let costs = Costs::measure(&mut small.decoder, 2);
        assert_eq!(costs.fault(), None);
        assert_eq!(small.decoder.filled(), 0);
        assert_eq!(*costs.depths.last().unwrap(), small.decoder.room());
        let mut broken = costs.clone();
        broken.batch_us[0].pop();
        assert!(broken.fault().is_some());
        let broken = Costs {
            head_us: f64::NAN,
            ..costs
        };
        assert!(broken.fault().is_some());
    }
}
