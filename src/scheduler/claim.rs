//! The claim on an answer: of all who could give it, one does.

use std::sync::atomic::{AtomicU64, Ordering};

/// Decides by one compare-and-swap who answers a cycle.
#[derive(Debug)]
pub(super) struct Claim {
    /// `cycle << 1`, with the lowest bit set once the cycle is claimed.
    word: AtomicU64,
}

impl Claim {
    /// No cycle is open.
    pub fn closed() -> Claim {
        Claim {
            word: AtomicU64::new(1),
        }
    }

    /// Of a cycle that is open.
    pub fn opened(cycle: u64) -> Claim {
        Claim {
            word: AtomicU64::new(cycle << 1),
        }
    }

    /// Begins another cycle.
    pub fn open(&self, cycle: u64) {
        self.word.store(cycle << 1, Ordering::Release);
    }

    /// True for exactly one caller per cycle.
    pub fn claim(&self, cycle: u64) -> bool {
        self.word
            .compare_exchange(
                cycle << 1,
                cycle << 1 | 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }

    /// Whether this cycle is not answered yet.
    pub fn is_open(&self, cycle: u64) -> bool {
        self.word.load(Ordering::Acquire) == cycle << 1
    }

    /// Whether its newest cycle is not answered yet.
    pub fn has_open(&self) -> bool {
        self.word.load(Ordering::Acquire) & 1 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_claimed_once_and_only_while_it_is_the_one() {
        let claim = Claim::closed();
        assert!(!claim.has_open());
        claim.open(7);
        assert!(!claim.claim(6) && claim.claim(7) && !claim.claim(7));
        claim.open(8);
        assert!(!claim.claim(7) && claim.is_open(8) && claim.has_open());
    }
}
