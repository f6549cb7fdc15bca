//! Which token a thought goes on with.
//!
//! Greedy by default. Otherwise by chance under a temperature, cut to the likeliest (`top_k`), to
//! those that make up a share (`top_p`), and to those not far behind the likeliest (`min_p`), in
//! this order. The same seed and logits give the same tokens.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// 0: the likeliest token, always.
    pub temperature: f32,
    /// Likeliest tokens that are left; 0: all.
    pub top_k: usize,
    /// Share of the probability that is left, 0 to 1.
    pub top_p: f32,
    /// Least probability, as a share of the likeliest token's, 0 to 1.
    pub min_p: f32,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
        }
    }
}

impl Sampling {
    /// What is wrong with it, in words.
    pub fn fault(&self) -> Option<String> {
        let share = |x: f32| (0.0..=1.0).contains(&x);
        if !(0.0..=10.0).contains(&self.temperature) {
            return Some(format!(
                "temperature is {}; expected 0 to 10",
                self.temperature
            ));
        }
        if !share(self.top_p) || self.top_p == 0.0 {
            return Some(format!(
                "top_p is {}; expected above 0, up to 1",
                self.top_p
            ));
        }
        (!share(self.min_p)).then(|| format!("min_p is {}; expected 0 to 1", self.min_p))
    }
}

/// Chooses tokens.
pub struct Sampler {
    how: Sampling,
    seed: u64,
    random: ChaCha8Rng,
    /// Logit and token of those that are left.
    left: Vec<(f32, u32)>,
}

impl Sampler {
    pub fn new(how: Sampling, seed: u64) -> Sampler {
        Sampler {
            how,
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            left: Vec::new(),
        }
    }

    pub fn how(&self) -> Sampling {
        self.how
    }

    /// Draws again what it drew first.
    pub fn restart(&mut self) {
        self.random = ChaCha8Rng::seed_from_u64(self.seed);
    }

    /// The token to go on with; `banned` are never chosen. None where no logit is a number.
    pub fn pick(&mut self, logits: &[f32], banned: &[u32]) -> Option<u32> {
        if self.how.temperature == 0.0 {
            return likeliest(logits, banned);
        }
        let all = logits.iter().copied().zip(0u32..);
        let allowed = all.filter(|(logit, token)| !logit.is_nan() && !banned.contains(token));
        let better = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        let left = &mut self.left;
        left.clear();
        left.extend(allowed);
        if left.is_empty() {
            return None;
        }
        let keep = match self.how.top_k {
            0 => left.len(),
            k => k.min(left.len()),
        };
        if keep < left.len() {
            left.select_nth_unstable_by(keep - 1, better);
            left.truncate(keep);
        }
        left.sort_unstable_by(better);
        let most = left[0].0;
        let weight = |logit: f32| ((logit - most) / self.how.temperature).exp();
        let sum: f32 = left.iter().map(|(logit, _)| weight(*logit)).sum();
        let mut so_far = 0.0;
        let within = left.iter().position(|(logit, _)| {
            so_far += weight(*logit) / sum;
            so_far >= self.how.top_p
        });
        left.truncate(within.map_or(left.len(), |last| last + 1));
        let min = self.how.min_p;
        let near = left.iter().position(|(logit, _)| weight(*logit) < min);
        left.truncate(near.unwrap_or(left.len()).max(1));
        let sum: f32 = left.iter().map(|(logit, _)| weight(*logit)).sum();
        let mut at = self.random.random::<f32>() * sum;
        for (logit, token) in left.iter() {
            at -= weight(*logit);
            if at < 0.0 {
                return Some(*token);
            }
        }
        left.last().map(|(_, token)| *token)
    }
}

