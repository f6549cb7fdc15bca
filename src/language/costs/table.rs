//! The table of what a language model's steps take on this machine at most.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::language::decoder::{BATCH, Decoder};
use crate::language::sampler::{Sampler, Sampling};

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
    /// Microseconds of a step of the grammar; 0 where there is none.
    pub mask_us: f64,
    /// Of the model.
    pub layers: usize,
}

/// What was seen at most is taken so much longer.
const SLACK: f64 = 1.25;

impl Costs {
    /// Measures on this thread; the decoder's cache is empty afterwards.
    pub fn measure(decoder: &mut Decoder, sampling: Sampling, runs: usize) -> Costs {
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
        let mut sampler = Sampler::new(sampling, 0);
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
            mask_us: 0.0,
            layers,
        }
    }

    /// What is wrong with figures that were read from a file.
    pub fn fault(&self) -> Option<&'static str> {
        let ascending = |list: &[usize]| !list.is_empty() && list.windows(2).all(|w| w[0] < w[1]);
        let fits = self.batch_us.len() == self.depths.len()
            && self
                .batch_us
                .iter()
                .all(|row| row.len() == self.sizes.len());
        let all = self.batch_us.iter().flatten();
        let number = |us: &f64| us.is_finite() && *us >= 0.0;
        let numbers = all
            .chain([&self.head_us, &self.rows_us, &self.mask_us])
            .all(number);
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
        self.feed(1, from) + self.head()
    }

    /// A step of the grammar took so long at most.
    pub fn masked(&mut self, longest: Duration) {
        self.mask_us = longest.as_secs_f64() * SLACK * 1e6;
    }

    /// A choice by a grammar: its mask, all logits.
    pub fn choice(&self) -> Duration {
        self.head() + Duration::from_secs_f64(self.mask_us / 1e6)
    }

    /// An answer behind `from` positions, of these batches, rows of the head, and choices by a
    /// grammar.
    pub fn answer(&self, batches: &[usize], rows: usize, choices: usize, from: usize) -> Duration {
        let mut depth = from;
        let mut sum = self.rows(rows) + self.choice() * choices as u32;
        for batch in batches {
            sum += self.feed(*batch, depth);
            depth += batch;
        }
        sum
    }

    /// From one look at the clock to the next, while `tokens` are fed at a depth: a layer.
    pub fn layer(&self, tokens: usize, depth: usize) -> Duration {
        let us = self.batch(tokens.clamp(1, BATCH), depth) / self.layers as f64;
        Duration::from_secs_f64(us / 1e6)
    }

    /// The whole head, with a choice among all tokens.
    pub fn head(&self) -> Duration {
        Duration::from_secs_f64(self.head_us / 1e6)
    }

    /// So many times sixteen rows of the head.
    pub fn rows(&self, rows: usize) -> Duration {
        Duration::from_secs_f64(self.rows_us * rows as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_a_table_without_a_fault() {
        let mut small = crate::language::testing::Small::new(1);
        let costs = Costs::measure(&mut small.decoder, Sampling::default(), 2);
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
