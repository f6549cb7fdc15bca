//! Which engine has the work, which are stalled, and which must show first that they are sound.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::time::Mono;

/// One of several engines has the work; it passes to the next when that fails or stalls.
#[derive(Debug)]
pub(super) struct ActiveEngine {
    active: AtomicUsize,
    engines: Box<[EngineHealth]>,
}

#[derive(Debug)]
struct EngineHealth {
    /// From when on the engine call that is running counts as a stall, 0 when none is.
    stalls_at: AtomicU64,
    /// It failed or stalled, another took its place, and it has not shown since that it is sound.
    is_out: AtomicBool,
}

impl ActiveEngine {
    /// The first of so many.
    pub fn first_of(engines: usize) -> ActiveEngine {
        let health = |_| EngineHealth {
            stalls_at: AtomicU64::new(0),
            is_out: AtomicBool::new(false),
        };
        ActiveEngine {
            active: AtomicUsize::new(0),
            engines: (0..engines).map(health).collect(),
        }
    }

    /// Its number.
    pub fn index(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// A call of `engine` begins, and counts as a stall from `at` on; or it is over.
    pub fn expect_back(&self, engine: usize, at: Option<Mono>) {
        let at = at.map_or(0, |at| at.0.max(1));
        self.engines[engine].stalls_at.store(at, Ordering::Release);
    }

    /// From when on the call of `engine` that is running counts as a stall.
    pub fn stalls_at(&self, engine: usize) -> Option<Mono> {
        let at = self.engines[engine].stalls_at.load(Ordering::Acquire);
        (at != 0).then_some(Mono(at))
    }

    /// Whether `engine` has not come back in time.
    pub fn is_stalled(&self, engine: usize, now: Mono) -> bool {
        self.stalls_at(engine).is_some_and(|at| now >= at)
    }

    /// Whether `engine` was passed by, and has not shown since that it is sound.
    pub fn is_out(&self, engine: usize) -> bool {
        self.engines[engine].is_out.load(Ordering::Acquire)
    }

    /// Gives the work of `from` to the next engine that is not stalled; it stays where there is
    /// none. Whether this call did it.
    pub fn fail_over(&self, from: usize, now: Mono) -> bool {
        let count = self.engines.len();
        let next = (1..count)
            .map(|step| (from + step) % count)
            .find(|&engine| !self.is_stalled(engine, now));
        let moved = next.is_some_and(|next| self.give(from, next));
        if moved {
            self.engines[from].is_out.store(true, Ordering::Release);
        }
        moved
    }

    /// An engine that was passed by is sound again: it gets the work back from one that is less
    /// preferred. Whether it did.
    pub fn reinstate(&self, engine: usize) -> bool {
        self.engines[engine].is_out.store(false, Ordering::Release);
        let active = self.index();
        engine < active && self.give(active, engine)
    }

    fn give(&self, from: usize, to: usize) -> bool {
        self.active
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_passes_to_the_next_sound_engine_and_back_to_a_preferred_one() {
        let engines = ActiveEngine::first_of(3);
        engines.expect_back(1, Some(Mono(5)));
        assert!(!engines.is_stalled(1, Mono(4)) && engines.is_stalled(1, Mono(5)));
        assert!(engines.fail_over(0, Mono(5)));
        assert_eq!((engines.index(), engines.is_out(0)), (2, true));
        assert!(!engines.fail_over(0, Mono(5)), "it has no work");
        assert!(engines.reinstate(0) && !engines.is_out(0));
        assert_eq!(engines.index(), 0);
        assert!(!engines.reinstate(2), "less preferred");
        let alone = ActiveEngine::first_of(1);
        assert!(!alone.fail_over(0, Mono(1)) && !alone.is_out(0));
    }
}
