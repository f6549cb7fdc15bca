//! The fixed part of a session's prompt, to be saved and held again.

use super::{Session, shared};

/// Keys and values of the fixed part, and what the model answers without content.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefix {
    tokens: Vec<u32>,
    /// Logarithms by label; empty where nothing is taken out.
    prior: Vec<f64>,
    /// By layer: keys, then values, in f16.
    cache: Vec<u16>,
}

impl Prefix {
    /// Appends its bytes.
    pub fn to_bytes(&self, out: &mut Vec<u8>) {
        for count in [self.tokens.len(), self.prior.len(), self.cache.len()] {
            out.extend((count as u64).to_le_bytes());
        }
        out.extend(self.tokens.iter().flat_map(|token| token.to_le_bytes()));
        out.extend(self.prior.iter().flat_map(|log| log.to_le_bytes()));
        out.extend(self.cache.iter().flat_map(|word| word.to_le_bytes()));
    }

    /// `None` where the bytes are not what [`Prefix::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Prefix> {
        let (counts, mut rest) = bytes.split_at_checked(24)?;
        let count = |index: usize| {
            let bytes = counts[8 * index..8 * index + 8].try_into().ok()?;
            usize::try_from(u64::from_le_bytes(bytes)).ok()
        };
        let mut next = |count: usize, size: usize| {
            let (these, more) = rest.split_at_checked(count.checked_mul(size)?)?;
            rest = more;
            Some(these)
        };
        let tokens = next(count(0)?, 4)?.as_chunks::<4>().0;
        let prior = next(count(1)?, 8)?.as_chunks::<8>().0;
        let cache = next(count(2)?, 2)?.as_chunks::<2>().0;
        let prefix = Prefix {
            tokens: tokens.iter().map(|t| u32::from_le_bytes(*t)).collect(),
            prior: prior.iter().map(|log| f64::from_le_bytes(*log)).collect(),
            cache: cache.iter().map(|word| u16::from_le_bytes(*word)).collect(),
        };
        rest.is_empty().then_some(prefix)
    }
}

impl Session {
    /// What is held of the fixed part of the prompt.
    pub fn prefix(&self) -> Prefix {
        let fixed = self.question_tokens().fixed();
        let held = shared(&fixed, &self.held);
        let prior = self.prior.as_ref();
        Prefix {
            tokens: fixed[..held].to_vec(),
            prior: prior.map_or(Vec::new(), |(logs, _)| logs.clone()),
            cache: self.decoder.cached(held),
        }
    }

    /// Holds a prefix as if it had been fed; `strength` is how much of the answers without content
    /// is taken out. Says whether it was of this prompt and model; otherwise nothing is held.
    pub fn hold_prefix(&mut self, prefix: Prefix, strength: f64) -> bool {
        self.forget_all();
        let labels = self.form.names().len();
        let prior = match strength > 0.0 {
            true => prefix.prior.len() == labels && prefix.prior.iter().all(|log| log.is_finite()),
            false => true,
        };
        let fixed = self.question_tokens().fixed();
        if !prior || prefix.tokens != fixed || !self.decoder.hold(fixed.len(), &prefix.cache) {
            return false;
        }
        self.held = prefix.tokens;
        self.prior = (strength > 0.0).then_some((prefix.prior, strength));
        true
    }

    /// What keys and values depend on beside the weights: processor path, room, prompt in tokens.
    pub fn prefix_identity(&self) -> (&'static str, usize, Vec<u32>) {
        let fixed = self.question_tokens().fixed();
        (self.decoder.path(), self.decoder.room(), fixed)
    }

    /// An answer of the form by chance, as a model of random weights gives it; `None` where the
    /// grammar gives up.
    pub fn answer_by_chance(&mut self, seed: u64) -> Option<String> {
        match &mut self.form {
            super::Form::Labels(labels) => {
                let names = labels.names();
                Some(names[(seed % names.len() as u64) as usize].clone())
            }
            super::Form::Structured(structured) => {
                let tokens = structured.by_chance(seed)?;
                Some(self.tokenizer.decode(&tokens))
            }
        }
    }
}
