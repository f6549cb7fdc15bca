//! Which of the tokens that a grammar allows an answer goes on with.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::language::answer::outcome::Unfinished;
use crate::language::decoder::Decoder;

/// Tokens up to which rows of the head are computed one by one.
const FEW: usize = 64;
/// Tokens that are fed together at most, the chosen one and those that it forces: as many as are
/// reserved for.
pub const FORCED: usize = 16;

/// What takes one of the tokens that a grammar allows.
pub trait Pick {
    fn pick(&mut self, allowed: &[u32]) -> Result<u32, Unfinished>;

    /// Every token of the answer, forced ones too.
    fn taken(&mut self, token: u32);
}

/// The likeliest; tokens are fed when logits are needed behind them.
pub struct Model<'a> {
    pub decoder: &'a mut Decoder,
    pub pending: Vec<u32>,
    pub logits: Vec<f32>,
    pub log: f64,
    pub between: &'a mut dyn FnMut() -> ControlFlow<()>,
}

impl Pick for Model<'_> {
    fn pick(&mut self, allowed: &[u32]) -> Result<u32, Unfinished> {
        if let [only] = *allowed {
            return Ok(only);
        }
        for batch in self.pending.chunks(FORCED) {
            self.decoder.take(batch, &mut *self.between)?;
        }
        self.pending.clear();
        let logits = &mut self.logits;
        match allowed.len() <= FEW {
            true => self.decoder.logits_of(allowed, logits),
            false => {
                let all = self.decoder.logits();
                logits.clear();
                logits.extend(allowed.iter().map(|token| all[*token as usize]));
            }
        }
        let better = |best: usize, other: usize| match logits[other] > logits[best] {
            true => other,
            false => best,
        };
        let best = (0..allowed.len()).reduce(better).unwrap_or(0);
        let most = logits[best];
        if !most.is_finite() {
            return Err(Unfinished::Fault(String::from(
                "the model's logits are no numbers",
            )));
        }
        let sum: f64 = logits
            .iter()
            .map(|logit| f64::from(logit - most).exp())
            .sum();
        self.log -= sum.ln();
        Ok(allowed[best])
    }

    fn taken(&mut self, token: u32) {
        self.pending.push(token);
    }
}

/// Any of them; and the longest from one choice to the next.
pub struct Chance {
    state: u64,
    pub last: Instant,
    pub most: Duration,
}

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance {
            state: seed | 1,
            last: Instant::now(),
            most: Duration::ZERO,
        }
    }
}

impl Pick for Chance {
    fn pick(&mut self, allowed: &[u32]) -> Result<u32, Unfinished> {
        self.most = self.most.max(self.last.elapsed());
        self.last = Instant::now();
        let (by, add) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.state = self.state.wrapping_mul(by).wrapping_add(add);
        Ok(allowed[(self.state >> 33) as usize % allowed.len()])
    }

    fn taken(&mut self, _: u32) {}
}
