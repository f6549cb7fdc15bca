//! Decisions for an unchanged world: where the window is, in coarse steps, one that the model has
//! answered a moment ago, its answer is used again.
//!
//! Only exits that the policy was content with are kept; one that time alone ended is not. What is
//! kept is forgotten when it is too old, counted from the arrival of the trigger it was computed
//! for (a hit does not make it younger), and when the terms of decisions change.

use std::sync::Arc;

use super::decision::Probabilities;
use super::request::{Reuse, Terms};
use crate::time::Mono;

/// Answers kept.
const KEPT: usize = 8;

/// An answer that is used again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The exit it was read from, 1-based.
    pub exit: u8,
    /// What the exit said.
    pub probabilities: Probabilities,
    /// The engine that computed it.
    pub station: usize,
    /// Arrival of the trigger it was computed for.
    pub arrival: Mono,
}

/// The last few answers, with the windows they are for. Takes no memory after `new`.
#[derive(Debug)]
pub struct Answers {
    entries: Vec<Entry>,
    next: usize,
    /// The window last looked for.
    key: Box<[i16]>,
    terms: Option<Arc<Terms>>,
}

#[derive(Debug)]
struct Entry {
    key: Box<[i16]>,
    kept: Option<Kept>,
}

impl Answers {
    /// None yet, for windows of `len` numbers.
    pub fn new(len: usize) -> Answers {
        let key = || vec![0; len].into_boxed_slice();
        let entry = |_| Entry {
            key: key(),
            kept: None,
        };
        Answers {
            entries: (0..KEPT).map(entry).collect(),
            next: 0,
            key: key(),
            terms: None,
        }
    }

    /// The answer to this window, where it was answered lately. Remembers the window for
    /// [`Answers::keep`].
    pub fn find(
        &mut self,
        window: &[f32],
        arrival: Mono,
        reuse: Reuse,
        terms: &Arc<Terms>,
    ) -> Option<Kept> {
        if !self
            .terms
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, terms))
        {
            self.forget();
            // The desk holds on to terms that were replaced, so nothing is freed here.
            self.terms = Some(Arc::clone(terms));
        }
        for (slot, value) in self.key.iter_mut().zip(window) {
            // Saturates; what is no number becomes 0, and such a window is never offered.
            *slot = (value / reuse.step).round() as i16;
        }
        let fresh = |kept: &Kept| arrival.since(kept.arrival) <= reuse.max_age;
        let hit = self
            .entries
            .iter()
            .find(|entry| entry.kept.as_ref().is_some_and(fresh) && entry.key == self.key);
        hit.and_then(|entry| entry.kept)
    }

    /// Keeps the answer to the window last looked for; the oldest makes room.
    pub fn keep(&mut self, kept: Kept) {
        let entry = &mut self.entries[self.next];
        entry.key.copy_from_slice(&self.key);
        entry.kept = Some(kept);
        self.next = (self.next + 1) % KEPT;
    }

    /// Nothing is known any more.
    pub fn forget(&mut self) {
        for entry in &mut self.entries {
            entry.kept = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::policy::Policy;
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const REUSE: Reuse = Reuse {
        max_age: Duration::from_millis(300),
        step: 0.1,
    };

    fn terms() -> Arc<Terms> {
        Arc::new(Terms {
            deadline: MS,
            publish_margin: Duration::ZERO,
            fault_time: MS,
            hold: MS,
            batch_slack: Duration::ZERO,
            reuse: Some(REUSE),
            policy: Policy::Best,
            min_confidence: 0.0,
            free_way_quantile: 0.1,
            thresholds: Vec::new(),
            safe_label: 0,
            exits: 1,
        })
    }

    fn at(ms: u32) -> Mono {
        Mono(1_000_000_000) + MS * ms
    }

    fn kept(ms: u32) -> Kept {
        Kept {
            exit: 1,
            probabilities: Probabilities::from_slice(&[0.25, 0.75]),
            station: 0,
            arrival: at(ms),
        }
    }

    #[test]
    fn the_same_window_in_coarse_steps_is_found_while_it_is_young() {
        let (mut answers, terms) = (Answers::new(3), terms());
        let find = |answers: &mut Answers, window: [f32; 3], ms: u32| {
            answers.find(&window, at(ms), REUSE, &terms).is_some()
        };
        assert!(!find(&mut answers, [0.1, 0.5, -0.31], 0), "nothing yet");
        answers.keep(kept(0));
        assert!(find(&mut answers, [0.1, 0.5, -0.31], 100));
        assert!(
            find(&mut answers, [0.14, 0.46, -0.26], 100),
            "rounds to the same"
        );
        assert!(!find(&mut answers, [0.1, 0.5, 0.31], 100));
        assert!(find(&mut answers, [0.1, 0.5, -0.31], 300));
        // A hit does not make it younger.
        assert!(!find(&mut answers, [0.1, 0.5, -0.31], 301));
    }

    #[test]
    fn what_was_answered_under_other_terms_or_is_forgotten_is_not_found() {
        let mut answers = Answers::new(1);
        let (first, second) = (terms(), terms());
        assert_eq!(answers.find(&[0.5], at(0), REUSE, &first), None);
        answers.keep(kept(0));
        assert_eq!(answers.find(&[0.5], at(1), REUSE, &first), Some(kept(0)));
        assert_eq!(answers.find(&[0.5], at(2), REUSE, &second), None);
        answers.keep(kept(2));
        answers.forget();
        assert_eq!(answers.find(&[0.5], at(3), REUSE, &second), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut answers, terms) = (Answers::new(1), terms());
        for value in 0..=KEPT {
            answers.find(&[value as f32], at(0), REUSE, &terms);
            answers.keep(kept(0));
        }
        assert_eq!(answers.find(&[0.0], at(1), REUSE, &terms), None);
        assert!(answers.find(&[1.0], at(1), REUSE, &terms).is_some());
    }
}
