//! State that is carried over to the next model: counters, the last decision, cycle numbers.

use std::sync::{Arc, Mutex};

use crate::scheduler::counters::Counters;
use crate::scheduler::last_decision::LastDecision;
use crate::scheduler::lock::lock;
use crate::time::Mono;

/// What goes on when another model takes over: the count of cycles, and the last decision.
pub(super) struct CarriedState {
    pub(super) counts: Arc<Counters>,
    pub(super) held: LastDecision,
    pub(super) numbers: Mutex<CycleNumbers>,
}

impl CarriedState {
    /// The next cycle's number; none for a trigger that is older than one that has a number, at
    /// this scheduler or at one that succeeded it.
    pub(super) fn number(&self, arrival: Mono) -> Option<u64> {
        let mut numbers = lock(&self.numbers);
        if arrival < numbers.newest {
            return None;
        }
        numbers.newest = arrival;
        numbers.cycles += 1;
        self.counts.accepted();
        Some(numbers.cycles)
    }
}

/// The cycles so far.
#[derive(Default)]
pub(super) struct CycleNumbers {
    cycles: u64,
    /// When the newest trigger of them arrived.
    newest: Mono,
}