/// The first of the largest logits that are not banned; in two passes, the first of which the
/// compiler makes vectors of.
fn likeliest(logits: &[f32], banned: &[u32]) -> Option<u32> {
    const PART: usize = 64;
    let top = |part: &[f32]| {
        let lanes = part
            .chunks(16)
            .fold([f32::NEG_INFINITY; 16], |mut tops, part| {
                // What is no number is larger than none.
                let pairs = tops.iter_mut().zip(part);
                pairs.for_each(|(top, x)| *top = if *x > *top { *x } else { *top });
                tops
            });
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    };
    let mut best: Option<(f32, u32)> = None;
    for (part, from) in logits.chunks(PART).zip((0u32..).step_by(PART)) {
        if best.is_some_and(|(most, _)| top(part) <= most) {
            continue;
        }
        for (logit, token) in part.iter().zip(from..) {
            let more = best.is_none_or(|(most, _)| *logit > most);
            if more && !logit.is_nan() && !banned.contains(&token) {
                best = Some((*logit, token));
            }
        }
    }
    best.map(|(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [0.1, 2.0, f32::NAN, 1.9, -3.0, 2.0];

    fn drawn(how: Sampling, seed: u64) -> Vec<u32> {
        let mut sampler = Sampler::new(how, seed);
        (0..400)
            .map(|_| sampler.pick(&LOGITS, &[3]).unwrap())
            .collect()
    }

    #[test]
    fn greedy_takes_the_likeliest_and_the_first_of_equals() {
        let mut sampler = Sampler::new(Sampling::default(), 0);
        assert_eq!(sampler.pick(&LOGITS, &[]), Some(1));
        assert_eq!(sampler.pick(&LOGITS, &[1]), Some(5));
        assert_eq!(sampler.pick(&[f32::NAN], &[]), None);
        assert_eq!(sampler.pick(&[1.0], &[0]), None);
    }

    #[test]
    fn the_likeliest_is_that_of_a_walk_through_all() {
        let mut state = 7u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        };
        for size in 1..300 {
            // Few values, so that many are equal; some are no numbers.
            let logits: Vec<f32> = (0..size)
                .map(|_| match next() % 40 {
                    0 => f32::NAN,
                    1 => f32::NEG_INFINITY,
                    other => other as f32,
                })
                .collect();
            let banned = [next() as u32 % size, next() as u32 % size];
            let mut best: Option<usize> = None;
            for (token, logit) in logits.iter().enumerate() {
                let allowed = !logit.is_nan() && !banned.contains(&(token as u32));
                if allowed && best.is_none_or(|best| *logit > logits[best]) {
                    best = Some(token);
                }
            }
            assert_eq!(likeliest(&logits, &banned), best.map(|best| best as u32));
        }
    }

    #[test]
    fn a_seed_says_which_tokens() {
        let warm = Sampling {
            temperature: 1.0,
            ..Sampling::default()
        };
        assert_eq!(drawn(warm, 7), drawn(warm, 7));
        assert_ne!(drawn(warm, 7), drawn(warm, 8));
        let of = |token: u32| drawn(warm, 7).iter().filter(|t| **t == token).count();
        // By exp of the logits 1 and 5 have 0.43 each, 0 has 0.06.
        assert!(of(1).abs_diff(of(5)) < 80 && of(0) < 80 && of(0) > 4);
        assert_eq!((of(2), of(3)), (0, 0));
    }

    #[test]
    fn cuts_leave_what_they_say() {
        let warm = Sampling {
            temperature: 1.0,
            ..Sampling::default()
        };
        for how in [
            Sampling { top_k: 2, ..warm },
            Sampling { top_p: 0.8, ..warm },
            Sampling { min_p: 0.5, ..warm },
        ] {
            let mut seen = drawn(how, 1);
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, [1, 5], "{how:?}");
        }
        let one = Sampling { top_k: 1, ..warm };
        assert!(drawn(one, 1).iter().all(|token| *token == 1));
    }

    #[test]
    fn what_is_no_share_is_named() {
        let how = Sampling::default();
        assert_eq!(how.fault(), None);
        for (how, word) in [
            (
                Sampling {
                    temperature: -1.0,
                    ..how
                },
                "temperature",
            ),
            (
                Sampling {
                    temperature: f32::NAN,
                    ..how
                },
                "temperature",
            ),
            (Sampling { top_p: 0.0, ..how }, "top_p"),
            (Sampling { min_p: 2.0, ..how }, "min_p"),
        ] {
            assert!(how.fault().unwrap().contains(word));
        }
    }
}
