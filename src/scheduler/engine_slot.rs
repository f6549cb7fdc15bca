//! An engine's slot at the scheduler: the claim on the cycle it works on, and the exits so far.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::claim::Claim;
use super::decision::{MAX_EXITS, MAX_LABELS, Probabilities};
use super::handoff::Handoff;
use crate::bounded_queue::BoundedQueue;

/// One engine's place at the scheduler.
#[derive(Debug)]
pub(super) struct EngineSlot {
    claim: Claim,
    /// The exits of the last few cycles; a worker that lost its claim may already write the
    /// next cycle's while the watchdog still reads this one's.
    banks: [CycleExits; BANKS],
    /// A copy of what the engine works on, so that another can take the cycle over where this one
    /// does not come back.
    pub copy: BoundedQueue<Handoff>,
}

const BANKS: usize = 4;

/// The exits of one cycle: a sequence lock whose sequence is the cycle.
#[derive(Debug)]
struct CycleExits {
    /// `cycle << 8 | exits finished`.
    progress: AtomicU64,
    exits: [[AtomicU32; MAX_LABELS]; MAX_EXITS],
    /// Free way of each, m; not a number: the model does not tell.
    ways: [AtomicU32; MAX_EXITS],
}

impl CycleExits {
    fn new() -> Self {
        CycleExits {
            progress: AtomicU64::new(0),
            exits: [const { [const { AtomicU32::new(0) }; MAX_LABELS] }; MAX_EXITS],
            ways: [const { AtomicU32::new(f32::NAN.to_bits()) }; MAX_EXITS],
        }
    }
}

impl EngineSlot {
    pub fn new() -> Self {
        EngineSlot {
            claim: Claim::closed(),
            banks: std::array::from_fn(|_| CycleExits::new()),
            copy: BoundedQueue::new(1),
        }
    }

    fn bank(&self, cycle: u64) -> &CycleExits {
        &self.banks[cycle as usize % BANKS]
    }

    /// Begins a cycle, unclaimed.
    pub fn open(&self, cycle: u64) {
        self.clear(cycle);
        self.claim.open(cycle);
    }

    /// Records that this cycle has no exit yet. Called before the first exit of a cycle that
    /// another slot opened.
    pub fn clear(&self, cycle: u64) {
        self.bank(cycle)
            .progress
            .store(cycle << 8, Ordering::Relaxed);
        // Whoever sees a value written after this sees the new cycle too.
        fence(Ordering::Release);
    }

    /// True for exactly one caller per cycle.
    pub fn claim(&self, cycle: u64) -> bool {
        self.claim.claim(cycle)
    }

    /// Whether this cycle is not answered yet.
    pub fn is_open(&self, cycle: u64) -> bool {
        self.claim.is_open(cycle)
    }

    /// Whether its newest cycle is not answered yet, whichever engine works on it.
    pub fn has_open(&self) -> bool {
        self.claim.has_open()
    }

    /// Makes exit `exit` (1-based) of `cycle` visible to the watchdog.
    pub fn record_exit(&self, cycle: u64, exit: u8, probabilities: &Probabilities) {
        let bank = self.bank(cycle);
        let cells = &bank.exits[usize::from(exit) - 1];
        for (cell, p) in cells.iter().zip(probabilities.as_slice()) {
            cell.store(p.to_bits(), Ordering::Relaxed);
        }
        let way = probabilities.free_way_m().unwrap_or(f32::NAN);
        bank.ways[usize::from(exit) - 1].store(way.to_bits(), Ordering::Relaxed);
        bank.progress
            .store(cycle << 8 | u64::from(exit), Ordering::Release);
    }

    /// The deepest exit of `cycle` so far.
    pub fn deepest_exit(&self, cycle: u64, labels: usize) -> Option<(u8, Probabilities)> {
        let bank = self.bank(cycle);
        let progress = bank.progress.load(Ordering::Acquire);
        let exit = (progress & 0xff) as u8;
        if progress >> 8 != cycle || exit == 0 {
            return None;
        }
        let mut values = [0.0; MAX_LABELS];
        for (value, cell) in values.iter_mut().zip(&bank.exits[usize::from(exit) - 1]) {
            *value = f32::from_bits(cell.load(Ordering::Relaxed));
        }
        let way = f32::from_bits(bank.ways[usize::from(exit) - 1].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let still = bank.progress.load(Ordering::Relaxed) >> 8 == cycle;
        still.then(|| {
            (
                exit,
                Probabilities::from_slice(&values[..labels.min(MAX_LABELS)])
                    .with_free_way((!way.is_nan()).then_some(way)),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_read_of_their_own_cycle_only() {
        let slot = EngineSlot::new();
        let sure = |p: f32| Probabilities::from_slice(&[p, 1.0 - p]);
        slot.open(1);
        assert_eq!(slot.deepest_exit(1, 2), None);
        slot.record_exit(1, 1, &sure(0.5));
        slot.record_exit(1, 2, &sure(0.75));
        slot.open(2);
        assert_eq!(
            slot.deepest_exit(1, 2),
            Some((2, sure(0.75))),
            "the next cycle leaves it alone"
        );
        assert_eq!(slot.deepest_exit(2, 2), None);
        slot.open(1 + BANKS as u64);
        assert_eq!(slot.deepest_exit(1, 2), None, "its place is taken");
    }

    #[test]
    fn a_reader_never_sees_two_cycles_mixed() {
        let slot = EngineSlot::new();
        let cycles = 20_000u64;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for cycle in 1..=cycles {
                    slot.open(cycle);
                    slot.record_exit(
                        cycle,
                        1,
                        &Probabilities::from_slice(&[cycle as f32; MAX_LABELS]),
                    );
                }
            });
            for cycle in (1..=cycles).rev() {
                if let Some((_, read)) = slot.deepest_exit(cycle, MAX_LABELS) {
                    assert!(read.as_slice().iter().all(|p| *p == cycle as f32));
                }
            }
            let newest = || slot.deepest_exit(cycles, MAX_LABELS).is_some();
            while !newest() {
                for cycle in (cycles - 8).max(1)..=cycles {
                    if let Some((_, read)) = slot.deepest_exit(cycle, MAX_LABELS) {
                        assert!(read.as_slice().iter().all(|p| *p == cycle as f32));
                    }
                }
            }
        });
    }
}
