//! The result cache: where a window is, in coarse steps, one that the model has answered a moment
//! ago, that answer is used again.
//!
//! Only exits that the policy was content with are kept; one that time alone ended is not. What is
//! kept is forgotten when it is too old, counted from the arrival of the trigger it was computed
//! for (a hit does not make it younger), and when the configuration of decisions change.

use std::sync::Arc;

use super::decision::Probabilities;
use super::request::{CacheConfig, CycleConfig};
use crate::time::Mono;

/// Answers kept.
const KEPT: usize = 8;

/// An answer that is used again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CachedAnswer {
    /// The exit it was read from, 1-based.
    pub exit: u8,
    /// The exit's probabilities.
    pub probabilities: Probabilities,
    /// The engine that computed it.
    pub slot: usize,
    /// Arrival of the trigger it was computed for.
    pub arrival: Mono,
}

/// The last few answers, with the windows they are for. Takes no memory after `new`.
#[derive(Debug)]
pub struct ResultCache {
    entries: Vec<Entry>,
    next: usize,
    /// The window last looked for.
    key: Box<[i16]>,
    cycle_config: Option<Arc<CycleConfig>>,
}

#[derive(Debug)]
struct Entry {
    key: Box<[i16]>,
    cached: Option<CachedAnswer>,
}

impl ResultCache {
    /// None yet, for windows of `len` numbers.
    pub fn new(len: usize) -> ResultCache {
        let key = || vec![0; len].into_boxed_slice();
        let entry = |_| Entry {
            key: key(),
            cached: None,
        };
        ResultCache {
            entries: (0..KEPT).map(entry).collect(),
            next: 0,
            key: key(),
            cycle_config: None,
        }
    }

    /// The answer to this window, where it was answered lately. Remembers the window for
    /// [`ResultCache::keep`].
    pub fn find(
        &mut self,
        window: &[f32],
        arrival: Mono,
        reuse: CacheConfig,
        cycle_config: &Arc<CycleConfig>,
    ) -> Option<CachedAnswer> {
        if !self
            .cycle_config
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, cycle_config))
        {
            self.forget();
            // The scheduler holds on to configuration that were replaced, so nothing is freed here.
            self.cycle_config = Some(Arc::clone(cycle_config));
        }
        for (slot, value) in self.key.iter_mut().zip(window) {
            // Saturates; what is no number becomes 0, and such a window is never offered.
            *slot = (value / reuse.step).round() as i16;
        }
        let fresh = |cached: &CachedAnswer| arrival.since(cached.arrival) <= reuse.max_age;
        let hit = self
            .entries
            .iter()
            .find(|entry| entry.cached.as_ref().is_some_and(fresh) && entry.key == self.key);
        hit.and_then(|entry| entry.cached)
    }

    /// Keeps the answer to the window last looked for; the oldest makes room.
    pub fn keep(&mut self, cached: CachedAnswer) {
        let entry = &mut self.entries[self.next];
        entry.key.copy_from_slice(&self.key);
        entry.cached = Some(cached);
        self.next = (self.next + 1) % KEPT;
    }

    /// Nothing is known any more.
    pub fn forget(&mut self) {
        for entry in &mut self.entries {
            entry.cached = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::policy::Policy;
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const REUSE: CacheConfig = CacheConfig {
        max_age: Duration::from_millis(300),
        step: 0.1,
    };

    fn cycle_config() -> Arc<CycleConfig> {
        Arc::new(CycleConfig {
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

    fn cached(ms: u32) -> CachedAnswer {
        CachedAnswer {
            exit: 1,
            probabilities: Probabilities::from_slice(&[0.25, 0.75]),
            slot: 0,
            arrival: at(ms),
        }
    }

    #[test]
    fn the_same_window_in_coarse_steps_is_found_while_it_is_young() {
        let (mut cache, cycle_config) = (ResultCache::new(3), cycle_config());
        let find = |cache: &mut ResultCache, window: [f32; 3], ms: u32| {
            cache.find(&window, at(ms), REUSE, &cycle_config).is_some()
        };
        assert!(!find(&mut cache, [0.1, 0.5, -0.31], 0), "nothing yet");
        cache.keep(cached(0));
        assert!(find(&mut cache, [0.1, 0.5, -0.31], 100));
        assert!(
            find(&mut cache, [0.14, 0.46, -0.26], 100),
            "rounds to the same"
        );
        assert!(!find(&mut cache, [0.1, 0.5, 0.31], 100));
        assert!(find(&mut cache, [0.1, 0.5, -0.31], 300));
        // A hit does not make it younger.
        assert!(!find(&mut cache, [0.1, 0.5, -0.31], 301));
    }

    #[test]
    fn what_was_answered_under_other_terms_or_is_forgotten_is_not_found() {
        let mut cache = ResultCache::new(1);
        let (first, second) = (cycle_config(), cycle_config());
        assert_eq!(cache.find(&[0.5], at(0), REUSE, &first), None);
        cache.keep(cached(0));
        assert_eq!(cache.find(&[0.5], at(1), REUSE, &first), Some(cached(0)));
        assert_eq!(cache.find(&[0.5], at(2), REUSE, &second), None);
        cache.keep(cached(2));
        cache.forget();
        assert_eq!(cache.find(&[0.5], at(3), REUSE, &second), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut cache, cycle_config) = (ResultCache::new(1), cycle_config());
        for value in 0..=KEPT {
            cache.find(&[value as f32], at(0), REUSE, &cycle_config);
            cache.keep(cached(0));
        }
        assert_eq!(cache.find(&[0.0], at(1), REUSE, &cycle_config), None);
        assert!(cache.find(&[1.0], at(1), REUSE, &cycle_config).is_some());
    }
}
