//! A closed set of answers, as an automaton over tokens that is compiled at configure.
//!
//! Where labels part, the model chooses among the tokens that go on to a label: only those rows of
//! its head are computed, and their softmax is the probability of each. A stretch that labels share
//! is fed as one batch and costs no choice, so a label's length alone neither helps nor harms it,
//! and no division by length is needed. The probabilities of all labels add up to one: they are
//! those of sampling under the grammar "one of these labels". Every label ends with the model's end
//! of text, so one may be the beginning of another.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::language::decoder::{Abandoned, Decoder};
use crate::language::tokenizer::Tokenizer;

/// Labels that a question may have.
pub const MAX_LABELS: usize = 256;
/// Bytes of a label.
pub const MAX_BYTES: usize = 256;

/// Labels that cannot be told apart by the model, or are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("{0} labels; expected 2 to {MAX_LABELS}")]
    Count(usize),
    #[error("label {index} is {what}; expected 1 to {MAX_BYTES} bytes of text without line ends")]
    Text { index: usize, what: String },
    #[error("label \"{0}\" is there twice")]
    Twice(String),
    #[error("labels \"{0}\" and \"{1}\" are the same to this model's tokenizer; rename one")]
    Same(String, String),
    #[error(
        "this model's tokenizer has no token that ends a text, by which \"{0}\" ends and \"{1}\" goes on"
    )]
    NoEnd(String, String),
}

/// The automaton.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    names: Vec<String>,
    /// The first is where all labels begin.
    nodes: Vec<Node>,
}

/// Where labels part.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    /// Fed on the way from the node above.
    feed: Vec<u32>,
    /// Tokens that go on, ascending, and where to.
    allowed: Vec<u32>,
    to: Vec<To>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Label(usize),
    Node(usize),
}

/// Memory for [`Labels::score`].
#[derive(Debug, Default)]
pub struct Scratch {
    logits: Vec<f32>,
}

impl Labels {
    /// Compiles labels as they follow the cue for an answer: behind a blank.
    ///
    /// # Errors
    /// Fewer than two, or labels that are empty, too long, there twice, or the same in tokens.
    pub fn new(names: &[String], tokenizer: &Tokenizer) -> Result<Labels, LabelError> {
        if !(2..=MAX_LABELS).contains(&names.len()) {
            return Err(LabelError::Count(names.len()));
        }
        for (index, name) in names.iter().enumerate() {
            let what = match name.as_str() {
                name if name.trim().is_empty() => String::from("empty"),
                name if name.len() > MAX_BYTES => format!("{} bytes long", name.len()),
                name if name.chars().any(char::is_control) => format!("{name:?}"),
                _ => continue,
            };
            return Err(LabelError::Text { index, what });
        }
        let mut tokens: Vec<Vec<u32>> = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let these = tokenizer.encode(&format!(" {}", name.trim()), false);
            if let Some(before) = tokens.iter().position(|before| *before == these) {
                let before = names[before].clone();
                return Err(match before == *name {
                    true => LabelError::Twice(before),
                    false => LabelError::Same(before, names[index].clone()),
                });
            }
            tokens.push(these);
        }
        let end = tokenizer.ends.first().copied();
        for (a, one) in tokens.iter().enumerate() {
            let longer = tokens.iter().position(|b| b != one && b.starts_with(one));
            if let (Some(b), None) = (longer, end) {
                return Err(LabelError::NoEnd(names[a].clone(), names[b].clone()));
            }
        }
        tokens.iter_mut().for_each(|label| label.extend(end));
        let mut labels = Labels {
            names: names.to_vec(),
            nodes: Vec::new(),
        };
        let all: Vec<(usize, &[u32])> = tokens.iter().map(Vec::as_slice).enumerate().collect();
        labels.node(Vec::new(), &all);
        Ok(labels)
    }

    /// Adds the node behind `feed` from which these labels go on; returns its place.
    fn node(&mut self, mut feed: Vec<u32>, rest: &[(usize, &[u32])]) -> usize {
        let shared = (0..)
            .take_while(|&at| {
                let first = rest[0].1.get(at);
                first.is_some() && rest.iter().all(|(_, rest)| rest.get(at) == first)
            })
            .count();
        feed.extend(&rest[0].1[..shared]);
        let mut branches: BTreeMap<u32, Vec<(usize, &[u32])>> = BTreeMap::new();
        for (label, rest) in rest {
            // Labels differ and none is the beginning of another, so one token at least is left.
            branches
                .entry(rest[shared])
                .or_default()
                .push((*label, &rest[shared + 1..]));
        }
        let place = self.nodes.len();
        self.nodes.push(Node {
            feed,
            allowed: branches.keys().copied().collect(),
            to: Vec::new(),
        });
        for (token, rest) in branches {
            let to = match rest[..] {
                [(label, _)] => To::Label(label),
                _ => To::Node(self.node(vec![token], &rest)),
            };
            self.nodes[place].to.push(to);
        }
        place
    }

    /// In the order they were given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Tokens that are fed together, by batch: what one scoring costs beside its rows of the head.
    pub fn batches(&self) -> impl Iterator<Item = usize> {
        let sizes = self.nodes.iter().map(|node| node.feed.len());
        sizes.filter(|size| *size > 0)
    }

    /// Tokens fed by one scoring.
    pub fn fed(&self) -> usize {
        self.batches().sum()
    }

    /// The most positions of the cache that are taken while labels are scored.
    pub fn depth(&self) -> usize {
        self.depth_of(0)
    }

    fn depth_of(&self, node: usize) -> usize {
        let node = &self.nodes[node];
        let below = node.to.iter().map(|to| match to {
            To::Label(_) => 0,
            To::Node(node) => self.depth_of(*node),
        });
        node.feed.len() + below.max().unwrap_or(0)
    }

    /// Tokens whose rows of the head are computed.
    pub fn rows(&self) -> usize {
        self.nodes.iter().map(|node| node.allowed.len()).sum()
    }

    /// Natural logarithms of the probabilities of all labels, behind what the decoder has taken;
    /// the decoder forgets again what was fed, also where the work is abandoned.
    ///
    /// # Errors
    /// Where `between`, which is asked before every layer, breaks.
    pub fn score(
        &self,
        decoder: &mut Decoder,
        scratch: &mut Scratch,
        out: &mut Vec<f64>,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<(), Abandoned> {
        out.clear();
        out.resize(self.names.len(), f64::NEG_INFINITY);
        let before = decoder.filled();
        let done = self.walk(0, 0.0, decoder, scratch, out, between);
        decoder.rewind(before);
        done
    }

    fn walk(
        &self,
        node: usize,
        so_far: f64,
        decoder: &mut Decoder,
        scratch: &mut Scratch,
        out: &mut [f64],
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<(), Abandoned> {
        let node = &self.nodes[node];
        if !node.feed.is_empty() {
            decoder.take(&node.feed, &mut *between)?;
        }
        decoder.logits_of(&node.allowed, &mut scratch.logits);
        let logits = scratch.logits.iter().map(|logit| f64::from(*logit));
        let most = logits.clone().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.map(|logit| (logit - most).exp()).sum();
        let before = most + sum.ln() - so_far;
        // A child overwrites the logits, so the labels that end here come first.
        let mut below = Vec::new();
        for (to, logit) in node.to.iter().zip(&scratch.logits) {
            let log = f64::from(*logit) - before;
            match to {
                To::Label(label) => out[*label] = log,
                To::Node(child) => below.push((*child, log)),
            }
        }
        let here = decoder.filled();
        for (child, log) in below {
            self.walk(child, log, decoder, scratch, out, between)?;
            decoder.rewind(here);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::testing::Small;

    fn go_on() -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// The same by the whole head, one label after the other, one token at a time.
    fn slowly(small: &mut Small, all: &[&str]) -> Vec<f64> {
        let end = small.tokenizer.ends[0];
        let tokens: Vec<Vec<u32>> = all
            .iter()
            .map(|name| {
                let mut tokens = small.tokenizer.encode(&format!(" {name}"), false);
                tokens.push(end);
                tokens
            })
            .collect();
        let start = small.decoder.filled();
        let last = *small.taken.last().unwrap();
        let mut out = Vec::new();
        for label in &tokens {
            small.decoder.rewind(start - 1);
            small.decoder.take(&[last], go_on).unwrap();
            let mut log = 0.0;
            for at in 0..label.len() {
                let mut next: Vec<u32> = tokens
                    .iter()
                    .filter(|other| other.len() > at && other[..at] == label[..at])
                    .map(|other| other[at])
                    .collect();
                next.sort_unstable();
                next.dedup();
                let logits = small.decoder.logits();
                let e = |token: u32| f64::from(logits[token as usize]).exp();
                let sum: f64 = next.iter().map(|token| e(*token)).sum();
                log += (e(label[at]) / sum).ln();
                small.decoder.take(&[label[at]], go_on).unwrap();
            }
            out.push(log);
        }
        small.decoder.rewind(start);
        out
    }

    #[test]
    fn probabilities_are_those_of_a_walk_token_by_token_and_add_up_to_one() {
        let all = ["stop", "stop now", "go", "slow", "slower", "go on"];
        for seed in 0..6 {
            let mut small = Small::new(seed);
            small.take("the robot");
            let labels = Labels::new(&names(&all), &small.tokenizer).unwrap();
            let mut found = Vec::new();
            let before = small.decoder.filled();
            labels
                .score(
                    &mut small.decoder,
                    &mut Scratch::default(),
                    &mut found,
                    &mut go_on,
                )
                .unwrap();
            assert_eq!(small.decoder.filled(), before);
            let sum: f64 = found.iter().map(|log| log.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
            for (found, expected) in found.iter().zip(slowly(&mut small, &all)) {
                assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
            }
        }
    }

    #[test]
    fn what_one_scoring_feeds_is_what_is_said_of_it() {
        let mut small = Small::new(3);
        small.take("x");
        let labels = Labels::new(
            &names(&["alpha one", "alpha two", "beta"]),
            &small.tokenizer,
        )
        .unwrap();
        let mut layers = 0;
        let mut count = || {
            layers += 1;
            ControlFlow::Continue(())
        };
        labels
            .score(
                &mut small.decoder,
                &mut Scratch::default(),
                &mut Vec::new(),
                &mut count,
            )
            .unwrap();
        assert_eq!(
            layers,
            labels.batches().count() * small.decoder.architecture.layers
        );
        assert!(labels.depth() <= labels.fed());
    }

    #[test]
    fn a_scoring_given_up_leaves_the_decoder_as_it_was() {
        let mut small = Small::new(4);
        small.take("a question");
        let all = names(&["alpha one", "alpha two", "beta"]);
        let labels = Labels::new(&all, &small.tokenizer).unwrap();
        let before = small.decoder.filled();
        for after in 0..4 {
            let mut left = after;
            let mut stop = || match left {
                0 => ControlFlow::Break(()),
                _ => {
                    left -= 1;
                    ControlFlow::Continue(())
                }
            };
            let done = labels.score(
                &mut small.decoder,
                &mut Scratch::default(),
                &mut Vec::new(),
                &mut stop,
            );
            assert_eq!(done, Err(Abandoned));
            assert_eq!(small.decoder.filled(), before);
            let last = *small.taken.last().unwrap();
            small.decoder.rewind(before - 1);
            small.decoder.take(&[last], go_on).unwrap();
        }
    }

    #[test]
    fn labels_that_are_none_are_refused() {
        let small = Small::new(0);
        let new = |all: &[&str]| Labels::new(&names(all), &small.tokenizer).unwrap_err();
        assert_eq!(new(&["go"]), LabelError::Count(1));
        assert_eq!(new(&["go", "go"]), LabelError::Twice("go".into()));
        assert_eq!(
            new(&["go", " go "]),
            LabelError::Same("go".into(), " go ".into())
        );
        for wrong in ["", "  ", "a\nb", &"x".repeat(300)] {
            assert!(
                matches!(new(&["go", wrong]), LabelError::Text { index: 1, .. }),
                "{wrong}"
            );
        }
    }
}
